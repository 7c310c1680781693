"""The campus of the tests: small, whole, and as CONTRACT's example has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from core.campus import Campus

CALM_HOUR: Final = 10
"""Nothing of the campus's own hours falls into it: no shift begins, no nightly check is made, no break."""

LINCOLN: dict[str, Any] = {
    "campus": {"id": "lincoln", "name": "Lincoln High School", "timezone": "America/Chicago"},
    "calendar": {
        "week": {
            "mon": "regular",
            "tue": "regular",
            "wed": "regular",
            "thu": "regular",
            "fri": "regular",
            "sat": "closed",
            "sun": "closed",
        },
        "day_types": {
            "regular": {
                "staffed": "06:30-18:00",
                "school": "07:50-15:10",
                "class_time": ["08:00-08:50", "08:55-09:45"],
                "windows": [{"name": "arrival", "at": "07:20-08:05", "doors": ["main", "gym-west"], "monitor": "diaz"}],
            },
            "early_release": {"staffed": "06:30-15:00", "school": "07:50-12:30"},
            "closed": {},
        },
        "exceptions": {"2026-11-26": {"type": "closed", "reason": "Thanksgiving"}},
    },
    "zones": [
        {"id": "gym", "name": "Gymnasium", "kind": "gym", "load": 600, "adjoining": ["lobby"]},
        {"id": "lobby", "name": "Lobby", "kind": "lobby"},
    ],
    "doors": [
        {
            "id": "main",
            "name": "Main entrance",
            "number": "1",
            "zone": "lobby",
            "exterior": True,
            "class": "main",
            "has_lock_sensor": True,
        },
        {
            "id": "gym-east",
            "name": "Gym east",
            "number": "7",
            "zone": "gym",
            "exterior": True,
            "class": "exit_only",
            "has_rex": True,
            "source": "zigbee2mqtt/Gym East",
        },
        {"id": "gym-west", "name": "Gym west", "number": "8", "zone": "gym", "exterior": True, "class": "monitored"},
        {"id": "office", "name": "Front office", "zone": "lobby", "class": "interior"},
    ],
    "devices": [{"id": "gym-east-contact", "door": "gym-east", "kind": "door", "heartbeat": "1h"}],
    "people": [
        {
            "id": "reyes",
            "name": "Officer Reyes",
            "role": "sro",
            "phone": "555-0100",
            "endpoints": [
                {"id": "reyes-phone", "url": "json://127.0.0.1:9/reyes", "via": "push"},
                {"id": "reyes-sms", "url": "json://127.0.0.1:9/reyes-sms", "via": "sms"},
            ],
        },
        {
            "id": "okafor",
            "name": "Principal Okafor",
            "role": "principal",
            "endpoints": [{"id": "okafor-phone", "url": "json://127.0.0.1:9/okafor", "via": "push"}],
        },
        {
            "id": "diaz",
            "name": "Ms. Diaz",
            "role": "admin",
            "endpoints": [{"id": "diaz-phone", "url": "json://127.0.0.1:9/diaz", "via": "push"}],
        },
    ],
    "shifts": [
        {
            "person": "reyes",
            "days": ["mon", "tue", "wed", "thu", "fri"],
            "at": "07:00-15:30",
            "breaks": ["11:30-12:00"],
            "cover": "diaz",
        }
    ],
    "on_call": ["okafor"],
    "gatherings": [
        {
            "id": "winter-concert",
            "name": "Winter concert",
            "zone": "gym",
            "start": "2026-12-04T18:00",
            "end": "2026-12-04T21:30",
            "expected": 450,
            "load": 500,
            "doors": ["gym-east"],
            "supervisor": "okafor",
            "roles": {"crowd_manager": 2},
        }
    ],
    "watch_list": [{"id": "w-17", "kind": "trespass", "name": "Alex Planted Secret", "instruction": "call the office"}],
}


def lincoln(**changes: Any) -> Campus:
    """Return the campus, with whole parts replaced."""
    return Campus.model_validate({**LINCOLN, **changes})


def with_phones(port: int, *, people: Sequence[dict[str, Any]] | None = None) -> Campus:
    """Return the campus, with other people if they are named, and every endpoint leading to a local receiver."""
    found = [
        {**each, "endpoints": [{**e, "url": e["url"].replace(":9/", f":{port}/")} for e in each["endpoints"]]}
        for each in people or LINCOLN["people"]
    ]
    return lincoln(people=found)


def calm_zone(now: datetime) -> str:
    """Return a timezone in which it is the calm hour: who hears what does not hang on the hour a test is run at."""
    east = (CALM_HOUR - now.hour + 12) % 24 - 12
    # The names of these zones count westwards.
    return f"Etc/GMT{-east:+d}"
