"""Mappings as they are read from files: checked, with the line of everything that is wrong, and ready to work."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import msgspec
from pydantic import ValidationError

from core import documents
from core.campus import problems_of
from core.errors import BadInput, Problem
from core.wire import Refused
from ingest.mapping import document as doc
from ingest.mapping import elements, paths, privacy, reading
from ingest.mapping.checks import check
from ingest.mapping.elements import Element
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
        self.is_hook = all(text.startswith(doc.HOOKS) for text in document.match.topic)
        """It speaks of webhooks, which no broker may deliver."""
        self.topics = tuple(Pattern(text) for text in document.match.topic)
        self.excluded = tuple(Pattern(text) for text in document.match.exclude)
        self.wirings: tuple[str | None, ...] = tuple(_wirings(document))
        """The ways in which a contact or counter may be wired; none where there is but one."""
        self.read = reading.reader(document) if not self.is_silent else None
        self.is_plain = not (self.is_silent or document.each or document.capture or document.where)
        """A payload speaks of one thing, whose name the topic tells."""
        self._decode = reading.decoder(document.decode)
        self._clean = privacy.cleaner(document)
        self.hides = self._clean is not None
        """It takes personal data out of payloads."""
        self._require = [paths.getter(path) for path in document.match.require]
        self._where = elements.condition(document.match.where)
        self._unless = [elements.condition({path: said}) for path, said in document.match.unless.items()]
        self._each = elements.fan(document.each)
        self._counts = elements.condition(document.where)
        self._captures = [(name, paths.getter(path)) for name, path in document.capture.items()]
        self._names = re.compile(_source_regex(document.source or ""), re.DOTALL).fullmatch

    def match(self, topic: str) -> dict[str, str] | None:
        """Return what the mapping takes from a topic, or None if it does not speak of it."""
        taken = next((found for each in self.topics if (found := each.match(topic)) is not None), None)
        if taken is None or any(each.match(topic) is not None for each in self.excluded):
            return None
        return taken

    def names(self, source: str) -> bool:
        """Return whether a source of a campus file may be one of this mapping's."""
        return source in self.document.alias.values() or self._names(source) is not None

    def payload(self, payload: bytes) -> Any:
        """Return what a payload says; Refused where it cannot be read."""
        return self._decode(payload)

    def clean(self, root: Any, key: bytes | None) -> None:
        """Take what is personal out of a payload, in place; Refused where pseudonyms need a key and there is none."""
        if self._clean is not None:
            self._clean(root, key)

    def speaks_of(self, payload: bytes) -> bool:
        """Return whether a payload can be read and is one that this mapping speaks of."""
        try:
            return self.fits(self._decode(payload))
        except Refused:
            return False

    def presentable(self, payload: bytes, key: bytes | None) -> bytes:
        """Return a payload as it may be kept: without what the mapping drops, with pseudonyms where it wants them."""
        if self._clean is None:
            return payload
        try:
            root = self._decode(payload)
        except Refused:
            return payload
        try:
            self._clean(root, key)
        except Refused:
            privacy.strip(self.document, root)
        return msgspec.json.encode(root)

    def fits(self, root: Any) -> bool:
        """Return whether the payload is one that this mapping speaks of."""
        above = (root,)
        for get in self._require:
            if get(root, above) is paths.MISSING:
                return False
        return self._where(root, above) and not any(holds(root, above) for holds in self._unless)

    def elements(self, root: Any, taken: dict[str, str]) -> Iterator[Element]:
        """Yield every thing in a payload that counts."""
        for more, value, above in self._each(root):
            if self._counts(value, above):
                names = taken | more
                yield Element(self.source(names, value, above), value, above, names)

    def source(self, taken: dict[str, str], value: Any, above: paths.Above) -> str | None:
        """Return the name in the campus file of a thing; None where the payload does not say it."""
        for name, get in self._captures:
            found = get(value, above)
            if not isinstance(found, str | int) or isinstance(found, bool) or found == "":
                return None
            taken = taken | {name: str(found).strip()}
        assert self.document.source is not None
        source = self.document.source.format_map(taken)
        return self.document.alias.get(source, source)


def _wirings(document: doc.MappingDocument) -> Iterator[str | None]:
    ways = document.counter.wiring if document.counter else document.value.wiring
    yield from ways
    if ways and document.counter and document.counter.direction:
        yield None


def _source_regex(source: str) -> str:
    return "".join(
        re.escape(text) + (".+" if name is not None else "") for text, name, _, _ in Formatter().parse(source)
    )


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
        each
        for mapping in mappings
        if not mapping.is_silent and not mapping.is_hook
        for topic in mapping.topics
        for each in topic.filters
    )


def mapping_schema() -> dict[str, Any]:
    """Return the JSON Schema of a mapping."""
    return doc.MappingDocument.model_json_schema(by_alias=True)
