"""What the page about silence shows: what is kept quiet now, later and lately, what can be named, the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import shelf, store
from alerts.alert import Alert
from alerts.notices import name_of
from alerts.srp import CHECKLIST, WORDS
from alerts.suppression import Suppression
from api.access import Caller
from api.console import forms, quiets
from api.console.truth import mark
from api.console.views import Quiet
from api.routes.state import state_of
from core import state
from core.campus import Campus
from core.facts import CampusState
from rules.store import RuleRow

OVER_SHOWN: Final = 20
CURRENT_SHOWN: Final = 200
ALERTS_OFFERED: Final = 50
STATES: Final[tuple[CampusState, ...]] = ("hold", "secure", "lockdown", "evacuate", "shelter", "normal")
NORMAL: Final = "Normal: nothing out of the ordinary"
LASTING: Final = (
    ("15", "15 minutes"),
    ("30", "30 minutes"),
    ("60", "1 hour"),
    ("120", "2 hours"),
    ("240", "4 hours"),
    ("480", "8 hours"),
    ("720", "12 hours"),
)
DRILLS: Final = ("Fire drill", "Lockdown drill", "Secure drill", "Evacuation drill", "Shelter drill", "Test")


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that is kept quiet, and what whoever looks may do about it."""

    id: int
    quiet: Quiet
    starts_at: datetime
    may_end: bool
    may_second: bool
    ended: str
    """How it ended before its time; empty where it did not."""
    mark: str


@dataclass(frozen=True, slots=True)
class Silences:
    """The page's content."""

    now: Sequence[Kept]
    later: Sequence[Kept]
    over: Sequence[Kept]
    following: int | None
    """The number after which the older ones come; None: there are none."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What the forms offer to choose from."""

    rules: Sequence[tuple[str, str]]
    zones: Sequence[tuple[str, str]]
    windows: Sequence[tuple[str, str]]
    people: Sequence[tuple[str, str]]
    alerts: Sequence[tuple[str, str]]
    doors: Sequence[tuple[str, str]]
    """Empty where there are too many to choose from: one writes the number or the name."""
    lasting: Sequence[tuple[str, str]] = LASTING
    snoozing: Sequence[tuple[str, str]] = LASTING[:3]
    drills: Sequence[tuple[str, str]] = tuple((each, each) for each in DRILLS)


@dataclass(frozen=True, slots=True)
class Standing:
    """The state that a campus is in."""

    state: CampusState
    words: str
    since: datetime | None
    by: str


@dataclass(frozen=True, slots=True)
class Consequences:
    """What happens when a state is declared, before it is."""

    state: CampusState
    words: str
    checklist: Sequence[str]
    resting: Sequence[str]
    """Rules that say nothing while it holds."""
    waking: Sequence[str]
    """Rules that rest now and would not."""


async def read(session: AsyncSession, campus: Campus, caller: Caller, now: datetime, before: int | None) -> Silences:
    """Return what is kept quiet now, what will be, and what is over; `before`: only what is older than this number."""
    current = await shelf.find(session, campus=campus.id, now=now, limit=CURRENT_SHOWN)
    latest = await shelf.find(session, campus=campus.id, before_id=before, limit=OVER_SHOWN + CURRENT_SHOWN)
    over = [each for each in latest if each.lifted_at is not None or each.ends_at <= now]
    alerts = await store.get_all(session, {each.alert for each in (*current, *over) if each.alert is not None})

    def shown(each: Suppression) -> Kept:
        return _kept(each, alerts.get(each.alert or 0), campus, caller, now)

    return Silences(
        now=[shown(each) for each in sorted(current, key=lambda each: each.ends_at) if each.starts_at <= now],
        later=[shown(each) for each in sorted(current, key=lambda each: each.starts_at) if each.starts_at > now],
        over=[shown(each) for each in over[:OVER_SHOWN]],
        following=over[OVER_SHOWN - 1].id if len(over) > OVER_SHOWN else None,
    )


async def offers(session: AsyncSession, campus: Campus) -> Offers:
    """Return what can be named in the forms."""
    alerts = await store.find(session, state="open", campus=campus.id, limit=ALERTS_OFFERED)
    return Offers(
        rules=[(rule, str(document.get("title", rule))) for rule, document in (await rules(session)).items()],
        zones=[(zone.id, zone.name) for zone in campus.zones],
        windows=_windows(campus),
        people=[(person.id, person.name) for person in campus.people],
        alerts=[(str(alert.id), f"{alert.code}: {alert.text}") for alert in alerts],
        doors=[(door.id, f"{door.name} {door.number}".strip()) for door in forms.offered_doors(campus)],
    )


async def standing(session: AsyncSession, campus: Campus) -> Standing:
    """Return the state that a campus is in, and who said so."""
    told = state_of(campus, await state.get(session, campus.id, "campus", campus.id))
    by = told["by"]
    known = campus.people_by_id.get(name_of(by)) if by else None
    return Standing(told["state"], words_of(told["state"]), told["since"], known.name if known else name_of(by or ""))


async def consequences(session: AsyncSession, wanted: CampusState, present: CampusState) -> Consequences:
    """Return what happens when a state is declared while another one is present."""
    resting, waking = [], []
    for rule, document in (await rules(session)).items():
        only_in = _states_of(document)
        if only_in and document.get("mode") != "disabled":
            title = str(document.get("title", rule))
            resting += [title] if wanted not in only_in else []
            waking += [title] if wanted in only_in and present not in only_in else []
    checklist = () if wanted == "normal" else CHECKLIST[wanted]
    return Consequences(wanted, words_of(wanted), checklist, resting, waking)


async def rules(session: AsyncSession) -> dict[str, Mapping[str, Any]]:
    """Return the documents of the rules as they are now, by id; nothing is read into them, so that it is light."""
    newest = select(RuleRow.id, func.max(RuleRow.version).label("version")).group_by(RuleRow.id).subquery()
    same = and_(RuleRow.id == newest.c.id, RuleRow.version == newest.c.version)
    query = select(RuleRow.id, RuleRow.document).join(newest, same).where(RuleRow.document.is_not(None))
    found = await session.execute(query.order_by(RuleRow.id))
    return {rule: msgspec.json.decode(document or "null") for rule, document in found}


def words_of(said: CampusState) -> str:
    """Return a state with what it asks of people."""
    return NORMAL if said == "normal" else WORDS[said]


def _states_of(document: Mapping[str, Any]) -> Sequence[str]:
    said = (document.get("active") or {}).get("campus_state") or ()
    return [said] if isinstance(said, str) else list(said)


def _windows(campus: Campus) -> list[tuple[str, str]]:
    names = {window.name: None for kind in campus.calendar.day_types.values() for window in kind.windows}
    return [(name, name) for name in names]


def _kept(each: Suppression, alert: Alert | None, campus: Campus, caller: Caller, now: datetime) -> Kept:
    quiet = quiets.kept(each, alert, campus)
    is_open = each.lifted_at is None and each.ends_at > now
    other = each.seconded_by is None and each.author != caller.actor
    ended = f"{quiets.name_in(each.lifted_by, campus)} ended it" if each.lifted_by else ""
    return Kept(
        id=each.id,
        quiet=quiet,
        starts_at=each.starts_at,
        may_end=is_open and caller.may("declare" if each.kind == "exercise" else "answer"),
        may_second=is_open and other and each.kind != "exercise" and caller.may("answer"),
        ended=ended,
        mark=mark(quiet.mark, is_open, each.starts_at <= now),
    )
