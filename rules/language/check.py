"""Reads a condition the way a careful colleague would: every name known, every type right, nothing missing unasked.

What is refused here can never go wrong at run time; the message says where, why, and what would be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from core.campus import nearest
from rules.language.nodes import Binary, Call, ListOf, Literal, Node, Path, Unary, Wrong
from rules.language.roots import PACES, ROOTS, Pace, message_fields
from rules.language.types import BOOL, DOUBLE, DURATION, INT, STRING, TIMESTAMP, Type, type_of_value

NO_KINDS: Final[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Environment:
    """What a condition may speak of at the place where it stands."""

    roots: frozenset[str] = frozenset()
    params: Mapping[str, Type] = field(default_factory=dict)
    kinds: tuple[str, ...] = NO_KINDS
    """The kinds `msg` can be; none: there is no message here."""
    bound: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Messages named by earlier steps, and their kinds."""
    calendar: bool = False
    """`calendar.school.end` may be read here."""

    @property
    def names(self) -> set[str]:
        """Every first name that may be used."""
        found = set(self.roots) | set(self.bound) | {"p"}
        return found | ({"msg"} if self.kinds else set()) | ({"calendar"} if self.calendar else set())


@dataclass
class Checked:
    """What checking found out about a condition."""

    type: Type = BOOL
    types: dict[int, Type] = field(default_factory=dict)
    """Types by the identity of the node."""
    reads: set[tuple[str, str]] = field(default_factory=set)
    """(root, field) of everything that is read, parameters and messages apart."""
    calendars: dict[str, Node] = field(default_factory=dict)
    """Calendars named, and where."""
    pace: Pace = ""


def check(node: Node, environment: Environment) -> Checked:
    """Return the type of a condition and what it reads; raises Wrong."""
    checker = _Checker(environment)
    checker.found.type = checker.type_of(node, frozenset())
    return checker.found


_SIGNS: Final = {"==": "equal", "!=": "unequal"}
_TEXT_METHODS: Final = ("startsWith", "endsWith", "contains")
_CALLS: Final = frozenset(("has", "size", "lower", "in", *_TEXT_METHODS))
Known = frozenset[tuple[str, ...]]


