"""Rules and engines in the database: versions are kept, and an engine goes on where its last commit was."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from msgspec import structs

from core import journal
from core.campus import Campus
from core.database import Database
from core.errors import NotFound
from core.findings import Finding
from core.messages import Message
from rules import store
from rules.engine import Engine
from rules.rule import Rule, shipped, with_params
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.rules.talk import LATENESS, at, closed, opened, rule_from, rules_from, say, short

HELD = """
id: held
title: Held open
key: door.id
params: {hold: {type: duration, default: 60s, min: 1s, max: 30m}}
hold: {while: 'door.position == "open"', for: p.hold}
keep: 5s
severity: severe
"""


@pytest.fixture
def held() -> Rule:
    return rule_from(HELD)


# --------------------------------------------------------------------------------------------------------- rules
async def test_every_save_is_a_version_and_raises_the_revision(database: Database, held: Rule) -> None:
    async with database.transaction() as session:
        assert await store.revision(session) == 0
        assert await store.save_rule(session, held, now=START, by="dean") == 1
        first = await store.revision(session)
        assert await store.save_rule(session, held, now=START, by="dean") == 1, "the same again is no new version"
        assert await store.revision(session) == first
        longer = with_params(held, {"hold": "90s"})
        assert await store.save_rule(session, longer, now=START, by="dean") == 2
        assert await store.revision(session) > first
    async with database.reading() as session:
        (loaded,) = await store.load_rules(session)
        assert (loaded.version, loaded.params["hold"]) == (2, timedelta(seconds=90))
        old = await store.load_rule(session, "held", version=1)
        assert (old.version, old.params["hold"]) == (1, timedelta(seconds=60))
        listed = await store.versions(session, "held")
        assert [(each.version, each.created_by, each.created_at) for each in listed] == [
            (2, "dean", START),
            (1, "dean", START),
        ]


async def test_a_deleted_rule_is_gone_and_stays_on_record(database: Database, held: Rule) -> None:
    async with database.transaction() as session:
        await store.save_rule(session, held, now=START, by="dean")
        before = await store.revision(session)
        await store.delete_rule(session, "held", now=START, by="dean")
        assert await store.revision(session) > before
        assert await store.load_rules(session) == []
        assert [each.document is None for each in await store.versions(session, "held")] == [True, False]
        with pytest.raises(NotFound):
            await store.load_rule(session, "held")
        with pytest.raises(NotFound):
            await store.delete_rule(session, "held", now=START, by="dean")
        assert await store.save_rule(session, held, now=START, by="dean") == 3


async def test_seeding_leaves_alone_what_people_have_changed(database: Database, held: Rule) -> None:
    changed = with_params(shipped()[0], {"grant": "20s"})
    async with database.transaction() as session:
        await store.save_rule(session, changed, now=START, by="dean")
        assert set(await store.seed(session, shipped(), now=START)) == {rule.id for rule in shipped()[1:]}
        assert await store.seed(session, shipped(), now=START) == []
        loaded = {rule.id: rule for rule in await store.load_rules(session)}
        assert loaded[changed.id].params["grant"] == timedelta(seconds=20)
        assert loaded.keys() == {rule.id for rule in shipped()}
        await store.delete_rule(session, shipped()[1].id, now=START, by="dean")
        assert await store.seed(session, shipped(), now=START) == [], "what was deleted does not come back"


async def test_a_rule_that_cannot_be_read_any_more_does_not_stop_the_others(database: Database, held: Rule) -> None:
    async with database.transaction() as session:
        await store.save_rule(session, held, now=START, by="dean")
        row = store.RuleRow(
            id="newer", version=1, document='{"id": "newer"}', mode="live", created_at=START, created_by="x", revision=9
        )
        session.add(row)
        await session.flush()
        assert [rule.id for rule in await store.load_rules(session)] == ["held"]


async def test_two_saves_at_once_give_two_versions(database: Database, held: Rule) -> None:
    async def save(hold: str) -> int:
        async with database.transaction() as session:
            return await store.save_rule(session, with_params(held, {"hold": hold}), now=START, by="dean")

    assert sorted(await asyncio.gather(*(save(f"{n}s") for n in range(10, 15)))) == [1, 2, 3, 4, 5]


# ------------------------------------------------------------------------------------------------------- engines
async def heard(database: Database, engine: Engine, *messages: Message) -> list[Finding]:
    """Do what the service does with a batch: one transaction for the messages and what they cause."""
    async with database.transaction() as session:
        found = engine.advance(messages[0].received_at - LATENESS)
        for message in await journal.append(session, messages):
            found += engine.accept(message)
        await store.save(session, engine.campus.id, engine.changes())
    return found


async def ticked(database: Database, engine: Engine, now: datetime) -> list[Finding]:
    async with database.transaction() as session:
        found = engine.advance(now - LATENESS)
        await store.save(session, engine.campus.id, engine.changes())
    return found


async def restored(database: Database, campus: Campus, rules: Sequence[Rule], now: datetime) -> Engine:
    async with database.reading() as session:
        engine, ended = await store.restore(session, campus, rules, now=now)
    assert ended == []
    return engine


@pytest.fixture
def campus() -> Campus:
    return lincoln(calendar={}, gatherings=[])


async def test_a_first_start_begins_now(database: Database, campus: Campus, held: Rule) -> None:
    engine = await restored(database, campus, [held], START)
    assert engine.watermark == START


async def test_an_engine_goes_on_where_it_was(database: Database, campus: Campus, held: Rule) -> None:
    engine = Engine(campus, [held], started=at(-1))
    await heard(database, engine, opened("main", 0), opened("gym-west", 0.5))
    engine = await restored(database, campus, [held], at(3))
    assert engine.now.get("door", "gym-west") is not None, "heard, and not yet judged"
    await heard(database, engine, closed("gym-west", 10))
    await ticked(database, engine, at(30))
    engine = await restored(database, campus, [held], at(33))
    assert short(await ticked(database, engine, at(61))) == ["firing main 60"]
    engine = await restored(database, campus, [held], at(63))
    await heard(database, engine, closed("main", 90))
    engine = await restored(database, campus, [held], at(92))
    assert short(await ticked(database, engine, at(96))) == ["resolved main 90"]
    async with database.reading() as session:
        saved = await store.load_saved(session, campus.id)
        assert saved is not None
        assert not any(each.firing or each.due for each in saved.states), "nothing waits"
    await ticked(database, engine, at(24 * 60 * 60))
    async with database.reading() as session:
        saved = await store.load_saved(session, campus.id)
        assert saved is not None
        assert saved.states == (), "the night forgets what means nothing any more"


async def test_after_a_gap_what_was_due_is_found_at_once_and_marked(
    database: Database, campus: Campus, held: Rule
) -> None:
    engine = Engine(campus, [held], started=at(-1))
    await heard(database, engine, opened("main", 0))
    engine = await restored(database, campus, [held], at(7200))
    found = await ticked(database, engine, at(7201))
    assert short(found) == ["firing main 60 late"]
    assert found[0].late_by_s == 7140


async def test_campuses_do_not_mix(database: Database, campus: Campus, held: Rule) -> None:
    other = lincoln(campus={"id": "adams", "name": "Adams", "timezone": "America/Denver"}, calendar={}, gatherings=[])
    engine = Engine(campus, [held], started=at(-1))
    await heard(database, engine, opened("main", 0))
    elsewhere = await restored(database, other, [held], at(2))
    assert elsewhere.watermark == at(2)
    assert elsewhere.now.get("door", "main") is None


async def test_every_operator_comes_back_as_it_was(database: Database) -> None:
    campus = lincoln()
    rules = rules_from(
        """
{id: a, title: T, key: door.id, keep: 9s, severity: minor, hold: {while: 'door.position == "open"', for: 40s}}
---
{id: b, title: T, key: door.id, severity: minor, clear: 'door.position == "closed"', keep: 3s,
 without: {of: door.opened, prior: access.granted, within: 10s, slack: 20s}}
