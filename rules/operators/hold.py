"""`hold`: something has been so for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec
from msgspec.structs import replace
from pydantic import Field

from rules.document import Document, Text
from rules.language.explain import plain
from rules.language.expression import Expression
from rules.language.scene import Scene, Value
from rules.operators.base import Operator
from rules.operators.moment import Began, Evidence, Moment, Turn
from rules.operators.site import Site


class HoldFields(Document):
    """Fields of `hold`."""

    condition: Text = Field(alias="while")
    length: Text = Field(alias="for")


class Stretch(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A stretch of time in which the condition has been true, short false stretches included."""

    armed_at: datetime
    due: datetime
    evidence: tuple[Evidence, ...] = ()
    truth: bool | None = True
    false_since: datetime | None = None
    false_until: datetime | None = None
    """When the false stretch will have lasted long enough to end this one."""
    fired: bool = False
    spent: bool = False
    """Its finding was cleared while the condition was still true; it must become false before it counts again."""


@dataclass(frozen=True, slots=True)
class Hold(Operator[Stretch]):
    """A condition about the state of things stays true for a time.

    It is armed when the condition becomes true, or when the rule's `active` time opens while it is true; from
    then the time counts. It fires when the time is up and the condition is still true; a message that makes it
    false at that very instant comes first. False for less than the rule's `keep` does not interrupt it. With
    `for: 0s` it is a threshold with one open finding.
    """

    name = "hold"
    Fields = HoldFields
    Memo = Stretch
    lapses = True
    example = """
id: gym-door-held
title: A gym door is held open
scope: {door: {exterior: true}}
key: door.id
params: {hold: {type: duration, default: 60s, min: 10s, max: 30m}}
hold: {while: 'door.position == "open" && !door.in_window', for: p.hold}
keep: 5s
severity: severe
tests:
  - {at: 0s, send: {kind: door.opened, door: gym}}
  - {at: 30s, send: {kind: door.closed, door: gym}}
  - {at: 33s, send: {kind: door.opened, door: gym}}   # a bounce, shorter than keep
  - {at: 59s, expect: nothing}
  - {at: 61s, expect: firing}
  - {at: 70s, send: {kind: door.closed, door: gym}}
  - {at: 76s, expect: resolved}
"""
    condition: Expression
    length: Expression

    @classmethod
    def read(cls, fields: HoldFields, site: Site) -> Self:
        """Return the hold that the fields describe."""
        return cls(site.state(fields.condition, "hold.while"), site.duration(fields.length, "hold.for"))

    def say(self, params: Mapping[str, Value]) -> str:
        """Return what it waits for."""
        clause = self.condition.say(params)
        length = self.length.say(params)
        return clause if length == "0s" else f"{clause}, and stays so for {length}"

    @property
    def watches(self) -> tuple[Expression, ...]:
        """The condition."""
        return (self.condition, self.length)

    @property
    def shape(self) -> str:
        """The condition; the time may change under way."""
        return self.condition.source

    def is_idle(self, scene: Scene) -> bool:
        """Nothing to arm."""
        return self.condition.run(scene) is not True

    def judge(self, memo: Stretch | None, moment: Moment) -> Turn[Stretch]:
        """Arm, interrupt, take up again or give up."""
        truth = self.condition.run(moment.scene)
        if memo is None:
            return Turn(self._arm(moment) if truth is True and moment.active else None)
        if memo.spent:
            return Turn(None if truth is False else memo)
        if memo.fired:
            return Turn(memo)
        if not moment.active:
            return Turn(None)
        if truth is True:
            return Turn(self._take_up(memo, moment))
        if truth is None:
            return Turn(replace(memo, truth=None, false_since=None, false_until=None))
        return Turn(self._interrupt(memo, moment))

    def _arm(self, moment: Moment) -> Stretch | None:
        length = self.length.run(moment.scene)
        if not isinstance(length, timedelta):
            return None
        return Stretch(armed_at=moment.at, due=moment.at + length, evidence=moment.evidence)

    def _take_up(self, memo: Stretch, moment: Moment) -> Stretch | None:
        if memo.false_until is not None and moment.at >= memo.false_until:
            return self._arm(moment)
        length = self.length.run(moment.scene)
        due = memo.armed_at + length if isinstance(length, timedelta) else memo.due
        # What was due while the condition was false, or by a time made shorter since, is due now.
        return replace(memo, due=max(due, moment.at), truth=True, false_since=None, false_until=None)

    def _interrupt(self, memo: Stretch, moment: Moment) -> Stretch | None:
        if memo.false_until is not None:
            return None if moment.at >= memo.false_until else memo
        keep = moment.keep
        if not keep:
            return None
        return replace(memo, truth=False, false_since=moment.at, false_until=moment.at + keep)

    def due(self, memo: Stretch) -> datetime | None:
        """The end of the time."""
        return memo.due if memo.truth is True and not memo.fired and not memo.spent else None

    def lapses_at(self, memo: Stretch) -> datetime | None:
        """The end of the false stretch."""
        return memo.false_until

    def wake(self, memo: Stretch | None, moment: Moment) -> Turn[Stretch]:
        """Fire."""
        if memo is None or memo.fired or memo.spent:
            return Turn(memo)
        if memo.truth is not True or not moment.active:
            return Turn(memo if moment.active else None)
        more = {"armed_at": plain(memo.armed_at), "due": plain(memo.due)}
        began = Began(memo.due, memo.evidence, self.readings(moment), more=more)
        return Turn(replace(memo, fired=True), (began,))

    def over(self, _memo: Stretch | None, moment: Moment) -> bool | None:
        """The condition is false."""
        truth = self.condition.run(moment.scene)
        return None if truth is None else not truth

    def ended(self, memo: Stretch | None, moment: Moment) -> Stretch | None:
        """Start from nothing, unless the finding was cleared while the condition is still true."""
        clear = moment.frame.clear
        if memo is None or clear is None or clear.run(moment.scene) is not True or not self.condition.run(moment.scene):
            return None
        return replace(memo, spent=True)

    def readings(self, moment: Moment) -> dict[str, Any]:
        """What the condition reads."""
        return self.condition.readings(moment.scene)
