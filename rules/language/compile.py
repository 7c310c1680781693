"""Nodes to closures: one small function for each node, three-valued, with the errors of arithmetic caught.

None is unknown. `false && unknown` is false, `true || unknown` is true, anything else made of unknown is unknown.

This is the plain way to work a condition out, node by node: it explains one, and `rules.language.generate`, which is
what judges, is held against it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from rules.language.check import Environment
from rules.language.nodes import Binary, Call, ListOf, Literal, Node, Path, Unary
from rules.language.parse import MAX_INT, MIN_INT
from rules.language.roots import ROOTS, locate
from rules.language.scene import Scene, Value

Run = Callable[[Scene], Value]


def compile_node(node: Node, environment: Environment) -> Run:
    """Return the function that works a checked node out."""
    if isinstance(node, Literal):
        constant = node.value
        return lambda _scene: constant
    if isinstance(node, Path):
        return _path(node, environment)
    if isinstance(node, ListOf):
        return _list([compile_node(item, environment) for item in node.items])
    if isinstance(node, Call):
        return _call(node, environment)
    if isinstance(node, Unary):
        inner = compile_node(node.operand, environment)
        return _not(inner) if node.operator == "!" else _guarded(guard_of(node), inner)
    assert isinstance(node, Binary)
    left, right = compile_node(node.left, environment), compile_node(node.right, environment)
    if node.operator == "&&":
        return _shortcut(left, right, decides=False)
    if node.operator == "||":
        return _shortcut(left, right, decides=True)
    if node.operator in COMPARE:
        return _both(COMPARE[node.operator], left, right)
    return _guarded(guard_of(node), left, right)


# ------------------------------------------------------------------------------------------------------- names
def _path(node: Path, environment: Environment) -> Run:
    root, name = node.names[0], node.names[-1]
    if root == "p":
        return lambda scene: scene.params.get(name)
    if root == "msg":
        return lambda scene: getattr(scene.message, name, None)
    if root in environment.bound:
        return lambda scene: getattr((scene.bound or {}).get(root), name, None)
    if root == "calendar":
        end = name == "end"
        return lambda scene: None if scene.span is None else scene.span[end]
    read = ROOTS[root][name].read

    def field(scene: Scene) -> Value:
        key = scene.key if scene.entity == root else locate(scene, root)
        return None if key is None else read(scene, key)

    return field


def _list(items: list[Run]) -> Run:
    return lambda scene: tuple(item(scene) for item in items)


# ------------------------------------------------------------------------------------------------------- calls
def _call(node: Call, environment: Environment) -> Run:
    if node.name == "has":
        inner = compile_node(node.arguments[0], environment)
        return lambda scene: inner(scene) is not None
    if node.name == "in":
        assert isinstance(node.arguments[0], Literal)
        name = str(node.arguments[0].value)
        return lambda scene: scene.campus.local_calendar.is_in(name, scene.at)
    parts = [compile_node(part, environment) for part in node.parts]
    if node.name in ONE:
        of, part = ONE[node.name], parts[0]
        return lambda scene: None if (value := part(scene)) is None else of(value)
    return _both(TWO[node.name], *parts)


ONE: Final[dict[str, Callable[[Value], Value]]] = {"size": len, "lower": str.lower}
TWO: Final[dict[str, Callable[[Value, Value], Value]]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": operator.contains,
}


# --------------------------------------------------------------------------------------------------- operators
def _not(inner: Run) -> Run:
    return lambda scene: None if (value := inner(scene)) is None else not value


def _shortcut(left: Run, right: Run, *, decides: bool) -> Run:
    def run(scene: Scene) -> Value:
        first = left(scene)
        if first is decides:
            return decides
        second = right(scene)
        if second is decides:
            return decides
        return None if first is None or second is None else not decides

    return run


def _both(of: Callable[[Value, Value], Value], left: Run, right: Run) -> Run:
    def run(scene: Scene) -> Value:
        first = left(scene)
        if first is None:
            return None
        second = right(scene)
        return None if second is None else of(first, second)

    return run


def contained(value: Value, values: tuple[Value, ...]) -> Value:
    """Return whether a value is in a list, some of whose values may not be known."""
    if value in values:
        return True
    return None if None in values else False


COMPARE: Final[dict[str, Callable[[Value, Value], Value]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": contained,
}


def _divide(left: Value, right: Value) -> Value:
    if isinstance(left, int) and isinstance(right, int):
        # As in CEL, and unlike Python's //, the quotient of whole numbers is cut off towards zero.
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right


def _negative(value: Value, _nothing: Value) -> Value:
    return -value


_ARITHMETIC: Final[dict[str, Callable[[Value, Value], Value]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
}


Guard = Callable[..., Value]
"""Arithmetic that tells the scene (its first argument) what goes wrong, and is then unknown."""


def guard_of(node: Unary | Binary) -> Guard:
    """Return the arithmetic of a node."""
    of: Callable[[Value, Value], Value] = _negative if isinstance(node, Unary) else _ARITHMETIC[node.operator]
    column = node.start + 1

    def guard(scene: Scene, left: Value, right: Value = 0) -> Value:
        if left is None or right is None:
            return None
        try:
            result = of(left, right)
        except ZeroDivisionError:
            scene.trouble(f"division by zero at column {column}")
            return None
        except OverflowError:
            result = None
        if type(result) is timedelta or _in_bounds(result):
            return result
        scene.trouble(f"overflow at column {column}")
        return None

    return guard


def _guarded(guard: Guard, *operands: Run) -> Run:
    return lambda scene: guard(scene, *(operand(scene) for operand in operands))


_TIMES: Final = (timedelta, datetime)


def _in_bounds(value: Value) -> bool:
    if isinstance(value, int):
        return MIN_INT <= value <= MAX_INT
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, _TIMES)
