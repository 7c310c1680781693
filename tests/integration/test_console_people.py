"""The pages about people: who is on duty, the week and its gaps, endpoints that are written and never shown."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, get_args

import httpx
import pytest

from alerts import outbox
from alerts.channels import Outcome
from api.console import staff
from api.server import create_api
from core import registry
from core.campus import Campus, PersonRole, Via
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.campuses import LINCOLN, lincoln
from tests.integration.test_api_access import _proof as proof_of
from tests.integration.test_api_alerts import find
from tests.integration.test_api_pages import in_one_line
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def look(browser: httpx.AsyncClient, path: str = "/people") -> str:
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def press(browser: httpx.AsyncClient, path: str, *, seen: str = "/people/reyes", **said: Any) -> httpx.Response:
    """Send the form of a page that leads to a path, with the version that stands in it."""
    html = await look(browser, seen)
    form = re.search(rf'action="/people/lincoln/{path}"(.*?)</form>', html, re.DOTALL)
    version = re.search(r'name="version" value="([^"]*)"', form[1]) if form else None
    hidden = {"csrf": await proof_of(browser)} | ({"version": version[1].replace("&#34;", '"')} if version else {})
    return await browser.post(f"/people/lincoln/{path}", data=hidden | said)


def test_every_role_and_every_way_has_its_word() -> None:
    assert set(staff.ROLES) == set(get_args(PersonRole))
    assert set(staff.VIAS) == set(get_args(Via))


async def test_people_are_listed_with_their_duty_and_how_each_endpoint_behaves(desk: Desk, clock: ManualClock) -> None:
    async with desk.house.database.transaction() as session:
        row = {"campus": "lincoln", "person": "reyes", "since": clock.now()}
        session.add(outbox.EndpointRow(endpoint="reyes-phone", state="ok", detail="", **row))
        session.add(outbox.EndpointRow(endpoint="reyes-sms", state="red", detail="no such number", **row))
    async with desk.browser("viewer") as browser:
        html = await look(browser)
        text = in_one_line(html)
        person = await look(browser, "/people/reyes")
        assert (await browser.get("/people/nobody")).status_code == 404
    assert "Officer Reyes School resource officer · 555-0100 On duty until 15:30:00" in text
    assert "Push reyes-phone works since 08:00:00" in text
    assert "SMS reyes-sms failed the last time since 08:00:00 : no such number" in text
    assert "Push diaz-phone never tried" in text
    assert "Ms. Diaz Administrator Not on duty" in text
    for page in (html, person):
        assert "127.0.0.1" not in page
        assert "<form" not in page.partition("<main")[2]
    assert "json://•••" in person


async def test_the_week_shows_breaks_cover_and_who_is_on_call_and_names_the_gaps(desk: Desk) -> None:
    async with desk.browser("viewer") as browser:
        html = await look(browser)
        text = in_one_line(html)
        before = in_one_line(await look(browser, "/people?week=2026-11-16"))
    assert "07:00-11:30 on shift" in text
    assert "11:30-12:00 stands in" in text
    assert "00:00-06:30 on call 18:00-24:00 on call" in text
    gap = "Tuesday 24 November, 15:30-18:00 : nobody is on duty while somebody is on site"
    assert gap in text
    assert "Tuesday 24 November, 06:30-07:00 : nobody is on duty while somebody is on site" in text
    assert "Thursday 26 November," not in text, "Thanksgiving: nobody is on site, so nobody is missing"
    assert "Thursday 19 November, 15:30-18:00" in before
    assert re.search(r'class="week__part week__part--gap" x="930" y="0" width="150"', html)


async def test_a_week_without_gaps_says_so_and_an_absence_makes_one(
    sqlite_database: Database, clock: ManualClock, vault: Vault
) -> None:
    shift = {"person": "reyes", "at": "06:00-18:30", "breaks": ["11:30-12:00"], "cover": "diaz"}
    desk = await open_desk(*build_house(sqlite_database, clock, vault, lincoln(shifts=[shift])))
    async with desk.browser("admin") as browser:
        assert "no gaps" in in_one_line(await look(browser))
        off = await press(browser, "people/reyes/off", until="2026-11-24T12:00", to="okafor", reason="court")
        assert off.status_code == 303, off.text
        text = in_one_line(await look(browser))
    assert "Officer Reyes is off duty. On duty now: Principal Okafor." in text
    assert "Tuesday 24 November, 08:00-12:00 : neither an officer nor cover" not in text, "somebody stands in"
    assert "Away; Principal Okafor stands in, until 12:00:00" in text
    assert "08:00-12:00 stands in" in text


async def test_only_an_officer_or_cover_will_do_in_school_time(
    sqlite_database: Database, clock: ManualClock, vault: Vault
) -> None:
    campus = lincoln(shifts=[{"person": "diaz", "at": "06:00-18:30"}])
    desk = await open_desk(*build_house(sqlite_database, clock, vault, campus))
    async with desk.browser("viewer") as browser:
        text = in_one_line(await look(browser))
    assert "Tuesday 24 November, 07:50-15:10 : neither an officer nor cover is on shift in school time" in text


async def test_whoever_has_an_extreme_alert_hands_it_over_before_going(desk: Desk) -> None:
    number = await find(desk, severity="extreme")
    async with desk.client("sro") as client:
        await client.post(f"/api/v1/alerts/{number}/ack")
    async with desk.browser("sro") as browser:
        past = await press(browser, "people/reyes/off", until="2026-11-24T07:00")
        assert past.status_code == 422
        assert "lies in the past" in past.text
        gone = await press(browser, "people/reyes/off")
        assert gone.status_code == 303
    async with desk.browser("viewer") as browser:
        assert (await press(browser, "people/reyes/off")).status_code == 403


async def test_a_person_is_added_changed_and_removed(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        said = {"name": "Coach Lee", "role": "event_supervisor", "url": "json://127.0.0.1:9/lee", "via": "push"}
        refused = await press(browser, "people", seen="/people", **(said | {"url": "nonsense"}))
        assert refused.status_code == 422
        desk = _with_private_endpoints(desk)
    async with desk.browser("admin") as browser:
        added = await press(browser, "people", seen="/people", **said)
        assert added.headers["Location"] == "/people/coach-lee?campus=lincoln", added.text
        html = await look(browser, "/people/coach-lee")
        assert "Coach Lee can be told now" in html
        assert "coach-lee-push" in html
        assert "127.0.0.1" not in html
        seen = "/people/coach-lee"
        changed = await press(browser, "people/coach-lee", seen=seen, name="Coach Lee", role="admin", phone="555-7")
        assert changed.status_code == 303
        assert "Administrator · 555-7" in in_one_line(await look(browser, seen))
        more = await press(browser, "people/coach-lee/endpoints", seen=seen, via="sms", url="json://127.0.0.1:9/b")
        assert more.status_code == 303, more.text
        kept = {"endpoint": "coach-lee-push", "via": "email", "url": ""}
        assert (await press(browser, "people/coach-lee/endpoints", seen=seen, **kept)).status_code == 303
        await press(browser, "people/coach-lee/endpoints/remove", seen=seen, endpoint="coach-lee-sms")
        text = in_one_line(await look(browser, seen))
        assert "E-mail coach-lee-push json://•••" in text
        assert "coach-lee-sms" not in text.partition("How")[2].partition("Shifts")[0]
        removed = await press(browser, "people/coach-lee/remove", seen=seen)
        assert removed.status_code == 303
        assert "Coach Lee is removed." in in_one_line(await look(browser))
        still = await press(browser, "people/reyes/remove")
        assert still.status_code == 422
        assert "shifts[0].person" in still.text


def _with_private_endpoints(desk: Desk) -> Desk:
    settings = desk.house.settings.model_copy(update={"allow_private_endpoints": True})
    house = replace(desk.house, settings=settings)
    return Desk(house, desk.corridor, create_api(house), desk.tokens)


async def test_an_edit_of_what_has_changed_is_refused(desk: Desk) -> None:
    async with desk.browser("admin") as browser, desk.client("admin") as other:
        html = await look(browser, "/people/reyes")
        form = html.partition('action="/people/lincoln/people/reyes"')[2]
        version = re.search(r'name="version" value="([^"]*)"', form)
        assert version is not None
        document = {"name": "Sergeant Reyes", "role": "sro"}
        assert (await other.put("/api/v1/campuses/lincoln/people/reyes", json=document)).status_code == 200
        said = {
            "csrf": await proof_of(browser),
            "version": version[1].replace("&#34;", '"'),
            "name": "R",
            "role": "sro",
        }
        late = await browser.post("/people/lincoln/people/reyes", data=said)
        assert late.status_code == 412
        assert "it has changed since it was read" in late.text
        shifts = await other.get("/api/v1/campuses/lincoln/shifts")
        path = "/api/v1/campuses/lincoln/shifts"
        fits = await other.put(path, json=[], headers={"If-Match": shifts.headers["ETag"]})
        assert fits.status_code == 200
        again = await other.put(path, json=[], headers={"If-Match": shifts.headers["ETag"]})
        assert again.status_code == 412


async def test_shifts_are_added_changed_and_removed(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        said = {"start": "15:00", "end": "18:00", "days": ["mon", "tue"], "breaks": "16:00-16:15", "cover": "okafor"}
        assert (await press(browser, "people/diaz/shifts", seen="/people/diaz", **said)).status_code == 303
        html = await look(browser, "/people/diaz")
        assert "Mon Tue 15:00-18:00, break 16:00-16:15: Principal Okafor stands in" in in_one_line(html)
        place = re.search(r'name="place" value="(\d+)"', html)
        assert place is not None
        assert place[1] == "1"
        longer = said | {"place": "1", "start": "18:00", "end": "02:00", "breaks": "", "cover": ""}
        assert (await press(browser, "people/diaz/shifts", seen="/people/diaz", **longer)).status_code == 303
        text = in_one_line(await look(browser, "/people/diaz"))
        assert "Mon Tue 18:00-02:00, past midnight" in text
        assert "15:00-18:00" not in text
        for wrong, where in (
            ({"days": []}, "days"),
            ({"start": "late"}, "at"),
            ({"breaks": "noon"}, "breaks"),
            ({"cover": "nobody"}, "cover"),
        ):
            browser.headers["Accept"] = "application/json"
            refused = await press(browser, "people/diaz/shifts", seen="/people/diaz", **(said | wrong))
            assert refused.status_code == 422, wrong
            assert where in {each["where"] for each in refused.json()["problems"]}, refused.text
            browser.headers["Accept"] = "text/html"
        others = await press(browser, "people/diaz/shifts/remove", seen="/people/diaz", place="0")
        assert others.status_code == 404, "that is the shift of somebody else"
        assert (await press(browser, "people/diaz/shifts/remove", seen="/people/diaz", place="1")).status_code == 303
        assert "No shift of their own." in await look(browser, "/people/diaz")


async def test_a_test_is_sent_and_what_became_of_it_is_said(desk: Desk) -> None:
    async def try_out(campus: str, person: str, endpoint: str) -> Outcome:
        return Outcome("accepted", "") if endpoint == "reyes-phone" else Outcome("refused", "no such number")

    house = replace(desk.house, try_out=try_out)
    tried = Desk(house, desk.corridor, create_api(house), desk.tokens)
    async with tried.browser("admin") as browser:
        assert (await press(browser, "verify", endpoint="reyes-phone")).status_code == 303
        assert "reyes-phone: its provider has taken it; did it arrive?" in await look(browser)
        await press(browser, "verify", endpoint="reyes-sms")
        assert "reyes-sms: refused: no such number" in await look(browser)
        assert (await press(browser, "verify", endpoint="nothing")).status_code == 404
    async with tried.browser("sro") as browser:
        assert (await press(browser, "verify", endpoint="reyes-phone")).status_code == 403


async def test_names_are_escaped_and_without_people_the_page_says_what_to_do(
    sqlite_database: Database, clock: ManualClock, vault: Vault
) -> None:
    bad = "<script>alert(1)</script>" + "x" * 275
    people = [{**LINCOLN["people"][0], "name": bad}, *LINCOLN["people"][1:]]
    desk = await open_desk(*build_house(sqlite_database, clock, vault, lincoln(people=people)))
    async with desk.browser("admin") as browser:
        html = await look(browser) + await look(browser, "/people/reyes") + await look(browser, "/people/diaz")
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(1)") >= 3
    empty = lincoln(people=[], shifts=[], on_call=[], gatherings=[], calendar={})
    async with desk.house.database.transaction() as session:
        await registry.save(session, vault, empty, now=clock.now(), by="the test")
    async with desk.browser("admin") as browser:
        assert "Nobody can be told of anything" in await look(browser)
