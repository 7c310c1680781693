"""The figures by which alarms are judged, as pictures that can be read as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import days, figures
from api.console.frame import Frame
from api.console.record import read_day
from api.console.render import duration, several
from core.calendar import local_instant
from core.campus import Campus
from core.errors import BadInput, Problem
from core.findings import SEVERITIES

WEEK: Final = 7
MONTH: Final = 30
_LONG: Final = 62
"""A span of more days is drawn by weeks."""
_HANDLED: Final = 1.0
"""Alerts per person in ten minutes that can be handled."""
_TOO_MANY: Final = 0.5
_MOST: Final = 20
"""Rules or doors in one picture, the worst first."""


@dataclass(frozen=True, slots=True)
class Span:
    """Whole days by the campus's own clock, the last one included."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def since(self) -> datetime:
        """When the first day begins."""
        return local_instant(self.first, 0, self.zone)

    @property
    def until(self) -> datetime:
        """When the last day is over."""
        return local_instant(self.last + timedelta(days=1), 0, self.zone)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a picture."""

    label: str
    value: float
    words: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its caption, and what it means."""

    caption: str
    bars: Sequence[Bar]
    hint: str = ""
    none: str = "Nothing to show."


@dataclass(frozen=True, slots=True)
class Reports:
    """The page."""

    span: Span
    truths: Sequence[str]
    pictures: Sequence[Picture]


def span_of(frame: Frame, first: str, last: str, length: int) -> Span:
    """Return the days that somebody chose: from one to another, or the last `length` of them."""
    today = frame.now.astimezone(frame.zone).date()
    end = read_day(last, "to") if last else today
    start = read_day(first, "from") if first else end - timedelta(days=length - 1)
    if start > end:
        raise BadInput([Problem("must not lie after the last day", "from")])
    return Span(start, end, frame.zone)


async def read(session: AsyncSession, frame: Frame, span: Span) -> Reports:
    """Return the figures of a span, of the campus that was chosen or of all together."""
    campus = frame.chosen.id if frame.chosen else None
    found = await figures.read(session, since=span.since, until=span.until, campus=campus)
    by_day = await days.count(session, since=span.since, until=span.until, zone=span.zone, campus=campus)
    names = _Names({each.id: each for each in frame.campuses})
    return Reports(span, _truths(found), list(_pictures(found, by_day, names)))


@dataclass(frozen=True, slots=True)
class _Names:
    """What people call the things of their campuses."""

    campuses: Mapping[str, Campus]

    def at(self, campus: str, words: str) -> str:
        """Return words with the campus before them, where there are several."""
        site = self.campuses.get(campus)
        return f"{site.campus.name}: {words}" if site and len(self.campuses) > 1 else words

    def key(self, campus: str, key: str) -> str:
        """Return the name of what an alert is about."""
        site = self.campuses.get(campus)
        for things in (site.doors_by_id, site.zones_by_id, site.gatherings_by_id) if site else ():
            if key in things:
                return f"{things[key].name}"
        return key

    def person(self, campus: str, person: str) -> str:
        """Return what a person is called."""
        site = self.campuses.get(campus)
        return site.people_by_id[person].name if site and person in site.people_by_id else person


def _truths(found: Mapping[str, Any]) -> list[str]:
    apart = ", ".join(f"{count} {exercise}" for exercise, count in sorted(found["exercises"].items()))
    total = several(found["alerts"], "live alert", "live alerts")
    floods, chattering, stale = (len(found[name]) for name in ("floods", "chattering", "stale"))
    troubles = (
        f"{several(floods, 'flood', 'floods')} (more than 10 alerts to one person in 10 minutes)",
        several(chattering, "source that chatters", "sources that chatter"),
        f"{several(stale, 'alert that was', 'alerts that were')} true for more than a day.",
    )
    return [f"{total}; counted apart: {apart}." if apart else f"{total}.", ", ".join(troubles)]


def _pictures(found: Mapping[str, Any], by_day: Mapping[date, Counter[str]], names: _Names) -> Iterable[Picture]:
    yield _by_time(by_day)
    yield Picture(
        "By severity",
        [_mix(each) for each in found["mix"]],
        "About 80 minor, 15 moderate and 5 graver ones in a hundred are sound.",
    )
    yield _answered(found["acknowledgement"])
    yield Picture(
        "Deliveries that a provider took, by channel",
        [_delivered(each) for each in found["delivery"]],
        none="Nobody had to be told.",
    )
    yield Picture(
        "What makes the most alerts",
        [
            _source(each, names, each["alerts"], f"{each['alerts']} ({_percent(each['share'])})")
            for each in found["top_sources"]
        ],
        "Ten bad actors usually make most of all alerts: mend these first.",
        none="No alert.",
    )
    yield _nuisance("Nuisance, by rule", found["nuisance"]["by_rule"], lambda each: each["rule"], names)
    yield _nuisance(
        "Nuisance, by door",
        found["nuisance"]["by_door"],
        lambda each: names.key(each["campus"], each["door"]),
        names,
    )
    yield Picture("Alerts to each person", [_person(each, names) for each in found["people"]], none="Nobody was told.")
    yield from _troubles(found, names)


