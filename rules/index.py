"""Finds the plans that a message concerns, and their keys; what is alike at many doors is kept once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter, ne
from typing import Any, Final

from core.campus import Campus
from core.facts import Facts
from core.messages import KINDS, Message
from core.world import Told, World
from rules.language.roots import ROOTS, Place, ids_of, locate, zone_of
from rules.plan import JUDGE, Plan, bare
from rules.spell import Actions

_LISTED: Final = ("door", "zone", "device", "gathering", "campus")
_ANYTHING: Final = ""
"""Stands among names of attributes: whatever it is that has changed."""
Seat = tuple[Plan, str]
"""A plan, and one key of it."""
Look = tuple[Plan, str, Actions]
"""A plan, the key of it that is to look, and what it is to do."""
_ACCEPT: Final[Actions] = ("accept",)
_NOBODY: Final = ()
_NOTHING: Final = frozenset[str]()
_SOMETHING: Final = frozenset((_ANYTHING,))
_TOGETHER: Final = frozenset(("door", "device"))
"""The kinds of things that one message may tell of (see `Message.tells`)."""
_ITSELF: Final = ""
"""Stands for the key of a seat, where that is the thing itself."""
_ITS_ZONE: Final = "its zone"
"""Stands for the key of a seat, where that is the zone in which the thing is."""
_MESSAGE, _HOME, _ZONE = -1, -2, -3
"""Where `_keys` has the key of what a message is about, of the device listed at that door, and of the zone it is in."""
_Known = tuple[tuple[Plan, int | str, Actions], ...]
"""Who is to look, at which of the `_keys` (or at which one of the campus), and what each is to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """What the plans make of a thing that the campus lists. A district has many doors and few such kinds of doors.

    A seat's key is `_ITSELF` where it is the thing's own; a hearer's is `_ITS_ZONE` where it is the thing's zone.
    """

    hearers: Mapping[str, tuple[Seat, ...]]
    """By the kind of a message about the thing: who listens for it."""
    readers: tuple[tuple[Seat, frozenset[str]], ...]
    """Who looks at its facts, and which of their attributes it reads."""


_UNLIKE: Final = Likeness({}, ())
"""Of what the campus does not list."""