---
{id: c, title: T, key: door.id, severity: minor, count: {of: 'door.*', at_least: 2, within: 60s}}
---
{id: d, title: T, key: zone.id, severity: minor,
 sequence: {steps: [{of: access.denied, as: one}, {of: door.opened, if: msg.door != one.door}], within: 60s}}
---
{id: e, title: T, key: door.id, severity: minor, follow: {after: door.opened, expect: door.closed, within: 50s}}
---
{id: f, title: T, key: device.id, severity: minor, silent: {of: 'door.*', for: 45s}}
---
{id: g, title: T, key: visit.id, severity: minor, deadline: {at: visit.expected_out, if: 'visit.state == "in"'}}
---
{id: h, title: T, key: visit.id, severity: minor, match: {of: 'visitor.*', slack: 15s}}
"""
    )
    messages = [
        say("access.denied", 0, "gym-west"),
        opened("gym-east", 5, device="gym-east-contact"),
        say("visitor.checked_in", 6, "v1", expected_out=at(30)),
        say("access.granted", 7, "gym-east"),
        opened("main", 8),
        closed("main", 20),
    ]
    straight = Engine(campus, rules, started=at(-1))
    wanted: list[Finding] = []
    engine = Engine(campus, rules, started=at(-1))
    found: list[Finding] = []
    for message in messages:
        wanted += straight.advance(message.received_at - LATENESS) + straight.accept(message)
        found += await heard(database, engine, message)
        engine = await restored(database, campus, rules, message.received_at)
    wanted += straight.advance(at(119))
    found += await ticked(database, engine, at(120))
    assert {each.rule for each in wanted} == set("abcdefgh")
    assert [str(each) for each in found] == [str(each) for each in wanted]


async def test_a_district_is_written_in_one_go_and_each_campus_takes_back_its_own(
    database: Database, held: Rule
) -> None:
    engines = {name: Engine(_named(name), [held], started=START) for name in ("east", "west")}
    for name, engine in engines.items():
        for door in ("main", "gym-east"):
            engine.accept(structs.replace(opened(door, 1), campus=name))
        engine.advance(at(2))
    async with database.transaction() as session:
        await store.save_all(session, {name: engine.changes() for name, engine in engines.items()})
    engines["west"].replace_rules([])
    async with database.transaction() as session:
        await store.save_all(session, {name: engine.changes() for name, engine in engines.items()})
    for name, keys in (("east", {"main", "gym-east"}), ("west", set())):
        async with database.reading() as session:
            saved = await store.load_saved(session, name)
        assert saved is not None
        assert {each.key for each in saved.states} == keys
        assert saved.position.watermark == engines[name].watermark


def _named(campus: str) -> Campus:
    plain = lincoln()
    return plain.model_copy(update={"campus": plain.campus.model_copy(update={"id": campus})})
