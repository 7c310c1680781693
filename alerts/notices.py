"""The wording: what stands on a lock screen, in a text message, in an e-mail.

Five seconds must be enough: how grave, what, which door in staff words, how long, whether it is still true. The code is
in the title and in the body, so that a notice that comes twice is known for one. Only the rule's own sentence is used,
never the messages behind it: those may name a student or somebody on the watch list.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from alerts.alert import SERVICE, Alert
from alerts.buttons import Button, buttons
from alerts.srp import suggestion
from core.findings import Severity

SMS_LENGTH: Final = 160
TITLE_LENGTH: Final = 200
_LEAST_SMS_TEXT: Final = 12
_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_PLAIN: Final = str.maketrans(
    {"·": "-", "\u2013": "-", "\u2014": "-", "…": "...", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
)
_LEADS: Final = {
    "alert": "",
    "reminder": "REMINDER",
    "help": "HELP",
    "cancel": "CANCELLED",
    "correction": "CORRECTION",
    "test": "TEST",
}
_ANSWERABLE: Final = ("alert", "reminder", "help", "test")
_SHOWABLE: Final = ("campus", "device", "door", "gathering", "zone")
"""What a letter may quote values of; a visit's would name people."""
_MARKS: Final = {"live": "", "drill": "DRILL", "test": "TEST"}


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said to one endpoint."""

    title: str
    body: str
    severity: Severity
    link: str | None = None
    buttons: tuple[Button, ...] = ()
    picture: bytes | None = field(default=None, repr=False)
    """A PNG, for channels that carry one without risk to the words."""


Said = tuple[Alert, str | None]
"""An alert that a notice is about, and the link to it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all notices of one campus share."""

    campus: str
    """Its name."""
    zone: ZoneInfo
    now: datetime
    state: str = "normal"
    """Its Standard Response Protocol state."""


def word(
    alert: Alert,
    setting: Setting,
    *,
    kind: str = "alert",
    via: str = "push",
    text: str = "",
    link: str | None = None,
    picture: bytes | None = None,
) -> Notice:
    """Return the notice about an alert as it is now.

    `text` is the correction, why the alert is cancelled, or who asks for help. A letter carries what decided, too.
    """
    pressed = buttons(alert, link) if kind in _ANSWERABLE else ()
    if via == "sms":
        title, body = _sms(alert, setting, kind, text, link)
        return Notice(title, body, alert.severity, link, pressed)
    title = _join(*_marks(alert, kind), alert.severity.upper(), _what(alert, text, kind), _how_long(alert, setting.now))
    lines = [_join(*_marks(alert, kind), _what(alert, text, kind)), *_more(alert, setting, kind)]
    lines += _evidence(alert, setting) if via == "email" else []
    lines.append(_join(alert.code, setting.campus))
    lines += [link] if link else []
    body = "\n".join(lines)
    return Notice(f"{_cut(title, TITLE_LENGTH)} · {alert.code}", body, alert.severity, link, pressed, picture)


def word_together(
    alerts: Sequence[Said],
    setting: Setting,
    *,
    via: str = "push",
    kind: str = "alert",
    zones: Mapping[int, str] | None = None,
) -> Notice:
    """Return one notice about several alerts, each with its link: those of one rule in one zone stand together.

    `zones` are the names of the zones by the alert's number.
    """
    groups = _groups(alerts, zones or {})
    gravest = max((alert for alert, _ in alerts), key=lambda alert: alert.rank)
    codes = " ".join(alert.code for alert, _ in alerts)
    # What is live never stands under a drill's mark; beside it, each of the others carries its own.
    marks = {_MARKS[alert.exercise] for alert, _ in alerts}
    drill = f"{mark} · " if len(marks) == 1 and (mark := marks.pop()) else ""
    if via == "sms":
        said = [_join(*([] if drill else _marks(alert, kind)), f"{alert.code} {alert.text}") for alert, _ in alerts]
        title = f"{drill}{len(alerts)} alerts {alerts[0][0].code}"
        return Notice(_plain(title), _fit("; ".join(said), SMS_LENGTH - len(title) - 2), gravest.severity)
    what = _heading(*next(iter(groups.items()))) if len(groups) == 1 else f"{len(alerts)} alerts"
    lines: list[str] = []
    for place, group in groups.items():
        lines += [_heading(place, group)] if 1 < len(group) < len(alerts) else []
        for alert, link in group:
            said = [alert.code, *_marks(alert, kind), alert.severity.upper(), alert.text]
            lines.append(_join(*said, _how_long(alert, setting.now)))
            lines += [link] if link else []
    title = f"{drill}{_join(what, setting.campus, codes)}"
    return Notice(_cut(title, TITLE_LENGTH), "\n".join(lines), gravest.severity, alerts[-1][1])


def word_test(campus: str, endpoint: str) -> Notice:
    """Return the notice that tries an endpoint out."""
    return Notice(
        "TEST · Hallwatch", f"TEST · {campus}\nThis tries the endpoint {endpoint} out. Nothing has happened.", "minor"
    )


def word_check(campus: str, name: str, kind: str, link: str | None = None) -> Notice:
    """Return the notice that asks if somebody can be reached: at the start of a `shift`, or in the `nightly` round."""
    if kind == "nightly":
        return Notice(
            "TEST · Hallwatch", f"TEST · {campus}\nThe nightly check of every endpoint. Nothing has happened.", "minor"
        )
    lines = [
        f"{name}, your shift at {campus} begins.",
        "Open the link and press the button: then we know that alerts reach you.",
    ]
    lines += [link] if link else []
    return Notice("Can you be reached? · Hallwatch", "\n".join(lines), "minor", link)


def word_report(text: str, *, via: str = "push") -> Notice:
    """Return the notice that carries a report: its first line is the title."""
    title, _, body = text.partition("\n")
    if via == "sms":
        title = _plain(title)
        return Notice(title, _fit(body.replace("\n", "; "), max(SMS_LENGTH - len(title) - 2, _LEAST_SMS_TEXT)), "minor")
    return Notice(_cut(title, TITLE_LENGTH), body, "minor")


def _groups(alerts: Sequence[Said], zones: Mapping[int, str]) -> dict[tuple[str, str], list[Said]]:
    """Return the alerts by rule (or what the rule calls its group) and zone, the gravest group first."""
    found: dict[tuple[str, str], list[Said]] = {}
    for alert, link in sorted(alerts, key=lambda each: -each[0].rank):
        found.setdefault((alert.group or alert.rule, zones.get(alert.id, "")), []).append((alert, link))
    return found


def _heading(place: tuple[str, str], group: Sequence[Said]) -> str:
    return _join(f"{len(group)} alerts: {group[0][0].title}", place[1])


def duration(span: timedelta) -> str:
    """Return a span as people read a stopwatch: `1:04`, `2:05:00`, `3 d 4 h`."""
    seconds = max(0, int(span.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours}:{minutes:02}:{seconds % 60:02}"
    return f"{minutes}:{seconds % 60:02}"


def name_of(who: str | None) -> str:
    """Return who acted, as a notice says it: without the kind of actor in front."""
    return (who or "").removeprefix("person:").removeprefix("user:").removeprefix("token:")


def _marks(alert: Alert, kind: str) -> list[str]:
    return list(dict.fromkeys(mark for mark in (_MARKS[alert.exercise], _LEADS[kind]) if mark))


def _what(alert: Alert, text: str, kind: str) -> str:
    if not text or kind not in ("correction", "help"):
        return alert.text
    return text if kind == "correction" else _join(text, alert.text)


def _how_long(alert: Alert, now: datetime) -> str:
    if alert.momentary:
        return ""
    if alert.is_active:
        return f"for {duration(now - alert.since)}"
    return f"over after {duration((alert.cleared_at or now) - alert.since)}"


def _more(alert: Alert, setting: Setting, kind: str) -> list[str]:
    if kind == "cancel":
        return [_ending(alert)]
    began = alert.since.astimezone(setting.zone)
    since = f"{began:%H:%M}" if setting.now - alert.since < timedelta(hours=20) else f"{began:%a %d %b %H:%M}"
    lines = [_join(f"Since {since}" if not alert.momentary else f"At {since}", _how_long(alert, setting.now))]
    if alert.is_active:
        lines[0] += ", still true"
    if setting.state != "normal":
        lines.append(f"The campus is in {setting.state.upper()}")
    if alert.late:
        lines.append("Found out late")
    if alert.on_scene_by:
        lines.append(f"On scene: {name_of(alert.on_scene_by)}")
    elif alert.acknowledged_by:
        lines.append(f"Taken by {name_of(alert.acknowledged_by)}")
    return [*lines, *(f"- {each}" for each in alert.do), *_suggested(alert, setting)]


def _suggested(alert: Alert, setting: Setting) -> list[str]:
    """Return the action that the rule suggests; not where the campus does it already."""
    if alert.srp == setting.state:
        return []
    return [f"- {line}" if number else line for number, line in enumerate(suggestion(alert.srp))]


def _evidence(alert: Alert, setting: Setting) -> list[str]:
    """Return what decided, without names: which rule, with which values, and what was heard of which thing when."""
    because = alert.because
    lines = ["", "What decided", f"Rule {alert.rule}, version {alert.rule_version}"]
    lines += [f"{name} = {value}" for name, value in _plain_values(because.get("params"))]
    lines += [
        f"{name} = {value}"
        for name, value in _plain_values(because.get("values"))
        if name.partition(".")[0] in _SHOWABLE
    ]
    for each in because.get("messages") or ():
        at, kind = each.get("at"), each.get("kind")
        if isinstance(at, str) and isinstance(kind, str):
            lines.append(f"{datetime.fromisoformat(at).astimezone(setting.zone):%H:%M:%S} {kind}")
    return [*lines, ""]


def _plain_values(found: object) -> list[tuple[str, object]]:
    if not isinstance(found, dict):
        return []
    return [(str(name), value) for name, value in found.items() if isinstance(value, str | int | float | bool)]


def _ending(alert: Alert) -> str:
    if alert.closed_by in (None, SERVICE):
        return "It is over."
    note = f": {alert.note}" if alert.note else ""
    return f"Closed as {alert.disposition} by {name_of(alert.closed_by)}{note}"


def _sms(alert: Alert, setting: Setting, kind: str, text: str, link: str | None) -> tuple[str, str]:
    title = _plain(" ".join([*_marks(alert, kind), alert.severity.upper(), alert.code]))
    tail = f"\n{link}" if link else ""
    what = _ending(alert) if kind == "cancel" else f"{_what(alert, text, kind)} {_how_long(alert, setting.now)}".strip()
    # A gateway joins the title to the body with a line break or two characters.
    room = max(SMS_LENGTH - len(title) - 2 - len(tail), len(alert.code) + _LEAST_SMS_TEXT)
    said = f"{alert.code} {what}"
    wish = f". Consider {alert.srp.upper()}" if _suggested(alert, setting) and alert.srp and kind != "cancel" else ""
    return title, _fit(said + wish if len(_plain(said + wish)) <= room else said, room) + tail


def _join(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _fit(text: str, length: int) -> str:
    plain = _plain(text)
    return plain if len(plain) <= length else plain[: length - 3].rstrip() + "..."


def _plain(text: str) -> str:
    """Return the text in the letters of a text message; any other would halve its length."""
    found: list[str] = []
    for letter in text.translate(_PLAIN):
        base = letter if letter in _GSM else unicodedata.normalize("NFKD", letter)[0]
        found.append(base if base in _GSM else "?")
    return "".join(found)
