"""Where an operator reads its fields: expressions checked in their place, and messages to listen for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from core.campus import Campus, CampusInfo, nearest
from core.errors import Problem
from core.messages import KINDS, Message, kinds_matching
from core.world import World
from rules.document import MAX_LENGTH, Heard
from rules.language.check import Environment
from rules.language.explain import plain
from rules.language.expression import Expression, read_expression
from rules.language.nodes import Wrong
from rules.language.roots import ROOTS, reachable
from rules.language.scene import Scene, Value
from rules.language.types import Type
from rules.operators.moment import Moment


@dataclass(frozen=True)
class Hearing:
    """The messages that an operator listens for."""

    options: tuple[tuple[frozenset[str], Expression | None], ...]

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Every kind that is listened for."""
        return frozenset(kind for kinds, _ in self.options for kind in kinds)

    @cached_property
    def _conditions(self) -> dict[str, tuple[Expression | None, ...]]:
        """By kind, the conditions of which one must be true."""
        return {kind: tuple(each for kinds, each in self.options if kind in kinds) for kind in self.kinds}

    def hears(self, moment: Moment, bound: Mapping[str, Message] | None = None) -> bool:
        """Return whether the message of the moment is one of them; a condition that is not known does not count."""
        if moment.message is None:
            return False
        for condition in self._conditions.get(moment.message.kind, ()):
            if condition is None or condition.run(moment.heard(bound)) is True:
                return True
        return False

    def readings(self, moment: Moment, bound: Mapping[str, Message] | None = None) -> dict[str, Any]:
        """Return what the conditions on the message of the moment read."""
        found: dict[str, Any] = {}
        for kinds, condition in self.options:
            if condition is not None and moment.message is not None and moment.message.kind in kinds:
                found |= condition.readings(moment.heard(bound))
        return found

    def say(self, params: Mapping[str, Value]) -> str:
        """Return it in words: `door opened, if …`."""
        return " or ".join(
            _kind_in_words(kinds) + (f" (if {condition.say(params)})" if condition else "")
            for kinds, condition in self.options
        )


def _kind_in_words(kinds: frozenset[str]) -> str:
    families = {kind.split(".")[0] for kind in kinds}
    if len(kinds) > 2 and len(families) == 1:
        return f"any {families.pop()} message"
    return " or ".join(sorted(kind.replace(".", " ").replace("_", " ") for kind in kinds))


class Site:
    """The place in a rule document where an operator reads its fields; it collects what is wrong with them."""

    def __init__(self, entity: str, params: Mapping[str, Type], values: Mapping[str, Value]) -> None:
        self.entity = entity
        self.params = params
        self._values = values
        self.problems: list[Problem] = []
        self.state_environment = Environment(reachable(entity) | {"now"}, params)
        self.taken_names = frozenset((*ROOTS, "msg", "p", "calendar"))

    def state(self, text: str, where: str, want: str = "bool") -> Expression:
        """Return an expression about the key."""
        return self.read(text, where, self.state_environment, want)

    def complain(self, message: str, where: str) -> None:
        """Note something that is wrong."""
        self.problems.append(Problem(message, where=where))

    def moment(self, text: str, where: str) -> Expression:
        """Return an instant: of the key, or of a calendar."""
        environment = replace(self.state_environment, calendar=True)
        return self.read(text, where, environment, "timestamp")

    def duration(self, text: str, where: str, *, at_least: timedelta = timedelta(0)) -> Expression:
        """Return a length of time; one that is known now must not be shorter than `at_least`."""
        found = self.state(text, where, "duration")
        known = self._known(found)
        if isinstance(known, timedelta) and known < at_least:
            self.complain(f"{plain(known)} is too short", where)
        if isinstance(known, timedelta) and known > MAX_LENGTH:
            self.complain(f"{plain(known)} is longer than a year", where)
        return found

    def number(self, text: str, where: str, *, at_least: int) -> Expression:
        """Return a whole number; one that is known now must not be below `at_least`."""
        found = self.state(text, where, "int")
        known = self._known(found)
        if isinstance(known, int) and known < at_least:
            self.complain(f"must be at least {at_least}, is {known}", where)
        return found

    def _known(self, expression: Expression) -> Value:
        if expression.reads or expression.pace:
            return None
        at = datetime(1970, 1, 1, tzinfo=UTC)
        return expression(Scene(_NOWHERE, World(_NOWHERE), at, "campus", "nowhere", self._values, at))

    def read(self, text: str, where: str, environment: Environment, want: str) -> Expression:
        """Return an expression in an environment; where it is wrong, a stand-in, and a problem more."""
        try:
            return read_expression(text, environment, want)
        except Wrong as error:
            self.complain(str(error), where)
            return read_expression(_STAND_INS[want], Environment(calendar=True), want)

    def hearing(
        self,
        heard: tuple[Heard, ...],
        where: str,
        condition: str | None = None,
        bound: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Hearing:
        """Return the messages to listen for; `condition` is an `if` that stands beside the whole list."""
        options: list[tuple[frozenset[str], Expression | None]] = []
        for index, each in enumerate(heard):
            place = f"{where}[{index}]" if len(heard) > 1 else where
            kinds = self._kinds(each, place)
            self._check_key(kinds, place)
            environment = self.message_environment(kinds, bound)
            beside = where.rpartition(".")[0]
            texts = (condition, f"{beside}.if"), (each.condition, f"{place}.if")
            found = [self.read(t, at, environment, "bool") if kinds else None for t, at in texts if t is not None]
            if len(found) == 2:
                self.complain("two conditions; join them with &&", f"{place}.if")
            options.append((frozenset(kinds), found[0] if found else None))
        return Hearing(tuple(options))

    def _kinds(self, heard: Heard, where: str) -> tuple[str, ...]:
        found: list[str] = []
        for pattern in heard.of:
            kinds = kinds_matching(pattern)
            if not kinds:
                families = {f"{kind.split('.')[0]}.*" for kind in KINDS}
                hint = nearest(pattern, set(KINDS) | families)
                self.complain(f"no message kind {pattern!r}{hint}", where)
            found += kinds
        return tuple(dict.fromkeys(found))

    def _check_key(self, kinds: tuple[str, ...], where: str) -> None:
        for kind in kinds:
            if self.entity not in reachable(KINDS[kind].about):
                self.complain(f"{kind} says nothing about a {self.entity}, and the key is {self.entity}.id", where)

    def message_environment(
        self, kinds: tuple[str, ...], bound: Mapping[str, tuple[str, ...]] | None = None
    ) -> Environment:
        """Return what a condition on messages of these kinds may speak of."""
        roots = [reachable(KINDS[kind].about) for kind in kinds]
        shared = frozenset.intersection(*roots) if roots else frozenset[str]()
        return Environment(shared | {"now"}, self.params, kinds, dict(bound or {}))


_NOWHERE: Final = Campus(campus=CampusInfo(id="nowhere", name="nowhere", timezone="UTC"))
_STAND_INS: Final = {"bool": "true", "duration": "0s", "int": "0", "timestamp": "calendar.school.end"}
