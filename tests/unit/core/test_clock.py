"""The clocks: the machine's, and one that moves when told to."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from core.clock import ManualClock, SystemClock, stopwatch
from tests.conftest import START


async def test_a_manual_clock_stands_still_until_it_is_told_to_move(clock: ManualClock) -> None:
    assert clock.now() == START
    clock.jump(90)
    clock.jump(timedelta(minutes=1))
    assert clock.now() == START + timedelta(seconds=150)


async def test_sleepers_wake_in_the_order_of_their_times(clock: ManualClock) -> None:
    woken: list[str] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("late", 60), ("early", 10), ("also early", 10)):
            group.create_task(sleep(name, seconds))
        await asyncio.sleep(0)
        clock.jump(9.999)
        await asyncio.sleep(0)
        assert woken == []
        clock.jump(0.001)
        await asyncio.sleep(0)
        assert woken == ["early", "also early"]
        clock.jump(timedelta(hours=1))
    assert woken == ["early", "also early", "late"]


async def test_a_time_that_has_passed_is_not_waited_for(clock: ManualClock) -> None:
    async with asyncio.timeout(1):
        await clock.sleep_until(START)
        await clock.sleep_until(START - timedelta(days=1))
        await clock.sleep(0)


async def test_a_sleeper_that_was_cancelled_is_in_nobodys_way(clock: ManualClock) -> None:
    task = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    clock.jump(20)
    assert clock.now() == START + timedelta(seconds=20)


async def test_a_fast_clock_runs_so_many_times_as_fast_as_the_machines() -> None:
    fast = ManualClock(START, rate=3600)
    began = stopwatch()
    await fast.sleep(360)
    assert fast.now() >= START + timedelta(seconds=360)
    assert 0.09 < stopwatch() - began < 5
    before = fast.now()
    fast.jump(timedelta(days=1))
    assert fast.now() >= before + timedelta(days=1)


async def test_the_machines_clock_is_aware_and_in_utc() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    before = clock.now()
    await clock.sleep_until(before + timedelta(seconds=0.02))
    assert clock.now() >= before + timedelta(seconds=0.02)
    await clock.sleep_until(datetime(2000, 1, 1, tzinfo=UTC))


def test_a_stopwatch_never_runs_back() -> None:
    readings = [stopwatch() for _ in range(100)]
    assert readings == sorted(readings)
