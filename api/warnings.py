"""What whoever writes a rule, a policy or a campus would want to know, though nothing in it is wrong.

Here the rules meet the people: a rule whose policy reaches nobody is as good as none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from alerts import policies
from alerts.policies import Policy
from api.veil import reads_details
from core.campus import Campus
from core.errors import BadInput, Problem
from rules import lint
from rules.rule import Rule

WEEK: Final = timedelta(days=7)
STEP: Final = timedelta(minutes=30)
"""So often in the week it is asked whom a policy would reach."""


def of_campus(campus: Campus, rules: Sequence[Rule], now: datetime) -> list[Problem]:
    """Return what is surprising about a campus and the rules that run on it; whom they reach, over the coming week."""
    found = lint.on_campus(rules, campus)
    return [*found, *_of_people(campus), *_of_policies(campus, rules, now)]


def of_rule(rule: Rule, campuses: Iterable[Campus], now: datetime) -> list[Problem]:
    """Return what is surprising about one rule, on each campus."""
    found: list[Problem] = []
    if reads_details(str(rule.document.get("alert", {}).get("text", ""))):
        said = "shows a private detail of a visit to everybody who sees the alert, and on the phones of those told"
        found.append(Problem(said, "alert.text"))
    for campus in campuses:
        found += [*lint.on_rule(rule, campus), *_of_policies(campus, [rule], now)]
    return found


def _of_people(campus: Campus) -> Iterator[Problem]:
    told = {shift.person for shift in campus.shifts} | {s.cover for s in campus.shifts if s.cover} | set(campus.on_call)
    for person in campus.people:
        if person.id in told and not person.endpoints:
            yield Problem("is on a shift or on call, and has no endpoint", f"{campus.id}.people.{person.id}")
    if campus.doors and not _has_endpoints(campus):
        yield Problem("nobody has an endpoint: no alert would reach anybody", f"{campus.id}.people")
    if campus.doors and not campus.on_call:
        yield Problem("is empty: while the campus is closed nobody is on duty", f"{campus.id}.on_call")


def _has_endpoints(campus: Campus) -> bool:
    return any(person.endpoints for person in campus.people)


def _of_policies(campus: Campus, rules: Sequence[Rule], now: datetime) -> Iterator[Problem]:
    try:
        known = policies.policies_of(campus)
    except BadInput as bad:
        yield from (Problem(each.message, f"{campus.id}.policies{each.where}") for each in bad.problems)
        return
    used: dict[str, list[str]] = {}
    for rule in rules:
        for name in _asked(rule) if rule.mode == "live" else ():
            used.setdefault(name, []).append(rule.id)
    for name, users in used.items():
        by = ", ".join(users[:3]) + (f" and {len(users) - 3} more" if len(users) > 3 else "")
        if name not in known:
            yield Problem(f"there is no policy {name!r}; the one of the severity is used", f"{campus.id}: {by}")
        elif _has_endpoints(campus) and (gaps := _gaps(known[name], campus, now)):
            more = f" (and {len(gaps) - 1} more times that week)" if len(gaps) > 1 else ""
            where = f"{campus.id}: policy {name}"
            yield Problem(f"would reach nobody {_told(gaps[0], campus)}{more}; used by {by}", where)


def _asked(rule: Rule) -> list[str]:
    return [rule.alert.policy] if rule.alert.policy else [rung.severity for rung in rule.ladder]


def _gaps(policy: Policy, campus: Campus, now: datetime) -> list[tuple[datetime, datetime]]:
    """Return the stretches of the coming week in which no step of a policy would reach anybody."""
    start = now.replace(minute=0, second=0, microsecond=0)
    found: list[tuple[datetime, datetime]] = []
    for number in range(WEEK // STEP):
        at = start + number * STEP
        if any(step.recipients for step in policies.preview(policy, campus, at)):
            continue
        if found and found[-1][1] == at:
            found[-1] = (found[-1][0], at + STEP)
        else:
            found.append((at, at + STEP))
    return found


def _told(gap: tuple[datetime, datetime], campus: Campus) -> str:
    if gap[1] - gap[0] >= WEEK:
        return "at any time of the week"
    start, end = (campus.local_calendar.local(each) for each in gap)
    return f"from {start:%a %H:%M} to {end:%a %H:%M}"
