"""The calendar's page: the month in words, early release by one button, undo, and a district's calendar file."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import httpx
import pytest

from core import audit
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.campuses import LINCOLN, lincoln
from tests.integration.test_api_access import _proof as proof_of
from tests.integration.test_api_pages import in_one_line
from tests.unit.api.house import Desk, build_house, open_desk

TODAY = "2026-11-24"
ICS = "\r\n".join(
    [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//district//EN",
        *("BEGIN:VEVENT", "UID:1", "DTSTART;VALUE=DATE:20261221", "DTEND;VALUE=DATE:20261223"),
        *("SUMMARY:Winter break", "END:VEVENT"),
        *("BEGIN:VEVENT", "UID:2", "DTSTART;VALUE=DATE:20261204", "SUMMARY:Board <b>meeting</b>", "END:VEVENT"),
        "END:VCALENDAR",
        "",
    ]
)


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def look(browser: httpx.AsyncClient, path: str = "/calendar") -> str:
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def press(browser: httpx.AsyncClient, path: str, **said: Any) -> httpx.Response:
    """Send a form of the page with everything that stands hidden in it."""
    version = re.search(r'name="version" value="([^"]*)"', await look(browser))
    assert version is not None
    hidden = {"csrf": await proof_of(browser), "version": version[1].replace("&#34;", '"')}
    return await browser.post(f"/calendar/lincoln{path}", data=hidden | said)


async def stored(desk: Desk, day: str = TODAY) -> dict[str, Any]:
    async with desk.client("viewer") as client:
        found: dict[str, Any] = (await client.get(f"/api/v1/campuses/lincoln/calendar/{day}")).json()
    return found


async def test_the_month_says_what_each_day_is_and_what_comes_next(desk: Desk) -> None:
    async with desk.browser("viewer") as browser:
        html = await look(browser)
    text = in_one_line(html)
    assert "November 2026" in text
    assert "24 today Regular" in text
    assert "26 Closed (exception) Thanksgiving" in text
    assert "07:20-08:05 Window “arrival” now Main entrance, Gym west; Ms. Diaz watches" in text
    assert "The window “arrival” ends 08:05:00" in text
    assert "School is over 15:10:00" in text
    assert "<form" not in html.partition("<main")[2], "whoever only looks is offered nothing"


async def test_the_days_on_which_the_clocks_change_are_marked(desk: Desk) -> None:
    async with desk.browser("viewer") as browser:
        autumn = in_one_line(await look(browser, "/calendar?day=2026-11-01"))
        spring = in_one_line(await look(browser, "/calendar?day=2027-03-14"))
        plain = in_one_line(await look(browser, "/calendar?day=2026-12-01"))
    assert autumn.count("The clocks go back 1 h") == 2, "in the month, and at the day itself"
    assert "The clocks go forward 1 h" in spring
    assert "The clocks" not in plain


async def test_early_release_takes_one_button_and_can_be_undone(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        assert "Early release today" in in_one_line(await look(browser))
        pressed = await press(browser, "/days", day=TODAY, type="early_release", reason="ice")
        assert (pressed.status_code, pressed.headers["Location"]) == (303, "/calendar")
        html = await look(browser)
        text = in_one_line(html)
        said = "Tuesday 24 November is now early release: somebody on site 06:30-15:00, school 07:50-12:30."
        assert said in text
        assert "Early release ice" in text
        assert "School is over 12:30:00" in text
        assert "Tuesday 24 November: early release (ice), before that an ordinary day" in text
        assert (await stored(desk))["type"] == "early_release"
        record = re.search(r'name="record" value="(\d+)"', html)
        assert record is not None
        undone = await press(browser, "/undo", record=record[1])
        assert undone.status_code == 303
        assert "Undone. Tuesday 24 November is now regular" in in_one_line(await look(browser))
        assert (await stored(desk))["exception"] is False
        again = await press(browser, "/undo", record=record[1])
        assert again.status_code == 409
        assert "cannot be undone any more" in again.text


async def test_undo_puts_back_the_exception_that_was_there_before(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        await press(browser, "/days", day="2026-11-26", type="early_release")
        record = re.search(r'name="record" value="(\d+)"', await look(browser))
        assert record is not None
        await press(browser, "/undo", record=record[1])
    found = await stored(desk, "2026-11-26")
    assert (found["type"], found["reason"]) == ("closed", "Thanksgiving")


async def test_what_is_over_can_neither_be_changed_nor_undone(desk: Desk, clock: ManualClock) -> None:
    async with desk.browser("admin") as browser:
        await press(browser, "/days", day=TODAY, type="closed")
        record = re.search(r'name="record" value="(\d+)"', await look(browser))
        assert record is not None
        past = await press(browser, "/days", day="2026-11-23", type="closed")
        assert past.status_code == 422
        assert "is over" in past.text
    clock.jump(24 * 3600)
    async with desk.browser("admin") as browser:
        assert 'id="undo"' not in await look(browser)
        assert (await press(browser, "/undo", record=record[1])).status_code == 409


async def test_an_exception_is_made_an_ordinary_day_again(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        assert "Make it an ordinary day" in await look(browser, "/calendar?day=2026-11-26")
        assert (await press(browser, "/days/ordinary", day="2026-11-26")).status_code == 303
        assert "Thursday 26 November is now regular" in in_one_line(await look(browser))
        assert (await press(browser, "/days/ordinary", day="2026-11-26")).status_code == 404


async def test_what_somebody_else_changed_meanwhile_is_not_overwritten(desk: Desk) -> None:
    async with desk.browser("admin") as browser, desk.client("admin") as other:
        html = await look(browser)
        version = re.findall(r'name="version" value="([^"]*)"', html)[0].replace("&#34;", '"')
        await other.put("/api/v1/campuses/lincoln/calendar/2026-11-25", json={"type": "closed"})
        data = {"csrf": await proof_of(browser), "version": version, "day": TODAY, "type": "closed"}
        late = await browser.post("/calendar/lincoln/days", data=data)
    assert late.status_code == 412
    assert "it has changed since it was read" in late.text


async def test_a_day_type_that_there_is_not_is_refused_beside_its_field(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        browser.headers["Accept"] = "application/json"
        data = {"csrf": await proof_of(browser), "day": TODAY, "type": "holiday"}
        answer = await browser.post("/calendar/lincoln/days", data=data)
        assert answer.status_code == 422
        assert "no day type 'holiday'; there are closed, early_release, regular" in answer.json()["detail"]
        nonsense = await browser.post("/calendar/lincoln/days", data=data | {"day": "tomorrow"})
        assert nonsense.json()["problems"][0]["where"] == "day"
    async with desk.browser("sro") as browser:
        assert (await browser.post("/calendar/lincoln/days", data=data)).status_code == 403


async def test_a_calendar_file_is_shown_first_then_written_down_and_undone_as_a_whole(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        assert "Or its text" in await look(browser, "/calendar/lincoln/import")
        csrf = {"csrf": await proof_of(browser)}
        path = "/calendar/lincoln/import"
        nothing = await browser.post(path, data=csrf)
        assert nothing.status_code == 422
        assert "choose a file, or paste its text" in nothing.text
        shown = await browser.post(path, data=csrf, files={"file": ("district.ics", ICS, "text/calendar")})
        text = in_one_line(shown.text)
        assert shown.status_code == 200
        assert "2 dates would change" in text
        assert "Mon 2026-12-21 regular closed Winter break" in text
        assert "Board &lt;b&gt;meeting" in shown.text
        assert (await stored(desk, "2026-12-21"))["exception"] is False
        applied = await browser.post(path, data=csrf | {"ics": ICS, "apply": "true"})
        assert applied.headers["Location"] == "/calendar?day=2026-12-21"
        assert (await stored(desk, "2026-12-22"))["reason"] == "Winter break"
        record = re.search(r'name="record" value="(\d+)"', await look(browser))
        assert record is not None
        await press(browser, "/undo", record=record[1])
        assert (await stored(desk, "2026-12-22"))["exception"] is False
        for wrong in (b"\xff\xfe\x00", b"  "):
            bad = await browser.post(path, data=csrf, files={"file": ("x.ics", wrong, "text/calendar")})
            assert bad.status_code == 422, bad.text


async def test_names_and_reasons_are_escaped(sqlite_database: Database, clock: ManualClock, vault: Vault) -> None:
    bad = "<script>alert(1)</script>" + "x" * 275
    plain: Any = LINCOLN["calendar"]
    exceptions = {TODAY: {"type": "closed", "reason": bad}}
    doors = [{**LINCOLN["doors"][0], "name": bad}, *LINCOLN["doors"][1:]]
    campus = lincoln(calendar={**plain, "exceptions": exceptions}, doors=doors)
    desk = await open_desk(*build_house(sqlite_database, clock, vault, campus))
    async with desk.browser("admin") as browser:
        html = await look(browser) + await look(browser, "/calendar?day=2026-11-25")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


async def test_the_record_says_what_each_day_was(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        await press(browser, "/days", day=TODAY, type="closed", reason="snow")
    async with desk.house.database.reading() as session:
        [row] = await audit.find(session, subject=f"calendar:lincoln/{date.fromisoformat(TODAY)}")
    assert f'"days":{{"{TODAY}":[null,{{"reason":"snow","type":"closed"}}]}}' in row.detail
