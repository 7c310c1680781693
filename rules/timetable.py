"""What an engine still has to look at, and when: one heap for the times of keys and for those of the calendar."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

from core.campus import Campus
from rules.plan import Plan
from rules.spell import KeyState, due

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EVERY: Final = {"beat": timedelta(minutes=5), "minute": timedelta(minutes=1)}
_DAY: Final = timedelta(days=1)


class What(IntEnum):
    """What is to be done. Of one instant the lower comes first: calendars open before times run out."""

    SWEEP = 0
    """Forget what is old."""
    LOOK = 1
    """Judge a rule's keys again (or the one named): a calendar, a window or an override opens or closes."""
    WAKE = 2
    """The time of one key is up."""


SWEEP: Final = What.SWEEP
LOOK: Final = What.LOOK
WAKE: Final = What.WAKE
NEVER: Final = datetime.max.replace(tzinfo=UTC)

Timer = tuple[datetime, What, str, str]
"""When, what, and the rule and the key, if any. What is due at the same instant is done in a steady order."""


class Timetable:
    """The timers of one engine. A key has one entry or none; a later time than the entry's is found when it rings."""

    def __init__(self, campus: Campus) -> None:
        self._campus = campus
        self._heap: list[Timer] = []
        self._boundary = (_EPOCH, _EPOCH)

    @property
    def next_at(self) -> datetime:
        """When the first timer rings; `NEVER`: there is none."""
        return self._heap[0][0] if self._heap else NEVER

    def pop(self) -> Timer:
        """Take the first timer off."""
        return heapq.heappop(self._heap)

    def sweep_after(self, after: datetime) -> None:
        """Set the daily sweep to the next midnight of UTC."""
        heapq.heappush(self._heap, (_next(after, _DAY), SWEEP, "", ""))

    def wake(self, plan: Plan, key: str, state: KeyState) -> None:
        """See to it that a key is woken when its state wants to be."""
        at = due(plan.rule, state)
        if at is not None and ((waits := plan.scheduled.get(key)) is None or at < waits):
            plan.scheduled[key] = at
            heapq.heappush(self._heap, (at, WAKE, plan.rule.id, key))

    def is_due(self, plan: Plan, key: str, now: datetime) -> bool:
        """Return whether a key is still to be woken; if it wants to sleep on, see to it."""
        if plan.scheduled.get(key) != now:
            return False
        del plan.scheduled[key]
        state = plan.states.get(key)
        at = None if state is None else due(plan.rule, state)
        if state is None or at is None:
            return False
        if at > now:
            self.wake(plan, key, state)
            return False
        return True

    def look(self, plan: Plan, after: datetime, *, key: str = "", until: datetime | None = None) -> None:
        """See to it that a rule (or one key) is judged at the next instant that may change it without a message."""
        at = self._next_look(plan, after)
        if at is not None and (until is None or at <= until):
            heapq.heappush(self._heap, (at, LOOK, plan.rule.id, key))

    def _next_look(self, plan: Plan, after: datetime) -> datetime | None:
        rule = plan.rule
        looks: list[datetime | None] = [rule.operator.next_instant(self._campus, rule.params, after)]
        if rule.pace:
            looks.append(self._next_boundary(after))
        if rule.pace in _EVERY:
            looks.append(_next(after, _EVERY[rule.pace]))
        for each in rule.exemptions:
            looks += [edge for edge in each.spans(self._campus) if edge is not None and edge > after]
        return min((each for each in looks if each is not None), default=None)

    def _next_boundary(self, after: datetime) -> datetime:
        if not self._boundary[0] <= after < self._boundary[1]:
            self._boundary = (after, self._campus.next_boundary(after))
        return self._boundary[1]


def _next(after: datetime, step: timedelta) -> datetime:
    return after + step - (after - _EPOCH) % step
