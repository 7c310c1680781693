"""Conditions for people: what each part of one was worth at an instant, and the whole as an English sentence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from core.campus import write_duration
from rules.language.check import Environment
from rules.language.compile import compile_node
from rules.language.nodes import Binary, Call, ListOf, Literal, Node, Path, Unary, walk
from rules.language.roots import ROOTS
from rules.language.scene import Scene, Value


def plain(value: Value) -> Any:
    """Return a value as JSON has it: a duration as `90s`, an instant in UTC, unknown as null."""
    if isinstance(value, timedelta):
        return write_duration(value) if value >= timedelta(0) else f"-{write_duration(-value)}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value


def trace(node: Node, source: str, environment: Environment, scene: Scene) -> dict[str, Any]:
    """Return the value of every part at one instant: `{text, column, value, parts}`, the whole outermost."""
    here: dict[str, Any] = {
        "text": source[node.start : node.end],
        "column": node.start + 1,
        "value": plain(_worth(node, environment, scene)),
    }
    parts = [trace(part, source, environment, scene) for part in node.parts if not _is_now(part)]
    return here | ({"parts": parts} if parts else {})


def readings(node: Node, source: str, environment: Environment, scene: Scene) -> dict[str, Any]:
    """Return what was read at one instant: each field, `has(…)` and `now.in(…)` as written, with its value."""
    found: dict[str, Any] = {}
    for each in walk(node):
        asks = isinstance(each, Call) and each.name in ("has", "in")
        reads = isinstance(each, Path) and each.names[0] != "p" and not _is_now(each)
        if asks or reads:
            found[source[each.start : each.end]] = plain(_worth(each, environment, scene))
    return found


def _worth(node: Node, environment: Environment, scene: Scene) -> Value:
    return compile_node(node, environment)(scene)


def _is_now(node: Node) -> bool:
    return isinstance(node, Path) and node.names == ("now",)


# ---------------------------------------------------------------------------------------------------- sentences
_IS: Final = {
    "==": "is",
    "!=": "is not",
    "<": "is below",
    "<=": "is at most",
    ">": "is above",
    ">=": "is at least",
}
_OPPOSITE: Final = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_TEXT_VERBS: Final = {
    "startsWith": ("starts with", "does not start with"),
    "endsWith": ("ends with", "does not end with"),
    "contains": ("contains", "does not contain"),
}
_COUNTED: Final = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}


def say(node: Node, params: Mapping[str, Value], *, denied: bool = False) -> str:
    """Return a condition as an English clause, parameters by their values; `denied` says the opposite."""
    if isinstance(node, Unary) and node.operator == "!":
        return say(node.operand, params, denied=not denied)
    if isinstance(node, Binary):
        return _say_binary(node, params, denied)
    if isinstance(node, Call):
        return _say_call(node, params, denied)
    if isinstance(node, Path):
        return _say_path(node, params, denied)
    if isinstance(node, ListOf):
        return _enumerate([say(item, params) for item in node.items], "or")
    if isinstance(node, Unary):
        return f"minus {say(node.operand, params)}"
    assert isinstance(node, Literal)
    return say_value(node.value)


def say_value(value: Value) -> str:
    """Return a value as it stands in a sentence."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return (value or '""') if isinstance(value, str) else str(plain(value))


def _enumerate(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else "nothing"


def _say_binary(node: Binary, params: Mapping[str, Value], denied: bool) -> str:
    if node.operator in ("&&", "||"):
        word = "and" if (node.operator == "&&") != denied else "or"
        sides = [_inside(part, params, denied, word) for part in (node.left, node.right)]
        return f" {word} ".join(sides)
    left, right = say(node.left, params), say(node.right, params)
    if node.operator in _COUNTED:
        return f"{left} {_COUNTED[node.operator]} {right}"
    if node.operator == "in":
        if isinstance(node.right, ListOf):
            return f"{left} is {'none' if denied else 'one'} of {right}"
        return f"{left} is {'not ' if denied else ''}among {right}"
    operator = _OPPOSITE[node.operator] if denied else node.operator
    return f"{left} {_IS[operator]} {right}"


def _inside(node: Node, params: Mapping[str, Value], denied: bool, word: str) -> str:
    text = say(node, params, denied=denied)
    inner, turned = node, denied
    while isinstance(inner, Unary) and inner.operator == "!":
        inner, turned = inner.operand, not turned
    if not isinstance(inner, Binary) or inner.operator not in ("&&", "||"):
        return text
    own = "and" if (inner.operator == "&&") != turned else "or"
    return text if own == word else f"({text})"


def _say_call(node: Call, params: Mapping[str, Value], denied: bool) -> str:
    if node.name == "in":
        name = say(node.arguments[0], params)
        return f"it is {'outside of' if denied else 'within'} {name}"
    parts = [say(part, params) for part in node.parts]
    if node.name == "has":
        return f"{parts[0]} is {'not known' if denied else 'known'}"
    if node.name == "size":
        return f"the size of {parts[0]}"
    if node.name == "lower":
        return f"{parts[0]} in small letters"
    does, does_not = _TEXT_VERBS[node.name]
    return f"{parts[0]} {does_not if denied else does} {parts[1]}"


def _say_path(node: Path, params: Mapping[str, Value], denied: bool) -> str:
    root, name = node.names[0], node.names[-1]
    if root == "p":
        return say_value(params.get(name, name))
    if root == "calendar":
        return f"the {name} of {node.names[1].replace('_', ' ')}"
    field = ROOTS[root].get(name) if root in ROOTS else None
    if field is None:
        what = name.replace("_", " ")
        words = f"the message's {what}" if root == "msg" else f"the {what} of {root}"
        return f"{words} is not true" if denied else words
    return _deny(field.words) if denied else field.words


def _deny(words: str) -> str:
    for verb in (" is ", " has "):
        if verb in words:
            return words.replace(verb, " is not " if verb == " is " else " does not have ", 1)
    return f"{words} is not true"
