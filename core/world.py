"""What is true on one campus as its messages tell it: the facts of every thing, kept in memory.

Pure: the engine judges over it, replay drives it, `core.state` writes what changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from core.campus import Campus
from core.facts import FACTS, CampusFacts, Facts
from core.messages import Message


class World:
    """The facts of one campus. A message changes them; the entities that changed since the last look are known.

    A world takes every message for true: what is live and what an exercise says besides are different worlds, and
    whoever holds them decides which one hears a message (`rules.engine`).
    """

    def __init__(self, campus: Campus) -> None:
        self.campus = campus
        self._facts: dict[tuple[str, str], Facts] = {}
        self._changed: set[tuple[str, str]] = set()
        self._moved: set[tuple[str, str]] = set()

    def get(self, entity: str, key: str) -> Facts | None:
        """Return the facts of a thing, or None if nobody has ever told us about it."""
        return self._facts.get((entity, key))

    def of(self, entity: str) -> Iterator[Facts]:
        """Yield the facts of every thing of a kind that was heard of."""
        return (facts for (kind, _), facts in self._facts.items() if kind == entity)

    def all(self) -> Iterator[Facts]:
        """Yield the facts of everything that was heard of."""
        return iter(self._facts.values())

    @property
    def state(self) -> str:
        """The campus's state of the Standard Response Protocol."""
        facts = self._facts.get(("campus", self.campus.id))
        told = facts.state if isinstance(facts, CampusFacts) else None
        return told or self.campus.campus.state

    def apply(self, message: Message) -> bool:
        """Take a message in; return whether it is an edge: a change of the level its kind speaks of, or an event.

        A repeat of what was known, older news, and state reported again after a boot are no edges.
        """
        edge = not message.level and not message.initial
        for place in message.tells():
            family = FACTS.get(place[0])
            if family is None:
                continue
            before = self._facts.get(place)
            if before is None:
                before = family(id=place[1])
            after = message.tell(before)
            if after is before or after == before:
                continue
            self._facts[place] = after
            self._changed.add(place)
            if after.level != before.level:
                self._moved.add(place)
            if message.level and place[0] == message.about and not message.initial:
                edge = getattr(after, message.level) != getattr(before, message.level)
        return edge

    def restore(self, facts: Iterable[Facts]) -> None:
        """Take facts back from the store, as they were written."""
        self._facts.update({(each.entity, each.id): each for each in facts})

    def forget(self, entity: str, key: str) -> None:
        """Drop the facts of a thing that is gone."""
        self._facts.pop((entity, key), None)

    def take_changes(self) -> list[Facts]:
        """Return the facts changed since this was last asked."""
        changed = [self._facts[place] for place in self._changed if place in self._facts]
        self._changed.clear()
        return changed

    def take_moves(self) -> list[Facts]:
        """Return the facts whose level (see `Facts.level`) changed since this was last asked; for the live pages."""
        moved = [self._facts[place] for place in self._moved if place in self._facts]
        self._moved.clear()
        return moved
