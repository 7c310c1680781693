"""Who may come in, from the command line: the first administrator is made here, and help where nobody can sign in."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api import access, sessions, users
from api.users import UserRow
from app.store import Store
from core import audit
from core.campus import read_duration
from core.errors import BadInput, NotFound, Problem
from core.wire import Refused, read_instant

ACTOR = "command line"


async def make_token(
    store: Store, *, name: str, role: str, campuses: Collection[str] | None, expires: str | None
) -> str:
    """Make a token and return its text."""
    now = store.clock.now()
    with _options():
        async with store.database.transaction() as session:
            made = await access.create_token(
                session, name=name, role=role, campuses=campuses or None, expires_at=_until(expires, now), now=now
            )
            detail = {"role": role, "campuses": sorted(campuses) if campuses else None}
            await audit.record(session, at=now, actor=ACTOR, action="token.created", subject=name, detail=detail)
    return made


async def add_user(
    store: Store, *, name: str, role: str, password: str | None, campuses: Collection[str] | None
) -> str:
    """Make a user; return in words what was done."""
    now = store.clock.now()
    with _options():
        async with store.database.transaction() as session:
            row = await users.add(session, name=name, role=role, password=password, campuses=campuses or None, now=now)
            detail = {"name": row.name, "role": row.role, "campuses": row.campuses}
            await _note(session, row, now, "user.add", detail)
    return f"{row.name} may sign in as {row.role}"


async def lines(store: Store) -> list[str]:
    """Return one line for each user."""
    async with store.database.reading() as session:
        rows = await users.find(session, limit=1_000_000)
    return [_line(row) for row in reversed(rows)]


async def reset(store: Store, name: str, password: str) -> str:
    """Give a user another password and forget their phone; return in words what was done."""
    now = store.clock.now()
    with _options():
        async with store.database.transaction() as session:
            row = await _user(session, name)
            await users.set_password(row, password)
            row.totp = None
            await sessions.end_all(session, "user", row.id, now)
            await _note(session, row, now, "user.password")
    return f"{row.name} has another password; no code is asked for"


async def disable(store: Store, name: str) -> str:
    """Switch a user off; return in words what was done."""
    now = store.clock.now()
    async with store.database.transaction() as session:
        row = await _user(session, name)
        await users.must_leave_an_administrator(session, row)
        row.disabled_at = row.disabled_at or now
        await sessions.end_all(session, "user", row.id, now)
        await _note(session, row, now, "user.disable")
    return f"{row.name} may no longer sign in"


def read_password() -> str:
    """Return a password: asked for twice in a terminal, else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise BadInput([Problem("the two are not the same", "password")])
    return first


async def _user(session: AsyncSession, name: str) -> UserRow:
    row = await users.by_name(session, name)
    if row is None:
        raise NotFound(f"no user {name!r}")
    return row


def _line(row: UserRow) -> str:
    said = [row.name, row.role]
    said += [f"only {', '.join(row.campuses)}"] if row.campuses else []
    said += ["switched off"] if row.disabled_at else []
    said += ["no password"] if row.password is None else []
    said += ["with a code"] if row.totp else []
    return "  ".join(said)


def _until(said: str | None, now: datetime) -> datetime | None:
    if said is None:
        return None
    try:
        return now + read_duration(said)
    except (ValueError, OverflowError):
        pass
    try:
        return read_instant(said)
    except Refused:
        raise BadInput([Problem("write it like 30d or 2027-06-30T00:00:00Z", "expires")]) from None


@contextmanager
def _options() -> Iterator[None]:
    """Let problems name the option where the API would name a field."""
    names = {"expires_at": "expires", "campuses": "campus"}
    try:
        yield
    except BadInput as bad:
        raise BadInput(
            Problem(each.message, f"--{names.get(each.where, each.where)}" if each.where else "")
            for each in bad.problems
        ) from None


async def _note(
    session: AsyncSession, row: UserRow, now: datetime, action: str, detail: Mapping[str, Any] | None = None
) -> None:
    await audit.record(session, at=now, actor=ACTOR, action=action, subject=f"user:{row.id}", detail=dict(detail or {}))
