"""People who sign in with a name and a password, and a code from their phone if they like (or through a provider).

The first administrator is made on the command line; nobody can make themselves one through the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from api import access, totp
from api.access import Caller
from core.database import Base, BigId, Database
from core.errors import BadInput, Conflict, NotFound, Problem, Unauthorized
from core.vault import Vault

SHORTEST: Final = 12
LONGEST: Final = 128
_HASHER: Final = PasswordHasher()
"""Argon2id with the library's present parameters (RFC 9106's second choice)."""
_COMMON: Final = ("password", "hallwatch", "123456789012", "qwertyuiop", "letmein", "administrator", "changeme")
WRONG: Final = "name, password or code is wrong"


class UserRow(Base):
    """A person who signs in. `epoch` goes up when what they sign in with changes: their sessions then end."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    campuses: Mapped[list[Any] | None]
    password: Mapped[str | None]
    """Its Argon2 hash; None: through the provider alone."""
    totp: Mapped[str | None]
    """The secret, sealed."""
    totp_used: Mapped[int]
    """The half minute of the last code that was taken."""
    epoch: Mapped[int]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]


async def add(
    session: AsyncSession,
    *,
    name: str,
    role: str,
    password: str | None,
    now: datetime,
    campuses: Collection[str] | None = None,
) -> UserRow:
    """Make a user; BadInput where name, role or password will not do, Conflict where the name is taken."""
    name = known_as(name)
    problems = list(access.problems_with(name, role, campuses))
    if role == "device":
        problems.append(Problem("a device does not sign in; make a token for it", "role"))
    if password is not None:
        problems += problems_with_password(password, name)
    if problems:
        raise BadInput(problems)
    if await by_name(session, name) is not None:
        raise Conflict(f"there is a user {name!r} already")
    row = UserRow(
        name=name,
        role=role,
        campuses=None if campuses is None else sorted(campuses),
        password=None if password is None else await hashed(password),
        totp_used=0,
        epoch=0,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    return row


def known_as(name: str) -> str:
    """Return a name as it is stored and compared: an e-mail address is the same in capitals."""
    return name.strip().casefold()


def problems_with_password(password: str, name: str = "") -> list[Problem]:
    """Return why a password will not do. Length counts; there are no rules about signs, and it never expires."""
    plain = password.casefold()
    if not SHORTEST <= len(password) <= LONGEST:
        return [Problem(f"must have {SHORTEST} to {LONGEST} characters", "password")]
    if len(set(password)) < 5 or any(word in plain for word in _COMMON) or (name and name in plain):
        return [Problem("is easy to guess; take four words that nobody would put together", "password")]
    return []


async def hashed(password: str) -> str:
    """Return a password as it is stored. It takes a while, so it is done beside the loop."""
    return await asyncio.to_thread(_HASHER.hash, password.encode("utf-8", "surrogatepass"))


async def verified(stored: str | None, password: str) -> bool:
    """Return whether a password is the one that was stored; it takes as long where there is none."""
    return await asyncio.to_thread(_verify, stored, password) and stored is not None


@cache
def _nobody() -> str:
    return _HASHER.hash("nobody has this password, and whoever is unknown takes as long to be refused")


def _verify(stored: str | None, password: str) -> bool:
    # Made for whoever comes first, known or not: that it is made tells nothing either.
    nobody = _nobody()
    try:
        return _HASHER.verify(stored or nobody, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False


async def set_password(row: UserRow, password: str) -> None:
    """Give a user another password; BadInput where it will not do. The sessions begun with the old one end."""
    problems = problems_with_password(password, row.name)
    if problems:
        raise BadInput(problems)
    row.password, row.epoch = await hashed(password), row.epoch + 1


async def sign_in(database: Database, vault: Vault, *, name: str, password: str, code: str, now: datetime) -> Caller:
    """Return who has a name and its password, and the code if one is asked for; Unauthorized, in the same words."""
    async with database.reading() as session:
        row = await by_name(session, name)
    # Outside of any transaction: it takes a while, on purpose.
    if not await verified(row.password if row else None, password) or row is None:
        raise Unauthorized(WRONG)
    async with database.transaction() as session:
        row = await get(session, row.id)
        if row.disabled_at is not None or not await take_code(session, vault, row, code, now):
            raise Unauthorized(WRONG)
        return caller_of(row, now)


async def by_name(session: AsyncSession, name: str) -> UserRow | None:
    """Return the user of a name."""
    return (await session.execute(select(UserRow).where(UserRow.name == known_as(name)))).scalar_one_or_none()


async def get(session: AsyncSession, user: int) -> UserRow:
    """Return a user; NotFound if there is none of that number."""
    row = await session.get(UserRow, user)
    if row is None:
        raise NotFound(f"no user {user}")
    return row


async def find(session: AsyncSession, *, before_id: int | None = None, limit: int = 100) -> list[UserRow]:
    """Return users, the newest first."""
    query = select(UserRow).order_by(UserRow.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(UserRow.id < before_id)
    return list((await session.execute(query)).scalars())


async def take_code(session: AsyncSession, vault: Vault, row: UserRow, code: str, now: datetime) -> bool:
    """Return whether a code is right for a user, and use it up. Without a second factor any code will do."""
    if row.totp is None:
        return True
    step = totp.matching_step(vault.open(row.totp), code, now, after=row.totp_used)
    if step is None:
        return False
    # Two at the same moment with one code: the row says who was first.
    used = update(UserRow).where(UserRow.id == row.id, UserRow.totp_used < step).values(totp_used=step)
    return bool(getattr(await session.execute(used), "rowcount", 0))


def caller_of(row: UserRow, now: datetime) -> Caller:
    """Return a user as who asks; Unauthorized if the user was switched off."""
    if row.disabled_at is not None:
        raise Unauthorized("this user was switched off")
    stale = access.is_stale(row.last_used_at, now)
    return Caller("user", row.id, row.name, access.known_role(row.role), access.scope_of(row.campuses), is_stale=stale)


async def touch(session: AsyncSession, user: int, now: datetime) -> None:
    """Note that a user was here."""
    await session.execute(update(UserRow).where(UserRow.id == user).values(last_used_at=now))


async def must_leave_an_administrator(session: AsyncSession, leaving: UserRow) -> None:
    """Conflict where nobody could administer any more once a user no longer may."""
    others = select(UserRow.id).where(
        UserRow.role == "admin", UserRow.disabled_at.is_(None), UserRow.campuses.is_(None), UserRow.id != leaving.id
    )
    if leaving.role != "admin" or (await session.execute(others.limit(1))).scalar() is not None:
        return
    raise Conflict("this is the last administrator; make another one first")
