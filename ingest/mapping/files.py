"""Mappings as they are read from files: checked, with the line of everything that is wrong, and ready to work."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core import documents
from core.campus import problems_of
from core.errors import BadInput, Problem
from ingest.mapping import document as doc
from ingest.mapping import paths, reading
from ingest.mapping.checks import check
from ingest.mapping.topics import Pattern, fewest

_PLACE = re.compile(r"[^\[\]]*(?:\[\d+\](?:\.[^\[\]]*)?)*")
FOLDER = Path(__file__).parent.parent / "mappings"


def located(file: documents.Document, problem: Problem) -> Problem:
    """Return the problem with its file and line. A key of a table may hold brackets, which name no place."""
    plain = _PLACE.match(problem.where)
    line = file.line_of(plain[0].rstrip(".")) if plain else None
    return Problem(problem.message, problem.where, file.file, line)


class Mapping:
    """One mapping, compiled. It knows no campus: what it reads is bound to one by `ingest.mapping.binding`."""

    def __init__(self, document: doc.MappingDocument, origin: documents.Document) -> None:
        self.document = document
        self.origin = origin
        """Where it stands, so that problems with it can say so."""
        self.id = document.id
        self.family, _, self.field = document.emit.partition(".")
        self.is_silent = document.emit == reading.NOTHING
        """Its topics are known, and hold nothing for us."""
        self.topics = tuple(Pattern(text) for text in document.match.topic)
        self.excluded = tuple(Pattern(text) for text in document.match.exclude)
        self.payload = reading.decoder(document.decode)
        self.read = reading.reader(document) if not self.is_silent else None
        self._require = [paths.getter(path) for path in document.match.require]
        self._where = reading.condition(document.match.where)
        self._each = reading.elements(document.each)
        self._counts = reading.condition(document.where)
        self._captures = [(name, paths.getter(path)) for name, path in document.capture.items()]

    def match(self, topic: str) -> dict[str, str] | None:
        """Return what the mapping takes from a topic, or None if it does not speak of it."""
        taken = next((found for each in self.topics if (found := each.match(topic)) is not None), None)
        if taken is None or any(each.match(topic) is not None for each in self.excluded):
            return None
        return taken

    def fits(self, root: Any) -> bool:
        """Return whether the payload is one that this mapping speaks of."""
        if self._require and any(get(root, root) is paths.MISSING for get in self._require):
            return False
        return self._where(root, root)

    def elements(self, root: Any, taken: dict[str, str]) -> Iterator[tuple[str | None, Any]]:
        """Yield the source (None where its name is not in the payload) and the data of every element that counts."""
        for more, element in self._each(root):
            if self._counts(element, root):
                yield self._source(taken | more, element, root), element

    def _source(self, taken: dict[str, str], element: Any, root: Any) -> str | None:
        for name, get in self._captures:
            found = get(element, root)
            if not isinstance(found, str | int) or found == "":
                return None
            taken = taken | {name: str(found).strip()}
        assert self.document.source is not None
        return self.document.source.format_map(taken)


def read_mappings(files: Iterable[documents.Document]) -> list[Mapping]:
    """Return the mappings of some files, in their order; BadInput tells everything that is wrong with them."""
    found: list[Mapping] = []
    problems: list[Problem] = []
    known: dict[str, str] = {}
    for origin in (member for file in files for member in file.members()):
        try:
            document = doc.MappingDocument.model_validate(origin.data)
        except ValidationError as error:
            problems += [located(origin, each) for each in problems_of(error)]
            continue
        wrong = list(check(document))
        if document.id in known:
            wrong.append(Problem(f"there is already a mapping {document.id!r} in {known[document.id]}", "id"))
        known[document.id] = origin.file or "another document"
        problems += [located(origin, each) for each in wrong]
        if not wrong:
            found.append(Mapping(document, origin))
    if problems:
        raise BadInput(problems)
    return found


@cache
def shipped() -> tuple[Mapping, ...]:
    """Return the mappings that come with the service."""
    files = documents.files_under([FOLDER])
    return tuple(read_mappings(each for path in files for each in documents.read(path)))


def filters(mappings: Sequence[Mapping]) -> list[str]:
    """Return what to subscribe to so that every mapping is heard, and nothing twice."""
    return fewest(
        each for mapping in mappings if not mapping.is_silent for topic in mapping.topics for each in topic.filters
    )


def mapping_schema() -> dict[str, Any]:
    """Return the JSON Schema of a mapping."""
    return doc.MappingDocument.model_json_schema(by_alias=True)
