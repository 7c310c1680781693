"""Why nobody is told of something that is true: a person said so, with a reason and an end, or a graver alert says it.

A suppression mutes the first notice and all that would follow, and hides nothing: the alert opens, counts, and is
listed, and when the suppression ends and it is still true, people are told. What is extreme is muted only where a
second person stands behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

import msgspec
from msgspec.structs import replace

from alerts.alert import Alert
from core.campus import Campus, nearest
from core.errors import BadInput, Conflict, Problem

Kind = Literal["shelf", "maintenance", "snooze", "supervised", "exercise", "backlog"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
LONGEST: Final = timedelta(hours=12)
"""No suppression lasts longer: one that is forgotten must not blind the night."""
LONGEST_READING: Final = timedelta(minutes=2)
"""So long what is extreme waits, at most, for the end of a backlog that may say that it is over."""
JUST_NOW: Final = timedelta(minutes=2)
"""What began no longer ago is told, although it comes out of a backlog: after a short restart it is news."""
LONGEST_SNOOZE: Final = timedelta(hours=1)
REMIND: Final = timedelta(minutes=10)
"""So long before its end its author is reminded; half-way through where it is shorter than twice that."""
WORDS: Final[dict[str, str]] = {
    "shelf": "shelved",
    "snooze": "shelved",
    "supervised": "shelved",
    "maintenance": "maintenance",
    "exercise": "exercise",
    "backlog": "catching up",
}
"""What stands as `suppressed` on an alert, by the kind of the suppression."""
INHIBITS: Final[dict[str, tuple[str, ...]]] = {
    "monitoring-blind": ("sensor-silent", "sensor-silent-after-hours"),
    "many-doors-open": ("door-held-open", "door-left-open", "interior-door-held"),
}
"""A rule, and those whose alerts are only a part of what it says while it holds on the same campus."""
LOOK_AGAIN: Final = timedelta(minutes=1)
"""How often it is looked whether what inhibits an alert still stands."""


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """What one person keeps quiet, why, and until when."""

    id: int = 0
    campus: str
    kind: Kind
    rules: list[str] = []
    """Only these rules; empty: every rule."""
    keys: list[str] = []
    """Only these doors, visits, gatherings, …; empty: everything."""
    zones: list[str] = []
    """Only doors and devices in these zones; empty: everywhere."""
    alert: int | None = None
    """Only this alert."""
    author: str
    reason: str
    monitor: str | None = None
    """The adult who watches the door meanwhile."""
    window: str | None = None
    """The bell window during which they do."""
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    seconded_by: str | None = None
    seconded_at: datetime | None = None
    lifted_by: str | None = None
    lifted_at: datetime | None = None
    next_at: datetime | None
    """When something is to be done about it: its start, the reminder, its end; None: nothing any more."""

    @property
    def word(self) -> str:
        """What stands as `suppressed` on an alert that this mutes."""
        return WORDS[self.kind]

    @property
    def remind_at(self) -> datetime:
        """When its author is reminded that it will end."""
        return max(self.ends_at - REMIND, self.starts_at + (self.ends_at - self.starts_at) / 2)

    def is_in_force(self, now: datetime) -> bool:
        """Return whether it holds at an instant."""
        return self.lifted_at is None and self.starts_at <= now < self.ends_at

    def mutes(self, alert: Alert, campus: Campus | None, now: datetime) -> bool:
        """Return whether it keeps an alert quiet: extreme ones only if two people say so, and never in an exercise."""
        if not self.is_in_force(now) or alert.campus != self.campus:
            return False
        if self.kind == "backlog":
            return self._is_stale(alert, now)
        if alert.severity == "extreme" and (self.seconded_by is None or self.kind == "exercise"):
            return False
        if self.alert is not None:
            return alert.id == self.alert
        if not (self.rules or self.keys or self.zones):
            return False
        by_rule = not self.rules or alert.rule in self.rules
        by_key = not self.keys or alert.key in self.keys
        return by_rule and by_key and (not self.zones or zone_of(alert, campus) in self.zones)

    def _is_stale(self, alert: Alert, now: datetime) -> bool:
        """Return whether an alert of a backlog waits for its end, which may say that it is over."""
        if alert.began_at >= now - JUST_NOW:
            return False
        return alert.severity != "extreme" or (alert.late and now < self.starts_at + LONGEST_READING)


@dataclass(frozen=True, slots=True)
class Mute:
    """Why an alert is kept quiet now, and when to look again."""

    word: str
    text: str
    until: datetime
    said: str = ""
    """What somebody wrote: the last words of `text`."""
    by: int | None = None
    """The number of the suppression, or of the alert that inhibits."""


def zone_of(alert: Alert, campus: Campus | None) -> str | None:
    """Return the zone that an alert is about: that of its door, its device's door, its gathering, or itself."""
    if campus is None:
        return None
    if alert.entity == "zone":
        return alert.key
    if alert.entity == "gathering":
        gathering = campus.gatherings_by_id.get(alert.key)
        return gathering.zone if gathering else None
    device = campus.devices_by_id.get(alert.key) if alert.entity == "device" else None
    door = campus.doors_by_id.get((device.door or "") if device else alert.key)
    return door.zone if door else None


