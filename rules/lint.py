"""What is not wrong with rules and a campus, and will surprise: what is never judged, never open, never in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from core.campus import Campus, write_duration
from core.errors import Problem
from core.world import World
from rules.language.scene import Scene
from rules.operators.hold import Hold
from rules.operators.silent import Silent
from rules.plan import lay_out
from rules.rule import Rule, problems_on

_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: Final = timedelta(0)
_LEVELS: Final = frozenset((("door", "position"), ("door", "lock")))


def on_campus(rules: Sequence[Rule], campus: Campus) -> list[Problem]:
    """Return what is surprising about some rules and the campus they run on, taken together."""
    running = [rule for rule in rules if rule.mode != "disabled"]
    found = list(_of_calendar(campus))
    for rule in rules:
        found += _of_rule(rule, campus)
    return [*found, *_impatient(running, campus), *_uncovered(running, campus)]


def on_rule(rule: Rule, campus: Campus) -> list[Problem]:
    """Return what is surprising about one rule on a campus."""
    return [*_of_rule(rule, campus), *_impatient([rule], campus)]


def _of_calendar(campus: Campus) -> Iterator[Problem]:
    where = f"{campus.id}.calendar"
    for name in sorted(_never_open(campus)) if campus.calendar.week else ():
        yield Problem(f"no day ever opens {name!r}: rules that ask for it never hold", where)
    if not campus.calendar.week:
        yield Problem("has no week: every day is closed, every opening of an exterior door alerts", where)


def _never_open(campus: Campus) -> frozenset[str]:
    calendar = campus.calendar
    days = {*calendar.week.values(), *(each.type for each in calendar.exceptions.values())}
    used = [calendar.day_types[day] for day in days if day in calendar.day_types]
    return frozenset(name for name in calendar.names if not any(day.spans(name) for day in used))


def _of_rule(rule: Rule, campus: Campus) -> Iterator[Problem]:
    yield from problems_on(rule, campus)
    where = f"{campus.id}: {rule.id}"
    if _keys(rule, campus) == frozenset():
        yield Problem("matches nothing on this campus", where)
    active = rule.active
    if active is not None and active.calendar in _never_open(campus) and not active.invert:
        yield Problem(f"may only begin in {active.calendar!r}, which never opens", where)
    if isinstance(rule.operator, Silent):
        yield from _hasty(rule, rule.operator, campus, where)


def _uncovered(running: Sequence[Rule], campus: Campus) -> Iterator[Problem]:
    covered = {key for rule in running if rule.entity == "door" for key in _keys(rule, campus) or ()}
    for door in campus.doors:
        if door.exterior and door.id not in covered:
            yield Problem("is an exterior door that no rule covers", f"{campus.id}.doors.{door.id}")


def _keys(rule: Rule, campus: Campus) -> frozenset[str] | None:
    return lay_out(rule, campus, World(campus)).keys


# ------------------------------------------------------------------------------------------------- heartbeats
def _hasty(rule: Rule, operator: Silent, campus: Campus, where: str) -> Iterator[Problem]:
    """Yield that a silence counts as too long though the next heartbeat is not even due."""
    for device, beat in _sensors(rule, campus):
        length = operator.length(_scene(rule, campus, device if rule.entity == "device" else _door_of(campus, device)))
        if isinstance(length, timedelta) and length < beat:
            said = (
                f"calls it silent after {write_duration(length)}, and it speaks every {write_duration(beat)} ({device})"
            )
            yield Problem(f"{said}: it fires between two heartbeats", where)
            return


def _impatient(rules: Iterable[Rule], campus: Campus) -> Iterator[Problem]:
    """Yield, in one line, that rules fire on a lost report before the sensor's next heartbeat could mend it."""
    names: list[str] = []
    shortest: timedelta | None = None
    slow: dict[str, timedelta] = {}
    for rule in rules:
        operator = rule.operator
        if not isinstance(operator, Hold) or rule.entity != "door" or not operator.condition.reads & _LEVELS:
            continue
        for device, beat in _sensors(rule, campus):
            length = operator.length(_scene(rule, campus, _door_of(campus, device)))
            if isinstance(length, timedelta) and _NOTHING < length < beat:
                slow[device] = beat
                shortest = length if shortest is None else min(shortest, length)
                names += [rule.id] if rule.id not in names else []
    if shortest is None:
        return
    device, beat = max(slow.items(), key=lambda each: each[1])
    others = f" and {len(slow) - 1} more" if len(slow) > 1 else ""
    hold = f"a hold of {write_duration(shortest)}"
    words = f"{hold} is shorter than the heartbeat of {device} ({write_duration(beat)}){others}"
    yield Problem(
        f"{words}: if the report of a closing is lost, the alert comes first", f"{campus.id}: {', '.join(names)}"
    )


def _sensors(rule: Rule, campus: Campus) -> Iterator[tuple[str, timedelta]]:
    for key in sorted(_keys(rule, campus) or ()):
        device = key if rule.entity == "device" else campus.device_of_door.get(key) if rule.entity == "door" else None
        beat = campus.devices_by_id[device].heartbeat if device in campus.devices_by_id else None
        if device is not None and beat is not None:
            yield device, beat


def _door_of(campus: Campus, device: str) -> str:
    return campus.devices_by_id[device].door or ""


def _scene(rule: Rule, campus: Campus, key: str) -> Scene:
    scene = Scene(campus, World(campus), _ANY_TIME, rule.entity, key, rule.params, _ANY_TIME)
    scene.params, _ = rule.settings(scene)
    return scene
