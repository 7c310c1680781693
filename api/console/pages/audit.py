"""The record: who did what and when; and whether it is as it was written."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.console import record
from api.console.frame import InFrame
from api.console.record import Wanted
from api.deps import Administrator, Reading
from api.listing import AfterId, Words
from core import audit

router = APIRouter(include_in_schema=False)


@router.get("/audit")
async def show_audit(
    frame: InFrame,
    session: Reading,
    _caller: Administrator,
    after: AfterId,
    actor: Words = "",
    action: Words = "",
    subject: Words = "",
    since: Words = "",
) -> Response:
    """Show who did what, the newest first."""
    wanted = Wanted(actor, action, subject, since)
    deeds, following = await record.read(session, wanted, frame.zone, after)
    return frame.page("audit.html", deeds=deeds, following=following, wanted=wanted, after=after)


@router.get("/audit/verify")
async def show_proof(frame: InFrame, session: Reading, _caller: Administrator) -> Response:
    """Walk the whole record, and say whether it is whole."""
    broken = await audit.verify(session)
    around = None
    if broken is not None:
        around = next(iter(await audit.find(session, before_id=broken + 1, limit=1)), None)
    count = await audit.count(session)
    return frame.page("audit_proof.html", broken=broken, row=around, count=count)