class _Checker:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.found = Checked()

    def type_of(self, node: Node, known: Known) -> Type:
        """Return the type of a node where the fields `known` are sure to be there."""
        if isinstance(node, Literal):
            found = type_of_value(node.value)
        elif isinstance(node, Path):
            found = self._path(node, known)
        elif isinstance(node, ListOf):
            found = self._list(node, known)
        elif isinstance(node, Call):
            found = self._call(node, known)
        elif isinstance(node, Unary):
            found = self._unary(node, known)
        else:
            assert isinstance(node, Binary)
            found = self._binary(node, known)
        self.found.types[id(node)] = found
        return found

    # ------------------------------------------------------------------------------------------------ names
    def _path(self, node: Path, known: Known) -> Type:
        root = node.names[0]
        if root == "calendar" and self._environment.calendar:
            return self._calendar(node)
        if root not in self._environment.names:
            raise Wrong(self._no_root(root), node.start)
        if len(node.names) != 2:
            whole = f"{root} has fields; write {root}.name" if len(node.names) == 1 else "a field has no fields"
            raise Wrong(whole, node.start)
        if root == "p":
            return self._param(node)
        if root == "msg" or root in self._environment.bound:
            return self._message(node, known)
        return self._field(node)

    def _no_root(self, root: str) -> str:
        if root == "msg":
            return "there is no message here: this condition is about a state, not about something heard"
        if root in ROOTS:
            can = ", ".join(sorted(self._environment.names))
            return f"{root} cannot be seen from here; there are {can}"
        return f"nothing is called {root!r}{nearest(root, self._environment.names)}"

    def _param(self, node: Path) -> Type:
        name = node.names[1]
        if name not in self._environment.params:
            known = set(self._environment.params)
            hint = nearest(name, known) if known else "; params is empty"
            raise Wrong(f"no parameter {name!r}{hint}", node.start + 2)
        return self._environment.params[name]

    def _message(self, node: Path, known: Known) -> Type:
        root, name = node.names
        kinds = self._environment.kinds if root == "msg" else self._environment.bound[root]
        fields = message_fields(kinds)
        if name not in fields:
            heard = kinds[0] if len(kinds) == 1 else "any of these messages"
            raise Wrong(f"no field {name!r} in {heard}{nearest(name, set(fields))}", node.start + len(root) + 1)
        kind, optional = fields[name]
        if optional and node.names not in known:
            raise Wrong(f"{root}.{name} may be missing; write has({root}.{name}) && … before it", node.start)
        return kind

    def _field(self, node: Path) -> Type:
        root, name = node.names
        found = ROOTS[root].get(name)
        if found is None:
            raise Wrong(f"no field {name!r} on {root}{nearest(name, set(ROOTS[root]))}", node.start + len(root) + 1)
        self.found.reads.add((root, name))
        self._keep_pace(found.pace)
        return found.type

    def _calendar(self, node: Path) -> Type:
        if len(node.names) != 3 or node.names[2] not in ("start", "end"):
            raise Wrong("write calendar.NAME.start or calendar.NAME.end", node.start)
        self.found.calendars[node.names[1]] = node
        return TIMESTAMP

    def _keep_pace(self, pace: Pace) -> None:
        self.found.pace = max(pace, self.found.pace, key=PACES.index)

    # ------------------------------------------------------------------------------------------------ calls
    def _call(self, node: Call, known: Known) -> Type:
        if node.name not in _CALLS:
            raise Wrong(f"there is no function {node.name!r}{nearest(node.name, _CALLS)}", node.start)
        if node.name == "has":
            return self._has(node)
        if node.name == "in":
            return self._now_in(node)
        values = node.parts
        wanted = 2 if node.name in _TEXT_METHODS else 1
        if node.target is None and node.name in _TEXT_METHODS:
            raise Wrong(f'write it behind the text: door.name.{node.name}("…")', node.start)
        if len(values) != wanted:
            raise Wrong(f"{node.name} takes {'one value' if wanted == 1 else 'the text, and one more'}", node.start)
        kinds = [self.type_of(value, known) for value in values]
        if node.name == "size":
            if kinds[0].name not in ("string", "list"):
                raise Wrong(f"size is of a text or a list, not of {kinds[0].called}", values[0].start)
            return INT
        for value, kind in zip(values, kinds, strict=True):
            if kind.name != "string":
                raise Wrong(f"{node.name} works on text, this is {kind.called}", value.start)
        return STRING if node.name == "lower" else BOOL

    def _has(self, node: Call) -> Type:
        path = node.arguments[0] if len(node.arguments) == 1 else None
        if node.target is not None or not isinstance(path, Path) or len(path.names) != 2:
            raise Wrong("has asks for one field: has(msg.zone)", node.start)
        self.type_of(path, frozenset((path.names,)))
        return BOOL

    def _now_in(self, node: Call) -> Type:
        name = node.arguments[0] if len(node.arguments) == 1 else None
        is_now = isinstance(node.target, Path) and node.target.names == ("now",)
        if not is_now or not isinstance(name, Literal) or not isinstance(name.value, str):
            raise Wrong('write now.in("school"), with the name of a calendar', node.start)
        if "now" not in self._environment.roots:
            raise Wrong(self._no_root("now"), node.start)
        self.found.calendars[name.value] = name
        self._keep_pace("calendar")
        return BOOL

    def _list(self, node: ListOf, known: Known) -> Type:
        kinds = [self.type_of(item, known) for item in node.items]
        for item, kind in zip(node.items[1:], kinds[1:], strict=True):
            if not kind.fits(kinds[0]):
                raise Wrong(
                    f"a list holds values of one type; this is {kind.called}, the first {kinds[0].called}", item.start
                )
        return Type("list", kinds[0] if kinds else None)

    # -------------------------------------------------------------------------------------------- operators
    def _unary(self, node: Unary, known: Known) -> Type:
        kind = self.type_of(node.operand, known)
        if node.operator == "!":
            self._want_bool(node.operand, kind, "!")
            return BOOL
        if kind.name not in ("int", "double", "duration"):
            raise Wrong(f"{kind.called} has no negative", node.start)
        return kind

    def _want_bool(self, node: Node, kind: Type, operator: str) -> None:
        if kind.name != "bool":
            raise Wrong(f"{operator} works on true and false; this is {kind.called}", node.start)

    def _binary(self, node: Binary, known: Known) -> Type:
        left = self.type_of(node.left, known)
        if node.operator in ("&&", "||"):
            sure = sure_of(node.left, outcome=node.operator == "&&")
            right = self.type_of(node.right, known | sure)
            self._want_bool(node.left, left, node.operator)
            self._want_bool(node.right, right, node.operator)
            return BOOL
        right = self.type_of(node.right, known)
        if node.operator == "in":
            return self._membership(node, left, right)
        if node.operator in ("+", "-", "*", "/"):
            return self._arithmetic(node, left, right)
        return self._comparison(node, left, right)

    def _membership(self, node: Binary, left: Type, right: Type) -> Type:
        if right.name != "list":
            raise Wrong(f"in looks into a list; this is {right.called}", node.right.start)
        if right.item is not None and not left.fits(right.item):
            raise Wrong(f"{left.called} is never in {right.called}", node.left.start)
        if isinstance(node.right, ListOf):
            for item in node.right.items:
                self._check_word(item, left)
        return BOOL

    def _comparison(self, node: Binary, left: Type, right: Type) -> Type:
        if {left.name, right.name} == {"int", "double"}:
            raise Wrong(_mixed("compared"), node.start)
        if not left.fits(right):
            raise Wrong(f"{left.called} and {right.called} cannot be compared", node.start)
        if node.operator not in _SIGNS and left.name in ("bool", "list"):
            raise Wrong(f"{left.called} has no order; compare with == or !=", node.start)
        self._check_word(node.right, left)
        self._check_word(node.left, right)
        return BOOL

    def _check_word(self, node: Node, wanted: Type) -> None:
        if wanted.values and isinstance(node, Literal) and node.value not in wanted.values:
            word = str(node.value)
            raise Wrong(f"it is never {word!r}{nearest(word, [each for each in wanted.values if each])}", node.start)

    def _arithmetic(self, node: Binary, left: Type, right: Type) -> Type:
        if {left.name, right.name} == {"int", "double"}:
            raise Wrong(_mixed("calculated with"), node.start)
        found = _RESULTS.get((left.name, node.operator, right.name))
        if found is None:
            if "string" in (left.name, right.name):
                raise Wrong("texts are not built in a condition", node.start)
            raise Wrong(f"{left.called} {node.operator} {right.called} means nothing", node.start)
        return found


