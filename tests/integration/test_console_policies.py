"""The pages about policies: steps as sentences, who would be told at a moment, changing one."""

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
from tests.integration.test_api_pages import in_one_line
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await _opened(sqlite_database, clock, vault, campus)


async def _opened(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    found = await open_desk(*build_house(database, clock, vault, campus))
    async with database.transaction() as session:
        await store.seed(session, rule.shipped(), now=clock.now())
    return found


async def look(browser: httpx.AsyncClient, path: str = "/policies") -> str:
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def press(browser: httpx.AsyncClient, path: str, **said: Any) -> httpx.Response:
    return await browser.post(f"/policies/lincoln/{path}", data={"csrf": await proof_of(browser)} | said)


async def test_every_policy_stands_there_in_words(desk: Desk) -> None:
    async with desk.browser("viewer") as browser:
        text = in_one_line(await look(browser))
        assert (await browser.get("/policies/nothing")).status_code == 404
        one = await look(browser, "/policies/severe")
    assert "At once: whoever is on duty and every administrator, by every endpoint at once" in text
    assert "After 1m: whoever is on duty, by SMS, else by every endpoint at once, unless somebody has it" in text
    assert "again every 1m, unless somebody has it" in text
    assert "It was never changed." in one
    assert "<form" not in one.partition("<main")[2], "whoever only looks is offered no change"


async def test_who_would_be_told_is_answered_with_names_times_and_gaps(desk: Desk) -> None:
    async with desk.browser("viewer") as browser:
        school = in_one_line(await look(browser, "/policies?rule=door-held-open&at=2026-11-24T10:00"))
        night = in_one_line(await look(browser, "/policies?rule=door-forced&at=2026-11-28T20:40"))
        unknown = await browser.get("/policies?rule=door-hold-open")
        odd = await browser.get("/policies?rule=door-held-open&at=noon")
    assert "door-held-open on Tuesday 10:00 would reach" in school
    assert "Officer Reyes: Push" in school
    assert "door-forced on Saturday 20:40 would reach" in night
    assert "Principal Okafor: Push" in night
    assert (unknown.status_code, odd.status_code) == (404, 422)


async def test_a_step_that_reaches_nobody_is_said_in_red(
    sqlite_database: Database, clock: ManualClock, vault: Vault
) -> None:
    people = [{**each, "endpoints": []} for each in LINCOLN["people"]]
    desk = await _opened(sqlite_database, clock, vault, lincoln(people=people))
    async with desk.browser("viewer") as browser:
        html = await look(browser, "/policies?rule=door-forced&at=2026-11-24T10:00")
    text = in_one_line(html)
    assert "Nobody can be reached: the next step comes at once." in text
    assert "timeline__step--gap" in html
    assert "Officer Reyes: by nothing" in text


async def test_steps_are_changed_in_a_form_and_what_changed_meanwhile_is_refused(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        version = re.search(r'name="version" value="([^"]*)"', await look(browser, "/policies/moderate"))
        assert version is not None
        seen = version[1].replace("&#34;", '"')
        said = {"steps[1].after": "5m", "steps[1].notify": "role:admin, person:okafor", "ack_target": "4m"}
        saved = await press(browser, "moderate/steps", version=seen, **said)
        assert saved.status_code == 303, saved.text
        text = in_one_line(await look(browser, "/policies/moderate"))
        assert "After 5m: every administrator and Principal Okafor, by push, else by every endpoint at once" in text
        assert "Somebody should have it within 4m" in text
        late = await press(browser, "moderate/steps", version='"7"', **said)
        assert late.status_code == 412
        browser.headers["Accept"] = "application/json"
        wrong = await press(browser, "moderate/steps", **{"steps[1].after": "soon"})
        assert wrong.status_code == 422
        assert wrong.json()["problems"][0]["where"] == "steps[1].after"
    async with desk.browser("sro") as browser:
        assert (await press(browser, "moderate/steps", **said)).status_code == 403


async def test_a_document_is_written_and_its_mistakes_are_told_by_line(desk: Desk) -> None:
    good = "title: Evening\nsteps:\n  - notify: [on_call]\n"
    async with desk.browser("admin") as browser:
        assert (
            (await press(browser, "new", name="evening", document=good))
            .headers["Location"]
            .startswith("/policies/evening")
        )
        assert (await press(browser, "new", name="evening", document=good)).status_code == 422
        text = in_one_line(await look(browser, "/policies/evening"))
        assert "At once: those on call, by every endpoint at once" in text
        assert "Version 1" in text
        better = good + "  - {after: 2m, notify: ['role:admin']}\n"
        assert (await press(browser, "evening/document", document=better, version='"1"')).status_code == 303
        assert (await press(browser, "evening/document", document=better, version='"1"')).status_code == 412
        browser.headers["Accept"] = "application/json"
        for document, words in (
            (good.replace("on_call", "role:cook"), "line 3, steps[0].notify"),
            ("title: [", "not YAML"),
            ("- a list", "is one policy"),
        ):
            refused = await press(browser, "evening/document", document=document)
            assert refused.status_code == 422, document
            [problem] = refused.json()["problems"]
            assert problem["where"] == "document"
            assert words in problem["message"]


async def test_titles_are_escaped(sqlite_database: Database, clock: ManualClock, vault: Vault) -> None:
    bad = "<script>alert(1)</script>" + "x" * 275
    own = lincoln(policies=[{"id": "minor", "title": bad, "steps": [{"notify": ["on_call"]}]}])
    desk = await _opened(sqlite_database, clock, vault, own)
    async with desk.browser("admin") as browser:
        html = await look(browser) + await look(browser, "/policies/minor")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
