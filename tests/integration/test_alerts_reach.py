"""The reach board: one line per person, and a number to call for whoever was not reached."""

from __future__ import annotations

from datetime import datetime

from alerts import desk, links, outbox, reach, telling
from alerts.outbox import State
from core.campus import Campus
from core.database import Database
from tests.campuses import LINCOLN, lincoln
from tests.unit.alerts.making import deliveries, extreme, finding, later, look, mark_sent, step, take


async def board(database: Database, campus: Campus, number: int, now: datetime) -> dict[str, tuple[str, str]]:
    alert = await look(database, number)
    async with database.reading() as session:
        rows = await outbox.of_alerts(session, [number])
        attempts = await outbox.attempts_of(session, [row.id for row in rows])
        sent = await links.of_alert(session, number)
    lines = reach.board(alert, rows, attempts, sent, telling.policy_of(alert), campus, now)
    return {line.person: (line.how, line.words) for line in lines}


async def sent(database: Database, number: int, state: State, *endpoints: str) -> None:
    rows = [row for row in await deliveries(database, number) if row.endpoint in endpoints]
    async with database.transaction() as session:
        await mark_sent(session, rows, state)


async def test_from_waiting_to_the_scene(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    assert (await board(database, campus, alert.id, later(1)))["reyes"] == ("waiting", "is being told")
    await sent(database, alert.id, "unknown", "reyes-phone")
    assert (await board(database, campus, alert.id, later(2)))["reyes"][0] == "perhaps"
    await sent(database, alert.id, "accepted", "reyes-sms", "diaz-phone")
    assert (await board(database, campus, alert.id, later(3)))["reyes"] == ("told", "told; no answer yet")
    async with database.transaction() as session:
        token = await links.make(
            session, alert=alert.id, person="reyes", endpoint="reyes-phone", generation=1, now=later()
        )
        await links.note_opened(session, token, later(4))
    assert (await board(database, campus, alert.id, later(4)))["reyes"][0] == "opened"
    async with database.transaction() as session:
        await desk.acknowledge(session, alert.id, who="person:reyes", now=later(5))
    found = await board(database, campus, alert.id, later(5))
    assert (found["reyes"], found["diaz"][0]) == (("acknowledged", "has it"), "told")
    async with database.transaction() as session:
        await desk.on_scene(session, alert.id, who="person:reyes", now=later(6))
    assert (await board(database, campus, alert.id, later(6)))["reyes"] == ("on_scene", "on the scene")


async def test_who_was_not_reached_comes_with_a_number_to_call(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    await sent(database, alert.id, "refused", "reyes-phone", "reyes-sms", "diaz-phone")
    found = await board(database, campus, alert.id, later(1))
    assert found["reyes"] == ("not_reached", "NOT REACHED: call 555-0100")
    assert found["diaz"] == ("not_reached", "NOT REACHED: no telephone number is known")


async def test_somebody_without_any_endpoint_is_on_the_board_once_their_step_has_come(database: Database) -> None:
    people = [{**each, "endpoints": [] if each["id"] == "okafor" else each["endpoints"]} for each in LINCOLN["people"]]
    campus = lincoln(people=people)
    alert = await take(database, campus, extreme())
    assert "okafor" not in await board(database, campus, alert.id, later(59))
    await step(database, campus, later(60))
    assert (await board(database, campus, alert.id, later(60)))["okafor"][0] == "not_reached"


async def test_what_was_not_needed_says_why(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        await desk.acknowledge(session, alert.id, who="person:diaz", now=later(1))
    found = await board(database, campus, alert.id, later(2))
    assert found["reyes"] == ("not_reached", "not told: diaz has it")
    assert found["diaz"][0] == "acknowledged"


async def test_where_two_must_have_seen_it_both_are_on_the_board_as_such(database: Database) -> None:
    two = {"id": "extreme", "steps": [{"notify": ["role:sro", "role:admin"], "acks": 2}]}
    campus = lincoln(policies=[two])
    alert = await take(database, campus, extreme())
    for number, who in enumerate(("reyes", "diaz")):
        async with database.transaction() as session:
            await desk.acknowledge(session, alert.id, who=f"person:{who}", now=later(number))
    found = await board(database, campus, alert.id, later(5))
    assert (found["reyes"], found["diaz"]) == (("acknowledged", "has it"), ("acknowledged", "has seen it, too"))
