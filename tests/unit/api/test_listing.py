from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from api.listing import Instant, number_cursor, piece, text_cursor
from core.errors import BadInput


def test_a_short_list_has_no_next_piece() -> None:
    assert piece([3, 2, 1], 3, lambda row: row) == ([3, 2, 1], None)


def test_the_cursor_names_the_last_row_shown() -> None:
    shown, cursor = piece([9, 8, 7], 2, lambda row: row)
    assert shown == [9, 8]
    assert number_cursor(text_cursor(cursor)) == 8


def test_a_cursor_of_words_survives_any_letter() -> None:
    _, cursor = piece(["gym/öst?", "b"], 1, lambda row: row)
    assert text_cursor(cursor) == "gym/öst?"


@pytest.mark.parametrize("cursor", ["%%%", "x", "____", "é"])
def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(BadInput, match="none of ours"):
        number_cursor(text_cursor(cursor))


@pytest.mark.parametrize("text", ["abc", "-1", "1" * 30, "٣"])
def test_a_cursor_for_another_list_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="none of ours"):
        number_cursor(text)


def test_an_instant_needs_its_offset() -> None:
    read = TypeAdapter(Instant).validate_python
    assert read("2026-11-24T08:00:00-06:00") == datetime(2026, 11, 24, 14, tzinfo=UTC)
    for wrong in ("2026-11-24T08:00:00", "yesterday", "1764000000"):
        with pytest.raises(ValidationError, match="write it like"):
            read(wrong)
