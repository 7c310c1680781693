"""Who did what, when: an append-only record in which every row carries the hash of the one before it.

Written in the transaction of the deed itself. A row that is changed or taken out later breaks the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Index, Text, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, BigId, in_turn, insert

GENESIS = "0" * 64
COLUMNS = ("previous", "at", "actor", "action", "subject", "detail")
"""What a row's hash is made of, in this order."""


class AuditRow(Base):
    """One deed of one actor (`person:reyes`, `token:…`, `hallwatch`)."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)
    previous: Mapped[str]
    hash: Mapped[str]

    __table_args__ = (Index(None, "subject"), Index(None, "at"), {"sqlite_autoincrement": True})


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What one actor did to one subject (`alert:17`, `rule:door-forced`)."""

    actor: str
    action: str
    subject: str
    detail: dict[str, Any] = {}


async def record(
    session: AsyncSession, *, at: datetime, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None
) -> None:
    """Add one deed to the record."""
    await record_all(session, [Deed(actor=actor, action=action, subject=subject, detail=detail or {})], at=at)


_LAST: Final = select(AuditRow.hash).order_by(AuditRow.id.desc()).limit(1)


async def record_all(session: AsyncSession, deeds: Sequence[Deed], *, at: datetime) -> None:
    """Add deeds to the record, in their order."""
    if not deeds:
        return
    await in_turn(session)
    previous = (await session.execute(_LAST)).scalar_one_or_none() or GENESIS
    rows: list[dict[str, Any]] = []
    for deed in deeds:
        detail = msgspec.json.encode(deed.detail, order="sorted").decode()
        said = (previous, at, deed.actor, deed.action, deed.subject, detail)
        previous = digest(*said)
        rows.append({**dict(zip(COLUMNS, said, strict=True)), "hash": previous})
    await session.execute(insert(session, AuditRow), rows)


async def verify(session: AsyncSession) -> int | None:
    """Return None if the chain is whole, else the id of the first row that does not fit."""
    expected = GENESIS
    rows = await session.stream_scalars(select(AuditRow).order_by(AuditRow.id).execution_options(yield_per=1000))
    async for row in rows:
        if row.previous != expected or row.hash != _digest_of(row):
            return row.id
        expected = row.hash
    return None


async def count(session: AsyncSession) -> int:
    """Return how many rows the record has."""
    return (await session.execute(select(func.count()).select_from(AuditRow))).scalar_one()


async def find(
    session: AsyncSession,
    *,
    subject: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[AuditRow]:
    """Return rows, the newest first; of one subject, one actor, one action or its family (`rule`), if asked for."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    if subject:
        query = query.where(AuditRow.subject == subject)
    if actor:
        query = query.where(AuditRow.actor == actor)
    if action:
        family = AuditRow.action.startswith(f"{action}.", autoescape=True)
        query = query.where((AuditRow.action == action) | family)
    if since:
        query = query.where(AuditRow.at >= since)
    if before_id is not None:
        query = query.where(AuditRow.id < before_id)
    return list((await session.execute(query)).scalars())


def _digest_of(row: AuditRow) -> str:
    return digest(row.previous, row.at, row.actor, row.action, row.subject, row.detail)


def digest(previous: str, at: datetime, actor: str, action: str, subject: str, detail: str) -> str:
    """Return the hash of a row that stands behind one whose hash is `previous`."""
    said = [previous, at.isoformat(), actor, action, subject, detail]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()
