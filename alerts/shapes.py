"""How alerts, their timelines and deliveries look from outside: plain JSON values, times in RFC 3339 and UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alerts.alert import Alert
from alerts.outbox import AttemptRow, DeliveryRow
from alerts.reach import Reach
from alerts.store import EventRow


def as_json(alert: Alert) -> dict[str, Any]:
    """Return an alert as lists, pages and the stream show it."""
    return {
        "id": alert.id,
        "code": alert.code,
        "campus": alert.campus,
        "rule": alert.rule,
        "rule_version": alert.rule_version,
        "key": alert.key,
        "entity": alert.entity,
        "title": alert.title,
        "text": alert.text,
        "do": alert.do,
        "srp": alert.srp,
        "severity": alert.severity,
        "state": "open" if alert.is_open else "closed",
        "condition": alert.condition,
        "latched": alert.latched,
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_at": moment(alert.acknowledged_at),
        "acknowledgers": alert.acknowledgers,
        "on_scene_by": alert.on_scene_by,
        "on_scene_at": moment(alert.on_scene_at),
        "suppressed": alert.suppressed,
        "disposition": alert.disposition,
        "note": alert.note,
        "closed_by": alert.closed_by,
        "exercise": alert.exercise,
        "late": alert.late,
        "began_at": moment(alert.began_at),
        "since": moment(alert.since),
        "opened_at": moment(alert.opened_at),
        "cleared_at": moment(alert.cleared_at),
        "closed_at": moment(alert.closed_at),
        "count": alert.count,
        "stale": alert.stale,
        "chattering": alert.chatters,
        "opening": alert.opening,
        "previous": alert.previous,
        "next_step_at": moment(alert.next_step_at),
        "noticed_at": moment(alert.noticed_at),
        "policy": alert.policy.get("id"),
        "because": alert.because,
    }


def headline(alert: Alert) -> dict[str, Any]:
    """Return an alert for every signed-in viewer's eyes: without the messages that decided, which may name people."""
    return {name: value for name, value in as_json(alert).items() if name != "because"}


def event_json(event: EventRow) -> dict[str, Any]:
    """Return one line of a timeline."""
    return {"at": moment(event.at), "event": event.event, "who": event.who, "text": event.text, "data": event.data}


def delivery_json(delivery: DeliveryRow, attempts: Sequence[AttemptRow] = ()) -> dict[str, Any]:
    """Return one delivery with its attempts; never the endpoint's URL."""
    return {
        "id": delivery.id,
        "alert": delivery.alert or None,
        "campus": delivery.campus,
        "generation": delivery.generation,
        "step": delivery.step,
        "person": delivery.person,
        "endpoint": delivery.endpoint,
        "via": delivery.via,
        "kind": delivery.kind,
        "state": delivery.state,
        "due_at": moment(delivery.due_at),
        "reason": delivery.reason,
        "attempts": [{"at": moment(each.at), "outcome": each.outcome, "detail": each.detail} for each in attempts],
    }


def deliveries_json(
    deliveries: Sequence[DeliveryRow], attempts: Mapping[int, Sequence[AttemptRow]]
) -> list[dict[str, Any]]:
    """Return deliveries, each with its attempts (see `alerts.outbox.attempts_of`)."""
    return [delivery_json(each, attempts.get(each.id, ())) for each in deliveries]


def reach_json(line: Reach) -> dict[str, Any]:
    """Return one line of the reach board."""
    return {
        "person": line.person,
        "name": line.name,
        "how": line.how,
        "told_at": moment(line.told_at),
        "via": list(line.via),
        "opened_at": moment(line.opened_at),
        "acknowledged_at": moment(line.acknowledged_at),
        "on_scene_at": moment(line.on_scene_at),
        "words": line.words,
    }


def moment(at: datetime | None) -> str | None:
    """Return an instant as RFC 3339 in UTC."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")
