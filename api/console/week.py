"""The weekly security assessment as a page that is printed: each figure beside that of the week before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from alerts.week_report import Count, Report, Response, Value
from api.console.render import clock_time, duration
from core.campus import Campus

MOST: Final = 12
"""Lines of a list that a printed page has room for; the sheet has them all."""
_WORDS: Final = {
    "real": "Real",
    "nuisance": "Real, but no danger",
    "false": "False alarms",
    "drill": "Drills",
    "test": "Tests",
    "unknown": "Nobody knows",
    "open": "Not closed yet",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, in words, of the week and of the week before."""

    name: str
    week: str
    before: str


@dataclass(frozen=True, slots=True)
class Section:
    """Figures that belong together, and what is to be said beside them."""

    title: str
    figures: Sequence[Figure] = ()
    lines: Sequence[str] = ()
    none: str = "None in either week."


@dataclass(frozen=True, slots=True)
class Assessment:
    """The page."""

    name: str
    span: str
    is_over: bool
    monday: date
    earlier: date
    later: date | None
    """The Monday of the week after, if it has begun."""
    sections: Sequence[Section]


def tell(report: Report, campus: Campus, now: datetime) -> Assessment:
    """Return a report in words, in the order in which administrators ask."""
    return Assessment(
        name=report.name,
        span=f"{_day(report.monday)} to {_day(report.sunday)}",
        is_over=report.is_over,
        monday=report.monday,
        earlier=report.monday - timedelta(weeks=1),
        later=report.monday + timedelta(weeks=1) if report.is_over else None,
        sections=list(_sections(report, campus, now)),
    )


def _sections(report: Report, campus: Campus, now: datetime) -> Iterable[Section]:
    propped = report.propped
    yield Section(
        "Doors propped open",
        [
            _count("Times", propped.times),
            _length("Half were closed within", propped.median_s),
            _length("Nine of ten were closed within", propped.p90_s),
            _count("Not closed when the week ended", propped.still_open),
        ],
    )
    yield Section("Visitors", [_count("Stayed past their time", report.overstays)])
    yield Section("Response", [each for line in report.responses for each in _response(line)])
    yield Section("Drills and exercises", [_count("Done", report.drills_done)], list(_drills(report, campus, now)))
    yield Section("The ten doors with the most alerts", [_count(each.name, each.alerts) for each in report.doors])
    yield Section("Alerts", [_count("All of them", report.alerts), *_by_rule(report)])
    yield Section(
        "What they were",
        [
            *(_count(_WORDS.get(each.disposition, each.disposition), each.alerts) for each in report.dispositions),
            _share("Nuisance, of those that somebody judged", report.nuisance),
        ],
    )
    yield from _reach(report, campus, now)


def _response(line: Response) -> Iterable[Figure]:
    severity = line.severity.capitalize()
    if not line.alerts.week and not line.alerts.before:
        return
    target = duration(timedelta(seconds=line.target_s))
    yield _count(f"{severity} alerts", line.alerts)
    yield _length(f"{severity}: half were taken within", line.median_s)
    yield _length(f"{severity}: nine of ten were taken within", line.p90_s)
    yield _share(f"{severity}: taken within the target ({target})", line.in_target)
    if line.on_scene_target_s is not None:
        yield _length(f"{severity}: half had somebody on the scene within", line.on_scene_median_s)
        yield _share(f"{severity}: somebody on the scene within the target", line.on_scene_in_target)


def _drills(report: Report, campus: Campus, now: datetime) -> Iterable[str]:
    for each in report.drills[:MOST]:
        why = f": {each.reason}" if each.reason else ""
        yield f"{clock_time(each.at, campus.zone_info, now)}, {each.what}, by {each.by}{why}"


def _by_rule(report: Report) -> Iterable[Figure]:
    return (_count(f"{each.title} ({each.severity})", each.alerts) for each in report.rules[:MOST])


def _reach(report: Report, campus: Campus, now: datetime) -> Iterable[Section]:
    zone = campus.zone_info
    gaps = [f"{clock_time(each.began_at, zone, now)}: {each.text}" for each in report.gaps[:MOST]]
    floods = [
        f"{clock_time(each.began_at, zone, now)}: {_person(campus, each.person)}, {each.most_in_10_min} in ten minutes"
        for each in report.floods[:MOST]
    ]
    failed = [
        f"{_person(campus, each.person)}, {each.via} ({each.endpoint}): {each.notices.week}; {each.reason}"
        for each in report.failed[:MOST]
    ]
    figures = [
        _count("Times when nobody could be told", report.gaps_begun),
        _count("Floods: one person told too much", report.floods_begun),
        _count("Notices that did not get through", report.notices_failed),
    ]
    yield Section("Whether people could be told", figures, [*gaps, *floods, *failed])
    left = [
        f"{each.code}, since {clock_time(each.opened_at, zone, now)}: {each.text}" for each in report.minor_open[:MOST]
    ]
    yield Section("Left open", [_count("Minor alerts", report.minors_open)], left)


def _person(campus: Campus, person: str) -> str:
    return campus.people_by_id[person].name if person in campus.people_by_id else person


def _count(name: str, found: Count) -> Figure:
    return Figure(name, str(found.week), str(found.before))


def _length(name: str, found: Value) -> Figure:
    return Figure(name, *(_seconds(each) for each in (found.week, found.before)))


def _share(name: str, found: Value) -> Figure:
    return Figure(name, *(_percent(each) for each in (found.week, found.before)))


def _seconds(value: float | None) -> str:
    return "nothing to measure" if value is None else duration(timedelta(seconds=value))


def _percent(value: float | None) -> str:
    return "nothing to measure" if value is None else f"{100 * value:.0f} %"


def _day(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B %Y}"
