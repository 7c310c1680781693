"""The page behind a link in a message: seeing changes nothing, pressing takes the alert, once or twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import links, preflight, store
from alerts.preflight import CheckRow
from alerts.srp import suggestion
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.conftest import START
from tests.integration.test_api_alerts import find
from tests.unit.alerts.making import advice
from tests.unit.alerts.test_plan_picture import placed
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


async def link_to(desk: Desk, alert: int, person: str = "reyes") -> str:
    async with desk.house.database.transaction() as session:
        generation = (await store.get(session, alert)).generation
        token = await links.make(
            session,
            alert=alert,
            person=person,
            endpoint=f"{person}-phone",
            generation=generation,
            now=desk.house.clock.now(),
        )
    return f"/a/{token}"


async def taken_by(desk: Desk, alert: int) -> str | None:
    async with desk.house.database.reading() as session:
        return (await store.get(session, alert)).acknowledged_by


async def test_looking_changes_nothing(desk: Desk, clock: ManualClock) -> None:
    alert = await find(desk, at=START - timedelta(seconds=64))
    path = await link_to(desk, alert)
    async with desk.client() as client:
        for _ in range(3):
            page = await client.get(path, headers={"Accept": "text/html"})
            assert page.status_code == 200
        head = await client.head(path)
        plan = await client.get(f"{path}/plan.png")
    assert "Door 7 (Gym east) is open" in page.text
    assert "Still so, for 1:04" in page.text
    assert "Nobody yet" in page.text
    assert 'method="post"' in page.text
    assert "<script" not in page.text
    assert "Officer Reyes" in page.text
    assert head.status_code == 405
    assert plan.status_code == 404, "the campus file gives this door no place"
    assert "plan.png" not in page.text
    assert await taken_by(desk, alert) is None


async def test_pressing_takes_the_alert_once_or_twice(desk: Desk) -> None:
    alert = await find(desk)
    mine, theirs = await link_to(desk, alert), await link_to(desk, alert, "diaz")
    async with desk.client() as client:
        first, second = await client.post(mine), await client.post(mine)
        other = await client.post(theirs)
        looked = await client.get(theirs)
    assert [answer.status_code for answer in (first, second, other)] == [200, 200, 200]
    assert "is yours" in first.text
    assert "is yours" in second.text
    assert "already taken by" in other.text
    assert "Officer Reyes, since" in looked.text
    assert "m on it" not in looked.text
    assert "?reply=on-scene" in looked.text
    assert await taken_by(desk, alert) == "person:reyes"
    assert desk.house.news.is_set()


async def test_the_page_says_whether_it_is_still_true(desk: Desk, clock: ManualClock) -> None:
    alert = await find(desk)
    path = await link_to(desk, alert)
    clock.jump(90)
    await find(desk, state="resolved", at=START + timedelta(seconds=75))
    async with desk.client() as client:
        over = await client.get(path)
        await client.post(path)
        closed = await client.get(path)
        late = await client.post(path, headers={"Accept": "text/html"})
    assert "Over since 08:01:15; it lasted 1:15" in over.text
    assert "Closed" in closed.text
    assert "<button" not in closed.text
    assert late.status_code == 409
    assert "closed it" in late.text


async def test_a_link_that_is_old_or_none_of_ours_leads_nowhere(desk: Desk, clock: ManualClock) -> None:
    path = await link_to(desk, await find(desk))
    async with desk.client() as client:
        for method in ("GET", "POST"):
            assert (await client.request(method, "/a/" + "x" * 43)).status_code == 404
            assert (await client.request(method, "/a/x")).status_code == 404
        clock.jump(timedelta(hours=24))
        old = await client.get(path, headers={"Accept": "text/html"})
    assert old.status_code == 404
    assert "older than a day" in old.text


async def test_a_message_about_an_earlier_opening_answers_nothing(desk: Desk, clock: ManualClock) -> None:
    alert = await find(desk)
    path = await link_to(desk, alert)
    clock.jump(60)
    await find(desk, state="resolved", at=clock.now())
    clock.jump(60)
    assert await find(desk, at=clock.now()) == alert
    async with desk.client() as client:
        answer = await client.post(path)
    assert answer.status_code == 409
    assert await taken_by(desk, alert) is None


async def test_names_and_texts_are_escaped(desk: Desk) -> None:
    text = "Door <script>alert(1)</script> & co"
    path = await link_to(desk, await find(desk, text=text), "<b>x</b>")
    async with desk.client() as client:
        page = (await client.get(path)).text
    assert "<script>" not in page
    assert "<b>x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in page


async def test_every_button_of_the_page_answers(desk: Desk, database: Database) -> None:
    alert = await find(desk)
    path = await link_to(desk, alert)
    async with desk.client() as client:
        page = (await client.get(path)).text
        assert [reply for reply in ("ack", "known", "help", "on-scene") if f'action="?reply={reply}"' in page] == [
            "ack",
            "known",
            "help",
        ]
        known = await client.post(f"{path}?reply=known")
        helped = await client.post(f"{path}?reply=help")
        there = await client.post(f"{path}?reply=on-scene")
        wrong = await client.post(f"{path}?reply=close")
    assert "is noted as known" in known.text
    assert "help is called: diaz, okafor" in helped.text
    assert "you are on scene" in there.text
    assert wrong.status_code == 422
    async with database.reading() as session:
        events = [each.event for each in await store.timeline(session, alert)]
    assert events == ["opened", "notify", "acknowledged", "known", "help", "on_scene"]


async def test_that_a_link_was_opened_is_noted_once(desk: Desk, clock: ManualClock, database: Database) -> None:
    path = await link_to(desk, await find(desk))
    async with desk.client() as client:
        await client.get(path)
        clock.jump(60)
        await client.get(path)
    async with database.reading() as session:
        link = await links.open(session, path.rpartition("/")[2], clock.now())
    assert (link.opened_at, link.used_at) == (START, None)


async def test_the_page_shows_where_it_is(database: Database, clock: ManualClock, vault: Vault) -> None:
    desk = await open_desk(*build_house(database, clock, vault, placed()))
    path = await link_to(desk, await find(desk))
    async with desk.client() as client:
        page = await client.get(path)
        plan = await client.get(f"{path}/plan.png")
        none = await client.get("/a/" + "x" * 43 + "/plan.png")
    assert f'src="{path.rpartition("/")[2]}/plan.png"' in page.text
    assert (plan.headers["content-type"], plan.content[:4]) == ("image/png", b"\x89PNG")
    assert none.status_code == 404


async def test_a_link_of_a_check_asks_for_one_press_and_says_thank_you(desk: Desk, database: Database) -> None:
    async with database.transaction() as session:
        row = CheckRow(
            campus="lincoln", kind="shift", person="reyes", endpoint="reyes-phone", at=START, detail="", state="waiting"
        )
        session.add(row)
        await session.flush()
        [token] = await links.make_all(
            session, [links.Link(0, "reyes", "reyes-phone", 0, START + timedelta(hours=1), check=row.id)]
        )
    async with desk.client() as client:
        asked = await client.get(f"/a/{token}")
        pressed = await client.post(f"/a/{token}")
        again = await client.get(f"/a/{token}")
        plan = await client.get(f"/a/{token}/plan.png")
    assert "Officer Reyes, can you be reached?" in asked.text
    assert "Alerts reach you" in pressed.text
    assert "<button" not in again.text
    assert plan.status_code == 404
    async with database.reading() as session:
        assert (await preflight.get(session, row.id)).answered_at == START


async def test_the_page_shows_the_action_that_the_rule_suggests(desk: Desk) -> None:
    alert = await find(desk, severity="extreme", advice=advice(srp="secure"))
    path = await link_to(desk, alert)
    async with desk.client() as client:
        page = (await client.get(path)).text
    for words in suggestion("secure"):
        assert words in page