class Index:
    """Finds the plans, and their keys, that a message concerns, without looking at any other."""

    def __init__(self, plans: Iterable[Plan], campus: Campus, world: World) -> None:
        self._campus = campus
        self._world = world
        self._hear_anywhere: dict[str, list[Plan]] = {}
        self._watch_all: dict[str, list[tuple[Seat, frozenset[str]]]] = {}
        """By the family of facts, who looks at any of them, and which of their attributes it reads."""
        self._watch_own: dict[str, list[Plan]] = {}
        self._watch_from_afar: dict[str, list[tuple[Plan, frozenset[str]]]] = {}
        self._read: dict[str, set[str]] = {}
        self._known: dict[tuple[Any, ...], _Known] = {}
        """Who was found before: for things that the campus lists, it stays so, and is so for all that are alike."""
        self._names: dict[tuple[str, frozenset[str]], frozenset[str]] = {}
        self._changes: dict[tuple[str, tuple[bool, ...]], frozenset[str]] = {}
        likenesses = _Likenesses(campus, world)
        for plan in plans:
            self._index_kinds(plan, likenesses)
            self._index_reads(plan, likenesses)
        self._likenesses = likenesses.found()
        self._kinds = likenesses.kinds | self._hear_anywhere.keys()
        afar = self._watch_all.keys() | self._watch_own.keys() | self._watch_from_afar.keys()
        self._families = likenesses.families | afar
        self._readers = {entity: _reader(names) for entity, names in self._read.items() if names}

    def looks(self, message: Message, told: Sequence[Told], *, edge: bool) -> Iterable[Look]:
        """Return who is to look, at which key, and why: who listens for the message, and who reads what it told."""
        if message.kind not in self._kinds and self._families.isdisjoint([place[0] for place, _, _ in told]):
            return _NOBODY
        likenesses = self._likenesses
        alike: list[Any] = [message.kind, edge, likenesses.get((message.about, message.key))]
        for place, before, after in told:
            alike += (likenesses.get(place), self._changed(place[0], before, after))
        asked = tuple(alike)
        known = self._known.get(asked)
        if known is None:
            looks = self._find(message, told, edge=edge)
            if None not in asked and self._is_steady(message, told):
                self._known[asked] = self._refer(looks, message, told)
            return looks
        if not known:
            return _NOBODY
        keys = self._keys(message, told)
        return [(plan, where if isinstance(where, str) else keys[where], actions) for plan, where, actions in known]

    def _find(self, message: Message, told: Iterable[Told], *, edge: bool) -> list[Look]:
        hearers = self._hearers(message)
        if not edge:
            hearers = [seat for seat in hearers if seat[0].rule.operator.repeats]
        asked: dict[Seat, Actions] = dict.fromkeys(hearers, _ACCEPT)
        for place, before, after in told:
            for seat in self._watchers(place, self._changed(place[0], before, after), hearers):
                asked[seat] = _ACCEPT + JUDGE if seat in hearers else JUDGE
        return [(plan, key, actions) for (plan, key), actions in asked.items()]

    def _is_steady(self, message: Message, told: Sequence[Told]) -> bool:
        """Return whether the same message always concerns the same keys, given that all it tells of is listed."""
        steady = all(entity not in self._watch_from_afar for (entity, _), _, _ in told)
        return steady and bool(told) and (message.about == "door" or message.kind not in self._hear_anywhere)

    def _keys(self, message: Message, told: Iterable[Told]) -> Sequence[str]:
        """Return the keys that a message gives: of each thing it told of, then `_ZONE`, `_HOME` and `_MESSAGE`."""
        own = message.key
        home = self._campus.device_of_door.get(own, "") if message.about == "door" else ""
        return (*[place[1] for place, _, _ in told], zone_of(self._campus, message.about, own) or "", home, own)

    def _refer(self, looks: Iterable[Look], message: Message, told: Sequence[Told]) -> _Known:
        """Return who looks in words that are true of all messages like this one."""
        keys = self._keys(message, told)
        places: dict[Place, int] = {("device", keys[_HOME]): _HOME, ("zone", keys[_ZONE]): _ZONE}
        places[message.about, message.key] = _MESSAGE
        places |= {place: number for number, (place, _, _) in enumerate(told)}
        return tuple((plan, places.get((plan.rule.entity, key), key), actions) for plan, key, actions in looks)

    def _hearers(self, message: Message) -> Sequence[Seat]:
        """Return the plans that listen for the message, with the key it means to each."""
        kind, own = message.kind, message.key
        like = self._likenesses.get((message.about, own), _UNLIKE)
        zone = zone_of(self._campus, message.about, own) or ""
        here = [(plan, zone if key is _ITS_ZONE else key or own) for plan, key in like.hearers.get(kind, _NOBODY)]
        here += self._located(message, self._hear_anywhere.get(kind, _NOBODY))
        return here

    def _located(self, message: Message, plans: Iterable[Plan]) -> Iterator[Seat]:
        scene = bare(self._campus, self._world, message.about, message.key)
        scene.message = message
        located: dict[str, str | None] = {}
        for plan in plans:
            entity = plan.rule.entity
            if entity not in located:
                located[entity] = locate(scene, entity)
            key = located[entity]
            if key is not None and self.concerns(plan, key):
                yield plan, key

    def _watchers(self, place: tuple[str, str], changed: frozenset[str], heard: Sequence[Seat]) -> Sequence[Seat]:
        """Return the plans that read what was changed of a thing, with the keys to judge again.

        Whoever has `heard` the message looks in any case: its own memory has changed.
        """
        if not changed and not heard:
            return _NOBODY
        entity, own = place
        readers = (*self._likenesses.get(place, _UNLIKE).readers, *self._watch_all.get(entity, _NOBODY))
        found = [((plan, key or own), reads) for (plan, key), reads in readers]
        seats = [seat for seat, reads in found if not changed.isdisjoint(reads) or seat in heard]
        if entity in self._watch_own or entity in self._watch_from_afar:
            seats += self._visits(entity, own, changed, heard)
        return seats

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
        pattern = entity, tuple(map(ne, old, new))
        changed = self._changes.get(pattern)
        if changed is None:
            changed = frozenset((_ANYTHING, *compress(names, pattern[1])))
            self._changes[pattern] = changed
        return changed

    def concerns(self, plan: Plan, key: str) -> bool:
        """Return whether a key is in a plan's scope."""
        if plan.keys is not None:
            return key in plan.keys
        if not plan.rule.scope.wanted:
            return True
        return plan.rule.scope.fits(bare(self._campus, self._world, plan.rule.entity, key))

    def _index_kinds(self, plan: Plan, likenesses: _Likenesses) -> None:
        is_apart = False
        for kind in sorted(plan.rule.operator.kinds):
            about = KINDS[kind].about
            # The device of a door is known by the message, not by the campus alone.
            if plan.keys is None or about not in _LISTED or (about, plan.rule.entity) == ("door", "device"):
                self._hear_anywhere.setdefault(kind, []).append(plan)
                is_apart = True
            else:
                likenesses.hear(plan, kind, about)
        if is_apart:
            likenesses.tell_apart(plan)

    def _index_reads(self, plan: Plan, likenesses: _Likenesses) -> None:
        reads = {read for expression in plan.rule.watches for read in expression.reads}
        active = plan.rule.active
        if plan.rule.watches and active is not None and active.campus_state:
            reads.add(("campus", "state"))
        if plan.keys is None:
            self._index_visit_reads(plan, reads)
            return
        read = [(root, ROOTS[root][name]) for root, name in sorted(reads)]
        scene = bare(self._campus, self._world, plan.rule.entity, "")
        for key in sorted(plan.keys):
            scene.key = key
            places: dict[Place, set[str]] = {}
            for root, one in read:
                found = locate(scene, root)
                for place in one.depends(self._campus, found) if found is not None else ():
                    places.setdefault(place, set()).add(one.attribute)
            for (entity, each), names in places.items():
                noted = self._note(entity, names)
                if each is None:
                    self._watch_all.setdefault(entity, []).append(((plan, key), noted))
                    likenesses.name(plan, key, entity)
                else:
                    likenesses.read(plan, key, (entity, each), noted)

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


