"""What we could not read: kept as it came, with its reason, to be looked at and to be replayed once that is mended.

Bounded by age, by rows and by bytes: whoever floods us may push older rubbish out, and never fill the disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Index, LargeBinary, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, BigId, insert
from core.messages import Heard

MAX_KEPT: Final = 64 * 1024
"""Bytes of a payload that are kept; of a larger one, which can never be read, only `BEGINNING`."""
BEGINNING: Final = 1024
_MAX_TOPIC: Final = 1000
_MAX_REASON: Final = 300
_MASK: Final = "•••"
_PERSONAL = re.compile(
    r"name|mail|phone|mobile|birth|dob|badge|card|credential|licen[sc]e|passport|ssn|address|guest|visitor|host|"
    r"photo|picture|image|signature|plate|token|secret|password|purpose|escort|student|person|user",
    re.IGNORECASE,
)
_TECHNICAL = re.compile(
    r"device|friendly|gateway|application|sensor|model|profile|tenant|hostname|topic|line|scenario|mac", re.IGNORECASE
)
# For text that is no JSON. Possessive, so that no payload can make them slow.
_PAIR = re.compile(r"(?<![\w-])(?P<key>[\w-]++)(?P<sign>[\"']?\s*+[:=]\s*+)(?P<value>\"[^\"]*+\"?|[^,;&}\]\r\n]*+)")
_STRING = re.compile(r"\"[^\"]*+\"?+(?P<colon>\s*+:)?+")
_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]++")


@dataclass(frozen=True, slots=True)
class Unread:
    """One thing that was heard and could not be read; `campus` where the topic told it."""

    heard: Heard
    campus: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Again(Heard):
    """What was heard at `received_at` and could not be read then: it is read as of that time, not as news."""

    received_at: datetime = field(kw_only=True)
    reason: str = field(kw_only=True)
    """Why it could not be read."""


class QuarantineRow(Base):
    """One payload that could not be read. `size` is what it was before it was cut."""

    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    campus: Mapped[str | None]
    topic: Mapped[str]
    reason: Mapped[str]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]
    retained: Mapped[bool]
    trial_only: Mapped[bool]
    received_at: Mapped[datetime]
    replayed_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "received_at"), Index(None, "campus", "received_at"))

    @property
    def is_whole(self) -> bool:
        """Whether the payload was kept whole, so that it can be replayed."""
        return self.size == len(self.payload)

    @property
    def again(self) -> Again:
        """What was heard, as it may be replayed.

        The row's number stands in for the packet's, so that a replay which was cut short may be repeated: what it has
        already brought is known, also of a sender who gives neither id nor time.
        """
        return Again(
            self.topic,
            self.payload,
            retained=self.retained,
            redelivered=True,
            packet=self.id,
            trial_only=self.trial_only,
            received_at=self.received_at,
            reason=self.reason,
        )


async def keep(session: AsyncSession, items: Sequence[Unread], now: datetime) -> None:
    """Write down what could not be read, in one statement."""
    if items:
        await session.execute(insert(session, QuarantineRow), [_row(item, now) for item in items])


def _row(item: Unread, now: datetime) -> dict[str, Any]:
    size = len(item.heard.payload)
    return {
        "campus": item.campus,
        "topic": _storable(item.heard.topic, _MAX_TOPIC),
        "reason": _storable(item.reason, _MAX_REASON),
        "payload": item.heard.payload if size <= MAX_KEPT else item.heard.payload[:BEGINNING],
        "size": size,
        "retained": item.heard.retained,
        "trial_only": item.heard.trial_only,
        # What a replay could not read either is as old as it was.
        "received_at": item.heard.received_at if isinstance(item.heard, Again) else now,
        "replayed_at": None,
    }


def _storable(text: str, length: int) -> str:
    # PostgreSQL takes no NUL, and neither takes half of a surrogate pair.
    return text[:length].replace("\0", "�").encode("utf-8", "replace").decode()


async def find(
    session: AsyncSession,
    *,
    campus: str | None = None,
    reason: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[QuarantineRow]:
    """Return rows, the newest first; `reason` is the word before the colon, `before_id` continues a listing."""
    query = select(QuarantineRow).where(*_chosen(campus, reason)).order_by(QuarantineRow.id.desc()).limit(limit)
    if since:
        query = query.where(QuarantineRow.received_at >= since)
    if until:
        query = query.where(QuarantineRow.received_at < until)
    if before_id is not None:
        query = query.where(QuarantineRow.id < before_id)
    return list((await session.execute(query)).scalars())


async def newest(session: AsyncSession) -> int:
    """Return the number of the latest row; 0 if there is none."""
    return (await session.execute(select(func.max(QuarantineRow.id)))).scalar() or 0


async def waiting(
    session: AsyncSession, *, reason: str, campus: str | None = None, up_to: int, limit: int
) -> list[QuarantineRow]:
    """Return rows that may be replayed and were not yet, those numbered up to `up_to`, in the order they came."""
    query = select(QuarantineRow).where(*_waiting(reason, campus, up_to))
    return list((await session.execute(query.order_by(QuarantineRow.id).limit(limit))).scalars())


async def count_waiting(session: AsyncSession, *, reason: str, campus: str | None = None, up_to: int) -> int:
    """Return how many rows `waiting` would hand out, were there no limit."""
    query = select(func.count()).select_from(QuarantineRow).where(*_waiting(reason, campus, up_to))
    return (await session.execute(query)).scalar_one()


def _waiting(reason: str, campus: str | None, up_to: int) -> list[ColumnElement[bool]]:
    whole = QuarantineRow.size <= MAX_KEPT
    return [*_chosen(campus, reason), QuarantineRow.id <= up_to, QuarantineRow.replayed_at.is_(None), whole]


def _chosen(campus: str | None, reason: str | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if campus:
        found.append(QuarantineRow.campus == campus)
    if reason:
        begins = QuarantineRow.reason.startswith(f"{reason}:", autoescape=True)
        found.append((QuarantineRow.reason == reason) | begins)
    return found


async def get(session: AsyncSession, row_id: int) -> QuarantineRow | None:
    """Return one row, or None if there is none of that number."""
    return await session.get(QuarantineRow, row_id)


async def mark_replayed(session: AsyncSession, row_ids: Sequence[int], now: datetime) -> None:
    """Note that rows were read again, whatever came of it: what still cannot be read has a row of its own by then."""
    await session.execute(update(QuarantineRow).where(QuarantineRow.id.in_(row_ids)).values(replayed_at=now))


async def count_by_reason(session: AsyncSession, *, campus: str | None = None) -> dict[str, int]:
    """Return how many rows wait to be looked at, by the word of their reason."""
    query = select(QuarantineRow.reason, func.count()).where(QuarantineRow.replayed_at.is_(None))
    if campus:
        query = query.where(QuarantineRow.campus == campus)
    counts: dict[str, int] = {}
    for reason, count in (await session.execute(query.group_by(QuarantineRow.reason))).all():
        word = reason.partition(":")[0]
        counts[word] = counts.get(word, 0) + count
    return dict(sorted(counts.items()))


async def overflow(session: AsyncSession, *, max_rows: int, max_bytes: int) -> int:
    """Return the number up to which rows must go because there are too many, or too large ones; 0 if none must.

    It looks at sizes alone, and may be asked every minute.
    """
    many = select(QuarantineRow.id).order_by(QuarantineRow.id.desc()).offset(max_rows).limit(1)
    size = func.length(QuarantineRow.payload)
    sums = select(QuarantineRow.id, func.sum(size).over(order_by=QuarantineRow.id.desc()).label("sum")).subquery()
    large = select(func.max(sums.c.id)).where(sums.c.sum > max_bytes)
    return max([(await session.execute(query)).scalar() or 0 for query in (many, large)])


async def purge(session: AsyncSession, before: datetime, *, up_to: int = 0, limit: int = 1000) -> int:
    """Delete what was received before an instant or is numbered up to `up_to`; return how many went, at most `limit`.

    The oldest go first.
    """
    gone = (QuarantineRow.received_at < before) | (QuarantineRow.id <= up_to)
    oldest = select(QuarantineRow.id).where(gone).order_by(QuarantineRow.id).limit(limit)
    result = await session.execute(delete(QuarantineRow).where(QuarantineRow.id.in_(oldest)))
    return int(getattr(result, "rowcount", 0))


def masked(payload: bytes) -> str:
    """Return a payload for showing: as text, with the values of personal-looking keys masked."""
    try:
        value = msgspec.json.decode(payload)
        return msgspec.json.encode(_mask(value)).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _mask_text(payload.decode("utf-8", "replace"))


def _is_personal(key: str) -> bool:
    return bool(_PERSONAL.search(key)) and not _TECHNICAL.search(key)


def _mask(value: Any, *, wholly: bool = False) -> Any:
    if isinstance(value, dict):
        return {key: _mask(each, wholly=wholly or _is_personal(key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_mask(each, wholly=wholly) for each in value]
    if wholly and value is not None:
        return _MASK
    return _ADDRESS.sub(_MASK, value) if isinstance(value, str) else value


def _mask_text(text: str) -> str:
    # In broken JSON nobody can tell which key a text belongs to, so none is shown.
    if text.lstrip().startswith(("{", "[")):
        text = _STRING.sub(lambda found: found[0] if found["colon"] else f'"{_MASK}"', text)
    return _ADDRESS.sub(_MASK, _PAIR.sub(_mask_pair, text))


def _mask_pair(found: re.Match[str]) -> str:
    return found["key"] + found["sign"] + (_MASK if _is_personal(found["key"]) else found["value"])
