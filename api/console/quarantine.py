"""The quarantine in words people use: why each payload could not be read, and what would mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from api.console.render import several
from api.listing import piece
from ingest import quarantine
from ingest.quarantine import QuarantineRow, masked

SHOWN: Final = 50
CUT: Final = 600
"""Letters of a payload that a page shows."""
REASONS: Final = {
    "unknown_entity": "It speaks of a door, device or event that no campus names. Add it to the campus, then replay.",
    "unknown_campus": "Its topic names a campus that is not here. Load the campus, then replay.",
    "unknown_topic": "No mapping reads its topic. Write a mapping for these devices, then replay.",
    "invalid_field": "A field holds what nobody expects there. Mend the mapping, or the device; then replay.",
    "bad_json": "It is not JSON, though it should be. Look at what sends it.",
    "bad_encoding": "It is not text in UTF-8. Look at what sends it.",
    "too_large": "It is larger than 64 KiB; only its beginning is kept, so it cannot be replayed.",
    "too_deep": "Its values are nested too deep. Look at what sends it.",
    "internal_error": "Reading it failed here, which is our mistake: please report it. Replay once it is mended.",
}
_OTHER: Final = "It could not be read."


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, and how much waits for it."""

    word: str
    count: int

    @property
    def words(self) -> str:
        """What it means, and what to do."""
        return REASONS.get(self.word, _OTHER)


@dataclass(frozen=True, slots=True)
class Unread:
    """One payload that could not be read."""

    id: int
    topic: str
    reason: str
    detail: str
    received_at: datetime
    payload: str
    is_cut: bool
    is_whole: bool
    replayed_at: datetime | None

    @property
    def can_be_replayed(self) -> bool:
        """Whether another try is possible."""
        return self.is_whole and self.replayed_at is None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The page."""

    reasons: Sequence[Reason]
    rows: Sequence[Unread]
    following: str | None

    @property
    def truth(self) -> str:
        """All of it in one sentence."""
        total = sum(reason.count for reason in self.reasons)
        if not total:
            return "Everything that was heard could be read."
        return f"{several(total, 'payload', 'payloads')} could not be read and wait to be looked at."


async def read(session: AsyncSession, *, campus: str | None, reason: str, after: int | None) -> Quarantine:
    """Return what waits by reason, and the latest of it."""
    counts = await quarantine.count_by_reason(session, campus=campus)
    rows = await quarantine.find(session, campus=campus, reason=reason or None, before_id=after, limit=SHOWN + 1)
    shown, following = piece(rows, SHOWN, lambda row: row.id)
    by_count = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return Quarantine([Reason(word, count) for word, count in by_count], [_unread(row) for row in shown], following)


def _unread(row: QuarantineRow) -> Unread:
    word, _, detail = row.reason.partition(": ")
    text = masked(row.payload)
    return Unread(
        id=row.id,
        topic=row.topic,
        reason=word,
        detail=detail,
        received_at=row.received_at,
        payload=text[:CUT],
        is_cut=len(text) > CUT or not row.is_whole,
        is_whole=row.is_whole,
        replayed_at=row.replayed_at,
    )
