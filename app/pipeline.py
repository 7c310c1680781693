"""The corridor: the way of a batch of messages, and of a tick, from what was heard to what must be told.

Two entrances, one way. Every batch and every tick is one transaction: the messages, the state, the rules' memory,
the alerts and the deliveries they cause commit together or not at all. If a commit fails, what the engines have in
memory is thrown away and restored from the rows: the rows are the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import backlog, desk
from alerts.courier import Courier
from alerts.parcels import Parcel
from api.deps import Receipt
from app.intake import Intake
from app.metrics import Metrics
from core import feed, journal, registry, state
from core.campus import Campus
from core.clock import Clock, stopwatch
from core.database import Database
from core.facts import CampusFacts, DoorFacts, Facts, GatheringFacts
from core.findings import Finding
from core.messages import Heard, Message
from core.spans import SILENT, Span, Spans
from core.vault import Vault
from ingest import discovery, health, quarantine
from ingest import store as mappings
from ingest.health import Health
from ingest.mapping import Mapping as DeviceMapping
from ingest.mapping import shipped
from ingest.mapping.silence import with_heartbeats
from rules import store
from rules.engine import Engine
from rules.rule import Rule
from rules.saved import Changes

log = structlog.get_logger("pipeline")
SLICE = 2000
"""So many steps of event time are made in one transaction: longer, and people and phones would wait for it."""
FRESH = timedelta(seconds=5)
"""A message that is no older has not waited for us."""
MOSTLY = 0.9
"""Where so many of a batch's messages are fresh, what was kept for us has been read."""
ALIVE_EVERY = timedelta(seconds=5)
"""How often the engines' position is written down when nothing happens, so that a blind interval is known."""


