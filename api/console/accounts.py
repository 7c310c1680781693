"""Who may come in, as pages show it: users and tokens, what each may do, where, and when they were last here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from api import access, users
from api.access import TokenRow
from api.listing import piece
from api.users import UserRow

SHOWN: Final = 50
ROLES: Final = {
    "viewer": "looks",
    "sro": "answers alerts, and declares Hold, Secure, Lockdown",
    "admin": "changes everything",
    "tester": "looks, and sends drills and tests",
}
TOKEN_ROLES: Final = ROLES | {"device": "sends messages, and sees nothing"}


@dataclass(frozen=True, slots=True)
class Account:
    """One user or token, in words."""

    id: int
    name: str
    role: str
    does: str
    where: str
    how: str
    created_at: datetime
    last_used_at: datetime | None
    ended: str
    """Why it opens nothing any more; empty: it does."""
    ended_at: datetime | None


async def read_users(session: AsyncSession, after: int | None) -> tuple[list[Account], str | None]:
    """Return users, the newest first, and where the next piece begins."""
    shown, following = piece(await users.find(session, before_id=after, limit=SHOWN + 1), SHOWN, lambda row: row.id)
    return [user(row) for row in shown], following


async def read_tokens(session: AsyncSession, after: int | None, now: datetime) -> tuple[list[Account], str | None]:
    """Return tokens, the newest first, and where the next piece begins."""
    shown, following = piece(await access.tokens(session, before_id=after, limit=SHOWN + 1), SHOWN, lambda row: row.id)
    return [_token(row, now) for row in shown], following


def user(row: UserRow) -> Account:
    """Return a user in words."""
    how = "by password" if row.password else "through the provider"
    return Account(
        id=row.id,
        name=row.name,
        role=row.role,
        does=ROLES.get(row.role, ""),
        where=_where(row.campuses),
        how=f"{how} and a code" if row.totp else how,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        ended="switched off" if row.disabled_at else "",
        ended_at=row.disabled_at,
    )


def _token(row: TokenRow, now: datetime) -> Account:
    ended = "revoked" if row.revoked_at else "expired" if not row.is_valid(now) else ""
    return Account(
        id=row.id,
        name=row.name,
        role=row.role,
        does=TOKEN_ROLES.get(row.role, ""),
        where=_where(row.campuses),
        how="",
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        ended=ended,
        ended_at=row.revoked_at or row.expires_at,
    )


def _where(campuses: Sequence[str] | None) -> str:
    return "everywhere" if campuses is None else ", ".join(campuses)
