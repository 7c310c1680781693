"""What judging the past again has found, in words: why a rule held, and what a draft would have changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from api.console import render
from api.rule_schemas import AccountShown, AgainstShown, DifferenceShown, ShadowShown
from core.campus import Campus, write_duration
from rules.language.roots import label

SHOWN: Final = 100
"""So many differences are named; how many there are is said."""
_HEADINGS: Final = {
    "firing": "It held",
    "ending": "It held, and was about to end",
    "pending": "It did not hold yet: it waited",
    "quiet": "It did not hold",
    "not in scope": "The rule is not about this",
    "unknown key": "Nothing is known of it",
}


@dataclass(frozen=True, slots=True)
class Happened:
    """Something at an instant."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of the rule at the moment, with what it read."""

    text: str
    value: str
    read: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Told:
    """Why, or why not."""

    heading: str
    words: Sequence[str]
    waited_for: Sequence[Happened]
    conditions: Sequence[Condition]
    steps: Sequence[Happened]
    values: str
    exemptions: Sequence[str]
    messages: int
    since: datetime


def told(account: AccountShown) -> Told:
    """Return an account as a page shows it."""
    return Told(
        heading=_HEADINGS[account.state],
        words=account.words,
        waited_for=[Happened(datetime.fromisoformat(each["at"]), each["what"]) for each in account.timers],
        conditions=[_condition(each) for each in account.conditions],
        steps=[Happened(datetime.fromisoformat(each["at"]), each["words"]) for each in account.steps],
        values=", ".join(f"{name} = {_said(value)}" for name, value in account.params.items()),
        exemptions=[
            f"{each['reason']} ({each['by']})" if "by" in each else each["reason"] for each in account.overrides
        ],
        messages=account.read["messages"],
        since=datetime.fromisoformat(account.read["since"]),
    )


def _condition(each: Mapping[str, Any]) -> Condition:
    read = [(name, _said(value)) for name, value in each["readings"].items()]
    return Condition(each["text"], _said(each["value"]), read)


def _said(value: Any) -> str:
    if value is None:
        return "unknown"
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Differs:
    """A time in which only one of two held."""

    campus: str
    key: str
    what: str
    began_at: datetime
    zone: ZoneInfo
    lasted: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What a draft would have changed; the counts are whole, the lists may be cut short."""

    since: datetime
    against: AgainstShown | None
    gained_count: int
    lost_count: int
    both: int
    gained: Sequence[Differs]
    lost: Sequence[Differs]


def compared(shadow: ShadowShown, entity: str, campuses: Mapping[str, Campus]) -> Compared:
    """Return a comparison as a page shows it."""
    return Compared(
        since=shadow.since,
        against=shadow.against,
        gained_count=len(shadow.gained),
        lost_count=len(shadow.lost),
        both=shadow.both,
        gained=_differences(shadow.gained[-SHOWN:], entity, campuses),
        lost=_differences(shadow.lost[-SHOWN:], entity, campuses),
    )


def _differences(found: Iterable[DifferenceShown], entity: str, campuses: Mapping[str, Campus]) -> list[Differs]:
    rows: list[Differs] = []
    for each in found:
        campus = campuses.get(each.campus)
        rows.append(
            Differs(
                campus=each.campus,
                key=each.key,
                what=label(campus, entity, each.key) if campus else each.key,
                began_at=each.began_at,
                zone=render.zone_of(campus),
                lasted=_lasted(each.began_at, each.ended_at),
            )
        )
    return rows


def _lasted(began: datetime, ended: datetime | None) -> str:
    if ended is None:
        return "still so"
    return write_duration(timedelta(seconds=round((ended - began).total_seconds())))
