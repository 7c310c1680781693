"""What the courier carries: deliveries that were claimed, looked at once more, and put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import links, notices, outbox, store
from alerts.alert import Alert
from alerts.channels import Outcome
from alerts.duty import endpoint
from alerts.links import Link
from alerts.notices import Notice, Setting
from alerts.outbox import NO_ALERT, DeliveryRow, Lane, Place
from alerts.plan_picture import picture_for
from alerts.policies import is_answered
from alerts.suppression import zone_of
from core import state
from core.campus import Campus
from core.facts import CampusFacts

TOGETHER: Final[Mapping[Lane, timedelta]] = {"normal": timedelta(seconds=30), "bulk": timedelta(hours=1)}
"""Lanes in which notices come in company, and how far ahead of its time one joins."""
MOST_TOGETHER: Final = 20
"""No notice tells of more alerts: it must stay readable."""
_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Parcel:
    """What goes to one endpoint in one notice: usually one delivery."""

    lane: Lane
    place: Place
    deliveries: list[DeliveryRow]
    url: str = ""
    notice: Notice | None = None
    outcome: Outcome | None = None
    """What came of it; known beforehand where it cannot even be sent."""


async def make_up(
    session: AsyncSession,
    lane: Lane,
    rows: Sequence[DeliveryRow],
    campuses: Mapping[str, Campus],
    now: datetime,
    *,
    public_url: str | None,
) -> list[Parcel]:
    """Return claimed deliveries as parcels, in words; those that nobody needs any more are given up."""
    if not rows:
        return []
    known = await store.get_all(session, {row.alert for row in rows})
    needless = {row.id: why for row in rows if (why := why_not(row, known.get(row.alert)))}
    await outbox.mark_cancelled(session, needless.items())
    wanted = [row for row in rows if row.id not in needless]
    addresses = await _links(session, [row for row in wanted if row.alert != NO_ALERT], now, public_url)
    parcels = _parcels(lane, wanted)
    settings = {
        name: await _setting(session, campuses[name], now)
        for name in dict.fromkeys(parcel.place[0] for parcel in parcels)
        if name in campuses
    }
    for parcel in parcels:
        said = [(known[row.alert], addresses.get(row.id)) for row in parcel.deliveries if row.alert != NO_ALERT]
        name = parcel.place[0]
        _fill(parcel, said, campuses.get(name), settings.get(name))
    return parcels


async def _setting(session: AsyncSession, campus: Campus, now: datetime) -> Setting:
    told = await state.get(session, campus.id, "campus", campus.id)
    present = told.state if isinstance(told, CampusFacts) else None
    return Setting(campus.campus.name, campus.zone_info, now, present or campus.campus.state)


def why_not(row: DeliveryRow, alert: Alert | None) -> str:
    """Return why a delivery is no longer needed; empty if it is."""
    if row.alert == NO_ALERT:
        return ""
    if alert is None:
        return "the alert is gone"
    if row.until == "always":
        return ""
    if not alert.is_open:
        return "the alert was closed"
    if row.generation < alert.first_generation:
        return "the alert has moved on since"
    if is_answered(row.until, alert):
        return f"{notices.name_of(alert.on_scene_by or alert.acknowledged_by)} has it"
    return ""


def _fill(parcel: Parcel, said: list[tuple[Alert, str | None]], campus: Campus | None, setting: Setting | None) -> None:
    target = endpoint(campus, parcel.place[1], parcel.place[2]) if campus else None
    if setting is None or target is None:
        parcel.outcome = Outcome("refused", "this endpoint is no longer there")
        return
    parcel.url = target.url
    first = parcel.deliveries[0]
    try:
        if first.alert == NO_ALERT:
            parcel.notice = notices.word_report(first.text, via=target.via)
        elif len(said) > 1:
            zones = {alert.id: _zone(alert, campus) for alert, _ in said}
            parcel.notice = notices.word_together(said, setting, via=target.via, zones=zones)
        else:
            alert, link = said[0]
            parcel.notice = notices.word(
                alert,
                setting,
                kind=first.kind,
                via=target.via,
                text=first.text,
                link=link,
                picture=picture_for(alert, campus) if target.via == "email" else None,
            )
    except Exception as error:  # noqa: BLE001 - one alert that cannot be worded holds up no other
        _log.exception("notice_not_worded", alert=first.alert)
        parcel.outcome = Outcome("failed", f"could not be worded ({type(error).__name__})")


def _zone(alert: Alert, campus: Campus | None) -> str:
    zone = campus.zones_by_id.get(zone_of(alert, campus) or "") if campus else None
    return zone.name if zone else ""


def _parcels(lane: Lane, rows: Sequence[DeliveryRow]) -> list[Parcel]:
    """Return the rows as notices: what was claimed for one endpoint at once is one notice."""
    found: dict[Place, list[DeliveryRow]] = {}
    for row in rows:
        found.setdefault(row.place, []).append(row)
    return [Parcel(lane, place, group) for place, group in found.items()]


async def _links(
    session: AsyncSession, rows: Sequence[DeliveryRow], now: datetime, public_url: str | None
) -> dict[int, str]:
    if public_url is None or not rows:
        return {}
    wanted = [Link(row.alert, row.person, row.endpoint, row.generation, now + links.GOOD_FOR) for row in rows]
    tokens = await links.make_all(session, wanted)
    return {row.id: f"{public_url}/a/{token}" for row, token in zip(rows, tokens, strict=True)}
