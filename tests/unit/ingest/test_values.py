"""Coercions and tables: types drift, and nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.mapping.values import Kind, Unreadable, coerce, table, typed


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
