"""Suppressions as rows: what is kept quiet, by whom, until when. None is ever deleted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Index, Text, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from alerts.suppression import Suppression
from core.database import Base, BigId, insert
from core.errors import NotFound


class SuppressionRow(Base):
    """One suppression; the columns are the fields of `alerts.suppression.Suppression`."""

    __tablename__ = "suppressions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    campus: Mapped[str]
    kind: Mapped[str]
    rules: Mapped[list[Any]]
    keys: Mapped[list[Any]]
    zones: Mapped[list[Any]]
    alert: Mapped[int | None]
    author: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    monitor: Mapped[str | None]
    window: Mapped[str | None]
    created_at: Mapped[datetime]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    seconded_by: Mapped[str | None]
    seconded_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix_suppressions_next_at",
            "next_at",
            sqlite_where=text("next_at IS NOT NULL"),
            postgresql_where=text("next_at IS NOT NULL"),
        ),
    )


_FIELDS: Final = tuple(Suppression.__struct_fields__)


def _value(row: SuppressionRow) -> Suppression:
    return msgspec.convert({name: getattr(row, name) for name in _FIELDS}, Suppression)


def _values(suppression: Suppression) -> dict[str, Any]:
    return {name: getattr(suppression, name) for name in _FIELDS}


async def add(session: AsyncSession, suppression: Suppression) -> Suppression:
    """Write a new suppression; return it with its number."""
    values = {name: value for name, value in _values(suppression).items() if name != "id"}
    number = (
        await session.execute(insert(session, SuppressionRow).returning(SuppressionRow.id), [values])
    ).scalar_one()
    return msgspec.structs.replace(suppression, id=number)


async def change(session: AsyncSession, suppression: Suppression) -> None:
    """Write a suppression that has moved."""
    await session.execute(update(SuppressionRow), [_values(suppression)])


async def get(session: AsyncSession, number: int) -> Suppression:
    """Return a suppression; NotFound if there is none of that number."""
    row = await session.get(SuppressionRow, number, populate_existing=True)
    if row is None:
        raise NotFound(f"there is no suppression {number}")
    return _value(row)


# Whatever holds has its end before it: the small index finds it. Both are asked for again and again.
_IN_FORCE: Final = (
    select(SuppressionRow)
    .where(
        SuppressionRow.campus.in_(bindparam("campuses", expanding=True)),
        SuppressionRow.next_at.is_not(None),
        SuppressionRow.starts_at <= bindparam("now"),
        SuppressionRow.ends_at > bindparam("now"),
    )
    .order_by(SuppressionRow.id)
)
_NEXT: Final = select(func.min(SuppressionRow.next_at)).where(SuppressionRow.next_at.is_not(None))


async def in_force(session: AsyncSession, campuses: Collection[str], now: datetime) -> list[Suppression]:
    """Return what holds at an instant on these campuses."""
    said = {"campuses": sorted(campuses), "now": now}
    rows = await session.execute(_IN_FORCE, said, execution_options={"populate_existing": True})
    return [_value(row) for row in rows.scalars()]


async def due(session: AsyncSession, now: datetime) -> list[Suppression]:
    """Return those about which something is to be done."""
    query = select(SuppressionRow).where(SuppressionRow.next_at <= now).order_by(SuppressionRow.id)
    rows = await session.execute(query.execution_options(populate_existing=True))
    return [_value(row) for row in rows.scalars()]


async def next_at(session: AsyncSession) -> datetime | None:
    """Return when something is to be done about one of them next."""
    return (await session.execute(_NEXT)).scalar()


async def find(
    session: AsyncSession,
    *,
    campus: str | None = None,
    now: datetime | None = None,
    kinds: Collection[str] = (),
    before_id: int | None = None,
    limit: int = 100,
) -> Sequence[Suppression]:
    """Return suppressions, the newest first; with `now` those alone that hold or are yet to come."""
    query = select(SuppressionRow).order_by(SuppressionRow.id.desc()).limit(limit)
    if campus:
        query = query.where(SuppressionRow.campus == campus)
    if now:
        query = query.where(SuppressionRow.lifted_at.is_(None), SuppressionRow.ends_at > now)
    if kinds:
        query = query.where(SuppressionRow.kind.in_(kinds))
    if before_id is not None:
        query = query.where(SuppressionRow.id < before_id)
    rows = await session.execute(query.execution_options(populate_existing=True))
    return [_value(row) for row in rows.scalars()]
