"""Brings a database to the tables this version needs. The migrations are part of the installed package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.database import Base, Database, in_turn

SCRIPTS = Path(__file__).parent / "migrations"


async def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to a revision; one that is there already is left as it is."""
    await _run(database, lambda config: command.upgrade(config, revision))


async def downgrade(database: Database, revision: str) -> None:
    """Take the database back to an earlier revision (`base`: no tables at all)."""
    await _run(database, lambda config: command.downgrade(config, revision))


async def write_revision(database: Database, message: str) -> None:
    """Write a new migration file from the difference between the rows and the database; for developers."""
    import app.migrations.rows  # noqa: F401 - the rows register themselves; whoever only migrates needs none of them

    def write(config: Config) -> None:
        config.attributes["metadata"] = Base.metadata
        command.revision(config, message, autogenerate=True)

    await _run(database, write)


async def current(database: Database) -> str | None:
    """Return the database's revision, or None if it has no tables of ours."""
    async with database.reading() as session:
        connection = await session.connection()
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


def newest() -> str | None:
    """Return the revision this version needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def _run(database: Database, what: Callable[[Config], Any]) -> None:
    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        what(config)

    async with database.transaction() as session:
        # Processes that start together on an empty database: the second finds what the first has made.
        await in_turn(session)
        await (await session.connection()).run_sync(run)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config
