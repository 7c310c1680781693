"""A rule laid out over one campus: its keys, and what it remembers of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from core.campus import Campus
from core.world import World
from rules.document import Mode
from rules.language.roots import ids_of
from rules.language.scene import Scene
from rules.operators.moment import News
from rules.runnable import Exemption, Rule
from rules.scope import Scope
from rules.spell import Actions, KeyState

_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
JUDGE: Final[Actions] = ("judge",)
BLANK: Final = KeyState()
"""Nothing is remembered."""


class Tally(msgspec.Struct, frozen=True):
    """How often a rule was asked about a key, and how often it could not answer."""

    evaluations: int = 0
    errors: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.evaluations + other.evaluations, self.errors + other.errors)


@dataclass(eq=False, slots=True)
class Plan:
    """A rule on a campus. `keys` is None where they come and go (visits)."""

    rule: Rule
    keys: frozenset[str] | None
    shape: str
    on_arrival: bool
    """Its operator judges as messages arrive (see `Operator.on_arrival`)."""
    _scene: Scene = field(repr=False)
    exemptions: Mapping[str, tuple[Exemption, ...]] = field(default_factory=dict)
    """By key, the exemptions whose scope it is in; where keys come and go, nothing is known beforehand."""
    states: dict[str, KeyState] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    """The keys whose memory has changed since it was last written down."""
    scheduled: dict[str, datetime] = field(default_factory=dict)
    """The earliest timer on the heap for each key."""
    aside: str = ""
    """Why it was stood aside."""
    troubles: Counter[str] = field(default_factory=Counter)
    evaluations: int = 0
    """How often a key of it was looked at, since this was last asked for."""
    errors: int = 0
    """How often something went wrong then."""
    by_time_alone: bool = field(init=False)
    """See `Operator.by_time_alone`."""
    beginnings: frozenset[str] = field(init=False)
    """See `Operator.beginnings`."""
    lapses: bool = field(init=False)
    """See `Operator.lapses`."""

    def __post_init__(self) -> None:
        self.by_time_alone = self.rule.operator.by_time_alone
        self.beginnings = self.rule.operator.beginnings
        self.lapses = self.rule.operator.lapses
        self._scene.trouble = self.note

    def scene(self, key: str, at: datetime, since: datetime) -> tuple[Scene, Mode]:
        """Return what its conditions look at for a key, and its mode there. The scene is good until the next one."""
        scene, rule = self._scene, self.rule
        scene.key, scene.at, scene.since = key, at, since
        exemptions = rule.exemptions if self.keys is None else self.exemptions.get(key)
        if not exemptions:
            scene.params = rule.params
            return scene, rule.mode
        scene.params, mode = rule.settings(scene, exemptions)
        return scene, mode

    def state(self, key: str, by: datetime) -> KeyState:
        """Return what is remembered of a key and still means something once time has gone on to `by`."""
        state = self.states.get(key, BLANK)
        return self.still(state, by) if self.lapses else state

    def still(self, state: KeyState, by: datetime) -> KeyState:
        """Return what of a memory still means something once time has gone on to `by`."""
        if state.memo is None:
            return state
        lapses = self.rule.operator.lapses_at(state.memo)
        if lapses is None or lapses >= by:
            return state
        return BLANK if state.spell is None else KeyState(None, state.spell)

    def worth_doing(self, actions: Actions, news: News) -> Actions:
        """Return which of the actions can bring anything about where nothing is remembered."""
        message = news.message
        if message is None:
            return actions
        if self.by_time_alone and news.known <= news.at:
            return ()
        if actions is JUDGE or message.kind in self.beginnings:
            return actions
        return JUDGE if JUDGE[0] in actions else ()

    def note(self, trouble: str) -> None:
        """Count something that went wrong in a condition."""
        self.troubles[trouble] += 1
        self.errors += 1

    def stand_aside(self, why: str) -> None:
        """Judge no more: the rule itself is broken."""
        self.aside = why
        self.errors += 1

    def take_tally(self) -> Tally:
        """Return what was counted since this was last asked for."""
        tally = Tally(self.evaluations, self.errors)
        self.evaluations = self.errors = 0
        return tally

    def live_keys(self, world: World) -> Sequence[str]:
        """Return every key that can be judged now, in a steady order."""
        if self.keys is not None:
            return sorted(self.keys)
        return sorted({facts.id for facts in world.of(self.rule.entity)} | self.states.keys())

    @property
    def health(self) -> str:
        """What is wrong with it; empty if nothing is."""
        if self.aside:
            return f"stood aside: {self.aside}"
        return "; ".join(f"{trouble} ({count} times)" for trouble, count in sorted(self.troubles.items()))


def lay_out(
    rule: Rule, campus: Campus, world: World, scopes: dict[frozenset[str], frozenset[str]] | None = None
) -> Plan:
    """Return the rule's plan on a campus. `scopes`: the keys of other plans, for rules of one scope to share."""
    ids = ids_of(campus, rule.entity)
    on_arrival = rule.operator.on_arrival
    scene = Scene(campus, world, _ANY_TIME, rule.entity, "", rule.params, _ANY_TIME)
    if ids is None:
        return Plan(rule, None, rule.shape, on_arrival, scene)
    listed = bare(campus, world, rule.entity, "")

    def fits(scope: Scope, key: str) -> bool:
        listed.key = key
        return scope.fits(listed)

    keys = frozenset(each for each in _candidates(rule, ids) if fits(rule.scope, each))
    keys = keys if scopes is None else scopes.setdefault(keys, keys)
    found = ((key, tuple(each for each in rule.exemptions if fits(each.scope, key))) for key in keys)
    exemptions = {key: exempt for key, exempt in found if exempt}
    return Plan(rule, keys, rule.shape, on_arrival, scene, exemptions)


def _candidates(rule: Rule, ids: Sequence[str]) -> Iterable[str]:
    """Return the keys that may be in the rule's scope: those it names, or all."""
    named = next((each for each in rule.scope.wanted if (each.root, each.field) == (rule.entity, "id")), None)
    return ids if named is None else set(named.values).intersection(ids)


def bare(campus: Campus, world: World, entity: str, key: str) -> Scene:
    """Return a scene in which only what the campus lists is looked at: no time, no parameters."""
    return Scene(campus, world, _ANY_TIME, entity, key, {}, _ANY_TIME)
