"""What the shape of a mapping cannot show: whether its names are taken somewhere and its tables mean something."""

from __future__ import annotations

from collections.abc import Iterator
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from core.campus import nearest
from core.errors import Problem
from ingest.mapping import document as doc
from ingest.mapping import paths, reading
from ingest.mapping.topics import Pattern
from ingest.mapping.values import Kind, table


def check(document: doc.MappingDocument) -> Iterator[Problem]:
    """Yield what is wrong with a mapping, each with the field it stands in and what would be right."""
    if document.emit == reading.NOTHING:
        return
    if document.emit not in reading.TARGETS:
        known = [*reading.TARGETS, reading.NOTHING]
        yield Problem(f"{document.emit!r} cannot be told{nearest(document.emit, known)}", "emit")
        return
    yield from _check_source(document)
    yield from _check_value(document)
    yield from _check_side(document)
    if document.time and document.time.zone != "campus" and not _is_zone(document.time.zone):
        yield Problem(
            f"no time zone {document.time.zone!r}; write campus, UTC or one like America/Chicago", "time.zone"
        )


def _check_source(document: doc.MappingDocument) -> Iterator[Problem]:
    if document.source is None:
        yield Problem("is required: the device's name in the campus file, like zigbee2mqtt/{device}", "source")
        return
    given = frozenset.intersection(*(Pattern(text).names for text in document.match.topic))
    taken = paths.captures(document.each) if document.each else frozenset[str]()
    for name in sorted((given & taken) | (given | taken) & set(document.capture)):
        yield Problem(f"the name {name!r} is taken twice", f"capture.{name}" if name in document.capture else "each")
    known = given | taken | set(document.capture)
    try:
        used = [name for _, name, _, _ in Formatter().parse(document.source) if name is not None]
    except ValueError:
        yield Problem("braces do not match; write it like zigbee2mqtt/{device}", "source")
        return
    for name in used:
        if name not in known:
            yield Problem(f"nothing takes the name {name!r}{nearest(name, known)}", "source")


def _check_value(document: doc.MappingDocument) -> Iterator[Problem]:
    value = document.value
    if value.always is not None and (value.map is not None or value.wiring):
        yield Problem("`always` needs no table", "value.always")
    if value.always is not None:
        yield from _check_target(document.emit, value.always, "value.always")
    if (value.missing == "means") != (value.default is not None):
        yield Problem("`missing: means` and `default` go together", "value.missing")
    elif value.default is not None:
        yield from _check_target(document.emit, value.default, "value.default")
    if value.map is not None:
        yield from _check_table(document.emit, value.map, value.coerce, "value.map")
    for wiring, entries in value.wiring.items():
        yield from _check_table(document.emit, entries, value.coerce, f"value.wiring.{wiring}")
    if value.map is not None and value.wiring:
        yield Problem("`map` and `wiring` exclude each other: the wiring must be said, not guessed", "value.wiring")


def _check_table(target: str, entries: dict[str, Any], kind: Kind | None, where: str) -> Iterator[Problem]:
    for key, meaning in entries.items():
        try:
            table({key: meaning}, kind)
        except ValueError as error:
            yield Problem(str(error), f"{where}.{key}")
        yield from _check_target(target, meaning, f"{where}.{key}")


def _check_target(target: str, value: Any, where: str) -> Iterator[Problem]:
    if not reading.allows(target, value):
        known = {str(each).lower() if isinstance(each, bool) else str(each) for each in reading.TARGETS[target]}
        yield Problem(f"{target} cannot be {value!r}{nearest(str(value), known)}", where)


def _check_side(document: doc.MappingDocument) -> Iterator[Problem]:
    family = document.emit.partition(".")[0]
    known = reading.fields_of(family)
    for name, pick in document.side.items():
        if name not in known:
            yield Problem(f"no field {name!r} in messages about {family}s{nearest(name, set(known))}", f"side.{name}")
        for key in pick.map or {}:
            try:
                table({key: True}, pick.coerce)
            except ValueError as error:
                yield Problem(str(error), f"side.{name}.map.{key}")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
