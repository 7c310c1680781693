"""How well each device is heard: when last, how far its clock is off, what came twice, late or not at all.

The engine asks whether a door is open; this asks whether its sensor can be trusted to say so. Counted in memory and
written with the batch that was counted, in one statement, so that the figures are those of what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, BigId, upsert
from core.messages import DeviceClockAdjusted, Heard, Message
from core.wire import Refused, read_instant, read_json

OFFSETS: Final = 9
"""The clock's offset is the median of so many of the latest: one message that was long on its way does not count."""
RESET: Final = 10_000
"""A number that jumps by more is one that was started anew: nothing can be said about losses."""
OVERTAKEN: Final = 100
"""A number that falls by less was overtaken on its way; one that falls by more was started anew."""
_MILLISECOND: Final = timedelta(milliseconds=1)
LARGEST: Final = 2**53
"""A greater number counts nothing; no database would take it."""


class DeviceHealthRow(Base):
    """How well one device is heard, since it was first heard."""

    __tablename__ = "device_health"

    campus: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    last_seen: Mapped[datetime]
    messages: Mapped[int] = mapped_column(BigId)
    duplicates: Mapped[int] = mapped_column(BigId)
    late: Mapped[int] = mapped_column(BigId)
    skewed: Mapped[int] = mapped_column(BigId)
    lost: Mapped[int] = mapped_column(BigId)
    seq: Mapped[int | None] = mapped_column(BigId)
    boot: Mapped[str | None]
    offsets: Mapped[list[Any]]
    """The latest offsets of its clock, in milliseconds; above 0 it is ahead."""


@dataclass(slots=True)
class Tally:
    """The counters of one device; see the row."""

    last_seen: datetime
    messages: int = 0
    duplicates: int = 0
    late: int = 0
    skewed: int = 0
    lost: int = 0
    seq: int | None = None
    boot: str | None = None
    offsets: list[int] = field(default_factory=list)

    @property
    def clock_offset(self) -> timedelta | None:
        """How far the device's clock is ahead of ours (on its way included); None if it tells no time."""
        return _offset_of(self.offsets)

    def count(self, message: Message, heard: Heard) -> None:
        """Take in a message that is new."""
        self.last_seen = message.received_at
        self.messages += 1
        self.late += message.late
        self.skewed += message.skewed
        if message.seq is not None and 0 <= message.seq <= LARGEST:
            self._follow(message.seq, message.boot)
        if message.part == 0 and (offset := _offset(message, heard)) is not None:
            self.offsets.append(offset // _MILLISECOND)
            del self.offsets[:-OFFSETS]

    def _follow(self, seq: int, boot: str | None) -> None:
        before, same = self.seq, self.boot == boot
        if before is not None and same and before - OVERTAKEN < seq < before:
            # It was counted as lost when it was overtaken.
            self.lost = max(0, self.lost - 1)
            return
        if before is not None and same and before < seq <= before + RESET:
            self.lost += seq - before - 1
        self.seq, self.boot = seq, boot


def _offset(message: Message, heard: Heard) -> timedelta | None:
    if not message.skewed:
        # Where it told no time, the two are the same.
        return message.at - message.received_at if message.at != message.received_at else None
    try:
        said = read_json(heard.payload)
        told = read_instant(said.get("at", said.get("time"))) if isinstance(said, dict) else None
    except Refused:
        return None
    return None if told is None else told - message.received_at


class Health:
    """The counters of all devices. What it holds is lost with a transaction that fails: read it anew then."""

    def __init__(self, tallies: dict[tuple[str, str], Tally] | None = None) -> None:
        self._tallies = tallies or {}

    def count(self, heard: Heard, messages: Iterable[Message], fresh: set[int], touched: set[tuple[str, str]]) -> int:
        """Count what one payload held; `fresh` are the ids of the message objects that are new.

        Notes in `touched` whose counters changed. Return how many messages this shows to have been lost.
        """
        lost = 0
        for message in messages:
            if message.kind == DeviceClockAdjusted.kind:
                # Made of the message beside it, which is counted.
                continue
            for entity, device in message.tells():
                if entity == "device":
                    lost += self._count(message, heard, (message.campus, device), new=id(message) in fresh)
                    touched.add((message.campus, device))
        return lost

    def _count(self, message: Message, heard: Heard, place: tuple[str, str], *, new: bool) -> int:
        tally = self._tallies.get(place)
        if tally is None:
            tally = self._tallies[place] = Tally(message.received_at)
        before = tally.lost
        if new:
            tally.count(message, heard)
        else:
            tally.duplicates += 1
            tally.last_seen = message.received_at
        return max(0, tally.lost - before)

    async def save(self, session: AsyncSession, touched: Iterable[tuple[str, str]]) -> None:
        """Write down the counters that changed, in one statement."""
        rows = [_row(place, self._tallies[place]) for place in touched]
        if rows:
            await session.execute(upsert(session, DeviceHealthRow), rows)


async def restore(session: AsyncSession) -> Health:
    """Return the counters as they were written."""
    rows = (await session.execute(select(DeviceHealthRow))).scalars()
    return Health({(row.campus, row.device): _tally(row) for row in rows})


async def load(session: AsyncSession, campus: str) -> Mapping[str, Tally]:
    """Return the counters of the devices of a campus that were heard, by their ids."""
    columns = [getattr(DeviceHealthRow, name) for name in _COLUMNS]
    query = select(DeviceHealthRow.device, *columns).where(DeviceHealthRow.campus == campus)
    return {device: Tally(*values) for device, *values in await session.execute(query)}


class Glance(msgspec.Struct, frozen=True, gc=False):
    """What a list of thousands needs of a device; it holds nothing that the garbage collector must look into."""

    last_seen: datetime
    messages: int
    lost: int
    clock_offset: timedelta | None


async def glances(session: AsyncSession, campus: str) -> Mapping[str, Glance]:
    """Return how each device of a campus is heard, in few words: much lighter than all its counters."""
    row = DeviceHealthRow
    query = select(row.device, row.last_seen, row.messages, row.lost, row.offsets).where(row.campus == campus)
    return {
        device: Glance(seen, messages, lost, _offset_of(offsets))
        for device, seen, messages, lost, offsets in await session.execute(query)
    }


def _offset_of(offsets: list[int]) -> timedelta | None:
    return timedelta(milliseconds=median(offsets)) if offsets else None


async def forget(session: AsyncSession, before: datetime) -> None:
    """Forget devices that were not heard since an instant."""
    await session.execute(delete(DeviceHealthRow).where(DeviceHealthRow.last_seen < before))


_COLUMNS: Final = ("last_seen", "messages", "duplicates", "late", "skewed", "lost", "seq", "boot", "offsets")


def _row(place: tuple[str, str], tally: Tally) -> dict[str, Any]:
    return {"campus": place[0], "device": place[1]} | {name: getattr(tally, name) for name in _COLUMNS}


def _tally(row: DeviceHealthRow) -> Tally:
    return Tally(**{name: getattr(row, name) for name in _COLUMNS})
