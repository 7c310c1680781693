"""The life of one finding: it opens, repeats, climbs its ladder, is kept through short recoveries, and ends.

Every operator shares it. Pure: what a key's state becomes at one instant, and which signals that gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from core.messages import Exercise
from rules.operators.moment import Began, Evidence, Moment, Turn
from rules.runnable import Rule

Action = Literal["accept", "judge", "wake"]
"""What an operator is asked to do: the name of its method."""
Actions = tuple[Action, ...]
"""What it is asked to do at one moment, one after the other."""
_NOT_AT_ONCE = timedelta(0)


class Spell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An open finding of one key."""

    at: datetime
    mode: Literal["live", "shadow"] = "live"
    exercise: Exercise = "live"
    evidence: tuple[Evidence, ...] = ()
    level: int = 0
    """The step of the ladder it stands on."""
    raise_at: datetime | None = None
    over_since: datetime | None = None
    over_until: datetime | None = None
    """Having been over for so long, it ends."""
    quiet_at: datetime | None = None
    """It ends then, if nothing more is heard."""


class KeyState(msgspec.Struct, frozen=True, gc=False):
    """All that is remembered of one key of one rule."""

    memo: Any = None
    spell: Spell | None = None

    @property
    def is_blank(self) -> bool:
        """There is nothing to remember."""
        return self.memo is None and self.spell is None


class Signal(msgspec.Struct, frozen=True):
    """A finding in the making."""

    state: Literal["firing", "resolved"]
    at: datetime
    spell: Spell
    evidence: tuple[Evidence, ...]
    values: dict[str, Any]
    wait: timedelta = _NOT_AT_ONCE
    """How long the rule always waits before it can say this."""
    more: dict[str, Any] = {}


def due(rule: Rule, state: KeyState) -> datetime | None:
    """Return when the key must be looked at again though nothing is heard; None: never."""
    own = None if state.memo is None else rule.operator.due(state.memo)
    spell = state.spell
    if spell is None:
        return own
    times = (own, spell.over_until, spell.quiet_at, spell.raise_at if spell.over_since is None else None)
    return min((each for each in times if each is not None), default=None)


def turn(rule: Rule, state: KeyState, moment: Moment, actions: Actions) -> tuple[KeyState, Sequence[Signal]]:
    """Return the key's state after the operator was told of a moment, and the signals it gave.

    Where nothing has changed it is the same state, not an equal one.
    """
    signals: Sequence[Signal] = ()
    for action in actions:
        state, given = _told(rule, state, moment, action)
        if given:
            signals = (*signals, *given)
    return state, signals


def _told(rule: Rule, state: KeyState, moment: Moment, action: Action) -> tuple[KeyState, Sequence[Signal]]:
    if state.spell is None:
        answer: Turn[Any] = getattr(rule.operator, action)(state.memo, moment)
        if not answer.began:
            return state if answer.memo is state.memo else KeyState(answer.memo), ()
        life = _Life(rule, state, moment)
    else:
        life = _Life(rule, state, moment)
        life.expire()
        answer = getattr(rule.operator, action)(life.memo, moment)
    life.take(answer)
    return KeyState(life.memo, life.spell), life.signals


def close(state: KeyState, at: datetime, note: str) -> list[Signal]:
    """Return the signal that ends an open finding from outside: its rule or its key is gone."""
    if state.spell is None:
        return []
    return [Signal("resolved", max(at, state.spell.at), state.spell, (), {}, more={"note": note})]


