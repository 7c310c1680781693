"""The evidence pack: all that is known of one alert in one file, for whoever has to judge it afterwards.

A readable summary, the same for machines, the messages of others (CAP), and the hash of each file. The redacted copy
names nobody: people become numbers, free words are withheld.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import cap, links, outbox, plan_picture, reach, shapes, srp, store, telling
from alerts.alert import Alert
from alerts.notices import duration
from alerts.redaction import redact
from core import audit, journal
from core.audit import AuditRow
from core.campus import Campus

_STAMP: Final = (1980, 1, 1, 0, 0, 0)
"""The time in the archive: the same record gives the same bytes."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What belongs to one alert, as plain values."""

    alert: Alert
    campus: Campus | None
    now: datetime
    timeline: Sequence[cap.Line]
    data: dict[str, Any]
    """Alert, timeline, deliveries, reach, rule, messages and audit, as JSON."""


async def gather(
    session: AsyncSession,
    number: int,
    *,
    campus: Campus | None,
    now: datetime,
    rule: Mapping[str, Any] | None = None,
) -> Record:
    """Return all that is stored about an alert. The `rule` as it was comes from those who keep rules."""
    alert = await store.get(session, number)
    events = await store.timeline(session, number)
    rows = await outbox.of_alerts(session, [number])
    attempts = await outbox.attempts_of(session, [row.id for row in rows])
    sent = await links.of_alert(session, number)
    deeds = await audit.find(session, subject=f"alert:{number}", limit=1000)
    lines = reach.board(alert, rows, attempts, sent, telling.policy_of(alert), campus, now)
    data = {
        "alert": shapes.as_json(alert),
        "policy": alert.policy,
        "rule": dict(rule) if rule else None,
        "messages": await _heard(session, alert),
        "timeline": [shapes.event_json(event) for event in events],
        "deliveries": shapes.deliveries_json(rows, attempts),
        "reach": [shapes.reach_json(line) for line in lines],
        "audit": [_deed(row) for row in reversed(deeds)],
    }
    lines_of = [cap.line_of(event) for event in events]
    return Record(alert=alert, campus=campus, now=now, timeline=lines_of, data=data)


def pack(record: Record, *, redacted: bool = False) -> bytes:
    """Return the pack as a zip file."""
    data = redact(record.data, record.campus) if redacted else record.data
    files = {"summary.txt": _summary(record, data, redacted=redacted).encode(), "record.json": _json(data)}
    if not redacted:
        messages = cap.series(record.alert, record.timeline)
        for message in messages:
            name = f"cap/{message.number:03}-{message.kind.lower()}.xml"
            files[name] = cap.write(record.alert, message, messages[: message.number - 1], record.campus)
    picture = plan_picture.picture_for(record.alert, record.campus)
    if picture is not None:
        files["plan.png"] = picture
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    files["manifest.json"] = _json({"alert": record.alert.id, "redacted": redacted, "sha256": hashes})
    return _zip(files)


async def _heard(session: AsyncSession, alert: Alert) -> list[dict[str, Any]]:
    """Return the messages that decided, whole, as far as they are still kept."""
    found: list[dict[str, Any]] = []
    for each in alert.because.get("messages") or ():
        if not (isinstance(each.get("at"), str) and each.get("kind") and each.get("key")):
            continue
        at = datetime.fromisoformat(each["at"])
        rows = await journal.find(
            session,
            campus=alert.campus,
            kind=each["kind"],
            key=each["key"],
            since=at,
            until=at + timedelta(microseconds=1),
        )
        for row in rows:
            message = journal.read(row)
            if message.message_id == each.get("message_id"):
                said = {"id": row.id, "message_id": message.message_id, "kind": message.kind, "key": message.key}
                times = {"at": shapes.moment(message.at), "received_at": shapes.moment(message.received_at)}
                found.append(said | times | {"exercise": message.exercise, "body": message.body()})
    return found


def _deed(row: AuditRow) -> dict[str, Any]:
    said = audit.digest(row.previous, row.at, row.actor, row.action, row.subject, row.detail)
    return {
        "id": row.id,
        "at": shapes.moment(row.at),
        "actor": row.actor,
        "action": row.action,
        "detail": msgspec.json.decode(row.detail),
        "previous": row.previous,
        "hash": row.hash,
        "fits": said == row.hash,
    }


def _summary(record: Record, data: Mapping[str, Any], *, redacted: bool) -> str:
    alert, said = record.alert, data["alert"]
    zone = record.campus.zone_info if record.campus else None
    name = record.campus.campus.name if record.campus else alert.campus

    def at(text: str | None) -> str:
        return datetime.fromisoformat(text).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z") if text else "-"

    end = alert.cleared_at or alert.closed_at
    lines = [
        f"Alert {alert.code} (number {alert.id}) at {name}",
        *(["REDACTED COPY: people are numbered, free words are withheld"] if redacted else []),
        *([f"{alert.exercise.upper()}: nothing has happened"] if alert.exercise != "live" else []),
        "",
        f"{said['severity'].upper()}: {said['text']}",
        f"Rule {alert.rule}, version {alert.rule_version}: {alert.title}",
        *srp.suggestion(alert.srp),
        "",
        f"Since      {at(said['since'])}",
        f"Opened     {at(said['opened_at'])}",
        f"Cleared    {at(said['cleared_at'])}" + (f" after {duration(end - alert.since)}" if end else ""),
        f"Taken by   {said['acknowledged_by'] or 'nobody'}, {at(said['acknowledged_at'])}",
        f"On scene   {said['on_scene_by'] or 'nobody'}, {at(said['on_scene_at'])}",
        f"Closed     {at(said['closed_at'])}, {said['disposition'] or 'open'}, {said['closed_by'] or '-'}",
        *([f"Not told because: {said['suppressed']}"] if said["suppressed"] else []),
        *_chapter(
            "What happened", (f"{at(each['at'])}  {each['event']:<13} {each['text']}" for each in data["timeline"])
        ),
        *_chapter("Who was reached", (f"{each['name']:<24} {each['words']}" for each in data["reach"])),
        *_chapter("What was sent", (_sent(each, at) for each in data["deliveries"])),
        *_chapter("The record", (f"{at(each['at'])}  {each['actor']}: {each['action']}" for each in data["audit"])),
        "",
        f"The last row of the record has the hash {data['audit'][-1]['hash']}" if data["audit"] else "",
        f"Written {record.now.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}. record.json holds all of it for machines.",
    ]
    return "\n".join(lines) + "\n"


def _chapter(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return ["", title, "-" * len(title), *(found or ["nothing"])]


def _sent(delivery: Mapping[str, Any], at: Any) -> str:
    tries = ", ".join(f"{at(each['at'])} {each['outcome']}" for each in delivery["attempts"])
    why = f" ({delivery['reason']})" if delivery["reason"] else ""
    what = f"{delivery['person']:<16} {delivery['via']:<6} {delivery['kind']:<10} {delivery['state']}{why}"
    return f"{what}; {tries or 'not tried'}"


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _zip(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _STAMP), content, zipfile.ZIP_DEFLATED)
    return written.getvalue()
