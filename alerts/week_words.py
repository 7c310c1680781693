"""The weekly report in words, for a notice, and as the rows of a sheet. It names nobody but staff."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from alerts.notices import duration
from alerts.week_report import Count, Propped, Report, Response, Value

COLUMNS: Final = ("section", "subject", "figure", "week", "before")
MOST: Final = 10
"""No list in the notice is longer; the sheet and the page have all of it."""
_KEYS: Final = ("rule", "title", "severity", "door", "name", "disposition", "person", "endpoint", "via", "code", "what")


def tell(report: Report, zone: ZoneInfo, *, missed: Sequence[date] = (), due_at: datetime | None = None) -> str:
    """Return the report as text; its first line is the title.

    `missed` are the Mondays of weeks of which no report was sent; `due_at` is when it should have come, if it is late.
    """
    lines = [
        f"Weekly report · {report.name} · {_span(report.monday, report.sunday)}",
        f"In brackets: the week before. Times are {zone.key}.",
        f"Alerts: {_count(report.alerts)}",
        *(f"- {line}" for line in _severities(report)),
        _propped(report.propped),
        f"Visitors past their time: {_count(report.overstays)}",
        _judged(report),
        f"Drills and exercises: {_count(report.drills_done)}",
        *_happened(report, zone),
        f"Floods: {_count(report.floods_begun)}",
        f"Times when nobody could be told: {_count(report.gaps_begun)}",
        *(f"- {_when(each.began_at, zone)}: {each.text}" for each in report.gaps[:MOST]),
        f"Notices that did not get through: {_count(report.notices_failed)}",
        *(
            f"- {each.endpoint} of {each.person}: {_count(each.notices)}; {each.reason}"
            for each in report.failed[:MOST]
        ),
        *_doors(report),
        *_rules(report),
        f"Minor alerts still open: {_count(report.minors_open)}",
        *(f"- {each.code} since {_when(each.opened_at, zone)}: {each.text}" for each in report.minor_open[:MOST]),
        *_missing(missed, due_at, zone),
    ]
    return "\n".join(lines)


def rows(report: Report) -> Iterator[dict[str, Any]]:
    """Yield the report as rows of a sheet: which section, of what, which figure, in the week and in the one before."""
    for name in ("monday", "sunday", "begins_at", "ends_at", "is_over"):
        yield {"section": "week", "subject": "", "figure": name, "week": getattr(report, name), "before": None}
    for field in dataclasses.fields(report):
        value = getattr(report, field.name)
        if isinstance(value, Count | Value):
            yield _row("week", "", field.name, value)
        elif isinstance(value, Propped):
            yield from _figures(field.name, "", value)
        elif isinstance(value, tuple):
            for line in value:
                yield from _figures(field.name, _subject(line), line)


def _figures(section: str, subject: str, line: Any) -> Iterator[dict[str, Any]]:
    for field in dataclasses.fields(line):
        if field.name not in _KEYS:
            yield _row(section, subject, field.name, getattr(line, field.name))


def _row(section: str, subject: str, figure: str, value: Any) -> dict[str, Any]:
    both = value if isinstance(value, Count | Value) else Value(value, None)
    return {"section": section, "subject": subject, "figure": figure, "week": both.week, "before": both.before}


def _subject(line: Any) -> str:
    return " ".join(getattr(line, name) for name in _KEYS if getattr(line, name, None))


def _severities(report: Report) -> Iterable[str]:
    for each in report.responses:
        if each.alerts.week or each.alerts.before:
            yield f"{each.severity}: {_count(each.alerts)}{_answered(each)}"


def _answered(line: Response) -> str:
    said = ""
    if line.median_s.week is not None:
        said += f"; taken after {_length(line.median_s)}, {_percent(line.in_target)} within {_seconds(line.target_s)}"
    if line.on_scene_median_s.week is not None:
        said += f"; on scene after {_length(line.on_scene_median_s)}"
    return said


def _propped(propped: Propped) -> str:
    said = f"Doors propped: {_count(propped.times)}"
    if propped.median_s.week is not None:
        said += f"; closed after {_length(propped.median_s)}, nine of ten within {_length(propped.p90_s)}"
    return said + (f"; not closed: {_count(propped.still_open)}" if propped.still_open.week else "")


def _judged(report: Report) -> str:
    said = f"Judged by somebody: {_count(report.judged)}"
    return said + (f"; nuisance or false: {_percent(report.nuisance)}" if report.nuisance.week is not None else "")


def _happened(report: Report, zone: ZoneInfo) -> Iterable[str]:
    for each in report.drills[:MOST]:
        yield f"- {_when(each.at, zone)}: {each.what}" + (f", {each.reason}" if each.reason else "")


def _doors(report: Report) -> Iterable[str]:
    if report.doors:
        yield "Doors with the most alerts:"
    yield from (f"- {each.name}: {_count(each.alerts)}" for each in report.doors)


def _rules(report: Report) -> Iterable[str]:
    lines = [each for each in report.rules if each.alerts.week]
    if lines:
        yield "Alerts by rule:"
    yield from (f"- {each.title} ({each.severity}): {_count(each.alerts)}" for each in lines[:MOST])


def _missing(missed: Sequence[date], due_at: datetime | None, zone: ZoneInfo) -> Iterable[str]:
    if due_at is not None:
        yield f"This report is late: it was due on {_when(due_at, zone)}."
    if missed:
        weeks = ", ".join(_span(each, each + timedelta(days=6)) for each in missed)
        yield f"No report was sent of {weeks}: nothing was running, reports were off, or nobody could be reached."


def _count(count: Count) -> str:
    return f"{count.week} ({count.before})"


def _length(value: Value) -> str:
    return f"{_seconds(value.week)} ({_seconds(value.before)})"


def _percent(value: Value) -> str:
    return " ".join(
        text.format("-" if share is None else f"{share:.0%}")
        for text, share in (("{}", value.week), ("({})", value.before))
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else duration(timedelta(seconds=value))


def _span(first: date, last: date) -> str:
    return f"{first.day} {first:%b} to {last.day} {last:%b %Y}"


def _when(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"
