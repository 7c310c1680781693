"""Builds the service: the one place where every part meets the parts it needs.

Tests build it with a manual clock and fakes at the outer doors (`listen`, `channels`), and run it in the test itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from alerts.auditor import Auditor
from alerts.channels import Channels
from alerts.courier import Courier
from alerts.preflight import Preflight
from alerts.watchdog import Watchdog
from alerts.weekly import Weekly
from api.deps import House, Receipt, Working
from app import documents, migrate
from app.gauges import Gauges
from app.health import Watch
from app.metrics import Metrics
from app.pipeline import Pipeline
from app.retention import Retention
from core import registry
from core.clock import Clock, SystemClock
from core.database import Database, in_turn
from core.errors import Unavailable
from core.messages import Heard
from core.settings import Settings
from core.spans import SILENT, Spans
from core.vault import Vault
from ingest.mqtt import Listener
from rules import rule, store

log = structlog.get_logger("wiring")


@dataclass
class Service:
    """The parts of one service, joined. `app.loops` runs them."""

    settings: Settings
    clock: Clock
    database: Database
    vault: Vault
    metrics: Metrics
    pipeline: Pipeline
    channels: Channels
    courier: Courier
    auditor: Auditor
    watchdog: Watchdog
    preflight: Preflight
    weekly: Weekly
    watch: Watch
    retention: Retention
    gauges: Gauges
    committed: asyncio.Event
    closing: asyncio.Event
    spans: Spans = SILENT
    judges: bool = True
    listener: Listener | None = None
    roles: frozenset[str] = frozenset()
    """What of it runs here, once it runs."""
    house: House = field(init=False)

    def __post_init__(self) -> None:
        self.house = House(
            database=self.database,
            clock=self.clock,
            vault=self.vault,
            settings=self.settings,
            receive=self.pipeline.on_messages if self.judges else _receive_elsewhere,
            health=self.watch.health,
            campuses=lambda: self.pipeline.campuses,
            metrics=self.metrics.registry,
            rule_health=lambda: self.pipeline.rule_health,
            working=self._working,
            news=self.committed,
            committed=self.courier.nudge,
            try_out=self.courier.try_out,
            spans=self.spans,
            closing=self.closing,
        )

    def _working(self) -> Working:
        courier, found = self.courier.status, self.auditor.findings
        return Working(self.roles, courier.looked_at, courier.trouble, found.restarted, found.beat_at)

    async def prepare(self) -> None:
        """Migrate the database and, where it is empty, fill it: the shipped protocols and the files of CONFIG_DIR."""
        await migrate.upgrade(self.database)
        await seed(self.database, self.vault, self.clock.now(), self.settings)
        await (self.pipeline.refresh() if self.judges else self.pipeline.look())

    async def close(self) -> None:
        """Give back what was opened."""
        self.channels.close()
        await self.database.close()
        await asyncio.to_thread(self.spans.close)


async def seed(database: Database, vault: Vault, now: datetime, settings: Settings) -> None:
    """Fill an empty database with the shipped protocols, and with what the files of a folder say."""
    async with database.transaction() as session:
        await in_turn(session)
        if not await store.load_rules(session):
            await store.seed(session, rule.shipped(), now=now, by="shipped")
        config = settings.config_dir
        if config is None or await registry.campus_ids(session):
            return
        files = documents.read([config])
        allow_private = settings.allow_private_endpoints
        wrong = await asyncio.to_thread(documents.wrong_endpoints, files, allow_private=allow_private)
        for problem in wrong:
            # To watch and to tell the others is better than not to start; each send is refused, with its reason.
            log.warning("endpoint_unusable", problem=str(problem))
        changes = await documents.load(session, vault, files, now=now, by=f"CONFIG_DIR {config}")
        log.info("loaded", folder=str(config), what=files.summary, changes=len(changes))


async def _receive_elsewhere(_batch: list[Heard]) -> Receipt:
    raise Unavailable("this process does not run the rules; send messages to the one with the role ingest")


def build(
    settings: Settings,
    clock: Clock | None = None,
    *,
    listen: bool = True,
    judge: bool = True,
    channels: Channels | None = None,
    spans: Spans = SILENT,
) -> Service:
    """Return a service built from its settings; nothing runs and nothing is opened yet.

    `listen`: connect to the broker of the settings; without it messages come in through `Service.pipeline` alone.
    `judge`: this process runs the rules. A campus has one engine, so one process alone may do so.
    `channels`: where words go out, in place of Apprise.
    `spans`: makes the spans of traces, where somebody collects them.
    """
    clock = clock or SystemClock()
    vault = Vault(settings.require_secret())
    database = Database(settings.database_url)
    metrics = Metrics()
    channels = channels or Channels(allow_private=settings.allow_private_endpoints)
    committed = asyncio.Event()
    pipeline: Pipeline
    public_url = settings.public_url
    courier = Courier(database, clock, channels, campuses=lambda: pipeline.campuses, public_url=public_url, spans=spans)

    pipeline = Pipeline(
        database,
        clock,
        vault,
        prefix=settings.mqtt_prefix,
        lateness=settings.lateness,
        metrics=metrics,
        courier=courier,
        committed=committed.set,
        spans=spans,
    )
    auditor = Auditor(database, clock, courier, lambda: pipeline.campuses, heartbeat_url=settings.heartbeat_url)
    watchdog = Watchdog(database, clock, channels, lambda: pipeline.campuses)
    preflight = Preflight(database, clock, channels, lambda: pipeline.campuses, public_url=public_url)
    weekly = Weekly(database, clock, lambda: pipeline.campuses, nudge=courier.nudge)
    listener = _listener(settings, clock, pipeline) if listen else None
    watch = Watch(database, clock, auditor, listener)
    retention = Retention(database, clock, settings, campuses=lambda: pipeline.campuses, metrics=metrics)
    gauges = Gauges(database, clock, pipeline=pipeline, courier=courier, auditor=auditor, watch=watch)
    metrics.registry.register(gauges)
    return Service(
        settings=settings,
        clock=clock,
        database=database,
        vault=vault,
        metrics=metrics,
        pipeline=pipeline,
        channels=channels,
        courier=courier,
        auditor=auditor,
        watchdog=watchdog,
        preflight=preflight,
        weekly=weekly,
        watch=watch,
        retention=retention,
        gauges=gauges,
        committed=committed,
        closing=asyncio.Event(),
        spans=spans,
        judges=judge,
        listener=listener,
    )


def _listener(settings: Settings, clock: Clock, pipeline: Pipeline) -> Listener:
    listener = Listener(
        settings.mqtt_url,
        client_id=settings.mqtt_client_id,
        prefix=settings.mqtt_prefix,
        handle=pipeline.on_heard,
        on_poison=pipeline.on_poison,
        clock=clock,
        ca_file=settings.mqtt_ca_file,
        cert_file=settings.mqtt_cert_file,
        key_file=settings.mqtt_key_file,
    )
    pipeline.on_topics = listener.subscribe
    listener.on_backlog, listener.on_caught_up = pipeline.on_backlog, pipeline.on_caught_up
    return listener