def _troubles(found: Mapping[str, Any], names: _Names) -> Iterable[Picture]:
    yield Picture(
        "Floods",
        [_flood(each, names) for each in found["floods"]],
        "While one lasts, moderate and minor alerts come to that person together.",
        none="None.",
    )
    yield Picture(
        "Chattering: active three times within a minute",
        [_source(each, names, each["times"], f"{each['times']} times") for each in found["chattering"]],
        "Look at the contact, or give the rule a longer time.",
        none="None.",
    )
    yield Picture(
        "Stale: true for more than a day",
        [_source(each, names, 1, f"alert {each['alert']}") for each in found["stale"]],
        "Mend what is so, or close and shelve it with a reason.",
        none="None.",
    )


def _by_time(by_day: Mapping[date, Counter[str]]) -> Picture:
    if len(by_day) <= _LONG:
        return Picture("Alerts by day", [_bar(f"{day:%a %d %b}", counts) for day, counts in by_day.items()])
    weeks: dict[date, Counter[str]] = {}
    for day, counts in by_day.items():
        weeks.setdefault(day - timedelta(days=day.weekday()), Counter()).update(counts)
    return Picture("Alerts by week", [_bar(f"from {day:%d %b %Y}", counts) for day, counts in weeks.items()])


def _bar(label: str, counts: Counter[str]) -> Bar:
    total = counts.total()
    grave = [severity for severity in reversed(SEVERITIES) if counts[severity]]
    parts = ", ".join(f"{counts[severity]} {severity}" for severity in grave)
    return Bar(label, total, parts or "none", grave[0] if grave else "")


def _mix(each: Mapping[str, Any]) -> Bar:
    words = f"{each['alerts']} ({_percent(each['share'])})"
    return Bar(each["severity"], each["alerts"], words, each["severity"])


def _answered(lines: Sequence[Mapping[str, Any]]) -> Picture:
    bars = [
        Bar(
            f"{each['severity']}: {each['in_target']} of {each['alerts']} in time",
            100 * (each["share_in_target"] or 0.0),
            f"{_percent(each['share_in_target'])}; {_taken(each)}",
            each["severity"],
        )
        for each in lines
        if each["alerts"]
    ]
    hint = "The target is that of each alert's policy. One that nobody took is not in time."
    return Picture("Taken by somebody within the target", bars, hint, none="No alert.")


def _taken(each: Mapping[str, Any]) -> str:
    if not each["acknowledged"]:
        return "nobody took one"
    median, most = (duration(timedelta(seconds=each[name])) for name in ("median_s", "p95_s"))
    return f"half within {median}, 95 of 100 within {most}"


def _delivered(each: Mapping[str, Any]) -> Bar:
    beside = ", ".join(f"{each[state]} {state}" for state in ("unknown", "failed", "refused") if each[state])
    words = f"{_percent(each['success'])} of {each['attempts']} attempts" + (f"; {beside}" if beside else "")
    return Bar(each["via"], 100 * (each["success"] or 0.0), words, "good")


def _source(each: Mapping[str, Any], names: _Names, value: float, words: str) -> Bar:
    thing = names.key(each["campus"], each["key"])
    return Bar(names.at(each["campus"], f"{each['rule']}, {thing}"), value, words)


def _nuisance(
    caption: str, lines: Sequence[Mapping[str, Any]], name_of: Callable[[Mapping[str, Any]], str], names: _Names
) -> Picture:
    worst = sorted(lines, key=lambda each: (-(each["share"] or 0.0), -each["judged"]))[:_MOST]
    bars = [
        Bar(
            names.at(each["campus"], name_of(each)),
            100 * (each["share"] or 0.0),
            f"{_percent(each['share'])}: {each['nuisance']} of {each['judged']} that somebody judged",
            "severe" if (each["share"] or 0.0) > _TOO_MANY else "",
        )
        for each in worst
    ]
    hint = "Where more than half is nuisance, tune the rule or mend the door."
    return Picture(caption, bars, hint, none="Nobody has judged an alert yet: that is asked as one is closed.")


def _person(each: Mapping[str, Any], names: _Names) -> Bar:
    name = names.at(each["campus"], names.person(each["campus"], each["person"]))
    tone = "severe" if each["per_10_min"] > _HANDLED else ""
    return Bar(name, each["alerts"], f"{each['alerts']}, at most {each['most_in_10_min']} in 10 minutes", tone)


def _flood(each: Mapping[str, Any], names: _Names) -> Bar:
    name = names.at(each["campus"], names.person(each["campus"], each["person"]))
    ended = f"lasted {duration(each['ended_at'] - each['began_at'])}" if each["ended_at"] else "not over"
    return Bar(name, each["most_in_10_min"], f"{each['most_in_10_min']} in 10 minutes; {ended}", "severe")


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.0f} %"
