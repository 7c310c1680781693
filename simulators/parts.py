"""Short scenarios: parameters that stand for values, and parts of a scenario that several files share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from core.calendar import Strict
from core.campus import Campus, Duration, Id, nearest, problems_of
from core.documents import Document, read
from core.errors import BadInput, Problem
from simulators.deeds import Deed
from simulators.script import Entry
from simulators.utterance import NO_TIME
from simulators.verdict import Expectation, Pattern

MAX_DEPTH: Final = 8
"""Parts may include parts, so deep."""
_WHOLE: Final = re.compile(r"\$(\w+)")
_WITHIN: Final = re.compile(r"\$\{(\w+)\}")


class Include(Strict):
    """What another file plays and expects, from a moment on and with values of its own."""

    file: str = Field(min_length=1)
    """A part, or a whole scenario, beside this file; its campus and start are not taken."""
    at: Duration = NO_TIME
    """So much later than this scenario's start; times of day in it stay as they are."""
    given: dict[str, Any] = Field(default={}, alias="with")
    """Values for its parameters."""


class Part(Strict):
    """What a scenario plays and expects, without a campus and a start."""

    parameters: dict[str, Any] = {}
    """What `$name` (or `${name}` within a text) stands for, unless whoever plays or includes it says otherwise."""
    include: tuple[Include, ...] = ()
    script: tuple[Entry, ...] = ()
    people: tuple[Deed, ...] = ()
    """What people do meanwhile: answers to alerts, a bypass, a restart of the service."""
    expect: tuple[Expectation, ...] = ()
    forbid: tuple[Pattern, ...] = ()
    """Findings that must not come. (Whatever is not expected must not; this says which ones it is about.)"""
    allow: tuple[Pattern, ...] = ()
    """Findings that may come or not."""

    def later(self, by: timedelta) -> Part:
        """Return the same so much later."""
        if not by:
            return self
        script = tuple(each.model_copy(update=_moved(each.at, by)) for each in self.script)
        people = tuple(each.model_copy(update=_moved(each.at, by)) for each in self.people)
        expect = tuple(each.model_copy(update=_moved(each.at, by)) for each in self.expect)
        return self.model_copy(update={"script": script, "people": people, "expect": expect})


class PartFile(Part):
    """A part as it is written: a scenario's script and expectations under a name."""

    part: Id
    about: str = ""


PARTS: Final = frozenset(Part.model_fields)


@dataclass(frozen=True, slots=True)
class Piece:
    """One file's own share of a scenario, and the document it stands in."""

    part: Part
    document: Document

    def problems(self, campus: Campus, start: Any) -> Iterator[Problem]:
        """Yield what does not fit the campus, with file and line."""
        found = [(f"script[{number}]", entry.problems(campus, start)) for number, entry in enumerate(self.part.script)]
        found += [(f"people[{number}]", deed.problems(campus)) for number, deed in enumerate(self.part.people)]
        for place, problems in found:
            yield from self.document.locate(replace(each, where=f"{place}.{each.where}") for each in problems)


def filled(document: Document, given: Mapping[str, Any]) -> Document:
    """Return the document with `$name` replaced; BadInput for a value nobody asked for or a name without a value."""
    data = document.data
    if not isinstance(data, dict):
        return document
    declared = data.get("parameters")
    known = dict(declared) if isinstance(declared, dict) else {}
    problems = [
        Problem(f"no parameter {name!r}{nearest(name, list(known))}", where="parameters")
        for name in given
        if name not in known
    ]
    values = known | dict(given)
    rest = {name: _fill(value, values, name, problems) for name, value in data.items() if name != "parameters"}
    if problems:
        raise BadInput(document.locate(problems))
    return replace(document, data=rest | ({"parameters": values} if "parameters" in data else {}))


def _fill(value: Any, values: Mapping[str, Any], where: str, problems: list[Problem]) -> Any:
    if isinstance(value, dict):
        return {name: _fill(each, values, f"{where}.{name}", problems) for name, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, values, f"{where}[{number}]", problems) for number, each in enumerate(value)]
    if not isinstance(value, str) or "$" not in value:
        return value
    whole = _WHOLE.fullmatch(value)
    names = [whole[1]] if whole else _WITHIN.findall(value)
    missing = [name for name in names if name not in values]
    if missing:
        problems.append(Problem(f"no parameter {missing[0]!r}{nearest(missing[0], list(values))}", where=where))
        return value
    return values[whole[1]] if whole else _WITHIN.sub(lambda found: str(values[found[1]]), value)


def pieces(part: Part, document: Document, folder: Path, depth: int = 0) -> Iterator[Piece]:
    """Yield a part, and every part it includes at its moment; BadInput for one that cannot be read."""
    yield Piece(part, document)
    for number, include in enumerate(part.include):
        where = f"include[{number}].file"
        path = folder / include.file
        if not path.is_file():
            raise BadInput(document.locate([Problem(f"no such file: {include.file}", where=where)]))
        if depth == MAX_DEPTH:
            raise BadInput(document.locate([Problem(f"included more than {MAX_DEPTH} deep", where=where)]))
        inner = _read_part(path, include.given)
        for piece in pieces(inner.part, inner.document, path.parent, depth + 1):
            yield replace(piece, part=piece.part.later(include.at))


def _read_part(path: Path, given: Mapping[str, Any]) -> Piece:
    documents = read(path)
    if len(documents) != 1 or not isinstance(documents[0].data, dict):
        raise BadInput([Problem("must hold one part", file=str(path))])
    document = filled(documents[0], given)
    data = document.data
    # Of a whole scenario only that is taken which is a part's.
    wanted = {name: value for name, value in data.items() if name in PARTS} if "scenario" in data else data
    try:
        return Piece((Part if "scenario" in data else PartFile).model_validate(wanted), document)
    except ValidationError as error:
        raise BadInput(document.locate(problems_of(error))) from None


def _moved(mark: Any, by: timedelta) -> dict[str, Any]:
    return {"at": mark + by} if isinstance(mark, timedelta) else {}
