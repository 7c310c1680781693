"""The record of who did what, as a page shows it: filtered, a piece at a time, and proved on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from api.listing import piece
from core import audit
from core.calendar import local_instant
from core.errors import BadInput, Problem

SHOWN: Final = 50
_LONGEST: Final = 400
"""Letters of a detail that a line shows."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One line."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; empty: everything."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The same, for a link."""
        return {"actor": self.actor, "action": self.action, "subject": self.subject, "since": self.since}


async def read(
    session: AsyncSession, wanted: Wanted, zone: ZoneInfo, after: int | None
) -> tuple[list[Deed], str | None]:
    """Return the deeds that are looked for, the newest first, and where the next piece begins."""
    rows = await audit.find(
        session,
        actor=wanted.actor.strip() or None,
        action=wanted.action.strip() or None,
        subject=wanted.subject.strip() or None,
        since=local_instant(read_day(wanted.since, "since"), 0, zone) if wanted.since else None,
        before_id=after,
        limit=SHOWN + 1,
    )
    shown, following = piece(rows, SHOWN, lambda row: row.id)
    return [_deed(row) for row in shown], following


def read_day(said: str, where: str) -> date:
    """Return the day that somebody chose; BadInput if it is none."""
    try:
        found = date.fromisoformat(said.strip())
    except ValueError:
        raise BadInput([Problem("write the day like 2026-11-24", where)]) from None
    if not 2000 <= found.year < 2200:
        raise BadInput([Problem("lies outside of any record", where)])
    return found


def _deed(row: audit.AuditRow) -> Deed:
    said: dict[str, Any] = msgspec.json.decode(row.detail)
    text = ", ".join(f"{name}: {_text(value)}" for name, value in said.items() if value not in (None, "", [], {}))
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return Deed(row.id, row.at, row.actor, row.action, row.subject, cut)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return msgspec.json.encode(value).decode()
