"""How a door stood around an alert: a step line from the journal, with the stretches in which nobody heard of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.campus import Campus
from core.journal import MessageRow
from core.messages import KINDS, DoorClosed, DoorOpened
from core.silence import MISSED_BEATS

WIDTH: Final = 480
HEIGHT: Final = 136
LEFT: Final = 58
RIGHT: Final = 470
HEIGHTS: Final = {"open": 34, "closed": 84}
MOST: Final = 500
"""So many changes and words of the sensor are looked at; more than that is a blur."""
SHORTEST: Final = timedelta(minutes=4)
LONGEST: Final = timedelta(hours=24)
_TICKS: Final = tuple(timedelta(seconds=each) for each in (30, 60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400))
_POSITIONS: Final = {DoorOpened.kind: "open", DoorClosed.kind: "closed"}


@dataclass(frozen=True, slots=True)
class Stretch:
    """From when until when a door stood so; None: it is not known how."""

    start: datetime
    end: datetime
    position: str | None


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the line of time."""

    x: float
    words: str


@dataclass(frozen=True, slots=True)
class DoorChart:
    """The picture, and the same in stretches, for those who read it."""

    door: str
    zone: ZoneInfo
    start: datetime
    end: datetime
    stretches: Sequence[Stretch]
    gaps: Sequence[tuple[datetime, datetime]]
    """From when until when nothing was heard that should have been."""
    beats: bool
    """Whether the sensor speaks when nothing happens; else silence cannot be told from calm."""
    found_at: datetime

    def x(self, at: datetime) -> float:
        """Return where an instant is on the line of time."""
        share = (at - self.start) / (self.end - self.start)
        return round(LEFT + min(max(share, 0.0), 1.0) * (RIGHT - LEFT), 1)

    @property
    def line(self) -> str:
        """The step line as an SVG path, broken where the position is not known."""
        path: list[str] = []
        before: str | None = None
        for each in self.stretches:
            if each.position is not None:
                height = HEIGHTS[each.position]
                path.append(f"{'V' if before else f'M {self.x(each.start)}'} {height} H {self.x(each.end)}")
            before = each.position
        return " ".join(path)

    @property
    def ticks(self) -> Sequence[Tick]:
        """A few full times, in the campus's own."""
        length = self.end - self.start
        step = next((each for each in _TICKS if length / each <= 4), _TICKS[-1] * max(1, length // _TICKS[-1] // 4))
        since = datetime(self.start.year, 1, 1, tzinfo=UTC)
        first = since + -((since - self.start) // step) * step
        form = "%H:%M:%S" if step < timedelta(minutes=1) else "%H:%M" if step < timedelta(days=1) else "%d %b"
        times = (first + number * step for number in range(6))
        return [Tick(self.x(at), f"{at.astimezone(self.zone):{form}}") for at in times if self.start <= at <= self.end]


async def read(
    session: AsyncSession,
    campus: Campus,
    door: str,
    *,
    since: datetime,
    until: datetime,
    found_at: datetime,
    live: bool,
) -> DoorChart:
    """Return how a door stood from a while before `since` until `until`; `live`: without what exercises said."""
    around = min(max((until - since) / 3, SHORTEST), LONGEST)
    start, end = max(since - around, until - 30 * LONGEST), until
    device = campus.device_of_door.get(door, "")
    heartbeat = campus.devices_by_id[device].heartbeat if device else None
    changes = await _changes(session, campus.id, door, start, end, live=live)
    times = await _heard(session, campus.id, door, device, start, end) if heartbeat else []
    return DoorChart(
        door=campus.doors_by_id[door].name,
        zone=campus.zone_info,
        start=start,
        end=end,
        stretches=list(stretches(changes, start, end)),
        gaps=list(gaps(times, heartbeat * MISSED_BEATS, start, end)) if heartbeat else [],
        beats=heartbeat is not None,
        found_at=found_at,
    )


def stretches(changes: Iterable[tuple[datetime, str]], start: datetime, end: datetime) -> Iterator[Stretch]:
    """Yield the stretches between changes; what was said before `start` holds from there on."""
    since, position = start, None
    for at, word in changes:
        if word == position:
            continue
        if at > since:
            yield Stretch(since, at, position)
        since, position = max(at, start), word
    if end > since:
        yield Stretch(since, end, position)


def gaps(
    heard: Sequence[datetime], patience: timedelta, start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield from when until when a sensor that should have spoken was not heard."""
    times = [*(heard or [start - patience]), end]
    for before, after in pairwise(times):
        if after - before > patience and after > start:
            yield max(before + patience, start), after


async def _changes(
    session: AsyncSession, campus: str, door: str, start: datetime, end: datetime, *, live: bool
) -> list[tuple[datetime, str]]:
    here = select(MessageRow.at, MessageRow.kind).where(MessageRow.campus == campus, MessageRow.key == door)
    here = here.where(MessageRow.kind.in_(_POSITIONS), MessageRow.at <= end)
    if live:
        here = here.where(MessageRow.data.not_like('%"exercise":"%'))
    inside = here.where(MessageRow.at >= start).order_by(MessageRow.at.desc(), MessageRow.id.desc()).limit(MOST)
    found = [(at, _POSITIONS[kind]) for at, kind in (await session.execute(inside)).all()]
    if len(found) < MOST:
        for kind in _POSITIONS:
            # One of a kind after the other: each is the end of an index.
            last = here.where(MessageRow.at < start, MessageRow.kind == kind).order_by(MessageRow.at.desc()).limit(1)
            found += [(at, _POSITIONS[kind]) for at, kind in (await session.execute(last)).all()]
    return sorted(found, key=lambda each: each[0])


async def _heard(
    session: AsyncSession, campus: str, door: str, device: str, start: datetime, end: datetime
) -> list[datetime]:
    kinds = [name for name, kind in KINDS.items() if kind.about in ("door", "device")]
    words = select(MessageRow.at).where(MessageRow.campus == campus, MessageRow.at.between(start - LONGEST, end))
    words = words.where(MessageRow.kind.in_(kinds), MessageRow.key.in_((door, device)))
    found = (await session.execute(words.order_by(MessageRow.at.desc()).limit(MOST))).scalars()
    return sorted(found)
