"""Backup and restore as docs/operations.md says, and the migrations both ways, on a database with a life behind it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from alerts.store import AlertRow
from api import access, users
from app import migrate
from app.wiring import Service, build
from core import audit, journal, registry
from core.campus import Campus
from core.clock import ManualClock
from core.database import Base, Database
from core.errors import BadInput
from core.messages import Heard
from core.settings import Settings
from core.vault import Vault
from tests import servers


async def lived(url: str, clock: ManualClock, campus: Campus) -> Service:
    """Return a service that has heard, judged and told something."""
    service = build(Settings(database_url=url, secret_key=servers.SECRET_KEY), clock, listen=False)
    await service.prepare()
    async with service.database.transaction() as session:
        await registry.save(session, service.vault, campus, now=clock.now(), by="the test")
        await access.create_token(session, name="x", role="admin", now=clock.now())
        await users.add(session, name="okafor", role="admin", password="the tall grey heron", now=clock.now())
        await audit.record(session, at=clock.now(), actor="the test", action="begin", subject="all")
    await service.pipeline.refresh()
    service.pipeline.catching_up = False
    for said in ("door/gym-east", "door/gym-west", "door/nowhere"):
        await service.pipeline.on_messages([Heard(f"campus/lincoln/{said}", b'{"position": "open"}')])
    for _ in range(60):
        clock.jump(5)
        await service.pipeline.on_tick()
    return service


async def contents(database: Database) -> dict[str, int]:
    """Return how many rows each table has."""
    async with database.reading() as session:
        return {
            name: (await session.execute(select(func.count()).select_from(table))).scalar_one()
            for name, table in sorted(Base.metadata.tables.items())
        }


async def test_a_backup_of_sqlite_taken_while_it_runs_is_restored_whole(
    tmp_path: Path, clock: ManualClock, campus: Campus
) -> None:
    service = await lived(f"sqlite:///{tmp_path}/hallwatch.db", clock, campus)
    backup = tmp_path / "backup.db"
    _copy(tmp_path / "hallwatch.db", backup)
    before = await contents(service.database)
    await service.close()
    await _is_whole(f"sqlite:///{backup}", before, clock, campus)


async def test_a_dump_of_postgresql_taken_while_it_runs_is_restored_whole(
    postgres: servers.Postgres, clock: ManualClock, campus: Campus, tmp_path: Path
) -> None:
    old, new = "backup_old", "backup_new"
    service = await lived(postgres.create(old), clock, campus)
    try:
        before = await contents(service.database)
        _tool("pg_dump", postgres, postgres.url(old), "--format=custom", f"--file={tmp_path / 'hallwatch.dump'}")
        await service.close()
        url = postgres.create(new)
        _tool("pg_restore", postgres, url, "--no-owner", "--exit-on-error", str(tmp_path / "hallwatch.dump"))
        await _is_whole(url, before, clock, campus)
    finally:
        await service.close()
        for name in (old, new):
            postgres.drop(name)


async def _is_whole(url: str, before: dict[str, int], clock: ManualClock, campus: Campus) -> None:
    """A service goes on with what was restored; with another key, what is sealed stays shut."""
    restored = build(Settings(database_url=url, secret_key=servers.SECRET_KEY), clock, listen=False)
    try:
        assert await contents(restored.database) == before
        assert before["alerts"] > 0
        assert before["messages"] > 0
        await restored.prepare()
        assert restored.pipeline.campuses["lincoln"] == campus
        async with restored.database.reading() as session:
            assert await audit.verify(session) is None
            with pytest.raises(BadInput, match="does not open"):
                await registry.load(session, Vault("another-key-" + "x7Kq2LmP9" * 5), "lincoln")
        clock.jump(60)
        await restored.pipeline.on_messages([Heard("campus/lincoln/door/gym-east", b'{"position": "closed"}')])
        restored.pipeline.catching_up = False
        for _ in range(10):
            clock.jump(5)
            await restored.pipeline.on_tick()
        async with restored.database.reading() as session:
            assert len(await journal.find(session, kind="door.closed")) == 1
            closed = select(func.count(AlertRow.id)).where(AlertRow.condition == "cleared")
            assert (await session.execute(closed)).scalar_one() > 0, "the rules went on where they stood"
    finally:
        await restored.close()


async def test_the_migrations_go_down_and_up_again_over_real_rows(
    database_url: str, clock: ManualClock, campus: Campus
) -> None:
    service = await lived(database_url, clock, campus)
    try:
        rows = await contents(service.database)
        assert sum(bool(count) for count in rows.values()) >= 10
        await migrate.upgrade(service.database)
        assert await contents(service.database) == rows, "an upgrade of what is up to date touches nothing"
        await migrate.downgrade(service.database, "base")
        async with service.database.reading() as session:
            (left,) = (await session.execute(text("SELECT count(*) FROM alembic_version"))).one()
        assert left == 0
        await migrate.upgrade(service.database)
        assert set((await contents(service.database)).values()) == {0}
        await service.prepare()
    finally:
        await service.close()


def _copy(running: Path, backup: Path) -> None:
    if shutil.which("sqlite3"):
        subprocess.run(["sqlite3", str(running), f".backup '{backup}'"], check=True)
        return
    with sqlite3.connect(running) as source, sqlite3.connect(backup) as copy:
        source.backup(copy)


def _tool(name: str, postgres: servers.Postgres, url: str, *words: str) -> None:
    command = [str(postgres._server.bin_path / name), f"--dbname={url}", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
