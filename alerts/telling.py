"""Putting notices into the outbox: in which lane, when, and whether somebody is told too much already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from alerts import policies
from alerts.alert import SERVICE, Alert, rank
from alerts.book import Book, Entry
from alerts.duty import Recipient
from alerts.flood import BEGINS_ABOVE, DIGEST
from alerts.outbox import Lane, NoticeKind
from alerts.policies import Policy
from alerts.suppression import zone_of
from core.errors import BadInput
from core.findings import Severity

_log = structlog.get_logger(__name__)
LANES: Final[dict[Severity, Lane]] = {
    "extreme": "critical",
    "severe": "critical",
    "moderate": "normal",
    "minor": "bulk",
}
_MSG_TYPES: Final = {
    "alert": "Alert",
    "reminder": "Update",
    "help": "Update",
    "cancel": "Cancel",
    "correction": "Update",
    "test": "Alert",
}


def tell(
    book: Book,
    entry: Entry,
    recipients: Sequence[Recipient],
    *,
    step: int = 0,
    kind: NoticeKind = "alert",
    until: str = "always",
    text: str = "",
    at: datetime | None = None,
    generation: int | None = None,
) -> None:
    """Put one notice for each recipient into the outbox; at most one per endpoint, step and round.

    Whoever is in a flood gets what is not grave in a digest.
    """
    alert, policy = entry.alert, policy_of(entry.alert)
    digested = _attend(book, entry, recipients) if kind == "alert" else frozenset()
    for each in recipients:
        is_digested = each.person in digested
        due = max(at or book.now, book.now + DIGEST) if is_digested else at or book.now
        entry.posts.append(
            {
                "campus": alert.campus,
                "generation": alert.generation if generation is None else generation,
                "step": step,
                "tier": each.tier,
                "person": each.person,
                "endpoint": each.endpoint,
                "via": each.via,
                "lane": "bulk" if is_digested else LANES[alert.severity],
                "kind": kind,
                "priority": rank(alert.severity),
                "until": until,
                "msg_type": _MSG_TYPES[kind],
                "company": _company(book, alert, is_digested) if kind == "alert" else "",
                "text": text,
                "state": "pending",
                "due_at": due,
                "expires_at": due + max(policy.expires, timedelta(minutes=1)),
                "attempts": 0,
                "reason": "",
                "created_at": book.now,
            }
        )


def is_grave(alert: Alert) -> bool:
    """Return whether an alert waits for nothing: neither for company nor for the morning, nor in a flood."""
    return LANES[alert.severity] == "critical"


def policy_of(alert: Alert) -> Policy:
    """Return the policy as it was when the alert opened; where that cannot be read any more, what ships stands in."""
    try:
        return policies.from_plain(alert.policy)
    except BadInput as error:
        _log.warning("policy_unreadable", alert=alert.id, problem=str(error))
        return policies.default_policies()[alert.severity]


def _company(book: Book, alert: Alert, is_digested: bool) -> str:
    """Return with what an alert may come as one notice: what is moderate by rule and zone; a digest holds all."""
    if is_digested or LANES[alert.severity] == "bulk":
        return "digest"
    if is_grave(alert):
        return ""
    zone = zone_of(alert, book.campuses.get(alert.campus)) or ""
    return f"{alert.exercise} {alert.group or alert.rule} {zone}"


def _attend(book: Book, entry: Entry, recipients: Sequence[Recipient]) -> frozenset[str]:
    """Count the alert for the people it reaches; return those who get it in a digest.

    An exercise is not counted: it must not delay what is live.
    """
    people = dict.fromkeys(each.person for each in recipients)
    for person in people:
        if entry.alert.exercise == "live" and book.attend(entry.alert, person):
            detail: dict[str, Any] = {"person": person, "campus": entry.alert.campus}
            text = f"More than {BEGINS_ABOVE} alerts in ten minutes: {person} gets what is not grave in digests"
            entry.event("flood", text, at=book.now, **detail)
            entry.deed(SERVICE, "flood.begin", **detail)
    if is_grave(entry.alert):
        return frozenset()
    flooded = [person for person in people if book.load_of(entry.alert.campus, person).is_flooded(book.now)]
    if flooded:
        entry.event("digest", f"In a flood: {', '.join(flooded)} get it in a digest", at=book.now, people=flooded)
    return frozenset(flooded)