_RESULTS: Final[dict[tuple[str, str, str], Type]] = {
    **{("int", sign, "int"): INT for sign in "+-*/"},
    **{("double", sign, "double"): DOUBLE for sign in "+-*/"},
    ("duration", "+", "duration"): DURATION,
    ("duration", "-", "duration"): DURATION,
    ("duration", "*", "int"): DURATION,
    ("int", "*", "duration"): DURATION,
    ("duration", "/", "int"): DURATION,
    ("timestamp", "+", "duration"): TIMESTAMP,
    ("duration", "+", "timestamp"): TIMESTAMP,
    ("timestamp", "-", "duration"): TIMESTAMP,
    ("timestamp", "-", "timestamp"): DURATION,
}


def _mixed(how: str) -> str:
    return (
        f"an int and a double cannot be {how} together; stay with whole numbers: instead of a / b < 0.5 "
        "write the product, a * 2 < b"
    )


def sure_of(node: Node, *, outcome: bool) -> Known:
    """Return the fields that are sure to be there when a condition came out as `outcome`."""
    if isinstance(node, Call) and node.name == "has" and outcome and isinstance(node.arguments[0], Path):
        return frozenset((node.arguments[0].names,))
    if isinstance(node, Unary) and node.operator == "!":
        return sure_of(node.operand, outcome=not outcome)
    if isinstance(node, Binary) and node.operator in ("&&", "||"):
        left, right = sure_of(node.left, outcome=outcome), sure_of(node.right, outcome=outcome)
        both = (node.operator == "&&") == outcome
        return left | right if both else left & right
    return frozenset()
