"""What the tests share: a campus, a manual clock, a database of each kind, real servers."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.campus import Campus
from core.clock import ManualClock
from core.database import Base, Database
from core.vault import Vault
from tests import servers
from tests.campuses import lincoln

START = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
"""A Tuesday, 08:00 at Lincoln High: school is on, somebody is on site, first class."""


@pytest.fixture
def campus() -> Campus:
    return lincoln()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def vault() -> Vault:
    return Vault(servers.SECRET_KEY)


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    # Not in pytest's own folder: started by root, the server runs as another user, and that folder is root's alone.
    with tempfile.TemporaryDirectory(prefix="hallwatch-postgres-", ignore_cleanup_errors=True) as folder:
        server = servers.Postgres(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: every test that takes it runs on both kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/hallwatch.db"
        return
    server: servers.Postgres = request.getfixturevalue("postgres")
    name = f"t_{uuid.uuid4().hex}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with all tables, empty."""
    import app.migrations.rows  # noqa: F401 - every row of every room

    found = Database(database_url)
    async with found.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield found
    await found.close()


@pytest.fixture
async def sqlite_database(tmp_path: Path) -> AsyncIterator[Database]:
    """A SQLite database with all tables, for tests that are not about the database."""
    import app.migrations.rows  # noqa: F401

    found = Database(f"sqlite:///{tmp_path}/hallwatch.db")
    async with found.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield found
    await found.close()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[servers.Mosquitto]:
    """The broker of `deploy/`, running."""
    if not servers.MOSQUITTO or not servers.MOSQUITTO_PASSWD:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto mosquitto-clients)")
    with servers.mosquitto(tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
async def receiver() -> AsyncIterator[servers.Receiver]:
    """A local receiver of pushes."""
    async with servers.receiver() as server:
        yield server
