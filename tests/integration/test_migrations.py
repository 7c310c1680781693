"""The migrations lead to the tables that the rows describe, on both databases, and back."""

from __future__ import annotations

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

import app.migrations.rows  # noqa: F401 - every row of every room
from app import migrate
from core.database import Base, Database


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_an_upgraded_database_is_what_the_rows_say(database_url: str) -> None:
    database = Database(database_url)
    await migrate.upgrade(database)
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    assert await migrate.current(database) == migrate.newest()
    await migrate.upgrade(database)
    await database.close()


async def test_processes_that_start_together_find_the_same_tables(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(3)]
    await asyncio.gather(*(migrate.upgrade(each) for each in databases))
    assert await migrate.current(databases[0]) == migrate.newest()
    for each in databases:
        await each.close()


async def test_the_way_back_leaves_nothing_of_ours(database_url: str) -> None:
    database = Database(database_url)
    await migrate.upgrade(database)
    await migrate.downgrade(database, "base")
    async with database.engine.connect() as connection:
        assert await connection.run_sync(tables) == {"alembic_version"}
    await database.close()