class _Life:
    def __init__(self, rule: Rule, state: KeyState, moment: Moment) -> None:
        self._rule = rule
        self._moment = moment
        self.memo = state.memo
        self.spell = state.spell
        self.signals: list[Signal] = []

    def take(self, answer: Turn[Any]) -> None:
        """Go on by what the operator answered."""
        self._hear(answer)
        self._watch_the_end()
        self._climb()

    def _hear(self, answer: Turn[Any]) -> None:
        self.memo = answer.memo
        if answer.ended is not None and self.spell is not None:
            self._close(answer.ended.at, answer.ended.evidence, note=answer.ended.note)
        for began in answer.began:
            self._begin(began)

    # ------------------------------------------------------------------------------------------ it begins
    def _begin(self, began: Began) -> None:
        if self.spell is not None and self.spell.exercise != self._moment.exercise:
            # What an exercise took over from what was live is over there, and goes on as the exercise's own.
            self._close(began.at, began.evidence)
        if self.spell is None:
            self.spell = self._opened(began)
        else:
            self.spell = replace(self.spell, quiet_at=self._quiet_after(began.at))
        self._signal("firing", began.at, began.evidence, began.values, wait=began.wait, more=began.more)
        if self._rule.operator.momentary and self._moment.frame.momentary:
            self._finish(began.at, began.evidence, began.values, wait=began.wait)
        elif began.over_since is not None:
            self._over(began.over_since, wait=self._moment.at - began.over_since)

    def _opened(self, began: Began) -> Spell:
        ladder = self._rule.ladder
        return Spell(
            at=began.at,
            mode="shadow" if self._moment.mode == "shadow" else "live",
            exercise=self._moment.exercise,
            evidence=began.evidence,
            raise_at=began.at + ladder[1].after if len(ladder) > 1 else None,
            quiet_at=self._quiet_after(began.at),
        )

    def _quiet_after(self, at: datetime) -> datetime | None:
        quiet = self._moment.frame.quiet
        length = quiet(self._moment.scene) if quiet else None
        return at + length if isinstance(length, timedelta) else None

    # ------------------------------------------------------------------------------------------ it climbs
    def _climb(self) -> None:
        spell, ladder = self.spell, self._rule.ladder
        while spell is not None and spell.raise_at is not None and spell.over_since is None:
            if self._moment.at < spell.raise_at or spell.level + 1 >= len(ladder):
                break
            level = spell.level + 1
            following = spell.at + ladder[level + 1].after if level + 1 < len(ladder) else None
            spell = self.spell = replace(spell, level=level, raise_at=following)
            self._signal("firing", self._moment.at, spell.evidence, self._rule.operator.readings(self._moment))

    # -------------------------------------------------------------------------------------------- it ends
    def expire(self) -> None:
        """End what has waited long enough for its end."""
        spell, now = self.spell, self._moment.at
        if spell is None:
            return
        if spell.over_until is not None and now >= spell.over_until and spell.over_since is not None:
            self._finish(spell.over_since, self._moment.evidence, self._end_values(), wait=now - spell.over_since)
        elif spell.quiet_at is not None and now >= spell.quiet_at:
            self._finish(spell.quiet_at, (), {})

    def _watch_the_end(self) -> None:
        if self.spell is None:
            return
        frame = self._moment.frame
        if frame.clear is not None:
            over = frame.clear.run(self._moment.scene)
        elif frame.quiet is None and not self._rule.operator.momentary:
            over = self._rule.operator.over(self.memo, self._moment)
        else:
            return
        if over is True:
            self._over(self._moment.at)
        elif self.spell.over_since is not None or self.spell.over_until is not None:
            self.spell = replace(self.spell, over_since=None, over_until=None)

    def _over(self, since: datetime, wait: timedelta = _NOT_AT_ONCE) -> None:
        assert self.spell is not None
        if self.spell.over_since is not None:
            return
        until = since + self._moment.keep
        if until <= self._moment.at:
            self._finish(since, self._moment.evidence, self._end_values(), wait=wait)
        else:
            self.spell = replace(self.spell, over_since=since, over_until=until)

    def _end_values(self) -> dict[str, Any]:
        clear = self._moment.frame.clear
        if clear is not None:
            return clear.readings(self._moment.scene)
        return self._rule.operator.readings(self._moment)

    def _finish(
        self,
        at: datetime,
        evidence: tuple[Evidence, ...],
        values: dict[str, Any],
        wait: timedelta = _NOT_AT_ONCE,
    ) -> None:
        assert self.spell is not None
        late = self._moment.message is not None and self._moment.known > self._moment.at
        self._close(at, evidence, values, wait, "late evidence" if late or at < self.spell.at else "")
        self.memo = self._rule.operator.ended(self.memo, self._moment)

    def _close(
        self,
        at: datetime,
        evidence: tuple[Evidence, ...],
        values: dict[str, Any] | None = None,
        wait: timedelta = _NOT_AT_ONCE,
        note: str = "",
    ) -> None:
        assert self.spell is not None
        # Late news may say that it was over before it was found: it then ends at the instant at which it began.
        ended = max(at, self.spell.at)
        self._signal("resolved", ended, evidence, values or {}, wait, {"note": note} if note else None)
        self.spell = None

    def _signal(
        self,
        state: Literal["firing", "resolved"],
        at: datetime,
        evidence: tuple[Evidence, ...],
        values: dict[str, Any],
        wait: timedelta = _NOT_AT_ONCE,
        more: dict[str, Any] | None = None,
    ) -> None:
        assert self.spell is not None
        self.signals.append(Signal(state, at, self.spell, evidence, values, wait, more or {}))
