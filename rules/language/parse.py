"""Text to nodes: a tokenizer and an operator-precedence parser, with limits that hold for hostile text too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from core.campus import read_duration
from rules.language.nodes import Binary, Call, ListOf, Literal, Node, Path, Unary, Wrong

MAX_LENGTH: Final = 1000
MAX_NODES: Final = 200
MAX_DEPTH: Final = 24
MAX_LIST: Final = 100
MAX_INT: Final = 2**63 - 1
MIN_INT: Final = -(2**63)

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<duration>(?:\d+(?:\.\d+)?(?:ms|[smhd]))+(?![A-Za-z0-9_.]))
  | (?P<double>\d+\.\d+(?:[eE][-+]?\d+)?(?![A-Za-z0-9_.]))
  | (?P<int>\d+(?![A-Za-z0-9_.]))
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<operator>==|!=|<=|>=|&&|\|\||[<>!+\-*/(),.\[\]])
    """,
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t", "r": "\r"}
_POWER: Final = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/"), 5),
}
_PREFIX_POWER: Final = 6
_INSTEAD: Final = {
    "=": "write == to compare",
    "&": "write && for and",
    "|": "write || for or",
    "?": "there is no choice with ? :; write two rules, or && and ||",
    "%": "there is no remainder",
    "{": "there are no maps",
    '"': "the text is never closed",
    "'": "the text is never closed",
}
_WORDS: Final = {
    "and": "write && for and",
    "or": "write || for or",
    "not": "write ! for not",
    "null": "there is no null; write !has(x.y) for a field that is missing",
    "None": "there is no None; write !has(x.y) for a field that is missing",
    "True": "write true",
    "False": "write false",
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def parse(text: str) -> Node:
    """Return the nodes of a condition; raises Wrong, which says in which column and why."""
    if len(text) > MAX_LENGTH:
        raise Wrong(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    return _Parser(_tokens(text), len(text)).whole()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise Wrong(_why_not(text, place), place)
        if match.lastgroup != "space":
            found.append(_Token(match.lastgroup or "", match[0], place))
        place = match.end()
    return found


def _why_not(text: str, place: int) -> str:
    char = text[place]
    if char.isdigit():
        word = re.match(r"[\w.]*", text[place:])
        return f"{word[0] if word else char!r} is no number or duration; write 5, 0.5, 90s, 10m, 2h or 1d"
    hint = _INSTEAD.get(char)
    return f"{char!r} is not part of the language" + (f"; {hint}" if hint else "")


class _Parser:
    def __init__(self, tokens: list[_Token], length: int) -> None:
        self._tokens = tokens
        self._end = _Token("end", "", length)
        self._place = 0
        self._nodes = 0

    def whole(self) -> Node:
        if not self._tokens:
            raise Wrong("the condition is empty", 0)
        node = self._expression(0, 1)
        if self._next.kind != "end":
            self._refuse(self._next)
        return node

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place] if self._place < len(self._tokens) else self._end

    def _take(self) -> _Token:
        token = self._next
        self._place += 1
        return token

    def _expect(self, text: str, opened: _Token | None = None) -> _Token:
        if self._next.text != text:
            if self._next.kind == "end" and opened is not None:
                raise Wrong(f"{opened.text!r} is never closed", opened.start)
            self._refuse(self._next, f"expected {text!r}")
        return self._take()

    def _refuse(self, token: _Token, wanted: str = "") -> NoReturn:
        found = "the condition ends here" if token.kind == "end" else f"{token.text!r} does not fit here"
        hint = _WORDS.get(token.text, wanted)
        raise Wrong(found + (f"; {hint}" if hint else ""), token.start)

    def _count(self, start: int, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Wrong(f"more than {MAX_NODES} values and operators; split the condition into two rules", start)
        if depth > MAX_DEPTH:
            raise Wrong(f"nested deeper than {MAX_DEPTH}", start)

    def _expression(self, power: int, depth: int) -> Node:
        left = self._prefix(depth)
        while (mine := _POWER.get(self._next.text, 0) if self._next.kind in ("operator", "name") else 0) > power:
            operator = self._take()
            self._count(operator.start, depth)
            right = self._expression(mine, depth + 1)
            left = Binary(left.start, right.end, operator.text, left, right)
        return left

    def _prefix(self, depth: int) -> Node:
        token = self._next
        self._count(token.start, depth)
        if token.text in ("!", "-") and token.kind == "operator":
            self._take()
            if token.text == "-" and self._next.kind == "int":
                return self._methods(self._integer(self._take(), negative=token), depth)
            operand = self._expression(_PREFIX_POWER, depth + 1)
            return Unary(token.start, operand.end, token.text, operand)
        return self._methods(self._operand(depth), depth)

    def _operand(self, depth: int) -> Node:
        token = self._take()
        if token.kind == "name":
            return self._name(token, depth)
        if token.kind == "int":
            return self._integer(token)
        if token.kind == "double":
            return Literal(token.start, token.end, float(token.text))
        if token.kind == "duration":
            return self._duration(token)
        if token.kind == "string":
            return Literal(token.start, token.end, _unescape(token))
        if token.text == "(":
            inner = self._expression(0, depth + 1)
            self._expect(")", token)
            return inner
        if token.text != "[":
            self._refuse(token, "expected a value")
        return self._list(token, depth)

    def _integer(self, token: _Token, negative: _Token | None = None) -> Literal:
        # The digits are counted before they are read: reading a very long number costs more than linear time.
        value = int(token.text) if len(token.text) <= 19 else MAX_INT + 2
        value = -value if negative else value
        start = negative.start if negative else token.start
        if not MIN_INT <= value <= MAX_INT:
            raise Wrong("the number is outside of 64 bits", start)
        return Literal(start, token.end, value)

    def _duration(self, token: _Token) -> Literal:
        try:
            return Literal(token.start, token.end, read_duration(token.text))
        except ValueError as error:
            raise Wrong(str(error), token.start) from None

    def _name(self, token: _Token, depth: int) -> Node:
        if token.text in ("true", "false"):
            return Literal(token.start, token.end, token.text == "true")
        if token.text in _WORDS or token.text == "in":
            self._refuse(token)
        if self._next.text == "(":
            return self._call(token, None, depth)
        names = [token]
        while self._next.text == "." and not self._is_method():
            self._take()
            names.append(self._member())
        return Path(token.start, names[-1].end, tuple(name.text for name in names))

    def _is_method(self) -> bool:
        after = self._tokens[self._place + 1 : self._place + 3]
        return len(after) == 2 and after[0].kind == "name" and after[1].text == "("

    def _member(self) -> _Token:
        if self._next.kind != "name":
            self._refuse(self._next, "expected a name after '.'")
        return self._take()

    def _methods(self, node: Node, depth: int) -> Node:
        while self._next.text == ".":
            self._take()
            name = self._member()
            if self._next.text != "(":
                raise Wrong(f"{name.text!r} belongs to no root; fields are read like door.name", name.start)
            node = self._call(name, node, depth)
        return node

    def _call(self, name: _Token, target: Node | None, depth: int) -> Node:
        self._count(name.start, depth)
        opened = self._take()
        arguments, end = self._until(")", opened, depth)
        return Call(name.start if target is None else target.start, end, name.text, target, arguments)

    def _list(self, opened: _Token, depth: int) -> Node:
        items, end = self._until("]", opened, depth)
        if len(items) > MAX_LIST:
            raise Wrong(f"a list of more than {MAX_LIST} values", opened.start)
        return ListOf(opened.start, end, items)

    def _until(self, closing: str, opened: _Token, depth: int) -> tuple[tuple[Node, ...], int]:
        items: list[Node] = []
        while self._next.text != closing:
            items.append(self._expression(0, depth + 1))
            if self._next.text != ",":
                break
            self._take()
        return tuple(items), self._expect(closing, opened).end


def _unescape(token: _Token) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPED:
            raise Wrong(f"\\{match[1]} means nothing; a backslash is written \\\\", token.start + 1 + match.start())
        return _ESCAPED[match[1]]

    return _ESCAPE.sub(character, token.text[1:-1])
