"""The figures by which alarms are judged (EEMUA 191, ISA-18.2), of one stretch of time, from the rows themselves.

About one alert per person in ten minutes can be handled; more than ten is a flood. Exercises are counted apart.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median, quantiles
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import policies
from alerts.outbox import AttemptRow, DeliveryRow
from alerts.store import AlertRow, EventRow
from core.errors import BadInput, Problem
from core.findings import SEVERITIES

WINDOW: Final = timedelta(minutes=10)
FLOOD_ABOVE: Final = 10
FLOOD_ENDS: Final = 5
CHATTER: Final = 3
"""So many times from quiet to active within a minute is chattering."""
STALE: Final = timedelta(hours=24)
LONGEST: Final = timedelta(days=400)
_NUISANCE: Final = ("nuisance", "false")
_JUDGED: Final = ("real", *_NUISANCE)


@dataclass(frozen=True, slots=True)
class One:
    """What the figures need of one alert."""

    id: int
    campus: str
    rule: str
    key: str
    entity: str
    severity: str
    opened_at: datetime
    began_at: datetime
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    closed_at: datetime | None
    disposition: str | None
    count: int
    policy: Mapping[str, Any]

    @property
    def source(self) -> tuple[str, str, str]:
        """What keeps making alerts: campus, rule and key."""
        return (self.campus, self.rule, self.key)


async def read(session: AsyncSession, *, since: datetime, until: datetime, campus: str | None = None) -> dict[str, Any]:
    """Return the figures of [since, until); BadInput where that is no stretch of time, or too long a one."""
    if not timedelta(0) < until - since <= LONGEST:
        raise BadInput([Problem(f"must lie after `from`, by {LONGEST.days} days at most", "to")])
    alerts, exercises = await _alerts(session, since, until, campus)
    told = await _told(session, since, until, campus)
    spells = await _spells(session, since, until, campus)
    return {
        "from": since,
        "to": until,
        "campus": campus,
        "alerts": len(alerts),
        "exercises": exercises,
        "mix": _mix(alerts),
        "people": _people(told, since, until),
        "floods": _floods(told),
        "top_sources": _top(alerts),
        "chattering": _chattering(spells),
        "stale": _stale(alerts, until),
        "acknowledgement": _acknowledgement(alerts),
        "delivery": await _delivery(session, since, until, campus),
        "nuisance": {"by_rule": _nuisance(alerts, "rule"), "by_door": _nuisance(alerts, "door")},
    }


async def _alerts(
    session: AsyncSession, since: datetime, until: datetime, campus: str | None
) -> tuple[list[One], dict[str, int]]:
    columns = [getattr(AlertRow, name) for name in One.__dataclass_fields__]
    query = select(AlertRow.exercise, *columns).where(AlertRow.opened_at >= since, AlertRow.opened_at < until)
    if campus:
        query = query.where(AlertRow.campus == campus)
    found = (await session.execute(query.order_by(AlertRow.id))).all()
    apart = Counter(row[0] for row in found if row[0] != "live")
    return [One(*row[1:]) for row in found if row[0] == "live"], dict(apart)


async def _told(
    session: AsyncSession, since: datetime, until: datetime, campus: str | None
) -> dict[tuple[str, str], list[datetime]]:
    """Return when each person was first told of each live alert, in order."""
    first = func.min(DeliveryRow.created_at)
    query = (
        select(DeliveryRow.campus, DeliveryRow.person, first)
        .join(AlertRow, AlertRow.id == DeliveryRow.alert)
        .where(AlertRow.exercise == "live", DeliveryRow.kind == "alert")
        .where(DeliveryRow.created_at >= since, DeliveryRow.created_at < until)
        .group_by(DeliveryRow.campus, DeliveryRow.person, DeliveryRow.alert)
        .order_by(first)
    )
    if campus:
        query = query.where(DeliveryRow.campus == campus)
    found: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for place, person, at in await session.execute(query):
        found[place, person].append(at)
    return found


async def _spells(
    session: AsyncSession, since: datetime, until: datetime, campus: str | None
) -> dict[tuple[str, str, str], list[datetime]]:
    """Return when each source became active, in order."""
    query = (
        select(AlertRow.campus, AlertRow.rule, AlertRow.key, EventRow.at, EventRow.event, EventRow.data)
        .join(AlertRow, AlertRow.id == EventRow.alert)
        .where(AlertRow.exercise == "live", EventRow.event.in_(("opened", "repeated")))
        .where(EventRow.at >= since, EventRow.at < until)
        .order_by(EventRow.id)
    )
    if campus:
        query = query.where(AlertRow.campus == campus)
    found: dict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    openings: dict[tuple[str, str, str], int] = {}
    for place, rule, key, at, event, data in await session.execute(query):
        source = (place, rule, key)
        opening = 1 if event == "opened" else int(data.get("opening", 1))
        # Found again while it still holds is the same spell.
        if event == "opened" or opening != openings.get(source, 1):
            found[source].append(at)
        openings[source] = opening
    return found


async def _delivery(
    session: AsyncSession, since: datetime, until: datetime, campus: str | None
) -> list[dict[str, Any]]:
    query = (
        select(DeliveryRow.via, AttemptRow.outcome, func.count())
        .join(AttemptRow, AttemptRow.delivery == DeliveryRow.id)
        .where(AttemptRow.at >= since, AttemptRow.at < until)
        .group_by(DeliveryRow.via, AttemptRow.outcome)
    )
    if campus:
        query = query.where(DeliveryRow.campus == campus)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for via, outcome, count in await session.execute(query):
        found[via][outcome] += count
    return [
        {
            "via": via,
            "attempts": counts.total(),
            **{state: counts[state] for state in ("accepted", "unknown", "failed", "refused")},
            "success": _share(counts["accepted"], counts.total()),
        }
        for via, counts in sorted(found.items())
    ]


def _mix(alerts: Sequence[One]) -> list[dict[str, Any]]:
    counts = Counter(alert.severity for alert in alerts)
    return [
        {"severity": severity, "alerts": counts[severity], "share": _share(counts[severity], len(alerts))}
        for severity in reversed(SEVERITIES)
    ]


def _people(
    told: Mapping[tuple[str, str], Sequence[datetime]], since: datetime, until: datetime
) -> list[dict[str, Any]]:
    windows = max((until - since) / WINDOW, 1.0)
    return [
        {
            "campus": campus,
            "person": person,
            "alerts": len(moments),
            "per_10_min": round(len(moments) / windows, 4),
            "most_in_10_min": max(count for _, count in _rolling(moments)),
        }
        for (campus, person), moments in sorted(told.items())
    ]


def _floods(told: Mapping[tuple[str, str], Sequence[datetime]]) -> list[dict[str, Any]]:
    return [
        {"campus": campus, "person": person, **flood}
        for (campus, person), moments in sorted(told.items())
        for flood in floods(moments)
    ]


def floods(moments: Sequence[datetime]) -> list[dict[str, Any]]:
    """Return the floods in a person's alerts: from the one too many in ten minutes, until fewer than five are left."""
    found: list[dict[str, Any]] = []
    flood: dict[str, Any] | None = None
    edges = sorted({*moments, *(at + WINDOW for at in moments)})
    for now in edges:
        count = bisect_right(moments, now) - bisect_right(moments, now - WINDOW)
        if flood is None and count > FLOOD_ABOVE:
            flood = {"began_at": now, "ended_at": None, "most_in_10_min": count}
            found.append(flood)
        elif flood is not None:
            flood["most_in_10_min"] = max(flood["most_in_10_min"], count)
            if count < FLOOD_ENDS:
                flood["ended_at"], flood = now, None
    return found


