"""Rule documents as text: written for people to edit, laid side by side, and with what is wrong shown in its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from core import documents
from core.documents import Document
from core.errors import BadInput, Problem

_WIDTH: Final = 110
_AROUND: Final = 2
"""So many unchanged lines stand around a change."""
_NUMERIC: Final = re.compile(r"[-+]?[.0-9][-+.0-9eE]*")
"""What YAML 1.2 may read as a number: written in quotes where it is text."""
_COLUMN: Final = re.compile(r"column (\d+): ")


class _Pen(yaml.SafeDumper):
    """Writes YAML that we read back as what it was."""


def _write_text(pen: _Pen, text: str) -> yaml.Node:
    style = "'" if _NUMERIC.fullmatch(text) else None
    return pen.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Pen.add_representer(str, _write_text)


def write(document: Any) -> str:
    """Return plain values as YAML, small things in one line."""
    return yaml.dump(document, Dumper=_Pen, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=None)


def write_inline(value: Any) -> str:
    """Return plain values as one line of YAML."""
    text = yaml.dump(value, Dumper=_Pen, sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def read_one(text: str) -> Document:
    """Return the one document in a text, with its lines; raises BadInput."""
    found = documents.parse(text)
    if len(found) != 1:
        raise BadInput("write one document, neither none nor several")
    return found[0]


# --------------------------------------------------------------------------------------------------- side by side
@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a comparison; `kind` is `added`, `removed`, `same` or `gap`."""

    kind: str
    text: str


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[DiffLine]:
    """Return how one document became another, line for line; None: there was none, or it was deleted."""
    old, new = (write(dict(each)).splitlines() if each else [] for each in (before, after))
    return list(_diff(old, new))


def _diff(old: Sequence[str], new: Sequence[str]) -> Iterator[DiffLine]:
    groups = difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_AROUND)
    for number, group in enumerate(groups):
        if number:
            yield DiffLine("gap", "…")
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                yield from (DiffLine("same", line) for line in old[start:end])
                continue
            yield from (DiffLine("removed", line) for line in old[start:end])
            yield from (DiffLine("added", line) for line in new[new_start:new_end])


# ------------------------------------------------------------------------------------------------- what is wrong
@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a text: where, what, and the line itself with a mark under the place."""

    line: int | None
    where: str
    message: str
    shown: str = ""
    caret: str = ""


def faults(text: str, problems: Sequence[Problem]) -> list[Fault]:
    """Return problems beside the lines of the text that they are about."""
    lines = text.splitlines()
    values = _values_of(text)
    found: list[Fault] = []
    for each in problems:
        shown = lines[each.line - 1] if each.line and each.line <= len(lines) else ""
        found.append(Fault(each.line, each.where, each.message, shown, _caret(shown, each, values)))
    return found


def _values_of(text: str) -> Any:
    try:
        return read_one(text).data
    except BadInput:
        return None


def _caret(line: str, problem: Problem, values: Any) -> str:
    """Return a mark under the column of an expression, where the expression stands whole in the line."""
    column = _COLUMN.match(problem.message)
    source = _at(values, problem.where)
    if column is None or not isinstance(source, str) or source not in line:
        return ""
    return " " * (line.index(source) + int(column[1]) - 1) + "^"


def _at(values: Any, where: str) -> Any:
    for step in re.findall(r"[^.\[\]]+", where):
        if isinstance(values, dict) and step in values:
            values = values[step]
        elif isinstance(values, list) and step.isdecimal() and int(step) < len(values):
            values = values[int(step)]
        else:
            return None
    return values
