"""An extreme alert that nobody answers, for an hour: every step in its time, through a restart and an outage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.channels import Outcome
from core.database import Database
from core.errors import Unavailable
from core.findings import Finding
from tests.stories.duty import Duty

IN_TIME = timedelta(seconds=2)
DEAD = timedelta(seconds=30)
EVERYBODY = {"reyes", "reyes-sms", "diaz", "okafor"}
"""Whom the second and the third step of an extreme alert tell, and each of its repetitions."""


class Away:
    """The database is away: nothing can be read or written, by anybody."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        for name in ("transaction", "reading"):
            setattr(self._database, name, self._refuse)

    def __exit__(self, *_: object) -> None:
        for name in ("transaction", "reading"):
            delattr(self._database, name)

    @contextlib.asynccontextmanager
    async def _refuse(self) -> AsyncIterator[AsyncSession]:
        raise Unavailable("database: away")
        yield  # type: ignore[unreachable] # makes this a generator


async def seconds(watch: Duty, count: int, code: str) -> list[datetime]:
    """Let time pass, a second at a time, as the loops do; return when phones heard of the alert of this code."""
    heard: list[datetime] = []
    for _ in range(count):
        watch.clock.jump(1)
        for work in (watch.service.pipeline.on_tick(), watch.service.courier.send_due(watch.now)):
            with contextlib.suppress(Unavailable):
                await work
        await watch.service.watchdog.look(watch.now)
        await asyncio.sleep(0)
        if any(code in push.title for push in watch.pushes()):
            heard.append(watch.now)
    return heard


async def ringing(watch: Duty, end: datetime, code: str) -> list[tuple[datetime, str]]:
    """Let time pass until then; return when which endpoint heard of the alert of this code."""
    found: list[tuple[datetime, str]] = []
    while watch.now < end:
        before = len(watch.phone.sent)
        await seconds(watch, 1, code)
        found += [(watch.now, push.endpoint) for push in watch.phone.sent[before:] if code in push.title]
    return found


async def force(watch: Duty) -> tuple[datetime, str]:
    await watch.door("gym-east", "closed")
    await watch.wait(30)
    await watch.door("gym-east", "open")
    await watch.wait(7)
    alert = await watch.alert("door-forced")
    watch.pushes()
    return alert.opened_at, alert.code


async def test_every_step_comes_within_two_seconds_for_an_hour_through_a_restart_and_an_outage(watch: Duty) -> None:
    opened, code = await force(watch)
    rings = [(opened, "")]

    async def until(minutes: int, seconds_more: int = 0) -> None:
        end = opened + timedelta(minutes=minutes, seconds=seconds_more)
        rings.extend(await ringing(watch, end, code))

    await until(19, 50)
    # The process is dead at the time of a step, and comes back a while later.
    await watch.power_cut(DEAD.total_seconds())
    back = watch.now
    await until(40, 30)
    with Away(watch.service.database):
        await until(41, 30)
    await until(60, 5)
    for minute in range(1, 61):
        step = opened + timedelta(minutes=minute)
        due = back if back - DEAD < step < back else step
        heard = {endpoint for at, endpoint in rings if due <= at <= due + IN_TIME}
        assert heard == EVERYBODY, f"after {minute} minutes"
    alert = await watch.alert("door-forced")
    assert (await watch.service.auditor.look(watch.now), alert.is_acknowledged) == (0, False)


async def test_while_the_database_is_away_people_hear_of_it_and_afterwards_it_is_on_record(watch: Duty) -> None:
    opened, code = await force(watch)
    await seconds(watch, 30, code)
    with Away(watch.service.database):
        await seconds(watch, 10, code)
        assert not any("database" in push.text for push in watch.phone.sent), "ten seconds are no news"
        heard = await seconds(watch, 60, code)
    assert any(opened + timedelta(seconds=60) <= at <= opened + timedelta(seconds=62) for at in heard)
    told = [push for push in watch.phone.sent if "The database is unavailable" in push.body]
    assert {push.endpoint for push in told} == {"reyes", "reyes-sms", "diaz"}, "each once"
    assert len(told) == 3
    await seconds(watch, 2, code)
    assert any("The database is back" in push.body for push in watch.phone.sent)
    alert = await watch.alert("door-forced")
    assert any(each.data.get("from_memory") for each in await watch.timeline(alert))


async def test_on_a_full_disk_the_steps_go_on_from_memory(watch: Duty) -> None:
    opened, code = await force(watch)
    await seconds(watch, 30, code)
    await limit_pages(watch, 1)
    heard = await seconds(watch, 70, code)
    assert any(opened + timedelta(seconds=60) <= at <= opened + timedelta(seconds=62) for at in heard)
    assert any("The database is unavailable" in push.body for push in watch.phone.sent)
    await limit_pages(watch, 2**30)
    await seconds(watch, 10, code)
    assert any("The database is back" in push.body for push in watch.phone.sent)


async def limit_pages(watch: Duty, pages: int) -> None:
    async with watch.service.database.transaction() as session:
        await session.execute(text(f"PRAGMA max_page_count={pages}"))


async def test_all_endpoints_refuse_so_every_step_comes_at_once_and_all_is_on_record(watch: Duty) -> None:
    for endpoint in ("reyes", "reyes-sms", "diaz", "okafor"):
        watch.phone.answers[endpoint] = Outcome("refused", "answered 404 Not Found")
    await watch.find(
        Finding(
            campus="lincoln",
            rule="door-forced",
            key="gym-east",
            entity="door",
            state="firing",
            at=watch.now,
            severity="extreme",
            title="A door was forced",
            text="Door 7 (Gym east) was forced",
            because={},
        )
    )
    alert = await watch.alert("door-forced")
    gaps = [each.text for each in await watch.timeline(alert) if each.event == "coverage_gap"]
    assert len(gaps) == 3, "three steps, each given up at once"
    assert all("refused the notice" in each for each in gaps)
    assert {row.reason for row in await watch.deliveries(alert)} == {"answered 404 Not Found"}
    assert (await watch.alert("coverage-gap")).is_open
