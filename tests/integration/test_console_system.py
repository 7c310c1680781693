"""The system's page: what works, what does not and what to do then; and the self-test as it goes on its way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts import outbox
from alerts.preflight import CheckRow
from api.console import system
from api.deps import Health, Part, Working
from api.server import create_api
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database, insert
from core.settings import Settings
from core.vault import Vault
from tests.conftest import START
from tests.integration.test_api_pages import in_one_line
from tests.integration.test_console_devices import proof, see
from tests.unit.api.house import WELL, Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def works(desk: Desk, working: Working, **changes: object) -> str:
    house = replace(desk.house, working=lambda: working, **changes)
    other = Desk(house, desk.corridor, create_api(house), desk.tokens)
    return in_one_line(await see(other, "/system"))


async def test_what_works_and_what_is_not_set_stands_there(desk: Desk) -> None:
    everything = frozenset(("api", "courier", "ingest"))
    page = await works(desk, Working(everything, looked_at=START))
    assert "Everything works." in page
    assert "Courier works nothing waits" in page
    assert "Heartbeat not set no address outside" in page
    assert "This process does api, courier, ingest" in page
    assert "Database SQLite, " in page
    assert "Tuesday, 24 November 2026, 08:00:00 CST" in page


async def test_what_is_down_says_since_when_and_what_to_do(desk: Desk) -> None:
    broken = Health(Part(False, START - timedelta(minutes=5), "connection refused"), WELL, WELL)
    page = await works(
        desk,
        Working(frozenset(("courier",)), looked_at=START - timedelta(minutes=2)),
        health=lambda: broken,
        rule_health=lambda: {"door-forced": "no such field"},
        settings=Settings(heartbeat_url="https://beat.example/x"),
    )
    assert "4 of 7 parts need somebody: Broker, Courier, Heartbeat, Rules." in page
    assert "Broker down connection refused, since 07:55:00 Is the broker running" in page
    assert "Courier down nothing waits; it stands still, since 07:58:00" in page
    assert "Rules degraded door-forced: no such field" in page
    assert "beat.example" not in page


async def test_ways_to_people_that_do_not_work_are_named(desk: Desk) -> None:
    said = {"campus": "lincoln", "since": START, "detail": "refused"}
    check = {"campus": "lincoln", "kind": "nightly", "person": "reyes", "detail": "no such topic", "state": "sent"}
    async with desk.house.database.transaction() as session:
        await outbox.mark_endpoints(session, [said | {"person": "reyes", "endpoint": "reyes-phone", "state": "red"}])
        rows = [
            check | {"endpoint": "old", "at": START - timedelta(days=1), "outcome": "refused", "answered_at": None},
            check | {"endpoint": "reyes-phone", "at": START, "outcome": "refused", "answered_at": None},
            check | {"endpoint": "reyes-sms", "at": START, "outcome": "accepted", "answered_at": None},
        ]
        await session.execute(insert(session, CheckRow), rows)
    page = in_one_line(await see(desk, "/system"))
    assert "Ways to people degraded do not work: reyes-phone" in page
    assert "1 of 2 did not work" in page
    assert "reyes-phone: refused, no such topic" in page


async def test_a_self_test_is_begun_and_told_step_by_step(desk: Desk, clock: ManualClock) -> None:
    assert "An administrator may begin one" in await see(desk, "/system", "sro")
    async with desk.browser("admin") as browser:
        said = {"csrf": await proof(browser, "/system"), "endpoint": "reyes-phone"}
        begun = in_one_line((await browser.post("/system/lincoln/self-tests", data=said, follow_redirects=True)).text)
        wrong = await browser.post("/system/lincoln/self-tests", data=said | {"endpoint": "nobody"})
        async with desk.client("sro") as client:
            await client.post("/api/v1/alerts/1/ack")
        after = in_one_line((await browser.get("/system")).text)
    assert "is on its way; press its button on the phone" in begun
    assert "not yet Sensor's message to alert 0.00 s Alert to phone on its way Phone to button waits for a thumb" in (
        begun.replace("&#39;", "'")
    )
    assert wrong.status_code == 404
    assert "passed" in after


@pytest.mark.parametrize(
    ("working", "depth", "word"),
    [
        (Working(), outbox.Depth(0, 0, None), "works"),
        (Working(), outbox.Depth(3, 0, None), "not here"),
        (Working(frozenset(("courier",)), START), outbox.Depth(2, 2, START - timedelta(minutes=1)), "degraded"),
        (Working(frozenset(("courier",)), START, "no database"), outbox.Depth(0, 0, None), "down"),
    ],
)
def test_a_courier_elsewhere_is_not_called_broken(working: Working, depth: outbox.Depth, word: str) -> None:
    assert system.courier(working, depth, START).word == word
