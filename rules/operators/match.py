"""`match`: a message says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import msgspec
from pydantic import Field

from rules.document import Document, HeardList, Text
from rules.language.expression import Expression
from rules.language.scene import Value
from rules.operators.base import Operator
from rules.operators.moment import Began, Moment, Turn
from rules.operators.site import Hearing, Site
from rules.operators.waiting import Kept, Waiting, sift, watch_the_end


class MatchFields(Document):
    """Fields of `match`."""

    of: HeardList
    condition: Text | None = Field(default=None, alias="if")
    slack: Text | None = None


class Waiters(msgspec.Struct, frozen=True, gc=False):
    """Messages that wait for late state, in order of time."""

    waiting: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class Match(Operator[Waiters]):
    """Each message for which the condition is true.

    It is judged as the message arrives. With `slack` it waits so long for state that comes late, and judges then.
    """

    name = "match"
    Fields = MatchFields
    Memo = Waiters
    momentary = True
    takes_quiet = True
    example = """
id: watch-list-hit
title: A visitor is on the watch list
key: visit.id
match: {of: visitor.screened, if: 'visit.screening == "confirmed"'}
severity: extreme
tests:
  - {at: 0s, send: {kind: visitor.screened, visit: v1, screening: possible}}
  - {at: 5s, expect: nothing}
  - {at: 6s, send: {kind: visitor.screened, visit: v1, screening: confirmed}}
  - {at: 6s, expect: firing}
"""
    hearing: Hearing
    slack: Expression | None

    @classmethod
    def read(cls, fields: MatchFields, site: Site) -> Self:
        """Return the match that the fields describe."""
        hearing = site.hearing(fields.of, "match.of", fields.condition)
        slack = site.duration(fields.slack, "match.slack") if fields.slack is not None else None
        return cls(hearing, slack)

    def say(self, params: Mapping[str, Value]) -> str:
        """Return what it waits for."""
        return self.hearing.say(params)

    @property
    def kinds(self) -> frozenset[str]:
        """What it listens for."""
        return self.hearing.kinds

    @property
    def on_arrival(self) -> bool:
        """It does not wait, unless it has slack."""
        return self.slack is None

    @property
    def shape(self) -> str:
        """It only ever remembers messages that wait."""
        return "" if self.slack is None else "slack"

    def accept(self, memo: Waiters | None, moment: Moment) -> Turn[Waiters]:
        """Say so, or wait."""
        if not moment.active or moment.message is None:
            return Turn(memo)
        if self.slack is None:
            began = Began(moment.at, moment.evidence, self.hearing.readings(moment))
            return Turn(memo, (began,) if self.hearing.hears(moment) else ())
        slack = self.slack.run(moment.scene)
        wait = slack if isinstance(slack, timedelta) else timedelta(0)
        entry = Waiting(
            at=moment.at,
            due=moment.known + wait,
            evidence=moment.evidence[0],
            kept=Kept.of(moment.message),
            wait_s=wait.total_seconds(),
        )
        return Turn(Waiters((*(memo.waiting if memo else ()), entry)))

    def judge(self, memo: Waiters | None, moment: Moment) -> Turn[Waiters]:
        """Notice that a message that still waits is already over."""
        return Turn(memo and Waiters(watch_the_end(memo.waiting, moment)))

    def due(self, memo: Waiters) -> datetime | None:
        """The end of the first wait."""
        return min((each.due for each in memo.waiting), default=None)

    def wake(self, memo: Waiters | None, moment: Moment) -> Turn[Waiters]:
        """Judge the messages that have waited long enough."""
        ready, left = sift(memo.waiting if memo else (), moment.at)
        began: list[Began] = []
        for each in ready:
            assert each.kept is not None
            moment.message = each.kept.message()
            if self.hearing.hears(moment):
                began.append(each.began(self.hearing.readings(moment)))
        moment.message = None
        return Turn(Waiters(left) if left else None, tuple(began))
