"""The record on its page: looked through by who, what and when; and proved whole, or not."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from core import audit
from core.audit import AuditRow
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.conftest import START
from tests.integration.test_api_pages import in_one_line
from tests.integration.test_console_devices import see
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def is_done(desk: Desk, count: int = 1, *, actor: str = "user:reyes", action: str = "rule.mode") -> None:
    async with desk.house.database.transaction() as session:
        for n in range(count):
            await audit.record(
                session,
                at=START - timedelta(days=3),
                actor=actor,
                action=action,
                subject=f"rule:r{n}",
                detail={"note": "<script>alert(1)</script>", "values": ["a", "b"]},
            )


async def test_who_did_what_is_told_and_nothing_in_it_runs(desk: Desk) -> None:
    await is_done(desk)
    page = await see(desk, "/audit", "admin")
    assert "<script>alert" not in page
    text = in_one_line(page)
    assert "Sat 21 Nov 08:00 user:reyes rule.mode rule:r0 note: &lt;script&gt;" in text
    assert "values: a, b" in text


async def test_the_record_is_looked_through(desk: Desk) -> None:
    await is_done(desk)
    await is_done(desk, actor="user:okafor", action="campus.edit")
    for query, found in (
        ("actor=user:okafor", ["campus.edit"]),
        ("action=rule", ["rule.mode"]),
        ("action=rul", []),
        ("since=2026-11-21&subject=rule:r0", ["campus.edit", "rule.mode"]),
        ("since=2026-11-22&actor=user:reyes", []),
    ):
        page = await see(desk, f"/audit?{query}", "admin")
        assert re.findall(r">((?:campus|rule)\.\w+)</a>", page) == found, query
    async with desk.browser("admin") as browser:
        assert (await browser.get("/audit?since=last+week")).status_code == 422


async def test_the_record_goes_on_where_it_stopped(desk: Desk) -> None:
    await is_done(desk, 70)
    first = await see(desk, "/audit?actor=user:reyes", "admin")
    onward = re.search(r'href="(/audit\?[^"]*cursor=[^"]+)"', first)
    assert onward
    second = await see(desk, onward[1].replace("&amp;", "&"), "admin")
    told = re.findall(r"rule:r(\d+)</a>", first + second)
    assert [int(number) for number in told] == list(reversed(range(70)))


async def test_the_record_is_proved_and_the_row_that_was_changed_is_named(desk: Desk) -> None:
    await is_done(desk, 3)
    assert "Yes. All " in await see(desk, "/audit/verify", "admin")
    async with desk.house.database.transaction() as session:
        found = (await audit.find(session, subject="rule:r1"))[0].id
        await session.execute(update(AuditRow).where(AuditRow.id == found).values(actor="user:nobody"))
    page = in_one_line(await see(desk, "/audit/verify", "admin"))
    assert f"No. Row {found} does not fit" in page
    assert "Who user:nobody" in page
    assert "compare it with a backup" in page
