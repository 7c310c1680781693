"""Events: how many are there and how sure that is, who looks after them, and what people at the door tell."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from core import audit, journal
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from rules import store as rules
from rules.rule import shipped
from tests.campuses import lincoln
from tests.conftest import START
from tests.integration.test_api_campuses import hear
from tests.integration.test_api_pages import in_one_line
from tests.integration.test_console_alerts import BAD, sent, shown, told_after
from tests.unit.api.house import Desk, build_house, open_desk

ASKING = ("crowd-managers-short", "chaperones-short", "no-supervisor")


def gathering(key: str, **changes: Any) -> dict[str, Any]:
    said = {"id": key, "name": key.title(), "zone": "gym", "start": "2026-11-24T07:30", "end": "2026-11-24T10:00"}
    return said | changes


async def open_house(database: Database, clock: ManualClock, vault: Vault, *gatherings: dict[str, Any]) -> Desk:
    counter = {"id": "gate-b", "door": "gym-east", "kind": "counter", "heartbeat": "5m"}
    campus = lincoln(gatherings=list(gatherings), devices=[counter])
    desk = await open_desk(*build_house(database, clock, vault, campus))
    async with database.transaction() as session:
        await rules.seed(session, [each for each in shipped() if each.id in ASKING], now=START)
    return desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault) -> Desk:
    game = gathering("game", doors=["gym-east"], load=500, expected=450, roles={"crowd_manager": 1})
    return await open_house(sqlite_database, clock, vault, game)


@pytest.fixture
async def browser(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.browser("sro") as client:
        yield client


async def test_what_nobody_has_counted_is_unknown(desk: Desk) -> None:
    text = in_one_line(await shown(desk, "/events"))
    assert "Unknown of 500 allowed · 450 expected" in text
    assert "Nobody has counted yet, and no counter has spoken." in text
    assert "The counter gate-b is silent: whoever passes it is not counted" in text
    assert "Crowd managers unknown too few 1 1 in the plan, 2 for the 450 expected" in text
    assert "Nothing begins within 18 hours." in text


async def test_a_count_is_shown_against_the_load_and_the_people_who_are_required(
    desk: Desk, clock: ManualClock
) -> None:
    for role, count in (("spectator", 480), ("crowd_manager", 1), ("supervisor", 1)):
        await hear(desk, "attendance/game", {"direction": "in", "count": count, "role": role})
    html = await shown(desk, "/events")
    text = in_one_line(html)
    assert "482 of 500 allowed (96 %)" in text
    assert 'bars__fill--severe" width="96"' in html
    assert "Never counted by hand" in text
    assert "480 spectators, 1 crowd manager, 1 person in charge" in text
    assert "Crowd managers 1 too few 2 1 in the plan, 2 by the rule for 482 people" in text
    assert "Persons in charge 1 enough 1 1 by the rule for 482 people" in text
    clock.jump(20 * 60)
    assert "Nothing has been counted since 08:00" in in_one_line(await shown(desk, "/events"))


async def test_a_room_counted_by_hand_is_so_from_then_on(desk: Desk, browser: httpx.AsyncClient) -> None:
    await hear(desk, "attendance/game", {"direction": "out", "count": 4})
    assert "More people have gone out than came in, by 4 spectators" in in_one_line((await browser.get("/events")).text)
    text = await told_after(browser, await sent(browser, "/events/game/recount", campus="lincoln", count=412))
    assert "Counted: 412 people." in text
    assert "412 of 500 allowed (82 %)" in text
    assert "Counted by hand at 08:00:00" in text
    async with desk.house.database.reading() as session:
        (row,) = await journal.find(session, kind="attendance.counted")
        (deed,) = [each for each in await audit.find(session) if each.action == "gathering.recount"]
    assert (row.key, deed.actor, deed.subject) == ("game", "token:the sro", "gathering:lincoln/game")


async def test_staff_come_and_go_and_in_the_end_nobody_is_left(browser: httpx.AsyncClient, clock: ManualClock) -> None:
    came = {"campus": "lincoln", "count": 2, "role": "crowd_manager", "direction": "in"}
    text = await told_after(browser, await sent(browser, "/events/game/staff", **came))
    assert "Noted: 2 crowd managers came." in text
    assert "Crowd managers 2 enough" in text
    await sent(browser, "/events/game/recount", campus="lincoln", count=300)
    clock.jump(60)
    left = await told_after(
        browser, await sent(browser, "/events/game/staff", **came | {"count": 1, "direction": "out"})
    )
    assert "299 of 500" in left
    text = await told_after(browser, await sent(browser, "/events/game/end", campus="lincoln"))
    assert "Everybody has left: the count is set to 0." in text
    assert re.search(r"Game .* 0 of 500 allowed \(0 %\)", text)


async def test_what_makes_no_sense_is_refused(browser: httpx.AsyncClient) -> None:
    for path, said in (
        ("/events/game/recount", {"count": -1}),
        ("/events/game/recount", {"count": "many"}),
        ("/events/game/recount", {"count": 1, "role": "ghost"}),
        ("/events/game/staff", {"count": 1, "role": "staff", "direction": "up"}),
    ):
        assert (await sent(browser, path, campus="lincoln", **said)).status_code == 422, said
    for campus, key in (("lincoln", "nothing"), ("nowhere", "game")):
        answer = await sent(browser, f"/events/{key}/recount", campus=campus, count=1)
        assert answer.status_code == 404, answer.text


async def test_a_tester_counts_for_a_drill_and_a_viewer_not_at_all(desk: Desk) -> None:
    async with desk.browser("tester") as tester:
        assert (await sent(tester, "/events/game/recount", campus="lincoln", count=9)).status_code == 303
    async with desk.house.database.reading() as session:
        (row,) = await journal.find(session, kind="attendance.counted")
    assert journal.read(row).exercise == "drill"
    assert 'action="/events' not in await shown(desk, "/events")


async def test_gatherings_stand_where_their_time_is(
    sqlite_database: Database, clock: ManualClock, vault: Vault
) -> None:
    soon = {"start": "2026-11-24T18:00", "end": "2026-11-24T20:00", "name": BAD[:300], "zone": None}
    desk = await open_house(
        sqlite_database,
        clock,
        vault,
        gathering("dance", **soon),
        gathering("fair", start="2026-12-01T18:00", end="2026-12-01T20:00"),
        gathering("prom", start="2027-05-01T18:00", end="2027-05-01T20:00"),
    )
    html = await shown(desk, "/events", "sro")
    text = in_one_line(html)
    assert "No gathering is on." in text
    assert text.index("Soon") < text.index("No place is named") < text.index("Later") < text.index("Fair")
    assert "the posted load is not known" in text
    assert "Prom" not in text
    assert "<script>alert" not in html
    clock.jump(timedelta(hours=13).total_seconds())
    assert re.search(r"Just over .*No place is named", in_one_line(await shown(desk, "/events")))
