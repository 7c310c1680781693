"""The same door in the words of other makers: Zigbee2MQTT, Tasmota, Shelly, ESPHome.

Only the contact and its heartbeat change their language; badges, locks and push bars are a controller's, and stay.
What other makers say cannot be marked as a test: it can be recorded, or said live.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec.structs import replace

from core.campus import Campus, nearest
from core.errors import BadInput, Problem
from simulators.utterance import Utterance

OWN: Final = "own"
Words = tuple[str, Any]
"""A topic, and what is said on it."""


class Dialect(ABC):
    """How one maker's contact says that it is open or closed, and that it lives. Subclasses are the dialects."""

    name: str = ""
    example: str = ""
    """The `source` of a door `gym-east` in the campus file."""

    def __init_subclass__(cls) -> None:
        if not (cls.__doc__ and cls.example):
            raise TypeError(f"dialect {cls.name}: a docstring and an example are required")
        DIALECTS[cls.name] = cls

    def source(self, door: str) -> str:
        """Return the `source` that binds a door of this dialect in the campus file."""
        return self.example.replace("gym-east", door)

    @abstractmethod
    def position(self, door: str, position: str, at: Any) -> Words:
        """Return how `open` or `closed` is said."""

    @abstractmethod
    def alive(self, door: str, battery: int, at: Any) -> Words:
        """Return how it is said that the contact lives."""


DIALECTS: Final[dict[str, type[Dialect]]] = {}
"""Every dialect by its name."""


class _Zigbee2Mqtt(Dialect):
    """A contact behind Zigbee2MQTT, with `last_seen` switched on."""

    name = "zigbee2mqtt"
    example = "zigbee2mqtt/gym-east"

    def position(self, door: str, position: str, at: Any) -> Words:
        said = {"battery": 97, "contact": position == "closed", "linkquality": 87, "last_seen": at}
        return f"zigbee2mqtt/{door}", said

    def alive(self, door: str, battery: int, at: Any) -> Words:
        return f"zigbee2mqtt/{door}", {"battery": battery, "linkquality": 87, "last_seen": at}


class _Tasmota(Dialect):
    """A reed contact on a switch of a Tasmota device; ON is open."""

    name = "tasmota"
    example = "tasmota/gym-east/Switch1?on=open"

    def position(self, door: str, position: str, at: Any) -> Words:
        return f"tele/{door}/SENSOR", {"Time": at, "Switch1": "ON" if position == "open" else "OFF"}

    def alive(self, door: str, battery: int, at: Any) -> Words:
        return f"tele/{door}/STATE", {"Time": at, "UptimeSec": 611, "Wifi": {"RSSI": 44}}


class _Shelly(Dialect):
    """A Shelly Door/Window sensor; it says no time."""

    name = "shelly"
    example = "shelly/shellydw2-gym-east"

    def position(self, door: str, position: str, at: Any) -> Words:
        return f"shellies/shellydw2-{door}/sensor/state", "open" if position == "open" else "close"

    def alive(self, door: str, battery: int, at: Any) -> Words:
        return f"shellies/shellydw2-{door}/sensor/battery", str(battery)


class _EspHome(Dialect):
    """A binary sensor of an ESPHome node; it says no time."""

    name = "esphome"
    example = "esphome/gym-east-node/contact"

    def position(self, door: str, position: str, at: Any) -> Words:
        return f"{door}-node/binary_sensor/contact/state", "ON" if position == "open" else "OFF"

    def alive(self, door: str, battery: int, at: Any) -> Words:
        return f"{door}-node/status", "online"


def check_dialect(name: str) -> str:
    """Return the name of a dialect; BadInput where there is none of that name."""
    if name != OWN and name not in DIALECTS:
        known = [OWN, *DIALECTS]
        problem = f"no dialect {name!r}{nearest(name, known)}; there are {', '.join(known)}"
        raise BadInput([Problem(problem, where="dialect")])
    return name


def bound(campus: Campus, name: str) -> Campus:
    """Return the campus with a `source` on every door that has a sensor, as the service must know it."""
    if name == OWN:
        return campus
    source = DIALECTS[name]().source
    doors = [each.model_copy(update={"source": source(each.id)}) if each.monitored else each for each in campus.doors]
    fields: dict[str, Any] = {field: getattr(campus, field) for field in Campus.model_fields}
    return Campus(**fields | {"doors": tuple(doors)})


def spoken(stream: Iterable[Utterance], campus: Campus, name: str) -> Iterator[Utterance]:
    """Return the stream with the contacts' words in a dialect."""
    if name == OWN:
        return iter(stream)
    return _translated(stream, campus, DIALECTS[name]())


def _translated(stream: Iterable[Utterance], campus: Campus, dialect: Dialect) -> Iterator[Utterance]:
    door_of = {device: door for door, device in campus.device_of_door.items()}
    for each in stream:
        family, _, subject = each.topic.rpartition("/")
        at = each.at if each.clock_error is None else each.at + each.clock_error
        words = _words(each, family.rpartition("/")[2], subject, door_of, at, dialect)
        yield each if words is None else replace(each, topic=words[0], payload=words[1], clock_error=None, own=False)


def _words(
    each: Utterance, family: str, subject: str, door_of: dict[str, str], at: Any, dialect: Dialect
) -> Words | None:
    said = each.payload
    if not each.own or not isinstance(said, dict):
        return None
    if family == "door" and "position" in said and "lock" not in said and not said.get("initial"):
        return dialect.position(subject, said["position"], at)
    if family == "device" and said.get("kind") == "heartbeat" and subject in door_of:
        return dialect.alive(door_of[subject], said.get("battery_pct", 100), at)
    return None