class Pipeline:
    """Judges what is heard on all campuses of this process, one batch or tick at a time."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        vault: Vault,
        *,
        prefix: str,
        lateness: timedelta,
        metrics: Metrics,
        courier: Courier,
        committed: Callable[[], None],
        spans: Spans = SILENT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._vault = vault
        self._prefix = prefix
        self._lateness = lateness
        self._metrics = metrics
        self._courier = courier
        self._committed = committed
        self._spans = spans
        self._turn = asyncio.Lock()
        self._engines: dict[str, Engine] | None = None
        self._rules: list[Rule] = []
        self._health = Health()
        self._revisions = (-1, -1, -1)
        self._alive_at: datetime | None = None
        self._leaving: list[Parcel] = []
        """What goes out as soon as the transaction under way has committed."""
        self._moved = False
        """Whether it has moved alerts."""
        self.campuses: dict[str, Campus] = {}
        self._intake = self._new_intake(shipped())
        self.on_topics: Callable[[Sequence[str]], None] = lambda _topics: None
        """Told what to subscribe to beside our own topics, whenever that may have changed."""
        self._catching_up = True
        self._deaf_since: datetime | None = None
        self._held: dict[str, datetime] = {}
        """Until when alerts of a campus are held back."""
        self._speaks = False
        """Whether what was held back is to be told now."""

    async def on_messages(self, batch: Sequence[Heard]) -> Receipt:
        """Take in what was heard; when this returns, its effects are committed and it may be acknowledged.

        Raises Unavailable where the database cannot be reached; nothing has happened then.
        """
        with self._spans.span("batch", messages=len(batch)) as span:
            return await self._on_batch(batch, span)

    async def _on_batch(self, batch: Sequence[Heard], span: Span) -> Receipt:
        started = stopwatch()
        async with self._corridor() as (session, now):
            found = self._intake.read(self._aged(batch), now)
            self._note_freshness(found.messages, now)
            await quarantine.keep(session, list(found.unread.values()), now)
            await discovery.keep(session, found.announced, now)
            fresh = await journal.append(session, [message for each in found.messages.values() for message in each])
            new = {id(message) for message in fresh}
            lost = await self._note_health(session, batch, found.messages, new)
            touched = {message.campus for message in fresh}
            alerts = await self._settle(session, touched, self._judge(fresh, now), now)
        repeats = sum(bool(each) and new.isdisjoint(map(id, each)) for each in found.messages.values())
        reasons = [(place, each.reason) for place, each in found.unread.items()]
        self._metrics.batch(fresh, repeats, lost, [reason for _, reason in reasons], stopwatch() - started)
        accepted = len(found.messages.keys() - found.unread.keys()) - repeats
        span.note(accepted=accepted, duplicates=repeats, quarantined=len(reasons), campuses=sorted(touched))
        _tell(span, alerts)
        return Receipt(accepted=accepted, duplicates=repeats, quarantined=reasons)

    @property
    def catching_up(self) -> bool:
        """True until what the broker kept for us has been read.

        Until then event time follows the messages, and what is found waits (`alerts.backlog`).
        """
        return self._catching_up

    @catching_up.setter
    def catching_up(self, value: bool) -> None:
        self._speaks = self._speaks or (self._catching_up and not value)
        self._catching_up = value

    def on_backlog(self, since: datetime | None) -> None:
        """Take note that what was kept for us comes now: we were deaf `since`; None: since before the start."""
        self._deaf_since = since or self._deaf_since
        self.catching_up = True

    def on_caught_up(self) -> None:
        """Take note that what was kept for us has been read."""
        self.catching_up = False

    async def on_heard(self, batch: list[Heard]) -> None:
        """Take in what came over MQTT."""
        await self.on_messages(batch)

    async def on_poison(self, heard: Heard, error: Exception) -> None:
        """Put aside the one message that cannot be handled, so that the others go on."""
        async with self._corridor() as (session, now):
            reason = f"internal_error: {type(error).__name__}"
            await quarantine.keep(session, [self._intake.unread(heard, reason)], now)

    async def look(self) -> None:
        """Take over campuses alone: for a process that shows them and judges nothing."""
        async with self._database.reading() as session:
            if await registry.revision(session) != self._revisions[0]:
                self._revisions = (await registry.revision(session), *self._revisions[1:])
                self.campuses = {each.id: each for each in await registry.load_all(session, self._vault)}

    async def on_tick(self) -> None:
        """Let time pass: what was waiting for it is judged, the escalations whose time has come are planned."""
        if self._is_quiet():
            return
        with self._spans.span("tick") as span:
            _tell(span, await self._let_pass())

    async def _let_pass(self) -> list[int]:
        alerts: set[int] = set()
        is_behind = True
        while is_behind:
            async with self._corridor() as (session, now):
                due = self._engines_due(now)
                until = {} if self.catching_up else dict.fromkeys(due, now - self._lateness)
                alerts.update(await self._settle(session, due, self._advance(until), now))
                # A backlog is judged in slices; between two of them messages are heard and notices go out.
                is_behind = any(self._engines_now()[campus].watermark < at for campus, at in until.items())
        await self._speak()
        return sorted(alerts)

    async def _speak(self) -> None:
        """Tell what was held back while we caught up, as far as it is still true."""
        if not self._speaks or self.catching_up:
            return
        async with self._corridor() as (session, now):
            await backlog.let_go(session, self.campuses, now)
            self._moved = True
        self._speaks = False
        self._held.clear()

    def _advance(self, until: Mapping[str, datetime]) -> list[Finding]:
        """Let event time go on at these campuses, by one slice at most."""
        findings: list[Finding] = []
        left = SLICE
        for campus, watermark in until.items():
            if left > 0:
                engine = self._engines_now()[campus]
                before = engine.steps
                findings += engine.advance(watermark, most=left)
                left -= engine.steps - before
        return findings

    def _aged(self, batch: Sequence[Heard]) -> Sequence[Heard]:
        if not self.catching_up or self._deaf_since is None:
            return batch
        return [replace(heard, deaf_since=self._deaf_since) for heard in batch]

    def _note_freshness(self, read: Mapping[int, list[Message]], now: datetime) -> None:
        """See from what is heard that nothing waits for us any more: on a busy campus it is never quiet."""
        if not self.catching_up:
            return
        heard = (each for messages in read.values() for each in messages if not (each.initial or each.skewed))
        fresh = [each.at >= now - FRESH for each in heard]
        if fresh and sum(fresh) >= MOSTLY * len(fresh):
            self.catching_up = False

    def _is_quiet(self) -> bool:
        # The common tick finds nothing to do and must not cost a transaction.
        now = self._clock.now()
        if self._engines is None or self._alive_at is None or now - self._alive_at >= ALIVE_EVERY:
            return False
        if self.catching_up:
            return True
        due = self.next_due
        return not self._speaks and (due is None or due > now)

    @property
    def next_due(self) -> datetime | None:
        """The next instant at which letting time pass would do something; None: nothing waits."""
        engines = (self._engines or {}).values()
        waiting = [engine.next_due for engine in engines if engine.next_due is not None]
        return min(waiting) + self._lateness if waiting else None

    @property
    def watermark(self) -> datetime | None:
        """Up to when every campus has been judged; None: no campus is judged here."""
        return min((engine.watermark for engine in (self._engines or {}).values()), default=None)

    @property
    def rule_health(self) -> dict[str, str]:
        """What is wrong with rules as they run, by rule: the rule or the campus has to be mended."""
        found: dict[str, str] = {}
        for campus, engine in sorted((self._engines or {}).items()):
            for rule, trouble in engine.health.items():
                found[rule] = f"{found[rule]}; {campus}: {trouble}" if rule in found else f"{campus}: {trouble}"
        return found

    async def refresh(self) -> None:
        """Look whether campuses, rules or mappings have changed in the database, and take the change over."""
        async with self._database.reading() as session:
            found = await _revisions(session)
        if found != self._revisions:
            async with self._corridor() as (session, now):
                # Where nothing ran yet, the corridor has just taken all of it over.
                if await _revisions(session) != self._revisions:
                    findings = await self._load(session, now)
                    await self._settle(session, self._engines_now(), findings, now)

    @asynccontextmanager
    async def _corridor(self) -> AsyncIterator[tuple[AsyncSession, datetime]]:
        async with self._turn:
            try:
                self._moved = False
                async with self._courier.departure() as self._leaving, self._database.transaction() as session:
                    now = self._clock.now()
                    if self._engines is None:
                        ended = await self._load(session, now)
                        await self._settle(session, self._engines_now() if ended else (), ended, now)
                    yield session, now
            except BaseException:
                self._engines = None
                self._held.clear()
                raise
        self._committed()
        if self._moved and not self._leaving:
            # What leaves makes itself heard when it has arrived; until then it has the machine for itself.
            self._courier.nudge()

    async def _load(self, session: AsyncSession, now: datetime) -> list[Finding]:
        """Read campuses, rules and mappings anew; engines that run go on with them. Return what that ends or begins."""
        revisions = await _revisions(session)
        self.campuses = {campus.id: campus for campus in await registry.load_all(session, self._vault)}
        self._rules = await store.load_rules(session)
        in_force = await mappings.in_force(session)
        kept = self._engines or {}
        engines: dict[str, Engine] = {}
        findings: list[Finding] = []
        for campus in (with_heartbeats(each, in_force) for each in self.campuses.values()):
            engine = kept.get(campus.id)
            if engine is None:
                engine, ended = await store.restore(session, campus, self._rules, now=now)
                heard = engine.deaf_since
                self._deaf_since = min(filter(None, (heard, self._deaf_since)), default=None)
                findings += ended
            else:
                findings += engine.replace_campus(campus)
                findings += engine.replace_rules(self._rules)
            engines[campus.id] = engine
        self._engines = engines
        self._intake = self._new_intake(in_force)
        self.on_topics(self._intake.topics)
        if not kept:
            self._health = await health.restore(session)
        self._revisions = revisions
        log.info("loaded", campuses=len(engines), rules=len(self._rules), mappings=len(in_force))
        return findings

    def _new_intake(self, in_force: Sequence[DeviceMapping]) -> Intake:
        key = self._vault.key("pseudonyms")
        return Intake(self.campuses.values(), in_force, prefix=self._prefix, lateness=self._lateness, key=key)

    def _engines_now(self) -> dict[str, Engine]:
        assert self._engines is not None
        return self._engines

    def _engines_due(self, now: datetime) -> list[str]:
        """Return the campuses for which letting time pass does something; every few seconds all, to say we listen."""
        engines = self._engines_now()
        if self._alive_at is None or now - self._alive_at >= ALIVE_EVERY:
            self._alive_at = now
            return list(engines)
        until = now - self._lateness
        return [campus for campus, each in engines.items() if each.next_due is not None and each.next_due <= until]

    async def _note_health(
        self, session: AsyncSession, batch: Sequence[Heard], read: Mapping[int, list[Message]], new: set[int]
    ) -> int:
        """Count how well the devices of a batch are heard; return how many messages are found to be lost."""
        touched: set[tuple[str, str]] = set()
        lost = sum(self._health.count(batch[place], each, new, touched) for place, each in read.items())
        await self._health.save(session, touched)
        return lost

    def _judge(self, messages: Sequence[Message], now: datetime) -> list[Finding]:
        engines = self._engines_now()
        until = dict.fromkeys((message.campus for message in messages), now)
        if self.catching_up:
            # They come in the order in which they were said, or nearly so: time follows them.
            for message in messages:
                until[message.campus] = min(until[message.campus], message.at)
        findings = self._advance({campus: at - self._lateness for campus, at in until.items()})
        for message in messages:
            findings += engines[message.campus].accept(message)
        return findings

    async def _hold_back(self, session: AsyncSession, campuses: Iterable[str], now: datetime) -> None:
        """While we catch up, let nobody be told of what is found: much of it is over by the end."""
        if not self.catching_up:
            return
        for campus in campuses:
            if campus not in self._held or self._held[campus] - now < backlog.HOLD / 2:
                self._held[campus] = await backlog.hold_back(session, campus, now)

    async def _settle(
        self, session: AsyncSession, touched: Iterable[str], findings: Sequence[Finding], now: datetime
    ) -> list[int]:
        """Write down what has changed on the campuses touched, and hand the findings on; return the alerts touched."""
        news: list[feed.News] = []
        facts: dict[str, list[Facts]] = {}
        changes: dict[str, Changes] = {}
        for campus in touched:
            engine = self._engines_now()[campus]
            news += [each for facts in engine.now.take_moves() if (each := _news(campus, facts))]
            facts[campus], changes[campus] = engine.now.take_changes(), engine.changes()
            self._metrics.judged(engine.take_tally())
        await state.save_all(session, facts)
        await store.save_all(session, changes)
        for finding in findings:
            self._metrics.finding(finding.rule, finding.state)
        alerts: set[int] = set()
        if findings:
            await self._hold_back(session, {finding.campus for finding in findings}, now)
            told = await desk.handle_all(session, findings, self.campuses, now=now)
            alerts = {alert.id for alert in told if alert is not None}
            self._moved = self._moved or bool(alerts)
            if self._courier.is_running:
                # What has to be told now goes out the moment this is committed, without another look and transaction.
                self._leaving += await self._courier.claim(session, now)
        await feed.publish(session, news, now)
        return sorted(alerts)


def _tell(span: Span, alerts: list[int]) -> None:
    """Say, in the span and in the log, which alerts came or moved; it is committed by now."""
    if alerts:
        span.note(alerts=alerts)
        log.info("alerts moved", alerts=alerts)


async def _revisions(session: AsyncSession) -> tuple[int, int, int]:
    return await registry.revision(session), await store.revision(session), await mappings.revision(session)


def _news(campus: str, facts: Facts) -> feed.News | None:
    if isinstance(facts, DoorFacts):
        data = {
            "campus": campus,
            "id": facts.id,
            "position": facts.position,
            "lock": facts.lock,
            "since": _text(facts.position_at),
            "heard_at": _text(facts.heard_at),
        }
        return feed.News(campus=campus, topic="door", data=data)
    if isinstance(facts, GatheringFacts):
        counted = {"campus": campus, "id": facts.id, "count": facts.count, "heard_at": _text(facts.heard_at)}
        return feed.News(campus=campus, topic="gathering", data=counted)
    if isinstance(facts, CampusFacts):
        told = {"campus": campus, "what": "state", "state": facts.state, "by": facts.by, "since": _text(facts.state_at)}
        return feed.News(campus=campus, topic="system", data=told)
    return None


def _text(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
