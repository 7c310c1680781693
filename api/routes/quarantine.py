"""The quarantine: what could not be read, why, and another try once the mapping or the campus is mended.

A replay reads as of the time of receipt: it mends the record and what is known, and never takes old news for new.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter

from api.deps import Administrator, InHouse, Now, Reader, Reading
from api.listing import AfterId, Instant, Limit, Number, Page, Words, piece
from api.routes.messages import receipt_shown
from api.schemas import QuarantinedShown, ReceiptShown, ReplayedShown, ReplaySaid
from core import audit
from core.errors import Conflict, NotFound
from core.wire import reason_of
from ingest import quarantine
from ingest.quarantine import QuarantineRow, masked

router = APIRouter(tags=["quarantine"])
PIECE: Final = 200
"""So many payloads are read again in one go; what is live waits no longer than that takes."""
MOST: Final = 10_000
"""So many payloads are read again in one request."""


@router.get("/quarantine")
async def list_quarantine(
    session: Reading,
    _caller: Reader,
    after: AfterId,
    campus: Words | None = None,
    reason: Words | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
    limit: Limit = 100,
) -> Page[QuarantinedShown]:
    """Return what could not be read, the newest first. Values that look personal are masked."""
    rows = await quarantine.find(
        session, campus=campus, reason=reason, since=since, until=until, before_id=after, limit=limit + 1
    )
    shown, following = piece(rows, limit, lambda row: row.id)
    return Page(items=[_shown(row) for row in shown], next=following)


@router.post("/quarantine/{number}/replay")
async def replay(house: InHouse, caller: Administrator, now: Now, number: Number) -> ReceiptShown:
    """Read a payload again, as if it had just come in. What still cannot be read is quarantined anew."""
    async with house.database.reading() as session:
        row = await quarantine.get(session, number)
    if row is None:
        raise NotFound(f"nothing in quarantine has the number {number}")
    if row.replayed_at is not None:
        raise Conflict(f"this was replayed already, at {row.replayed_at.isoformat(timespec='seconds')}")
    if not row.is_whole:
        raise Conflict(f"only the beginning of this payload is kept; it had {row.size} bytes")
    receipt = await house.receive([row.again])
    async with house.database.transaction() as session:
        await quarantine.mark_replayed(session, [number], now)
        await audit.record(
            session,
            at=now,
            actor=caller.actor,
            action="quarantine.replay",
            subject=f"quarantine:{number}",
            detail={"accepted": receipt.accepted},
        )
    return receipt_shown(receipt)


@router.post("/quarantine/replay")
async def replay_all(house: InHouse, caller: Administrator, now: Now, said: ReplaySaid) -> ReplayedShown:
    """Read all payloads again that are here for one reason, in the order in which they came.

    At most ten thousand in one request; `left` says how many wait still.
    """
    done = ReplayedShown(replayed=0, accepted=0, duplicates=0, quarantined=0, left=0)
    async with house.database.reading() as session:
        chosen: Any = {"reason": said.reason, "campus": said.campus, "up_to": await quarantine.newest(session)}
    while done.replayed < MOST:
        async with house.database.reading() as session:
            rows = await quarantine.waiting(session, **chosen, limit=PIECE)
        if not rows:
            break
        receipt = await house.receive([row.again for row in rows])
        async with house.database.transaction() as session:
            await quarantine.mark_replayed(session, [row.id for row in rows], now)
        done.replayed += len(rows)
        done.accepted += receipt.accepted
        done.duplicates += receipt.duplicates
        done.quarantined += len(receipt.quarantined)
    async with house.database.transaction() as session:
        done.left = await quarantine.count_waiting(session, **chosen)
        await audit.record(
            session,
            at=now,
            actor=caller.actor,
            action="quarantine.replay",
            subject=f"quarantine:{said.reason}",
            detail={"replayed": done.replayed, "accepted": done.accepted},
        )
    return done


def _shown(row: QuarantineRow) -> QuarantinedShown:
    reason, detail = reason_of(row.reason)
    return QuarantinedShown(
        id=row.id,
        campus=row.campus,
        topic=row.topic,
        reason=reason,
        detail=detail,
        received_at=row.received_at,
        payload=masked(row.payload),
        size=row.size,
        replayed_at=row.replayed_at,
    )