def mute_of(
    alert: Alert,
    suppressions: Iterable[Suppression],
    standing: Iterable[Alert],
    campus: Campus | None,
    now: datetime,
) -> Mute | None:
    """Return why an alert is kept quiet, or None: what people said counts before what a graver alert says.

    `standing` are the open alerts of rules that inhibit others.
    """
    holding = [each for each in suppressions if each.mutes(alert, campus, now)]
    if holding:
        last = max(holding, key=lambda each: (each.ends_at, each.id))
        text = f"{name_of(last.author)} keeps it quiet until {clock(last.ends_at, campus)}: {last.reason}"
        return Mute(last.word, text, last.ends_at, last.reason, last.id)
    for each in standing:
        same = each.campus == alert.campus and each.exercise == alert.exercise
        if same and each.is_active and alert.severity != "extreme" and alert.rule in INHIBITS.get(each.rule, ()):
            return Mute("inhibited", f"{each.rule} says so already: {each.text}", now + LOOK_AGAIN, by=each.id)
    return None


def seconded(suppression: Suppression, *, who: str, now: datetime) -> Suppression:
    """Return the suppression with a second person behind it: from now on it mutes what is extreme, too."""
    _require_open(suppression, now)
    if suppression.kind == "exercise":
        raise Conflict("an exercise never mutes what is extreme; there is nothing to second")
    if who == suppression.author:
        raise Conflict("it takes another person than the one who asked for it")
    if suppression.seconded_by is not None:
        raise Conflict(f"{name_of(suppression.seconded_by)} has seconded it already")
    return replace(suppression, seconded_by=who, seconded_at=now)


def lifted(suppression: Suppression, *, who: str, now: datetime) -> Suppression:
    """Return the suppression ended before its time."""
    _require_open(suppression, now)
    return replace(suppression, lifted_by=who, lifted_at=now, next_at=None)


def extended(suppression: Suppression, until: datetime) -> Suppression:
    """Return the suppression with a later end."""
    return replace(suppression, ends_at=until, next_at=until)


def moved_on(suppression: Suppression, now: datetime) -> Suppression:
    """Return the suppression with the next moment at which something is to be done about it."""
    moments = (suppression.remind_at, suppression.ends_at)
    return replace(suppression, next_at=next((each for each in moments if each > now), None))


def problems_of(suppression: Suppression, campus: Campus) -> list[Problem]:
    """Return what is wrong with a suppression that somebody asks for; nothing if it can hold."""
    length, limit = suppression.ends_at - suppression.starts_at, LONGEST
    if suppression.kind == "snooze":
        limit = LONGEST_SNOOZE
    found: list[Problem] = []
    if not suppression.reason.strip():
        found.append(Problem("is required", "reason"))
    if suppression.ends_at <= max(suppression.created_at, suppression.starts_at):
        found.append(Problem("is over already; name a time that is yet to come", "until"))
    elif max(length, suppression.ends_at - suppression.created_at) > limit:
        hours = limit // timedelta(hours=1)
        found.append(Problem(f"is too far off; a {suppression.kind} ends after {hours} h at most", "until"))
    named = suppression.rules or suppression.keys or suppression.zones or suppression.alert is not None
    if not named and suppression.kind != "exercise":
        found.append(Problem("say what is kept quiet: rules, keys, zones, or one alert", "rules"))
    if suppression.kind == "snooze" and suppression.alert is None:
        found.append(Problem("is required: a snooze is for one alert", "alert"))
    found += _unknown("zones", suppression.zones, campus.zones_by_id)
    if suppression.kind == "supervised":
        found += _unknown("doors", suppression.keys, campus.doors_by_id)
        found += _unknown("monitor", [suppression.monitor or ""], campus.people_by_id)
    return found


def next_window(campus: Campus, name: str, now: datetime) -> tuple[datetime, datetime]:
    """Return when the bell window of this name is open, now or next; BadInput if not within twelve hours."""
    calendar = campus.local_calendar
    if name not in calendar.calendar.names:
        raise BadInput([Problem(f"no window {name!r}{nearest(name, calendar.calendar.names)}", "window")])
    today = calendar.local(now).date()
    spans = [span for ahead in (-1, 0, 1) for span in calendar.spans(name, today + timedelta(days=ahead))]
    for start, end in sorted(spans):
        if end > now and end <= now + LONGEST:
            return max(start, now), end
    raise BadInput([Problem(f"{name!r} is not open within the next {LONGEST // timedelta(hours=1)} h", "window")])


def name_of(who: str) -> str:
    """Return who acted without the kind of actor in front."""
    return who.partition(":")[2] or who


def clock(at: datetime, campus: Campus | None) -> str:
    """Return an instant as the clock on the wall shows it; where the campus is gone, in UTC."""
    return f"{at.astimezone(campus.zone_info):%H:%M}" if campus else f"{at:%H:%M} UTC"


def _require_open(suppression: Suppression, now: datetime) -> None:
    if suppression.lifted_at is not None:
        raise Conflict(f"{name_of(suppression.lifted_by or '')} has ended it already")
    if suppression.ends_at <= now:
        raise Conflict("it has ended already")


def _unknown(where: str, ids: Iterable[str], known: Mapping[str, object]) -> list[Problem]:
    return [Problem(f"no {each!r}{nearest(each, set(known))}", where) for each in ids if each not in known]
