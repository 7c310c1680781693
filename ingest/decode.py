"""From a topic and its bytes to Messages, or a reason why not. Pure: no clock, no I/O.

Our own topics are read by `core.wire`; everything else by the first mapping that fits. What a topic means is worked
out once and remembered, because a school's few hundred topics come again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from core.campus import Campus
from core.messages import Heard, Message
from core.wire import TOPIC_FIELD, Envelope, Refused, read_json, readings, unwrap
from ingest.mapping import Mapping
from ingest.mapping.binding import Sources, messages_of
from ingest.mapping.topics import MAX_LENGTH

TRIAL: Final = "trial"
_REMEMBERED: Final = 20_000
"""Topics whose meaning is remembered."""
_BARE: Final = {b"online": {"kind": "online"}, b"offline": {"kind": "offline"}}
"""What a device may say without JSON; a last will often does."""
_NUL: Final = b"\\u0000"

Route = Callable[[Heard, datetime], list[Message]]


class PartlyRefused(Refused):
    """One payload spoke for several devices, and not all of it could be read; `messages` is what could."""

    def __init__(self, reason: str, messages: list[Message]) -> None:
        super().__init__(reason)
        self.messages = messages


@dataclass(frozen=True, slots=True)
class _Own:
    """A topic of our own devices."""

    campus: Campus
    family: str
    name: str
    source: str
    lateness: timedelta
    trial: bool

    def read(self, heard: Heard, now: datetime) -> list[Message]:
        """Return the messages in one payload."""
        if self.trial and not heard.trial_only:
            heard = replace(heard, trial_only=True)
        said = _BARE.get(heard.payload.strip()) if self.family == "device" else None
        if said is None:
            said = unwrap(read_json(heard.payload))
        envelope = Envelope(self.campus.id, self.source, now, self.lateness)
        return readings(self.family, self.name, said, heard, envelope, self.campus)


class Decoder:
    """Reads what was heard, for some campuses and mappings; a change of either is a new decoder."""

    def __init__(
        self, campuses: Iterable[Campus], mappings: Sequence[Mapping], *, prefix: str, lateness: timedelta
    ) -> None:
        self._campuses = {campus.id: campus for campus in campuses}
        self._mappings = tuple(mappings)
        self._sources = Sources(self._campuses.values())
        self._own = f"{prefix}/"
        self._trial = f"{TRIAL}/{prefix}/"
        self._lateness = lateness
        self._routes: dict[str, Route] = {}

    def decode(self, heard: Heard, now: datetime) -> list[Message]:
        """Return the messages in what was heard; Refused, with the reason, if there is anything wrong with it.

        No messages means that the topic is known and holds nothing for us. PartlyRefused carries the messages
        that could be read.
        """
        route = self._routes.get(heard.topic)
        if route is None:
            route = self._remember(heard.topic)
        if _NUL in heard.payload:
            raise Refused("invalid_field: a text holds a NUL character")
        return route(heard, now)

    def campus_of(self, topic: str) -> str | None:
        """Return the campus whose own topic this is, for the record of what was refused; None if it is nobody's."""
        rest = self._behind_prefix(topic)
        name = rest.partition("/")[0] if rest is not None else ""
        return name if name in self._campuses else None

    def _remember(self, topic: str) -> Route:
        route = self._route(topic)
        if len(self._routes) >= _REMEMBERED:
            self._routes.clear()
        self._routes[topic] = route
        return route

    def _behind_prefix(self, topic: str) -> str | None:
        for prefix in (self._own, self._trial):
            if topic.startswith(prefix):
                return topic.removeprefix(prefix)
        return None

    def _route(self, topic: str) -> Route:
        if len(topic) > MAX_LENGTH or "\0" in topic:
            raise Refused("unknown_topic")
        rest = self._behind_prefix(topic)
        if rest is not None:
            return self._own_route(rest, trial=topic.startswith(self._trial))
        fitting = [(mapping, taken) for mapping in self._mappings if (taken := mapping.match(topic)) is not None]
        if not fitting:
            raise Refused("unknown_topic")
        return lambda heard, now: self._read_foreign(fitting, heard, now)

    def _own_route(self, rest: str, *, trial: bool) -> Route:
        levels = rest.split("/")
        if len(levels) != 3 or levels[1] not in TOPIC_FIELD or not levels[2]:
            raise Refused("unknown_topic")
        campus = self._campuses.get(levels[0])
        if campus is None:
            raise Refused("unknown_campus")
        # A trial's ids must never pass for repeats of what really happens: it is another source.
        source = f"{TRIAL}/{levels[1]}/{levels[2]}" if trial else f"{levels[1]}/{levels[2]}"
        return _Own(campus, levels[1], levels[2], source, self._lateness, trial).read

    def _read_foreign(
        self, fitting: list[tuple[Mapping, dict[str, str]]], heard: Heard, now: datetime
    ) -> list[Message]:
        refused: Refused | None = None
        for mapping, taken in fitting:
            if mapping.is_silent:
                return []
            try:
                root = mapping.payload(heard.payload)
            except Refused as error:
                refused = refused or error
                continue
            elements = list(mapping.elements(root, taken)) if mapping.fits(root) else []
            if elements:
                return self._read_elements(mapping, elements, root, heard, now)
        raise refused or Refused("invalid_field: no mapping of this topic knows such a payload")

    def _read_elements(
        self, mapping: Mapping, elements: list[tuple[str | None, Any]], root: Any, heard: Heard, now: datetime
    ) -> list[Message]:
        messages: list[Message] = []
        unknown: list[str] = []
        refused: str | None = None
        for source, element in elements:
            try:
                if source is None:
                    raise Refused("invalid_field: the device does not say its name")
                found = self._sources.find(source, mapping)
                if not found:
                    unknown.append(source)
                for bound in found:
                    messages += messages_of(mapping, element, root, bound, heard, now, self._lateness)
            except Refused as error:
                refused = refused or error.reason
        if len(messages) > 1:
            messages = [msgspec.structs.replace(each, part=part) for part, each in enumerate(messages)]
        if refused is not None:
            raise PartlyRefused(refused, messages) if messages else Refused(refused)
        # Inputs that nobody uses are usual beside one that is; where none is known, somebody has to look.
        if unknown and not messages and mapping.document.unbound == "refuse":
            raise Refused(f"unknown_entity: no campus names the source {unknown[0]!r}")
        return messages
