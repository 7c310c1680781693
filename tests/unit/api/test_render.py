from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from api.console.render import clock_time, duration, page
from tests.conftest import START

CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0:00"),
        (42, "0:42"),
        (64.9, "1:04"),
        (3599, "59:59"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (172799, "47 h 59 min"),
        (172800, "2 days"),
    ],
)
def test_a_duration_reads_as_one_says_it(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_a_moment_is_told_in_the_campuss_own_time() -> None:
    assert clock_time(START, CHICAGO, START) == "08:00:00"
    assert clock_time(START - timedelta(hours=9), CHICAGO, START) == "Mon 23 Nov 23:00"


def test_what_comes_from_outside_is_escaped() -> None:
    said = {"said": None, "ways": ["provider", "name", "token"], "failed": "", "provider": "<i>"}
    answer = page("login.html", error="<script>alert(1)</script>", following='"><b>', **said)
    text = bytes(answer.body).decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
    assert '"><b>' not in text
