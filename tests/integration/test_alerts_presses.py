"""What the buttons of a message do."""

from __future__ import annotations

from datetime import datetime

import pytest

from alerts import desk, presses, selftest
from alerts.buttons import Reply
from alerts.desk import Answer
from core import audit
from core.campus import Campus
from core.database import Database
from core.errors import Conflict
from tests.unit.alerts.making import deliveries, extreme, finding, happened, later, look, over, take


async def press(
    database: Database, campus: Campus, number: int, reply: Reply, *, who: str = "reyes", at: datetime | None = None
) -> Answer:
    now = at or later(5)
    generation = (await look(database, number)).generation
    async with database.transaction() as session:
        return await presses.press(
            session, number, reply, who=f"person:{who}", generation=generation, campus=campus, now=now
        )


async def test_on_it_and_on_scene_are_the_answers_of_the_desk(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    assert (await press(database, campus, alert.id, "ack")).text.endswith("is yours")
    assert (await press(database, campus, alert.id, "on-scene", who="diaz")).changed
    found = await look(database, alert.id)
    assert (found.acknowledged_by, found.on_scene_by) == ("person:reyes", "person:diaz")


async def test_known_takes_the_alert_and_says_that_nobody_needs_to_come(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    first = await press(database, campus, alert.id, "known")
    again = await press(database, campus, alert.id, "known", at=later(9))
    assert (first.changed, again.changed) == (True, False)
    assert (await look(database, alert.id)).acknowledged_by == "person:reyes"
    assert (await happened(database, alert.id)).count("known") == 1


async def test_somebody_else_may_know_about_what_is_taken(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    await press(database, campus, alert.id, "ack")
    assert (await press(database, campus, alert.id, "known", who="diaz")).changed
    assert (await look(database, alert.id)).acknowledged_by == "person:reyes"


async def test_help_calls_everybody_the_policy_names_but_not_who_asks(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    answer = await press(database, campus, alert.id, "help")
    called = {row.endpoint: row for row in await deliveries(database, alert.id) if row.kind == "help"}
    assert set(called) == {"diaz-phone", "okafor-phone"}
    assert all(row.due_at == later(5) and row.text == "reyes asks for help" for row in called.values())
    assert answer.text == "help is called: diaz, okafor"
    assert (await look(database, alert.id)).acknowledged_by == "person:reyes"


async def test_help_is_called_once_in_two_minutes_and_then_again(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    await press(database, campus, alert.id, "help")
    assert (await press(database, campus, alert.id, "help", at=later(60))).text == "help has been called already"
    assert len([row for row in await deliveries(database, alert.id) if row.kind == "help"]) == 2
    assert (await press(database, campus, alert.id, "help", at=later(minutes=3))).changed
    assert len([row for row in await deliveries(database, alert.id) if row.kind == "help"]) == 4


async def test_a_call_for_help_is_on_record_and_ends_with_the_alert(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    await press(database, campus, alert.id, "help")
    async with database.transaction() as session:
        rows = await audit.find(session, subject=f"alert:{alert.id}")
        assert ("person:reyes", "alert.help") in [(row.actor, row.action) for row in rows]
        await desk.resolve(session, alert.id, who="person:reyes", disposition="real", now=later(6))
    helped = [row for row in await deliveries(database, alert.id) if row.kind == "help"]
    assert {(row.state, row.reason) for row in helped} == {("cancelled", "the alert was closed")}


async def test_a_test_calls_nobody(database: Database, campus: Campus) -> None:
    async with database.transaction() as session:
        alert = await selftest.begin(session, campus, "reyes-phone", heard_at=later(), who="user:diaz", now=later(0.1))
    with pytest.raises(Conflict, match="calls nobody"):
        await press(database, campus, alert.id, "help")


@pytest.mark.parametrize("reply", ["ack", "on-scene", "known", "help"])
async def test_a_message_of_an_earlier_opening_answers_nothing(
    database: Database, campus: Campus, reply: Reply
) -> None:
    alert = await take(database, campus, extreme())
    await take(database, campus, over(later(10), rule="door-forced", severity="extreme"), now=later(10))
    await take(database, campus, extreme(at=later(20)), now=later(20))
    async with database.transaction() as session:
        with pytest.raises(Conflict, match="opened again"):
            await presses.press(
                session, alert.id, reply, who="person:reyes", generation=1, campus=campus, now=later(21)
            )


@pytest.mark.parametrize("reply", ["ack", "on-scene", "known", "help"])
async def test_what_is_closed_takes_no_answer(database: Database, campus: Campus, reply: Reply) -> None:
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        await desk.resolve(session, alert.id, who="person:diaz", disposition="false", now=later(1))
    with pytest.raises(Conflict, match="closed it"):
        await press(database, campus, alert.id, reply)
