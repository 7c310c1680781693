"""`follow`: something should have come next, and did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import msgspec
from msgspec.structs import replace

from rules.document import Document, HeardList, Text
from rules.language.explain import plain
from rules.language.expression import Expression
from rules.language.scene import Value
from rules.operators.base import Operator
from rules.operators.moment import Began, Ended, Evidence, Moment, Turn
from rules.operators.site import Hearing, Site


class FollowFields(Document):
    """Fields of `follow`."""

    after: HeardList
    expect: HeardList
    within: Text


class Promise(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is waited for, and until when; once broken it is kept as long as its finding is open."""

    at: datetime
    due: datetime
    evidence: Evidence
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Follow(Operator[Promise]):
    """After one message another is expected within a time; it fires when the time is up without it.

    One thing is waited for at a time: a further `after` does not start the time anew. Time in which nothing could
    be heard is added.
    """

    name = "follow"
    Fields = FollowFields
    Memo = Promise
    momentary = True
    takes_quiet = True
    example = """
id: escort-late
title: A visitor who is to be escorted waits for the escort
key: visit.id
follow: {after: {of: visitor.checked_in, if: visit.escort_required}, expect: escort.assigned, within: 5m}
severity: moderate
tests:
  - {at: 0s, send: {kind: visitor.checked_in, visit: v1, escort_required: true}}
  - {at: 0s, send: {kind: visitor.checked_in, visit: v2, escort_required: true}}
  - {at: 5m, send: {kind: escort.assigned, visit: v2, escort: Mr. Ng}}
  - {at: 5m1s, expect: firing, key: v1}
"""
    after: Hearing
    expected: Hearing
    within: Expression

    @classmethod
    def read(cls, fields: FollowFields, site: Site) -> Self:
        """Return the follow that the fields describe."""
        return cls(
            site.hearing(fields.after, "follow.after"),
            site.hearing(fields.expect, "follow.expect"),
            site.duration(fields.within, "follow.within"),
        )

    def say(self, params: Mapping[str, Value]) -> str:
        """Return what it waits for."""
        return (
            f"{self.after.say(params)} is not followed by {self.expected.say(params)} within {self.within.say(params)}"
        )

    @property
    def kinds(self) -> frozenset[str]:
        """Both sides."""
        return self.after.kinds | self.expected.kinds

    @property
    def beginnings(self) -> frozenset[str]:
        """What is to be followed."""
        return self.after.kinds

    @property
    def shape(self) -> str:
        """Both sides; the time may change, from the next message on."""
        return f"{self.after.say({})} then {self.expected.say({})}"

    def accept(self, memo: Promise | None, moment: Moment) -> Turn[Promise]:
        """Begin to wait, or be content."""
        if memo is not None:
            if memo.at < moment.at <= memo.due and self.expected.hears(moment):
                note = "late evidence: it came in time after all"
                ended = Ended(moment.known, moment.evidence, note) if memo.broken else None
                return Turn(None, ended=ended)
            return Turn(memo)
        within = self.within.run(moment.scene)
        if not moment.active or not isinstance(within, timedelta) or not self.after.hears(moment):
            return Turn(None)
        assert moment.message is not None
        return Turn(Promise(moment.at, moment.at + within, moment.evidence[0]))

    def due(self, memo: Promise) -> datetime | None:
        """The end of the time."""
        return None if memo.broken else memo.due

    def wake(self, memo: Promise | None, moment: Moment) -> Turn[Promise]:
        """The time is up."""
        if memo is None or memo.broken:
            return Turn(memo)
        began = Began(memo.due, (memo.evidence,), {}, more={"armed_at": plain(memo.at), "due": plain(memo.due)})
        return Turn(replace(memo, broken=True), (began,))

    def ended(self, _memo: Promise | None, _moment: Moment) -> Promise | None:
        """Wait for nothing any more."""
        return None

    def blinded(self, memo: Promise | None, gap: timedelta) -> Promise | None:
        """It may have come while nothing could be heard: wait so much longer."""
        return memo if memo is None or memo.broken else replace(memo, due=memo.due + gap)
