"""A rule laid out over one campus: its keys, what it remembers of each, and the index that finds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final

import msgspec

from core.campus import Campus
from core.facts import Facts
from core.messages import KINDS, Message
from core.world import Told, World
from rules.document import Mode
from rules.language.roots import ROOTS, Place, ids_of, locate
from rules.language.scene import Scene
from rules.operators.moment import News
from rules.runnable import Exemption, Rule
from rules.scope import Scope
from rules.spell import Actions, KeyState

_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LISTED: Final = ("door", "zone", "device", "gathering", "campus")
JUDGE: Final[Actions] = ("judge",)
BLANK: Final = KeyState()
"""Nothing is remembered."""
_ANYTHING: Final = ""
"""Stands among names of attributes: whatever it is that has changed."""


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
        return actions[1:] if actions[0] == "accept" and message.kind not in self.beginnings else actions

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


def lay_out(rule: Rule, campus: Campus, world: World) -> Plan:
    """Return the rule's plan on a campus."""
    ids = ids_of(campus, rule.entity)
    on_arrival = rule.operator.on_arrival
    scene = Scene(campus, world, _ANY_TIME, rule.entity, "", rule.params, _ANY_TIME)
    if ids is None:
        return Plan(rule, None, rule.shape, on_arrival, scene)
    bare = _bare(campus, world, rule.entity, "")

    def fits(scope: Scope, key: str) -> bool:
        bare.key = key
        return scope.fits(bare)

    keys = frozenset(each for each in _candidates(rule, ids) if fits(rule.scope, each))
    found = ((key, tuple(each for each in rule.exemptions if fits(each.scope, key))) for key in keys)
    exemptions = {key: exempt for key, exempt in found if exempt}
    return Plan(rule, keys, rule.shape, on_arrival, scene, exemptions)


def _candidates(rule: Rule, ids: Sequence[str]) -> Iterable[str]:
    """Return the keys that may be in the rule's scope: those it names, or all."""
    named = next((each for each in rule.scope.wanted if (each.root, each.field) == (rule.entity, "id")), None)
    return ids if named is None else set(named.values).intersection(ids)


def _bare(campus: Campus, world: World, entity: str, key: str) -> Scene:
    return Scene(campus, world, _ANY_TIME, entity, key, {}, _ANY_TIME)


Seat = tuple[Plan, str]
"""A plan, and one key of it."""
Look = tuple[Seat, Actions]
_ACCEPT: Final[Actions] = ("accept",)
_NOBODY: Final = ()
Change = tuple[Place, frozenset[str]]
"""Facts that a message told of, and what of them it changed."""
_Known = tuple[tuple[Seat, ...], tuple[Actions, ...]]
"""Who is to look, and what each of them is to do; apart, because doors of a kind differ in the first alone."""
_NOTHING: Final = frozenset[str]()
_SOMETHING: Final = frozenset((_ANYTHING,))


