"""What the live page shows: read in one session, put into the words people use, ordered by what is urgent."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import notices, outbox, srp, store
from alerts.alert import Alert, is_chattering
from alerts.outbox import DeliveryRow
from api.console import quiets, render
from api.console.views import ALERTS_SHOWN, Banner, Board, Card, Line, Quiet, Site, Tile
from api.deps import Health
from api.routes.campuses import doors
from api.routes.state import state_of
from api.schemas import DoorShown
from core import feed, state
from core.campus import Campus
from core.findings import SEVERITIES

DELIVERIES_SHOWN: Final = 8
DISPOSITIONS: Final = (
    ("real", "It was real"),
    ("nuisance", "Real, but no danger"),
    ("false", "A false alarm"),
    ("drill", "A drill"),
    ("test", "A test"),
    ("unknown", "Nobody knows"),
)
_DELIVERY_WORDS: Final = {
    "pending": "waits",
    "leased": "is being sent",
    "accepted": "sent",
    "unknown": "perhaps arrived",
    "failed": "failed, tried again",
    "refused": "refused",
    "cancelled": "not needed any more",
}


async def read(session: AsyncSession, campuses: Mapping[str, Campus], health: Health, now: datetime) -> Board:
    """Return the board as it is now."""
    # The number comes first: what happens while we read is then told again, never missed.
    last_id = await feed.last_id(session)
    found = sorted(campuses.values(), key=lambda campus: campus.id)
    open_alerts = await _gravest(session)
    rows = await outbox.find(session, limit=DELIVERIES_SHOWN)
    told = await _told(session, open_alerts, campuses)
    codes = await store.get_all(session, {row.alert for row in rows})
    cards = [_card(alert, campuses, told.get(alert.id, ""), now) for alert in open_alerts]
    quiet_now = [quiet for campus in found for quiet in await quiets.read(session, campus, now)]
    zone = render.zone_of(found[0] if found else None)
    return Board(
        now=now,
        zone=zone,
        last_id=last_id,
        banners=[
            *_unwell(health, zone),
            *[banner async for banner in _states(session, found)],
            *[_exercise(quiet, now) for quiet in quiet_now if quiet.kind == "Exercise"],
        ],
        cards=sorted(cards, key=lambda card: (-card.rank, card.taken, card.cleared_at is not None, -card.id)),
        quiets=quiet_now,
        sites=[
            Site(campus.id, campus.campus.name, [_tile(campus.id, door, now) for door in await doors(session, campus)])
            for campus in found
        ],
        deliveries=[_line(row, codes.get(row.alert), campuses) for row in rows],
    )


async def _gravest(session: AsyncSession) -> list[Alert]:
    found: list[Alert] = []
    for severity in reversed(SEVERITIES):
        if len(found) < ALERTS_SHOWN:
            left = ALERTS_SHOWN - len(found)
            found += await store.find(session, state="open", severity=severity, limit=left)
    return found


def _card(alert: Alert, campuses: Mapping[str, Campus], told: str, now: datetime) -> Card:
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
        mark=_mark(alert, told, chattering),
    )


async def _told(session: AsyncSession, alerts: Iterable[Alert], campuses: Mapping[str, Campus]) -> dict[int, str]:
    waiting = {alert.id: campuses.get(alert.campus) for alert in alerts if not alert.is_acknowledged}
    query = (
        select(DeliveryRow.alert, DeliveryRow.person)
        .where(DeliveryRow.alert.in_(waiting), DeliveryRow.state.in_(outbox.REACHED))
        .order_by(DeliveryRow.id)
    )
    people: dict[int, dict[str, None]] = {}
    for alert, person in (await session.execute(query)).all() if waiting else ():
        people.setdefault(alert, {})[name_of(person, waiting[alert]) or person] = None
    return {alert: ", ".join(names) for alert, names in people.items()}


def _tile(campus: str, door: DoorShown, now: datetime) -> Tile:
    since = min(door.position_at, now) if door.position_at else None
    # The script changes a tile by itself, so the mark says what it shows.
    mark = f"{door.position}|{door.position_at and door.position_at.timestamp()}|{door.lock}"
    return Tile(campus, door.id, door.name, door.number, door.position, since, door.lock, mark)


def _line(row: DeliveryRow, alert: Alert | None, campuses: Mapping[str, Campus]) -> Line:
    campus = campuses.get(row.campus)
    words = _DELIVERY_WORDS.get(row.state, row.state)
    kind = {"alert": "", "test": "test "}.get(row.kind, f"{row.kind} ")
    return Line(
        id=row.id,
        code=alert.code if alert else "",
        to=f"{kind}to {name_of(row.person, campus) or row.person}, {row.via}",
        at=row.created_at,
        zone=render.zone_of(campus),
        state=row.state,
        words=f"{words}: {row.reason}" if row.reason and row.state in ("refused", "failed") else words,
        mark=_mark(row.state, row.attempts, row.reason),
    )


def _unwell(health: Health, zone: ZoneInfo) -> Iterable[Banner]:
    for name in ("broker", "database", "auditor"):
        part = getattr(health, name)
        if not part.ok:
            since = f", since {part.since.astimezone(zone):%H:%M}" if part.since else ""
            yield Banner(f"health-{name}", "unwell", f"{name.capitalize()}: {part.words}{since}")


async def _states(session: AsyncSession, campuses: Sequence[Campus]) -> AsyncIterator[Banner]:
    for campus in campuses:
        now = state_of(campus, await state.get(session, campus.id, "campus", campus.id))
        if now["state"] != "normal":
            where = f"{campus.campus.name}: " if len(campuses) > 1 else ""
            yield Banner(f"state-{campus.id}", now["state"], where + srp.WORDS[now["state"]])


def _exercise(quiet: Quiet, now: datetime) -> Banner:
    until = render.clock_time(quiet.until, quiet.zone, now) if quiet.until else ""
    return Banner(quiet.key, "exercise", f"EXERCISE until {until}: {quiet.why}")


def name_of(who: str | None, campus: Campus | None) -> str | None:
    """Return what people call whoever acted: a person of the campus by name, anybody else as they were written down."""
    if who is None:
        return None
    plain = notices.name_of(who)
    person = campus.people_by_id.get(plain) if campus else None
    return person.name if person else plain


def _mark(*parts: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=8).hexdigest()
