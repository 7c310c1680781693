"""How the service stands at the moment it is asked: what the parts know of themselves, and what the rows say.

The parts are asked at each scrape; the database is read every few seconds, so that a scrape never waits for it.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import outbox
from alerts.auditor import Auditor
from alerts.courier import Courier
from alerts.store import AlertRow
from api.deps import Health
from app.health import Watch
from app.pipeline import Pipeline
from core.clock import Clock
from core.database import Database
from core.findings import SEVERITIES

LOOK_S: Final = 5.0
"""How often the rows are read, in seconds."""


class Gauges(Collector):
    """Tells Prometheus how the parts are."""

    def __init__(
        self, database: Database, clock: Clock, *, pipeline: Pipeline, courier: Courier, auditor: Auditor, watch: Watch
    ) -> None:
        self._database = database
        self._clock = clock
        self._pipeline = pipeline
        self._courier = courier
        self._auditor = auditor
        self._watch = watch
        self._open: dict[str, int] = {}
        self._opened: Tally[str] = Tally()
        self._last_alert: int | None = None
        self._depth = outbox.Depth(0, 0, None)

    async def look(self) -> None:
        """Read the rows; to be called every few seconds."""
        async with self._database.reading() as session:
            self._open = await _by_severity(session, AlertRow.closed_at.is_(None))
            newest = (await session.execute(select(func.max(AlertRow.id)))).scalar() or 0
            if self._last_alert is not None and newest > self._last_alert:
                self._opened.update(await _by_severity(session, AlertRow.id > self._last_alert))
            self._last_alert = newest
            self._depth = await outbox.depth(session, self._clock.now())

    def collect(self) -> Iterator[Metric]:
        """Yield what there is to tell."""
        yield from self._of_alerts()
        yield from self._of_parts(self._watch.health())
        now, watermark = self._clock.now(), self._pipeline.watermark
        if watermark is not None:
            lag = max(0.0, (now - watermark).total_seconds())
            yield GaugeMetricFamily("hallwatch_watermark_lag_seconds", "Now minus the engines' event time.", lag)
        aside = len(self._pipeline.rule_health)
        ahead = self._clock.ahead
        yield GaugeMetricFamily("hallwatch_clock_ahead_seconds", "The machine's clock minus ours.", ahead)
        yield GaugeMetricFamily("hallwatch_rules_in_trouble", "Rules that cannot be judged as they are.", aside)

    def _of_alerts(self) -> Iterator[Metric]:
        now = self._clock.now()
        is_open = GaugeMetricFamily("hallwatch_alerts_open", "Alerts that are not closed.", labels=["severity"])
        opened = CounterMetricFamily("hallwatch_alerts_opened", "Alerts since the start.", labels=["severity"])
        for severity in SEVERITIES:
            is_open.add_metric([severity], self._open.get(severity, 0))
            opened.add_metric([severity], self._opened[severity])
        yield is_open
        yield opened
        oldest = self._depth.oldest_due_at
        age = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
        yield GaugeMetricFamily("hallwatch_outbox_depth", "Deliveries waiting to be sent.", self._depth.waiting)
        yield GaugeMetricFamily("hallwatch_outbox_oldest_seconds", "How long the oldest is overdue.", age)
        attempts = CounterMetricFamily("hallwatch_delivery_attempts", "Attempts to deliver.", labels=["outcome"])
        for outcome, count in sorted(self._courier.status.outcomes.items()):
            attempts.add_metric([outcome], count)
        yield attempts

    def _of_parts(self, health: Health) -> Iterator[Metric]:
        found = self._auditor.findings
        yield GaugeMetricFamily("hallwatch_broker_connected", "1: the broker is connected.", float(health.broker.ok))
        up = GaugeMetricFamily("hallwatch_part_well", "1: the part is well; see /readyz.", labels=["part"])
        for name, part in (("broker", health.broker), ("database", health.database), ("auditor", health.auditor)):
            up.add_metric([name], float(part.ok))
        yield up
        yield GaugeMetricFamily("hallwatch_auditor_late_steps", "Alerts whose next step stays late.", found.late)
        yield CounterMetricFamily("hallwatch_auditor_restarted", "Alerts taken up again.", found.restarted)


async def _by_severity(session: AsyncSession, which: ColumnElement[bool]) -> dict[str, int]:
    query = select(AlertRow.severity, func.count(AlertRow.id)).where(which).group_by(AlertRow.severity)
    return {severity: int(count) for severity, count in (await session.execute(query)).all()}
