"""What an engine writes down and takes back: the only form in which its state leaves the memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from core.facts import Facts
from core.messages import AlertCleared, AlertMessage, AlertOpened, Exercise
from rules.operators.moment import Evidence
from rules.runnable import Rule, entity_of
from rules.spell import KeyState, Spell, due


class SavedState(msgspec.Struct, frozen=True, kw_only=True):
    """One key of one rule. `data` is JSON; `shape` says to which form of the rule it belongs."""

    rule: str
    key: str
    shape: str
    due: datetime | None
    firing: bool
    data: str

    @property
    def entity(self) -> str:
        """What the key names."""
        return entity_of(self.shape)


class SettledFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of one thing at the watermark, and the latest message about it."""

    entity: str
    id: str
    facts: Facts | None
    last: Evidence | None


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far an engine has come."""

    watermark: datetime
    """Everything up to this instant of event time has been judged."""
    alive_at: datetime
    """The latest instant at which we are known to have listened; to an exercise, at which it spoke."""
    started: datetime
    since: datetime
    """Since when we have listened without a gap."""
    shapes: str
    """The rules that ran, by id, and their shapes: an object in JSON, for it is written down again and again."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What has changed since this was last asked for."""

    position: Position
    states: tuple[SavedState, ...] = ()
    deleted: tuple[tuple[str, str], ...] = ()
    """(rule, key) of which nothing needs to be remembered any more."""
    settled: tuple[SettledFacts, ...] = ()
    forgotten: tuple[tuple[str, str], ...] = ()
    """(entity, id) that were dropped."""
    beyond: tuple[AlertMessage, ...] = ()
    """What the rules have found and not all of them have heard: it lies beyond the watermark, and in no journal."""
    exercises: Mapping[Exercise, Changes] = {}
    """The same of each exercise under way."""
    ended: tuple[Exercise, ...] = ()
    """Exercises that are over: nothing of them is kept, and any that goes on under the name has begun anew."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """Everything, as it is taken back."""

    position: Position
    states: tuple[SavedState, ...] = ()
    settled: tuple[SettledFacts, ...] = ()
    beyond: tuple[AlertMessage, ...] = ()
    exercises: Mapping[Exercise, Saved] = {}

    def after(self, changes: Changes) -> Saved:
        """Return what is saved once the changes have been written over it."""
        states = {(each.rule, each.key): each for each in self.states}
        settled = {(each.entity, each.id): each for each in self.settled}
        states |= {(each.rule, each.key): each for each in changes.states}
        settled |= {(each.entity, each.id): each for each in changes.settled}
        for place in changes.deleted:
            states.pop(place, None)
        for place in changes.forgotten:
            settled.pop(place, None)
        exercises = {kind: each for kind, each in self.exercises.items() if kind not in changes.ended}
        for kind, each in changes.exercises.items():
            exercises[kind] = exercises.get(kind, Saved(position=each.position)).after(each)
        return Saved(
            position=changes.position,
            states=tuple(states.values()),
            settled=tuple(settled.values()),
            beyond=changes.beyond,
            exercises=exercises,
        )


def write_state(rule: Rule, shape: str, key: str, state: KeyState) -> SavedState:
    """Return the state of one key as it is written down."""
    return SavedState(
        rule=rule.id,
        key=key,
        shape=shape,
        due=due(rule, state),
        firing=state.spell is not None,
        data=msgspec.json.encode({"memo": state.memo, "spell": state.spell}).decode(),
    )


def read_state(rule: Rule, saved: SavedState) -> KeyState:
    """Return the state of one key as it was."""
    raw: dict[str, Any] = msgspec.json.decode(saved.data)
    memo = None if raw["memo"] is None else msgspec.convert(raw["memo"], rule.operator.Memo)
    return KeyState(memo, _spell(raw))


def read_spell(saved: SavedState) -> Spell | None:
    """Return the open finding of one key, if there was one; whoever remembered it may be gone."""
    return _spell(msgspec.json.decode(saved.data)) if saved.firing else None


def _spell(raw: Mapping[str, Any]) -> Spell | None:
    return None if raw["spell"] is None else msgspec.convert(raw["spell"], Spell)


def write_beyond(said: Iterable[AlertMessage]) -> str:
    """Return as JSON what was said beyond the watermark."""
    return msgspec.json.encode([(each.kind, each) for each in said]).decode()


def read_beyond(text: str) -> tuple[AlertMessage, ...]:
    """Return what was said beyond the watermark, as it was."""
    pairs = msgspec.json.decode(text, type=list[tuple[str, msgspec.Raw]])
    kinds = {"alert.opened": AlertOpened, "alert.cleared": AlertCleared}
    return tuple(msgspec.json.decode(said, type=kinds[kind]) for kind, said in pairs)
