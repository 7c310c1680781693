"""What not everybody may see: watch-list details, and why somebody is held or may not take a student.

It is shown to those who answer alerts, and only for a purpose they name; each such reading is on record before it is
answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Query

from api.access import Caller
from api.deps import AnyCaller, InHouse, Now
from api.listing import Words
from core import audit
from core.database import Database
from core.errors import Forbidden

HIDDEN: Final = "•••"
WATCH_DETAILS: Final = ("name", "instruction")
VISIT_DETAILS: Final = ("watch", "screening", "purpose")
"""Of a visit that touches the watch list or a student."""
Purpose = Annotated[
    Words | None,
    Query(min_length=3, max_length=200, description="Why details are to be seen; it is kept on record with who asks."),
]


@dataclass(frozen=True, slots=True)
class Eyes:
    """How much this caller sees at this request."""

    database: Database
    caller: Caller
    now: datetime
    purpose: str | None

    @property
    def see(self) -> bool:
        """Whether details are shown: the caller may see them, and has said what for."""
        return self.purpose is not None

    async def saw(self, what: str, campus: str | None, ids: Iterable[str]) -> None:
        """Put on record which details are about to be shown."""
        found = sorted(set(ids))
        if not self.see or not found:
            return
        async with self.database.transaction() as session:
            await audit.record(
                session,
                at=self.now,
                actor=self.caller.actor,
                action="private.read",
                subject=f"campus:{campus}" if campus else what,
                detail={"what": what, "ids": found, "purpose": self.purpose},
            )


def the_eyes(house: InHouse, caller: AnyCaller, now: Now, purpose: Purpose = None) -> Eyes:
    """Return how much the caller sees; Forbidden where they ask for more than their role may."""
    if purpose is not None and not caller.may("answer"):
        raise Forbidden(f"{caller.role} may not see these details; leave `purpose` out for what may be seen")
    return Eyes(house.database, caller, now, purpose)


WithEyes = Annotated[Eyes, Depends(the_eyes)]


def is_private(visit: dict[str, Any], kind: str = "") -> bool:
    """Return whether a visit, or a message about one, touches the watch list or a student."""
    return visit.get("watch") is not None or kind.startswith("pickup.")


def without_details(visit: dict[str, Any]) -> dict[str, Any]:
    """Return a visit as anybody may see it who may see visits."""
    hidden = [name for name in VISIT_DETAILS if visit.get(name) is not None]
    return visit | dict.fromkeys(hidden) | {"withheld": hidden}
