"""`deadline`: by a certain time it should no longer be so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Self

import msgspec
from msgspec.structs import replace
from pydantic import Field

from core.campus import Campus
from core.world import World
from rules.document import Document, Text
from rules.language.explain import plain
from rules.language.expression import Expression
from rules.language.scene import Scene, Value
from rules.operators.base import Operator
from rules.operators.moment import Began, Moment, Turn
from rules.operators.site import Site

LOOK_AHEAD: Final = 10
"""So many days are searched for the next instant of a calendar; a longer closed time is searched in steps."""


class DeadlineFields(Document):
    """Fields of `deadline`."""

    at: Text
    each: Literal["door", "zone", "visit", "gathering", "device", "campus"] | None = None
    condition: Text | None = Field(default=None, alias="if")


class Appointment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The time that was set for a key, and what came of it."""

    at: datetime
    due: datetime
    """When it is looked at: `at`, or the moment at which we learned of it, if that is later."""
    met: bool = False
    fired: bool = False


@dataclass(frozen=True, slots=True)
class Deadline(Operator[Appointment]):
    """At a time of the calendar (`calendar.school.end + 30m`), or of the thing itself (`visit.expected_out`), it
    is looked whether the condition is still true, for every thing of the key's kind.

    A thing's own time may move; it is then looked at again. It ends when the condition is false, or when the time
    has been moved into the future.
    """

    name = "deadline"
    Fields = DeadlineFields
    Memo = Appointment
    example = """
id: stays-too-long
title: A visitor is past the expected time
key: visit.id
params: {grace: {type: duration, default: 15m, min: 0s, max: 4h}}
deadline: {at: visit.expected_out + p.grace, each: visit, if: 'visit.state == "in"'}
severity: moderate
tests:
  - {at: 0s, send: {kind: visitor.checked_in, visit: v1, expected_out: "2026-11-24T10:30"}}
  - {at: 45m, expect: nothing}
  - {at: 45m1s, expect: firing, key: v1}
  - {at: 50m, send: {kind: visitor.checked_out, visit: v1}}
  - {at: 50m1s, expect: resolved}
"""
    when: Expression
    condition: Expression | None

    @classmethod
    def read(cls, fields: DeadlineFields, site: Site) -> Self:
        """Return the deadline that the fields describe."""
        if fields.each not in (None, site.entity):
            site.complain(f"the key is {site.entity}.id; say each: {site.entity}", "deadline.each")
        when = site.moment(fields.at, "deadline.at")
        if len(when.calendars) > 1 or (when.calendars and when.reads):
            site.complain("a time of one calendar or of the thing itself, not of both", "deadline.at")
        condition = site.state(fields.condition, "deadline.if") if fields.condition is not None else None
        return cls(when, condition)

    def say(self, params: Mapping[str, Value]) -> str:
        """Return what it waits for."""
        clause = self.condition.say(params) if self.condition else "it is time"
        return f"{clause} at {self.when.say(params)}"

    @property
    def watches(self) -> tuple[Expression, ...]:
        """The time and the condition."""
        return (self.when, self.condition) if self.condition else (self.when,)

    @property
    def shape(self) -> str:
        """The condition; the time may change under way."""
        return f"{'calendar' if self.when.calendars else 'own'}/{self.condition.source if self.condition else ''}"

    # ------------------------------------------------------------------------------------- times of a calendar
    def next_instant(self, campus: Campus, params: Mapping[str, Value], after: datetime) -> datetime | None:
        """Return the next time of the calendar; where none is near, a time to search again."""
        if not self.when.calendars:
            return None
        later = [each for each in self._instants(campus, params, after) if each > after]
        return min(later, default=after + timedelta(days=LOOK_AHEAD - 3))

    def _instants(self, campus: Campus, params: Mapping[str, Value], around: datetime) -> list[datetime]:
        (name,) = self.when.calendars
        calendar = campus.local_calendar
        today = calendar.local(around).date()
        days = (today + timedelta(days=offset) for offset in range(-2, LOOK_AHEAD))
        scene = Scene(campus, World(campus), around, "campus", campus.id, params, around)
        found: list[datetime] = []
        for span in (span for day in days for span in calendar.spans(name, day)):
            scene.span = span
            instant = self.when(scene)
            found += [instant] if isinstance(instant, datetime) else []
        return found

    @property
    def by_time_alone(self) -> bool:
        """Only the calendar itself brings its times."""
        return bool(self.when.calendars)

    def is_idle(self, scene: Scene) -> bool:
        """The thing has no time of its own."""
        return not self.when.calendars and not isinstance(self.when.run(scene), datetime)

    def judge(self, memo: Appointment | None, moment: Moment) -> Turn[Appointment]:
        """Look whether it is time, or when it will be."""
        if not self.when.calendars:
            return Turn(self._appointed(memo, moment))
        if memo is not None and memo.fired:
            return Turn(memo)
        # Only the calendar itself comes without a message, after all messages of the same instant.
        if moment.message is not None or not self._is_so(moment):
            return Turn(None)
        scene = moment.scene
        if moment.at not in self._instants(scene.campus, scene.params, moment.at):
            return Turn(None)
        return self._fire(Appointment(moment.at, moment.at), moment)

    # ------------------------------------------------------------------------------------ times of a thing itself
    def _appointed(self, memo: Appointment | None, moment: Moment) -> Appointment | None:
        at = self.when.run(moment.scene)
        if not isinstance(at, datetime):
            return memo if memo is not None and memo.fired else None
        if memo is None or memo.at != at:
            if memo is not None and memo.fired and at <= moment.at:
                return replace(memo, at=at)
            return Appointment(at, max(at, moment.at))
        return memo

    def due(self, memo: Appointment) -> datetime | None:
        """The time that was set."""
        return None if memo.fired or memo.met else memo.due

    def wake(self, memo: Appointment | None, moment: Moment) -> Turn[Appointment]:
        """It is time."""
        if memo is None or memo.fired or memo.met:
            return Turn(memo)
        return self._fire(memo, moment) if self._is_so(moment) else Turn(replace(memo, met=True))

    def _is_so(self, moment: Moment) -> bool:
        return moment.active and (self.condition is None or self.condition.run(moment.scene) is True)

    def _fire(self, memo: Appointment, moment: Moment) -> Turn[Appointment]:
        began = Began(memo.due, moment.evidence, self.readings(moment), more={"due": plain(memo.at)})
        return Turn(replace(memo, fired=True), (began,))

    def over(self, memo: Appointment | None, moment: Moment) -> bool | None:
        """The condition is false, or the time was moved into the future."""
        if memo is None or not memo.fired:
            return True
        truth = self.condition.run(moment.scene) if self.condition else None
        return None if truth is None else not truth

    def ended(self, memo: Appointment | None, _moment: Moment) -> Appointment | None:
        """Not again for the same time."""
        if memo is None or self.when.calendars:
            return None
        return replace(memo, fired=False, met=True) if memo.fired else memo

    def readings(self, moment: Moment) -> dict[str, Any]:
        """What the time and the condition read."""
        found = self.condition.readings(moment.scene) if self.condition else {}
        return found if self.when.calendars else self.when.readings(moment.scene) | found
