"""One condition, read once: text, type, what it reads, and the function that works it out when it is first asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rules.language.check import Checked, Environment, check
from rules.language.compile import Run
from rules.language.explain import readings, say, trace
from rules.language.generate import generate
from rules.language.nodes import Node, Wrong
from rules.language.parse import parse
from rules.language.roots import Pace
from rules.language.scene import Scene, Value
from rules.language.types import Type


@dataclass(frozen=True)
class Expression:
    """A checked condition. Call it with a scene; the answer is None where it is not known."""

    source: str
    node: Node = field(repr=False, compare=False)
    environment: Environment = field(repr=False, compare=False)
    checked: Checked = field(repr=False, compare=False)

    def __call__(self, scene: Scene) -> Value:
        """Return the answer at one instant."""
        return self.run(scene)

    @cached_property
    def run(self) -> Run:
        """The function that works it out, made when it is first asked for: most rules that are read never run."""
        return generate(self.node, self.environment)

    @property
    def type(self) -> Type:
        """The type of the answer."""
        return self.checked.type

    @property
    def reads(self) -> frozenset[tuple[str, str]]:
        """(root, field) of everything it reads, parameters and messages apart."""
        return frozenset(self.checked.reads)

    @property
    def pace(self) -> Pace:
        """How the answer changes by the mere passing of time."""
        return self.checked.pace

    @property
    def calendars(self) -> frozenset[str]:
        """The calendars and windows it names."""
        return frozenset(self.checked.calendars)

    def trace(self, scene: Scene) -> dict[str, Any]:
        """Return the value of every part of it."""
        return trace(self.node, self.source, self.environment, scene)

    def readings(self, scene: Scene) -> dict[str, Any]:
        """Return everything it reads, as written, with the values."""
        return readings(self.node, self.source, self.environment, scene)

    def say(self, params: Mapping[str, Value]) -> str:
        """Return it as an English clause."""
        return say(self.node, params)


def read_expression(source: str, environment: Environment, want: str) -> Expression:
    """Return the condition that `source` says; raises Wrong where it is wrong or its type is not `want`."""
    node = parse(source)
    checked = check(node, environment)
    if checked.type.name != want:
        what = "true or false" if want == "bool" else Type(want).called
        raise Wrong(f"this is {checked.type.called}; {what} is wanted here", node.start)
    return Expression(source, node, environment, checked)
