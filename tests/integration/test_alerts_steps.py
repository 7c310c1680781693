"""Escalation: what follows by the clock while nobody answers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from alerts import desk, escalation, store
from alerts.book import Book, Entry
from core.campus import Campus
from core.database import Database
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.alerts.making import deliveries, extreme, finding, happened, later, look, over, step, take, told


async def acknowledge(database: Database, number: int, seconds: float = 5, who: str = "person:reyes") -> None:
    async with database.transaction() as session:
        await desk.acknowledge(session, number, who=who, now=later(seconds))


async def test_severe_goes_on_to_texts_the_backup_and_administrators(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    heard = []
    for seconds in (59, 60, 120, 299, 300, 600):
        before = len(await told(database, alert.id))
        await step(database, campus, later(seconds))
        heard.append((await told(database, alert.id))[before:])
    assert heard == [
        [],
        ["reyes-sms"],
        ["reyes-phone"],
        [],
        ["diaz-phone", "okafor-phone"],
        ["reyes-phone", "reyes-sms"],
    ]
    assert (await look(database, alert.id)).next_step_at is None


async def test_extreme_tells_again_every_minute_without_end(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    for minute in range(1, 31):
        assert await step(database, campus, later(minutes=minute)) == 1
    rows = await deliveries(database, alert.id)
    assert len({(row.generation, row.step) for row in rows}) == 31
    assert (await look(database, alert.id)).next_step_at == later(minutes=31)


async def test_steps_missed_while_we_were_away_come_at_once_in_their_order(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    assert await step(database, campus, later(310)) == 3
    assert [row.step for row in await deliveries(database, alert.id)] == [0, 1, 2, 3, 3]


async def test_an_acknowledgement_stops_the_steps_but_the_one_that_waits_for_somebody_on_scene(
    database: Database, campus: Campus
) -> None:
    alert = await take(database, campus, finding())
    await acknowledge(database, alert.id)
    for seconds in (60, 120, 300):
        assert await step(database, campus, later(seconds)) == 0
    assert await step(database, campus, later(600)) == 1
    assert [row.kind for row in await deliveries(database, alert.id)][-1] == "reminder"


async def test_taken_but_still_true_after_the_timeout_tells_again(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    await acknowledge(database, alert.id, who="person:okafor")
    assert await step(database, campus, later(6)) == 1, "it is looked whether they are on a shift; they are not"
    assert await step(database, campus, later(304)) == 0
    before = len(await told(database, alert.id))
    assert await step(database, campus, later(305)) == 1
    again = (await deliveries(database, alert.id))[before:]
    assert "okafor" in {row.person for row in again}, "whoever has it is told first of all"
    assert {row.kind for row in again} == {"reminder"}
    assert await step(database, campus, later(605)) == 1, "and again"


async def test_being_on_scene_or_over_ends_the_reminders(database: Database, campus: Campus) -> None:
    there = await take(database, campus, extreme())
    gone = await take(database, campus, extreme(key="main"))
    await acknowledge(database, there.id)
    await acknowledge(database, gone.id)
    async with database.transaction() as session:
        await desk.on_scene(session, there.id, who="person:reyes", now=later(60))
    await take(database, campus, over(later(90), rule="door-forced", key="main"), now=later(90))
    before = len(await deliveries(database, there.id, gone.id))
    await step(database, campus, later(400))
    assert len(await deliveries(database, there.id, gone.id)) == before


async def test_recipients_are_those_on_duty_when_the_step_comes(database: Database, campus: Campus) -> None:
    # 11:29:30 on the wall: Reyes is on duty; half a minute later the lunch break begins, and Diaz stands in.
    noon = later(minutes=209.5)
    alert = await take(database, campus, finding(at=noon), now=noon)
    await step(database, campus, later(minutes=210.5))
    assert [row.person for row in await deliveries(database, alert.id)] == ["reyes", "diaz"]


async def test_a_closed_alert_has_no_steps(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    async with database.transaction() as session:
        await desk.resolve(session, alert.id, who="person:reyes", disposition="real", now=later(9))
    before = len(await told(database, alert.id))
    for minute in range(1, 5):
        assert await step(database, campus, later(minutes=minute)) == 0
    assert len(await told(database, alert.id)) == before


async def test_a_policy_of_the_campus_is_followed(database: Database) -> None:
    steps = [
        {"notify": ["person:diaz"], "until": "resolve", "repeat": 30},
        {"after": 45, "notify": ["person:okafor"], "via": ["push"]},
    ]
    own = lincoln(policies=[{"id": "severe", "steps": steps}])
    alert = await take(database, own, finding())
    await acknowledge(database, alert.id)
    for seconds in (30, 45, 60):
        await step(database, own, later(seconds))
    assert await told(database, alert.id) == ["diaz-phone"] * 3, "until it is resolved, acknowledged or not"


async def test_what_is_grave_waits_neither_for_company_nor_for_the_morning(database: Database) -> None:
    sleepy = {"steps": [{"notify": ["person:diaz"]}], "group": "10m", "quiet": True}
    own = lincoln(policies=[{"id": "extreme", **sleepy}, {"id": "moderate", **sleepy}])
    night = later(minutes=900)
    grave = await take(database, own, extreme(at=night), now=night)
    small = await take(database, own, finding(severity="moderate", at=night), now=night)
    assert [row.due_at for row in await deliveries(database, grave.id)] == [night]
    [waiting] = await deliveries(database, small.id)
    assert waiting.due_at == later(minutes=22.5 * 60), "half past six the next morning"


async def test_an_alert_of_a_campus_that_is_gone_reaches_nobody_and_breaks_nothing(
    database: Database, campus: Campus
) -> None:
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        await desk.steps_due(session, {}, later(60))
    assert await told(database, alert.id) == ["reyes-phone"]
    assert "coverage_gap" in await happened(database, alert.id)


async def test_steps_left_lying_are_taken_up_again(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        assert await store.late(session, later(60)) == []
        assert await store.late(session, later(63)) == [alert.id]
        await desk.restart(session, [alert.id], {campus.id: campus}, later(63))
        assert await store.late(session, later(63)) == []
    assert (await happened(database, alert.id))[-2:] == ["restarted", "notify"]


async def test_an_alert_whose_policy_never_began_is_found_and_begun(database: Database, campus: Campus) -> None:
    whole = await take(database, campus, finding())
    async with database.transaction() as session:
        lost = replace(whole, key="lost", code="Z9-99", generation=0, noticed_at=None, next_step_at=None)
        [number] = await store.add(session, [lost])
        assert await store.forgotten(session, later(2)) == [number]
        await desk.restart(session, [number], {campus.id: campus}, later(2))
        assert await store.forgotten(session, later(9)) == []
    assert await told(database, number) == ["reyes-phone"]


async def test_times_are_those_of_the_opening(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding(at=START), now=later(2))
    async with database.reading() as session:
        waiting = (await store.waiting_steps(session, [alert.id]))[alert.id]
        assert await store.next_step_at(session) == later(62)
    assert [each.due_at for each in waiting] == [later(2 + after) for after in (60, 120, 300, 600)]


async def test_a_kept_policy_that_cannot_be_read_any_more_is_stood_in_for(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        await store.change(session, [replace(alert, policy={"id": "severe", "steps": [{"whom": ["nobody"]}]})])
    assert await step(database, campus, later(60)) == 1
    assert await told(database, alert.id) == ["reyes-phone", "reyes-sms"]


async def test_one_alert_that_cannot_go_on_holds_up_no_other(
    database: Database, campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = await take(database, campus, finding(key="bad"))
    good = await take(database, campus, finding(key="good"))
    whole = escalation.fire_due

    def sometimes(book: Book, entry: Entry) -> int:
        if entry.alert.id == bad.id:
            raise RuntimeError("a defect")
        return whole(book, entry)

    monkeypatch.setattr(escalation, "fire_due", sometimes)
    assert await step(database, campus, later(60)) == 1
    assert await told(database, good.id) == ["reyes-phone", "reyes-sms"]
    monkeypatch.undo()
    assert await step(database, campus, later(69)) == 0
    assert await step(database, campus, later(70)) == 1, "it is tried again a little later"
    assert await told(database, bad.id) == ["reyes-phone", "reyes-sms"]
