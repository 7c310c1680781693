"""The quarantine on its page: why in words, payloads masked and escaped, another try from a button."""

from __future__ import annotations

import pytest

from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.messages import Heard
from core.vault import Vault
from tests.integration.test_api_pages import in_one_line
from tests.integration.test_console_devices import proof, see
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def test_an_empty_quarantine_says_what_it_is_for(desk: Desk) -> None:
    page = in_one_line(await see(desk, "/quarantine"))
    assert "Everything that was heard could be read." in page
    assert "kept here, with the reason" in page


async def test_what_could_not_be_read_says_why_and_nothing_in_it_runs(desk: Desk) -> None:
    payload = b'{"position": "ajar", "name": "Ada", "note": "<script>alert(1)</script>"}'
    await desk.corridor.receive(
        [Heard("campus/lincoln/door/gym-est", b'{"position": "open"}'), Heard("campus/lincoln/door/main", payload)]
    )
    page = await see(desk, "/quarantine")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "Ada" not in page
    text = in_one_line(page)
    assert "2 payloads could not be read" in text
    assert "unknown_entity 1 It speaks of a door" in text
    assert "Replay" not in text
    only = in_one_line(await see(desk, "/quarantine?reason=invalid_field"))
    assert "Latest for invalid_field" in only
    assert "gym-est" not in only


async def test_an_administrator_replays_one_and_all(desk: Desk) -> None:
    heard = [Heard("campus/lincoln/door/gym-est", b'{"position": "%s"}' % word) for word in (b"open", b"closed")]
    await desk.corridor.receive(heard)
    async with desk.browser("admin") as browser:
        csrf = await proof(browser, "/quarantine")
        one = await browser.post("/quarantine/1/replay", data={"csrf": csrf}, follow_redirects=True)
        again = await browser.post("/quarantine/1/replay", data={"csrf": csrf})
        said = {"csrf": csrf, "reason": "unknown_entity", "back": "/quarantine?reason=unknown_entity"}
        everything = await browser.post("/quarantine/replay", data=said, follow_redirects=True)
        unnamed = await browser.post("/quarantine/replay", data={"csrf": csrf, "reason": ""})
    assert "It still cannot be read: unknown_entity" in one.text
    assert again.status_code == 409
    assert "2 read again: 0 could be read, 2 could not." in in_one_line(everything.text)
    assert everything.url.path == "/quarantine"
    assert unnamed.status_code == 422
