"""The figures by which alarms are judged (EEMUA 191, ISA-18.2), of one stretch of time, from the rows themselves.

About one alert per person in ten minutes can be handled; more than ten is a flood. Exercises are counted apart.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median, quantiles
from typing import Any, Final

from sqlalchemy import Text, func, select, tuple_, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import policies
from alerts.flood import ENDS_BELOW, SPAN
from alerts.outbox import AttemptRow, DeliveryRow
from alerts.store import AlertRow, EventRow
from core.database import Json
from core.errors import BadInput, Problem
from core.findings import SEVERITIES

LONGEST: Final = timedelta(days=400)
Source = tuple[str, str, str]
"""What keeps making alerts: campus, rule and key."""
Person = tuple[str, str]
"""Campus and person."""
_NUISANCE: Final = ("nuisance", "false")
_CHATTERS: Final = type_coerce(EventRow.data, Json)["chattering"].as_boolean()
_OPENING: Final = type_coerce(EventRow.data, Json)["opening"].as_integer()
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
    acknowledged_at: datetime | None
    closed_at: datetime | None
    disposition: str | None
    count: int
    policy: str
    """As it is stored: few policies stand behind many alerts, and each is read once."""

    @property
    def source(self) -> Source:
        """What keeps making alerts: campus, rule and key."""
        return (self.campus, self.rule, self.key)


async def read(session: AsyncSession, *, since: datetime, until: datetime, campus: str | None = None) -> dict[str, Any]:
    """Return the figures of [since, until); BadInput where that is no stretch of time, or too long a one."""
    if not timedelta(0) < until - since <= LONGEST:
        raise BadInput([Problem(f"must lie after `from`, by {LONGEST.days} days at most", "to")])
    alerts, exercises = await _alerts(session, since, until, campus)
    told = await _told(session, since, until, campus)
    spells, chatter = await _spells(session, since, until, campus)
    return {
        "from": since,
        "to": until,
        "campus": campus,
        "alerts": len(alerts),
        "exercises": exercises,
        "mix": _mix(alerts),
        "people": _people(told, since, until),
        "floods": await floods(session, since, until, campus),
        "top_sources": _top(alerts),
        "chattering": _chattering(spells, chatter),
        "stale": await _stale(session, since, until, campus),
        "acknowledgement": _acknowledgement(alerts),
        "delivery": await _delivery(session, since, until, campus),
        "nuisance": {"by_rule": _nuisance(alerts, "rule"), "by_door": _nuisance(alerts, "door")},
    }


async def _alerts(
    session: AsyncSession, since: datetime, until: datetime, campus: str | None
) -> tuple[list[One], dict[str, int]]:
    columns = [getattr(AlertRow, name) for name in One.__dataclass_fields__ if name != "policy"]
    columns.append(AlertRow.policy.cast(Text))
    query = select(AlertRow.exercise, *columns).where(AlertRow.opened_at >= since, AlertRow.opened_at < until)
    if campus:
        query = query.where(AlertRow.campus == campus)
    found = (await session.execute(query.order_by(AlertRow.id))).all()
    apart = Counter(row[0] for row in found if row[0] != "live")
    return [One(*row[1:]) for row in found if row[0] == "live"], dict(apart)


async def _told(
    session: AsyncSession, since: datetime, until: datetime, campus: str | None
) -> dict[Person, list[datetime]]:
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
) -> tuple[dict[Source, list[datetime]], Counter[Source]]:
    """Return when each source became active, in order, and how often the desk found that to be chatter."""
    query = (
        select(AlertRow.campus, AlertRow.rule, AlertRow.key, EventRow.at, EventRow.event)
        # Two words out of each line: to decode the whole of it costs several times what the rest does.
        .add_columns(_CHATTERS, _OPENING)
        .join(AlertRow, AlertRow.id == EventRow.alert)
        .where(AlertRow.exercise == "live", EventRow.event.in_(("opened", "repeated")))
        .where(EventRow.at >= since, EventRow.at < until)
        .order_by(EventRow.id)
    )
    if campus:
        query = query.where(AlertRow.campus == campus)
    found: dict[Source, list[datetime]] = defaultdict(list)
    chatter: Counter[Source] = Counter()
    openings: dict[Source, int] = {}
    for place, rule, key, at, event, chatters, numbered in await session.execute(query):
        source = (place, rule, key)
        chatter[source] += bool(chatters)
        opening = 1 if event == "opened" else numbered or 1
        # Found again while it still holds is the same spell.
        if event == "opened" or opening != openings.get(source, 1):
            found[source].append(at)
        openings[source] = opening
    return found, chatter


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
    windows = max((until - since) / SPAN, 1.0)
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


async def floods(session: AsyncSession, since: datetime, until: datetime, campus: str | None) -> list[dict[str, Any]]:
    """Return the floods that the desk saw begin, each with its end and its height; none of an exercise."""
    query = (
        select(EventRow.at, EventRow.data)
        .join(AlertRow, AlertRow.id == EventRow.alert)
        .where(AlertRow.exercise == "live", EventRow.event == "flood", EventRow.at >= since, EventRow.at < until)
    )
    began = [(data["campus"], data["person"], at) for at, data in await session.execute(query.order_by(EventRow.id))]
    began = [each for each in began if campus in (None, each[0])]
    reached = await _reached(session, since, until, {each[:2] for each in began})
    return [
        {"campus": place, "person": person, **flood(at, reached[place, person], until)}
        for place, person, at in sorted(began)
    ]


async def _reached(
    session: AsyncSession, since: datetime, until: datetime, people: Collection[Person]
) -> dict[Person, list[datetime]]:
    """Return when something new reached each of these people, as the desk counts it: the same again counts once."""
    query = (
        select(DeliveryRow.campus, DeliveryRow.person, AlertRow.rule, AlertRow.key, DeliveryRow.created_at)
        .join(AlertRow, AlertRow.id == DeliveryRow.alert)
        .where(AlertRow.exercise == "live", DeliveryRow.kind == "alert")
        .where(DeliveryRow.created_at > since - SPAN, DeliveryRow.created_at < until)
        .where(tuple_(DeliveryRow.campus, DeliveryRow.person).in_(people))
        .order_by(DeliveryRow.created_at)
    )
    found: dict[Person, list[datetime]] = defaultdict(list)
    latest: dict[tuple[str, ...], datetime] = {}
    for place, person, rule, key, at in await session.execute(query) if people else ():
        before = latest.get((place, person, rule, key))
        if before is None or before <= at - SPAN:
            latest[place, person, rule, key] = at
            found[place, person].append(at)
    return found


def flood(began: datetime, moments: Sequence[datetime], until: datetime) -> dict[str, Any]:
    """Return a flood that began at an instant: until fewer than five have reached the person in ten minutes."""
    most = 0
    for now in sorted({began, *moments, *(at + SPAN for at in moments)}):
        if now < began or now >= until:
            continue
        count = bisect_right(moments, now) - bisect_right(moments, now - SPAN)
        most = max(most, count)
        if count < ENDS_BELOW:
            return {"began_at": began, "ended_at": now, "most_in_10_min": most}
    return {"began_at": began, "ended_at": None, "most_in_10_min": most}


def _rolling(moments: Sequence[datetime]) -> Iterable[tuple[datetime, int]]:
    """Yield how many there were in the ten minutes up to each moment."""
    first = 0
    for number, now in enumerate(moments):
        while moments[first] <= now - SPAN:
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


def _chattering(spells: Mapping[Source, Sequence[datetime]], chatter: Mapping[Source, int]) -> list[dict[str, Any]]:
    return [
        {"campus": campus, "rule": rule, "key": key, "times": times, "shortest_s": _shortest(spells[campus, rule, key])}
        for (campus, rule, key), times in sorted(chatter.items())
        if times
    ]


def _shortest(moments: Sequence[datetime]) -> float:
    return min(((later - earlier).total_seconds() for earlier, later in pairwise(moments)), default=0.0)


async def _stale(session: AsyncSession, since: datetime, until: datetime, campus: str | None) -> list[dict[str, Any]]:
    """Return the alerts that the desk found to have been true for too long, in this stretch of time."""
    query = (
        select(AlertRow.id, AlertRow.campus, AlertRow.rule, AlertRow.key, EventRow.data)
        .join(AlertRow, AlertRow.id == EventRow.alert)
        .where(AlertRow.exercise == "live", EventRow.event == "stale", EventRow.at >= since, EventRow.at < until)
        .order_by(EventRow.id)
    )
    if campus:
        query = query.where(AlertRow.campus == campus)
    return [
        {"alert": number, "campus": place, "rule": rule, "key": key, "active_since": _instant(data["since"])}
        for number, place, rule, key, data in await session.execute(query)
    ]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _acknowledgement(alerts: Sequence[One]) -> list[dict[str, Any]]:
    found = []
    for severity in reversed(SEVERITIES):
        mine = [alert for alert in alerts if alert.severity == severity]
        took = [(alert, alert.acknowledged_at - alert.opened_at) for alert in mine if alert.acknowledged_at]
        seconds = sorted(span.total_seconds() for _, span in took)
        in_time = sum(span <= policies.read_kept(alert.policy).ack_target for alert, span in took)
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
