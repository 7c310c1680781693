"""An extreme alert that nobody answers, for an hour: every step in its time, through a restart and an outage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from alerts.channels import Outcome
from core.database import Database
from core.errors import Unavailable
from core.findings import Finding
from tests.stories.duty import Duty

IN_TIME = timedelta(seconds=2)


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
    heard = await seconds(watch, 20 * 60, code)
    await watch.power_cut(20)
    heard += await seconds(watch, 10 * 60, code)
    with Away(watch.service.database):
        heard += await seconds(watch, 60, code)
    heard += await seconds(watch, 29 * 60, code)
    assert watch.now - opened >= timedelta(hours=1)
    # From one time that phones rang to the next: a minute, and two seconds at most beyond it.
    gaps = [later - earlier for earlier, later in zip([opened, *heard], heard, strict=False)]
    assert len(heard) >= 60
    assert max(gaps) <= timedelta(seconds=60) + IN_TIME, max(gaps)


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
