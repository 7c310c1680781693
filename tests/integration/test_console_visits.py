"""Who is here, and the roster for a count outside, as the server renders them."""

from __future__ import annotations

import csv
import io
import re

import msgspec
import pytest

from api.console import presence
from core import audit
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.integration.test_api_campuses import hear
from tests.integration.test_api_pages import in_one_line
from tests.integration.test_console_alerts import BAD, shown
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def come(desk: Desk, visit: str, action: str = "check_in", **said: object) -> None:
    await hear(desk, "visitor/lobby", {"action": action, "visit": visit, "name": f"Visitor {visit}", **said})


def section(html: str, title: str) -> str:
    """What stands under one heading."""
    return in_one_line(html.partition(f">{title}</h2>")[2].partition("</section>")[0])


async def test_a_quiet_house_says_so(desk: Desk) -> None:
    text = in_one_line(await shown(desk, "/visits"))
    assert "0 in, 0 held, 0 past their time, 0 not seen out" in text
    assert "No visitor is in the building." in text
    assert "Nobody else is expected today." in text


async def test_visitors_stand_where_they_belong(desk: Desk, clock: ManualClock) -> None:
    await come(desk, "v1", host="Ms. Ito", zone="gym", expected_out="2026-11-24T14:20:00Z", badge="B-7")
    await come(desk, "v2", screening="error")
    await come(desk, "v3")
    await come(desk, "v3", "check_out", method="auto")
    await come(desk, "v4", "preregister", start="2026-11-24T16:00:00Z", type="volunteer")
    await come(desk, "v5", "preregister", start="2026-11-25T16:00:00Z")
    await come(desk, "v6", escort_required=True)
    html = await shown(desk, "/visits")
    assert "2 in, 1 held, 0 past their time, 1 not seen out" in in_one_line(html)
    assert "Visitor v1 Ms. Ito · Gymnasium · badge B-7 since 08:00:00 until 08:20:00" in section(
        html, "In the building"
    )
    assert "Escort: must be escorted, and nobody is named" in section(html, "In the building")
    assert "The screening did not work" in section(html, "Held at the desk")
    assert "Visitor v3" in section(html, "Signed out, not seen out")
    assert "Visitor v4 volunteer from 10:00:00" in section(html, "Expected today")
    assert "Visitor v5" not in html
    clock.jump(30 * 60)
    html = await shown(desk, "/visits")
    assert re.search(r"Visitor v1 .* 10:00 over", section(html, "Past their time"))


async def test_why_somebody_is_held_takes_a_purpose_and_is_on_record(desk: Desk) -> None:
    await come(desk, "v1", screening="confirmed", watch="custody")
    html = await shown(desk, "/visits", "sro")
    assert "Why is withheld: it takes a purpose, below" in section(html, "Held at the desk")
    assert "custody" not in html
    assert "data-part" in html.partition('id="held"')[2][:40]
    told = await shown(desk, "/visits?purpose=pick-up+at+the+gate", "sro")
    assert "The screening has confirmed a match: a custody matter" in section(told, "Held at the desk")
    assert "Shown for: pick-up at the gate. This is on record." in in_one_line(told)
    assert 'data-part="list"' not in told.partition("<h1>")[2]
    async with desk.house.database.reading() as session:
        (deed,) = [each for each in await audit.find(session) if each.action == "private.read"]
    assert msgspec.json.decode(deed.detail)["purpose"] == "pick-up at the gate"
    async with desk.browser("viewer") as browser:
        assert (await browser.get("/visits?purpose=curious")).status_code == 403
        assert 'name="purpose"' not in (await browser.get("/visits")).text


async def test_the_roster_lists_everybody_who_may_be_here(desk: Desk) -> None:
    await come(desk, "v1", zone="gym", badge="B-7")
    await come(desk, "v2", screening="possible")
    await come(desk, "v3")
    await come(desk, "v3", "check_out", method="auto")
    await come(desk, "v4", "preregister")
    text = in_one_line(await shown(desk, "/visits/roster"))
    assert "As of Tuesday, 24 November 2026, 08:00:00" in text
    assert "3 visitors on this page" in text
    assert re.search(r"Visitor v1 +Gymnasium B-7 08:00:00 in", text)
    assert "held at the desk" in text
    assert "signed out by the clock: may still be here" in text
    assert "Visitor v4" not in text


async def test_the_roster_comes_as_a_sheet_too(desk: Desk) -> None:
    await come(desk, "v1", badge="=1+1")
    async with desk.browser("viewer") as browser:
        answer = await browser.get("/visits/roster?format=csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="roster-lincoln.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")))
    assert (row["name"], row["badge"], row["unverified"]) == ("Visitor v1", "'=1+1", "no")


async def test_more_than_fit_are_on_the_roster(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "SHOWN", 2)
    for number in range(3):
        await come(desk, f"v{number}")
    html = await shown(desk, "/visits")
    assert "2+ in" in in_one_line(html)
    assert "There are more; the roster has them all." in section(html, "In the building")


async def test_a_visitor_may_be_called_anything(desk: Desk) -> None:
    await come(desk, "v1", name=BAD[:200], host=BAD[:200], zone=BAD[:200])
    for path in ("/visits", "/visits/roster"):
        html = await shown(desk, path)
        assert "<script>alert" not in html, path
        assert "&lt;script&gt;" in html
