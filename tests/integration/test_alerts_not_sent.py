"""Whatever is not sent has a reason that can be read: of each delivery, or on the alert's timeline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Literal

import pytest

from alerts import desk, outbox, quiet, store, suppression
from alerts.channels import Outcome
from alerts.courier import Courier
from alerts.suppression import Suppression
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.findings import Finding
from tests.campuses import LINCOLN, lincoln
from tests.conftest import START
from tests.fakes import FakePhone
from tests.unit.alerts.making import advice, extreme, finding, later, over, step, take

NOBODY = lincoln(people=[{**each, "endpoints": []} for each in LINCOLN["people"]])
ONCE = lincoln(policies=[{"id": "severe", "steps": [{"notify": ["person:diaz"]}], "expires": "2m"}])


class Day:
    """A database, a phone, and time that passes."""

    def __init__(self, database: Database, campus: Campus) -> None:
        self.database, self.campus = database, campus
        self.clock, self.phone = ManualClock(START), FakePhone()
        self.courier = Courier(database, self.clock, self.phone, lambda: {self.campus.id: self.campus})

    async def find(self, *findings: Finding) -> int:
        return (await take(self.database, self.campus, *findings, now=self.clock.now())).id

    async def wait(self, seconds: float) -> None:
        self.clock.jump(seconds)
        await step(self.database, self.campus, self.clock.now())
        await self.courier.send_due(self.clock.now())

    async def take(self, number: int) -> None:
        async with self.database.transaction() as session:
            await desk.acknowledge(session, number, who="person:reyes", now=self.clock.now())

    async def why(self, number: int) -> list[str]:
        """Why somebody was not told, or not yet; fails where that cannot be read."""
        async with self.database.reading() as session:
            rows = await outbox.of_alerts(session, [number])
            lines = await store.timeline(session, number)
        missed = [row for row in rows if row.state not in outbox.REACHED and row.due_at is None]
        assert all(row.reason for row in missed), [(row.endpoint, row.state) for row in missed]
        said = [each.text for each in lines if each.event in ("suppressed", "coverage_gap", "digest")]
        assert missed or said, "nothing says why nobody was told"
        return [*(row.reason for row in missed), *said]


async def taken_before(day: Day) -> int:
    number = await day.find(finding())
    await day.take(number)
    return number


async def closed_before(day: Day) -> int:
    number = await day.find(finding())
    async with day.database.transaction() as session:
        await desk.resolve(session, number, who="person:diaz", disposition="false", now=later(1))
    return number


async def over_before(day: Day) -> int:
    await day.find(finding(severity="moderate"))
    return await day.find(over(later(5)))


async def worse_before(day: Day) -> int:
    await day.find(finding(severity="moderate"))
    return await day.find(finding())


async def opened_again_before(day: Day) -> int:
    number = await day.find(finding())
    await day.find(over(START))
    await day.find(finding())
    await day.wait(0)
    return number


async def shelved(day: Day) -> int:
    number = await day.find(finding())
    asked = Suppression(
        campus="lincoln",
        kind="shelf",
        rules=["door-held-open"],
        author="person:diaz",
        reason="the painter",
        created_at=START,
        starts_at=START,
        ends_at=later(3600),
        next_at=None,
    )
    async with day.database.transaction() as session:
        await quiet.suppress(session, suppression.moved_on(asked, START), day.campus, START)
    return number


async def a_test(day: Day) -> int:
    return await day.find(extreme(exercise="test"))


async def said_already(day: Day) -> int:
    await day.find(finding(rule="many-doors-open", key="lincoln", entity="campus", text="Three doors are open"))
    return await day.find(finding())


async def cooling_down(day: Day) -> int:
    often = {"severity": "moderate", "advice": advice(cooldown_s=600)}
    await day.find(finding(**often))
    await day.find(over(START, **often))
    return await day.find(finding(**often))


async def chattering(day: Day) -> int:
    for _ in range(2):
        await day.find(finding(), over(START))
    return await day.find(finding())


async def nobody_there(day: Day) -> int:
    day.campus = NOBODY
    return await day.find(finding())


async def flooded(day: Day) -> int:
    for number in range(12):
        await day.find(finding(severity="moderate", key=f"door-{number}"))
    return 12


async def endpoint_gone(day: Day) -> int:
    number = await day.find(finding())
    day.campus = NOBODY
    await day.wait(1)
    return number


async def told_once(day: Day, state: Literal["refused", "failed"], detail: str) -> int:
    """One endpoint is meant, and this is what becomes of it."""
    day.phone.answers["diaz"] = Outcome(state, detail)
    day.campus = ONCE
    number = await day.find(finding())
    await day.wait(1)
    return number


async def refused(day: Day) -> int:
    return await told_once(day, "refused", "answered 410 Gone")


async def failed_until_the_end(day: Day) -> int:
    number = await told_once(day, "failed", "answered 503 Service Unavailable")
    for _ in range(30):
        await day.wait(10)
    return number


async def failed_and_then_taken(day: Day) -> int:
    number = await told_once(day, "failed", "answered 503 Service Unavailable")
    await day.take(number)
    return number


async def failed_while_it_was_taken(day: Day) -> int:
    number = 0

    async def send(*_: object, **__: object) -> Outcome:
        await day.take(number)
        return Outcome("failed", "no connection")

    day.phone.send = send  # type: ignore[method-assign,assignment] # a phone whose owner is quicker
    day.campus = ONCE
    number = await day.find(finding())
    await day.wait(1)
    return number


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (taken_before, "reyes has it"),
        (closed_before, "the alert was closed"),
        (over_before, "the alert was closed"),
        (worse_before, "it is severe now"),
        (opened_again_before, "the alert has moved on since"),
        (shelved, "diaz keeps it quiet until 09:00: the painter"),
        (a_test, "A test: nobody is told"),
        (said_already, "many-doors-open says so already: Three doors are open"),
        (cooling_down, "People were told 0:00 ago: nobody is told before 14:10:00 UTC, and then if it is still true"),
        (chattering, "It has opened 3 times within a minute: nobody is told before 14:01:00 UTC, "),
        (nobody_there, "Step 1 reaches nobody (shift:on_duty): nobody of them can be reached now"),
        (flooded, "In a flood: reyes get it in a digest"),
        (endpoint_gone, "this endpoint is no longer there"),
        (refused, "answered 410 Gone"),
        (failed_until_the_end, "answered 503 Service Unavailable; not tried again: its time is over"),
        (failed_and_then_taken, "answered 503 Service Unavailable; not tried again: reyes has it"),
        (failed_while_it_was_taken, "no connection; not tried again: reyes has it"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
async def test_what_is_not_sent_says_why(
    sqlite_database: Database, campus: Campus, happens: Callable[[Day], Awaitable[int]], words: str
) -> None:
    day = Day(sqlite_database, campus)
    number = await happens(day)
    assert any(each.startswith(words) for each in await day.why(number)), await day.why(number)


async def test_what_only_waits_says_until_when(sqlite_database: Database, campus: Campus) -> None:
    number = await Day(sqlite_database, campus).find(finding(severity="moderate"))
    async with sqlite_database.reading() as session:
        [row] = await outbox.of_alerts(session, [number])
        lines = [each.text for each in await store.timeline(session, number)]
    assert (row.state, row.due_at) == ("pending", START + timedelta(seconds=30))
    assert "Step 1 tells reyes at 14:00:30 UTC" in lines
