"""What is not wrong, and will surprise: doors that no rule covers, people nobody can reach, calendars never open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.documents import Files
from core.campus import Campus
from core.errors import Problem
from core.world import World
from rules.plan import lay_out
from rules.rule import Rule, problems_on, shipped


def warnings(files: Files) -> list[Problem]:
    """Return what whoever wrote the files would want to know."""
    rules = files.rules or shipped()
    return [problem for campus in files.campuses for problem in _of_campus(campus, rules)]


def _of_campus(campus: Campus, rules: Sequence[Rule]) -> Iterator[Problem]:
    for name in sorted(campus.local_calendar.always_closed):
        yield Problem(f"no day type ever opens {name!r}: rules that ask for it never hold", f"{campus.id}.calendar")
    if not campus.calendar.week:
        yield Problem(
            "has no week: every day is closed, every opening of an exterior door alerts", f"{campus.id}.calendar"
        )
    told = {shift.person for shift in campus.shifts} | {s.cover for s in campus.shifts if s.cover} | set(campus.on_call)
    for person in campus.people:
        if person.id in told and not person.endpoints:
            yield Problem("is on a shift or on call, and has no endpoint", f"{campus.id}.people.{person.id}")
    if campus.doors and not any(person.endpoints for person in campus.people):
        yield Problem("nobody has an endpoint: no alert would reach anybody", f"{campus.id}.people")
    if campus.doors and not campus.on_call:
        yield Problem("is empty: while the campus is closed nobody is on duty", f"{campus.id}.on_call")
    for rule in rules:
        yield from problems_on(rule, campus)
        if _keys(rule, campus) == frozenset():
            yield Problem("matches nothing on this campus", f"{campus.id}: {rule.id}")
    by_door = [_keys(rule, campus) or () for rule in rules if rule.entity == "door" and rule.mode != "disabled"]
    for door in campus.doors:
        if door.exterior and not any(door.id in keys for keys in by_door):
            yield Problem("is an exterior door that no rule covers", f"{campus.id}.doors.{door.id}")


def _keys(rule: Rule, campus: Campus) -> frozenset[str] | None:
    return lay_out(rule, campus, World(campus)).keys
