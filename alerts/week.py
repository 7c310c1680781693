"""A campus's week, Monday to Sunday by its own clock: what administrators look at, beside the week before.

Live alerts alone are counted; what was a drill or a test stands apart. Everything is worked out from the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median, quantiles
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import policies, week_rows
from alerts.alert import DISPOSITIONS, rank
from alerts.policies import Policy
from alerts.week_report import (
    Count,
    DispositionLine,
    DoorLine,
    Drill,
    FailedLine,
    Flood,
    Gap,
    OpenAlert,
    Propped,
    Report,
    Response,
    RuleLine,
    Value,
)
from alerts.week_rows import Failure, One, Raw
from core.calendar import local_instant
from core.campus import Campus
from core.errors import BadInput, Problem
from core.findings import SEVERITIES, Severity

PROPPED: Final = ("door-propped",)
OVERSTAYS: Final = ("visitor-overstay", "visitor-long-stay")
TOP: Final = 10
EARLIEST: Final = date(2000, 1, 10)
_JUDGED: Final = ("real", "nuisance", "false")
_NUISANCE: Final = ("nuisance", "false")


def monday_of(day: date) -> date:
    """Return the Monday of the week of a day."""
    return day - timedelta(days=day.weekday())


def last_whole(campus: Campus, now: datetime) -> date:
    """Return the Monday of the last week that is over on a campus."""
    return monday_of(now.astimezone(campus.zone_info).date()) - timedelta(weeks=1)


async def read(session: AsyncSession, campus: Campus, of: date, now: datetime) -> Report:
    """Return the report of the week in which a day lies; BadInput where that week has not begun, or is long past."""
    if not EARLIEST <= of <= now.astimezone(campus.zone_info).date() + timedelta(days=6):
        raise BadInput([Problem(f"must lie between {EARLIEST} and today", "of")])
    monday = monday_of(of)
    begins = local_instant(monday, 0, campus.zone_info)
    if begins > now:
        raise BadInput([Problem(f"the week of {monday} has not begun", "of")])
    ends = local_instant(monday + timedelta(weeks=1), 0, campus.zone_info)
    earlier = local_instant(monday - timedelta(weeks=1), 0, campus.zone_info)
    raw = await week_rows.read(session, campus.id, earlier, begins, ends)
    return _worked_out(campus, monday, raw, _Weeks(earlier, begins, ends), now)


@dataclass(frozen=True, slots=True)
class _Weeks:
    """The two weeks side by side: their three edges."""

    earlier: datetime
    begins: datetime
    ends: datetime

    def count(self, moments: Iterable[datetime]) -> Count:
        """Return how many of these instants lie in either week."""
        found = Counter(at >= self.begins for at in moments if self.earlier <= at < self.ends)
        return Count(found[True], found[False])

    def has(self, at: datetime) -> bool:
        """Return whether an instant lies in the week itself."""
        return self.begins <= at < self.ends

    def value(self, alerts: Sequence[One], figure: Callable[[list[One]], float | None]) -> Value:
        """Return a figure of the alerts of either week."""
        return Value(
            figure([each for each in alerts if self.has(each.opened_at)]),
            figure([each for each in alerts if each.opened_at < self.begins]),
        )


def _worked_out(campus: Campus, monday: date, raw: Raw, weeks: _Weeks, now: datetime) -> Report:
    live = [each for each in raw.alerts if each.exercise == "live"]
    judged = [each for each in live if each.disposition in _JUDGED]
    return Report(
        campus=campus.id,
        name=campus.campus.name,
        monday=monday,
        sunday=monday + timedelta(days=6),
        begins_at=weeks.begins,
        ends_at=weeks.ends,
        is_over=now >= weeks.ends,
        alerts=_alerts(weeks, live),
        rules=tuple(_rules(weeks, live)),
        responses=tuple(_responses(campus, weeks, live)),
        propped=_propped(weeks, [each for each in live if each.rule in PROPPED]),
        doors=tuple(_doors(campus, weeks, live)),
        overstays=_alerts(weeks, [each for each in live if each.rule in OVERSTAYS]),
        dispositions=tuple(_dispositions(weeks, live)),
        judged=_alerts(weeks, judged),
        nuisance=weeks.value(judged, _nuisance),
        drills=tuple(Drill(*each) for each in raw.drills if weeks.has(each[0])),
        drills_done=weeks.count(each[0] for each in raw.drills),
        exercise_alerts=_alerts(weeks, [each for each in raw.alerts if each.exercise != "live"]),
        minor_open=tuple(_open_at_the_end(weeks, raw.minors)),
        minors_open=Count(*(_open_at(raw.minors, edge) for edge in (weeks.ends, weeks.begins))),
        floods=tuple(Flood(**each) for each in raw.floods if weeks.has(each["began_at"])),
        floods_begun=weeks.count(each["began_at"] for each in raw.floods),
        gaps=tuple(_gaps(weeks, live)),
        gaps_begun=_alerts(weeks, [each for each in live if each.rule == week_rows.GAP]),
        failed=tuple(_failed(raw.failures)),
        notices_failed=Count(*(sum(getattr(each, which) for each in raw.failures) for which in ("week", "before"))),
    )


def _alerts(weeks: _Weeks, alerts: Iterable[One]) -> Count:
    return weeks.count(each.opened_at for each in alerts)


def _rules(weeks: _Weeks, alerts: Sequence[One]) -> Iterable[RuleLine]:
    groups: dict[tuple[Severity, str], list[One]] = {}
    for each in alerts:
        groups.setdefault((each.severity, each.rule), []).append(each)
    lines = [
        RuleLine(rule, group[-1].title, severity, _alerts(weeks, group)) for (severity, rule), group in groups.items()
    ]
    return sorted(lines, key=lambda line: (-rank(line.severity), -line.alerts.week, line.rule))


def _responses(campus: Campus, weeks: _Weeks, alerts: Sequence[One]) -> Iterable[Response]:
    known = _policies(campus)
    for severity in reversed(SEVERITIES):
        mine = [each for each in alerts if each.severity == severity]
        wanted = [each for each in mine if _scene_target(each.target) is not None]
        scene = _scene_target(known[severity])
        yield Response(
            severity=severity,
            alerts=_alerts(weeks, mine),
            acknowledged=_alerts(weeks, [each for each in mine if each.taken_s is not None]),
            median_s=weeks.value(mine, lambda found: _middle(each.taken_s for each in found)),
            p90_s=weeks.value(mine, lambda found: _p90(each.taken_s for each in found)),
            target_s=known[severity].ack_target.total_seconds(),
            in_target=weeks.value(mine, lambda found: _share(found, _is_taken_in_time)),
            on_scene=_alerts(weeks, [each for each in mine if each.there_s is not None]),
            on_scene_median_s=weeks.value(mine, lambda found: _middle(each.there_s for each in found)),
            on_scene_p90_s=weeks.value(mine, lambda found: _p90(each.there_s for each in found)),
            on_scene_target_s=scene.total_seconds() if scene is not None else None,
            on_scene_in_target=weeks.value(wanted, lambda found: _share(found, _is_there_in_time)),
        )


def _policies(campus: Campus) -> Mapping[str, Policy]:
    try:
        return policies.policies_of(campus)
    except BadInput:
        return policies.default_policies()


def _scene_target(policy: Policy) -> timedelta | None:
    """Return within what time a policy wants somebody on scene: when it first asks whether nobody is."""
    return next((step.after for step in policy.steps if step.until == "on_scene"), None)


def _is_taken_in_time(alert: One) -> bool:
    return alert.taken_s is not None and alert.taken_s <= alert.target.ack_target.total_seconds()


def _is_there_in_time(alert: One) -> bool:
    target = _scene_target(alert.target)
    return target is not None and alert.there_s is not None and alert.there_s <= target.total_seconds()


def _propped(weeks: _Weeks, alerts: Sequence[One]) -> Propped:
    return Propped(
        times=_alerts(weeks, alerts),
        still_open=_alerts(weeks, [each for each in alerts if each.lasted_s is None]),
        median_s=weeks.value(alerts, lambda found: _middle(each.lasted_s for each in found)),
        p90_s=weeks.value(alerts, lambda found: _p90(each.lasted_s for each in found)),
    )


def _doors(campus: Campus, weeks: _Weeks, alerts: Sequence[One]) -> Iterable[DoorLine]:
    groups: dict[str, list[One]] = {}
    for each in alerts:
        if each.entity == "door":
            groups.setdefault(each.key, []).append(each)
    lines = [DoorLine(door, _door(campus, door), _alerts(weeks, group)) for door, group in groups.items()]
    lines = [line for line in lines if line.alerts.week]
    return sorted(lines, key=lambda line: (-line.alerts.week, line.door))[:TOP]


def _door(campus: Campus, key: str) -> str:
    door = campus.doors_by_id.get(key)
    if door is None:
        return key
    return f"Door {door.number} ({door.name})" if door.number else door.name


def _dispositions(weeks: _Weeks, alerts: Sequence[One]) -> Iterable[DispositionLine]:
    for name in (*DISPOSITIONS, None):
        count = _alerts(weeks, [each for each in alerts if each.disposition == name])
        if count.week or count.before:
            yield DispositionLine(name or "open", count)


def _nuisance(judged: list[One]) -> float | None:
    return _share(judged, lambda alert: alert.disposition in _NUISANCE)


def _open_at(minors: Sequence[One], edge: datetime) -> int:
    return sum(each.opened_at < edge and (each.closed_at is None or each.closed_at >= edge) for each in minors)


def _open_at_the_end(weeks: _Weeks, minors: Sequence[One]) -> Iterable[OpenAlert]:
    for each in minors:
        if _open_at([each], weeks.ends):
            yield OpenAlert(each.id, each.code, each.rule, each.title, each.text, each.opened_at)


def _gaps(weeks: _Weeks, alerts: Sequence[One]) -> Iterable[Gap]:
    for each in alerts:
        if each.rule == week_rows.GAP and weeks.has(each.opened_at):
            yield Gap(each.code, each.text, each.opened_at, each.cleared_at)


def _failed(failures: Sequence[Failure]) -> Iterable[FailedLine]:
    lines = [
        FailedLine(each.person, each.endpoint, each.via, Count(each.week, each.before), each.reason)
        for each in failures
        if each.week
    ]
    return sorted(lines, key=lambda line: (-line.notices.week, line.person, line.endpoint))


def _share(alerts: Sequence[One], is_so: Callable[[One], bool]) -> float | None:
    return round(sum(is_so(each) for each in alerts) / len(alerts), 4) if alerts else None


def _middle(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return median(known) if known else None


def _p90(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return quantiles(known, n=10, method="inclusive")[-1] if len(known) > 1 else _middle(known)
