"""Many editors at once, on both databases: each change is applied or refused with 412, and none is lost."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from rules import store
from rules.rule import shipped
from tests.unit.api.house import Desk, build_house, open_desk

PATH = "/api/v1/rules/door-held-open"


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    found = await open_desk(*build_house(database, clock, vault, campus))
    async with database.transaction() as session:
        await store.seed(session, (each for each in shipped() if PATH.endswith(each.id)), now=clock.now())
    return found


async def change(client: httpx.AsyncClient, tag: str, seconds: int) -> httpx.Response:
    return await client.patch(f"{PATH}/params", json={"hold": f"{seconds}s"}, headers={"If-Match": tag})


async def holds(client: httpx.AsyncClient) -> list[str]:
    """Return what the parameter was in each version that the editors made, the latest first."""
    versions = (await client.get(f"{PATH}/versions")).json()["items"]
    return [each["document"]["params"]["hold"]["default"] for each in versions[:-1]]


async def test_of_a_hundred_editors_who_read_the_same_one_is_applied(desk: Desk) -> None:
    async with desk.client("admin") as client:
        tag = (await client.get(PATH)).headers["ETag"]
        answers = await asyncio.gather(*(change(client, tag, 61 + number) for number in range(100)))
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 99
        (place,) = (number for number, answer in enumerate(answers) if answer.status_code == 200)
        assert await holds(client) == [f"{61 + place}s"]


async def test_editors_who_read_again_all_get_their_turn_and_none_is_lost(desk: Desk) -> None:
    async with desk.client("admin") as client:

        async def edit(seconds: int) -> int:
            """Change it, reading anew whenever somebody was faster; return how often that was."""
            for turn in range(100):
                tag = (await client.get(PATH)).headers["ETag"]
                answer = await change(client, tag, seconds)
                if answer.status_code == 200:
                    return turn
                assert answer.status_code == 412, answer.text
            raise AssertionError("never got a turn")

        wanted = [61 + number for number in range(8)]
        await asyncio.gather(*(edit(seconds) for seconds in wanted))
        assert sorted(await holds(client)) == [f"{seconds}s" for seconds in wanted]
