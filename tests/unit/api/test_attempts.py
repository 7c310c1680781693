from __future__ import annotations

from datetime import timedelta

import pytest

from api.attempts import ADDRESSES, LIMIT, WINDOW, Attempts
from core.errors import TooMany
from tests.conftest import START


def fail(attempts: Attempts, times: int, *, address: str = "10.0.0.1", every: float = 1.0) -> None:
    for count in range(times):
        attempts.failed(address, START + timedelta(seconds=count * every))


def test_ten_failures_are_forgiven_and_the_next_must_wait() -> None:
    attempts = Attempts()
    fail(attempts, LIMIT)
    with pytest.raises(TooMany) as caught:
        attempts.failed("10.0.0.1", START + timedelta(seconds=10))
    assert caught.value.retry_after == pytest.approx(WINDOW.total_seconds() - 9, abs=1)


def test_slow_failures_are_nobodys_business() -> None:
    fail(Attempts(), 50, every=WINDOW.total_seconds() / LIMIT + 1)


def test_one_address_does_not_pay_for_another() -> None:
    attempts = Attempts()
    fail(attempts, LIMIT)
    fail(attempts, LIMIT, address="10.0.0.2")


def test_the_wait_ends() -> None:
    attempts = Attempts()
    fail(attempts, LIMIT)
    attempts.failed("10.0.0.1", START + WINDOW + timedelta(seconds=9))


def test_memory_is_bounded() -> None:
    attempts = Attempts()
    for number in range(ADDRESSES + 5):
        attempts.failed(str(number), START)
    assert len(attempts._failures) == ADDRESSES
