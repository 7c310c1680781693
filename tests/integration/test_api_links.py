"""The page behind a link in a message: seeing changes nothing, pressing takes the alert, once or twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts import links, store
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.conftest import START
from tests.integration.test_api_alerts import find
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
    assert "Door 7 (Gym east) is open" in page.text
    assert "Still so, for 1:04" in page.text
    assert "Nobody yet" in page.text
    assert 'method="post"' in page.text
    assert "<script" not in page.text
    assert "Officer Reyes" in page.text
    assert head.status_code == 405
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
    assert "<button" not in looked.text
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
