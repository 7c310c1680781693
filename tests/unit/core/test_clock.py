"""The clocks: the machine's, and one that moves when told to."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import AT_ONCE, FOLLOW, TOO_FAR, ManualClock, SystemClock, stopwatch
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


class Machine:
    """A machine whose wall clock is stepped by hand."""

    def __init__(self) -> None:
        self.wall = START.timestamp()
        self.steady = 100.0
        self.clock = SystemClock(wall=lambda: self.wall, steady=lambda: self.steady)

    def run(self, seconds: float, *, every: float = 1.0) -> None:
        """Let time pass, looking at the clock now and then."""
        end = self.steady + seconds
        while self.steady < end:
            step = min(every, end - self.steady)
            self.steady += step
            self.wall += step
            self.clock.now()

    @property
    def told(self) -> float:
        """Seconds that the clock says have passed since the start."""
        return (self.clock.now() - START).total_seconds()


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_step_of_an_hour_is_followed_slowly(step: float) -> None:
    machine = Machine()
    machine.run(60)
    machine.wall += step
    machine.run(60)
    assert machine.told == pytest.approx(120, abs=60 * FOLLOW + 0.1), "a hold of a minute takes a minute"
    assert machine.clock.ahead == pytest.approx(step, abs=4)
    machine.run(3600 / FOLLOW + 60, every=30)
    assert machine.clock.ahead == 0
    assert machine.told == pytest.approx(machine.wall - START.timestamp(), abs=AT_ONCE)


def test_small_moves_are_taken_over_at_once_and_never_run_backwards() -> None:
    machine = Machine()
    machine.run(10)
    machine.wall += AT_ONCE / 2
    assert machine.told == pytest.approx(10 + AT_ONCE / 2, abs=0.001)
    before = machine.clock.now()
    machine.wall -= AT_ONCE / 2
    assert machine.clock.now() == before


def test_a_machine_that_slept_has_not_been_stepped() -> None:
    machine = Machine()
    machine.steady += 7200
    machine.wall += 7200
    assert machine.told == pytest.approx(7200)
    assert machine.clock.ahead == 0


@pytest.mark.parametrize("step", [10 * 86400.0, -86400.0])
def test_a_clock_that_was_wrong_by_days_is_set_right_at_once(step: float) -> None:
    machine = Machine()
    assert abs(step) > TOO_FAR
    machine.wall += step
    assert machine.told == pytest.approx(step)


@given(st.lists(st.tuples(st.floats(0.001, 600), st.floats(-4000, 4000)), max_size=30))
def test_whatever_the_wall_clock_does_time_goes_on_at_nearly_its_pace(moves: list[tuple[float, float]]) -> None:
    machine = Machine()
    for passed, step in moves:
        before, machine.wall = machine.told, machine.wall + step
        machine.steady += passed
        machine.wall += passed
        if abs(machine.wall - START.timestamp() - before - passed) < TOO_FAR:
            assert (1 - FOLLOW) * passed - AT_ONCE <= machine.told - before <= (1 + FOLLOW) * passed + AT_ONCE


async def test_a_step_is_said_once_and_so_is_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    machine = Machine()
    machine.wall += 60
    machine.run(60 / FOLLOW + 10)
    said = capsys.readouterr()
    assert (said.out + said.err).count("was stepped") == 1
    assert (said.out + said.err).count("agree again") == 1
