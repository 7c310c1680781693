"""What people answer, and what follows from it."""

from __future__ import annotations

import asyncio

import pytest

from alerts import desk, outbox, store
from alerts.desk import Answer
from core import audit
from core.campus import Campus
from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from tests.unit.alerts.making import (
    deliveries,
    extreme,
    finding,
    happened,
    later,
    look,
    mark_sent,
    over,
    step,
    take,
    told,
)

REYES, DIAZ = "person:reyes", "person:diaz"


async def acknowledge(database: Database, number: int, who: str = REYES, seconds: float = 5) -> Answer:
    async with database.transaction() as session:
        return await desk.acknowledge(session, number, who=who, now=later(seconds))


async def deeds(database: Database, number: int) -> list[tuple[str, str]]:
    async with database.reading() as session:
        found = await audit.find(session, subject=f"alert:{number}")
    return [(row.actor, row.action) for row in reversed(found)]


async def test_whoever_acknowledges_has_it_and_what_waits_is_taken_back(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    answer = await acknowledge(database, alert.id)
    assert (answer.changed, answer.text) == (True, f"{alert.code} is yours")
    assert (answer.alert.acknowledged_by, answer.alert.acknowledged_at) == (REYES, later(5))
    assert [(row.state, row.reason) for row in await deliveries(database, alert.id)] == [("cancelled", "reyes has it")]


async def test_a_second_acknowledgement_says_the_same_and_leaves_one_audit_row(
    database: Database, campus: Campus
) -> None:
    alert = await take(database, campus, finding())
    first = await acknowledge(database, alert.id)
    second = await acknowledge(database, alert.id, seconds=9)
    assert second.text == first.text
    assert not second.changed
    assert second.alert.acknowledged_at == later(5)
    assert (await deeds(database, alert.id)).count((REYES, "alert.acknowledge")) == 1


async def test_somebody_else_hears_who_has_it(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    await acknowledge(database, alert.id)
    assert (await acknowledge(database, alert.id, DIAZ)).text == f"{alert.code} is already taken by reyes"


async def test_of_two_at_the_same_instant_exactly_one_has_it(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    answers = await asyncio.gather(*(acknowledge(database, alert.id, who) for who in (REYES, DIAZ) * 5))
    assert [answer.changed for answer in answers].count(True) == 1
    winner = next(answer.alert.acknowledged_by for answer in answers if answer.changed)
    assert {answer.alert.acknowledged_by for answer in answers} == {winner}
    assert (await deeds(database, alert.id)).count((str(winner), "alert.acknowledge")) == 1
    async with database.reading() as session:
        assert await audit.verify(session) is None


async def test_an_answer_to_an_earlier_opening_answers_nothing(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    await take(database, campus, over(later(20), rule="door-forced"), now=later(20))
    await take(database, campus, extreme(at=later(40)), now=later(40))
    async with database.transaction() as session:
        with pytest.raises(Conflict, match="has opened again since"):
            await desk.acknowledge(session, alert.id, who=REYES, now=later(50), generation=1)
        latest = (await store.get(session, alert.id)).generation
        answer = await desk.acknowledge(session, alert.id, who=REYES, now=later(50), generation=latest)
    assert answer.changed


async def test_on_scene_takes_it_and_says_who_is_there_already(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        first = await desk.on_scene(session, alert.id, who=REYES, now=later(30))
        again = await desk.on_scene(session, alert.id, who=REYES, now=later(31))
        other = await desk.on_scene(session, alert.id, who=DIAZ, now=later(32))
    assert (first.alert.acknowledged_by, first.alert.on_scene_by) == (REYES, REYES)
    assert (again.text, other.text) == ("You are on scene", "reyes is on scene")
    assert first.alert.next_step_at is None
    assert await happened(database, alert.id) == ["opened", "notify", "on_scene"]


async def test_a_person_resolves_with_a_disposition(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    async with database.transaction() as session:
        answer = await desk.resolve(session, alert.id, who=REYES, disposition="nuisance", note="wind", now=later(70))
    assert (answer.alert.disposition, answer.alert.note, answer.alert.is_open) == ("nuisance", "wind", False)
    assert (await deeds(database, alert.id))[-1] == (REYES, "alert.resolve")
    assert {row.state for row in await deliveries(database, alert.id)} == {"cancelled"}


async def test_pressing_resolve_twice_is_no_error_and_contradicting_it_is(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    async with database.transaction() as session:
        await desk.resolve(session, alert.id, who=REYES, disposition="real", now=later(70))
        again = await desk.resolve(session, alert.id, who=REYES, disposition="real", now=later(71))
        assert not again.changed
        with pytest.raises(Conflict, match="reyes closed it as real"):
            await desk.resolve(session, alert.id, who=REYES, disposition="false", now=later(72))
        with pytest.raises(Conflict):
            await desk.acknowledge(session, alert.id, who=DIAZ, now=later(72))
    assert (await deeds(database, alert.id)).count((REYES, "alert.resolve")) == 1


async def test_those_who_were_told_hear_that_it_is_over(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    async with database.transaction() as session:
        await mark_sent(session, await outbox.of_alerts(session, [alert.id]))
        await desk.resolve(session, alert.id, who=REYES, disposition="false", now=later(70))
    cancels = [row for row in await deliveries(database, alert.id) if row.kind == "cancel"]
    assert [(row.endpoint, row.state, row.msg_type) for row in cancels] == [("diaz-phone", "pending", "Cancel")]


async def test_what_is_less_than_severe_ends_without_another_word(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding(severity="moderate"))
    async with database.transaction() as session:
        await mark_sent(session, await outbox.of_alerts(session, [alert.id]))
        await desk.resolve(session, alert.id, who=DIAZ, disposition="false", now=later(70))
    assert await told(database, alert.id) == ["reyes-phone"]


async def test_a_correction_reaches_exactly_those_who_got_the_first_message(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    async with database.transaction() as session:
        rows = await outbox.of_alerts(session, [alert.id])
        await mark_sent(session, rows[:1])
        await mark_sent(session, rows[1:2], "unknown")
        await mark_sent(session, rows[2:], "refused")
        answer = await desk.correct(session, alert.id, who=DIAZ, text="It was door 8", now=later(30))
    assert answer.text == "sent to reyes"
    sent = [row for row in await deliveries(database, alert.id) if row.kind == "correction"]
    assert [(row.endpoint, row.text) for row in sent] == [
        ("reyes-phone", "It was door 8"),
        ("reyes-sms", "It was door 8"),
    ]


async def test_several_corrections_are_all_sent(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        await mark_sent(session, await outbox.of_alerts(session, [alert.id]))
        for text in ("It was door 8", "It was door 9"):
            await desk.correct(session, alert.id, who=DIAZ, text=text, now=later(30))
    sent = [row.text for row in await deliveries(database, alert.id) if row.kind == "correction"]
    assert sent == ["It was door 8", "It was door 9"]


async def test_where_nobody_was_told_there_is_nobody_to_correct(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding(exercise="test"))
    async with database.transaction() as session:
        answer = await desk.correct(session, alert.id, who=DIAZ, text="It was door 8", now=later(30))
    assert "nobody had been told" in answer.text


async def test_notes_stand_in_the_timeline_also_after_the_close(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        await desk.resolve(session, alert.id, who=REYES, disposition="real", now=later(70))
        await desk.note(session, alert.id, who=DIAZ, text="Parent called", now=later(80))
        line = (await store.timeline(session, alert.id))[-1]
    assert (line.event, line.who, line.text) == ("note", DIAZ, "Parent called")
    with pytest.raises(BadInput, match="text: is required"):
        async with database.transaction() as session:
            await desk.note(session, alert.id, who=DIAZ, text="  ", now=later(80))
    with pytest.raises(BadInput, match="longer than 2000"):
        async with database.transaction() as session:
            await desk.note(session, alert.id, who=DIAZ, text="x" * 2001, now=later(80))


async def test_an_alert_that_does_not_exist_is_not_found(database: Database) -> None:
    async with database.transaction() as session:
        with pytest.raises(NotFound, match="there is no alert 99"):
            await desk.acknowledge(session, 99, who=REYES, now=later(1))


async def test_a_ladder_after_the_acknowledgement_calls_again(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding(severity="moderate"))
    await acknowledge(database, alert.id)
    await take(database, campus, finding(severity="severe"), now=later(60))
    assert (await look(database, alert.id)).acknowledged_by is None
    await step(database, campus, later(120))
    assert (await told(database, alert.id))[-1] == "reyes-sms"
