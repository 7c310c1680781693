"""What a finding says: `{door}`, `{door.position}` or `{p.hold}` in a text are filled in for the key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.campus import write_duration
from core.errors import Problem
from rules.language.check import Environment, check
from rules.language.expression import Expression
from rules.language.nodes import Wrong
from rules.language.parse import parse
from rules.language.roots import ENTITIES, label, locate
from rules.language.scene import Scene, Value

_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Named:
    """A thing by the name staff use for it."""

    root: str


@dataclass(frozen=True, slots=True)
class Template:
    """Plain text and what is to be filled in."""

    pieces: tuple[str | Named | Expression, ...]

    def fill(self, scene: Scene) -> str:
        """Return the text for the scene's subject."""
        return "".join(_piece(each, scene) for each in self.pieces)


def _piece(piece: str | Named | Expression, scene: Scene) -> str:
    if isinstance(piece, str):
        return piece
    if isinstance(piece, Named):
        key = locate(scene, piece.root)
        return f"unknown {piece.root}" if key is None else label(scene.campus, piece.root, key)
    return _in_words(piece(scene), scene)


def _in_words(value: Value, scene: Scene) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return write_duration(max(value, timedelta(0)))
    if isinstance(value, datetime):
        return f"{scene.campus.local_calendar.local(value):%H:%M}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def read_template(text: str, environment: Environment, problems: list[Problem]) -> Template:
    """Return the template that a text is; what is wrong with its places goes to `problems`."""
    pieces: list[Any] = []
    last = 0
    for match in _PLACE.finditer(text):
        pieces.append(text[last : match.start()])
        last = match.end()
        try:
            pieces.append(_read_place(match[1].strip(), environment))
        except Wrong as error:
            column = match.start() + 1 + error.column
            problems.append(Problem(f"column {column}: {error.message}", where="alert.text"))
    pieces.append(text[last:])
    if "{" in text[last:] or "}" in text[last:]:
        problems.append(Problem("a brace stands alone; a field is written {door.name}", where="alert.text"))
    return Template(tuple(piece for piece in pieces if piece != ""))


def _read_place(place: str, environment: Environment) -> Named | Expression:
    if place in ENTITIES and place in environment.roots:
        return Named(place)
    node = parse(place)
    checked = check(node, environment)
    return Expression(place, node, environment, checked)
