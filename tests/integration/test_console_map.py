"""The map, as the server renders it: how doors stand, on a plan and by zone; and who may draw it."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from api.console import floor
from api.console.pages.campus_map import CONFINED
from core import audit, registry
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.campuses import LINCOLN, lincoln
from tests.integration.test_api_access import _proof as proof_of
from tests.integration.test_api_alerts import find
from tests.integration.test_api_campuses import hear
from tests.integration.test_api_pages import in_one_line
from tests.integration.test_console_alerts import BAD, sent, shown, told_after
from tests.unit.api.house import Desk, build_house, open_desk
from tests.unit.api.test_plans import PNG, SVG

GAME = {
    "id": "game",
    "name": "Game",
    "zone": "gym",
    "start": "2026-11-24T07:30",
    "end": "2026-11-24T10:00",
    "load": 500,
}


async def open_house(database: Database, clock: ManualClock, vault: Vault, **changes: Any) -> Desk:
    return await open_desk(*build_house(database, clock, vault, lincoln(**changes)))


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault) -> Desk:
    doors = [dict(each) for each in LINCOLN["doors"]]
    doors[1] |= {"x": 0.25, "y": 0.5}
    doors[3] |= {"monitored": False, "name": BAD[:300]}
    return await open_house(sqlite_database, clock, vault, doors=doors, gatherings=[GAME])


async def test_doors_stand_by_zone_with_a_word_for_how_they_stand(desk: Desk, clock: ManualClock) -> None:
    await hear(desk, "door/gym-east", {"position": "open"})
    await hear(desk, "door/main", {"position": "closed"})
    await hear(desk, "attendance/game", {"mode": "absolute", "count": 460})
    number = await find(desk, key="main", severity="extreme")
    html = await shown(desk, "/map")
    text = in_one_line(html)
    assert "1 open, 1 unknown, 1 closed, 1 not watched" in text
    assert "Gymnasium Game : 460 of 500 (92 %) 7 Gym east open ? 8 Gym west unknown" in text
    assert "1 Main entrance closed extreme alert" in text
    assert f'href="/alerts/{number}"' in html
    assert "<script>alert" not in html
    clock.jump(4 * 3600)
    assert "! 7 Gym east silent, last said to be open" in in_one_line(await shown(desk, "/map"))


async def test_a_placed_door_is_in_the_picture_and_says_what_it_is(desk: Desk) -> None:
    number = await find(desk)
    html = await shown(desk, "/map")
    assert re.findall(r'class="spot spot--(\w+)" data-key="([\w-]+)"[^>]*transform="translate\(([\d. ]+)\)', html) == [
        ("unknown", "gym-east", "250.0 320.0")
    ]
    assert f'<a href="/alerts/{number}" aria-label="7 Gym east: unknown, severe alert">' in html
    assert "<img" not in html.partition("<h1>")[2]


async def test_where_there_are_many_doors_zones_are_counted_and_one_is_shown_on_request(
    sqlite_database: Database, clock: ManualClock, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "MANY", 3)
    desk = await open_house(sqlite_database, clock, vault)
    text = in_one_line(await shown(desk, "/map"))
    assert "Gymnasium 2 unknown" in text
    assert "Gym east" not in text
    text = in_one_line(await shown(desk, "/map?zone=gym"))
    assert "Map · Gymnasium" in text
    assert "7 Gym east unknown" in text
    assert "Main entrance" not in text
    async with desk.browser("viewer") as browser:
        assert (await browser.get("/map?zone=attic")).status_code == 404


async def upload(browser: httpx.AsyncClient, content: bytes) -> httpx.Response:
    said = {"csrf": await proof_of(browser)}
    return await browser.post("/map/lincoln/plan", data=said, files={"plan": ("plan", content)})


async def test_a_plan_is_uploaded_shown_confined_and_removed(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        for content, kind, height in ((PNG, "image/png", "667"), (SVG, "image/svg+xml", "667")):
            text = await told_after(browser, await upload(browser, content))
            assert "The plan is kept. Now say where the doors are." in text
            html = (await browser.get("/map")).text
            assert f'<img class="floor__plan" src="/map/lincoln/plan" alt="" width="1000" height="{height}">' in html
            answer = await browser.get("/map/lincoln/plan")
            assert answer.content == content
            assert answer.headers["Content-Type"].startswith(kind)
            assert answer.headers["Content-Security-Policy"] == CONFINED
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            again = await browser.get("/map/lincoln/plan", headers={"If-None-Match": answer.headers["ETag"]})
            assert again.status_code == 304
        assert "The plan is removed." in await told_after(browser, await sent(browser, "/map/lincoln/plan/remove"))
        assert (await browser.get("/map/lincoln/plan")).status_code == 404
        assert (await sent(browser, "/map/lincoln/plan/remove")).status_code == 404
    async with desk.house.database.reading() as session:
        deeds = [each.action for each in await audit.find(session, subject="campus:lincoln")]
    assert sorted(deeds) == ["plan.remove", "plan.write", "plan.write"]


async def test_what_is_no_plan_is_refused_in_words_and_changes_nothing(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        refused = await upload(browser, SVG.replace(b"<rect", b"<script/><rect"))
        assert refused.status_code == 422
        assert "plan: holds a script; save it as a plain SVG" in refused.text
        assert (await browser.get("/map/lincoln/plan")).status_code == 404
        forged = await browser.post("/map/lincoln/plan", data={"csrf": "x"}, files={"plan": ("plan", PNG)})
    assert forged.status_code == 403


async def test_an_administrator_says_where_a_door_is_and_undoes_nobody_elses(desk: Desk, vault: Vault) -> None:
    async with desk.browser("admin") as browser:
        html = (await browser.get("/map?place=1")).text
        (version,) = re.findall(r'name="version" value="([^"]+)"', html)
        said = {"door": "gym-west", "x": "0.8", "y": "0.125", "version": version.replace("&#34;", '"')}
        text = await told_after(browser, await sent(browser, "/map/lincoln/doors", **said))
        assert "Gym west has its place." in text
        assert "800.0 80.0" in (await browser.get("/map?place=1")).text
        late = await sent(browser, "/map/lincoln/doors", **said)
        assert late.status_code == 412
        assert "it has changed since it was read" in late.text
        far = await sent(browser, "/map/lincoln/doors", **said | {"x": "1.2"})
        assert far.status_code == 422
    async with desk.house.database.reading() as session:
        stored = await registry.load(session, vault, "lincoln")
    assert stored is not None
    assert (stored.doors_by_id["gym-west"].x, stored.doors_by_id["gym-west"].y) == (0.8, 0.125)


async def test_nobody_else_is_offered_to_change_it(desk: Desk) -> None:
    for path in ("/map", "/map?place=1"):
        assert 'action="/map' not in await shown(desk, path, "sro")
