"""The page about silence: what is kept quiet, exercises, and declaring a state in two presses."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from rules import rule, store
from tests.campuses import LINCOLN, lincoln
from tests.integration.test_api_access import _proof as proof_of
from tests.integration.test_api_alerts import find
from tests.integration.test_api_pages import in_one_line
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    found = await open_desk(*build_house(sqlite_database, clock, vault, campus))
    async with sqlite_database.transaction() as session:
        await store.seed(session, rule.shipped(), now=clock.now())
    return found


async def look(browser: httpx.AsyncClient, path: str = "/quiet") -> str:
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def press(browser: httpx.AsyncClient, path: str, **said: Any) -> httpx.Response:
    return await browser.post(f"/quiet/{path}", data={"csrf": await proof_of(browser)} | said)


async def shelve(browser: httpx.AsyncClient, **said: Any) -> httpx.Response:
    return await press(browser, "lincoln/suppressions", **({"door": "7", "lasts": "60", "reason": "painters"} | said))


async def test_a_door_is_shelved_by_its_number_until_it_ends_or_somebody_ends_it(
    desk: Desk, clock: ManualClock
) -> None:
    async with desk.browser("sro") as browser:
        assert "Nothing is kept quiet: everybody is told of everything." in in_one_line(await look(browser))
        assert (await shelve(browser)).status_code == 303
        html = await look(browser)
        text = in_one_line(html)
        assert "It is kept quiet until 09:00. Extreme alerts are told all the same" in text
        assert re.search(r"Shelved Gym east the sro : painters 08:00:00 to 09:00:00 · Extreme alerts are told", text)
        number = re.search(r"/quiet/(\d+)/end", html)
        assert number is not None
        ended = await press(browser, f"{number[1]}/end")
        assert ended.status_code == 303
        text = in_one_line(await look(browser))
        assert "08:00:00 to 09:00:00 · the sro ended it" in text
        assert (await press(browser, f"{number[1]}/end")).status_code == 409
        await shelve(browser, kind="maintenance", door="Main entrance", until="2026-11-24T10:30", lasts="")
        assert "Maintenance Main entrance the sro : painters 08:00:00 to 10:30:00" in in_one_line(await look(browser))
        clock.jump(3 * 3600)
        text = in_one_line(await look(browser))
        assert text.index("Nothing is kept quiet") < text.index("Over lately") < text.index("Maintenance Main entrance")


async def test_extreme_alerts_fall_silent_when_another_person_seconds_it(desk: Desk) -> None:
    async with desk.browser("sro") as first, desk.browser("admin") as second:
        await shelve(first)
        assert "Keep extreme alerts quiet, too" not in await look(first), "nobody seconds themselves"
        number = re.search(r"/quiet/(\d+)/second", await look(second))
        assert number is not None
        assert (await press(first, f"{number[1]}/second")).status_code == 409
        assert (await press(second, f"{number[1]}/second")).status_code == 303
        assert "Extreme alerts, too: seconded by the admin" in in_one_line(await look(first))


async def test_an_alert_is_snoozed_and_a_door_is_watched_during_a_window(desk: Desk, clock: ManualClock) -> None:
    number = await find(desk)
    async with desk.browser("sro") as browser:
        assert "Door 7 (Gym east) is open</option>" in await look(browser)
        await press(browser, "lincoln/suppressions", kind="snooze", alert=number, lasts="30", reason="known")
        assert re.search(r"Snoozed [A-Z]\d-\d\d: Door 7", in_one_line(await look(browser)))
        watched = {"kind": "supervised", "door": "main", "monitor": "diaz", "window": "arrival", "reason": "band"}
        clock.jump(-3600)
        assert (await press(browser, "lincoln/suppressions", **watched)).status_code == 303
        text = in_one_line(await look(browser))
    planned = "Supervised Main entrance, watched by Ms. Diaz the sro : band 07:20:00 to 08:05:00"
    assert text.index("Planned") < text.index(planned) < text.index("Keep something quiet")


async def test_what_cannot_be_kept_quiet_is_said_beside_the_field(desk: Desk) -> None:
    async with desk.browser("sro") as browser:
        browser.headers["Accept"] = "application/json"
        for said, where, words in (
            ({"door": "gym-eas"}, "door", "no door 'gym-eas'; did you mean 'gym-east'?"),
            ({"reason": " "}, "reason", "is required"),
            ({"lasts": ""}, "until", "is required: how long, or until when"),
            ({"until": "soon"}, "until", "write it like"),
            ({"until": "2026-11-26T08:00"}, "until", "ends after 12 h at most"),
            ({"door": ""}, "rules", "say what is kept quiet"),
            ({"zone": "gim"}, "zones", "did you mean 'gym'?"),
            ({"kind": "supervised", "door": ""}, "window", "is required for a supervised door"),
        ):
            answer = await shelve(browser, **said)
            assert answer.status_code == 422, said
            problems = {each["where"]: each["message"] for each in answer.json()["problems"]}
            assert words in problems[where], (said, problems)


async def test_several_doors_of_one_name_are_told_apart(
    sqlite_database: Database, clock: ManualClock, vault: Vault
) -> None:
    doors = [{"id": f"d{n}", "name": "Stairs", "number": ""} for n in range(250)]
    campus = lincoln(doors=[*LINCOLN["doors"], *doors])
    desk = await open_desk(*build_house(sqlite_database, clock, vault, campus))
    async with desk.browser("sro") as browser:
        assert "Its number, its name or its id" in await look(browser), "too many for a list"
        several = await shelve(browser, door="Stairs")
        assert several.status_code == 422
        assert "several doors are called &#39;Stairs&#39;: write d0, d1, d2, d3, d4" in several.text
        assert (await shelve(browser, door="d17")).status_code == 303


async def test_an_exercise_is_announced_and_ended(desk: Desk) -> None:
    async with desk.browser("tester") as browser:
        html = await look(browser)
        assert "Keep something quiet" not in html, "a tester keeps nothing quiet but what an exercise sets off"
        said = {"drill": "Fire drill", "rule": "door-held-open", "lasts": "30", "reason": "second period"}
        assert (await press(browser, "lincoln/exercises", **said)).status_code == 303
        html = await look(browser)
        text = in_one_line(html)
        assert "EXERCISE until 08:30:00: Fire drill: second period" in text
        assert "Exercise door-held-open the tester : Fire drill: second period" in text
        number = re.search(r"/quiet/exercises/(\d+)/end", html)
        assert number is not None
        assert (await press(browser, f"exercises/{number[1]}/end")).status_code == 303
        assert "EXERCISE until" not in await look(browser)
        assert (await shelve(browser)).status_code == 403


async def test_a_state_is_declared_with_a_second_press_that_says_what_will_happen(desk: Desk) -> None:
    async with desk.browser("sro") as browser:
        assert 'href="/quiet/state?state=lockdown"' in await look(browser)
        asked = in_one_line(await look(browser, "/quiet/state?state=lockdown"))
        assert "LOCKDOWN at Lincoln High School?" in asked
        assert "Lockdown: locks, lights, out of sight" in asked
        assert re.search(r"\d rules rest while it holds: .*An exterior door is held open", asked)
        assert "No door is locked and no announcement is made by this button." in asked
        assert "Announce it, and call 911." in asked
        assert "Normal: nothing out of the ordinary" in in_one_line(await look(browser)), "asking declares nothing"
        done = await press(browser, "lincoln/state", state="lockdown", exercise="live", reason="a man with a knife")
        assert done.status_code == 303
        text = in_one_line(await look(browser))
        assert "Lincoln High School is in LOCKDOWN, declared at 08:00." in text
        assert "Lockdown: locks, lights, out of sight , since 08:00:00 , says the sro" in text
        for wrong in ({"state": "panic"}, {"exercise": "later"}):
            said = {"state": "hold", "exercise": "live"} | wrong
            assert (await press(browser, "lincoln/state", **said)).status_code == 422
    async with desk.browser("viewer") as browser:
        assert "/quiet/state" not in await look(browser)
        assert (await browser.get("/quiet/state?state=lockdown")).status_code == 403
    async with desk.browser("tester") as browser:
        assert "for real" not in await look(browser, "/quiet/state?state=hold")
        assert (await press(browser, "lincoln/state", state="hold", exercise="live")).status_code == 422
        assert (await press(browser, "lincoln/state", state="hold", exercise="drill")).status_code == 303


async def test_a_viewer_sees_and_is_offered_nothing(desk: Desk) -> None:
    async with desk.browser("sro") as browser:
        await shelve(browser)
    async with desk.browser("viewer") as browser:
        html = await look(browser)
        assert "painters" in html
        assert "<form" not in html.partition("<main")[2]
        assert (await shelve(browser)).status_code == 403


async def test_the_older_ones_are_a_page_further(desk: Desk) -> None:
    async with desk.browser("sro") as browser:
        for number in range(22):
            await shelve(browser, reason=f"reason {number}")
            found = re.search(r"/quiet/(\d+)/end", await look(browser))
            assert found is not None
            await press(browser, f"{found[1]}/end")
        html = await look(browser)
        assert "reason 21" in html
        assert "reason 1<" not in html
        older = re.search(r'href="(/quiet\?before=\d+)#over-title"', html)
        assert older is not None
        html = await look(browser, older[1])
        assert "reason 1<" in html
        assert "reason 2<" not in html


async def test_reasons_and_names_are_escaped_and_fields_are_filled_in(desk: Desk) -> None:
    bad = "<script>alert(1)</script>" + "x" * 275
    async with desk.browser("sro") as browser:
        await shelve(browser, reason=bad)
        html = await look(browser, "/quiet?door=gym-east&rule=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert '<option value="gym-east" selected>' in html
