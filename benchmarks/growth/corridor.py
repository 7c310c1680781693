"""The service's own corridor without its doors: pipeline, store and database, driven by a clock of ours."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import structlog

from app import migrate
from app.pipeline import Pipeline
from app.wiring import Service, build
from benchmarks.growth.district import District, Said
from core import registry
from core.clock import ManualClock
from core.database import Database, insert
from core.settings import Settings
from core.vault import Vault
from rules.rule import Rule, shipped
from rules.store import RuleRow
from tests import servers


@dataclass(frozen=True)
class Corridor:
    """A service that hears nothing by itself."""

    service: Service
    clock: ManualClock

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of the service."""
        return self.service.pipeline

    async def hear(self, batch: Sequence[Said]) -> None:
        """Take in what was said, when the last of it was said; its effects are committed when this returns."""
        self.clock.jump(batch[-1].at - self.clock.now())
        await self.pipeline.on_heard([each.heard for each in batch])


async def furnish(url: str, place: District, at: datetime, rules: Iterable[Rule] = ()) -> None:
    """Migrate an empty database, and write a district and its rules into it; without rules, those that ship."""
    database, vault = Database(url), Vault(servers.SECRET_KEY)
    try:
        await migrate.upgrade(database)
        async with database.transaction() as session:
            for campus in place.campuses:
                await registry.save(session, vault, campus, now=at, by="bench")
            rows = [_row(number, rule, at) for number, rule in enumerate(tuple(rules) or shipped(), 1)]
            await session.execute(insert(session, RuleRow), rows)
    finally:
        await database.close()


def _row(number: int, rule: Rule, at: datetime) -> dict[str, object]:
    document = msgspec.json.encode(rule.document).decode()
    row = {"id": rule.id, "version": 1, "document": document, "mode": rule.mode, "revision": number}
    return row | {"created_at": at, "created_by": "bench"}


@contextlib.asynccontextmanager
async def corridor(url: str, at: datetime) -> AsyncIterator[Corridor]:
    """Start on a furnished database at an instant, as the service does after a restart; end it at the end."""
    spoken = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    clock = ManualClock(at)
    service = build(Settings(database_url=url, secret_key=servers.SECRET_KEY), clock, listen=False)
    try:
        await service.prepare()
        service.pipeline.catching_up = False
        yield Corridor(service, clock)
    finally:
        await service.close()
        structlog.configure(**spoken)
