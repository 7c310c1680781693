"""The shape of a parsed condition: frozen nodes that know where in the text they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

Constant = bool | int | float | str | timedelta


class Wrong(Exception):
    """The text of a condition is wrong; `column` counts from 1."""

    def __init__(self, message: str, start: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = start + 1

    def __str__(self) -> str:
        return f"column {self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of the text from `start` up to, but without, `end`."""

    start: int
    end: int

    @property
    def parts(self) -> tuple[Node, ...]:
        """The nodes inside of this one."""
        return ()


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant as it is written."""

    value: Constant


@dataclass(frozen=True, slots=True)
class Path(Node):
    """Names joined by dots: `door.position`, `p.hold`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """A list of values."""

    items: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        """The values."""
        return self.items


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function, `has(…)`, or a method of a value, `door.name.startsWith(…)`."""

    name: str
    target: Node | None
    arguments: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        """The value it belongs to, then the arguments."""
        return self.arguments if self.target is None else (self.target, *self.arguments)


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`!x` or `-x`."""

    operator: str
    operand: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        """The one operand."""
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`left operator right`."""

    operator: str
    left: Node
    right: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        """Left and right."""
        return (self.left, self.right)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything in it, from the outside to the inside, left to right."""
    yield node
    for part in node.parts:
        yield from walk(part)
