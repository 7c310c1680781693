"""The reports as pages: pictures that are tables, and the same figures as a sheet."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.integration.test_api_alerts import find
from tests.integration.test_api_pages import in_one_line
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def see(desk: Desk, path: str, status: int = 200) -> str:
    async with desk.browser("viewer") as browser:
        answer = await browser.get(path)
    assert answer.status_code == status, answer.text
    return in_one_line(answer.text) if "html" in answer.headers["content-type"] else answer.text


async def test_a_quiet_week_says_so(desk: Desk) -> None:
    text = await see(desk, "/reports")
    assert "18 Nov 2026 to 24 Nov 2026" in text
    assert "0 live alerts." in text
    assert "Nobody has judged an alert yet" in text


async def test_the_week_is_told_in_pictures_that_can_be_read(desk: Desk, clock: ManualClock) -> None:
    number = await find(desk, severity="severe")
    await find(desk, key="gym-west", severity="minor")
    await find(desk, key="main", severity="minor", exercise="drill")
    clock.jump(30)
    async with desk.client("sro") as client:
        await client.post(f"/api/v1/alerts/{number}/ack")
        await client.post(f"/api/v1/alerts/{number}/resolve", json={"disposition": "nuisance"})
    text = await see(desk, "/reports")
    # The third one says that nobody has this shift.
    assert "3 live alerts; counted apart: 1 drill." in text
    assert "Tue 24 Nov 2 severe, 1 minor" in text
    assert "severe: 1 of 2 in time 50 %; half within 0:30" in text
    assert "Gym east 100 %: 1 of 1 that somebody judged" in text


async def test_a_long_span_is_drawn_by_weeks_by_the_campuss_own_days(desk: Desk, clock: ManualClock) -> None:
    # Eight in the evening on the 24th in Chicago is the 25th in UTC.
    clock.jump(timedelta(hours=12))
    await find(desk)
    assert "Tue 24 Nov 1 severe" in await see(desk, "/reports?from=2026-11-24&to=2026-11-24")
    assert "from 23 Nov 2026 1 severe" in await see(desk, "/reports?from=2026-01-01&to=2026-11-25")


async def test_the_sheet_holds_the_same_days(desk: Desk) -> None:
    await find(desk)
    sheet = await see(desk, "/reports?from=2026-11-24&to=2026-11-24&format=csv")
    assert "all,,,from,2026-11-24T06:00:00Z" in sheet.replace(".000", "")
    assert "all,,,alerts,1" in sheet


@pytest.mark.parametrize("query", ["from=yesterday", "from=2026-12-01&to=2026-11-01", "from=2020-01-01", "days=0"])
async def test_days_that_are_none_are_refused_in_words(desk: Desk, query: str) -> None:
    assert "Internal" not in await see(desk, f"/reports?{query}", 422)


async def test_the_week_is_assessed_beside_the_one_before(desk: Desk, clock: ManualClock) -> None:
    await find(desk, rule="door-propped", title="A door is propped open", severity="moderate")
    async with desk.client("sro") as client:
        said = {"state": "hold", "reason": "hallway drill <b>", "exercise": "drill"}
        assert (await client.post("/api/v1/campuses/lincoln/state", json=said)).status_code < 300
    clock.jump(timedelta(weeks=1))
    text = await see(desk, "/reports/week")
    assert "Lincoln High School · Monday, 23 November 2026 to Sunday, 29 November 2026" in text
    assert "Doors propped open Figure This week The week before Times 1 0" in text
    assert "Half were closed within nothing to measure nothing to measure" in text
    assert "Door 7 (Gym east) 1 0" in text
    assert "Moderate: taken within the target" in text
    assert "A door is propped open (moderate) 1 0" in text
    after = await see(desk, "/reports/week?of=2026-12-01")
    assert "not over yet" in after
    assert "Times 0 1" in after
    sheet = await see(desk, "/reports/week?of=2026-11-24&format=csv")
    assert "section,subject,figure,week,before" in sheet


@pytest.mark.parametrize("day", ["someday", "2030-01-01", "1999-01-01"])
async def test_a_week_that_is_none_is_refused_in_words(desk: Desk, day: str) -> None:
    assert "Internal" not in await see(desk, f"/reports/week?of={day}", 422)
