"""Announced sensors as rows. They are kept when they are bound, and shown again should the binding go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Text, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.campus import Campus
from core.database import Base, upsert
from core.messages import Heard
from ingest.discovery.proposal import Proposal, name_of, propose
from ingest.discovery.sensor import Sensor, read
from ingest.mapping import Mapping

MAX_KEPT: Final = 5000
"""So many sensors are kept; a school has a few hundred."""


class ProposalRow(Base):
    """A sensor that was announced and may be on a door."""

    __tablename__ = "proposals"

    topic: Mapped[str] = mapped_column(primary_key=True)
    heard_at: Mapped[datetime]
    data: Mapped[str] = mapped_column(Text)


@dataclass
class News:
    """What a batch announced: the sensors, and the topics of those that were withdrawn."""

    sensors: dict[str, Sensor] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def take(self, heard: Heard) -> None:
        """Take an announcement in; Refused if it is none. The last word about a topic counts."""
        sensor = read(heard) if heard.payload.strip() else None
        self.sensors.pop(heard.topic, None)
        self.gone.add(heard.topic)
        if sensor is not None:
            self.sensors[heard.topic] = sensor


async def keep(session: AsyncSession, news: News, now: datetime) -> None:
    """Write down what was announced and forget what was withdrawn."""
    gone = sorted(news.gone - news.sensors.keys())
    for start in range(0, len(gone), 500):
        await session.execute(delete(ProposalRow).where(ProposalRow.topic.in_(gone[start : start + 500])))
    if not news.sensors:
        return
    rows = [
        {"topic": topic, "heard_at": now, "data": msgspec.json.encode(sensor).decode()}
        for topic, sensor in news.sensors.items()
    ]
    await session.execute(upsert(session, ProposalRow), rows)
    count = await announced(session)
    if count > MAX_KEPT:
        oldest = select(ProposalRow.topic).order_by(ProposalRow.heard_at, ProposalRow.topic).limit(count - MAX_KEPT)
        await session.execute(delete(ProposalRow).where(ProposalRow.topic.in_(oldest)))


async def proposals(
    session: AsyncSession,
    campuses: Iterable[Campus],
    mappings: Sequence[Mapping],
    *,
    after: str | None = None,
    limit: int = MAX_KEPT,
) -> list[Proposal]:
    """Return the sensors that no campus names as a source, in the order of their topics, those behind `after`."""
    bound = _bound(campuses)
    query = select(ProposalRow).order_by(ProposalRow.topic)
    if after is not None:
        query = query.where(ProposalRow.topic > after)
    found: list[Proposal] = []
    # To work out what to write takes a while for each: no more than are wanted.
    for row in (await session.execute(query)).scalars():
        each = propose(msgspec.json.decode(row.data, type=Sensor), row.heard_at, mappings)
        if name_of(each.source) not in bound:
            found.append(each)
        if len(found) == limit:
            break
    return found


async def proposed(
    session: AsyncSession, campuses: Iterable[Campus], mappings: Sequence[Mapping], topic: str
) -> Proposal | None:
    """Return the sensor that announced itself under a topic; None if there is none, or a campus names it by now."""
    bound = _bound(campuses)
    row = await session.get(ProposalRow, topic)
    found = row and propose(msgspec.json.decode(row.data, type=Sensor), row.heard_at, mappings)
    return found if found and name_of(found.source) not in bound else None


async def announced(session: AsyncSession) -> int:
    """Return how many sensors have announced themselves, those that a campus names included."""
    return (await session.execute(select(func.count()).select_from(ProposalRow))).scalar_one()


def _bound(campuses: Iterable[Campus]) -> set[str]:
    return {name_of(source) for campus in campuses for source in campus.by_source}
