"""The site's own mappings as rows, every version of each; together with those that ship they are in force.

The first mapping that fits reads a message, so their order counts: the site's come first, in the order of the files
they were loaded from, and one that has the id of a shipped mapping stands in for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import structlog
from sqlalchemy import Index, Text, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, in_turn, insert
from core.documents import Document
from core.errors import BadInput, NotFound
from core.registry import Change
from ingest.mapping import Mapping, read_mappings, shipped
from ingest.webhooks import hooks

log = structlog.get_logger()


class MappingRow(Base):
    """One version of a mapping of this site. A version without a document says that the mapping was deleted."""

    __tablename__ = "mappings"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    place: Mapped[int]
    """Where it stands among the site's mappings: the lower one is asked first."""
    document: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    revision: Mapped[int]

    __table_args__ = (Index(None, "revision"),)


@dataclass(frozen=True, slots=True)
class Stored:
    """The latest version of a mapping as it was written; it may be one that this house can no longer read."""

    id: str
    version: int
    place: int
    document: dict[str, Any]


async def revision(session: AsyncSession) -> int:
    """Return a number that grows with every change of any mapping; 0 if there never was one."""
    return (await session.execute(select(func.max(MappingRow.revision)))).scalar() or 0


async def stored(session: AsyncSession) -> list[Stored]:
    """Return the site's mappings as they were written, in their order."""
    newest = select(MappingRow.id, func.max(MappingRow.version).label("version")).group_by(MappingRow.id).subquery()
    query = (
        select(MappingRow)
        .join(newest, and_(MappingRow.id == newest.c.id, MappingRow.version == newest.c.version))
        .where(MappingRow.document.is_not(None))
        .order_by(MappingRow.place, MappingRow.id)
    )
    return [
        Stored(row.id, row.version, row.place, msgspec.json.decode(row.document or "null"))
        for row in (await session.execute(query)).scalars()
    ]


async def load(session: AsyncSession) -> list[Mapping]:
    """Return the site's mappings, in their order.

    One that this house can no longer read is left out, with a warning; the others must not suffer from it.
    """
    found: list[Mapping] = []
    for each in await stored(session):
        try:
            found += read_mappings([Document(each.document, f"mapping {each.id} version {each.version}")])
        except BadInput as error:
            log.warning("mapping left out", mapping=each.id, problems=[str(p) for p in error.problems])
    return found


async def in_force(session: AsyncSession) -> list[Mapping]:
    """Return all mappings in the order in which they are asked: the site's own, then those that ship."""
    site = await load(session)
    own = {each.id for each in site}
    return [*site, *(each for each in shipped() if each.id not in own)]


async def save(
    session: AsyncSession, mappings: Iterable[Mapping], *, now: datetime, by: str, dry_run: bool = False
) -> list[Change]:
    """Write mappings down that are new or changed, and keep them in the order given; return what that changes.

    Mappings that are new stand behind those that were there; the others keep their places, exchanged among
    themselves where the order given is another one. BadInput where they contradict others about a webhook's sender.
    """
    await in_turn(session)
    known = {each.id: each for each in await stored(session)}
    wanted = list(mappings)
    places = _places(known, [each.id for each in wanted])
    own = {each.id for each in wanted}
    # Two that trust different senders under one name must not stand beside each other.
    hooks([*wanted, *(each for each in await in_force(session) if each.id not in own)])
    changes: list[Change] = []
    rows: list[dict[str, Any]] = []
    for place, mapping in zip(places, wanted, strict=True):
        before, after = known.get(mapping.id), mapping.origin.data
        if before is not None and (before.document, before.place) == (after, place):
            continue
        was = before.document if before else None
        changes.append(Change("changed" if before else "added", "mapping", mapping.id, before=was, after=after))
        rows.append({"id": mapping.id, "place": place, "document": msgspec.json.encode(after).decode()})
    if rows and not dry_run:
        await _add(session, rows, now, by)
    return changes


async def delete(session: AsyncSession, mapping: str, *, now: datetime, by: str) -> None:
    """Delete a mapping of this site; its versions stay on record. NotFound if there is none."""
    await in_turn(session)
    known = {each.id: each for each in await stored(session)}
    if mapping not in known:
        raise NotFound(f"no mapping {mapping!r} of this site")
    await _add(session, [{"id": mapping, "place": known[mapping].place, "document": None}], now, by)


def _places(known: dict[str, Stored], wanted: Sequence[str]) -> list[int]:
    last = max((each.place for each in known.values()), default=0)
    fresh = sum(each not in known for each in wanted)
    return sorted([known[each].place for each in wanted if each in known] + [last + 1 + n for n in range(fresh)])


async def _add(session: AsyncSession, rows: list[dict[str, Any]], now: datetime, by: str) -> None:
    ids = [row["id"] for row in rows]
    query = (
        select(MappingRow.id, func.max(MappingRow.version).label("latest"))
        .where(MappingRow.id.in_(ids))
        .group_by(MappingRow.id)
    )
    versions = {row.id: row.latest for row in await session.execute(query)}
    common = {"created_at": now, "created_by": by, "revision": await revision(session) + 1}
    numbered = [row | common | {"version": versions.get(row["id"], 0) + 1} for row in rows]
    await session.execute(insert(session, MappingRow), numbered)
