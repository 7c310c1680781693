"""An alert in the words of CAP 1.2 (OASIS, Common Alerting Protocol), for systems of others.

An alert's life is a series of messages: Alert at its opening, Update when it changes, Ack when somebody takes it,
Cancel at its close; each names those it follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from alerts.alert import Alert
from alerts.notices import name_of
from alerts.srp import suggestion
from core.campus import Campus

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
STATUS: Final = {"live": "Actual", "drill": "Exercise", "test": "Test"}
_TYPES: Final = {
    "opened": "Alert",
    "escalated": "Update",
    "correction": "Update",
    "cleared": "Update",
    "on_scene": "Update",
    "help": "Update",
    "acknowledged": "Ack",
    "closed": "Cancel",
}
"""What becomes a message; a repetition only where it is a new opening."""
_URGENCY: Final = {"extreme": "Immediate", "severe": "Immediate", "moderate": "Expected", "minor": "Future"}
_RESPONSE: Final = {"extreme": "Execute", "severe": "Assess", "moderate": "Monitor", "minor": "Monitor"}
_GOOD_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Line:
    """What a line of the timeline says, as far as it matters here."""

    at: datetime
    event: str
    who: str
    text: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the series, before it is written."""

    number: int
    kind: str
    at: datetime
    severity: str
    text: str
    line: Line


def series(alert: Alert, timeline: Sequence[Line]) -> tuple[Message, ...]:
    """Return the messages of an alert's life, in their order; the first is always an Alert."""
    return tuple(_messages(alert, timeline))


def _messages(alert: Alert, timeline: Sequence[Line]) -> Iterator[Message]:
    severity, text, number = alert.severity, alert.text, 0
    raised = [line.data["was"] for line in timeline if line.event == "escalated" and "was" in line.data]
    severity = raised[0] if raised else severity
    for line in timeline:
        kind = _TYPES.get(line.event) or (
            "Update" if line.event == "repeated" and line.data.get("opening", 1) > 1 else ""
        )
        if not kind:
            continue
        severity = line.data.get("severity", severity)
        text = line.text if line.event in ("opened", "escalated", "repeated") else text
        number += 1
        yield Message(number, kind if number > 1 else "Alert", line.at, severity, text, line)


def write(alert: Alert, message: Message, before: Sequence[Message], campus: Campus | None) -> bytes:
    """Return a message as XML; `before` are those it follows."""
    zone = campus.zone_info if campus else ZoneInfo("UTC")
    root = ElementTree.Element("alert", xmlns=NAMESPACE)
    _add(root, "identifier", identifier(alert, message.number))
    _add(root, "sender", sender(alert))
    _add(root, "sent", moment(message.at, zone))
    _add(root, "status", STATUS[alert.exercise])
    _add(root, "msgType", message.kind)
    _add(root, "source", f"Hallwatch, rule {alert.rule} version {alert.rule_version}")
    _add(root, "scope", "Restricted")
    _add(root, "restriction", "Staff of the campus and responders called by them")
    _add(root, "code", alert.code)
    _add(root, "note", _note(alert, message))
    if before:
        _add(root, "references", " ".join(_reference(alert, each, zone) for each in before))
    if alert.previous is not None:
        _add(root, "incidents", f"{alert.campus}.{alert.previous}")
    if message.kind != "Ack":
        _info(root, alert, message, campus, zone)
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return written + b"\n"


def identifier(alert: Alert, number: int) -> str:
    """Return what a message is called: never twice the same, and without a character that CAP forbids."""
    return f"{alert.campus}.{alert.id}.{number}"


def sender(alert: Alert) -> str:
    """Return who says it."""
    return f"hallwatch@{alert.campus}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant as CAP wants it: local time with an offset, to the second, and never a Z."""
    written = at.astimezone(zone).isoformat(timespec="seconds")
    return written.removesuffix("+00:00") + "-00:00" if written.endswith("+00:00") else written


def _info(root: ElementTree.Element, alert: Alert, message: Message, campus: Campus | None, zone: ZoneInfo) -> None:
    info = ElementTree.SubElement(root, "info")
    _add(info, "language", "en-US")
    _add(info, "category", "Security" if alert.entity in ("door", "visit", "campus") else "Safety")
    _add(info, "event", alert.title)
    _add(info, "responseType", "AllClear" if message.kind == "Cancel" else _RESPONSE[message.severity])
    _add(info, "urgency", "Past" if message.kind == "Cancel" else _URGENCY[message.severity])
    _add(info, "severity", message.severity.capitalize())
    _add(info, "certainty", alert.certainty)
    _add(info, "effective", moment(message.at, zone))
    _add(info, "onset", moment(alert.since, zone))
    _add(info, "expires", moment(message.at + _GOOD_FOR, zone))
    _add(info, "senderName", f"{campus.campus.name if campus else alert.campus}, Hallwatch")
    _add(info, "headline", _headline(alert, message))
    _add(info, "description", message.text)
    advice = [*alert.do, *suggestion(alert.srp)]
    if advice:
        _add(info, "instruction", "\n".join(advice))
    for name, value in (("code", alert.code), ("rule", alert.rule), ("condition", alert.condition)):
        parameter = ElementTree.SubElement(info, "parameter")
        _add(parameter, "valueName", name)
        _add(parameter, "value", value)
    area = ElementTree.SubElement(info, "area")
    _add(area, "areaDesc", _where(alert, campus))


def _headline(alert: Alert, message: Message) -> str:
    mark = {"live": "", "drill": "DRILL: ", "test": "TEST: "}[alert.exercise]
    said = f"{mark}{message.text}"
    return said if len(said) <= 160 else f"{said[:159]}…"


def _note(alert: Alert, message: Message) -> str:
    if message.line.event == "acknowledged":
        return f"{name_of(message.line.who)} has it"
    if message.line.event in ("opened", "repeated", "escalated"):
        return {
            "live": "A live alert",
            "drill": "A drill: nothing has happened",
            "test": "A test: nothing has happened",
        }[alert.exercise]
    return message.line.text


def _where(alert: Alert, campus: Campus | None) -> str:
    name = campus.campus.name if campus else alert.campus
    door = campus.doors_by_id.get(alert.key) if campus and alert.entity == "door" else None
    if door is None:
        return name
    return f"{name}, door {door.number} ({door.name})" if door.number else f"{name}, {door.name}"


def _reference(alert: Alert, message: Message, zone: ZoneInfo) -> str:
    return f"{sender(alert)},{identifier(alert, message.number)},{moment(message.at, zone)}"


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    # What XML cannot hold is no loss: control characters.
    kept = "".join(letter for letter in text if letter in "\t\n" or letter >= " ")
    ElementTree.SubElement(parent, name).text = kept


def line_of(event: Any) -> Line:
    """Return a row of the timeline as this module takes it."""
    return Line(event.at.astimezone(UTC), event.event, event.who, event.text, dict(event.data))
