"""The times that devices say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.mapping.times import clock, known_format, known_offset

CHICAGO = ZoneInfo("America/Chicago")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
UHPPOTE = "%Y-%m-%d %H:%M:%S %Z"
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("value", "formats", "expected"),
    [
        ("2020-02-12T15:15:46.014773143Z", ("iso",), datetime(2020, 2, 12, 15, 15, 46, 14773, UTC)),
        ("2024-05-30T20:11:32+08:00", ("iso",), datetime(2024, 5, 30, 12, 11, 32, 0, UTC)),
        ("2024-02-24T22:20:38", ("iso",), datetime(2024, 2, 25, 4, 20, 38, 0, UTC)),
        (1702654592227, ("epoch_ms",), datetime(2023, 12, 15, 15, 36, 32, 227000, UTC)),
        (1733776884.28, ("epoch_s",), datetime(2024, 12, 9, 20, 41, 24, 280000, UTC)),
        ("1733776884", ("epoch_s",), datetime(2024, 12, 9, 20, 41, 24, 0, UTC)),
        (1717099892101, ("iso", "epoch_ms"), datetime(2024, 5, 30, 20, 11, 32, 101000, UTC)),
        ("2019-08-09 16:18:55 PDT", (UHPPOTE,), datetime(2019, 8, 9, 23, 18, 55, 0, UTC)),
        ("2019-01-09 16:18:55 CST", (UHPPOTE,), datetime(2019, 1, 9, 22, 18, 55, 0, UTC)),
        ("09.08.2019 16:18", ("%d.%m.%Y %H:%M",), datetime(2019, 8, 9, 21, 18, 0, 0, UTC)),
    ],
)
def test_a_devices_time_is_read(value: Any, formats: tuple[str, ...], expected: datetime) -> None:
    assert clock(formats)(value, CHICAGO) == expected


def test_a_local_time_that_exists_twice_is_the_first_and_one_that_does_not_exist_the_next() -> None:
    assert clock(("iso",))("2024-11-03T01:30:00", CHICAGO) == datetime(2024, 11, 3, 6, 30, tzinfo=UTC)
    assert clock(("iso",))("2024-03-10T02:30:00", CHICAGO) == datetime(2024, 3, 10, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("value", ["soon", "", None, True, [], {}, 1e300, "1e400", "0001-01-01T00:00:00+14:00", -1e18])
def test_a_time_that_is_none_is_none(value: Any) -> None:
    assert clock(("iso", "epoch_s", "epoch_ms", UHPPOTE))(value, CHICAGO) is None


def test_an_abbreviation_means_what_it_means_on_the_campus_and_a_mapping_may_say_otherwise() -> None:
    text = "2026-01-09 16:18:55 CST"
    assert clock((UHPPOTE,))(text, CHICAGO) == datetime(2026, 1, 9, 22, 18, 55, tzinfo=UTC)
    assert clock((UHPPOTE,))(text, SHANGHAI) == datetime(2026, 1, 9, 8, 18, 55, tzinfo=UTC)
    assert clock((UHPPOTE,), None, {"CST": "-05:00"})(text, SHANGHAI) == datetime(2026, 1, 9, 21, 18, 55, tzinfo=UTC)
    assert clock((UHPPOTE,))("2026-01-09 16:18:55 XYZ", CHICAGO) is None, "what nobody knows is not guessed at"


def test_a_mapping_may_say_where_times_without_an_offset_are_meant() -> None:
    assert clock(("iso",), LOS_ANGELES)("2026-01-09T16:18:55", CHICAGO) == datetime(2026, 1, 10, 0, 18, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stardate", "iso"),
        ("%H:%M", "does not say year, month and day"),
        ("%Y-%m-%d %Q", "no pattern"),
    ],
)
def test_a_format_that_reads_no_time_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        known_format(text)


@pytest.mark.parametrize("text", ["PDT", "7", "+25:00", "-07"])
def test_an_offset_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like -07:00"):
        known_offset(text)
