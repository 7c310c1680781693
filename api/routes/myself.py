"""Oneself: who one is here, one's sign-ins, one's password and the code from one's phone."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import access, sessions, totp, users
from api.access import Caller
from api.account_schemas import Myself, PasswordSaid, ProofSaid, SessionShown, TotpOffered, TotpSaid
from api.deps import AnyCaller, House, InHouse, Now, Reader, Reading, Writing, the_guessed_names
from api.listing import Number, Page
from api.users import UserRow
from core import audit
from core.errors import BadInput, Conflict, Problem

router = APIRouter(tags=["myself"])


@router.get("/me")
async def show_myself(caller: AnyCaller) -> Myself:
    """Say who asks, and what they may do."""
    return Myself(
        kind=caller.kind,
        name=caller.name,
        role=caller.role,
        campuses=None if caller.campuses is None else sorted(caller.campuses),
        may=sorted(access.MAY[caller.role]),
    )


@router.get("/sessions")
async def list_sessions(session: Reading, caller: Reader, now: Now) -> Page[SessionShown]:
    """Return one's own sign-ins that are not over, the newest first."""
    rows = await sessions.find(session, caller, now)
    items = [
        SessionShown(
            id=row.id, created_at=row.created_at, until=row.until, address=row.address, here=row.id == caller.session
        )
        for row in rows
    ]
    return Page(items=items, next=None)


@router.delete("/sessions/{number}", status_code=204)
async def end_session(session: Writing, caller: Reader, now: Now, number: Number) -> None:
    """End one of one's own sign-ins, on a machine that one has left."""
    await sessions.end(session, caller, number, now)


@router.post("/me/password", status_code=204)
async def change_password(
    request: Request, house: InHouse, caller: Reader, now: Now, said: PasswordSaid, answer: Response
) -> None:
    """Change one's own password. Every sign-in ends, this one too: sign in again with the new one."""
    row = await _proven(request, house, caller, said.present, now)
    problems = users.problems_with_password(said.new, row.name)
    if problems:
        raise BadInput([Problem(each.message, "new") for each in problems])
    hashed = await users.hashed(said.new)
    async with house.database.transaction() as session:
        row = await users.get(session, caller.id)
        row.password, row.epoch = hashed, row.epoch + 1
        await sessions.end_all(session, "user", row.id, now)
        await _note(session, row, now, "user.password")
    answer.delete_cookie(sessions.COOKIE, httponly=True, samesite="strict")


@router.post("/me/totp")
async def offer_totp(request: Request, house: InHouse, caller: Reader, now: Now, said: ProofSaid) -> TotpOffered:
    """Offer a secret for an app that shows codes. Nothing has changed until it comes back with one."""
    row = await _proven(request, house, caller, said.password, now)
    secret = totp.new_secret()
    return TotpOffered(secret=secret, address=totp.address(secret, row.name))


@router.put("/me/totp", status_code=204)
async def set_totp(request: Request, house: InHouse, caller: Reader, now: Now, said: TotpSaid) -> None:
    """Ask for a code at every sign-in from now on."""
    await _proven(request, house, caller, said.password, now)
    step = totp.matching_step(said.secret, said.code, now, after=0)
    if step is None:
        raise BadInput([Problem("is not what the app should show now; is the clock of the phone right?", "code")])
    async with house.database.transaction() as session:
        row = await users.get(session, caller.id)
        row.totp, row.totp_used = house.vault.seal(said.secret), step
        await _note(session, row, now, "user.totp")


@router.post("/me/totp/off", status_code=204)
async def forget_totp(request: Request, house: InHouse, caller: Reader, now: Now, said: ProofSaid) -> None:
    """Ask for no code any more."""
    await _proven(request, house, caller, said.password, now)
    async with house.database.transaction() as session:
        row = await users.get(session, caller.id)
        row.totp = None
        await _note(session, row, now, "user.totp_off")


async def _proven(request: Request, house: House, caller: Caller, password: str, now: datetime) -> UserRow:
    """Return the user who asks, once they have shown the password again; guessing it here is as slow as elsewhere."""
    if caller.kind != "user":
        raise Conflict("a token has no password; this is for users who sign in with one")
    async with house.database.reading() as session:
        row = await users.get(session, caller.id)
    guessed = the_guessed_names(request)
    guessed.must_not_wait(row.name, now)
    if not await users.verified(row.password, password):
        guessed.failed(row.name, now)
        raise BadInput([Problem("is not the one you sign in with", "password")])
    return row


async def _note(session: AsyncSession, row: UserRow, now: datetime, action: str) -> None:
    await audit.record(session, at=now, actor=f"user:{row.name}", action=action, subject=f"user:{row.id}")
