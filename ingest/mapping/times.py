"""The times that devices say, in the many ways they say them, as instants in UTC.

A time without an offset is meant where the device stands: the campus's zone, unless the mapping says otherwise.
What an abbreviation like PDT means is asked of the mapping first, then of that zone, then of the United States' table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from core.calendar import resolve_local

NAMED: Final = ("iso", "epoch_s", "epoch_ms")
"""The formats that have a name. All others are patterns: `%Y-%m-%d %H:%M:%S %Z`."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AMERICAN: Final[dict[str, str]] = {
    "UTC": "+0000", "GMT": "+0000", "Z": "+0000", "EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500",
    "MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700", "AKST": "-0900", "AKDT": "-0800", "HST": "-1000",
}  # fmt: skip
_WORD: Final = re.compile(r"(?<![A-Za-z])[A-Z]{1,5}(?![A-Za-z])")
_LONGEST: Final = 64
"""Characters of a time that is worth reading."""

_Read = Callable[[Any, ZoneInfo], datetime]


def known_format(text: str) -> str:
    """Return a time format that can be read; ValueError where it is none."""
    if text in NAMED:
        return text
    if "%" not in text:
        raise ValueError(f"write it like {', '.join(NAMED)} or a pattern like %Y-%m-%d %H:%M:%S %Z")
    sample = _EPOCH.strftime(text.replace("%Z", "%z"))
    try:
        found = datetime.strptime(sample, text.replace("%Z", "%z"))  # noqa: DTZ007 - only a trial
    except ValueError as error:
        raise ValueError(f"{text!r} is no pattern of a time: {error}") from None
    if found.date() != _EPOCH.date():
        raise ValueError(f"{text!r} does not say year, month and day")
    return text


def known_offset(text: str) -> str:
    """Return an offset from UTC, `-07:00`; ValueError where it is none."""
    if not re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", text):
        raise ValueError("write it like -07:00")
    return text


def clock(
    formats: tuple[str, ...], own_zone: ZoneInfo | None = None, offsets: Mapping[str, str] | None = None
) -> Callable[[Any, ZoneInfo], datetime | None]:
    """Return the function that reads a device's time, with the campus's zone, as an instant in UTC.

    It gives None where no format fits. `own_zone`: where times without an offset are meant; None: on the campus.
    `offsets`: what abbreviations of zones mean.
    """
    readers = [_reader(each, offsets or {}) for each in formats]

    def read(value: Any, campus: ZoneInfo) -> datetime | None:
        zone = own_zone or campus
        for each in readers:
            try:
                found = each(value, zone)
                return found.astimezone(UTC) if found.tzinfo else resolve_local(found, zone)
            except (ValueError, OverflowError, TypeError):
                continue
        return None

    return read


def _reader(text: str, offsets: Mapping[str, str]) -> _Read:
    if text == "iso":
        return _from_iso
    if text == "epoch_s":
        return lambda value, _zone: _EPOCH + timedelta(seconds=_number(value))
    if text == "epoch_ms":
        return lambda value, _zone: _EPOCH + timedelta(milliseconds=_number(value))
    return _from_pattern(text, {name: offset.replace(":", "") for name, offset in offsets.items()})


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _from_iso(value: Any, _zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(value)


def _from_pattern(text: str, offsets: dict[str, str]) -> _Read:
    pattern = text.replace("%Z", "%z")
    named = "%Z" in text

    def read(value: Any, zone: ZoneInfo) -> datetime:
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise TypeError
        if named:
            known = _AMERICAN | _of_zone(zone) | offsets
            value = _WORD.sub(lambda found: known.get(found[0], found[0]), value)
        return datetime.strptime(value, pattern)  # noqa: DTZ007 - without an offset the zone follows

    return read


@lru_cache(maxsize=64)
def _of_zone(zone: ZoneInfo) -> dict[str, str]:
    # Two halves of a recent year show both of a zone's abbreviations.
    days = (datetime(2026, 1, 15, tzinfo=zone), datetime(2026, 7, 15, tzinfo=zone))
    return {name: day.strftime("%z") for day in days if (name := day.tzname()) and name.isalpha()}
