"""Reading the files people write (YAML or JSON), keeping the line of every field for the error messages.

YAML is read as version 1.2 means it: `on`, `off`, `yes` and `no` are words, not booleans; a key may stand once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from core.errors import BadInput, Problem

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 1_000_000
"""Values in one document, those that an alias repeats included."""


@dataclass(frozen=True)
class Document:
    """One document of a file: its data, and the line on which each field stands."""

    data: Any
    file: str = ""
    lines: dict[str, int] = field(default_factory=dict)

    def locate(self, problems: Iterable[Problem]) -> list[Problem]:
        """Return the problems with the file and line of the field each one names."""
        return [Problem(p.message, p.where, self.file, self.line_of(p.where)) for p in problems]

    def members(self) -> list[Document]:
        """Return the members of a list as documents with lines of their own; anything else is its only member."""
        if not isinstance(self.data, list):
            return [self]
        return [self._member(index, data) for index, data in enumerate(self.data)]

    def _member(self, index: int, data: Any) -> Document:
        place = f"[{index}]"
        inside = {key[len(place) :].lstrip("."): line for key, line in self.lines.items() if key.startswith(place)}
        return Document(data, self.file, inside)

    def line_of(self, where: str) -> int | None:
        """Return the line of a field (`doors[3].zone`), or of the nearest thing around it that has one."""
        while where:
            if where in self.lines:
                return self.lines[where]
            # Cut the last step; what has no steps left (or none that we know) stands for the whole document.
            where = where[: max(where.rfind("."), where.rfind("["), 0)]
        return self.lines.get("")


_STR: Final = "tag:yaml.org,2002:str"
_PLAIN: Final[tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...]] = (
    (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
)
"""What an unquoted scalar means in YAML 1.2's core schema (decimal numbers only); anything else is text."""


def read(path: Path) -> list[Document]:
    """Return the documents of a file; BadInput names file and line where it cannot be read."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput([Problem(f"cannot be read: {error.strerror}", file=str(path))]) from None
    return parse(raw, file=str(path))


def parse(raw: bytes | str, *, file: str = "") -> list[Document]:
    """Return the documents in a text; an empty one has none."""
    if len(raw) > MAX_BYTES:
        raise BadInput([Problem(f"larger than {MAX_BYTES // 1024 // 1024} MiB", file=file)])
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        events = yaml.parse(text, Loader=yaml.CSafeLoader)
        return [_Builder(file).document(events) for event in events if isinstance(event, yaml.DocumentStartEvent)]
    except UnicodeDecodeError as error:
        raise BadInput([Problem(f"is not UTF-8 text (byte {error.start})", file=file)]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        raise BadInput([Problem(f"not YAML: {error.problem or error.context}", file=file, line=line)]) from None
    except yaml.YAMLError as error:
        raise BadInput([Problem(f"not YAML: {str(error).splitlines()[0]}", file=file)]) from None


class _Builder:
    """Builds one document from the parser's events: no recursion deeper than MAX_DEPTH, no more than MAX_VALUES."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0

    def document(self, events: Iterator[yaml.Event]) -> Document:
        """Return the document that begins here; BadInput lists everything wrong with it."""
        data = self._value(next(events), events, "", 0)
        if self.problems:
            raise BadInput(self.problems)
        return Document(data, self.file, self.lines)

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], place: str, depth: int) -> Any:
        self.lines.setdefault(place, _line(event))
        if depth > MAX_DEPTH:
            raise BadInput([Problem("nested too deeply", place[:100], self.file, _line(event))])
        before = self._count
        self._grow(1, event)
        if isinstance(event, yaml.AliasEvent):
            return self._known(event, place)
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, place)
        elif isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(events, place, depth)
        else:
            value = self._sequence(events, place, depth)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._anchors[event.anchor] = (value, self._count - before)
        return value

    def _mapping(self, events: Iterator[yaml.Event], place: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise BadInput([Problem("a key must be a word", place, self.file, _line(event))])
            inner = f"{place}.{event.value}" if place else event.value
            if event.value in found:
                self._wrong("stands twice", event, inner)
            self.lines[inner] = _line(event)
            found[event.value] = self._value(next(events), events, inner, depth + 1)
        return found

    def _sequence(self, events: Iterator[yaml.Event], place: str, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self._value(event, events, f"{place}[{len(found)}]", depth + 1))
        return found

    def _scalar(self, event: yaml.ScalarEvent, place: str) -> Any:
        if event.tag not in (None, "!", _STR):
            self._wrong(f"{event.tag!r} is not read here; leave the tag away", event, place)
        if event.implicit[0]:
            for pattern, read_as in _PLAIN:
                if pattern.fullmatch(event.value):
                    try:
                        return read_as(event.value)
                    except ValueError:
                        self._wrong(f"{event.value[:40]!r} cannot be read", event, place)
        return event.value

    def _known(self, event: yaml.AliasEvent, place: str) -> Any:
        value, size = self._anchors.get(event.anchor or "", (None, 0))
        if not size:
            self._wrong(f"*{event.anchor} stands for nothing that came before it", event, place)
        self._grow(size, event)
        return value

    def _grow(self, by: int, event: yaml.Event) -> None:
        self._count += by
        if self._count > MAX_VALUES:
            raise BadInput([Problem(f"holds more than {MAX_VALUES:,} values", file=self.file, line=_line(event))])

    def _wrong(self, message: str, event: yaml.Event, place: str) -> None:
        self.problems.append(Problem(message, place, self.file, _line(event)))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def files_under(paths: Iterable[Path]) -> list[Path]:
    """Return the YAML and JSON files that the paths name, folders searched, in a steady order; BadInput if none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [p for p in path.rglob("*") if p.suffix in (".yaml", ".yml", ".json") and p.is_file()]
            if not inside:
                raise BadInput([Problem("holds no .yaml, .yml or .json file", file=str(path))])
            found += sorted(inside)
        elif path.exists():
            found.append(path)
        else:
            raise BadInput([Problem("no such file or folder", file=str(path))])
    return found
