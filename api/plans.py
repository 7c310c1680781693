"""The plan of a campus as somebody has drawn it: one picture for each, in a table of its own.

It is looked at before it is kept, because a file may be another thing than it says. An SVG can hold scripts and
references: it is only ever shown as an image, which runs and loads nothing.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast
from xml.parsers import expat

from sqlalchemy import LargeBinary, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, upsert
from core.errors import BadInput, NotFound, Problem

MOST_BYTES: Final = 1_000_000
MOST_PIXELS: Final = 20_000
"""Of each side; beyond that, phones give up."""
MediaType = Literal["image/png", "image/svg+xml"]
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SVG: Final = "http://www.w3.org/2000/svg"
_NUMBER: Final = re.compile(r"\s*([+]?[0-9]*\.?[0-9]+)\s*(?:px)?\s*")


class PlanRow(Base):
    """The plan of one campus."""

    __tablename__ = "plans"

    campus: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    width: Mapped[float]
    height: Mapped[float]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What kind of picture it is, and its sides in units of its own."""

    media_type: MediaType
    width: float
    height: float


async def describe(session: AsyncSession, campus: str) -> Plan | None:
    """Return what kind of plan a campus has, without the picture itself; None: it has none."""
    query = select(PlanRow.media_type, PlanRow.width, PlanRow.height).where(PlanRow.campus == campus)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Plan(cast("MediaType", row.media_type), row.width, row.height)


async def get(session: AsyncSession, campus: str) -> PlanRow:
    """Return the plan of a campus; NotFound if it has none."""
    row = await session.get(PlanRow, campus)
    if row is None:
        raise NotFound(f"campus {campus!r} has no plan")
    return row


async def put(session: AsyncSession, campus: str, content: bytes, *, now: datetime, by: str) -> Plan:
    """Keep a picture as the plan of a campus, in place of the one before; BadInput if it is none."""
    found = look(content)
    row = {
        "campus": campus,
        "media_type": found.media_type,
        "width": found.width,
        "height": found.height,
        "content": content,
        "changed_at": now,
        "changed_by": by,
    }
    await session.execute(upsert(session, PlanRow), [row])
    return found


async def remove(session: AsyncSession, campus: str) -> None:
    """Forget the plan of a campus; NotFound if it has none."""
    await get(session, campus)
    await session.execute(delete(PlanRow).where(PlanRow.campus == campus))


def look(content: bytes) -> Plan:
    """Return what a file is by what stands in it; BadInput says why it cannot be a plan."""
    if not content:
        raise _wrong("choose a PNG or an SVG first")
    if len(content) > MOST_BYTES:
        raise _wrong(f"is larger than {MOST_BYTES:,} bytes; save it smaller")
    found = _png(content) if content.startswith(_PNG) else _svg(content)
    if not (1 <= found.width <= MOST_PIXELS and 1 <= found.height <= MOST_PIXELS):
        raise _wrong(f"is {found.width:g} by {found.height:g}; each side must be from 1 to {MOST_PIXELS}")
    return found


def _wrong(message: str) -> BadInput:
    return BadInput([Problem(message, "plan")])


def _png(content: bytes) -> Plan:
    try:
        chunks = list(_chunks(content))
    except struct.error:
        raise _wrong("begins like a PNG and is none: it ends too soon") from None
    kinds = [kind for kind, _ in chunks]
    if kinds[:1] != [b"IHDR"] or b"IDAT" not in kinds or kinds[-1] != b"IEND" or len(chunks[0][1]) != 13:
        raise _wrong("begins like a PNG and is none: a part of it is missing")
    width, height = struct.unpack(">II", chunks[0][1][:8])
    return Plan("image/png", width, height)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_PNG)
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        data = content[place + 8 : place + 8 + length]
        (check,) = struct.unpack_from(">I", content, place + 8 + length)
        if zlib.crc32(kind + data) != check:
            raise _wrong("begins like a PNG and is damaged")
        yield kind, data
        place += 12 + length


def _svg(content: bytes) -> Plan:
    outermost: dict[str, str] | None = None

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal outermost
        space, _, local = name.rpartition(" ")
        if outermost is None:
            if (space, local) != (_SVG, "svg"):
                raise _wrong("is neither a PNG nor an SVG")
            outermost = attributes
        if local == "script":
            raise _wrong("holds a script; save it as a plain SVG")

    def declare(*_: Any) -> None:
        raise _wrong("declares a document type of its own; save it as a plain SVG")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = declare
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise _wrong(f"is neither a PNG nor an SVG that can be read: {error}") from None
    return Plan("image/svg+xml", *_sides(outermost or {}))


def _sides(attributes: Mapping[str, str]) -> tuple[float, float]:
    box = attributes.get("viewBox", "").replace(",", " ").split()
    said = box[2:] if len(box) == 4 else [attributes.get("width", ""), attributes.get("height", "")]
    sides = [float(match[1]) for each in said if (match := _NUMBER.fullmatch(each))]
    if len(sides) != 2:
        raise _wrong("does not say how large it is: give it a viewBox, or a width and a height")
    return sides[0], sides[1]
