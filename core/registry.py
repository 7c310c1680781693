"""The campus in the database: one row for every zone, door, person, …; the file of a campus is loaded into it.

Every change gets the next revision, so that a running service sees that it must look again. Endpoint URLs and
watch-list details are sealed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal

import msgspec
from pydantic import TypeAdapter
from sqlalchemy import Index, Text, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.campus import Campus
from core.database import Base, in_turn, upsert
from core.vault import Vault

LISTS: Final = ("zones", "doors", "devices", "people", "gatherings", "watch_list")
"""Parts of a campus whose members have an id of their own."""
WHOLE: Final = ("campus", "calendar", "shifts", "on_call", "overrides", "policies")
"""Parts of a campus that are kept as one document."""


class ReferenceRow(Base):
    """One piece of a campus. A row without a document says that the piece is gone."""

    __tablename__ = "reference"

    campus: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int]
    document: Mapped[str | None] = mapped_column(Text)
    revision: Mapped[int]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]

    __table_args__ = (Index(None, "revision"),)


@dataclass(frozen=True, slots=True)
class Change:
    """One piece that was added, changed or removed, and how it looked before and after (as plain values)."""

    what: Literal["added", "changed", "removed"]
    part: str
    id: str
    before: Any = None
    after: Any = None


async def revision(session: AsyncSession) -> int:
    """Return the number of the latest change; 0 if there never was one."""
    return (await session.execute(select(func.max(ReferenceRow.revision)))).scalar() or 0


async def campus_ids(session: AsyncSession) -> list[str]:
    """Return the ids of all campuses."""
    query = select(ReferenceRow.campus).where(ReferenceRow.part == "campus", ReferenceRow.document.is_not(None))
    return sorted((await session.execute(query)).scalars())


async def load(session: AsyncSession, vault: Vault, campus: str) -> Campus | None:
    """Return a campus as it is now, or None if there is none of that id."""
    pieces = await _pieces(session, campus)
    if not any(part == "campus" for part, _ in pieces):
        return None
    found: dict[str, Any] = {}
    for (part, _), document in pieces.items():
        plain = _open(part, msgspec.json.decode(document), vault)
        if part in WHOLE:
            found[part] = plain
        else:
            found.setdefault(part, []).append(plain)
    return Campus.model_validate(found)


async def renewed(session: AsyncSession, vault: Vault, campus: Campus, parts: Collection[str]) -> Campus:
    """Return a campus with some of its parts as they are now, the rest as it has them: light, whatever its size.

    The parts were proved to go together when they were saved; here they are only read.
    """
    pieces = await _pieces(session, campus.id, parts)
    plain: dict[str, Any] = {part: [] for part in parts if part in LISTS}
    for (part, _), document in pieces.items():
        value = _open(part, msgspec.json.decode(document), vault)
        if part in LISTS:
            plain[part].append(value)
        else:
            plain[part] = value
    found = {name: getattr(campus, name) for name in Campus.model_fields}
    for part in parts:
        found[part] = _reader(part).validate_python(plain[part]) if part in plain else Campus.model_fields[part].default
    return Campus.model_construct(**found)


@cache
def _reader(part: str) -> TypeAdapter[Any]:
    # A field's annotation may be any form of a type, which the adapter's own signature does not say.
    form: Any = Campus.model_fields[part].annotation
    return TypeAdapter(form)


async def load_all(session: AsyncSession, vault: Vault) -> list[Campus]:
    """Return every campus as it is now."""
    loaded = [await load(session, vault, campus) for campus in await campus_ids(session)]
    return [campus for campus in loaded if campus is not None]


async def save(
    session: AsyncSession, vault: Vault, campus: Campus, *, now: datetime, by: str, dry_run: bool = False
) -> list[Change]:
    """Make the database say what `campus` says; return what that changes. The same campus again changes nothing."""
    await in_turn(session)
    stored = await _pieces(session, campus.id)
    wanted = dict(_split(campus))
    changes: list[Change] = []
    rows: list[dict[str, Any]] = []
    for place, (where, after) in enumerate(wanted.items()):
        before = _open(where[0], msgspec.json.decode(stored[where]), vault) if where in stored else None
        if before == after:
            continue
        changes.append(Change("changed" if where in stored else "added", *where, before=before, after=after))
        rows.append({"part": where[0], "id": where[1], "place": place, "document": _seal(where[0], after, vault)})
    for where in sorted(stored.keys() - wanted.keys()):
        before = _open(where[0], msgspec.json.decode(stored[where]), vault)
        changes.append(Change("removed", *where, before=before))
        rows.append({"part": where[0], "id": where[1], "place": 0, "document": None})
    if rows and not dry_run:
        number = await revision(session) + 1
        common = {"campus": campus.id, "revision": number, "changed_at": now, "changed_by": by}
        await session.execute(upsert(session, ReferenceRow), [row | common for row in rows])
    return changes


async def _pieces(
    session: AsyncSession, campus: str, parts: Collection[str] = (*WHOLE, *LISTS)
) -> dict[tuple[str, str], str]:
    row = ReferenceRow
    query = (
        select(row.part, row.id, row.document)
        .where(ReferenceRow.campus == campus, ReferenceRow.part.in_(parts), ReferenceRow.document.is_not(None))
        .order_by(ReferenceRow.part, ReferenceRow.place)
    )
    return {(part, each): document or "" for part, each, document in await session.execute(query)}


def _split(campus: Campus) -> Iterable[tuple[tuple[str, str], Any]]:
    plain = to_plain(campus)
    for part in WHOLE:
        if part in plain:
            yield (part, campus.id), plain[part]
    for part in LISTS:
        yield from (((part, each["id"]), each) for each in plain.get(part, []))


def to_plain(campus: Campus) -> dict[str, Any]:
    """Return a campus as the plain values of its file; what is at its default is left out."""
    return campus.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _seal(part: str, document: Any, vault: Vault) -> str:
    return msgspec.json.encode(_each_secret(part, document, vault.seal)).decode()


def _open(part: str, document: Any, vault: Vault) -> Any:
    return _each_secret(part, document, vault.open)


def _each_secret(part: str, document: Any, change: Any) -> Any:
    if part == "people":
        endpoints = [{**each, "url": change(each["url"])} for each in document.get("endpoints", ())]
        return {**document, "endpoints": endpoints} if endpoints else document
    if part == "watch_list":
        sealed = {name: change(document[name]) for name in ("name", "instruction") if name in document}
        if "aliases" in document:
            sealed["aliases"] = [change(alias) for alias in document["aliases"]]
        return {**document, **sealed}
    return document
