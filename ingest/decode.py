"""From a topic and its bytes to Messages, or a reason why not. Pure: no clock, no I/O.

Our own topics are read by `core.wire`; everything else by the first mapping that fits. What a topic means is worked
out once and remembered, because a school's few hundred topics come again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from core.campus import Campus
from core.messages import DeviceOffline, DeviceOnline, Heard, Message
from core.wire import TOPIC_FIELD, Envelope, Refused, read_json, readings, unwrap
from ingest.mapping import Mapping
from ingest.mapping.binding import Bound, Sources, alive, messages_of
from ingest.mapping.document import HOOKS
from ingest.mapping.elements import Element
from ingest.mapping.signs import Signs
from ingest.mapping.topics import MAX_LENGTH

TRIAL: Final = "trial"
_REMEMBERED: Final = 20_000
"""Topics whose meaning is remembered."""
_BARE: Final = {b"online": {"kind": "online"}, b"offline": {"kind": "offline"}}
"""What a device may say without JSON; a last will often does."""
_NUL: Final = b"\\u0000"
_ANYWHERE: Final = ZoneInfo("UTC")

Route = Callable[[Heard, datetime], list[Message]]


class _Fitting(NamedTuple):
    """A mapping that speaks of a topic, what it takes from it, and the source where the topic alone tells it."""

    mapping: Mapping
    taken: dict[str, str]
    source: str | None


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
    """Reads what was heard, for some campuses and mappings; a change of either is a new decoder.

    It remembers which gateways are gone (`ingest.mapping.signs`) and nothing else; that may be lost at any time.
    `pseudonym_key`: a secret of the house; without one, mappings that need pseudonyms refuse.
    """

    def __init__(
        self,
        campuses: Iterable[Campus],
        mappings: Sequence[Mapping],
        *,
        prefix: str,
        lateness: timedelta,
        pseudonym_key: bytes | None = None,
    ) -> None:
        self._campuses = {campus.id: campus for campus in campuses}
        self._mappings = tuple(mappings)
        self._gateways = [mapping for mapping in self._mappings if mapping.document.gateway_of is not None]
        self._sources = Sources(self._campuses.values())
        self._signs = Signs()
        self._own = f"{prefix}/"
        self._trial = f"{TRIAL}/{prefix}/"
        self._lateness = lateness
        self._key = pseudonym_key
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

    def presentable(self, heard: Heard) -> Heard:
        """Return what was heard as it may be kept: without the personal data that the mappings of its topic hide."""
        if self._behind_prefix(heard.topic) is not None:
            return heard
        speaking = [mapping for mapping in self._mappings if mapping.match(heard.topic) is not None]
        fitting = next((mapping for mapping in speaking if mapping.speaks_of(heard.payload)), None)
        payload = heard.payload
        # Whose payload it is, knows what is personal in it; where nobody knows it, all that any of them hides is.
        for mapping in speaking if fitting is None else (fitting,):
            payload = mapping.presentable(payload, self._key)
        return heard if payload is heard.payload else replace(heard, payload=payload)

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
        fitting = [
            _Fitting(mapping, taken, mapping.source(taken, None, ()) if mapping.is_plain else None)
            for mapping in self._mappings
            if mapping.is_hook == topic.startswith(HOOKS) and (taken := mapping.match(topic)) is not None
        ]
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

    def _read_foreign(self, fitting: list[_Fitting], heard: Heard, now: datetime) -> list[Message]:
        refused: Refused | None = None
        root, decoded = None, ""
        for mapping, taken, source in fitting:
            if mapping.is_silent or (heard.retained and mapping.document.retained == "ignore"):
                return []
            try:
                if decoded != mapping.document.decode:
                    root, decoded = mapping.payload(heard.payload), mapping.document.decode
                if not mapping.fits(root):
                    continue
                elements = None if source is not None else list(mapping.elements(root, taken))
            except Refused as error:
                refused = refused or error
                continue
            if elements == []:
                continue
            if mapping.hides:
                mapping.clean(root, self._key)
            return self._read_elements(mapping, elements or [Element(source, root, (root,), taken)], heard, now)
        raise refused or Refused("invalid_field: no mapping of this topic knows such a payload")

    def _read_elements(self, mapping: Mapping, elements: list[Element], heard: Heard, now: datetime) -> list[Message]:
        messages: list[Message] = []
        known: list[str] = []
        unknown: list[str] = []
        refused: str | None = None
        for element in elements:
            try:
                if element.source is None:
                    raise Refused("invalid_field: the device does not say its name")
                found = self._sources.find(element.source, mapping)
                (known if found else unknown).append(element.source)
                for bound in found:
                    messages += self._read_bound(mapping, element, bound, heard, now)
                if mapping.document.gateway_of is not None:
                    messages += self._read_gateway(mapping, element, heard, now)
            except Refused as error:
                refused = refused or error.reason
        if len(messages) > 1:
            messages = [msgspec.structs.replace(each, part=part) for part, each in enumerate(messages)]
        if refused is not None:
            raise PartlyRefused(refused, messages) if messages else Refused(refused)
        # Inputs that nobody uses are usual beside one that is; where none is known, somebody has to look.
        if unknown and not known and mapping.document.unbound == "refuse":
            raise Refused(f"unknown_entity: no campus names the source {unknown[0]!r}")
        return messages

    def _read_bound(
        self, mapping: Mapping, element: Element, bound: Bound, heard: Heard, now: datetime
    ) -> list[Message]:
        messages = messages_of(mapping, element, bound, heard, now, self._lateness)
        if mapping.family != "device" or mapping.document.gateway_of is not None or heard.trial_only:
            return messages
        for place, message in enumerate(messages):
            # Its own word is one sign of several: behind a gateway that is gone nobody is online.
            if message.kind == DeviceOffline.kind:
                self._signs.tell(bound.source, online=False)
            elif message.kind == DeviceOnline.kind and not self._signs.tell(bound.source, online=True):
                messages[place : place + 1] = alive(bound, heard, now, self._lateness, online=False)
        return messages

    def _read_gateway(self, mapping: Mapping, element: Element, heard: Heard, now: datetime) -> list[Message]:
        assert mapping.read is not None
        assert mapping.document.gateway_of is not None
        assert element.source is not None
        name = mapping.document.gateway_of.format_map(element.taken)
        behind: dict[str, list[Bound]] = {}
        for each in self._sources.below(name):
            if not any(gateway.names(each.source) for gateway in self._gateways):
                behind.setdefault(each.source, []).append(each)
        word = mapping.read(element, None, _ANYWHERE, now).said[0]["kind"]
        if heard.trial_only or word not in ("online", "offline"):
            return []
        if word == "offline":
            self._signs.lose(element.source, name, list(behind))
            told = set(behind)
        else:
            told = self._signs.find(element.source, name) & behind.keys()
        return [
            message
            for source in sorted(told)
            for bound in behind[source]
            for message in alive(bound, heard, now, self._lateness, online=word == "online")
        ]
