"""Keeping quiet on somebody's word: both the first notice and what would follow; and speaking again at the end."""

from __future__ import annotations

from typing import Any

import pytest

from alerts import desk, quiet, shelf, store, suppression
from alerts.suppression import Suppression
from core import audit
from core.campus import Campus
from core.database import Database
from core.errors import BadInput, Conflict
from tests.conftest import START
from tests.unit.alerts.making import extreme, finding, happened, later, look, over, step, take, told

REYES, DIAZ = "person:reyes", "person:diaz"


async def suppress(database: Database, campus: Campus, now: float = 0, **changes: Any) -> Suppression:
    """Keep the gym's east door quiet for an hour."""
    said: dict[str, Any] = {"kind": "shelf", "keys": ["gym-east"], "author": REYES, "reason": "painters"}
    begins = changes.pop("starts_at", later(now))
    ends = changes.pop("ends_at", later(now + 3600))
    asked = Suppression(
        campus=campus.id,
        created_at=later(now),
        starts_at=begins,
        ends_at=ends,
        next_at=begins if begins > later(now) else None,
        **{**said, **changes},
    )
    if asked.next_at is None:
        asked = suppression.moved_on(asked, later(now))
    async with database.transaction() as session:
        return await quiet.suppress(session, asked, campus, later(now))


async def deeds(database: Database) -> list[tuple[str, str]]:
    async with database.reading() as session:
        return [(row.actor, row.action) for row in reversed(await audit.find(session))]


async def test_what_is_shelved_opens_counts_and_tells_nobody(database: Database, campus: Campus) -> None:
    await suppress(database, campus)
    alert = await take(database, campus, finding(), finding())
    assert (alert.suppressed, alert.count, alert.next_step_at) == ("shelved", 2, later(3600))
    for seconds in (60, 120, 300, 600):
        await step(database, campus, later(seconds))
    assert await told(database, alert.id) == []
    assert await happened(database, alert.id) == ["opened", "suppressed", "repeated"]
    async with database.reading() as session:
        line = (await store.timeline(session, alert.id))[1]
        assert await audit.verify(session) is None
    assert line.text == "reyes keeps it quiet until 09:00: painters"
    assert (REYES, "suppression.add") in await deeds(database)


