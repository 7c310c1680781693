"""The links in messages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from alerts import links
from alerts.links import LinkRow
from core.database import Database
from core.errors import NotFound
from tests.conftest import START


async def make(database: Database) -> str:
    async with database.transaction() as session:
        return await links.make(session, alert=7, person="reyes", endpoint="reyes-phone", generation=2, now=START)


async def test_a_link_stands_for_one_recipient_of_one_alert(database: Database) -> None:
    token = await make(database)
    async with database.reading() as session:
        link = await links.open(session, token, START)
    assert (link.alert, link.person, link.endpoint, link.generation) == (7, "reyes", "reyes-phone", 2)
    assert link.used_at is None


async def test_the_token_itself_is_nowhere_in_the_table(database: Database) -> None:
    token = await make(database)
    async with database.reading() as session:
        row = (await session.execute(select(LinkRow))).scalar_one()
    assert len(token) == links.LENGTH
    assert token not in repr([getattr(row, column.name) for column in LinkRow.__table__.columns])


async def test_a_link_may_be_used_twice_and_remembers_the_first_time(database: Database) -> None:
    token = await make(database)
    async with database.transaction() as session:
        first = await links.use(session, token, START)
        again = await links.use(session, token, START + timedelta(minutes=5))
    assert (first.alert, again.alert) == (7, 7)
    assert again.used_at == START


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 5000, "ü" * 43])
async def test_a_token_that_is_none_leads_nowhere(database: Database, token: str) -> None:
    await make(database)
    async with database.reading() as session:
        with pytest.raises(NotFound, match="leads nowhere"):
            await links.open(session, token, START)


async def test_a_link_ends_after_a_day_and_can_be_forgotten(database: Database) -> None:
    token = await make(database)
    tomorrow = START + timedelta(hours=24)
    async with database.transaction() as session:
        with pytest.raises(NotFound, match="older than a day"):
            await links.open(session, token, tomorrow)
        await links.purge(session, tomorrow + timedelta(days=1))
        with pytest.raises(NotFound, match="leads nowhere"):
            await links.open(session, token, START)
