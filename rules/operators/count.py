"""`count`: something happens so often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import msgspec
from msgspec.structs import replace
from pydantic import Field

from rules.document import Document, HeardList, Text
from rules.language.explain import plain
from rules.language.expression import Expression, read_expression
from rules.language.nodes import Wrong
from rules.language.scene import Value
from rules.operators.base import MAX_ENTRIES, Operator
from rules.operators.moment import Began, Evidence, Moment, Turn
from rules.operators.site import Hearing, Site

_MOMENT: Final = timedelta(milliseconds=1)
SHOWN: Final = 20
"""So many of the messages that made the number are named in the finding."""


class CountFields(Document):
    """Fields of `count`."""

    of: HeardList
    condition: Text | None = Field(default=None, alias="if")
    within: Text
    at_least: Text
    distinct: Text | None = None
    prior: HeardList | None = None
    prior_within: Text = "0s"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One message that counts."""

    evidence: Evidence
    what: str = ""
    """The value of `distinct`."""

    @property
    def at(self) -> datetime:
        """When it happened."""
        return self.evidence.at


class Window(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The messages of the last while, in order of time, and until when they are enough."""

    entries: tuple[Entry, ...]
    within_s: float
    enough_until: datetime | None = None
    """The instant at which the number falls below the bound again; None: it has not reached it."""
    explained_until: datetime | None = None
    """What happens up to this instant is explained and does not count."""

    @property
    def over_at(self) -> datetime | None:
        """When the last message has left the window, or the last explanation holds no more."""
        if not self.entries:
            return self.explained_until
        last = self.entries[-1].at + timedelta(seconds=self.within_s)
        return last if self.explained_until is None else max(last, self.explained_until)


KEPT: Final = 50
"""So many messages are remembered beyond doubt, should somebody ask for a higher number under way."""


@dataclass(frozen=True, slots=True)
class Count(Operator[Window]):
    """So many messages within a time that slides along, its beginning excluded.

    It fires when the number reaches `at_least`, and again only after it has fallen below. With `distinct`, an
    expression, only different values count. What one of the `prior` messages explains, heard at most `prior_within`
    before, does not count.
    """

    name = "count"
    Fields = CountFields
    Memo = Window
    takes_quiet = True
    lapses = True
    example = """
id: flapping-contact
title: A door contact flaps
key: door.id
params: {n: {type: int, default: 4, min: 2, max: 50}}
count: {of: [door.opened, door.closed], at_least: p.n, within: 60s}
clear: {quiet: 10m}
severity: minor
tests:
  - {at: 0s, send: {kind: door.opened, door: gym}}
  - {at: 10s, send: {kind: door.closed, door: gym}}
  - {at: 20s, send: {kind: door.opened, door: gym}}
  - {at: 59s, expect: nothing}
  - {at: 59s, send: {kind: door.closed, door: gym}}
  - {at: 60s, expect: firing}
  - {at: 11m, expect: resolved}
"""
    hearing: Hearing
    within: Expression
    at_least: Expression
    distinct: Expression | None
    prior: Hearing | None
    prior_within: Expression

    @classmethod
    def read(cls, fields: CountFields, site: Site) -> Self:
        """Return the count that the fields describe."""
        hearing = site.hearing(fields.of, "count.of", fields.condition)
        return cls(
            hearing,
            site.duration(fields.within, "count.within", at_least=_MOMENT),
            site.number(fields.at_least, "count.at_least", at_least=1),
            _distinct(fields.distinct, hearing, site) if fields.distinct is not None else None,
            site.hearing(fields.prior, "count.prior") if fields.prior is not None else None,
            site.duration(fields.prior_within, "count.prior_within"),
        )

    def say(self, params: Mapping[str, Value]) -> str:
        """Return what it waits for."""
        different = f" with different {self.distinct.say(params)}" if self.distinct else ""
        prior = ""
        if self.prior is not None:
            prior = f", without {self.prior.say(params)} in the {self.prior_within.say(params)} before"
        return (
            f"{self.hearing.say(params)} at least {self.at_least.say(params)} times{different} "
            f"within {self.within.say(params)}{prior}"
        )

    @property
    def kinds(self) -> frozenset[str]:
        """What it counts, and what explains it."""
        return self.hearing.kinds | (self.prior.kinds if self.prior else frozenset())

    @property
    def shape(self) -> str:
        """What it counts; how many and how long may change under way."""
        prior = f"/{self.prior.say({})}" if self.prior else ""
        return f"{self.hearing.say({})}/{self.distinct.source if self.distinct else ''}{prior}"

    def accept(self, memo: Window | None, moment: Moment) -> Turn[Window]:
        """Count the message, or let it explain what follows."""
        if self.prior is not None:
            memo = self._explained(memo, moment)
            if memo is not None and memo.explained_until is not None and moment.at <= memo.explained_until:
                return Turn(memo)
        if not self.hearing.hears(moment) or not moment.active:
            return Turn(memo)
        within, bound = self.within.run(moment.scene), self.at_least.run(moment.scene)
        if not isinstance(within, timedelta) or bound is None:
            return Turn(memo)
        assert moment.message is not None
        what = str(plain(self.distinct(moment.heard()))) if self.distinct else ""
        entry = Entry(moment.evidence[0], what)
        entries = _within((*(memo.entries if memo else ()), entry), within)
        if self.distinct is None:
            # What is older decides nothing, and a contact that chatters all day must not cost more and more.
            entries = entries[-max(bound, KEPT) :]
        if len(entries) > MAX_ENTRIES:
            moment.scene.trouble(f"more than {MAX_ENTRIES} messages in one window; the oldest was dropped")
            entries = entries[1:]
        before = memo.enough_until if memo else None
        until = self._enough_until(entries, within, bound)
        after = Window(entries, within.total_seconds(), until, memo.explained_until if memo else None)
        if until is None or until <= moment.at or (before is not None and before > moment.at):
            return Turn(after)
        return Turn(after, (Began(entries[-1].at, _named(entries), self._values(entries, moment)),))

    def _explained(self, memo: Window | None, moment: Moment) -> Window | None:
        assert self.prior is not None
        length = self.prior_within.run(moment.scene) if self.prior.hears(moment) else None
        if not isinstance(length, timedelta):
            return memo
        before = memo or Window((), 0.0)
        until = moment.at + length
        return replace(before, explained_until=max(before.explained_until or until, until))

    def _enough_until(self, entries: tuple[Entry, ...], within: timedelta, bound: int) -> datetime | None:
        if self.distinct is not None:
            entries = tuple({entry.what: entry for entry in entries}.values())
            entries = tuple(sorted(entries, key=lambda entry: entry.at))
        if bound < 1 or len(entries) < bound:
            return None
        return entries[len(entries) - bound].at + within

    def _values(self, entries: tuple[Entry, ...], moment: Moment) -> dict[str, object]:
        number = len({entry.what for entry in entries}) if self.distinct else len(entries)
        return {"count": number} | self.hearing.readings(moment)

    def due(self, memo: Window) -> datetime | None:
        """When the number falls below the bound; after that, when no message is left to remember."""
        if memo.enough_until is not None:
            return memo.enough_until
        return memo.over_at if memo.entries else None

    def lapses_at(self, memo: Window) -> datetime | None:
        """When the last message has left the window, and the last explanation holds no more."""
        return memo.over_at

    def wake(self, memo: Window | None, moment: Moment) -> Turn[Window]:
        """Forget what has left the window."""
        if memo is None:
            return Turn(None)
        within = timedelta(seconds=memo.within_s)
        left = tuple(entry for entry in memo.entries if entry.at + within > moment.at)
        still = memo.enough_until if memo.enough_until is not None and memo.enough_until > moment.at else None
        explained = memo.explained_until if memo.explained_until and memo.explained_until > moment.at else None
        if not left and explained is None:
            return Turn(None)
        return Turn(replace(memo, entries=left, enough_until=still, explained_until=explained))

    def over(self, memo: Window | None, moment: Moment) -> bool | None:
        """The number has fallen below the bound."""
        return memo is None or memo.enough_until is None or memo.enough_until <= moment.at


def _distinct(text: str, hearing: Hearing, site: Site) -> Expression | None:
    environment = site.message_environment(tuple(sorted(hearing.kinds)))
    try:
        return read_expression(text, environment, "string")
    except Wrong as error:
        site.complain(str(error), "count.distinct")
        return None


def _within(entries: tuple[Entry, ...], within: timedelta) -> tuple[Entry, ...]:
    # All but the last stand in order already, and mostly the last one does, too.
    if len(entries) > 1 and entries[-1].at < entries[-2].at:
        entries = tuple(sorted(entries, key=lambda entry: entry.at))
    since = entries[-1].at - within
    first = next(place for place, entry in enumerate(entries) if entry.at > since)
    return entries[first:]


def _named(entries: tuple[Entry, ...]) -> tuple[Evidence, ...]:
    return tuple(entry.evidence for entry in entries[-SHOWN:])
