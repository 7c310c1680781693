"""The journal: every message we could read, once, in the order of receipt. Rows are only ever added (and purged)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Index, LargeBinary, Text, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, BigId, insert
from core.messages import KINDS, Message

REMEMBER = timedelta(hours=24)
"""How long a repeat of a message is known for one."""
_ENCODER = msgspec.json.Encoder()
_DECODERS = {kind: msgspec.json.Decoder(cls) for kind, cls in KINDS.items()}


class MessageRow(Base):
    """One reading as it was heard. `data` is the whole message; the columns are what is searched for."""

    __tablename__ = "messages"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    campus: Mapped[str]
    kind: Mapped[str]
    key: Mapped[str]
    at: Mapped[datetime]
    received_at: Mapped[datetime]
    dedupe: Mapped[bytes | None] = mapped_column(LargeBinary(16), unique=True)
    """Digest of campus, source, message id, part and exercise; NULL once a repeat would no longer be known for one."""
    data: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index(None, "campus", "at"),
        Index(None, "campus", "kind", "key", "at"),
        Index(None, "received_at"),
        {"sqlite_autoincrement": True},
    )


async def append(session: AsyncSession, messages: Sequence[Message]) -> list[Message]:
    """Write the messages down and return those that are new, in their order; repeats are left out."""
    if not messages:
        return []
    marks = [_mark(message) for message in messages]
    rows = [_row(message, mark) for message, mark in zip(messages, marks, strict=True)]
    statement = insert(session, MessageRow)
    statement = statement.on_conflict_do_nothing(index_elements=["dedupe"]).returning(MessageRow.dedupe)
    written = set((await session.execute(statement, rows)).scalars())
    heard = await _heard_before(session, [mark for mark in marks if mark not in written])
    fresh: list[Message] = []
    for message, mark, row in zip(messages, marks, rows, strict=True):
        if mark in written:
            written.discard(mark)
            heard[mark] = message.received_at
        elif _is_repeat(message, heard.get(mark)):
            continue
        else:
            await session.execute(update(MessageRow).where(MessageRow.dedupe == mark).values(dedupe=None))
            await session.execute(insert(session, MessageRow), [row])
            heard[mark] = message.received_at
        fresh.append(message)
    return fresh


async def _heard_before(session: AsyncSession, marks: list[bytes]) -> dict[bytes, datetime]:
    found: dict[bytes, datetime] = {}
    for start in range(0, len(marks), 1000):
        query = select(MessageRow.dedupe, MessageRow.received_at).where(
            MessageRow.dedupe.in_(marks[start : start + 1000])
        )
        found |= {mark: at for mark, at in await session.execute(query) if mark is not None}
    return found


def _is_repeat(message: Message, heard: datetime | None) -> bool:
    # An anonymous reading may well be said twice in the same words; only the sender's DUP flag makes it a repeat.
    if not message.identified and not message.redelivered:
        return False
    return heard is not None and heard > message.received_at - REMEMBER


def _mark(message: Message) -> bytes:
    name = f"{message.campus}\0{message.source}\0{message.message_id}\0{message.part}"
    if message.exercise != "live":
        # What was rehearsed is no repeat of what is real, nor the other way round, whatever id a tester makes up.
        name += f"\0{message.exercise}"
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def _row(message: Message, mark: bytes) -> dict[str, object]:
    return {
        "campus": message.campus,
        "kind": message.kind,
        "key": message.key,
        "at": message.at,
        "received_at": message.received_at,
        "dedupe": mark,
        "data": _ENCODER.encode(message).decode(),
    }


def read(row: MessageRow) -> Message:
    """Return the message a row holds."""
    return _DECODERS[row.kind].decode(row.data)


async def since(session: AsyncSession, campus: str, after: datetime) -> list[Message]:
    """Return the messages of a campus with an event time later than `after`, in order of receipt."""
    query = select(MessageRow).where(MessageRow.campus == campus, MessageRow.at > after).order_by(MessageRow.id)
    return [read(row) for row in (await session.execute(query)).scalars()]


async def between(
    session: AsyncSession, start: datetime, end: datetime, *, campus: str | None = None, chunk: int = 5000
) -> AsyncIterator[Message]:
    """Yield the messages received in [start, end), in order of receipt, `chunk` rows in memory at a time."""
    # Only what is needed: to make a row object of each reading costs several times what it takes to decode it.
    query = select(MessageRow.kind, MessageRow.data).where(MessageRow.received_at >= start)
    query = query.where(MessageRow.received_at < end)
    if campus:
        query = query.where(MessageRow.campus == campus)
    rows = await session.stream(query.order_by(MessageRow.id).execution_options(yield_per=chunk))
    async for part in rows.partitions(chunk):
        for kind, data in part:
            yield _DECODERS[kind].decode(data)


async def find(
    session: AsyncSession,
    *,
    campus: str | None = None,
    kind: str | None = None,
    key: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[MessageRow]:
    """Return rows, the newest first; `before_id` continues a listing where it stopped. `kind` may be `door.*`."""
    query = select(MessageRow).order_by(MessageRow.id.desc()).limit(limit)
    if campus:
        query = query.where(MessageRow.campus == campus)
    if kind and kind.endswith(".*"):
        query = query.where(MessageRow.kind.startswith(kind[:-1], autoescape=True))
    elif kind:
        query = query.where(MessageRow.kind == kind)
    if key:
        query = query.where(MessageRow.key == key)
    if since:
        query = query.where(MessageRow.at >= since)
    if until:
        query = query.where(MessageRow.at < until)
    if before_id is not None:
        query = query.where(MessageRow.id < before_id)
    return list((await session.execute(query)).scalars())


async def purge(session: AsyncSession, before: datetime) -> int:
    """Delete what was received before an instant; return how many rows went."""
    result = await session.execute(delete(MessageRow).where(MessageRow.received_at < before))
    return int(getattr(result, "rowcount", 0))
