"""`sequence`: one thing after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import msgspec
from pydantic import Field

from core.messages import Message
from rules.document import Document, HeardList, Text, Word
from rules.language.expression import Expression
from rules.language.scene import Value
from rules.operators.base import MAX_ENTRIES, Operator
from rules.operators.moment import Began, Evidence, Moment, Turn
from rules.operators.site import Hearing, Site
from rules.operators.waiting import Kept


class SequenceStep(Document):
    """One step; `as` names its message for the conditions of later steps."""

    of: HeardList
    condition: Text | None = Field(default=None, alias="if")
    name: Word | None = Field(default=None, alias="as")


class SequenceFields(Document):
    """Fields of `sequence`."""

    steps: tuple[SequenceStep, ...] = Field(min_length=2, max_length=10)
    within: Text
    latest: bool = False


class Run(msgspec.Struct, frozen=True, gc=False):
    """A sequence that has begun: the messages of its steps so far."""

    messages: tuple[Kept, ...]
    started_at: datetime
    until: datetime


class Runs(msgspec.Struct, frozen=True, gc=False):
    """The sequences under way, the one that began first in front."""

    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Sequence(Operator[Runs]):
    """Messages in a given order, the last at most `within` after the first. Others may come in between.

    A message goes to the sequence that began first among those that wait for it, and is used once for each key.
    A step named with `as` can be read by the conditions of later steps. With `latest` a new first message takes the
    place of the ones before it: what they said no longer counts.
    """

    name = "sequence"
    Fields = SequenceFields
    Memo = Runs
    momentary = True
    takes_quiet = True
    example = """
id: denied-then-side-door
title: Somebody was turned away, then an exterior door of the zone opened
key: zone.id
sequence:
  steps: [{of: access.denied, as: first}, {of: door.opened, if: 'door.exterior && msg.door != first.door'}]
  within: 10m
severity: extreme
tests:
  - name: another door of the same zone
    campus:
      doors: [{id: main, zone: lobby, exterior: true}, {id: side, zone: lobby, exterior: true}]
    steps:
      - {at: 0s, send: {kind: access.denied, door: main}}
      - {at: 60s, send: {kind: door.opened, door: main}}
      - {at: 90s, expect: nothing}
      - {at: 10m, send: {kind: door.opened, door: side}}
      - {at: 10m1s, expect: firing, key: lobby}
"""
    steps: tuple[Hearing, ...]
    names: tuple[str | None, ...]
    within: Expression
    latest: bool

    @classmethod
    def read(cls, fields: SequenceFields, site: Site) -> Self:
        """Return the sequence that the fields describe."""
        bound: dict[str, tuple[str, ...]] = {}
        steps: list[Hearing] = []
        for index, step in enumerate(fields.steps):
            hearing = site.hearing(step.of, f"sequence.steps[{index}].of", step.condition, bound)
            steps.append(hearing)
            if step.name is not None:
                if step.name in site.taken_names or step.name in bound:
                    site.complain(f"the name {step.name!r} is taken", f"sequence.steps[{index}].as")
                bound[step.name] = tuple(sorted(hearing.kinds))
        names = tuple(step.name for step in fields.steps)
        return cls(tuple(steps), names, site.duration(fields.within, "sequence.within"), fields.latest)

    def say(self, params: Mapping[str, Value]) -> str:
        """Return what it waits for."""
        return f"{', then '.join(step.say(params) for step in self.steps)}, within {self.within.say(params)}"

    @property
    def kinds(self) -> frozenset[str]:
        """Those of every step."""
        return frozenset(kind for step in self.steps for kind in step.kinds)

    @property
    def beginnings(self) -> frozenset[str]:
        """Those of the first step."""
        return self.steps[0].kinds

    @property
    def shape(self) -> str:
        """The steps."""
        return " then ".join(step.say({}) for step in self.steps) + (" of the latest" if self.latest else "")

    def accept(self, memo: Runs | None, moment: Moment) -> Turn[Runs]:
        """Take the message as the next step of a run, or as the first of a new one."""
        runs = memo.runs if memo else ()
        assert moment.message is not None
        for index, run in enumerate(runs):
            if moment.at <= run.until and moment.at >= _last_at(run) and self._continues(run, moment):
                longer = (*run.messages, Kept.of(moment.message))
                if len(longer) < len(self.steps):
                    changed = Run(longer, run.started_at, run.until)
                    return Turn(Runs((*runs[:index], changed, *runs[index + 1 :])))
                return Turn(_some(runs[:index] + runs[index + 1 :]), (self._began(run, longer, moment),))
        within = self.within.run(moment.scene)
        if not moment.active or not isinstance(within, timedelta) or not self.steps[0].hears(moment):
            return Turn(memo)
        new = Run((Kept.of(moment.message),), moment.at, moment.at + within)
        before = () if self.latest else runs
        ordered = tuple(sorted((*before, new), key=lambda run: run.started_at))
        if len(ordered) > MAX_ENTRIES:
            moment.scene.trouble(f"more than {MAX_ENTRIES} sequences under way; the oldest was dropped")
            ordered = ordered[1:]
        return Turn(Runs(ordered))

    def _continues(self, run: Run, moment: Moment) -> bool:
        step = self.steps[len(run.messages)]
        assert moment.message is not None
        return moment.message.kind in step.kinds and step.hears(moment, self._bound(run.messages))

    def _bound(self, messages: tuple[Kept, ...]) -> dict[str, Message]:
        named = zip(self.names, messages, strict=False)
        return {name: kept.message() for name, kept in named if name is not None}

    def _began(self, run: Run, messages: tuple[Kept, ...], moment: Moment) -> Began:
        evidence = tuple(Evidence.of(kept.message()) for kept in messages)
        return Began(moment.at, evidence, self.steps[-1].readings(moment, self._bound(run.messages)))

    def due(self, memo: Runs) -> datetime | None:
        """When the first run is too old."""
        return min(run.until for run in memo.runs)

    def wake(self, memo: Runs | None, moment: Moment) -> Turn[Runs]:
        """Give up the runs that are too old."""
        return Turn(_some(tuple(run for run in memo.runs if run.until > moment.at)) if memo else None)


def _last_at(run: Run) -> datetime:
    return run.messages[-1].message().at


def _some(runs: tuple[Run, ...]) -> Runs | None:
    return Runs(runs) if runs else None
