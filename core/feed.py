"""What browsers are told as it happens: numbered rows, so that a page which was away catches up by the last number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Index, Text, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, BigId, in_turn, insert, write

Topic = Literal["alert", "door", "gathering", "delivery", "system"]


class FeedRow(Base):
    """One thing that changed, as the page shows it."""

    __tablename__ = "feed"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    campus: Mapped[str]
    topic: Mapped[str]
    at: Mapped[datetime]
    data: Mapped[str] = mapped_column(Text)

    # A purge must never give a number out again: pages go on from the last one they saw.
    __table_args__ = (Index(None, "at"), {"sqlite_autoincrement": True})


class News(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell: `data` must be plain JSON values, and fit for every signed-in viewer's eyes."""

    campus: str
    topic: Topic
    data: dict[str, Any]


async def publish(session: AsyncSession, news: Sequence[News], now: datetime) -> None:
    """Tell the pages. They see it once the transaction has committed, in the order of the numbers."""
    if not news:
        return
    await in_turn(session)
    rows = [
        {"campus": each.campus, "topic": each.topic, "at": now, "data": msgspec.json.encode(each.data).decode()}
        for each in news
    ]
    await write(session, insert(session, FeedRow), rows)


async def after(session: AsyncSession, last_id: int, limit: int = 500) -> list[FeedRow]:
    """Return what came after the row numbered `last_id`, in order."""
    query = select(FeedRow).where(FeedRow.id > last_id).order_by(FeedRow.id).limit(limit)
    return list((await session.execute(query)).scalars())


async def last_id(session: AsyncSession) -> int:
    """Return the number of the latest row; 0 if there is none."""
    return (await session.execute(select(func.max(FeedRow.id)))).scalar() or 0


async def purge(session: AsyncSession, before: datetime) -> None:
    """Forget what nobody will catch up with any more."""
    await session.execute(delete(FeedRow).where(FeedRow.at < before))
