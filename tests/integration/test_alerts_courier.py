"""The courier, with a real database, real Apprise and a real receiver."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import chain, pairwise

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import alert as moves
from alerts import desk, links, outbox, store
from alerts.channels import Channels, Outcome
from alerts.courier import LEASE, Courier
from alerts.notices import Notice
from alerts.outbox import DeliveryRow, Lane
from core import feed
from core.campus import Campus
from core.clock import ManualClock, stopwatch
from core.database import Database
from core.errors import NotFound, Unavailable
from tests.campuses import LINCOLN, lincoln, with_phones
from tests.conftest import START
from tests.servers import Receiver
from tests.unit.alerts.making import (
    deliveries,
    extreme,
    finding,
    happened,
    later,
    look,
    over,
    paths,
    take,
)

PUBLIC = "https://hallwatch.example.org"
Make = Callable[..., Courier]


class Phones(Channels):
    """The channels, with a short patience: an answer must come within a second."""

    async def send(self, url: str, notice: Notice, *, lane: Lane, **_: float) -> Outcome:
        return await super().send(url, notice, lane=lane, timeout=0.6)


@pytest.fixture
async def make(database: Database, clock: ManualClock) -> AsyncIterator[Make]:
    """Return a maker of couriers for a campus."""
    channels = Phones(allow_private=True)

    def courier(campus: Campus, **changes: object) -> Courier:
        said = {"public_url": PUBLIC, "chance": random.Random(7), **changes}
        return Courier(database, clock, channels, lambda: {campus.id: campus}, **said)  # type: ignore[arg-type] # few

    yield courier
    channels.close()


async def attempts(database: Database, number: int) -> list[tuple[str, str]]:
    """Endpoint and outcome of every attempt for an alert, in their order."""
    rows = {row.id: row for row in await deliveries(database, number)}
    async with database.reading() as session:
        tried = await outbox.attempts_of(session, list(rows))
    found = sorted(chain(*tried.values()), key=lambda each: each.id)
    return [(rows[each.delivery].endpoint, each.outcome) for each in found]


async def states(database: Database, number: int) -> dict[str, str]:
    return {row.endpoint: row.state for row in await deliveries(database, number)}


async def test_a_notice_reaches_the_phone_with_its_code_and_its_link(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    clock.jump(44)
    assert await make(campus).send_due(clock.now()) == 1
    said = receiver.received[0].json
    assert said["title"] == f"SEVERE · Door 7 (Gym east) is open · for 0:44 · {alert.code}"
    link = said["message"].splitlines()[-1]
    assert alert.code in said["message"]
    assert link.startswith(f"{PUBLIC}/a/")
    async with database.reading() as session:
        opened = await links.open(session, link.rpartition("/")[2], clock.now())
    assert (opened.alert, opened.person, opened.endpoint) == (alert.id, "reyes", "reyes-phone")


async def test_an_accepted_attempt_is_a_row_and_the_endpoint_is_well(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    courier = make(campus)
    await courier.send_due(clock.now())
    assert await attempts(database, alert.id) == [("reyes-phone", "accepted")]
    assert courier.status.outcomes == {"accepted": 1}
    async with database.reading() as session:
        [health] = await outbox.endpoints(session, "lincoln")
        told = [each for each in await feed.after(session, 0) if each.topic == "delivery"]
    assert (health.endpoint, health.state) == ("reyes-phone", "ok")
    assert '"accepted"' in told[-1].data


async def test_what_a_transaction_claims_goes_out_once_it_has_committed_and_not_before(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    courier = make(campus)
    await take(database, campus, finding())
    async with courier.departure() as leaving, database.transaction() as session:
        leaving += await courier.claim(session, clock.now())
        assert [parcel.place[2] for parcel in leaving] == ["reyes-phone"]
        assert await courier.claim(session, clock.now()) == []
        await asyncio.sleep(0.05)
        assert receiver.received == []
    await receiver.wait_for(1)
    assert await courier.send_due(clock.now()) == 0


async def test_what_was_claimed_by_a_transaction_that_fails_is_claimed_again(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    courier = make(campus)
    await take(database, campus, finding())
    with contextlib.suppress(ZeroDivisionError):
        async with courier.departure() as leaving, database.transaction() as session:
            leaving += await courier.claim(session, clock.now())
            _ = 1 / 0
    assert receiver.received == []
    assert await courier.send_due(clock.now()) == 1
    assert len(receiver.received) == 1


async def test_a_failure_is_tried_again_until_it_is_accepted(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    courier = make(campus)
    receiver.status = 500
    await courier.send_due(clock.now())
    [row] = await deliveries(database, alert.id)
    assert (row.state, row.reason) == ("failed", "answered 500 Internal Server Error")
    assert row.due_at is not None
    assert later(1) <= row.due_at <= later(2)
    assert await courier.send_due(later(0.5)) == 0
    receiver.status = 200
    clock.jump(2)
    assert await courier.send_due(clock.now()) == 1
    assert await attempts(database, alert.id) == [("reyes-phone", "failed"), ("reyes-phone", "accepted")]


async def test_a_second_failure_uses_the_next_endpoint_beside_the_retries(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    courier = make(campus)
    receiver.behaviour = {"/reyes": (503, 0.0)}
    for _ in range(3):
        await courier.send_due(clock.now())
        clock.jump(5)
    assert (await states(database, alert.id))["reyes-sms"] == "accepted"
    assert [each for each in paths(receiver) if each == "/reyes-sms"] == ["/reyes-sms"]


async def test_retries_end_when_the_notice_expires(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    steps = [{"notify": ["person:diaz"]}]
    campus = lincoln(
        people=with_phones(receiver.port).model_dump(mode="json")["people"],
        policies=[{"id": "severe", "steps": steps, "expires": "2m"}],
    )
    alert = await take(database, campus, finding())
    courier = make(campus)
    receiver.status = 500
    for _ in range(60):
        await courier.send_due(clock.now())
        clock.jump(10)
    [row] = await deliveries(database, alert.id)
    assert (row.state, row.due_at) == ("failed", None)
    assert 4 <= row.attempts <= 9, "every time a little later"


async def test_what_is_refused_makes_way_for_the_next_endpoint_at_once(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    receiver.behaviour = {"/reyes": (404, 0.0)}
    await make(campus).send_due(clock.now())
    assert await attempts(database, alert.id) == [("reyes-phone", "refused"), ("reyes-sms", "accepted")]
    async with database.reading() as session:
        health = {each.endpoint: (each.state, each.detail) for each in await outbox.endpoints(session, "lincoln")}
    assert health["reyes-phone"] == ("red", "answered 404 Not Found")


async def test_where_every_endpoint_refuses_the_next_step_comes_at_once(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    receiver.behaviour = {"/reyes": (410, 0.0), "/reyes-sms": (410, 0.0)}
    await make(campus).send_due(clock.now())
    assert (await states(database, alert.id))["diaz-phone"] == "accepted", "no step waits for a phone that is dead"
    assert "coverage_gap" in await happened(database, alert.id)
    async with database.reading() as session:
        assert len(await store.find(session, rule="coverage-gap")) == 1


async def test_a_hung_endpoint_is_unknown_and_delays_nobody(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    receiver.behaviour = {"/reyes": (200, 30.0)}
    alert = await take(database, campus, extreme())
    running = asyncio.create_task(make(campus).run())
    began = stopwatch()
    await receiver.wait_for(3)
    while (await states(database, alert.id))["diaz-phone"] != "accepted":
        await asyncio.sleep(0.01)
    assert stopwatch() - began < 0.6
    while (await states(database, alert.id))["reyes-phone"] == "leased":
        await asyncio.sleep(0.05)
    assert (await states(database, alert.id))["reyes-phone"] == "unknown"
    running.cancel()


async def test_what_may_have_arrived_is_sent_once_more_where_it_is_grave(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    receiver.behaviour = {"/reyes": (200, 30.0)}
    alert = await take(database, campus, finding())
    courier = make(campus)
    await courier.send_due(clock.now())
    assert (await states(database, alert.id))["reyes-sms"] == "accepted", "and the next endpoint is used at once"
    async with database.transaction() as session:
        rows = await outbox.of_alerts(session, [alert.id])
        assert [row.due_at for row in rows if row.endpoint == "reyes-phone"] == [later(60)]


async def test_a_crash_between_sending_and_recording_sends_again(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    receiver.delay = 0.3
    dying = asyncio.create_task(make(campus).send_due(clock.now()))
    await receiver.wait_for(1)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    for task in [task for task in asyncio.all_tasks() if "_carry" in repr(task)]:
        task.cancel()
    await asyncio.sleep(0)
    assert await states(database, alert.id) == {"reyes-phone": "leased"}
    receiver.delay = 0
    survivor = make(campus)
    assert await survivor.send_due(START + LEASE - timedelta(seconds=1)) == 0
    clock.jump(LEASE)
    await survivor.send_due(clock.now())
    assert paths(receiver) == ["/reyes", "/reyes"]
    assert receiver.received[0].json["title"].endswith(alert.code), "the code says that it is the same"
    assert (await states(database, alert.id))["reyes-phone"] == "accepted"


async def test_what_is_being_sent_keeps_its_lease(
    sqlite_database: Database, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(sqlite_database, campus, finding())
    receiver.delay = 0.5
    channels = Phones(allow_private=True)
    slow = Courier(sqlite_database, clock, channels, lambda: {campus.id: campus})
    running = asyncio.create_task(slow.run())
    await receiver.wait_for(1)
    for _ in range(12):
        clock.jump(1)
        await asyncio.sleep(0.02)
    other = Courier(sqlite_database, clock, channels, lambda: {campus.id: campus})
    assert await other.send_due(clock.now()) == 0, "twelve seconds later, which is more than a lease"
    while (await states(sqlite_database, alert.id))["reyes-phone"] != "accepted":
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    channels.close()
    assert len(receiver.received) == 1


async def test_one_endpoint_is_told_one_thing_after_the_other(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    await take(database, campus, finding(key="a"), finding(key="b"), extreme(key="c"))
    receiver.delay = 0.1
    await make(campus).send_due(clock.now())
    to_reyes = [each for each in receiver.received if each.path == "/reyes"]
    assert len(to_reyes) == 3
    assert all(later.at - earlier.at > 0.1 for earlier, later in pairwise(to_reyes))
    assert "EXTREME" in to_reyes[0].json["title"], "the gravest first"


async def test_an_acknowledged_alert_is_not_sent_any_more(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        await desk.acknowledge(session, alert.id, who="person:reyes", now=later(1))
    assert await make(campus).send_due(later(2)) == 0
    assert receiver.received == []


async def test_the_alert_is_looked_at_inside_the_lease(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    async with database.transaction() as session:
        # Closed by a hand that knew nothing of the outbox.
        closed = moves.resolved(alert, who="person:reyes", disposition="real", note="", now=later(1))
        await store.change(session, [closed])
    await make(campus).send_due(later(2))
    [row] = await deliveries(database, alert.id)
    assert (row.state, row.reason) == ("cancelled", "the alert was closed")
    assert receiver.received == []


async def test_a_close_that_races_a_send_is_followed_by_a_cancellation(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    receiver.delay = 0.3
    sending = asyncio.create_task(make(campus).send_due(clock.now()))
    await receiver.wait_for(1)
    async with database.transaction() as session:
        await desk.resolve(session, alert.id, who="person:diaz", disposition="false", now=later(1))
    await sending
    titles = [each.json["title"] for each in receiver.received]
    assert [title.split(" · ")[0] for title in titles] == ["SEVERE", "CANCELLED"]
    assert "Closed as false by diaz" in receiver.received[1].json["message"]


async def test_a_drill_is_marked_on_every_message(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    await take(database, campus, extreme(exercise="drill"))
    await make(campus).send_due(clock.now())
    assert len(receiver.received) == 3
    assert all(each.json["title"].startswith("DRILL") for each in receiver.received)


async def test_an_endpoint_that_was_taken_away_is_refused(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    alert = await take(database, with_phones(receiver.port), finding())
    without = lincoln(people=[{**each, "endpoints": []} for each in LINCOLN["people"]])
    await make(without).send_due(clock.now())
    [row] = await deliveries(database, alert.id)
    assert (row.state, row.reason) == ("refused", "this endpoint is no longer there")


async def test_moderate_alerts_to_one_phone_come_as_one_notice(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    courier = make(campus)
    await take(database, campus, finding(severity="moderate"))
    await take(database, campus, finding(key="gym-west", severity="moderate", at=later(20)), now=later(20))
    assert await courier.send_due(later(29)) == 0
    assert await courier.send_due(later(30)) == 1
    [push] = receiver.received
    where = "An exterior door stays open too long · Gymnasium · Lincoln High School"
    assert push.json["title"].startswith(f"2 alerts: {where}"), "of one rule, in one zone"
    async with database.reading() as session:
        for each in await store.find(session):
            assert each.code in push.json["title"]
            assert each.code in push.json["message"]
    assert [row.state for row in await deliveries(database, 1, 2)] == ["accepted", "accepted"]


async def test_the_first_extreme_waits_for_nobody(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    await take(database, campus, *(finding(key=f"m{n}", severity="moderate") for n in range(5)), extreme())
    await make(campus).send_due(clock.now())
    assert len(receiver.received) == 3
    assert all("EXTREME" in each.json["title"] for each in receiver.received)


async def test_without_a_public_url_there_are_no_links(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    await make(campus, public_url=None).send_due(clock.now())
    assert receiver.received[0].json["message"].endswith(f"{alert.code} · Lincoln High School")


async def test_two_hundred_alerts_at_once_all_arrive_once(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    await take(database, campus, *(finding(key=f"door-{number}") for number in range(200)))
    began = stopwatch()
    assert await make(campus).send_due(clock.now()) == 200
    assert stopwatch() - began < 20
    titles = [each.json["title"] for each in receiver.received]
    assert len(titles) == len(set(titles)) == 200
    async with database.reading() as session:
        assert await outbox.count_states(session) == {"accepted": 200}


async def test_running_it_carries_out_steps_by_the_clock_and_wakes_when_nudged(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    courier = make(campus)
    running = asyncio.create_task(courier.run())
    await asyncio.sleep(0.05)
    alert = await take(database, campus, finding())
    courier.nudge()
    while await states(database, alert.id) != {"reyes-phone": "accepted"}:
        await asyncio.sleep(0.01)
    clock.jump(60)
    await receiver.wait_for(2)
    assert paths(receiver) == ["/reyes", "/reyes-sms"]
    async with database.transaction() as session:
        await desk.acknowledge(session, alert.id, who="person:reyes", now=clock.now())
    clock.jump(120)
    await asyncio.sleep(0.2)
    assert len(receiver.received) == 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_over_before_it_was_sent_says_so(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    await take(database, campus, over(later(12)), now=later(12))
    await make(campus).send_due(later(13))
    assert "over after 0:12" in receiver.received[0].json["title"]
    assert (await look(database, alert.id)).is_open


async def test_what_was_sent_is_known_even_where_what_follows_fails(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(desk, "give_way", breaks)
    campus = with_phones(receiver.port)
    alert = await take(database, campus, finding())
    await make(campus).send_due(clock.now())
    assert await attempts(database, alert.id) == [("reyes-phone", "accepted")]
    assert await make(campus).send_due(clock.now() + LEASE) == 0


async def test_a_storm_of_small_alerts_comes_in_few_notices_of_bearable_length(
    database: Database, make: Make, receiver: Receiver, clock: ManualClock
) -> None:
    campus = with_phones(receiver.port)
    await take(database, campus, *(finding(key=f"door-{number}", severity="moderate") for number in range(50)))
    clock.jump(30)
    assert await make(campus).send_due(clock.now()) == 1, "ten alerts; what comes beyond is a flood"
    clock.jump(600)
    assert await make(campus).send_due(clock.now()) == 2
    assert [each.json["title"].split(" ")[0] for each in receiver.received].count("20") == 2
    assert max(len(each.json["message"]) for each in receiver.received) < 4096
    assert (await states(database, 1))["reyes-phone"] == "accepted"


async def test_an_endpoint_is_tried_out_with_a_notice_that_says_so(
    database: Database, make: Make, receiver: Receiver
) -> None:
    courier = make(with_phones(receiver.port))
    assert (await courier.try_out("lincoln", "reyes", "reyes-phone")).state == "accepted"
    assert receiver.received[0].json["title"] == "TEST · Hallwatch"
    receiver.status = 403
    assert (await courier.try_out("lincoln", "reyes", "reyes-phone")).state == "refused"
    async with database.reading() as session:
        [health] = await outbox.endpoints(session, "lincoln")
    assert (health.state, health.detail) == ("red", "answered 403 Forbidden")
    with pytest.raises(NotFound, match="no endpoint 'pager' of 'reyes'"):
        await courier.try_out("lincoln", "reyes", "pager")


class Moody(Database):
    """A database that can be away."""

    away = False

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncSession]:
        if self.away:
            raise Unavailable("database: gone")
        async with super().glance() as session:
            yield session


async def test_a_database_that_is_away_is_waited_for(sqlite_database: Database, receiver: Receiver) -> None:
    campus = with_phones(receiver.port)
    await take(sqlite_database, campus, finding())
    channels = Phones(allow_private=True)
    moody = Moody(sqlite_database.url)
    moody.away = True
    courier = Courier(moody, ManualClock(START, rate=20), channels, lambda: {campus.id: campus})
    running = asyncio.create_task(courier.run())
    while not courier.status.trouble:
        await asyncio.sleep(0.01)
    assert receiver.received == []
    moody.away = False
    await receiver.wait_for(1)
    while courier.status.trouble:
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    channels.close()
    await moody.close()


def test_rows_know_where_they_go() -> None:
    row = DeliveryRow(campus="lincoln", person="reyes", endpoint="phone")
    assert row.place == ("lincoln", "reyes", "phone")
