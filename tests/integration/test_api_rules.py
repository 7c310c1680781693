"""The rules as they are listed."""

from __future__ import annotations

import pytest

from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from rules import store
from rules.rule import shipped
from tests.conftest import START
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


async def test_the_rules_are_listed_in_plain_english(desk: Desk) -> None:
    async with desk.house.database.transaction() as session:
        await store.seed(session, shipped(), now=START)
    async with desk.client("viewer") as client:
        page = (await client.get("/api/v1/rules", params={"limit": 2})).json()
        rest = (await client.get("/api/v1/rules", params={"cursor": page["next"], "limit": 500})).json()
    ids = [rule["id"] for rule in page["items"] + rest["items"]]
    assert ids == sorted(rule.id for rule in shipped())
    assert rest["next"] is None
    for rule in page["items"]:
        assert rule["version"] == 1
        assert rule["mode"] in ("live", "shadow", "disabled")
        assert rule["title"] in rule["sentence"]
        assert rule["document"]["id"] == rule["id"]