class Index:
    """Finds the plans, and their keys, that a message concerns, without looking at any other."""

    def __init__(self, plans: Iterable[Plan], campus: Campus, world: World) -> None:
        self._campus = campus
        self._world = world
        self._hear: dict[str, dict[str, list[Seat]]] = {}
        """By the kind of a message, and by what it is about."""
        self._hear_anywhere: dict[str, list[Plan]] = {}
        self._watch: dict[Place, list[tuple[Seat, frozenset[str]]]] = {}
        """By the facts, who looks at them, and which of their attributes it reads."""
        self._watch_own: dict[str, list[Plan]] = {}
        self._watch_from_afar: dict[str, list[tuple[Plan, frozenset[str]]]] = {}
        self._read: dict[str, set[str]] = {}
        self._listed = {entity: frozenset(ids_of(campus, entity) or ()) for entity in _LISTED}
        self._known: dict[tuple[str, str, bool, tuple[Change, ...]], _Known] = {}
        """Who was found before: for things that the campus lists, it stays so."""
        # A district has many doors, and what is alike at all of them is kept once.
        self._names: dict[tuple[str, frozenset[str]], frozenset[str]] = {}
        self._changes: dict[frozenset[str], frozenset[str]] = {}
        self._actions: dict[tuple[Actions, ...], tuple[Actions, ...]] = {}
        ways = _Ways(campus, world)
        for plan in plans:
            seats = {key: (plan, key) for key in sorted(plan.keys or ())}
            self._index_kinds(plan, seats, ways)
            self._index_reads(plan, seats)
        self._kinds = self._hear.keys() | self._hear_anywhere.keys()
        self._families = {entity for entity, _ in self._watch} | self._watch_own.keys() | self._watch_from_afar.keys()
        self._readers = {entity: _reader(names) for entity, names in self._read.items() if names}

    def looks(self, message: Message, told: Iterable[Told], *, edge: bool) -> Iterable[Look]:
        """Return who is to look, at which key, and why: who listens for the message, and who reads what it told."""
        if message.kind not in self._kinds and self._families.isdisjoint([place[0] for place, _, _ in told]):
            return _NOBODY
        changes = tuple([(place, self._changed(place[0], before, after)) for place, before, after in told])
        asked = (message.kind, message.key, edge, changes)
        found = self._known.get(asked)
        if found is None:
            found = self._find(message, changes, edge=edge)
            if self._is_steady(message, changes):
                self._known[asked] = found
        return zip(*found, strict=True) if found[0] else _NOBODY

    def _find(self, message: Message, changes: Iterable[Change], *, edge: bool) -> _Known:
        hearers = self._hearers(message)
        if not edge:
            hearers = [seat for seat in hearers if seat[0].rule.operator.repeats]
        asked: dict[Seat, Actions] = dict.fromkeys(hearers, _ACCEPT)
        for place, changed in changes:
            for seat in self._watchers(place, changed, hearers):
                asked[seat] = _ACCEPT + JUDGE if seat in hearers else JUDGE
        actions = tuple(asked.values())
        return tuple(asked), self._actions.setdefault(actions, actions)

    def _is_steady(self, message: Message, changes: Sequence[Change]) -> bool:
        """Return whether the same message always concerns the same keys: all that it is about is listed."""
        listed = all(
            key in self._listed.get(entity, ()) and entity not in self._watch_from_afar for (entity, key), _ in changes
        )
        return listed and bool(changes) and (message.about == "door" or message.kind not in self._hear_anywhere)

    def _hearers(self, message: Message) -> Sequence[Seat]:
        """Return the plans that listen for the message, with the key it means to each."""
        kind, key = message.kind, message.key
        hearers = self._hear.get(kind)
        here = _NOBODY if hearers is None else hearers.get(key, _NOBODY)
        anywhere = self._hear_anywhere.get(kind)
        if anywhere is None:
            return here
        return [*here, *self._located(message, anywhere)]

    def _located(self, message: Message, plans: Iterable[Plan]) -> Iterator[Seat]:
        scene = _bare(self._campus, self._world, message.about, message.key)
        scene.message = message
        located: dict[str, str | None] = {}
        for plan in plans:
            entity = plan.rule.entity
            if entity not in located:
                located[entity] = locate(scene, entity)
            key = located[entity]
            if key is not None and self.concerns(plan, key):
                yield plan, key

    def _watchers(self, place: Place, changed: frozenset[str], heard: Sequence[Seat]) -> Sequence[Seat]:
        """Return the plans that read what was changed of a thing, with the keys to judge again.

        Whoever has `heard` the message looks in any case: its own memory has changed.
        """
        if not changed and not heard:
            return _NOBODY
        entity, key = place
        found = [
            seat
            for where in (place, (entity, None))
            for seat, reads in self._watch.get(where, _NOBODY)
            if not changed.isdisjoint(reads) or seat in heard
        ]
        if key is not None and (entity in self._watch_own or entity in self._watch_from_afar):
            found += self._visits(entity, key, changed, heard)
        return found

    def _visits(self, entity: str, key: str, changed: AbstractSet[str], heard: Sequence[Seat]) -> Iterator[Seat]:
        for plan in self._watch_own.get(entity, ()):
            if (changed or (plan, key) in heard) and self.concerns(plan, key):
                yield plan, key
        for plan, reads in self._watch_from_afar.get(entity, ()):
            for each in plan.live_keys(self._world):
                if (not changed.isdisjoint(reads) or (plan, each) in heard) and self.concerns(plan, each):
                    yield plan, each

    def _changed(self, entity: str, before: Facts, after: Facts) -> frozenset[str]:
        """Return which of the attributes that anybody reads differ."""
        if before is after:
            return _NOTHING
        if (reader := self._readers.get(entity)) is None:
            return _SOMETHING
        names, read = reader
        old, new = read(before), read(after)
        if old == new:
            return _SOMETHING
        differ = (name for name, one, other in zip(names, old, new, strict=True) if one != other)
        changed = frozenset((_ANYTHING, *differ))
        return self._changes.setdefault(changed, changed)

    def concerns(self, plan: Plan, key: str) -> bool:
        """Return whether a key is in a plan's scope."""
        if plan.keys is not None:
            return key in plan.keys
        if not plan.rule.scope.wanted:
            return True
        return plan.rule.scope.fits(_bare(self._campus, self._world, plan.rule.entity, key))

    def _index_kinds(self, plan: Plan, seats: Mapping[str, Seat], ways: _Ways) -> None:
        for kind in sorted(plan.rule.operator.kinds):
            about = KINDS[kind].about
            # The device of a door is known by the message, not by the campus alone.
            if plan.keys is None or about not in _LISTED or (about, plan.rule.entity) == ("door", "device"):
                self._hear_anywhere.setdefault(kind, []).append(plan)
                continue
            leading, hearers = ways.back(about, plan.rule.entity), self._hear.setdefault(kind, {})
            for key, seat in seats.items():
                for each in leading.get(key, ()):
                    hearers.setdefault(each, []).append(seat)

    def _index_reads(self, plan: Plan, seats: Mapping[str, Seat]) -> None:
        reads = {read for expression in plan.rule.watches for read in expression.reads}
        active = plan.rule.active
        if plan.rule.watches and active is not None and active.campus_state:
            reads.add(("campus", "state"))
        if plan.keys is None:
            self._index_visit_reads(plan, reads)
            return
        read = [(root, ROOTS[root][name]) for root, name in sorted(reads)]
        scene = _bare(self._campus, self._world, plan.rule.entity, "")
        for key, seat in seats.items():
            scene.key = key
            places: dict[Place, set[str]] = {}
            for root, one in read:
                found = locate(scene, root)
                for place in one.depends(self._campus, found) if found is not None else ():
                    places.setdefault(place, set()).add(one.attribute)
            for place, names in places.items():
                self._watch.setdefault(place, []).append((seat, self._note(place[0], names)))

    def _index_visit_reads(self, plan: Plan, reads: Iterable[tuple[str, str]]) -> None:
        families: dict[str, set[str]] = {}
        for root, name in reads:
            field = ROOTS[root][name]
            for entity, _ in field.depends(self._campus, ""):
                if (root, entity) != ("visit", "visit"):
                    families.setdefault(entity, set()).add(field.attribute)
            if (root, name) == ("zone", "count"):
                # It is made of gatherings that are only known once the visit's zone is.
                families.setdefault("gathering", set()).add(_ANYTHING)
        if any(root == "visit" for root, _ in reads):
            self._watch_own.setdefault("visit", []).append(plan)
        for family, names in sorted(families.items()):
            self._watch_from_afar.setdefault(family, []).append((plan, self._note(family, names)))

    def _note(self, entity: str, names: AbstractSet[str]) -> frozenset[str]:
        noted = entity, frozenset(names)
        known = self._names.get(noted)
        if known is None:
            self._read.setdefault(entity, set()).update(names - {_ANYTHING})
            known = self._names[noted] = noted[1]
        return known


class _Ways:
    """Which things of a kind belong to a thing of another, as the campus file says; worked out once for all plans."""

    def __init__(self, campus: Campus, world: World) -> None:
        self._campus = campus
        self._world = world
        self._known: dict[tuple[str, str], dict[str, list[str]]] = {}

    def back(self, about: str, entity: str) -> Mapping[str, Sequence[str]]:
        """Return, by the id of an `entity`, the ids of the `about` from which `locate` leads to it."""
        known = self._known.get((about, entity))
        if known is None:
            known = self._known[about, entity] = {}
            scene = _bare(self._campus, self._world, about, "")
            for each in ids_of(self._campus, about) or ():
                scene.key = each
                key = locate(scene, entity)
                if key is not None:
                    known.setdefault(key, []).append(each)
        return known


def _reader(names: Iterable[str]) -> tuple[tuple[str, ...], Callable[[Facts], tuple[Any, ...]]]:
    """Return the names in a steady order, and what reads all of them at once."""
    ordered = tuple(sorted(names))
    read = attrgetter(*ordered)
    return ordered, read if len(ordered) > 1 else lambda facts: (read(facts),)
