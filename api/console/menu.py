"""The pages there are, in the groups they are looked for in: a page is in the menu by one line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from api.access import Action


@dataclass(frozen=True, slots=True)
class Entry:
    """One page in the menu."""

    path: str
    title: str
    group: str
    action: Action = "read"
    """What one must be allowed to do for the page to be of use."""


NOW: Final = "Now"
TUNE: Final = "Set up"
LOOK: Final = "Look into"

MENU: Final = (
    Entry("/", "Board", NOW),
    Entry("/map", "Map", NOW),
    Entry("/visits", "Who is here", NOW),
    Entry("/events", "Events", NOW),
    Entry("/alerts", "Alerts", NOW),
    Entry("/quiet", "Quiet and drills", NOW),
    Entry("/rules", "Rules", TUNE),
    Entry("/people", "People", TUNE),
    Entry("/policies", "Policies", TUNE),
    Entry("/calendar", "Calendar", TUNE),
    Entry("/devices", "Devices", LOOK),
    Entry("/quarantine", "Quarantine", LOOK),
    Entry("/reports", "Reports", LOOK),
    Entry("/audit", "Audit", LOOK, "administer"),
    Entry("/system", "System", LOOK),
    Entry("/users", "Users", LOOK, "administer"),
)
AT_HAND: Final = MENU[:4]
"""What a thumb reaches on a phone; the rest is one press further."""


def groups(caller_may: frozenset[Action]) -> dict[str, list[Entry]]:
    """Return the menu of somebody who may do these things, by group."""
    found: dict[str, list[Entry]] = {}
    for entry in MENU:
        if entry.action in caller_may:
            found.setdefault(entry.group, []).append(entry)
    return found