async def test_an_open_alert_falls_silent_and_what_waits_is_taken_back(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    await suppress(database, campus, now=5)
    for seconds in (60, 120, 300):
        await step(database, campus, later(seconds))
    async with database.reading() as session:
        rows = await desk.outbox.of_alerts(session, [alert.id])
    assert [(row.state, row.reason) for row in rows] == [("cancelled", "reyes keeps it quiet until 09:00: painters")], (
        "not sent, and why"
    )


async def test_at_the_end_what_is_still_true_is_told_and_what_is_over_is_not(
    database: Database, campus: Campus
) -> None:
    await suppress(database, campus, keys=["gym-east", "main"])
    still = await take(database, campus, finding())
    gone = await take(database, campus, finding(key="main"))
    await take(database, campus, over(later(60), key="main"), now=later(60))
    await step(database, campus, later(3599))
    assert await told(database, still.id) == []
    await step(database, campus, later(3600))
    assert await told(database, still.id) == ["reyes-phone"]
    assert await told(database, gone.id) == []
    again, past = await look(database, still.id), await look(database, gone.id)
    assert (again.suppressed, past.suppressed, past.is_open) == (None, None, True), "severe waits to be seen"
    assert (await happened(database, gone.id))[-1] == "unsuppressed"
    assert ("hallwatch", "suppression.end") in await deeds(database)


async def test_whoever_has_it_is_asked_again_at_the_end(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        await desk.acknowledge(session, alert.id, who=DIAZ, now=later(5))
    await suppress(database, campus, now=10)
    await step(database, campus, later(1300))
    before = len(await told(database, alert.id))
    await step(database, campus, later(3610))
    assert set((await told(database, alert.id))[before:]) == {"diaz-phone", "reyes-phone"}


async def test_lifted_before_its_time_it_speaks_at_once(database: Database, campus: Campus) -> None:
    kept = await suppress(database, campus)
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        await quiet.lift(session, kept.id, who=DIAZ, campuses={campus.id: campus}, now=later(30))
    assert await told(database, alert.id) == ["reyes-phone"]
    async with database.transaction() as session:
        with pytest.raises(Conflict, match="diaz has ended it already"):
            await quiet.lift(session, kept.id, who=DIAZ, campuses={campus.id: campus}, now=later(31))


async def test_another_that_still_holds_keeps_it_quiet(database: Database, campus: Campus) -> None:
    await suppress(database, campus)
    await suppress(database, campus, kind="maintenance", ends_at=later(7200))
    alert = await take(database, campus, finding())
    await step(database, campus, later(3600))
    assert await told(database, alert.id) == []
    await step(database, campus, later(7200))
    assert await told(database, alert.id) == ["reyes-phone"]


async def test_what_is_extreme_breaks_through_until_a_second_person_says_so(database: Database, campus: Campus) -> None:
    kept = await suppress(database, campus)
    alert = await take(database, campus, extreme())
    assert "diaz-phone" in await told(database, alert.id)
    async with database.transaction() as session:
        with pytest.raises(Conflict, match="another person"):
            await quiet.second(session, kept.id, who=REYES, campuses={campus.id: campus}, now=later(10))
    async with database.transaction() as session:
        await quiet.second(session, kept.id, who=DIAZ, campuses={campus.id: campus}, now=later(10))
    before = len(await told(database, alert.id))
    await step(database, campus, later(300))
    assert len(await told(database, alert.id)) == before
    assert (await look(database, alert.id)).suppressed == "shelved"
    assert (DIAZ, "suppression.second") in await deeds(database)


async def test_a_shelved_alert_that_gets_worse_is_told(database: Database, campus: Campus) -> None:
    await suppress(database, campus)
    alert = await take(database, campus, finding())
    worse = await take(database, campus, finding(severity="extreme"), now=later(300))
    assert (worse.id, worse.suppressed) == (alert.id, None)
    assert "diaz-phone" in await told(database, alert.id)


async def test_a_new_opening_behind_a_shelf_is_quiet_too(database: Database, campus: Campus) -> None:
    await suppress(database, campus)
    alert = await take(database, campus, finding(), over(later(9)), finding(at=later(20)), now=later(20))
    assert (alert.opening, alert.suppressed) == (2, "shelved")
    assert await told(database, alert.id) == []


async def test_shortly_before_the_end_whoever_asked_and_whoever_is_on_duty_are_reminded(
    database: Database, campus: Campus
) -> None:
    kept = await suppress(database, campus, author=DIAZ)
    await step(database, campus, later(2999))
    async with database.reading() as session:
        assert await store.find(session, rule="suppression-ending") == []
    await step(database, campus, later(3000))
    async with database.reading() as session:
        [reminder] = await store.find(session, rule="suppression-ending")
    assert reminder.key == str(kept.id)
    assert reminder.text == "The shelf of gym-east by diaz ends at 09:00: painters"
    assert await told(database, reminder.id) == ["diaz-phone", "reyes-phone"]


async def test_a_supervised_door_is_quiet_while_its_window_is_open_and_no_longer(
    database: Database, campus: Campus
) -> None:
    window = {"kind": "supervised", "monitor": "diaz", "window": "arrival"}
    alert = await take(database, campus, finding())
    await suppress(database, campus, starts_at=later(30), ends_at=later(300), **window)
    assert (await look(database, alert.id)).suppressed is None, "the window is not open yet"
    await step(database, campus, later(30))
    assert (await look(database, alert.id)).suppressed == "shelved"
    before = len(await told(database, alert.id))
    await step(database, campus, later(299))
    assert len(await told(database, alert.id)) == before
    await step(database, campus, later(300))
    assert len(await told(database, alert.id)) > before


async def test_an_exercise_mutes_what_it_names_and_says_so(database: Database, campus: Campus) -> None:
    drill = {"kind": "exercise", "reason": "fire drill"}
    await suppress(database, campus, **drill, keys=[], rules=["door-held-open"])
    await suppress(database, campus, **drill, keys=[])
    named = await take(database, campus, finding())
    other = await take(database, campus, finding(rule="door-left-open", key="main"))
    grave = await take(database, campus, extreme(key="main"))
    assert [named.suppressed, other.suppressed, grave.suppressed] == ["exercise", None, None]


async def test_what_is_a_part_of_a_graver_alert_waits_for_its_end(database: Database, campus: Campus) -> None:
    whole = await take(database, campus, finding(rule="many-doors-open", key="lincoln", entity="campus"))
    part = await take(database, campus, finding(), now=later(10))
    assert part.suppressed == "inhibited"
    await step(database, campus, later(70))
    assert await told(database, part.id) == []
    await take(database, campus, over(later(80), rule="many-doors-open", key="lincoln"), now=later(80))
    await step(database, campus, later(131))
    assert await told(database, part.id) == ["reyes-phone"]
    assert whole.suppressed is None


async def test_members_that_were_open_before_go_on_no_further(database: Database, campus: Campus) -> None:
    part = await take(database, campus, finding())
    await take(database, campus, finding(rule="many-doors-open", key="lincoln", entity="campus"), now=later(30))
    await step(database, campus, later(60))
    assert (await look(database, part.id)).suppressed == "inhibited"
    assert await told(database, part.id) == ["reyes-phone"]


async def test_what_cannot_be_is_refused_with_the_field(database: Database, campus: Campus) -> None:
    with pytest.raises(BadInput, match="ends after 12 h at most"):
        await suppress(database, campus, ends_at=later(minutes=721))
    with pytest.raises(BadInput, match="name a time that is yet to come"):
        await suppress(database, campus, ends_at=START)
    async with database.reading() as session:
        assert await shelf.find(session) == []


async def test_every_suppression_that_holds_is_listed(database: Database, campus: Campus) -> None:
    first = await suppress(database, campus)
    second = await suppress(database, campus, now=10, kind="maintenance", ends_at=later(60))
    async with database.reading() as session:
        assert [each.id for each in await shelf.find(session, now=later(20))] == [second.id, first.id]
        assert [each.id for each in await shelf.find(session, now=later(60))] == [first.id]
        assert [each.id for each in await shelf.find(session)] == [second.id, first.id]
