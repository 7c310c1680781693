"""Who is told, by what, when: policies are data, a list of steps that goes on until somebody answers.

Four ship, one for each severity; a campus may replace them by policies of the same name, and add its own. An alert
carries the policy as it was when it opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import Annotated, Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)

from alerts.alert import Alert
from alerts.duty import Recipient, next_staffed, people, who
from core.calendar import WEEKDAYS, Strict, local_instant
from core.campus import Campus, Id, PersonRole, nearest, problems_of, read_duration, write_duration
from core.documents import Document
from core.errors import BadInput, Problem
from core.findings import Severity

Until = Literal["ack", "on_scene", "resolve"]
"""The answer that ends a step: somebody has it, somebody is there, or it is closed."""
Kind = Literal["notify", "again", "close", "look", "handover"]
"""What a step that waits will do: tell people, tell those who have it again, close the alert, look whether it is still
kept quiet, look whether whoever has it is still on shift."""
WEEKLY_REPORT: Final = "weekly-report"
LONGEST = timedelta(days=7)
MOST = 20
MOST_ACKS = 5
_ROLES = get_args(PersonRole)


def _read_delay(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = timedelta(seconds=value)
    found = read_duration(value)
    if not timedelta(0) <= found <= LONGEST:
        raise ValueError("must be between 0s and 7d")
    return found


def _some(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not 1 <= len(items) <= MOST:
        raise ValueError(f"must have between 1 and {MOST} entries")
    return items


Delay = Annotated[timedelta, BeforeValidator(_read_delay), PlainSerializer(write_duration)]
"""A duration (`90s`), or a number of seconds."""


class WeekTime(Strict):
    """Once a week, by the campus's own clock."""

    day: int
    """0 is Monday."""
    minute: int
    """After midnight."""

    def __str__(self) -> str:
        return f"{WEEKDAYS[self.day]} {self.minute // 60:02}:{self.minute % 60:02}"

    def before(self, now: datetime, zone: ZoneInfo) -> tuple[date, datetime]:
        """Return when it last was, up to `now`: the local date and the instant."""
        today = now.astimezone(zone).date()
        day = today - timedelta(days=(today.weekday() - self.day) % 7)
        at = local_instant(day, self.minute, zone)
        if at > now:
            day -= timedelta(weeks=1)
            at = local_instant(day, self.minute, zone)
        return day, at


def _read_week_time(value: Any) -> Any:
    if value is None or isinstance(value, WeekTime):
        return value
    found = re.fullmatch(r"([a-z]{3}) ([01]\d|2[0-3]):([0-5]\d)", value) if isinstance(value, str) else None
    if found is None or found[1] not in WEEKDAYS:
        raise ValueError('not a time of the week; write it like "mon 07:00"')
    return WeekTime(day=WEEKDAYS.index(found[1]), minute=int(found[2]) * 60 + int(found[3]))


Weekly = Annotated[
    WeekTime | None,
    BeforeValidator(_read_week_time),
    PlainSerializer(lambda value: None if value is None else str(value)),
]


