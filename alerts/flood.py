"""How much one person can take: an alert in ten minutes is a day's work, more than ten are a flood (EEMUA 191).

In a flood what is moderate or minor comes together, every ten minutes; what is severe or extreme never waits. A flood
ends once fewer than five alerts have reached the person within ten minutes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, upsert

SPAN: Final = timedelta(minutes=10)
BEGINS_ABOVE: Final = 10
ENDS_BELOW: Final = 5
DIGEST: Final = timedelta(minutes=10)
"""How long what comes in a digest waits for company."""


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """What has reached one person lately."""

    campus: str
    person: str
    recent: list[tuple[str, datetime]] = []
    """What reached them latest, and when; no more than decides whether there is a flood."""
    flood_since: datetime | None = None

    def load(self, now: datetime) -> int:
        """Return how many alerts reached them within the last ten minutes; more than eleven count as eleven."""
        return sum(at > now - SPAN for _, at in self.recent)

    def is_flooded(self, now: datetime) -> bool:
        """Return whether they are in a flood."""
        return self.flood_since is not None and self.load(now) >= ENDS_BELOW

    def told(self, what: str, now: datetime) -> Attention:
        """Return it after they were told of one thing more; of the same thing again counts once in ten minutes."""
        if any(each == what and at > now - SPAN for each, at in self.recent):
            return self
        recent = [*self.recent, (what, now)][-(BEGINS_ABOVE + 1) :]
        after = replace(self, recent=recent, flood_since=self.flood_since if self.is_flooded(now) else None)
        if after.flood_since is None and after.load(now) > BEGINS_ABOVE:
            return replace(after, flood_since=now)
        return after


class AttentionRow(Base):
    """What has reached one person lately; the columns are the fields of `Attention`."""

    __tablename__ = "attention"

    campus: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    recent: Mapped[list[Any]]
    flood_since: Mapped[datetime | None]


_OF_CAMPUSES: Final = select(AttentionRow).where(AttentionRow.campus.in_(bindparam("campuses", expanding=True)))


async def load(session: AsyncSession, campuses: Collection[str]) -> list[Attention]:
    """Return what has reached the people of these campuses lately."""
    names = Attention.__struct_fields__
    said, anew = {"campuses": sorted(campuses)}, {"populate_existing": True}
    rows = (await session.execute(_OF_CAMPUSES, said, execution_options=anew)).scalars()
    return [msgspec.convert({name: getattr(row, name) for name in names}, Attention) for row in rows]


async def save(session: AsyncSession, changed: Iterable[Attention]) -> None:
    """Write what has changed."""
    rows = [{name: getattr(each, name) for name in Attention.__struct_fields__} for each in changed]
    if rows:
        await session.execute(upsert(session, AttentionRow), rows)


async def floods(session: AsyncSession, campus: str, now: datetime) -> list[Attention]:
    """Return who on a campus is in a flood now."""
    return [each for each in await load(session, [campus]) if each.is_flooded(now)]
