"""What the live page says about silence: what somebody keeps quiet, and who is told so much that it is digested."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import flood, shelf, store
from alerts.alert import Alert
from alerts.flood import Attention
from alerts.notices import name_of
from alerts.suppression import Suppression
from api.console import render
from api.console.truth import mark
from api.console.views import Quiet
from core.campus import Campus

WORDS: Final = {
    "shelf": "Shelved",
    "maintenance": "Maintenance",
    "snooze": "Snoozed",
    "supervised": "Supervised",
    "exercise": "Exercise",
    "backlog": "Catching up",
}


async def read(session: AsyncSession, campus: Campus, now: datetime) -> list[Quiet]:
    """Return what is kept quiet on a campus now, what ends first at the top; then who is in a flood."""
    held = await shelf.in_force(session, [campus.id], now)
    alerts = await store.get_all(session, {each.alert for each in held if each.alert is not None})
    found = [kept(each, alerts.get(each.alert or 0), campus) for each in sorted(held, key=lambda each: each.ends_at)]
    return found + [_flooded(each, campus) for each in await flood.floods(session, campus.id, now)]


def kept(each: Suppression, alert: Alert | None, campus: Campus) -> Quiet:
    """Return a suppression as pages show it."""
    second = name_in(each.seconded_by, campus) if each.seconded_by else ""
    monitor = f", watched by {name_in(each.monitor, campus)}" if each.monitor else ""
    extreme = f"Extreme alerts, too: seconded by {second}" if second else "Extreme alerts are told all the same"
    return Quiet(
        key=f"suppression-{each.id}",
        kind=WORDS[each.kind],
        what=_what(each, alert, campus) + monitor,
        who=name_in(each.author, campus),
        why=each.reason,
        until=each.ends_at,
        since=None,
        zone=render.zone_of(campus),
        extreme=extreme,
        mark=mark(str(each), campus.campus.name),
    )


def _what(each: Suppression, alert: Alert | None, campus: Campus) -> str:
    if each.alert is not None:
        return f"{alert.code}: {alert.text}" if alert else f"alert {each.alert}"
    doors = [campus.doors_by_id[key].name if key in campus.doors_by_id else key for key in each.keys]
    zones = [campus.zones_by_id[zone].name if zone in campus.zones_by_id else zone for zone in each.zones]
    return " · ".join(", ".join(names) for names in (each.rules, doors, zones) if names) or "nothing, only announced"


def _flooded(each: Attention, campus: Campus) -> Quiet:
    return Quiet(
        key=f"flood-{each.campus}-{each.person}",
        kind="Flood",
        what=f"{name_in(each.person, campus)} is told too much",
        who="",
        why="Moderate and minor alerts come together, every ten minutes",
        until=None,
        since=each.flood_since,
        zone=render.zone_of(campus),
        extreme="Severe and extreme alerts come at once",
        mark=str(each.flood_since),
    )


def name_in(who: str, campus: Campus) -> str:
    """Return what people call whoever acted."""
    plain = name_of(who)
    return campus.people_by_id[plain].name if plain in campus.people_by_id else plain
