"""Nodes to one Python function: what judges, some thousand times a second, is a condition without a call for each node.

The text of the function is made of this module's own words, of numbered names (`k0` a constant, `v0` a value on the
way) and of names from our tables of roots. Nothing that somebody wrote in a rule ever stands in it: texts, numbers and
names of parameters are constants, handed to the function from outside. So rules of the same build share one code.

`door.position == "open" && !door.in_window` becomes

    def make(k0, k1, locate):
        def condition(scene):
            door = scene.key if scene.entity == 'door' else locate(scene, 'door')
            told_door = scene.world.families['door'].get(door)
            return (False
                if (v2 := (None if (v0 := (None if told_door is None else told_door.position)) is None else v0 == k0))
                    is False
                or (v3 := (None if (v1 := (None if door is None else k1(scene, door))) is None else not v1)) is False
                else v2 and v3)
        return condition

None is unknown, as in `rules.language.compile`, which works a condition out node by node and is the measure of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

from rules.language.check import Environment
from rules.language.compile import ONE, TWO, Run, compile_node, contained, guard_of
from rules.language.nodes import Binary, Call, ListOf, Literal, Node, Path, Unary
from rules.language.roots import ROOTS, OfFile, Told, locate

_SIGNS: Final = frozenset(("==", "!=", "<", "<=", ">", ">="))


def generate(node: Node, environment: Environment) -> Run:
    """Return the function that works a checked node out."""
    text, constants = _Writer(environment).function(node)
    try:
        make = _made(text)
    except (SyntaxError, RecursionError, MemoryError):
        # Python's own limits of nesting; no condition within ours is known to reach them.
        return compile_node(node, environment)
    run: Run = make(*constants, locate)
    return run


@lru_cache(maxsize=2048)
def _made(text: str) -> Callable[..., Run]:
    names: dict[str, Any] = {}
    exec(compile(text, "<condition>", "exec"), names)  # noqa: S102 - the text holds no word that came from outside
    made: Callable[..., Run] = names["make"]
    return made


class _Writer:
    """Writes one function: an expression for each node, and above it what several of them look at."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._constants: list[Any] = []
        self._before: dict[str, str] = {}
        self._values = 0

    def function(self, node: Node) -> tuple[str, list[Any]]:
        """Return the text of the function that makes the function, and the constants it is to be given."""
        answer = self._node(node)
        lines = [f"{name} = {value}" for name, value in self._before.items()]
        inner = "".join(f"        {line}\n" for line in [*lines, f"return {answer}"])
        names = ", ".join([*(f"k{number}" for number in range(len(self._constants))), "locate"])
        return f"def make({names}):\n    def condition(scene):\n{inner}    return condition\n", self._constants

    def _constant(self, value: Any) -> str:
        self._constants.append(value)
        return f"k{len(self._constants) - 1}"

    def _value(self) -> str:
        self._values += 1
        return f"v{self._values - 1}"

    # ------------------------------------------------------------------------------------------------- nodes
    def _node(self, node: Node) -> str:
        if isinstance(node, Literal):
            return self._constant(node.value)
        if isinstance(node, Path):
            return self._path(node)
        if isinstance(node, ListOf):
            return self._list(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Unary) and node.operator == "!":
            return self._known("not {}", node.operand)
        if isinstance(node, Binary) and node.operator in ("&&", "||"):
            return self._junction(node)
        if isinstance(node, Binary) and node.operator in _SIGNS:
            return self._known(f"{{}} {node.operator} {{}}", node.left, node.right)
        if isinstance(node, Binary) and node.operator == "in":
            return self._membership(node)
        assert isinstance(node, Unary | Binary)
        operands = ", ".join(self._node(part) for part in node.parts)
        return f"{self._constant(guard_of(node))}(scene, {operands})"

    def _known(self, form: str, *nodes: Node) -> str:
        """Return the form filled in with the nodes, unknown where one of them is; what is always known is not asked."""
        filled: list[str] = []
        asked: list[str] = []
        for node in nodes:
            text = self._node(node)
            if not _is_sure(node):
                value = self._value()
                asked.append(f"({value} := {text}) is None")
                text = value
            filled.append(text)
        result = form.format(*filled)
        return f"(None if {' or '.join(asked)} else {result})" if asked else f"({result})"

    def _junction(self, node: Binary) -> str:
        decides = str(node.operator == "||")
        values, asked = [], []
        for part in _joined(node, node.operator):
            text = self._node(part)
            value = self._value()
            values.append(value)
            asked.append(f"({value} := {text}) is {decides}")
        # None of them decided. So all are true or unknown (&&), or all are false or unknown (||).
        if node.operator == "&&":
            return f"(False if {' or '.join(asked)} else {' and '.join(values)})"
        unknown = " or ".join(f"{value} is None" for value in values)
        return f"(True if {' or '.join(asked)} else None if {unknown} else False)"

    def _membership(self, node: Binary) -> str:
        if isinstance(node.right, ListOf) and all(isinstance(item, Literal) for item in node.right.items):
            return self._known("{} in {}", node.left, node.right)
        return self._known(f"{self._constant(contained)}({{}}, {{}})", node.left, node.right)

    def _list(self, node: ListOf) -> str:
        literals = [item.value for item in node.items if isinstance(item, Literal)]
        if len(literals) == len(node.items):
            return self._constant(tuple(literals))
        return f"({''.join(f'{self._node(item)}, ' for item in node.items)})"

    def _call(self, node: Call) -> str:
        if node.name == "has":
            return f"({self._node(node.arguments[0])} is not None)"
        if node.name == "in":
            assert isinstance(node.arguments[0], Literal)
            return f"scene.campus.local_calendar.is_in({self._node(node.arguments[0])}, scene.at)"
        of = ONE[node.name] if node.name in ONE else TWO[node.name]
        places = ", ".join("{}" for _ in node.parts)
        return self._known(f"{self._constant(of)}({places})", *node.parts)

    # ------------------------------------------------------------------------------------------------- names
    def _path(self, node: Path) -> str:
        root, name = node.names[0], node.names[-1]
        if root == "p":
            return f"scene.params.get({self._constant(name)})"
        if root == "msg":
            return f"getattr(scene.message, {self._constant(name)}, None)"
        if root in self._environment.bound:
            return f"getattr((scene.bound or {{}}).get({self._constant(root)}), {self._constant(name)}, None)"
        if root == "calendar":
            return f"(None if scene.span is None else scene.span[{int(name == 'end')}])"
        return self._field(root, name)

    def _field(self, root: str, name: str) -> str:
        # Names of roots, tables and attributes are those of our own tables; the checker lets no other come here.
        read = ROOTS[root][name].read
        self._before[root] = f"scene.key if scene.entity == {root!r} else locate(scene, {root!r})"
        if isinstance(read, Told):
            thing = f"told_{root}"
            self._before[thing] = f"scene.world.families[{read.entity!r}].get({root})"
        elif isinstance(read, OfFile):
            thing = f"file_{root}"
            self._before[thing] = f"scene.campus.{read.table}.get({root})"
        else:
            return f"(None if {root} is None else {self._constant(read)}(scene, {root}))"
        return f"(None if {thing} is None else {thing}.{read.attribute})"


def _is_sure(node: Node) -> bool:
    return isinstance(node, Literal | ListOf) or (isinstance(node, Call) and node.name in ("has", "in"))


def _joined(node: Node, operator: str) -> Iterator[Node]:
    if isinstance(node, Binary) and node.operator == operator:
        yield from _joined(node.left, operator)
        yield from _joined(node.right, operator)
    else:
        yield node
