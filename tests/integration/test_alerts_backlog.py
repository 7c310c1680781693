"""While a backlog is read nobody is told but of what is extreme; then what is true is told, and the rest summed up."""

from __future__ import annotations

from datetime import datetime

from alerts import backlog, desk, outbox, shelf, store
from alerts.alert import Alert
from core.campus import Campus
from core.database import Database
from tests.conftest import START
from tests.unit.alerts.making import extreme, finding, later, look, over, step, take, told


async def hold_back(database: Database, campus: Campus, now: datetime = START) -> datetime:
    async with database.transaction() as session:
        return await backlog.hold_back(session, campus.id, now)


async def let_go(database: Database, campus: Campus, now: datetime) -> None:
    async with database.transaction() as session:
        await backlog.let_go(session, {campus.id: campus}, now)


async def all_alerts(database: Database) -> list[Alert]:
    async with database.reading() as session:
        return await store.find(session)


async def test_what_is_over_by_the_end_is_summed_up_and_what_stands_is_told(database: Database, campus: Campus) -> None:
    await hold_back(database, campus)
    stands = await take(database, campus, finding(key="main", at=later(-600)))
    for minute in range(3):
        began = later(-900 + 60 * minute)
        await take(database, campus, finding(at=began), over(later(-870 + 60 * minute)))
    small = {"rule": "door-ajar", "severity": "minor", "title": "A door is ajar"}
    await take(database, campus, finding(at=later(-500), **small), over(later(-490), **small))
    assert [each.suppressed for each in await all_alerts(database)] == ["catching up"] * 3
    async with database.reading() as session:
        assert await outbox.find(session) == []
    await let_go(database, campus, later(20))
    assert [each[0] for each in await told(database, stands.id)] != []
    [summary] = [each for each in await all_alerts(database) if each.rule == backlog.MISSED]
    assert summary.text == (
        "4 times, the last at 07:51, something began and ended while nothing could be heard: "
        "An exterior door stays open too long (3), A door is ajar (1)"
    )
    assert (summary.severity, summary.because["missed"], summary.is_active) == ("moderate", 4, False)
    assert await told(database, summary.id) != []
    async with database.reading() as session:
        told_of = {row.alert for row in await outbox.find(session)}
        assert await shelf.in_force(session, [campus.id], later(20)) == []
    assert told_of == {stands.id, summary.id}


async def test_what_is_extreme_does_not_wait(database: Database, campus: Campus) -> None:
    await hold_back(database, campus)
    alert = await take(database, campus, extreme())
    assert await told(database, alert.id) != []
    await let_go(database, campus, later(5))
    assert [each.rule for each in await all_alerts(database)] == ["door-forced"], "nothing was missed: no summary"


async def test_what_has_just_begun_does_not_wait(database: Database, campus: Campus) -> None:
    await hold_back(database, campus)
    async with database.transaction() as session:
        for key, at in (("main", later(-100)), ("gym-west", later(-900))):
            both = [finding(key=key, at=at), over(at, key=key)]
            await desk.handle_all(session, both, {campus.id: campus}, now=START)
    stale, fresh = await all_alerts(database)
    assert await told(database, fresh.id) != []
    await let_go(database, campus, later(5))
    assert await told(database, stale.id) == []
    [summary] = [each for each in await all_alerts(database) if each.rule == backlog.MISSED]
    assert summary.because["alerts"] == [stale.id]


async def test_what_is_extreme_and_old_waits_for_its_end_but_not_for_long(database: Database, campus: Campus) -> None:
    await hold_back(database, campus)
    old = await take(database, campus, extreme(at=later(-600), late=True, late_by_s=600.0))
    assert await told(database, old.id) == []
    until = await hold_back(database, campus, later(100))
    await step(database, campus, until)
    assert await told(database, old.id) != []


async def test_a_service_that_dies_while_it_reads_leaves_nobody_untold(database: Database, campus: Campus) -> None:
    until = await hold_back(database, campus)
    alert = await take(database, campus, finding(at=later(-600)))
    await step(database, campus, until)
    assert await told(database, alert.id) != []
    assert (await look(database, alert.id)).suppressed is None


async def test_a_long_backlog_is_held_back_for_as_long_as_it_takes(database: Database, campus: Campus) -> None:
    first = await hold_back(database, campus)
    alert = await take(database, campus, finding(at=later(-600)))
    second = await hold_back(database, campus, later(90))
    assert second > first
    await step(database, campus, first)
    assert await told(database, alert.id) == []
    async with database.reading() as session:
        assert len(await shelf.in_force(session, [campus.id], later(90))) == 1
    await let_go(database, campus, later(150))
    assert await told(database, alert.id) != []


async def test_a_second_summary_takes_the_place_of_the_first(database: Database, campus: Campus) -> None:
    for turn in range(2):
        now = later(1000 * turn)
        await hold_back(database, campus, now)
        async with database.transaction() as session:
            both = [finding(at=later(1000 * turn - 600)), over(later(1000 * turn - 600))]
            await desk.handle_all(session, both, {campus.id: campus}, now=now)
        await let_go(database, campus, later(1000 * turn + 5))
    found = [each for each in await all_alerts(database) if each.rule == backlog.MISSED]
    assert [each.is_open for each in found] == [True, False]
