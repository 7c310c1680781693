"""An alert's timeline, step by step, as a scenario expects it: how it opened, rose, was told and was answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from simulators.verdict import Observed, State

STATES: Final[Mapping[str, State]] = {
    "opened": "firing",
    "repeated": "firing",
    "escalated": "firing",
    "cleared": "resolved",
    "notify": "told",
    "suppressed": "quiet",
    "acknowledged": "acknowledged",
    "on_scene": "on_scene",
    "closed": "closed",
}
"""What each line of a timeline shows; the others show nothing that a scenario asks for."""
EXACT: Final = {"opened": "began_at", "repeated": "began_at", "cleared": "cleared_at"}
"""Where an alert keeps the very moment of its last opening and of its end."""
KNOWN_WITHIN: Final = timedelta(seconds=30)
"""So much later than it began the service may have written that down."""


def sightings(
    alert: Mapping[str, Any], timeline: Iterable[Mapping[str, Any]], told: frozenset[str] | None = None
) -> Iterator[Observed]:
    """Yield what became of an alert, as the API shows it and its timeline; `told` are all who were told of it.

    A line is stamped when it was written. Of the last opening and the end the alert itself knows the true moment.
    """
    severity = None
    for line in timeline:
        state = STATES.get(line["event"])
        if state is None:
            continue
        data = line["data"]
        severity = data.get("severity", severity)
        people = frozenset(data.get("people", ())) if state == "told" else told if state == "firing" else None
        yield Observed(
            rule=alert["rule"],
            key=alert["key"],
            at=_moment(alert, line["event"], datetime.fromisoformat(line["at"])),
            state=state,
            severity=severity,
            told=people,
            why=data.get("reason"),
        )


def _moment(alert: Mapping[str, Any], event: str, written: datetime) -> datetime:
    exact = alert.get(EXACT.get(event, ""))
    at = datetime.fromisoformat(exact) if exact else written
    return at if timedelta(0) <= written - at <= KNOWN_WITHIN else written
