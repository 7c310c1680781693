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
    yield from _check_hook(document)
    if document.emit == reading.NOTHING:
        return
    known = [*reading.TARGETS, reading.HEADS, reading.NOTHING]
    if document.emit not in known:
        yield Problem(f"{document.emit!r} cannot be told{nearest(document.emit, known)}", "emit")
        return
    yield from _check_source(document)
    if document.emit == reading.HEADS or document.counter is not None:
        yield from _check_counter(document)
    else:
        yield from _check_value(document)
    yield from _check_side(document)
    yield from _check_time(document)
    yield from _check_privacy(document)


def _check_hook(document: doc.MappingDocument) -> Iterator[Problem]:
    hooks = [text.startswith(doc.HOOKS) for text in document.match.topic]
    if any(hooks) and not all(hooks):
        yield Problem("webhooks and topics of a broker are different things: write two mappings", "match.topic")
    if document.auth is not None and not all(hooks):
        yield Problem(f"is for topics below {doc.HOOKS}; what a broker delivers, the broker has let in", "auth")
    if not all(hooks):
        return
    for index, text in enumerate(document.match.topic):
        if text.count("/") != 1 or any(sign in text for sign in "{}*"):
            yield Problem(f"a webhook has a plain name; write it like {doc.HOOKS}envoy", f"match.topic[{index}]")
    if document.auth is None:
        yield Problem("is required: a webhook whose sender is not verified is taken from anybody", "auth")
    elif (document.auth.hmac is None) == (document.auth.token is None):
        yield Problem("says one of hmac and token", "auth")
    elif (
        (hmac := document.auth.hmac) and "{timestamp}" in hmac.signed and not (hmac.separator or hmac.timestamp_header)
    ):
        yield Problem("signs a timestamp, and neither separator nor timestamp_header says where it stands", "auth.hmac")


def _check_source(document: doc.MappingDocument) -> Iterator[Problem]:
    if document.source is None:
        yield Problem("is required: the device's name in the campus file, like zigbee2mqtt/{device}", "source")
        return
    given = frozenset.intersection(*(Pattern(text).names for text in document.match.topic))
    fans = [paths.captures(each) for each in document.each or ()]
    taken = frozenset.intersection(*fans) if fans else frozenset[str]()
    for name in sorted((given & taken) | (given | taken) & set(document.capture)):
        yield Problem(f"the name {name!r} is taken twice", f"capture.{name}" if name in document.capture else "each")
    known = given | taken | set(document.capture)
    yield from _check_names(document.source, known, "source")
    if document.gateway_of is not None:
        yield from _check_names(document.gateway_of, given | taken, "gateway_of")
        if document.emit != "device.kind" or document.below:
            yield Problem("a gateway tells device.kind, of itself alone", "gateway_of")
    heads = [document.counter.direction, *document.counter.wiring.values()] if document.counter else []
    for each in heads:
        if each is not None and each.by is not None and each.by not in taken:
            yield Problem(f"`each` does not take the name {each.by!r}{nearest(each.by, taken)}", "counter.direction.by")


def _check_names(text: str, known: frozenset[str] | set[str], where: str) -> Iterator[Problem]:
    try:
        used = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        yield Problem("braces do not match; write it like zigbee2mqtt/{device}", where)
        return
    for name in used:
        if name not in known:
            yield Problem(f"nothing takes the name {name!r}{nearest(name, known)}", where)


def _check_counter(document: doc.MappingDocument) -> Iterator[Problem]:
    how = document.counter
    if how is None or document.emit != reading.HEADS:
        missing = "is required" if how is None else f"goes with `emit: {reading.HEADS}`"
        yield Problem(f"{missing}: write counter: {{kind: period, direction: {{in: a, out: b}}}}", "counter")
        return
    if document.value != doc.Value():
        yield Problem("a counter has none; its numbers stand in `counter`", "value")
    if (how.kind == "gauge") == bool(how.direction or how.wiring):
        yield Problem("a gauge has no direction; every other counter has one", "counter.direction")
    if how.wrap is not None and how.kind != "cumulative":
        yield Problem("only a cumulative total comes around", "counter.wrap")
    for name, heads in [("direction", how.direction), *((f"wiring.{each}", at) for each, at in how.wiring.items())]:
        if heads is not None and heads.into is None and heads.out is None and heads.by is None:
            yield Problem("says where the heads stand: in, out, or by", f"counter.{name}")
    if document.dedupe and document.dedupe.unchanged:
        yield Problem("the same number once more may be as many heads again; write keys", "dedupe.unchanged")


def _check_time(document: doc.MappingDocument) -> Iterator[Problem]:
    time, dedupe = document.time, document.dedupe
    if time is not None:
        if (time.path is None) == (time.interval is None):
            yield Problem("says one of path and interval", "time")
        if time.zone != "campus" and not _is_zone(time.zone):
            yield Problem(f"no time zone {time.zone!r}; write campus, UTC or one like America/Chicago", "time.zone")
    if dedupe is None:
        return
    if not dedupe.keys and not dedupe.unchanged:
        yield Problem("says keys, or unchanged: true", "dedupe")
    if dedupe.window is not None and not dedupe.keys:
        yield Problem("goes with keys", "dedupe.window")
    if dedupe.unchanged and document.emit not in (*reading.LEVELS, reading.HEADS):
        yield Problem(f"{document.emit} tells events, and each is one; write keys", "dedupe.unchanged")


def _check_privacy(document: doc.MappingDocument) -> Iterator[Problem]:
    hidden = {"drop": document.drop, "pseudonymise": document.pseudonymise}
    for name, ends in hidden.items():
        if ends and document.decode not in ("json", "json_or_text"):
            yield Problem("needs `decode: json`", name)
    used = {path for pick in document.side.values() for path in pick.path} | set(document.match.require)
    used |= set(document.match.where) | set(document.value.path)
    for path in document.drop:
        if path in used:
            yield Problem(f"{path!r} is used by this mapping; leave it, or pseudonymise it", "drop")


def _check_value(document: doc.MappingDocument) -> Iterator[Problem]:
    value = document.value
    if value.always is not None and (value.map is not None or value.wiring):
        yield Problem("`always` needs no table", "value.always")
    if value.always is not None:
        yield from _check_target(document.emit, value.always, "value.always")
    if value.anew and document.emit != "door.position":
        yield Problem("is for door.position", "value.anew")
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
