"""What is true on one campus as its messages tell it: the facts of every thing, kept in memory.

Pure: the engine judges over it, replay drives it, `core.state` writes what changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from core.campus import Campus
from core.facts import FACTS, CampusFacts, CampusState, DeviceFacts, DoorFacts, Facts
from core.messages import Message
from core.silence import Silence

Told = tuple[tuple[str, str], Facts, Facts]
"""(entity, id) that a message told of, and its facts before and after; the very same where nothing has changed."""


class World:
    """The facts of one campus. A message changes them; the entities that changed since the last look are known.

    A world takes every message for true: what is live and what an exercise says besides are different worlds, and
    whoever holds them decides which one hears a message (`rules.engine`).
    """

    def __init__(self, campus: Campus, *, shown: bool = True) -> None:
        """`shown`: somebody asks for its moves (`take_moves`)."""
        self.campus = campus
        self._shown = shown
        self.families: dict[str, dict[str, Facts]] = {entity: {} for entity in FACTS}
        """The facts of everything that was heard of, by kind and id; to be read, and written by nobody else."""
        self._open: set[str] = set()
        self._exterior = frozenset[str]()
        self._open_exterior: set[str] = set()
        self._state: CampusState | None = None
        self._silence = Silence()
        self._changed: set[tuple[str, str]] = set()
        self._moved: set[tuple[str, str]] = set()

    def get(self, entity: str, key: str) -> Facts | None:
        """Return the facts of a thing, or None if nobody has ever told us about it."""
        family = self.families.get(entity)
        return None if family is None else family.get(key)

    def of(self, entity: str) -> Iterator[Facts]:
        """Yield the facts of every thing of a kind that was heard of."""
        return iter(self.families[entity].values())

    def all(self) -> Iterator[Facts]:
        """Yield the facts of everything that was heard of."""
        return (facts for family in self.families.values() for facts in family.values())

    @property
    def open_doors(self) -> AbstractSet[str]:
        """The doors that were last said to be open."""
        return self._open

    @property
    def open_exterior_doors(self) -> AbstractSet[str]:
        """Those of them that lead outside; kept, because rules count them whenever any door moves."""
        exterior = self.campus.exterior_doors
        if exterior is not self._exterior:
            self._exterior, self._open_exterior = exterior, self._open & exterior
        return self._open_exterior

    def silent_devices(self, at: datetime, *, since: datetime) -> AbstractSet[str]:
        """Return the listed devices that are silent at an instant, having been listened to since another one."""
        return self._silence.at(at, self.campus, self.families["device"], since=since)

    @property
    def state(self) -> str:
        """The campus's state of the Standard Response Protocol."""
        return self._state or self.campus.campus.state

    def apply(self, message: Message) -> bool:
        """Take a message in; return whether it is an edge: a change of the level its kind speaks of, or an event.

        A repeat of what was known, older news, and state reported again after a boot are no edges.
        """
        return self.take_in(message)[0]

    def take_in(self, message: Message, elsewhere: Sequence[Told] = ()) -> tuple[bool, list[Told]]:
        """Take a message in; return whether it is an edge, and what it told.

        `elsewhere`: what it has told another world. Where this one knew the very same before, it is the same after.
        """
        edge = not message.level and not message.initial
        told: list[Told] = []
        for place in message.tells():
            entity, key = place
            family = self.families.get(entity)
            if family is None:
                continue
            before = family.get(key)
            if before is None:
                before = FACTS[entity](id=key)
            there = elsewhere[len(told)] if elsewhere else None
            after = there[2] if there is not None and there[1] is before else message.tell(before)
            if after is before or after == before:
                told.append((place, before, before))
                continue
            told.append((place, before, after))
            self._keep(after)
            self._changed.add(place)
            if self._shown and after.level != before.level:
                self._moved.add(place)
            if message.level and entity == message.about and not message.initial:
                edge = getattr(after, message.level) != getattr(before, message.level)
        return edge, told

    def _keep(self, facts: Facts) -> None:
        self.families[facts.entity][facts.id] = facts
        if isinstance(facts, DoorFacts):
            if facts.position == "open":
                self._open.add(facts.id)
                if facts.id in self._exterior:
                    self._open_exterior.add(facts.id)
            else:
                self._shut(facts.id)
        elif isinstance(facts, DeviceFacts):
            self._silence.heard(facts.id)
        elif isinstance(facts, CampusFacts) and facts.id == self.campus.id:
            self._state = facts.state

    def restore(self, facts: Iterable[Facts]) -> None:
        """Take facts back from the store, as they were written."""
        for each in facts:
            self._keep(each)

    def forget(self, entity: str, key: str) -> None:
        """Drop the facts of a thing that is gone."""
        self.families[entity].pop(key, None)
        if entity == "door":
            self._shut(key)
        elif entity == "device":
            self._silence.heard(key)

    def _shut(self, door: str) -> None:
        self._open.discard(door)
        self._open_exterior.discard(door)

    def take_changes(self) -> list[Facts]:
        """Return the facts changed since this was last asked."""
        changed = self._of(self._changed)
        self._changed.clear()
        return changed

    def take_moves(self) -> list[Facts]:
        """Return the facts whose level (see `Facts.level`) changed since this was last asked; for the live pages."""
        moved = self._of(self._moved)
        self._moved.clear()
        return moved

    def _of(self, places: Iterable[tuple[str, str]]) -> list[Facts]:
        return [facts for place in places if (facts := self.get(*place)) is not None]
