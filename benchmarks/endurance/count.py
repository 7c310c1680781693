"""Counts what came of what was said: nothing may be lost, and nothing may have an effect twice.

The sender knows what it said and what was due by it (`Said`); journal, alerts, deliveries and receiver show what came
of it (`Found`). A push is sent at least once: what a kill interrupts may come again, with the same code, and is counted
apart. Journal rows, alerts, repeats of an alert and deliveries may never be doubled.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from benchmarks.stage import PROBE, Stage
from core.clock import stopwatch

PATIENCE_S: Final = 30.0
"""So long nothing may move before what is missing counts as lost."""
LONGEST_S: Final = 120.0
"""So long it is waited for at most, whatever still moves."""
_OURS: Final = f"a.rule LIKE '{PROBE['id']}%'"
_TOLD: Final = re.compile(r"probe ([a-z]+\d+)")


@dataclass(slots=True)
class Said:
    """What a sender has said."""

    ids: set[str] = field(default_factory=set)
    due: set[str] = field(default_factory=set)
    """The visits whose alert is due."""
    doors: dict[str, str] = field(default_factory=dict)
    """What each door has said last."""
    over: set[str] = field(default_factory=set)
    """What was true for a while and is over: it may be on record, and nobody may be told of it any more."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it."""

    readings: Counter[tuple[str, int]]
    """Rows of the journal, by the sender's id and the part of what was said."""
    alerts: Counter[str]
    """How often the rule is found to hold, by visit: a repeat counts like an alert."""
    deliveries: Counter[str]
    """What was put into the outbox, by visit."""
    pushes: Counter[str]
    """What the receiver got, by visit."""
    doors: Mapping[str, str | None]
    """The state that is kept."""


@dataclass(frozen=True, slots=True)
class Count:
    """The line with which every program of this folder ends."""

    program: str
    sent: int
    journalled: int
    lost: int
    """Sent and not in the journal, and doors of which something else is believed than they said last."""
    duplicated: int
    """Rows, alerts, repeats and deliveries beyond the first."""
    alerts_due: int
    delivered: int
    twice: int
    """Pushes beyond the first of their alert."""
    unwanted: int = 0
    """Alerts and pushes of which none was due."""
    excused: int = 0
    """So many may: at most one for each endpoint and kill."""

    @property
    def missing(self) -> int:
        """How many alerts reached nobody."""
        return self.alerts_due - self.delivered

    @property
    def holds(self) -> bool:
        """Whether nothing was lost and nothing had an effect twice."""
        return not (self.lost or self.duplicated or self.missing or self.unwanted) and self.twice <= self.excused

    def __str__(self) -> str:
        return (
            f"{self.program}: {self.sent} sent, {self.journalled} journalled, {self.lost} lost, {self.duplicated} "
            f"duplicated; {self.alerts_due} alerts due, {self.delivered} delivered, {self.missing} missing, "
            f"{self.unwanted} unwanted; {self.twice} pushes twice, {self.excused} may"
        )

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as cells of a table, in the order of `HEAD`."""
        numbers = (self.sent, self.journalled, self.lost, self.duplicated, self.alerts_due, self.delivered)
        return (self.program, *(f"{each:,}" for each in numbers), f"{self.twice:,} of {self.excused:,} that may")


HEAD: Final = ("program", "sent", "journalled", "lost", "duplicated", "alerts due", "delivered", "pushes twice")


def compare(program: str, said: Said, found: Found, *, excused: int = 0) -> Count:
    """Return the count. `excused`: so many pushes may come twice, at most one for each endpoint and kill."""
    heard = {name for name, _ in found.readings}
    wrong = sum(found.doors.get(door) != position for door, position in said.doors.items())
    doubled = sum(_beyond(each) for each in (found.readings, found.alerts, found.deliveries))
    return Count(
        program,
        sent=len(said.ids),
        journalled=len(heard & said.ids),
        lost=len(said.ids - heard) + wrong,
        duplicated=doubled,
        alerts_due=len(said.due),
        delivered=len(said.due & found.pushes.keys()),
        twice=_beyond(found.pushes),
        unwanted=len(found.alerts.keys() - said.due - said.over) + len(found.pushes.keys() - said.due),
        excused=excused,
    )


def _beyond(counter: Counter[str] | Counter[tuple[str, int]]) -> int:
    return counter.total() - len(counter)


class _Reading(msgspec.Struct):
    message_id: str
    part: int = 0


class _Door(msgspec.Struct):
    id: str
    position: str | None = None


def look(here: Stage) -> Found:
    """Ask the database and the receiver what came of it."""
    readings = (msgspec.json.decode(data, type=_Reading) for (data,) in here.query("SELECT data FROM messages"))
    doors = (
        msgspec.json.decode(data, type=_Door) for (data,) in here.query("SELECT data FROM facts WHERE entity = 'door'")
    )
    alerts: Counter[str] = Counter()
    for key, count in here.query(f"SELECT a.key, a.count FROM alerts a WHERE {_OURS}"):
        alerts[key] += count
    rows = here.query(f"SELECT a.key FROM deliveries d JOIN alerts a ON a.id = d.alert WHERE {_OURS}")
    return Found(
        readings=Counter((each.message_id, each.part) for each in readings),
        alerts=alerts,
        deliveries=Counter(key for (key,) in rows),
        pushes=pushed(here),
        doors={each.id: each.position for each in doors},
    )


def pushed(here: Stage) -> Counter[str]:
    """Return how often the receiver was told of each visit."""
    texts = (push.json["message"] + push.json["title"] for push in list(here.receiver.received))
    return Counter(told[1] for text in texts if (told := _TOLD.search(text)))


async def settled(here: Stage, said: Said, *, patience: float = PATIENCE_S, longest: float = LONGEST_S) -> float:
    """Return once all is journalled, told and written down, or nothing has moved for a while; say how long it took.

    What a kill has left on its way to the receiver is due again when its lease ends, and is waited for.
    """
    began, seen, since = stopwatch(), (0, 0, 0), stopwatch()
    while stopwatch() - since < patience and stopwatch() - began < longest:
        with contextlib.suppress(Exception):  # a database that is away is asked again
            now = await asyncio.to_thread(_progress, here, said)
            if now[0] >= len(said.ids) and now[1] == len(said.due) and not now[2]:
                break
            if now != seen:
                seen, since = now, stopwatch()
        await asyncio.sleep(0.25)
    return stopwatch() - began


def _progress(here: Stage, said: Said) -> tuple[int, int, int]:
    ((journalled,),) = here.query("SELECT count(*) FROM messages")
    ((waiting,),) = here.query(
        "SELECT count(*) FROM deliveries d JOIN alerts a ON a.id = d.alert "
        f"WHERE {_OURS} AND d.state IN ('pending', 'leased', 'failed') AND d.due_at IS NOT NULL"
    )
    return int(journalled), len(said.due & pushed(here).keys()), int(waiting)
