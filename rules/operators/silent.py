"""`silent`: nothing is heard any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

import msgspec
from msgspec.structs import replace
from pydantic import Field

from rules.document import Document, HeardList, Text
from rules.language.explain import plain
from rules.language.expression import Expression
from rules.language.scene import Value
from rules.operators.base import Operator
from rules.operators.moment import Began, Evidence, Moment, Turn
from rules.operators.site import Hearing, Site

LOOK_AGAIN: Final = timedelta(minutes=1)
"""While something else explains a silence, so often it is looked whether it still does."""


class SilentFields(Document):
    """Fields of `silent`."""

    of: HeardList
    condition: Text | None = Field(default=None, alias="if")
    length: Text = Field(alias="for")
    unless: Text | None = None
    once_heard: bool = False


class LastWord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """When a key was heard last, and when its silence will have lasted too long."""

    heard_at: datetime
    due: datetime
    evidence: Evidence | None = None
    fired: bool = False
    overdue: bool = False
    """It has been silent for too long, and that does not matter until the rule is active."""


@dataclass(frozen=True, slots=True)
class Silent(Operator[LastWord]):
    """Nothing was heard of a registered thing for a time; one that was never heard counts too.

    Every message counts, repeats as well. Time in which nothing could be heard does not. It ends with the next
    message. Where the time is not known (a device without a heartbeat) nothing is expected. `unless` is a condition
    that explains the silence: as long as it is true, nothing is found. With `once_heard` what was never heard does
    not count.
    """

    name = "silent"
    Fields = SilentFields
    Memo = LastWord
    repeats = True
    example = """
id: quiet-contact
title: A door contact has gone quiet
scope: {device: {kind: door}}
key: device.id
silent: {of: [door.*, device.heartbeat], for: device.heartbeat * 3}
severity: moderate
tests:
  - name: three beats missed
    campus: {devices: [{id: c1, door: gym, kind: door, heartbeat: 10m}, {id: c2, kind: door, heartbeat: 1h}]}
    steps:
      - {at: 20m, send: {kind: device.heartbeat, device: c1}}
      - {at: 50m, expect: nothing}
      - {at: 50m1s, expect: firing, key: c1}
      - {at: 60m, send: {kind: door.closed, door: gym, device: c1}}
      - {at: 60m1s, expect: resolved, key: c1}
"""
    hearing: Hearing
    length: Expression
    unless: Expression | None
    once_heard: bool

    @classmethod
    def read(cls, fields: SilentFields, site: Site) -> Self:
        """Return the silent that the fields describe."""
        if site.entity == "visit":
            site.complain("a visit is never registered, so that it cannot be silent", "key")
        return cls(
            site.hearing(fields.of, "silent.of", fields.condition),
            site.duration(fields.length, "silent.for"),
            site.state(fields.unless, "silent.unless") if fields.unless is not None else None,
            fields.once_heard,
        )

    def say(self, params: Mapping[str, Value]) -> str:
        """Return what it waits for."""
        unless = f", unless {self.unless.say(params)}" if self.unless else ""
        any_more = " any more" if self.once_heard else ""
        return f"nothing was heard{any_more} for {self.length.say(params)} ({self.hearing.say(params)}){unless}"

    @property
    def kinds(self) -> frozenset[str]:
        """What it listens for."""
        return self.hearing.kinds

    @property
    def watches(self) -> tuple[Expression, ...]:
        """The length."""
        return (self.length,)

    @property
    def shape(self) -> str:
        """What it listens for; the time may change under way, and so may what explains the silence."""
        return f"{self.hearing.say({})}{' once heard' if self.once_heard else ''}"

    def accept(self, memo: LastWord | None, moment: Moment) -> Turn[LastWord]:
        """Note that it was heard."""
        length = self.length.run(moment.scene) if self.hearing.hears(moment) else None
        if not isinstance(length, timedelta):
            return Turn(memo)
        assert moment.message is not None
        heard = max(moment.at, memo.heard_at) if memo else moment.at
        return Turn(LastWord(heard, heard + length, moment.evidence[0]))

    def judge(self, memo: LastWord | None, moment: Moment) -> Turn[LastWord]:
        """Begin to count, or count by a changed length."""
        length = self.length.run(moment.scene)
        if not isinstance(length, timedelta):
            return Turn(None)
        if memo is None:
            return Turn(None if self.once_heard else LastWord(moment.at, moment.at + length))
        if memo.fired or (memo.overdue and not moment.active):
            return Turn(memo)
        return Turn(replace(memo, due=max(memo.heard_at + length, moment.at), overdue=False))

    def due(self, memo: LastWord) -> datetime | None:
        """The end of the time."""
        return None if memo.fired or memo.overdue else memo.due

    def wake(self, memo: LastWord | None, moment: Moment) -> Turn[LastWord]:
        """It was silent for too long, if that matters now."""
        if memo is None or memo.fired or memo.overdue:
            return Turn(memo)
        if not moment.active:
            return Turn(replace(memo, overdue=True))
        if self.unless is not None and self.unless.run(moment.scene) is True:
            return Turn(replace(memo, due=moment.at + LOOK_AGAIN))
        evidence = () if memo.evidence is None else (memo.evidence,)
        more: dict[str, Any] = {"armed_at": plain(memo.heard_at), "due": plain(memo.due)}
        return Turn(replace(memo, fired=True), (Began(memo.due, evidence, self.readings(moment), more=more),))

    def over(self, memo: LastWord | None, _moment: Moment) -> bool | None:
        """It was heard."""
        return memo is None or not memo.fired

    def readings(self, moment: Moment) -> dict[str, Any]:
        """What the length reads."""
        return self.length.readings(moment.scene)

    def blinded(self, memo: LastWord | None, gap: timedelta) -> LastWord | None:
        """Silence in a time in which nothing could be heard proves nothing."""
        if memo is None or memo.fired:
            return memo
        return replace(memo, heard_at=memo.heard_at + gap, due=memo.due + gap)