class _Likenesses:
    """Gathers what the plans make of each thing, and finds what is alike."""

    def __init__(self, campus: Campus, world: World) -> None:
        self._campus = campus
        self._world = world
        self._ways: dict[tuple[str, str], dict[str, list[str]]] = {}
        self._hearers: dict[Place, dict[str, list[Seat]]] = {}
        self._readers: dict[Place, list[tuple[Seat, frozenset[str]]]] = {}
        self._apart: dict[Place, list[Plan]] = {}
        self.kinds: set[str] = set()
        """The kinds of messages that anybody listens for."""
        self._named: set[Place] = set()
        """What is judged when others are spoken of that a message may tell of together with it: it is like no other."""

    @property
    def families(self) -> AbstractSet[str]:
        """The kinds of facts that anybody reads."""
        return {entity for entity, _ in self._readers}

    def hear(self, plan: Plan, kind: str, about: str) -> None:
        """Note that a plan listens for a kind of messages about things that belong to its keys."""
        self.kinds.add(kind)
        leading = self._leading(about, plan.rule.entity)
        for key in sorted(plan.keys or ()):
            for each in leading.get(key, ()):
                in_its_zone = plan.rule.entity == "zone" and key == zone_of(self._campus, about, each)
                seat = (plan, _ITS_ZONE) if in_its_zone else self._seat(plan, key, (about, each))
                self._hearers.setdefault((about, each), {}).setdefault(kind, []).append(seat)

    def read(self, plan: Plan, key: str, place: Place, names: frozenset[str]) -> None:
        """Note that a plan reads the facts of a thing for a key."""
        self._readers.setdefault(place, []).append((self._seat(plan, key, place), names))

    def _seat(self, plan: Plan, key: str, place: Place) -> Seat:
        if place == (plan.rule.entity, key):
            return plan, _ITSELF
        self.name(plan, key, place[0])
        return plan, key

    def name(self, plan: Plan, key: str, entity: str) -> None:
        """Note that a plan judges one certain key when a thing of a kind is spoken of, whichever that is."""
        own = plan.rule.entity
        if entity == own or {entity, own} == _TOGETHER or (own == "zone" and entity in _TOGETHER):
            self._named.add((own, key))

    def tell_apart(self, plan: Plan) -> None:
        """Note that only a message says which of the plan's keys it concerns, so that its scope must be the same."""
        for key in plan.keys or ():
            self._apart.setdefault((plan.rule.entity, key), []).append(plan)

    def found(self) -> Mapping[Place, Likeness]:
        """Return what the plans make of everything that the campus lists."""
        alike: dict[Any, Likeness] = {}
        found: dict[Place, Likeness] = {}
        # A door is like another only if its device is like the other's, so devices come first.
        for entity in sorted(_LISTED, key=lambda each: each != "device"):
            for key in ids_of(self._campus, entity) or ():
                place = entity, key
                hearers = {kind: tuple(seats) for kind, seats in self._hearers.get(place, {}).items()}
                readers = tuple(self._readers.get(place, ()))
                home = self._campus.device_of_door.get(key, "") if entity == "door" else ""
                apart = tuple(self._apart.get(place, ()))
                own = key if place in self._named else _ITSELF
                zone = zone_of(self._campus, entity, key)
                around = zone if ("zone", zone) in self._named else _ITS_ZONE
                same = entity, own, around, tuple(hearers.items()), readers, apart, found.get(("device", home))
                found[place] = alike.setdefault(same, Likeness(hearers, readers))
        return found

    def _leading(self, about: str, entity: str) -> Mapping[str, Sequence[str]]:
        """Return, by the id of an `entity`, the ids of the `about` from which `locate` leads to it."""
        known = self._ways.get((about, entity))
        if known is None:
            known = self._ways[about, entity] = {}
            scene = bare(self._campus, self._world, about, "")
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
