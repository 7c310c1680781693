"""How devices and rooms stand, as more than one page says it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from core.campus import Campus, Device, Gathering
from core.silence import MISSED_BEATS
from core.state import Standing


def is_silent(device: Device, told: Mapping[str, Standing], now: datetime) -> bool:
    """Return whether a device said that it is offline, or has missed its heartbeats."""
    standing = told.get(device.id)
    if standing is not None and standing.level == "offline":
        return True
    if device.heartbeat is None:
        return False
    heard = standing.heard_at if standing else None
    return heard is None or now - heard > MISSED_BEATS * device.heartbeat


def load_of(campus: Campus, gathering: Gathering) -> int | None:
    """Return how many may be in the room of a gathering: its own figure, or that of its zone; None: not known."""
    zone = campus.zones_by_id.get(gathering.zone or "")
    return gathering.load if gathering.load is not None else zone.load if zone else None


def tone_of(full: int | None) -> str:
    """Return the severity whose colour a room has that is so full, in percent."""
    if full is None or full < 90:
        return "good"
    return "extreme" if full > 100 else "severe"
