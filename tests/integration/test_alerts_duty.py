"""People at the desk: several must acknowledge, two at once, handing over, floods, what was closed too early."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts import answers, desk, flood, handover, outbox, store
from alerts.answers import Answer
from core import audit
from core.campus import Campus
from core.database import Database
from core.errors import BadInput, Conflict
from tests.campuses import LINCOLN, lincoln
from tests.unit.alerts.making import deliveries, extreme, finding, happened, later, look, over, step, take, told

REYES, DIAZ, OKAFOR = "person:reyes", "person:diaz", "person:okafor"
TWO = {
    "id": "extreme",
    "steps": [
        {"notify": ["role:sro", "role:admin"], "acks": 2},
        {"after": 60, "notify": ["role:sro", "role:admin", "role:principal"], "acks": 2, "repeat": 60},
    ],
}


async def acknowledge(database: Database, number: int, who: str, seconds: float = 5) -> Answer:
    async with database.transaction() as session:
        return await desk.acknowledge(session, number, who=who, now=later(seconds))


async def test_of_two_who_take_it_at_the_same_instant_one_has_it_and_the_other_is_told_who(
    database: Database, campus: Campus
) -> None:
    alert = await take(database, campus, extreme())
    first, second = await asyncio.gather(*(acknowledge(database, alert.id, who) for who in (REYES, DIAZ)))
    winner, other = (first, second) if first.changed else (second, first)
    assert (winner.changed, other.changed) == (True, False)
    holder = (await look(database, alert.id)).acknowledged_by
    assert winner.alert.acknowledged_by == other.alert.acknowledged_by == holder
    assert other.text == f"{alert.code} is already taken by {str(holder).partition(':')[2]}"
    async with database.reading() as session:
        deeds = [row.action for row in await audit.find(session, subject=f"alert:{alert.id}")]
    assert deeds.count("alert.acknowledge") == 1
    assert (await happened(database, alert.id)).count("acknowledged") == 1


async def test_where_two_must_have_seen_it_one_does_not_stop_the_steps(database: Database) -> None:
    own = lincoln(policies=[TWO])
    alert = await take(database, own, extreme())
    assert (await acknowledge(database, alert.id, REYES)).text == f"{alert.code} is yours"
    before = len(await told(database, alert.id))
    await step(database, own, later(60))
    again = (await deliveries(database, alert.id))[before:]
    assert {row.person for row in again} == {"diaz", "okafor"}, "whoever has seen it is not told again"
    second = await acknowledge(database, alert.id, DIAZ, 70)
    assert second.changed
    assert second.text == f"{alert.code} is already taken by reyes; you are number 2 of 2"
    before = len(await told(database, alert.id))
    await step(database, own, later(121))
    assert len(await told(database, alert.id)) == before
    third = await acknowledge(database, alert.id, OKAFOR, 130)
    assert (third.changed, third.alert.acknowledgers) == (False, [REYES, DIAZ])


async def test_what_one_has_seen_is_taken_back_only_when_enough_have(database: Database) -> None:
    own = lincoln(policies=[TWO])
    alert = await take(database, own, extreme())
    await acknowledge(database, alert.id, REYES)
    assert {row.state for row in await deliveries(database, alert.id)} == {"pending"}
    await acknowledge(database, alert.id, DIAZ)
    assert {(row.state, row.reason) for row in await deliveries(database, alert.id)} == {("cancelled", "diaz has it")}


async def test_a_policy_edited_in_the_middle_is_not_that_of_the_open_alert(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    edited = lincoln(policies=[{"id": "severe", "version": 2, "steps": [{"notify": ["person:okafor"]}]}])
    await step(database, edited, later(60))
    assert await told(database, alert.id) == ["reyes-phone", "reyes-sms"]
    other = await take(database, edited, finding(key="main"), now=later(70))
    assert await told(database, other.id) == ["okafor-phone"]
    assert [each.policy["version"] for each in (await look(database, alert.id), other)] == [1, 2]


# 15:30 in Chicago, the end of Officer Reyes's shift, is seven and a half hours after the start.
SHIFT_END = 7.5 * 3600


async def test_whoever_goes_off_shift_with_an_extreme_alert_loses_it_and_others_are_told(
    database: Database, campus: Campus
) -> None:
    alert = await take(database, campus, extreme(at=later(SHIFT_END - 60)), now=later(SHIFT_END - 60))
    await acknowledge(database, alert.id, REYES, SHIFT_END - 50)
    await step(database, campus, later(SHIFT_END - 49))
    before = len(await told(database, alert.id))
    await step(database, campus, later(SHIFT_END))
    assert (await look(database, alert.id)).acknowledged_by is None
    assert "diaz-phone" in (await told(database, alert.id))[before:]
    assert "handover" in await happened(database, alert.id)
    async with database.reading() as session:
        assert "alert.lapse" in {row.action for row in await audit.find(session, subject=f"alert:{alert.id}")}


async def test_handed_over_before_it_stays_taken_and_the_next_one_is_told(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    await acknowledge(database, alert.id, REYES)
    before = len(await told(database, alert.id))
    async with database.transaction() as session:
        answer = await handover.hand_over(
            session, alert.id, who=REYES, to="diaz", campuses={campus.id: campus}, now=later(60)
        )
    assert answer.text == f"{alert.code} is in the hands of Ms. Diaz"
    assert (await told(database, alert.id))[before:] == ["diaz-phone"]
    await step(database, campus, later(SHIFT_END + 1))
    assert (await look(database, alert.id)).acknowledged_by == DIAZ


async def test_nobody_goes_off_early_with_an_extreme_alert(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    await acknowledge(database, alert.id, REYES)

    async def go(to: str | None) -> list[Any]:
        async with database.transaction() as session:
            return list(await handover.go_off(session, "reyes", campus=campus, who=REYES, to=to, now=later(60)))

    with pytest.raises(Conflict, match=rf"reyes has {alert.code}, extreme and open: say who takes over"):
        await go(None)
    with pytest.raises(BadInput, match="somebody else"):
        await go("reyes")
    with pytest.raises(BadInput, match="no person 'dias'; did you mean 'diaz'"):
        await go("dias")
    assert [each.acknowledged_by for each in await go("diaz")] == [DIAZ]
    assert await go(None) == [], "nothing is left in their hands"


async def test_what_is_nobodys_cannot_be_handed_over(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    async with database.transaction() as session:
        with pytest.raises(Conflict, match="is nobody's"):
            await handover.hand_over(
                session, alert.id, who=REYES, to="diaz", campuses={campus.id: campus}, now=later(60)
            )


async def test_who_replaces_somebody_for_once_is_told(database: Database) -> None:
    sick = {"person": "reyes", "cover": "okafor", "start": "2026-11-24T07:30", "end": "2026-11-24T12:00"}
    away = lincoln(overrides=[sick])
    alert = await take(database, away, finding())
    assert await told(database, alert.id) == ["okafor-phone"]


async def test_in_a_flood_what_is_small_comes_in_a_digest_and_what_is_grave_at_once(
    database: Database, campus: Campus
) -> None:
    small = [finding(severity="moderate", key=f"door-{number}") for number in range(12)]
    for each in small:
        await take(database, campus, each)
    async with database.reading() as session:
        rows = await outbox.find(session)
        assert [each.person for each in await flood.floods(session, "lincoln", later(1))] == ["reyes"]
    lanes = [(row.lane, row.due_at) for row in reversed(rows)]
    assert lanes == [("normal", later(30))] * 10 + [("bulk", later(600))] * 2
    grave = await take(database, campus, extreme(), now=later(1))
    severe = await take(database, campus, finding(key="main"), now=later(1))
    for alert in (grave, severe):
        assert {(row.lane, row.due_at) for row in await deliveries(database, alert.id)} == {("critical", later(1))}
    calm = await take(database, campus, finding(severity="moderate", key="later"), now=later(700))
    assert [row.lane for row in await deliveries(database, calm.id)] == ["normal"], "the flood is over"


async def test_what_chatters_is_told_again_once_it_has_been_true_for_a_minute(
    database: Database, campus: Campus
) -> None:
    for seconds in (0, 20, 40):
        alert = await take(database, campus, finding(at=later(seconds)), now=later(seconds))
        if seconds < 40:
            await take(database, campus, over(later(seconds + 9)), now=later(seconds + 9))
    assert alert.suppressed == "chattering"
    before = len(await told(database, alert.id))
    await step(database, campus, later(99))
    assert len(await told(database, alert.id)) == before
    await step(database, campus, later(100))
    assert (await told(database, alert.id))[before:] == ["reyes-phone"]
    assert (await look(database, alert.id)).suppressed is None


async def test_what_chatters_and_is_over_again_tells_nobody(database: Database, campus: Campus) -> None:
    for seconds in (0, 20, 40):
        await take(database, campus, finding(at=later(seconds)), now=later(seconds))
        alert = await take(database, campus, over(later(seconds + 9)), now=later(seconds + 9))
    before = len(await told(database, alert.id))
    await step(database, campus, later(200))
    assert len(await told(database, alert.id)) == before


async def test_what_is_extreme_never_waits_however_it_chatters(database: Database, campus: Campus) -> None:
    for seconds in (0, 20, 40):
        alert = await take(database, campus, extreme(at=later(seconds)), now=later(seconds))
        before = await deliveries(database, alert.id)
        await take(
            database, campus, over(later(seconds + 9), rule="door-forced", severity="extreme"), now=later(seconds + 9)
        )
        assert before[-1].created_at == later(seconds)


async def test_what_is_true_for_more_than_a_day_is_marked_as_stale(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    await acknowledge(database, alert.id, REYES)
    async with database.transaction() as session:
        await desk.on_scene(session, alert.id, who=REYES, now=later(6))
    async with database.reading() as session:
        assert await store.next_step_at(session) == later(minutes=24 * 60)
    await step(database, campus, later(minutes=24 * 60))
    assert (await look(database, alert.id)).stale
    assert (await happened(database, alert.id))[-1] == "stale"
    async with database.reading() as session:
        assert await store.next_step_at(session) is None


async def reopen(database: Database, campus: Campus, number: int, seconds: float = 60) -> Answer:
    async with database.transaction() as session:
        return await answers.reopen(
            session, number, who=DIAZ, reason="it is still open", campuses={campus.id: campus}, now=later(seconds)
        )


async def test_what_was_closed_too_early_is_opened_again_under_a_new_number(database: Database, campus: Campus) -> None:
    first = await take(database, campus, finding())
    async with database.transaction() as session:
        await desk.resolve(session, first.id, who=REYES, disposition="false", now=later(30))
    answer = await reopen(database, campus, first.id)
    again = answer.alert
    assert (again.previous, again.is_active, again.latched, again.is_acknowledged) == (first.id, True, True, False)
    assert await told(database, again.id) == ["reyes-phone"]
    assert "reopened" in await happened(database, first.id)
    assert (await look(database, first.id)).disposition == "false"
    with pytest.raises(Conflict, match=f"{again.code} is open for the same already"):
        await reopen(database, campus, first.id)
    with pytest.raises(Conflict, match="is open"):
        await reopen(database, campus, again.id)


async def test_a_closed_alert_learns_when_it_was_really_over(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        await desk.resolve(session, alert.id, who=REYES, disposition="real", now=later(30))
        assert await desk.handle_all(session, [over(later(90))], {campus.id: campus}, now=later(90)) == [None]
    closed = await look(database, alert.id)
    assert (closed.condition, closed.cleared_at, closed.closed_at) == ("cleared", later(90), later(30))


async def test_nobody_on_shift_and_nobody_with_an_endpoint_is_on_record(database: Database) -> None:
    mute = lincoln(people=[{**each, "endpoints": []} for each in LINCOLN["people"]])
    alert = await take(database, mute, extreme())
    assert await told(database, alert.id) == []
    async with database.reading() as session:
        gaps = [each for each in await store.timeline(session, alert.id) if each.event == "coverage_gap"]
    assert gaps[0].text == "Step 1 reaches nobody (shift:on_duty, role:admin): nobody of them can be reached now"
    assert len(gaps) == 3, "each step gave way to the next at once"


# Saturday evening: the campus is closed, and Principal Okafor is on call until Monday, 6:30.
EVENING = datetime(2026, 11, 29, 2, 40, tzinfo=UTC)
MONDAY = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)


async def taken_on_call(database: Database, campus: Campus) -> int:
    alert = await take(database, campus, extreme(at=EVENING), now=EVENING)
    async with database.transaction() as session:
        await desk.acknowledge(session, alert.id, who=OKAFOR, now=EVENING)
    await step(database, campus, EVENING)
    return alert.id


async def test_whoever_takes_it_on_call_loses_it_when_somebody_is_on_site_again(
    database: Database, campus: Campus
) -> None:
    number = await taken_on_call(database, campus)
    await step(database, campus, MONDAY - timedelta(seconds=1))
    assert (await look(database, number)).acknowledged_by == OKAFOR, "the weekend is one time on call"
    before = len(await told(database, number))
    await step(database, campus, MONDAY)
    assert (await look(database, number)).acknowledged_by is None
    assert "diaz-phone" in (await told(database, number))[before:]
    async with database.reading() as session:
        said = [each.text for each in await store.timeline(session, number) if each.event == "handover"]
    assert said == ["Principal Okafor is off duty and did not hand it over: it is nobody's again"]


async def test_whose_own_shift_follows_the_time_on_call_keeps_it(database: Database) -> None:
    shift = {"person": "okafor", "days": ["mon"], "at": "06:00-14:00"}
    campus = lincoln(shifts=[*LINCOLN["shifts"], shift])
    number = await taken_on_call(database, campus)
    await step(database, campus, MONDAY)
    assert (await look(database, number)).acknowledged_by == OKAFOR
    await step(database, campus, MONDAY + timedelta(hours=8))
    assert (await look(database, number)).acknowledged_by is None


async def test_handed_over_before_the_time_on_call_ends_it_stays_taken(database: Database, campus: Campus) -> None:
    number = await taken_on_call(database, campus)
    async with database.transaction() as session:
        given = await handover.go_off(session, "okafor", campus=campus, who=OKAFOR, to="reyes", now=EVENING)
    assert [each.id for each in given] == [number]
    await step(database, campus, MONDAY)
    assert (await look(database, number)).acknowledged_by == REYES
