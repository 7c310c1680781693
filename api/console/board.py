"""What the board shows: read in one session, put into the words people use, ordered by what is urgent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import notices, outbox, srp, store
from alerts.alert import Alert, is_chattering
from alerts.links import LinkRow
from alerts.outbox import DeliveryRow
from api.console import quiets, render, truth
from api.console.frame import Frame
from api.console.truth import mark
from api.console.views import ALERTS_SHOWN, CARDS_SHOWN, Board, Card, Line, Reached
from core.campus import Campus
from core.findings import SEVERITIES

DELIVERIES_SHOWN: Final = 8
SITES_SHOWN: Final = 40
DISPOSITIONS: Final = (
    ("real", "It was real"),
    ("nuisance", "Real, but no danger"),
    ("false", "A false alarm"),
    ("drill", "A drill"),
    ("test", "A test"),
    ("unknown", "Nobody knows"),
)
DELIVERY_WORDS: Final = {
    "pending": "waits",
    "leased": "is being sent",
    "accepted": "sent",
    "unknown": "perhaps arrived",
    "failed": "failed, tried again",
    "refused": "refused",
    "cancelled": "not needed any more",
}
_REACHED: Final = ("opened", "accepted", "unknown", "leased", "pending", "failed", "refused")
"""How far a person was reached by the best of their endpoints: the first of these that holds for any."""
_REACHED_WORDS: Final = {
    "opened": "opened it",
    "accepted": "told",
    "unknown": "perhaps told",
    "leased": "being told",
    "pending": "waits",
    "failed": "failed, tried again",
    "refused": "NOT REACHED",
}


async def read(session: AsyncSession, frame: Frame) -> Board:
    """Return the board as it is now: of the campus that was chosen, or of all of them."""
    shown = [frame.chosen] if frame.chosen else frame.campuses
    campuses = {campus.id: campus for campus in frame.campuses}
    alerts = await _gravest(session, frame.chosen.id if frame.chosen else None)
    rows = await outbox.find(session, limit=DELIVERIES_SHOWN)
    codes = await store.get_all(session, {row.alert for row in rows})
    alerts.sort(key=lambda alert: (-alert.rank, alert.is_acknowledged, alert.cleared_at is not None, -alert.id))
    told = await _told(session, alerts[:CARDS_SHOWN], campuses)
    return Board(
        cards=[card(alert, campuses, told.get(alert.id, ()), frame.now) for alert in alerts],
        quiets=[quiet for campus in shown[:SITES_SHOWN] for quiet in await quiets.read(session, campus, frame.now)],
        sites=await truth.sites(session, shown[:SITES_SHOWN], frame.now),
        deliveries=[_line(row, codes.get(row.alert), campuses) for row in rows],
    )


async def _gravest(session: AsyncSession, campus: str | None) -> list[Alert]:
    found: list[Alert] = []
    for severity in reversed(SEVERITIES):
        if len(found) < ALERTS_SHOWN:
            left = ALERTS_SHOWN - len(found)
            found += await store.find(session, state="open", severity=severity, campus=campus, limit=left)
    return found


def card(alert: Alert, campuses: Mapping[str, Campus], told: Sequence[Reached], now: datetime) -> Card:
    """Return an alert as pages show it."""
    campus = campuses.get(alert.campus)
    live = alert.exercise == "live"
    chattering = is_chattering(alert, now)
    choices = [each for each in DISPOSITIONS if not live or each[0] not in ("drill", "test")]
    if not live:
        choices.sort(key=lambda each: each[0] != alert.exercise)
    return Card(
        id=alert.id,
        code=alert.code,
        severity=alert.severity,
        exercise=alert.exercise,
        title=alert.title,
        text=alert.text,
        site=campus.campus.name if campus and len(campuses) > 1 else "",
        zone=render.zone_of(campus),
        began_at=alert.since,
        cleared_at=alert.cleared_at,
        momentary=alert.momentary,
        count=alert.count,
        acknowledged_by=name_of(alert.acknowledged_by, campus),
        acknowledged_at=alert.acknowledged_at,
        on_scene_by=name_of(alert.on_scene_by, campus),
        suppressed=alert.suppressed,
        stale=alert.stale,
        chattering=chattering,
        told=told,
        do=alert.do,
        suggested=srp.suggestion(alert.srp),
        dispositions=choices,
        rank=alert.rank,
        mark=mark(alert, [(each.name, each.how) for each in told], chattering),
    )


async def _told(
    session: AsyncSession, alerts: Sequence[Alert], campuses: Mapping[str, Campus]
) -> dict[int, list[Reached]]:
    """Return how far each person knows of each alert, in the order in which they were to be told."""
    ids = [alert.id for alert in alerts]
    where = {alert.id: campuses.get(alert.campus) for alert in alerts}
    sent = select(DeliveryRow.alert, DeliveryRow.person, DeliveryRow.state).order_by(DeliveryRow.id)
    looked = select(LinkRow.alert, LinkRow.person).where(LinkRow.opened_at.is_not(None))
    states: dict[tuple[int, str], set[str]] = {}
    for number, person, state in (await session.execute(sent.where(DeliveryRow.alert.in_(ids)))).all():
        states.setdefault((number, person), set()).add(state)
    for number, person in (await session.execute(looked.where(LinkRow.alert.in_(ids)))).all():
        states.setdefault((number, person), set()).add("opened")
    found: dict[int, list[Reached]] = {}
    for (number, person), said in states.items():
        how = next((each for each in _REACHED if each in said), None)
        if how is not None:
            name = name_of(person, where[number]) or person
            found.setdefault(number, []).append(Reached(name, how, _REACHED_WORDS[how]))
    return found


def _line(row: DeliveryRow, alert: Alert | None, campuses: Mapping[str, Campus]) -> Line:
    campus = campuses.get(row.campus)
    words = DELIVERY_WORDS.get(row.state, row.state)
    kind = {"alert": "", "test": "test "}.get(row.kind, f"{row.kind} ")
    return Line(
        id=row.id,
        code=alert.code if alert else "",
        to=f"{kind}to {name_of(row.person, campus) or row.person}, {row.via}",
        at=row.created_at,
        zone=render.zone_of(campus),
        state=row.state,
        words=f"{words}: {row.reason}" if row.reason and row.state in ("refused", "failed") else words,
        mark=mark(row.state, row.attempts, row.reason),
    )


def name_of(who: str | None, campus: Campus | None) -> str | None:
    """Return what people call whoever acted: a person of the campus by name, anybody else as they were written down."""
    if who is None:
        return None
    plain = notices.name_of(who)
    person = campus.people_by_id.get(plain) if campus else None
    return person.name if person else plain
