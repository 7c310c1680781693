"""An exercise is written down beside what is live, comes back after a restart, and leaves nothing when it is over."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from core import journal
from core.campus import Campus
from core.database import Database
from core.findings import Finding
from core.messages import Message
from rules import store
from rules.engine import Engine
from rules.overlay import QUIET
from rules.rule import Rule
from tests.unit.rules.talk import LATENESS, at, opened, rules_from, say

RULES: list[Rule] = rules_from(
    """
{id: held, title: T, key: door.id, severity: severe, hold: {while: 'door.position == "open"', for: 60s}}
---
{id: locked-down, title: T, key: door.id, severity: extreme,
 hold: {while: 'door.position == "open" && campus.state == "lockdown"', for: 30s}}
"""
)


async def hear(database: Database, engine: Engine, *messages: Message) -> list[Finding]:
    """Take messages in as the service does."""
    async with database.transaction() as session:
        await journal.append(session, messages)
        found = [each for message in messages for each in engine.accept(message)]
        await store.save(session, engine.campus.id, engine.changes())
    return found


async def pass_time(database: Database, engine: Engine, seconds: float) -> list[str]:
    async with database.transaction() as session:
        found = engine.advance(at(seconds) - LATENESS)
        await store.save(session, engine.campus.id, engine.changes())
    return [f"{each.exercise} {each.state} {each.rule} {each.key}" for each in found]


async def restart(database: Database, campus: Campus, seconds: float) -> Engine:
    async with database.transaction() as session:
        engine, ended = await store.restore(session, campus, RULES, now=at(seconds))
    assert ended == []
    return engine


async def rows_of(database: Database, exercise: str) -> int:
    async with database.reading() as session:
        tables = (store.EngineRow, store.KeyStateRow, store.SettledRow)
        counts = [
            (await session.execute(select(func.count()).select_from(row).where(row.exercise == exercise))).scalar_one()
            for row in tables
        ]
    return sum(counts)


async def test_an_exercise_comes_back_and_leaves_nothing_behind(database: Database, campus: Campus) -> None:
    engine = Engine(campus, RULES, started=at(-1))
    await hear(database, engine, opened("gym-west", 0))
    assert await rows_of(database, "drill") == 0
    await hear(database, engine, say("campus.state_changed", 5, state="lockdown", exercise="drill"))
    assert await pass_time(database, engine, 20) == []
    engine = await restart(database, campus, 21)
    assert engine.now.state == "normal"
    assert await pass_time(database, engine, 40) == ["drill firing locked-down gym-west"]
    engine = await restart(database, campus, 41)
    assert await pass_time(database, engine, 63) == ["live firing held gym-west"]
    assert await rows_of(database, "drill") > 0
    end = (QUIET + timedelta(seconds=7)).total_seconds()
    assert await pass_time(database, engine, end) == ["drill resolved locked-down gym-west"]
    assert await rows_of(database, "drill") == 0
    assert (await restart(database, campus, end + 1)).exercises == {}
