"""What is true now, as rows: one for every door, visit, gathering, device and campus that was heard of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Index, Text, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, upsert, write
from core.facts import FACTS, Facts


class FactsRow(Base):
    """The facts of one thing; `level` repeats the word that lists are filtered by."""

    __tablename__ = "facts"

    campus: Mapped[str] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[str | None]
    heard_at: Mapped[datetime | None]
    data: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index(None, "campus", "entity", "level"),)


async def save(session: AsyncSession, campus: str, facts: Sequence[Facts]) -> None:
    """Write the facts of a campus that have changed."""
    await save_all(session, {campus: facts})


async def save_all(session: AsyncSession, changed: Mapping[str, Iterable[Facts]]) -> None:
    """Write the facts that have changed, by campus: one statement for a whole district."""
    rows = [_row(campus, each) for campus, facts in changed.items() for each in facts]
    await write(session, upsert(session, FactsRow), rows)


def _row(campus: str, facts: Facts) -> dict[str, Any]:
    return {
        "campus": campus,
        "entity": facts.entity,
        "id": facts.id,
        "level": facts.level,
        "heard_at": facts.heard_at,
        "data": msgspec.json.encode(facts).decode(),
    }


async def load(
    session: AsyncSession, campus: str, entity: str | None = None, *, level: str | None = None
) -> list[Facts]:
    """Return the facts of a campus, of one kind of thing or at one level (`visit`, `in`) if asked for."""
    columns = select(FactsRow.entity, FactsRow.data)
    query = columns.where(FactsRow.campus == campus).order_by(FactsRow.entity, FactsRow.id)
    if entity:
        query = query.where(FactsRow.entity == entity)
    if level:
        query = query.where(FactsRow.level == level)
    return [msgspec.json.decode(data, type=FACTS[kind]) for kind, data in await session.execute(query)]


@dataclass(frozen=True, slots=True)
class Standing:
    """How one thing stands, in a word, and when it was last heard of."""

    campus: str
    id: str
    level: str | None
    heard_at: datetime | None


async def standings(
    session: AsyncSession, campuses: Collection[str], entity: str, *, ids: Collection[str] | None = None
) -> list[Standing]:
    """Return how everything of a kind, or of those `ids`, stands on some campuses: much lighter than all its facts."""
    query = select(FactsRow.campus, FactsRow.id, FactsRow.level, FactsRow.heard_at)
    query = query.where(FactsRow.campus.in_(campuses), FactsRow.entity == entity)
    if ids is not None:
        query = query.where(FactsRow.id.in_(ids))
    found = await session.execute(query)
    return [Standing(*row) for row in found]


async def some(session: AsyncSession, campus: str, entity: str, ids: Collection[str]) -> list[Facts]:
    """Return the facts of some things of a kind; of those that nobody has told us about there are none."""
    query = select(FactsRow).where(FactsRow.campus == campus, FactsRow.entity == entity, FactsRow.id.in_(ids))
    return [msgspec.json.decode(row.data, type=FACTS[entity]) for row in (await session.execute(query)).scalars()]


async def get(session: AsyncSession, campus: str, entity: str, key: str) -> Facts | None:
    """Return the facts of one thing, or None if nobody has told us about it."""
    row = await session.get(FactsRow, (campus, entity, key))
    return None if row is None else msgspec.json.decode(row.data, type=FACTS[row.entity])


async def purge(session: AsyncSession, entity: str, before: datetime, *, limit: int) -> int:
    """Forget things of a kind that were last heard of before an instant; return how many went, at most `limit`."""
    query = select(FactsRow.campus, FactsRow.id).where(FactsRow.entity == entity, FactsRow.heard_at < before)
    found = (await session.execute(query.order_by(FactsRow.heard_at).limit(limit))).all()
    for campus in {row.campus for row in found}:
        ids = [row.id for row in found if row.campus == campus]
        gone = (FactsRow.campus == campus, FactsRow.entity == entity, FactsRow.id.in_(ids))
        await session.execute(delete(FactsRow).where(*gone))
    return len(found)
