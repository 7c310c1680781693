"""Sign-ins in a browser, as rows: a cookie of 256 random bits, kept as its hash, that names a token or a user.

The cookie holds no rights of its own. Every request looks up whoever signed in, so a revoked token, a user who was
switched off and a changed password end their sessions at once; signing out ends one for good.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from api import access, users
from api.access import Caller
from core.database import Base, BigId
from core.errors import NotFound, Unauthorized
from core.vault import Vault

COOKIE: Final = "hallwatch_session"
CSRF_HEADER: Final = "X-CSRF-Token"
LASTS: Final = timedelta(hours=12)
"""A long school day; then one signs in again."""


class SessionRow(Base):
    """One sign-in. `epoch` is that of its user when it began."""

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    hash: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    owner: Mapped[int]
    epoch: Mapped[int]
    address: Mapped[str]
    created_at: Mapped[datetime]
    until: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


async def start(session: AsyncSession, caller: Caller, now: datetime, *, address: str = "") -> str:
    """Begin a session for whoever has just proved who they are; return its cookie. What is long over is forgotten."""
    await session.execute(delete(SessionRow).where(SessionRow.until <= now - LASTS))
    cookie = secrets.token_urlsafe(32)
    epoch = (await users.get(session, caller.id)).epoch if caller.kind == "user" else 0
    session.add(
        SessionRow(
            hash=access.digest(cookie),
            kind=caller.kind,
            owner=caller.id,
            epoch=epoch,
            address=address,
            created_at=now,
            until=now + LASTS,
        )
    )
    await session.flush()
    return cookie


async def read(session: AsyncSession, vault: Vault, cookie: str, now: datetime) -> Caller:
    """Return who signed in; Unauthorized if the session is not ours, or over, or they may no longer come in."""
    wanted = access.digest(cookie)
    row = (await session.execute(select(SessionRow).where(SessionRow.hash == wanted))).scalar_one_or_none()
    if row is None or not hmac.compare_digest(row.hash, wanted):
        raise Unauthorized("this sign-in is not valid; sign in again at /login")
    if row.until <= now or row.ended_at is not None:
        raise Unauthorized("this sign-in is over; sign in again at /login")
    if row.kind == "token":
        caller = await access.recall(session, row.owner, now)
    else:
        user = await session.get(users.UserRow, row.owner)
        if user is None or user.epoch != row.epoch:
            raise Unauthorized("this sign-in is over; sign in again at /login")
        caller = users.caller_of(user, now)
    return replace(caller, session=row.id, csrf=vault.sign("csrf", row.hash))


def is_ours(caller: Caller, sent: str) -> bool:
    """Return whether `sent` proves that our own page of this session sent a form."""
    return bool(caller.csrf) and hmac.compare_digest(caller.csrf.encode(), sent.encode("utf-8", "surrogatepass"))


async def find(session: AsyncSession, caller: Caller, now: datetime) -> list[SessionRow]:
    """Return the sessions of a caller that are not over, the newest first."""
    query = select(SessionRow).where(
        SessionRow.kind == caller.kind,
        SessionRow.owner == caller.id,
        SessionRow.ended_at.is_(None),
        SessionRow.until > now,
    )
    return list((await session.execute(query.order_by(SessionRow.id.desc()))).scalars())


async def end(session: AsyncSession, caller: Caller, number: int, now: datetime) -> None:
    """End a session of the caller's; NotFound if they have none of that number."""
    row = await session.get(SessionRow, number)
    if row is None or (row.kind, row.owner) != (caller.kind, caller.id):
        raise NotFound(f"no session {number} of yours")
    if row.ended_at is None:
        row.ended_at = now
        await session.flush()


async def end_all(session: AsyncSession, kind: str, owner: int, now: datetime) -> None:
    """End every session of a token or a user."""
    theirs = (SessionRow.kind == kind, SessionRow.owner == owner, SessionRow.ended_at.is_(None))
    await session.execute(update(SessionRow).where(*theirs).values(ended_at=now))
