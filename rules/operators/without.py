"""`without`: something happened, and nothing before it explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import msgspec
from msgspec.structs import replace
from pydantic import Field

from rules.document import Document, HeardList, Text
from rules.language.expression import Expression
from rules.language.scene import Value
from rules.operators.base import Operator
from rules.operators.moment import Began, Ended, Moment, Turn
from rules.operators.site import Hearing, Site
from rules.operators.waiting import Waiting, sift, watch_the_end

REMEMBER: Final = timedelta(minutes=10)
"""A device's own time is believed up to ten minutes back; explanations are kept as long, for what comes so late."""


class WithoutFields(Document):
    """Fields of `without`."""

    of: HeardList
    condition: Text | None = Field(default=None, alias="if")
    prior: HeardList
    within: Text
    slack: Text = "0s"
    lasting: Text = "0s"


class Explained(msgspec.Struct, frozen=True, gc=False):
    """A stretch of time in which what happens is explained, both ends included."""

    start: datetime
    end: datetime


class Happenings(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What waits for an explanation, the explanations so far, and what the open finding is about."""

    waiting: tuple[Waiting, ...] = ()
    explained: tuple[Explained, ...] = ()
    open_at: datetime | None = None
    going_on: bool = False
    """What ends it has been false since it last happened."""
    over_until: datetime | None = None
    """It is over, but not yet for the rule's `keep`: until then, what happens belongs to what was before."""

    @property
    def is_blank(self) -> bool:
        """There is nothing to remember."""
        return self == _NOTHING


_NOTHING: Final = Happenings()


@dataclass(frozen=True, slots=True)
class Without(Operator[Happenings]):
    """A message that none of the `prior` ones explains: none within the time before it, its own instant included.

    It waits `slack` for an explanation that comes late. One that comes later still ends the finding. Where the rule
    says `clear` and `keep`, what happens again within `keep` of the end belongs to what was before: the bounce of a
    closing door is no new opening. With `lasting`, what is over (`clear`) in a shorter time does not count.
    """

    name = "without"
    Fields = WithoutFields
    Memo = Happenings
    momentary = True
    takes_quiet = True
    example = """
id: unexplained-opening
title: A door was opened without a grant or an exit request
scope: {door: {has_rex: true}}
key: door.id
without: {of: door.opened, prior: [access.granted, exit.requested], within: 10s, slack: 5s}
clear: door.position == "closed"
severity: extreme
tests:
  - {at: 0s, send: {kind: exit.requested, door: gym}}
  - {at: 4s, send: {kind: door.opened, door: gym}}
  - {at: 9s, send: {kind: door.closed, door: gym}}
  - {at: 20s, expect: nothing}
  - {at: 30s, send: {kind: door.opened, door: gym}}
  - {at: 36s, expect: firing}
  - {at: 40s, send: {kind: door.closed, door: gym}}
  - {at: 41s, expect: resolved}
"""
    hearing: Hearing
    prior: Hearing
    within: Expression
    slack: Expression
    lasting: Expression

    @classmethod
    def read(cls, fields: WithoutFields, site: Site) -> Self:
        """Return the without that the fields describe."""
        return cls(
            site.hearing(fields.of, "without.of", fields.condition),
            site.hearing(fields.prior, "without.prior"),
            site.duration(fields.within, "without.within"),
            site.duration(fields.slack, "without.slack"),
            site.duration(fields.lasting, "without.lasting"),
        )

    def say(self, params: Mapping[str, Value]) -> str:
        """Return what it waits for."""
        least = self.lasting.say(params)
        lasting = "" if least == "0s" else f" and it lasts {least} or longer"
        return (
            f"{self.hearing.say(params)}{lasting}, without {self.prior.say(params)} "
            f"in the {self.within.say(params)} before"
        )

    @property
    def kinds(self) -> frozenset[str]:
        """Both sides."""
        return self.hearing.kinds | self.prior.kinds

    @property
    def shape(self) -> str:
        """What explains."""
        return self.prior.say({})

    def accept(self, memo: Happenings | None, moment: Moment) -> Turn[Happenings]:
        """Take in what happened, or what explains it; the same message may be both, but does not explain itself."""
        before = memo or _NOTHING
        after, ended = before, None
        stretch = self._explains(moment)
        if stretch is not None:
            after, ended = self._explain(after, stretch, moment)
        bounces = before.over_until is not None and moment.at < before.over_until
        if not bounces and moment.active and self.hearing.hears(moment) and not _is_in(moment.at, before.explained):
            after = replace(after, waiting=(*after.waiting, self._wait(moment)))
        return Turn(None if after.is_blank else after, ended=ended)

    def _explains(self, moment: Moment) -> Explained | None:
        if not self.prior.hears(moment):
            return None
        within = self.within.run(moment.scene)
        return Explained(moment.at, moment.at + within) if isinstance(within, timedelta) else None

    def _explain(self, memo: Happenings, stretch: Explained, moment: Moment) -> tuple[Happenings, Ended | None]:
        waiting = tuple(each for each in memo.waiting if not _is_in(each.at, (stretch,)))
        explained = _joined((*memo.explained, stretch), moment.at - REMEMBER)
        ended = None
        if memo.open_at is not None and _is_in(memo.open_at, (stretch,)):
            ended = Ended(moment.known, moment.evidence, "late evidence: it is explained after all")
        open_at = memo.open_at if ended is None else None
        return replace(memo, waiting=waiting, explained=explained, open_at=open_at), ended

    def _wait(self, moment: Moment) -> Waiting:
        assert moment.message is not None
        wait = max(_length(self.slack, moment), _length(self.lasting, moment))
        return Waiting(
            at=moment.at,
            due=moment.known + wait,
            evidence=moment.evidence[0],
            wait_s=wait.total_seconds(),
            values=self.hearing.readings(moment),
        )

    def judge(self, memo: Happenings | None, moment: Moment) -> Turn[Happenings]:
        """Notice what is over, though it may still wait for an explanation."""
        before = memo or _NOTHING
        waiting = watch_the_end(before.waiting, moment)
        after = _watch_for_a_bounce(replace(before, waiting=waiting) if waiting else before, moment)
        if after is before:
            return Turn(memo)
        return Turn(None if after.is_blank else after)

    def due(self, memo: Happenings) -> datetime | None:
        """The end of the first wait."""
        return min(each.due for each in memo.waiting) if memo.waiting else None

    def wake(self, memo: Happenings | None, moment: Moment) -> Turn[Happenings]:
        """Find what nothing has explained in time."""
        if memo is None:
            return Turn(None)
        ready, left = sift(memo.waiting, moment.at)
        least = _length(self.lasting, moment)
        lasted = [each for each in ready if each.over_since is None or each.over_since - each.at >= least]
        began: tuple[Began, ...] = tuple(each.began(each.values) for each in lasted)
        after = replace(memo, waiting=left, open_at=lasted[-1].at if lasted else memo.open_at)
        return Turn(None if after.is_blank else after, began)

    def ended(self, memo: Happenings | None, _moment: Moment) -> Happenings | None:
        """Forget what the finding was about."""
        after = replace(memo or Happenings(), open_at=None)
        return None if after.is_blank else after


def _watch_for_a_bounce(memo: Happenings, moment: Moment) -> Happenings:
    clear = moment.frame.clear
    if clear is None or moment.frame.keep is None:
        return memo
    over = clear.run(moment.scene)
    if over is False:
        told = memo.going_on and memo.over_until is None
        return memo if told else replace(memo, going_on=True, over_until=None)
    if over is True and memo.going_on:
        return replace(memo, going_on=False, over_until=moment.at + moment.keep)
    return memo


def _length(of: Expression, moment: Moment) -> timedelta:
    found = of.run(moment.scene)
    return found if isinstance(found, timedelta) else timedelta(0)


def _is_in(at: datetime, stretches: tuple[Explained, ...]) -> bool:
    return any(each.start <= at <= each.end for each in stretches)


def _joined(stretches: tuple[Explained, ...], since: datetime) -> tuple[Explained, ...]:
    # A busy door would fill the memory with its grants; stretches that touch are one.
    found: list[Explained] = []
    for each in sorted(stretches, key=lambda stretch: stretch.start):
        if found and each.start <= found[-1].end:
            found[-1] = Explained(found[-1].start, max(found[-1].end, each.end))
        elif each.end >= since:
            found.append(each)
    return tuple(found)
