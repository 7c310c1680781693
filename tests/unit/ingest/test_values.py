"""Coercions, tables and times: types drift, and nothing is guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.mapping.values import Kind, TimeFormat, Unreadable, coerce, instant, table, typed

CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        ("bool", "true", True),
        ("bool", "ON", True),
        ("bool", 0, False),
        ("bool", 1.0, True),
        ("bool", "0", False),
        ("int", "21093", 21093),
        ("int", 1.0, 1),
        ("int", False, 0),
        ("float", "2.5", 2.5),
        ("str", " ON ", "ON"),
        ("str", True, "true"),
        ("str", 22, "22"),
        ("str_ci", "Online", "online"),
        (None, [1], [1]),
    ],
)
def test_a_value_is_made_what_it_should_be(kind: Kind | None, value: Any, made: Any) -> None:
    result = coerce(kind)(value)
    assert result == made
    assert type(result) is type(made)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("bool", "ajar"), ("bool", 2), ("bool", []), ("int", 1.5), ("int", "x"), ("int", {}), ("float", "nan"),
     ("float", "1e999"), ("int", "1" * 400), ("str", {}), ("str_ci", [])],
)  # fmt: skip
def test_a_value_that_cannot_be_made_that_is_unreadable(kind: Kind, value: Any) -> None:
    with pytest.raises(Unreadable):
        coerce(kind)(value)


def test_a_table_tells_false_zero_and_zero_in_quotes_apart() -> None:
    meanings = table({"false": "open", "0": "closed", '"0"': "unlocked"}, None)
    assert [meanings.get(typed(value)) for value in (False, 0, 0.0, "0", "false")] == [
        "open",
        "closed",
        "closed",
        "unlocked",
        None,
    ]


def test_a_table_joins_them_when_asked_to() -> None:
    meanings = table({"0": "closed", "1": "open"}, "int")
    assert {meanings[typed(coerce("int")(value))] for value in (False, 0, 0.0, "0")} == {"closed"}


def test_the_keys_of_a_table_of_text_are_text() -> None:
    assert table({"1": "x", "ON": "y"}, "str_ci") == {("str", "1"): "x", ("str", "on"): "y"}


def test_a_key_that_can_never_come_is_refused() -> None:
    with pytest.raises(ValueError, match="`as: int` never gives it"):
        table({"open": "open"}, "int")


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
    ],
)
def test_a_devices_time_is_read(value: Any, formats: tuple[TimeFormat, ...], expected: datetime) -> None:
    assert instant(value, formats, CHICAGO) == expected


def test_a_local_time_that_exists_twice_is_the_first_and_one_that_does_not_exist_the_next() -> None:
    assert instant("2024-11-03T01:30:00", ("iso",), CHICAGO) == datetime(2024, 11, 3, 6, 30, tzinfo=UTC)
    assert instant("2024-03-10T02:30:00", ("iso",), CHICAGO) == datetime(2024, 3, 10, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("value", ["soon", "", None, True, [], {}, 1e300, "1e400", "0001-01-01T00:00:00+14:00", -1e18])
def test_a_time_that_is_none_is_none(value: Any) -> None:
    assert instant(value, ("iso", "epoch_s", "epoch_ms"), CHICAGO) is None
