"""Who is here: in, held, overdue, signed out by the clock alone, expected today; as the caller may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from api.console.truth import mark
from api.private import Eyes
from api.routes import visits
from core.campus import Campus
from core.facts import VisitFacts
from core.state import FactsRow

SHOWN: Final = 300
"""Of each group; the roster goes on where there are more."""
ANNOUNCED: Final = 1000
"""So many announced visits are looked at for those of today, the latest announcements first."""
_SCREENING: Final = {
    "possible": "the screening has found a possible match",
    "confirmed": "the screening has confirmed a match",
    "error": "the screening did not work",
    "not_run": "nobody was screened",
}
_WATCH: Final = {
    "trespass": "trespass order",
    "restraining_order": "restraining order",
    "banned": "banned from campus",
    "custody": "a custody matter",
    "offender": "registered offender",
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """One visit, as a line shows it."""

    id: str
    name: str
    type: str
    host: str
    place: str
    badge: str
    since: datetime | None
    until: datetime | None
    """When they said that they leave; of one who is expected: when they come."""
    escort: str
    why: str
    """Why they are held; empty: nobody has said, or it is not for these eyes."""
    withheld: bool
    """Details are kept back for which a purpose must be named."""
    mark: str


@dataclass(frozen=True, slots=True)
class Group:
    """Visits of one kind, and what it means that there are none."""

    id: str
    title: str
    visitors: Sequence[Visitor]
    more: bool
    none: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Presence:
    """Everybody who is here or may be."""

    groups: Sequence[Group]
    withheld: bool
    """Whether anything is kept back."""

    @property
    def counts(self) -> str:
        """How many there are, in one line."""
        found = {group.id: f"{len(group.visitors)}{'+' if group.more else ''}" for group in self.groups}
        here = f"{found['in']} in, {found['held']} held"
        return f"{here}, {found['overdue']} past their time, {found['unverified']} not seen out"


async def read(session: AsyncSession, campus: Campus, eyes: Eyes, now: datetime) -> Presence:
    """Return who is here; what is seen of private details is put on record first."""
    inside = await visits.in_state(session, campus.id, "in", limit=SHOWN + 1)
    held = await visits.in_state(session, campus.id, "held", limit=SHOWN + 1)
    left = await visits.unverified(session, campus.id, now, limit=SHOWN + 1)
    announced = await visits.in_state(session, campus.id, "expected", limit=ANNOUNCED)
    coming = [row for row in announced if _is_today(row, campus, now)]
    rows = [row for several in (inside, held, left, coming) for row in several[:SHOWN]]
    told = {each["id"]: each for each in await visits.told(rows, eyes, campus.id)}

    def of(rows: Sequence[FactsRow]) -> list[Mapping[str, Any]]:
        return [told[row.id] for row in rows[:SHOWN]]

    here = of(inside)
    late = [each for each in here if each["expected_out"] and each["expected_out"] < now]
    expected = sorted(of(coming), key=lambda each: each["start"] or now)
    groups = (
        ("held", "Held at the desk", of(held), len(held) > SHOWN, "Nobody is held.", "bad"),
        ("overdue", "Past their time", late, False, "Nobody is past the time they gave.", "doubtful"),
        ("unverified", "Signed out, not seen out", of(left), len(left) > SHOWN, "Everybody was seen out.", "doubtful"),
        ("in", "In the building", here, len(inside) > SHOWN, "No visitor is in the building.", ""),
        ("expected", "Expected today", expected, len(coming) > SHOWN, "Nobody else is expected today.", ""),
    )
    return Presence(
        groups=[
            Group(name, title, [_visitor(each, campus) for each in found], more, none, tone)
            for name, title, found, more, none, tone in groups
        ],
        withheld=any(each.get("withheld") for each in told.values()),
    )


def _is_today(row: FactsRow, campus: Campus, now: datetime) -> bool:
    facts = msgspec.json.decode(row.data, type=VisitFacts)
    at = facts.start or facts.heard_at or now
    return at.astimezone(campus.zone_info).date() == now.astimezone(campus.zone_info).date()


def _visitor(told: Mapping[str, Any], campus: Campus) -> Visitor:
    zone = campus.zones_by_id.get(told["zone"] or "")
    expected = told["state"] == "expected"
    return Visitor(
        id=told["id"],
        name=told["name"] or "no name given",
        type=told["type"] or "",
        host=told["host"] or "",
        place=zone.name if zone else told["zone"] or "",
        badge=told["badge"] or "",
        since=None if expected else told["state_at"],
        until=told["start"] if expected else told["expected_out"],
        escort=_escort(told, campus),
        why=_why(told) if told["state"] == "held" else "",
        withheld=bool(told.get("withheld")),
        mark=mark(sorted((name, str(value)) for name, value in told.items())),
    )


def _why(told: Mapping[str, Any]) -> str:
    parts = (_SCREENING.get(told["screening"] or "", ""), _WATCH.get(told["watch"] or "", ""))
    return ": ".join(each for each in parts if each)


def _escort(told: Mapping[str, Any], campus: Campus) -> str:
    zone = campus.zones_by_id.get(told["zone"] or "")
    needed = told["escort_required"] if told["escort_required"] is not None else bool(zone and zone.escort_required)
    return told["escort"] or ("must be escorted, and nobody is named" if needed else "")
