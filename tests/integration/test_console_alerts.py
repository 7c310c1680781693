"""The list of alerts and the page of one, as the server renders them, and what their forms do."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.console.pages import alerts as page
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from rules import store as rules
from rules.rule import shipped
from tests.conftest import START
from tests.integration.test_api_access import _proof as proof_of
from tests.integration.test_api_alerts import find
from tests.integration.test_api_campuses import hear
from tests.integration.test_api_pages import in_one_line
from tests.unit.api.house import Desk, build_house, open_desk

ON_IT = "I\N{RIGHT SINGLE QUOTATION MARK}m on it"
BAD = "<script>alert(1)</script>" + "x" * 275


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def shown(desk: Desk, path: str, role: str = "viewer") -> str:
    async with desk.browser(role) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def sent(browser: httpx.AsyncClient, path: str, **said: Any) -> httpx.Response:
    return await browser.post(path, data={"csrf": await proof_of(browser), **said})


async def told_after(browser: httpx.AsyncClient, answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return in_one_line((await browser.get(answer.headers["Location"])).text)


async def test_one_alert_tells_how_it_stands_and_what_to_do(desk: Desk, clock: ManualClock) -> None:
    number = await find(desk)
    clock.jump(64)
    text = in_one_line(await shown(desk, f"/alerts/{number}", "sro"))
    assert re.search(r"severe [A-Z]\d-\d\d 1:04 , still so Door 7 \(Gym east\) is open", text)
    assert "Nobody has it yet" in text
    assert "Officer Reyes is being told" in text
    assert "to Officer Reyes, push waits" in text
    assert ON_IT in text


async def test_a_closed_alert_says_who_closed_it_and_as_what_and_may_be_opened_again(desk: Desk) -> None:
    number = await find(desk)
    async with desk.browser("sro") as browser:
        said = {"disposition": "nuisance", "note": "a chair", "back": f"/alerts/{number}"}
        closed = await told_after(browser, await sent(browser, f"/alerts/{number}/resolve", **said))
        assert "by the sro : Real, but no danger. “a chair”" in closed
        assert ON_IT not in closed
        answer = await sent(browser, f"/alerts/{number}/reopen", reason="it is open once more")
        again = await told_after(browser, answer)
    assert answer.headers["Location"] != f"/alerts/{number}"
    assert "is open again as" in again
    assert "Before it there was the same alert" in again


async def test_the_rule_is_told_with_the_values_of_that_moment(desk: Desk) -> None:
    async with desk.house.database.transaction() as session:
        await rules.seed(session, [each for each in shipped() if each.id == "door-held-open"], now=START)
    because = {
        "params": {"hold": "90s"},
        "values": {"door.position": "open", "door.in_window": False, "door.lock": None},
        "messages": [{"kind": "door.opened", "key": "gym-east", "at": "2026-11-24T13:58:30Z", "message_id": "m"}],
    }
    number = await find(desk, because=because, rule="door-held-open")
    html = await shown(desk, f"/alerts/{number}")
    text = in_one_line(html)
    assert "for 1m30s" in text
    assert "the door open" in text
    assert "the door is in a window in which it may stand open no" in text
    assert "the lock unknown" in text
    assert "door opened Door 7 (Gym east) 07:58:30" in text
    assert 'href="/rules/door-held-open"' in html


async def test_a_rule_that_is_gone_is_said_to_be(desk: Desk) -> None:
    number = await find(desk, rule="never-there")
    assert "This version of the rule is not kept any more." in await shown(desk, f"/alerts/{number}")


async def test_the_chart_shows_how_the_door_stood_and_when_it_was_not_heard(desk: Desk, clock: ManualClock) -> None:
    await hear(desk, "door/gym-east", {"position": "closed"})
    clock.jump(4 * 3600)
    at = clock.now()
    await hear(desk, "door/gym-east", {"position": "open"})
    clock.jump(60)
    drill = {"position": "closed", "exercise": "drill"}
    await hear(desk, "door/gym-east", drill)
    number = await find(desk, at=clock.now(), because={"armed_at": at.isoformat().replace("+00:00", "Z")})
    clock.jump(60)
    await hear(desk, "door/gym-east", {"position": "closed"})
    html = await shown(desk, f"/alerts/{number}")
    text = in_one_line(html)
    assert re.search(r"closed 4:00 12:00:00 open 2:00", text)
    assert "11:56:00 not heard 4:00" in text
    assert "Found 12:01:00" in text
    assert re.search(r'<path class="doorline__line" d="M 58\.0 84 H [\d.]+ V 34 H [\d.]+', html)


async def test_a_note_and_a_correction_are_kept_and_told(desk: Desk) -> None:
    number = await find(desk)
    async with desk.browser("sro") as browser:
        noted = await told_after(browser, await sent(browser, f"/alerts/{number}/note", text="a chair in the door"))
        assert "Your note is kept with the alert." in noted
        assert "note a chair in the door the sro" in noted
        corrected = await told_after(browser, await sent(browser, f"/alerts/{number}/correct", text="it was door 8"))
        assert "The correction: nobody had been told" in corrected
        empty = await sent(browser, f"/alerts/{number}/note", text="")
    assert empty.status_code == 422
    assert "text" in in_one_line(empty.text)


async def test_an_alert_is_handed_over_and_the_next_one_is_told(desk: Desk) -> None:
    number = await find(desk)
    async with desk.browser("sro") as browser:
        assert "Hand over" not in (await browser.get(f"/alerts/{number}")).text
        await sent(browser, f"/alerts/{number}/ack", back=f"/alerts/{number}")
        assert "Hand over" in (await browser.get(f"/alerts/{number}")).text
        text = await told_after(browser, await sent(browser, f"/alerts/{number}/hand-over", to="diaz"))
        unknown = await sent(browser, f"/alerts/{number}/hand-over", to="nobody")
    assert "is in the hands of Ms. Diaz, who is told now." in text
    assert "Ms. Diaz is on it" in text
    assert "to Ms. Diaz, push" in text
    assert unknown.status_code == 422
    assert "no person" in in_one_line(unknown.text)


async def test_an_alert_is_shelved_for_a_while_and_an_extreme_one_is_not(desk: Desk) -> None:
    number, extreme = await find(desk), await find(desk, key="main", severity="extreme")
    async with desk.browser("sro") as browser:
        answer = await sent(browser, f"/alerts/{number}/shelve", minutes=30, reason="painters")
        text = await told_after(browser, answer)
        assert "It is shelved" in text
        refused = await sent(browser, f"/alerts/{extreme}/shelve", minutes=30, reason="painters")
        assert 'name="minutes"' not in (await browser.get(f"/alerts/{extreme}")).text
    async with desk.client("viewer") as client:
        (kept,) = (await client.get("/api/v1/suppressions")).json()["items"]
    assert (kept["reason"], kept["until"]) == ("painters", "2026-11-24T14:30:00Z")
    assert refused.status_code == 409
    assert "it takes two people" in in_one_line(refused.text)


async def test_a_viewer_reads_and_finds_nothing_to_press(desk: Desk) -> None:
    number = await find(desk)
    html = await shown(desk, f"/alerts/{number}")
    assert re.findall(r'<form method="post" action="([^"]+)"', html) == ["/logout"]
    assert f"/api/v1/alerts/{number}/evidence?redacted=true" in html
    assert f'"/api/v1/alerts/{number}/evidence"' not in html


async def test_what_comes_from_outside_is_escaped_on_both_pages(desk: Desk) -> None:
    number = await find(desk, text=BAD, title=BAD, because={"values": {BAD: BAD}, "params": {BAD: BAD}})
    for path in (f"/alerts/{number}", "/alerts"):
        html = await shown(desk, path, "sro")
        assert "<script>alert" not in html, path
        assert "&lt;script&gt;" in html
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html), path


async def test_an_alert_that_is_not_there_is_said_to_be_missing(desk: Desk) -> None:
    async with desk.browser("viewer") as browser:
        answer = await browser.get("/alerts/999")
    assert answer.status_code == 404
    assert "there is no alert 999" in answer.text


async def test_alerts_are_listed_the_newest_first_and_filtered(desk: Desk, clock: ManualClock) -> None:
    for key, severity in (("a", "minor"), ("b", "severe"), ("c", "minor")):
        await find(desk, key=key, severity=severity, text=f"Alert {key}")
    clock.jump(timedelta(days=1).total_seconds())
    number = await find(desk, key="d", rule="visitor-overstay", text="Alert d", at=clock.now())
    async with desk.client("sro") as client:
        await client.post(f"/api/v1/alerts/{number}/resolve", json={"disposition": "false"})

    async def listed(query: str) -> str:
        return "".join(re.findall(r">Alert (\w)</a>", await shown(desk, f"/alerts?{query}")))

    assert await listed("") == "dcba"
    assert await listed("state=open&severity=&rule=&since=") == "cba"
    assert await listed("state=closed") == "d"
    assert await listed("severity=minor") == "ca"
    assert await listed("rule=visitor-overstay") == "d"
    assert await listed("since=2026-11-25") == "d"
    assert "No alert is like that" in await shown(desk, "/alerts?severity=extreme")
    assert "closed: A false alarm" in in_one_line(await shown(desk, "/alerts"))
    async with desk.browser("viewer") as browser:
        wrong = await browser.get("/alerts?since=yesterday")
    assert wrong.status_code == 422
    assert "since: must be a date like 2026-11-24" in wrong.text


async def test_a_long_list_is_turned_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "SHOWN", 2)
    for key in "abc":
        await find(desk, key=key, text=f"Alert {key}")
    first = await shown(desk, "/alerts?severity=severe")
    (following,) = re.findall(r'href="(/alerts\?[^"]*cursor=[^"]+)"', first)
    second = await shown(desk, following.replace("&amp;", "&"))
    assert re.findall(r">Alert (\w)</a>", first + second) == ["c", "b", "a"]
    assert "Older ones" not in second
    assert "The newest" in second