class Step(Strict):
    """One step: `after` the opening, tell these people in this way, unless what it waits for has come."""

    after: Delay = timedelta(0)
    notify: Annotated[tuple[str, ...], AfterValidator(_some)]
    """`shift:on_duty`, `shift:sro`, `role:admin`, `person:reyes`, `on_call`."""
    via: Annotated[tuple[Literal["push", "sms", "email", "call", "any"], ...], AfterValidator(_some)] = ("any",)
    """In order of preference; the next one at once where one does not work. `any`: everything at once."""
    until: Until = "ack"
    acks: int = Field(default=1, ge=1, le=MOST_ACKS)
    """How many different people must have acknowledged before `until: ack` is answered."""
    repeat: Delay | None = None
    """Say it again every so often, until then."""

    @field_validator("notify")
    @classmethod
    def _known_words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            kind, _, name = word.partition(":")
            known = {"role": _ROLES, "shift": ("on_duty", *_ROLES)}.get(kind)
            if word == "on_call" or (kind == "person" and name) or (known and name in known):
                continue
            if known:
                raise ValueError(f"no {kind} {name!r}{nearest(name, list(known))}")
            raise ValueError(f"{word!r} names nobody; write role:sro, shift:on_duty, person:reyes or on_call")
        return words

    @property
    def awaits(self) -> str:
        """The answer that makes its notices needless, as the outbox keeps it: `ack`, `ack:2`, `on_scene`, `resolve`."""
        return f"ack:{self.acks}" if self.until == "ack" and self.acks > 1 else self.until

    @field_validator("repeat")
    @classmethod
    def _not_a_storm(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < timedelta(seconds=10):
            raise ValueError("must be 10s or more")
        return value


class Policy(Strict):
    """Whom an alert reaches, step by step, and what counts as an answer in time."""

    id: Id
    version: int = Field(default=1, ge=1)
    """Counts the changes made through the service."""
    title: str = ""
    steps: Annotated[tuple[Step, ...], AfterValidator(_some)]
    ack_target: Delay = timedelta(minutes=10)
    """Within this time somebody should have taken it; for the figures."""
    again: Delay | None = None
    """Taken, nobody on scene and still true after this: those who have it are told again, and again."""
    group: Delay = timedelta(0)
    """How long a notice may wait for others to the same endpoint, to come as one."""
    quiet: bool = False
    """While nobody is on site, notices wait for the next time somebody is."""
    expires: Delay = timedelta(hours=1)
    """How long a notice that does not get through is tried."""
    weekly: Weekly = None
    """When the report of the week goes to the people of the first step; for the policy `weekly-report` alone."""

    @model_validator(mode="after")
    def _weekly_is_a_report(self) -> Policy:
        if self.weekly is not None and self.id != WEEKLY_REPORT:
            raise ValueError(f"weekly is for the policy {WEEKLY_REPORT!r} alone")
        return self


_DEFAULTS: tuple[dict[str, Any], ...] = (
    {
        "id": "extreme",
        "title": "Act now: every endpoint at once, and again until somebody has it",
        "steps": [
            {"notify": ["shift:on_duty", "role:admin"]},
            {"after": 60, "notify": ["role:sro", "role:admin", "on_call"]},
            {"after": 120, "notify": ["role:sro", "role:admin", "role:principal", "on_call"], "repeat": 60},
        ],
        "ack_target": 60,
        "again": "5m",
        "expires": "2h",
    },
    {
        "id": "severe",
        "title": "Act within minutes: the officer on shift, then the backup, then administrators",
        "steps": [
            {"notify": ["shift:on_duty"], "via": ["push", "sms", "any"]},
            {"after": 60, "notify": ["shift:on_duty"], "via": ["sms", "any"]},
            {"after": "2m", "notify": ["role:sro"], "via": ["push", "sms", "any"]},
            {"after": "5m", "notify": ["role:admin", "role:principal"]},
            {"after": "10m", "notify": ["shift:on_duty"], "until": "on_scene"},
        ],
        "ack_target": "2m",
        "again": "20m",
    },
    {
        "id": "moderate",
        "title": "The same day: the officer on shift, else an administrator",
        "steps": [
            {"notify": ["shift:on_duty"], "via": ["push", "any"]},
            {"after": "10m", "notify": ["role:admin"], "via": ["push", "any"]},
        ],
        "ack_target": "10m",
        "group": "30s",
    },
    {
        "id": "minor",
        "title": "When there is time: one message to maintenance or the office",
        "steps": [
            {"notify": ["role:maintenance", "role:office"], "via": ["email", "push", "any"]},
            {"after": "1d", "notify": ["role:admin"], "via": ["email", "push", "any"]},
        ],
        "ack_target": "1d",
        "group": "1h",
        "quiet": True,
        "expires": "1d",
    },
    {
        "id": "coverage-gap",
        "title": "Nobody could be told: whoever is on call, and every administrator",
        "steps": [{"notify": ["on_call", "role:admin", "role:principal"]}],
        "ack_target": "5m",
    },
    {
        "id": "suppression-ending",
        "title": "What was kept quiet will be heard again: whoever asked for it, and whoever is on duty",
        "steps": [{"notify": ["shift:on_duty"], "via": ["push", "any"]}],
        "ack_target": "10m",
    },
    {
        "id": WEEKLY_REPORT,
        "title": "The report of the last week: every administrator",
        "steps": [{"notify": ["role:admin"], "via": ["email", "push", "any"]}],
        "expires": "2d",
        "weekly": "mon 07:00",
    },
)


@cache
def default_policies() -> Mapping[str, Policy]:
    """Return the policies that ship, by id."""
    return {each["id"]: Policy.model_validate(each) for each in _DEFAULTS}


def read_policies(documents: Iterable[Document | Mapping[str, Any]]) -> dict[str, Policy]:
    """Return policies by id; a document holds one, or a list of them. BadInput names file, line and field."""
    found: dict[str, Policy] = {}
    problems: list[Problem] = []
    for document in documents:
        whole = document if isinstance(document, Document) else Document(document)
        for place, each in _each(whole.data):
            try:
                policy = Policy.model_validate(each)
            except ValidationError as error:
                problems += whole.locate(Problem(p.message, place + p.where) for p in problems_of(error))
                continue
            if policy.id in found:
                problems += whole.locate([Problem(f"there is a policy {policy.id!r} already", place + "id")])
            found[policy.id] = policy
    if problems:
        raise BadInput(problems)
    return found


def policies_of(campus: Campus) -> dict[str, Policy]:
    """Return the policies of a campus: those that ship, under its own. BadInput also where they name nobody."""
    own = read_policies(campus.policies)
    problems = [
        Problem(f"no person {word[7:]!r}{nearest(word[7:], set(campus.people_by_id))}", f"policies.{policy.id}")
        for policy in own.values()
        for step in policy.steps
        for word in step.notify
        if word.startswith("person:") and word[7:] not in campus.people_by_id
    ]
    if problems:
        raise BadInput(problems)
    return {**default_policies(), **own}


@dataclass(frozen=True, slots=True)
class Planned:
    """One step and when it is due."""

    step: int
    due_at: datetime
    kind: Kind = "notify"
    repeat: int = 0


def plan(policy: Policy, start: datetime) -> tuple[Planned, ...]:
    """Return the steps of a policy that starts at an instant, with the instants at which they are due."""
    return tuple(Planned(number, start + step.after) for number, step in enumerate(policy.steps))


def next_time(due_at: datetime, every: timedelta, now: datetime) -> datetime:
    """Return when what was due is said again: in its own rhythm, however late it was this time."""
    return due_at + every * max(1, (now - due_at) // every + 1)


def is_answered(awaits: str, alert: Alert) -> bool:
    """Return whether an open alert has the answer that a step awaits (see `Step.awaits`)."""
    until, _, acks = awaits.partition(":")
    if until == "on_scene":
        return alert.on_scene_by is not None
    return until == "ack" and alert.is_acknowledged and len(alert.acknowledgers) >= int(acks or 1)


def answers_of(alert: Alert) -> tuple[str, ...]:
    """Return the answers that an alert has, as `Step.awaits` says them."""
    known = ("ack", *(f"ack:{acks}" for acks in range(2, MOST_ACKS + 1)), "on_scene")
    return tuple(each for each in known if is_answered(each, alert))


def acks_wanted(policy: Policy) -> int:
    """Return how many different people a policy wants to acknowledge."""
    return max((step.acks for step in policy.steps if step.until == "ack"), default=1)


def send_at(policy: Policy, campus: Campus, now: datetime) -> datetime:
    """Return when a notice that is due now may go out: after the wait for others, and not in quiet hours."""
    when = now + policy.group
    if not policy.quiet or campus.is_staffed(when):
        return when
    return next_staffed(campus, when) or when


@dataclass(frozen=True, slots=True)
class Preview:
    """Whom one step of a policy would reach."""

    step: int
    at: datetime
    people: tuple[str, ...]
    recipients: tuple[Recipient, ...]
    until: Until


def preview(policy: Policy, campus: Campus, at: datetime) -> tuple[Preview, ...]:
    """Return who would be told, and when, by an alert that opens at `at` and that nobody answers."""
    found: list[Preview] = []
    for planned in plan(policy, at):
        step = policy.steps[planned.step]
        reached = who(step.notify, campus, planned.due_at, step.via)
        meant = tuple(person.id for person in people(step.notify, campus, planned.due_at))
        found.append(Preview(planned.step, planned.due_at, meant, reached, step.until))
    return tuple(found)


def choose(policies: Mapping[str, Policy], asked: str | None, severity: Severity) -> tuple[Policy, str]:
    """Return the policy for an alert, and why it is not the one that was asked for (empty if it is)."""
    if asked is None or asked in policies:
        return policies[asked or severity], ""
    return policies[severity], f"there is no policy {asked!r}; the one for {severity} alerts is used"


def to_plain(policy: Policy) -> dict[str, Any]:
    """Return a policy as plain JSON values, whole, as it is kept with an alert."""
    return policy.model_dump(mode="json")


def from_plain(plain: Mapping[str, Any]) -> Policy:
    """Return the policy that was kept with an alert; BadInput if it is not one (any more)."""
    return read_kept(msgspec.json.encode(plain).decode())


@lru_cache(maxsize=256)
def read_kept(kept: str) -> Policy:
    """Return the policy that was kept with an alert, from the JSON it is stored as; BadInput if it is none."""
    try:
        return Policy.model_validate(msgspec.json.decode(kept))
    except ValidationError as error:
        raise BadInput(problems_of(error)) from None


def _each(data: Any) -> list[tuple[str, Any]]:
    if isinstance(data, Mapping) and set(data) == {"policies"}:
        return [(f"policies[{i}].", each) for i, each in enumerate(data["policies"] or ())]
    if isinstance(data, list | tuple):
        return [(f"[{i}].", each) for i, each in enumerate(data)]
    return [("", data)]
