"""The board as the server renders it: the essentials stand there without any script."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from alerts.srp import CHECKLIST
from api.console import board
from api.deps import Health, Part
from api.server import create_api
from api.statics import address
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.campuses import lincoln
from tests.conftest import START
from tests.integration.test_api_access import _proof as proof_of
from tests.integration.test_api_alerts import find
from tests.integration.test_api_campuses import hear
from tests.unit.alerts.making import advice
from tests.unit.api.house import WELL, Desk, build_house, open_desk


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


@pytest.fixture
async def small_desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def page(desk: Desk, role: str = "viewer") -> str:
    async with desk.browser(role) as browser:
        answer = await browser.get("/")
    assert answer.status_code == 200, answer.text
    return answer.text


def in_one_line(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


async def test_whoever_is_not_signed_in_is_led_to_the_sign_in(small_desk: Desk) -> None:
    async with small_desk.client() as client:
        page = await client.get("/", headers={"Accept": "text/html"})
        program = await client.get("/")
    assert page.status_code == 303
    assert page.headers["Location"] == "/login?next=%2F"
    assert program.status_code == 401


async def test_a_calm_day_says_so(desk: Desk) -> None:
    text = in_one_line(await page(desk))
    assert "Nothing is open. The last look was at 08:00:00" in text
    assert "Lincoln High School" in text
    assert "Main entrance 1 unknown" in text
    assert "Nobody had to be told yet" in text


async def test_an_alert_shows_what_since_when_and_who_has_it(desk: Desk, clock: ManualClock) -> None:
    await hear(desk, "door/gym-east", {"position": "open", "at": "2026-11-24T13:59:00Z"})
    number = await find(desk)
    clock.jump(64)
    waiting = await page(desk, "sro")
    async with desk.client("sro") as client:
        await client.post(f"/api/v1/alerts/{number}/ack")
    taken = in_one_line(await page(desk, "sro"))
    text = in_one_line(waiting)
    assert re.search(r"severe [A-Z]\d-\d\d 1:04 Door 7 \(Gym east\) is open", text)
    assert "1 open, 1 with nobody on it" in text
    assert "Nobody has it yet" in text
    assert "(1) Lincoln High School" in text
    assert "Gym east 7 open 2:04" in text
    assert "to Officer Reyes, push" in text
    assert f'action="/alerts/{number}/ack"' in waiting
    assert "the sro is on it, since 08:01:04" in taken
    assert "1 open, all taken" in taken


async def test_the_gravest_that_nobody_has_comes_first(desk: Desk) -> None:
    number = 0
    for key, severity in (("a", "minor"), ("b", "extreme"), ("c", "severe"), ("d", "extreme")):
        number = await find(desk, key=key, severity=severity, text=f"Alert {key}")
    async with desk.client("sro") as client:
        await client.post(f"/api/v1/alerts/{number}/ack")
    shown = re.findall(r"Alert ([a-d])</a></h2>", await page(desk))
    assert shown == ["b", "d", "c", "a"]


async def test_a_storm_never_hides_what_is_grave(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "ALERTS_SHOWN", 3)
    for key, severity in (("a", "extreme"), ("b", "minor"), ("c", "minor"), ("d", "severe"), ("e", "minor")):
        await find(small_desk, key=key, severity=severity, text=f"Alert {key}")
    shown = re.findall(r"Alert ([a-e])</a></h2>", await page(small_desk))
    assert shown[:2] == ["a", "d"]


async def test_only_those_who_may_answer_see_the_buttons(small_desk: Desk) -> None:
    await find(small_desk)
    assert "data-answer" not in await page(small_desk, "viewer")
    assert "data-answer" not in await page(small_desk, "tester")
    assert "data-answer" in await page(small_desk, "sro")


async def test_a_device_has_no_page(small_desk: Desk) -> None:
    async with small_desk.client("device") as client:
        assert (await client.get("/")).status_code == 403


async def test_everything_can_be_answered_without_a_script(desk: Desk) -> None:
    number = await find(desk, severity="extreme")
    async with desk.browser("sro") as browser:
        csrf = await proof_of(browser)
        assert (await browser.post(f"/alerts/{number}/ack", data={})).status_code == 403
        for move, said in (
            ("ack", {}),
            ("on-scene", {}),
            ("resolve", {"disposition": "false", "note": "wind"}),
        ):
            answer = await browser.post(f"/alerts/{number}/{move}", data={"csrf": csrf, **said})
            assert answer.status_code == 303, answer.text
            assert answer.headers["Location"] == "/"
        late = await browser.post(f"/alerts/{number}/ack", data={"csrf": csrf})
    assert late.status_code == 409
    assert late.headers["Content-Type"].startswith("text/html")
    assert "closed it" in in_one_line(late.text)
    async with desk.client("viewer") as client:
        alert = (await client.get(f"/api/v1/alerts/{number}")).json()
    assert alert["disposition"] == "false"
    assert alert["note"] == "wind"


async def test_names_and_texts_are_escaped(desk: Desk) -> None:
    bad = "<script>alert(1)</script>"
    doors = [{"id": "main", "name": bad, "number": '"><i>'}]
    campus = lincoln(doors=doors, devices=[], calendar={}, gatherings=[])
    house = replace(desk.house, campuses=lambda: {"lincoln": campus})
    await find(desk, text=bad, title=bad)
    spoilt = Desk(house, desk.corridor, create_api(house), desk.tokens)
    html = await page(spoilt, "sro")
    assert "<script>alert" not in html
    assert '"><i>' not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3


async def test_what_is_wrong_with_the_service_stands_on_top(small_desk: Desk) -> None:
    await hear(small_desk, "campus/state", {"state": "lockdown"})
    ill = Health(WELL, WELL, Part(False, START, "two alerts are late"))
    house = replace(small_desk.house, health=lambda: ill)
    html = await page(Desk(house, small_desk.corridor, create_api(house), small_desk.tokens))
    text = in_one_line(html)
    assert "Auditor: two alerts are late, since 08:00" in text
    assert "Lockdown: locks, lights, out of sight" in text
    assert text.index("Lockdown") < text.index("Open alerts")


async def test_a_drill_is_marked_and_may_be_closed_as_one(small_desk: Desk) -> None:
    await find(small_desk, exercise="drill")
    html = await page(small_desk, "sro")
    assert '<strong class="exercise">drill</strong>' in html
    assert html.index('value="drill"') < html.index('value="real"')


async def test_pages_hold_no_script_or_style_of_their_own(small_desk: Desk) -> None:
    await find(small_desk)
    async with small_desk.browser("sro") as browser:
        for path in ("/", "/login", "/nothing"):
            html = (await browser.get(path)).text
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html), path
            assert set(re.findall(r"<script[^>]*>", html)) <= {f'<script src="{address("console.js")}" defer>'}
        for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', html):
            assert (await browser.get(path)).status_code == 200, path


async def test_what_pages_are_made_of_is_asked_for_once_and_sent_in_few_bytes(small_desk: Desk) -> None:
    async with small_desk.client() as client:
        kept = await client.get(address("console.css"))
        plain = await client.get("/static/console.css")
        missing = await client.get("/static/nothing.css?v=1")
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert kept.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Cache-Control"] == "no-cache"
    assert missing.status_code == 404
    assert missing.headers["Cache-Control"] == "no-store"


async def test_without_a_campus_the_page_still_stands(small_desk: Desk) -> None:
    house = replace(small_desk.house, campuses=dict)
    await find(small_desk)
    text = in_one_line(await page(Desk(house, small_desk.corridor, create_api(house), small_desk.tokens)))
    assert "Door 7 (Gym east) is open" in text


async def keep_quiet(desk: Desk, **changes: Any) -> int:
    said = {"campus": "lincoln", "keys": ["gym-east"], "reason": "painters", "until": "2026-11-24T15:00:00Z"}
    async with desk.client("sro") as client:
        answer = await client.post("/api/v1/suppressions", json=said | changes)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def test_what_is_kept_quiet_stands_on_the_page_with_who_why_and_until_when(desk: Desk) -> None:
    assert "Nothing is kept quiet." in in_one_line(await page(desk))
    number = await keep_quiet(desk)
    await keep_quiet(desk, keys=[], rules=["door-held-open"], zones=["gym"], reason="concert", kind="maintenance")
    text = in_one_line(await page(desk))
    kept = "Gym east the sro : painters Until 09:00:00 · Extreme alerts are told all the same"
    assert f"Shelved {kept}" in text
    assert "none; 2 kept quiet" in text
    assert "Maintenance door-held-open · Gymnasium the sro : concert" in text
    assert "Nothing is kept quiet." not in text
    async with desk.client("admin") as client:
        assert (await client.post(f"/api/v1/suppressions/{number}/second")).status_code == 200
        assert "Extreme alerts, too: seconded by the admin" in in_one_line(await page(desk))
        await client.delete(f"/api/v1/suppressions/{number}")
    assert "painters" not in await page(desk)


async def test_a_shelved_alert_is_named_by_its_code_and_ended_when_its_time_is_over(
    small_desk: Desk, clock: ManualClock
) -> None:
    alert = await find(small_desk)
    await keep_quiet(small_desk, keys=[], alert=alert, kind="snooze", until="2026-11-24T14:30:00Z")
    assert re.search(
        r"Snoozed [A-Z]\d-\d\d: Door 7 \(Gym east\) is open the sro : painters Until 08:30",
        in_one_line(await page(small_desk)),
    )
    clock.jump(31 * 60)
    assert "Nothing is kept quiet." in in_one_line(await page(small_desk))


async def test_who_is_in_a_flood_stands_on_the_page(small_desk: Desk, clock: ManualClock) -> None:
    for number in range(11):
        await find(small_desk, key=f"d{number}", severity="moderate")
    text = in_one_line(await page(small_desk))
    assert "Flood Officer Reyes is told too much" in text
    assert "Since 08:00:00 · Severe and extreme alerts come at once" in text
    clock.jump(11 * 60)
    assert "Flood" not in in_one_line(await page(small_desk))


async def test_an_alert_shows_the_action_that_its_rule_suggests(small_desk: Desk) -> None:
    await find(small_desk, severity="extreme", advice=advice(do=("Go there.",), srp="secure"))
    text = in_one_line(await page(small_desk))
    assert "Consider Secure: everybody inside, outside doors locked. You decide." in text
    assert CHECKLIST["secure"][0] in text


async def test_an_exercise_stands_on_top_while_it_goes_on(small_desk: Desk) -> None:
    said = {"campus": "lincoln", "until": "2026-11-24T15:00:00Z", "reason": "fire drill"}
    async with small_desk.client("admin") as client:
        number = (await client.post("/api/v1/exercises", json=said)).json()["id"]
        text = in_one_line(await page(small_desk))
        assert text.index("EXERCISE until 09:00:00: fire drill") < text.index("Open alerts")
        await client.delete(f"/api/v1/exercises/{number}")
    assert "EXERCISE" not in await page(small_desk)
