"""A large journal: no list reads all of it. The questions are those of the benchmark, about a smaller past."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from benchmarks import bulk, journal
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.conftest import START
from tests.unit.api.house import Desk, build_house, open_desk

PAST = bulk.Past(campuses=("lincoln", "oak"), rows=20_000, until=START - timedelta(minutes=1))


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    await bulk.fill(database.url, PAST)
    return await open_desk(*build_house(database, clock, vault, campus))


def watch(database: Database) -> list[tuple[str, Any]]:
    """Return the list that every statement about messages will be noted in, with its values."""
    seen: list[tuple[str, Any]] = []

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if "messages" in statement and statement.startswith(("SELECT", "WITH")):
            seen.append((statement, values))

    return seen


async def explain(database: Database, statement: str, values: Any) -> str:
    word = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    async with database.engine.connect() as connection:
        found = await connection.exec_driver_sql(f"{word} {statement}", values)
        return "\n".join(str(row[-1]) for row in found)


async def test_every_list_of_a_large_journal_is_led_to_by_an_index(desk: Desk, database: Database) -> None:
    seen = watch(database)
    async with desk.client("admin") as client:
        for question in journal.questions(PAST):
            answer = await client.get(f"/api/v1{question.path}", params=dict(question.query))
            assert answer.status_code == 200, (question.name, answer.text)
    assert len(seen) >= 25
    for statement, values in list(seen):
        plan = await explain(database, statement, values)
        # `SCAN messages USING INDEX` would read the whole index, which is no better.
        assert "SCAN messages" not in plan, (statement, plan)
        assert "Seq Scan on messages" not in plan, (statement, plan)


async def test_the_same_rows_are_found_whether_many_campuses_are_asked_or_one(desk: Desk) -> None:
    async with desk.client("admin") as client:

        async def ids(**query: Any) -> list[int]:
            answer = await client.get("/api/v1/messages", params={"limit": 500, **query})
            return [each["id"] for each in answer.json()["items"]]

        for query in ({}, {"kind": "visitor.*"}, {"key": "door-7"}, {"kind": "door.opened"}, {"key": "door-7-contact"}):
            both = [await ids(campus=campus, **query) for campus in PAST.campuses]
            # Every row was received at another moment, in the order of its number.
            assert await ids(**query) == sorted((each for found in both for each in found), reverse=True)[:500], query


async def test_whoever_is_here_for_one_campus_pages_through_its_rows_alone(desk: Desk) -> None:
    async with desk.client("admin") as client:
        made = {"name": "one", "role": "viewer", "campuses": ["oak"]}
        token = (await client.post("/api/v1/tokens", json=made)).json()["token"]
    desk.tokens["one"] = token
    async with desk.client("one") as client:
        seen: list[str] = []
        cursor: dict[str, str] = {}
        for _ in range(3):
            page = (await client.get("/api/v1/messages", params={"limit": 50, "kind": "visitor.*", **cursor})).json()
            seen += [each["campus"] for each in page["items"]]
            cursor = {"cursor": page["next"]}
    assert seen == ["oak"] * 150