def _rolling(moments: Sequence[datetime]) -> Iterable[tuple[datetime, int]]:
    """Yield how many there were in the ten minutes up to each moment."""
    first = 0
    for number, now in enumerate(moments):
        while moments[first] <= now - WINDOW:
            first += 1
        yield now, number - first + 1


def _top(alerts: Sequence[One]) -> list[dict[str, Any]]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for alert in alerts:
        counts[alert.source] += 1
    return [
        {"campus": campus, "rule": rule, "key": key, "alerts": count, "share": _share(count, len(alerts))}
        for (campus, rule, key), count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:10]
    ]


def _chattering(spells: Mapping[tuple[str, str, str], Sequence[datetime]]) -> list[dict[str, Any]]:
    found = []
    for (campus, rule, key), moments in sorted(spells.items()):
        times = sum(
            last - first <= timedelta(minutes=1) for first, last in zip(moments, moments[CHATTER - 1 :], strict=False)
        )
        if times:
            found.append({"campus": campus, "rule": rule, "key": key, "times": times, "shortest_s": _shortest(moments)})
    return found


def _shortest(moments: Sequence[datetime]) -> float:
    return min((later - earlier).total_seconds() for earlier, later in pairwise(moments))


def _stale(alerts: Sequence[One], until: datetime) -> list[dict[str, Any]]:
    return [
        {
            "alert": alert.id,
            "campus": alert.campus,
            "rule": alert.rule,
            "key": alert.key,
            "active_since": alert.began_at,
        }
        for alert in alerts
        if (alert.cleared_at or alert.closed_at or until) - alert.began_at > STALE
    ]


def _acknowledgement(alerts: Sequence[One]) -> list[dict[str, Any]]:
    found = []
    for severity in reversed(SEVERITIES):
        mine = [alert for alert in alerts if alert.severity == severity]
        took = [(alert, alert.acknowledged_at - alert.opened_at) for alert in mine if alert.acknowledged_at]
        seconds = sorted(span.total_seconds() for _, span in took)
        in_time = sum(span <= policies.from_plain(alert.policy).ack_target for alert, span in took)
        found.append(
            {
                "severity": severity,
                "alerts": len(mine),
                "acknowledged": len(took),
                "median_s": median(seconds) if seconds else None,
                "p95_s": quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else _only(seconds),
                "in_target": in_time,
                "share_in_target": _share(in_time, len(mine)),
            }
        )
    return found


def _only(values: Sequence[float]) -> float | None:
    return values[0] if values else None


def _nuisance(alerts: Sequence[One], by: str) -> list[dict[str, Any]]:
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for alert in alerts:
        if alert.disposition in _JUDGED and (by == "rule" or alert.entity == "door"):
            counts[alert.campus, alert.rule if by == "rule" else alert.key][alert.disposition] += 1
    return [
        {
            "campus": campus,
            by: name,
            "judged": count.total(),
            "nuisance": sum(count[each] for each in _NUISANCE),
            "share": _share(sum(count[each] for each in _NUISANCE), count.total()),
        }
        for (campus, name), count in sorted(counts.items())
    ]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
