"""Errors are for people: what is wrong, where, and one line each."""

from __future__ import annotations

import pytest

from core import errors
from core.errors import BadInput, HallwatchError, Problem


def test_a_problem_reads_from_the_place_to_the_reason() -> None:
    problem = Problem("no zone 'gmy'; did you mean 'gym'?", "doors[0].zone", "campus.yaml", 12)
    assert str(problem) == "campus.yaml:12: doors[0].zone: no zone 'gmy'; did you mean 'gym'?"


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("is required"), "is required"),
        (Problem("is required", "name"), "name: is required"),
        (Problem("is required", file="a.yaml"), "a.yaml: is required"),
        (Problem("is required", line=3), "is required"),
    ],
)
def test_what_is_not_known_of_the_place_is_left_out(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_bad_input_has_a_line_for_each_problem() -> None:
    error = BadInput([Problem("one", "a"), Problem("two", "b")])
    assert str(error) == "a: one\nb: two"
    assert [p.where for p in error.problems] == ["a", "b"]


def test_bad_input_takes_a_bare_sentence() -> None:
    assert BadInput("no such scenario").problems == (Problem("no such scenario"),)


def test_every_error_has_a_status_of_its_own_and_a_title() -> None:
    kinds = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, HallwatchError) and each is not HallwatchError
    ]
    assert len(kinds) >= 8
    assert len({each.status for each in kinds}) == len(kinds)
    assert all(each.title and each.title != HallwatchError.title for each in kinds)


def test_too_many_says_when_to_come_back() -> None:
    assert errors.TooMany("slow down", 30).retry_after == 30
