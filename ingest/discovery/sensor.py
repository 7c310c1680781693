"""A sensor as it announces itself to Home Assistant. No template is ever run: `value_json.x` is understood."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from core.messages import Heard
from core.wire import Refused, read_json

FILTERS: Final = ("+/+/+/config", "homeassistant/+/+/+/config")
"""`<prefix>/<component>/<object>/config`, and with a node between: the prefix then is Home Assistant's own."""
SENSOR: Final = "binary_sensor"
OTHERS: Final = frozenset(
    re.findall(
        r"\w+",
        "alarm_control_panel button camera climate cover device device_automation device_tracker event fan humidifier "
        "image lawn_mower light lock notify number scene select sensor siren switch tag text update vacuum valve "
        "water_heater",
    )
)
"""What else announces itself there; it is on no door and holds nothing for us."""
KINDS: Final = {
    "door": ("door.opened", "door.closed"),
    "garage_door": ("door.opened", "door.closed"),
    "opening": ("door.opened", "door.closed"),
    "window": ("door.opened", "door.closed"),
    "lock": ("door.unlocked", "door.locked"),
}
"""The classes of sensors that can be on a door, and what their ON and OFF mean."""
_SHORT: Final = {
    "dev": "device",
    "dev_cla": "device_class",
    "stat_t": "state_topic",
    "uniq_id": "unique_id",
    "val_tpl": "value_template",
    "pl_on": "payload_on",
    "pl_off": "payload_off",
    "mf": "manufacturer",
    "mdl": "model",
}
"""Home Assistant's abbreviations of the keys that are read here."""
_STEP: Final = r"""(?:\.[A-Za-z_]\w*|\[(?:'[^'\\]*'|"[^"\\]*")\])"""
_TEMPLATE: Final = re.compile(rf"\{{\{{-?\s*value(?P<json>_json)?(?P<path>{_STEP}*)\s*-?\}}\}}")
_NAMES: Final = re.compile(r"\.(\w+)|\[['\"]([^'\"]*)['\"]\]")


class Sensor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sensor as it announces itself. `path` leads to its value, `()` if the value is the payload."""

    topic: str
    name: str
    device_class: str
    state_topic: str
    unique_id: str = ""
    maker: str = ""
    on: str = "ON"
    off: str = "OFF"
    path: tuple[str, ...] | None = ()
    """None: its template says more than we read."""


def is_announcement(topic: str) -> bool:
    """Return whether a topic is one of Home Assistant's discovery."""
    if not topic.endswith("/config"):
        return False
    levels = topic.split("/")
    return len(levels) in (4, 5) and (levels[1] == SENSOR or levels[1] in OTHERS)


def read(heard: Heard) -> Sensor | None:
    """Return the sensor that announces itself, or None if it is none for a door; Refused if this cannot be read."""
    if heard.topic.split("/")[1] != SENSOR:
        return None
    said = read_json(heard.payload)
    if not isinstance(said, dict):
        raise Refused("invalid_field: the announcement must be a JSON object")
    said = _in_full(said)
    device_class = said.get("device_class")
    if device_class not in KINDS:
        return None
    topic = _text(said, "state_topic")
    if not topic or len(topic) > 1000:
        raise Refused("invalid_field: state_topic is required")
    device = said.get("device")
    device = _in_full(device) if isinstance(device, dict) else {}
    names = [name for name in (_text(device, "name"), _text(said, "name")) if name]
    maker = " ".join(each for each in (_text(device, "manufacturer"), _text(device, "model")) if each)
    return Sensor(
        topic=heard.topic,
        name=(" ".join(dict.fromkeys(names)) or topic)[:200],
        device_class=device_class,
        state_topic=topic,
        unique_id=_text(said, "unique_id")[:200],
        maker=maker[:200],
        on=_value(said.get("payload_on", "ON")),
        off=_value(said.get("payload_off", "OFF")),
        path=_path(said.get("value_template")),
    )


def _in_full(said: dict[str, Any]) -> dict[str, Any]:
    found = {_SHORT.get(name, name): value for name, value in said.items()}
    base, topic = found.get("~"), found.get("state_topic")
    if isinstance(base, str) and isinstance(topic, str):
        head, tail = topic.startswith("~"), topic.endswith("~")
        found["state_topic"] = base * head + topic.removeprefix("~").removesuffix("~") + base * (tail and not head)
    return found


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    return value.strip() if isinstance(value, str) else ""


def _value(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    return value[:100] if isinstance(value, str) else ""


def _path(template: Any) -> tuple[str, ...] | None:
    if template is None or template == "":
        return ()
    found = _TEMPLATE.fullmatch(template.strip()) if isinstance(template, str) and len(template) <= 500 else None
    if found is None or bool(found["json"]) != bool(found["path"]):
        return None
    return tuple(plain or quoted for plain, quoted in _NAMES.findall(found["path"]))
