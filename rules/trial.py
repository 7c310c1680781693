"""Runs the tests that stand in a rule document, on a small campus made for the rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import msgspec

from core.campus import nearest, write_duration
from core.errors import BadInput, Problem
from core.findings import Finding
from core.messages import ENVELOPE, KINDS, Message
from rules.document import Scenario, Step
from rules.engine import Engine
from rules.rule import with_params
from rules.runnable import Rule
from rules.stage import campus_for

LATENESS: Final = timedelta(seconds=1)
_USUAL_START: Final = datetime(2026, 11, 24, 10, 0)  # noqa: DTZ001 - the campus's own wall clock, a Tuesday
_SENDABLE: Final = ("message_id", "seq", "boot", "initial", "exercise", "received_at", "source")


def run_tests(rule: Rule) -> list[Problem]:
    """Return what is wrong with a rule by its own tests; none: they pass, or there are none."""
    problems: list[Problem] = []
    for number, scenario in enumerate(rule.tests):
        where = f"tests[{number}]" if len(rule.tests) > 1 or scenario.name != "test" else "tests"
        try:
            problems += _Trial(rule, scenario, where).run()
        except BadInput as error:
            problems += error.problems
    return problems


class _Trial:
    def __init__(self, rule: Rule, scenario: Scenario, where: str) -> None:
        self._where = where
        self._steps = scenario.steps
        self._rule = with_params(rule, scenario.params) if scenario.params else rule
        self._campus = campus_for(rule, scenario, f"{where}.campus")
        self._start = self._campus.instant(scenario.now or _USUAL_START).astimezone(UTC)
        self._engine = Engine(self._campus, [self._rule], started=self._start - LATENESS)
        self._found: list[Finding] = []

    def run(self) -> Iterator[Problem]:
        before = timedelta(0)
        for number, step in enumerate(self._steps):
            where = self._place(number)
            if step.at < before:
                yield Problem("a step stands before the one above it", where=f"{where}.at")
                return
            before = step.at
            self._found += self._engine.advance(self._start + step.at - LATENESS)
            if step.send is not None:
                self._found += self._engine.accept(self._message(step, f"{where}.send", number))
                continue
            trouble = self._disappointed(step)
            if trouble:
                yield Problem(trouble, where=where)
            self._found.clear()
        for rule, reason in self._engine.health.items():
            yield Problem(f"{rule}: {reason}", where=self._where)

    def _place(self, number: int) -> str:
        inner = "" if self._where == "tests" else ".steps"
        return f"{self._where}{inner}[{number}]"

    def _message(self, step: Step, where: str, number: int) -> Message:
        assert step.send is not None
        said = dict(step.send)
        kind = str(said.pop("kind"))
        if kind not in KINDS:
            raise BadInput([Problem(f"no message kind {kind!r}{nearest(kind, set(KINDS))}", where=f"{where}.kind")])
        known = set(KINDS[kind].__struct_fields__) - (ENVELOPE - {"at", *_SENDABLE})
        unknown = [name for name in said if name not in known]
        if unknown:
            raise BadInput(Problem(f"no such field{nearest(n, known)}", where=f"{where}.{n}") for n in unknown)
        return self._converted(kind, said, step, where, number)

    def _converted(self, kind: str, said: dict[str, Any], step: Step, where: str, number: int) -> Message:
        now = self._start + step.at
        for name in said.keys() & _instants_of(kind):
            said[name] = self._instant(said[name], f"{where}.{name}")
        envelope = {
            "campus": self._campus.id,
            "source": kind.partition(".")[0],
            "message_id": f"test-{number}",
            "at": now,
            "received_at": now,
        }
        try:
            return msgspec.convert(envelope | said, KINDS[kind])
        except msgspec.ValidationError as error:
            text, _, place = str(error).partition(" - at `$.")
            raise BadInput([Problem(text, where=f"{where}.{place.rstrip('`')}".rstrip("."))]) from None

    def _instant(self, value: Any, where: str) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._campus.instant(datetime.fromisoformat(value))
        except ValueError:
            raise BadInput([Problem('not a moment; write it like "2026-11-24T10:30"', where=where)]) from None

    def _disappointed(self, step: Step) -> str:
        found = [each for each in self._found if step.key in (None, each.key)]
        since = write_duration(step.at)
        if step.expect == "nothing":
            return f"expected nothing by {since}, but {_listing(found)}" if found else ""
        right = [each for each in found if each.state == step.expect and step.severity in (None, each.severity)]
        if right:
            return ""
        wanted = " ".join(part for part in (step.expect, step.severity, step.key and f"for {step.key}") if part)
        return f"expected {wanted} by {since}, but {_listing(found)}"


def _listing(found: list[Finding]) -> str:
    if not found:
        return "nothing was found"
    return "found " + ", ".join(f"{each.state} {each.severity} for {each.key}" for each in found)


@cache
def _instants_of(kind: str) -> frozenset[str]:
    """Return the fields of a kind that hold an instant."""
    return frozenset(item.name for item in msgspec.structs.fields(KINDS[kind]) if "datetime" in str(item.type))
