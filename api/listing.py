"""Lists that are read in pieces, and stay right while rows arrive: a cursor names the last row that was seen."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from core.errors import BadInput, Problem
from core.wire import Refused, read_instant

T = TypeVar("T")
LARGEST: Final = 2**63 - 1
"""No row has a greater number; a database would not even compare with one."""
_BAD = BadInput([Problem("is none of ours; take `next` of the page before, or leave it out", "cursor")])


class Page(BaseModel, Generic[T]):
    """One piece of a list."""

    items: list[T]
    next: str | None = Field(description="The cursor of the next piece; null at the end.")


Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
_Cursor = Annotated[str | None, Query(max_length=300, description="`next` of the piece before.")]


Number = Annotated[int, Path(ge=1, le=LARGEST, description="The number of the row.")]


def _storable(value: str) -> str:
    if "\0" in value or (not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)):
        raise ValueError("holds a character that is none (NUL, or half of a pair)")
    return value


Words = Annotated[str, AfterValidator(_storable)]
"""Text that every database can hold."""


def _read_instant(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return read_instant(value.strip())
    except Refused:
        raise ValueError("write it like 2026-11-24T14:00:00Z") from None


Instant = Annotated[datetime, BeforeValidator(_read_instant)]
"""A time as RFC 3339 says it, with its offset."""


def text_cursor(cursor: _Cursor = None) -> str | None:
    """Return the key of the last row seen; BadInput if the cursor is none of ours."""
    if cursor is None:
        return None
    try:
        return _storable(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode())
    except (binascii.Error, ValueError):
        raise _BAD from None


def number_cursor(after: Annotated[str | None, Depends(text_cursor)]) -> int | None:
    """Return the id of the last row seen; BadInput if the cursor is none of ours."""
    if after is None:
        return None
    if not (after.isdecimal() and after.isascii() and len(after) <= 18):
        raise _BAD
    return int(after)


def moment_cursor(after: Annotated[str | None, Depends(text_cursor)]) -> tuple[datetime, int] | None:
    """Return event time and id of the last row seen; BadInput if the cursor is none of ours."""
    if after is None:
        return None
    at, _, text = after.partition("#")
    number = number_cursor(text)
    try:
        moment = read_instant(at)
    except Refused:
        raise _BAD from None
    if moment is None or number is None:
        raise _BAD
    return moment, number


AfterId = Annotated[int | None, Depends(number_cursor)]
AfterMoment = Annotated[tuple[datetime, int] | None, Depends(moment_cursor)]
AfterKey = Annotated[str | None, Depends(text_cursor)]


def piece(rows: Sequence[T], limit: int, key: Callable[[T], int | str]) -> tuple[list[T], str | None]:
    """Return the rows of one piece and the cursor behind it. `rows` holds one more than `limit` if there are more."""
    if len(rows) <= limit:
        return list(rows), None
    shown = list(rows[:limit])
    cursor = base64.urlsafe_b64encode(str(key(shown[-1])).encode()).decode().rstrip("=")
    return shown, cursor
