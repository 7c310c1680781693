"""A rule laid out over one campus: its keys, what it remembers of each, and the index that finds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from core.campus import Campus
from core.messages import KINDS, Message
from core.world import World
from rules.language.roots import ROOTS, ids_of, locate
from rules.language.scene import Scene
from rules.runnable import Rule
from rules.spell import KeyState

_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LISTED: Final = ("door", "zone", "device", "gathering", "campus")


@dataclass(eq=False)
class Plan:
    """A rule on a campus. `keys` is None where they come and go (visits)."""

    rule: Rule
    keys: frozenset[str] | None
    shape: str
    states: dict[str, KeyState] = field(default_factory=dict)
    scheduled: dict[str, datetime] = field(default_factory=dict)
    """The earliest timer on the heap for each key."""
    aside: str = ""
    """Why it was stood aside."""
    troubles: Counter[str] = field(default_factory=Counter)

    def note(self, trouble: str) -> None:
        """Count something that went wrong in a condition."""
        self.troubles[trouble] += 1

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
    if ids is None:
        return Plan(rule, None, rule.shape)
    scenes = ((each, _bare(campus, world, rule.entity, each)) for each in ids)
    return Plan(rule, frozenset(each for each, scene in scenes if rule.scope.fits(scene)), rule.shape)


def _bare(campus: Campus, world: World, entity: str, key: str) -> Scene:
    return Scene(campus, world, _ANY_TIME, entity, key, {}, _ANY_TIME)


class Index:
    """Finds the plans, and their keys, that a message concerns, without looking at any other."""

    def __init__(self, plans: Iterable[Plan], campus: Campus, world: World) -> None:
        self._campus = campus
        self._world = world
        self._hear: dict[tuple[str, str], list[tuple[Plan, str]]] = {}
        self._hear_anywhere: dict[str, list[Plan]] = {}
        self._watch: dict[tuple[str, str | None], list[tuple[Plan, str]]] = {}
        self._watch_own: dict[str, list[Plan]] = {}
        self._watch_from_afar: dict[str, list[Plan]] = {}
        for plan in plans:
            self._index_kinds(plan)
            self._index_reads(plan)

    def hearers(self, message: Message) -> Iterator[tuple[Plan, str]]:
        """Yield the plans that listen for the message, with the key it means to each."""
        yield from self._hear.get((message.kind, message.key), ())
        anywhere = self._hear_anywhere.get(message.kind)
        if not anywhere:
            return
        scene = _bare(self._campus, self._world, message.about, message.key)
        scene.message = message
        for plan in anywhere:
            key = locate(scene, plan.rule.entity)
            if key is not None and self.concerns(plan, key):
                yield plan, key

    def watchers(self, places: Iterable[tuple[str, str]]) -> Iterator[tuple[Plan, str]]:
        """Yield the plans that read the facts of these things, with the keys to judge again."""
        for entity, key in places:
            yield from self._watch.get((entity, key), ())
            yield from self._watch.get((entity, None), ())
            for plan in self._watch_own.get(entity, ()):
                if self.concerns(plan, key):
                    yield plan, key
            for plan in self._watch_from_afar.get(entity, ()):
                yield from ((plan, each) for each in plan.live_keys(self._world) if self.concerns(plan, each))

    def concerns(self, plan: Plan, key: str) -> bool:
        """Return whether a key is in a plan's scope."""
        if plan.keys is not None:
            return key in plan.keys
        if not plan.rule.scope.wanted:
            return True
        return plan.rule.scope.fits(_bare(self._campus, self._world, plan.rule.entity, key))

    def _index_kinds(self, plan: Plan) -> None:
        for kind in sorted(plan.rule.operator.kinds):
            about = KINDS[kind].about
            # The device of a door is known by the message, not by the campus alone.
            if plan.keys is None or about not in _LISTED or (about, plan.rule.entity) == ("door", "device"):
                self._hear_anywhere.setdefault(kind, []).append(plan)
                continue
            for each in ids_of(self._campus, about) or ():
                key = locate(_bare(self._campus, self._world, about, each), plan.rule.entity)
                if key is not None and key in plan.keys:
                    self._hear.setdefault((kind, each), []).append((plan, key))

    def _index_reads(self, plan: Plan) -> None:
        reads = {read for expression in plan.rule.watches for read in expression.reads}
        active = plan.rule.active
        if plan.rule.watches and active is not None and active.campus_state:
            reads.add(("campus", "state"))
        if plan.keys is None:
            self._index_visit_reads(plan, reads)
            return
        for key in sorted(plan.keys):
            scene = _bare(self._campus, self._world, plan.rule.entity, key)
            places = {
                place
                for root, name in reads
                if (found := locate(scene, root)) is not None
                for place in ROOTS[root][name].depends(self._campus, found)
            }
            for place in places:
                self._watch.setdefault(place, []).append((plan, key))

    def _index_visit_reads(self, plan: Plan, reads: Iterable[tuple[str, str]]) -> None:
        families = {
            place[0]
            for root, name in reads
            for place in ROOTS[root][name].depends(self._campus, "")
            if (root, place[0]) != ("visit", "visit")
        }
        # A zone's count is made of gatherings that are only known once the visit's zone is.
        families |= {"gathering" for root, name in reads if (root, name) == ("zone", "count")}
        if any(root == "visit" for root, _ in reads):
            self._watch_own.setdefault("visit", []).append(plan)
        for family in sorted(families):
            self._watch_from_afar.setdefault(family, []).append(plan)
