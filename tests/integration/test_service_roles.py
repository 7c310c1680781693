"""Roles in processes of their own: a campus has one engine, and only the process that runs it takes messages in."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.loops import running
from app.wiring import build
from benchmarks.stage import write_config
from core import registry
from core.campus import Campus
from core.errors import Unavailable
from core.messages import Heard
from core.settings import Settings
from core.vault import Vault
from tests.campuses import LINCOLN
from tests.servers import SECRET_KEY


def settings(folder: Path) -> Settings:
    return Settings(
        database_url=f"sqlite:///{folder}/roles.db",
        secret_key=SECRET_KEY,
        allow_private_endpoints=True,
        config_dir=write_config(folder, 9),
    )


async def test_a_process_that_only_shows_runs_no_engine_and_takes_nothing_in(tmp_path: Path) -> None:
    judging = build(settings(tmp_path), listen=False)
    await judging.prepare()
    showing = build(settings(tmp_path), listen=False, judge=False)
    await showing.prepare()
    assert set(showing.house.campuses()) == {LINCOLN["campus"]["id"]}
    assert showing.pipeline.next_due is None
    heard = Heard("campus/lincoln/door/main", b'{"position": "open"}')
    with pytest.raises(Unavailable, match="ingest"):
        await showing.house.receive([heard])
    assert (await judging.house.receive([heard])).accepted == 1
    await showing.close()
    await judging.close()


async def test_at_its_start_a_process_reads_every_campus_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    async def load(session: AsyncSession, vault: Vault, campus: str) -> Campus | None:
        read.append(campus)
        return await load_campus(session, vault, campus)

    load_campus = registry.load
    monkeypatch.setattr(registry, "load", load)
    service = build(settings(tmp_path), listen=False)
    await service.prepare()
    assert read == [LINCOLN["campus"]["id"]]
    await service.pipeline.refresh()
    assert len(read) == 1, "nothing has changed since"
    await service.close()


async def test_a_process_without_a_courier_does_not_wait_for_an_auditor(tmp_path: Path) -> None:
    showing = build(settings(tmp_path), listen=False, judge=False)
    await showing.prepare()
    async with running(showing, frozenset()):
        await showing.watch.ask_database()
        assert showing.watch.health().ok
    await showing.close()
