"""The links in messages: a secret per recipient and alert, kept as a hash, good for a day.

Whoever holds one is taken for the person it was sent to, and may do one thing: answer this alert, or say that the
message has come where it was a check. Opening the page answers nothing, because mail scanners open every link; that
it was opened is noted.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import LargeBinary, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, insert
from core.errors import NotFound

GOOD_FOR: Final = timedelta(hours=24)
LENGTH: Final = 43
"""Characters of a token: 32 bytes of chance."""


class LinkRow(Base):
    """One link that was sent; the token itself is nowhere."""

    __tablename__ = "link_tokens"

    hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    alert: Mapped[int] = mapped_column(index=True)
    person: Mapped[str]
    endpoint: Mapped[str]
    generation: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    check: Mapped[int | None]


@dataclass(frozen=True, slots=True)
class Link:
    """What a token stands for."""

    alert: int
    person: str
    endpoint: str
    generation: int
    """The round of notices it came with: it answers no later opening."""
    expires_at: datetime
    used_at: datetime | None = None
    opened_at: datetime | None = None
    check: int | None = None
    """The check it answers (see `alerts.preflight`), where it belongs to no alert."""


async def make(session: AsyncSession, *, alert: int, person: str, endpoint: str, generation: int, now: datetime) -> str:
    """Return a new token for one recipient of one alert."""
    link = Link(alert, person, endpoint, generation, now + GOOD_FOR)
    return (await make_all(session, [link]))[0]


async def make_all(session: AsyncSession, links: Sequence[Link]) -> list[str]:
    """Return a new token for each link, in their order."""
    tokens = [secrets.token_urlsafe(32) for _ in links]
    rows: list[dict[str, Any]] = [
        {
            "hash": _hash(token),
            "alert": link.alert,
            "person": link.person,
            "endpoint": link.endpoint,
            "generation": link.generation,
            "expires_at": link.expires_at,
            "used_at": None,
            "opened_at": None,
            "check": link.check,
        }
        for token, link in zip(tokens, links, strict=True)
    ]
    if rows:
        await session.execute(insert(session, LinkRow), rows)
    return tokens


async def open(session: AsyncSession, token: str, now: datetime) -> Link:  # noqa: A001 - a link is opened
    """Return what a token stands for; NotFound if it is none of ours, or too old.

    Found by its hash: how long that takes says nothing about the token.
    """
    row = None
    if len(token) == LENGTH:
        query = select(LinkRow).where(LinkRow.hash == _hash(token)).execution_options(populate_existing=True)
        row = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("this link leads nowhere; open the alert from the latest message")
    if row.expires_at <= now:
        raise NotFound("this link is older than a day and no longer good; open the alert from the latest message")
    return Link(
        row.alert, row.person, row.endpoint, row.generation, row.expires_at, row.used_at, row.opened_at, row.check
    )


async def use(session: AsyncSession, token: str, now: datetime) -> Link:
    """Return what a token stands for and note that it was used; using it again is no error."""
    link = await open(session, token, now)
    statement = update(LinkRow).where(LinkRow.hash == _hash(token), LinkRow.used_at.is_(None)).values(used_at=now)
    await session.execute(statement.execution_options(synchronize_session=False))
    return link


async def note_opened(session: AsyncSession, token: str, now: datetime) -> None:
    """Note that the page of a link was opened for the first time, by the person or by a scanner of their mail."""
    first = update(LinkRow).where(LinkRow.hash == _hash(token), LinkRow.opened_at.is_(None))
    await session.execute(first.values(opened_at=now).execution_options(synchronize_session=False))


async def of_alert(session: AsyncSession, alert: int) -> list[Link]:
    """Return the links that were sent about an alert."""
    rows = (await session.execute(select(LinkRow).where(LinkRow.alert == alert))).scalars()
    return [
        Link(row.alert, row.person, row.endpoint, row.generation, row.expires_at, row.used_at, row.opened_at)
        for row in rows
    ]


async def purge(session: AsyncSession, before: datetime) -> None:
    """Forget links that ended before an instant."""
    await session.execute(delete(LinkRow).where(LinkRow.expires_at < before))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
