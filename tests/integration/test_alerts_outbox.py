"""The outbox: claims are leases, nothing is there twice, nothing is lost."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from alerts import outbox
from alerts.outbox import DeliveryRow, Result
from core.database import Database
from tests.conftest import START
from tests.unit.alerts.making import later

LEASE = timedelta(seconds=30)


def row(number: int, **changes: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "alert": number,
        "campus": "lincoln",
        "generation": 1,
        "step": 0,
        "tier": 0,
        "person": "reyes",
        "endpoint": f"phone-{number}",
        "via": "push",
        "lane": "critical",
        "kind": "alert",
        "priority": 2,
        "until": "ack",
        "msg_type": "Alert",
        "company": "",
        "text": "",
        "state": "pending",
        "due_at": START,
        "expires_at": later(3600),
        "attempts": 0,
        "reason": "",
        "created_at": START,
    }
    return {**said, **changes}


async def post(database: Database, *rows: dict[str, Any]) -> list[DeliveryRow]:
    async with database.transaction() as session:
        return await outbox.post(session, rows)


async def claim(database: Database, now: datetime = START, *, limit: int = 100, **how: Any) -> list[DeliveryRow]:
    async with database.transaction() as session:
        return await outbox.claim_due(session, "critical", now, limit=limit, lease=LEASE, **how)


async def test_the_same_step_of_the_same_round_is_there_once(database: Database) -> None:
    first = await post(database, row(1), row(2))
    again = await post(database, row(1), row(1, generation=2), row(1, step=1))
    assert [each.alert for each in first] == [1, 2]
    assert [(each.generation, each.step) for each in again] == [(2, 0), (1, 1)]


async def test_a_claim_is_a_lease_and_is_due_again_when_it_ends(database: Database) -> None:
    await post(database, row(1))
    [held] = await claim(database)
    assert (held.state, held.attempts, held.due_at) == ("leased", 1, later(30))
    assert await claim(database, later(29)) == []
    [again] = await claim(database, later(30))
    assert (again.id, again.attempts) == (held.id, 2)


async def test_two_couriers_never_claim_the_same_row(database: Database) -> None:
    await post(database, *(row(number) for number in range(40)))
    numbers: list[int] = []

    async def work() -> None:
        while claimed := await claim(database, limit=3):
            numbers.extend(each.id for each in claimed)

    await asyncio.gather(*(work() for _ in range(6)))
    await work()
    assert len(numbers) == len(set(numbers)) == 40


async def test_the_gravest_goes_first_then_the_longest_due(database: Database) -> None:
    rows = [row(1, priority=2), row(2, priority=3, due_at=later(-1)), row(3, priority=3, due_at=later(-5))]
    await post(database, *rows, row(4, due_at=later(1)), row(5, lane="bulk"))
    assert [each.alert for each in await claim(database, limit=1)] == [3]
    assert sorted(each.alert for each in await claim(database)) == [1, 2]


async def test_one_endpoint_takes_only_its_share_and_busy_ones_are_passed_over(database: Database) -> None:
    await post(database, *(row(number, endpoint="hung") for number in range(9)), row(20, endpoint="well"))
    claimed = await claim(database)
    assert sorted(each.endpoint for each in claimed) == ["hung", "well"]
    assert await claim(database, busy=[("lincoln", "reyes", "hung")]) == []


async def test_what_waits_in_the_same_company_comes_along(database: Database) -> None:
    doors = {"endpoint": "a", "company": "doors gym"}
    rows = [row(1, **doors), row(2, **doors, due_at=later(20)), row(3, **doors, due_at=later(50))]
    others = [row(4, endpoint="b", company="doors gym", due_at=later(10)), row(5, endpoint="a", company="doors main")]
    await post(database, *rows, *others, row(6, endpoint="a"))
    claimed = await claim(database, ahead=timedelta(seconds=30), most=20)
    assert [each.alert for each in claimed] == [1, 2]


async def test_no_more_come_along_than_one_notice_can_tell(database: Database) -> None:
    await post(database, *(row(number, endpoint="a", company="doors") for number in range(7)))
    assert [each.alert for each in await claim(database, most=3)] == [0, 1, 2]
    assert [each.alert for each in await claim(database, most=3)] == [3, 4, 5]


async def test_what_has_no_company_comes_alone(database: Database) -> None:
    await post(database, *(row(number, endpoint="a") for number in range(3)))
    assert [each.alert for each in await claim(database, ahead=timedelta(hours=1), most=20)] == [0]


async def test_what_failed_comes_along_when_its_time_has_come_again(database: Database) -> None:
    doors = {"endpoint": "a", "company": "doors"}
    await post(database, row(1, **doors), row(2, **doors, state="failed", due_at=later(9)))
    assert [each.alert for each in await claim(database, later(8), most=20, ahead=timedelta(hours=1))] == [1]
    await post(database, row(3, **doors))
    assert sorted(each.alert for each in await claim(database, later(9), most=20)) == [2, 3]


async def test_an_attempt_is_written_down_and_says_when_to_try_again(database: Database) -> None:
    [posted] = await post(database, row(1))
    await claim(database)
    async with database.transaction() as session:
        await outbox.record(session, [Result(posted.id, 1, later(1), "failed", "answered 500", later(3))])
    assert await claim(database, later(2)) == []
    [again] = await claim(database, later(3))
    async with database.transaction() as session:
        await outbox.record(session, [Result(again.id, 2, later(4), "accepted", "")])
        [stored] = await outbox.of_alerts(session, [1])
        attempts = (await outbox.attempts_of(session, [stored.id]))[stored.id]
    assert (stored.state, stored.due_at) == ("accepted", None)
    assert [(each.outcome, each.detail) for each in attempts] == [("failed", "answered 500"), ("accepted", "")]


async def test_a_result_that_comes_after_its_lease_changes_nothing_unless_it_was_accepted(database: Database) -> None:
    [posted] = await post(database, row(1))
    await claim(database)
    await claim(database, later(30))
    async with database.transaction() as session:
        await outbox.record(session, [Result(posted.id, 1, later(31), "refused", "late")])
        [stored] = await outbox.of_alerts(session, [1])
        assert stored.state == "leased"
        await outbox.record(session, [Result(posted.id, 1, later(32), "accepted", "")])
        [stored] = await outbox.of_alerts(session, [1])
        assert (stored.state, stored.due_at) == ("accepted", None)


async def test_what_is_taken_back_is_cancelled_but_what_was_tried_keeps_its_outcome(database: Database) -> None:
    await post(database, row(1, endpoint="a"), row(1, endpoint="b"), row(1, endpoint="c", until="always"))
    async with database.transaction() as session:
        tried = await outbox.of_alerts(session, [1])
        await outbox.record(session, [Result(tried[0].id, 0, START, "failed", "answered 500", later(9))])
        await outbox.cancel(session, [1], "reyes has it", until=("ack",))
        found = [(each.state, each.due_at is None) for each in await outbox.of_alerts(session, [1])]
    assert found == [("failed", True), ("cancelled", True), ("pending", False)]


async def test_the_depth_says_how_much_waits_and_since_when(database: Database) -> None:
    await post(database, row(1), row(2, due_at=later(60)))
    async with database.reading() as session:
        depth = await outbox.depth(session, later(5))
        assert (depth.waiting, depth.overdue, depth.oldest_due_at) == (2, 1, START)
        assert await outbox.next_due(session) == START
        assert await outbox.count_states(session) == {"pending": 2}


async def test_deliveries_are_listed_page_by_page(database: Database) -> None:
    await post(database, *(row(number) for number in range(5)))
    async with database.reading() as session:
        first = await outbox.find(session, campus="lincoln", limit=3)
        rest = await outbox.find(session, before_id=first[-1].id)
    assert [each.alert for each in first + rest] == [4, 3, 2, 1, 0]
