"""The journal: every message we could read, once, in the order of receipt. Rows are only ever added (and purged)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Index,
    LargeBinary,
    Select,
    Text,
    column,
    delete,
    func,
    literal,
    or_,
    select,
    true,
    update,
    values,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from core.database import Base, BigId, insert, insert_into, is_postgresql, write
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
        # Every list is in the order of `at` within a campus, and within a kind or a key of it: one index each.
        Index(None, "campus", "at"),
        Index(None, "campus", "kind", "at"),
        Index(None, "campus", "kind", "key", "at"),
        Index(None, "received_at"),
        {"sqlite_autoincrement": True},
    )


_NEWEST = (MessageRow.at.desc(), MessageRow.id.desc())


class Position(msgspec.Struct, frozen=True):
    """Where a list stopped: the event time and the number of the last row."""

    at: datetime
    id: int


async def append(session: AsyncSession, messages: Sequence[Message]) -> list[Message]:
    """Write the messages down and return those that are new, in their order; repeats are left out."""
    if not messages:
        return []
    marks = [_mark(message) for message in messages]
    rows = [_row(message, mark) for message, mark in zip(messages, marks, strict=True)]
    written = await _write(session, rows, marks)
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


async def _write(session: AsyncSession, rows: Sequence[dict[str, object]], marks: Sequence[bytes]) -> set[bytes]:
    """Write the rows that are new, and return their marks."""
    if is_postgresql(session):
        return set((await session.execute(_adding(returning=True, postgres=True), rows)).scalars())
    # There is one writer: nobody adds a row between the statements, and mostly all of them are new.
    count = await write(session, _adding(returning=False, postgres=False), rows)
    if count == len(rows):
        return set(marks)
    latest = select(MessageRow.dedupe).order_by(MessageRow.id.desc()).limit(count)
    return {mark for mark in (await session.execute(latest)).scalars() if mark is not None}


@cache
def _adding(*, returning: bool, postgres: bool) -> Any:
    statement = insert_into(MessageRow, postgres=postgres).on_conflict_do_nothing(index_elements=["dedupe"])
    return statement.returning(MessageRow.dedupe) if returning else statement


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
    before: Position | None = None,
    limit: int = 100,
) -> list[MessageRow]:
    """Return rows, the newest first by event time; `before` continues a list where it stopped. `kind` may be `door.*`.

    However much is kept and however rare what is asked for, an index leads to it: what concerns several campuses or
    kinds is looked for in each of them by itself, and the newest of all are taken.
    """
    ends = [] if key is None else [MessageRow.key == key]
    ends += [] if since is None else [MessageRow.at >= since]
    ends += [] if until is None else [MessageRow.at < until]
    if before is not None:
        # The first of the two is for the index: a range that it can begin at.
        ends += [MessageRow.at <= before.at, or_(MessageRow.at < before.at, MessageRow.id < before.id)]
    kinds = None if kind is None and key is None else _kinds(kind)
    if kinds is not None and len(kinds) < 2:
        ends.append(MessageRow.kind == "".join(kinds))
        kinds = None
    if campus is not None and kinds is None:
        query = select(MessageRow).where(MessageRow.campus == campus, *ends)
    else:
        places, inside = _places(campus, kinds)
        query = select(MessageRow).where(MessageRow.id.in_(_newest(session, places, [*inside, *ends], limit)))
    return list((await session.execute(query.order_by(*_NEWEST).limit(limit))).scalars())


def _kinds(asked: str | None) -> list[str]:
    """Return the kinds that are meant by `door.opened`, by `door.*`, or by nothing."""
    if asked is None:
        return list(KINDS)
    family = asked.removesuffix("*") if asked.endswith(".*") else None
    return [each for each in KINDS if each == asked or (family is not None and each.startswith(family))]


def _places(campus: str | None, kinds: list[str] | None) -> tuple[list[CTE], list[ColumnElement[bool]]]:
    """Return the tables of campuses and kinds to look in, and what a row of one of them is."""
    campuses = _campuses() if campus is None else select(literal(campus).label("campus")).cte("campuses")
    if kinds is None:
        return [campuses], [MessageRow.campus == campuses.c.campus]
    named = values(column("kind", Text), name="kinds").data([(each,) for each in kinds]).cte("kinds")
    return [campuses, named], [MessageRow.campus == campuses.c.campus, MessageRow.kind == named.c.kind]


def _campuses() -> CTE:
    """Return the campuses of the journal, found in an index by leaps from one to the next."""
    found = select(func.min(MessageRow.campus).label("campus")).cte("campuses", recursive=True)
    following = select(func.min(MessageRow.campus)).where(MessageRow.campus > found.c.campus)
    return found.union_all(select(following.scalar_subquery()).where(found.c.campus.is_not(None)))


def _newest(
    session: AsyncSession, places: Sequence[CTE], inside: Sequence[ColumnElement[bool]], limit: int
) -> Select[int]:
    """Return a query of the ids of the newest rows of all places: the newest of each, and of these the newest."""
    newest = select(MessageRow.id, MessageRow.at).where(*inside).order_by(*_NEWEST).limit(limit).correlate(*places)
    together: FromClause = places[0]
    for place in places[1:]:
        together = together.join(place, true())
    if is_postgresql(session):
        found = newest.lateral()
        query = select(found.c.id).select_from(together.join(found, true()))
        return query.order_by(found.c.at.desc(), found.c.id.desc()).limit(limit)
    # SQLite knows no LATERAL, but follows the list of row numbers that is made for each place.
    rows = aliased(MessageRow)
    query = select(rows.id).select_from(together).join(rows, rows.id.in_(newest.with_only_columns(MessageRow.id)))
    return query.order_by(rows.at.desc(), rows.id.desc()).limit(limit)


async def purge(session: AsyncSession, before: datetime) -> int:
    """Delete what was received before an instant; return how many rows went."""
    result = await session.execute(delete(MessageRow).where(MessageRow.received_at < before))
    return int(getattr(result, "rowcount", 0))
