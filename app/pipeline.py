"""The corridor: the way of a batch of messages, and of a tick, from what was heard to what must be told.

Two entrances, one way. Every batch and every tick is one transaction: the messages, the state, the rules' memory,
the alerts and the deliveries they cause commit together or not at all. If a commit fails, what the engines have in
memory is thrown away and restored from the rows: the rows are the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import desk
from api.deps import Receipt
from app.metrics import Metrics
from core import feed, journal, registry, state
from core.campus import Campus
from core.clock import Clock, stopwatch
from core.database import Database
from core.facts import CampusFacts, DoorFacts, Facts, GatheringFacts
from core.findings import Finding
from core.messages import Heard, Message
from core.vault import Vault
from core.wire import Refused
from ingest import quarantine
from ingest.decode import Decoder, PartlyRefused
from ingest.mapping import Mapping
from rules import store
from rules.engine import Engine
from rules.rule import Rule

log = structlog.get_logger("pipeline")
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
        mappings: Sequence[Mapping],
        prefix: str,
        lateness: timedelta,
        metrics: Metrics,
        committed: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._vault = vault
        self._mappings = mappings
        self._prefix = prefix
        self._lateness = lateness
        self._metrics = metrics
        self._committed = committed
        self._turn = asyncio.Lock()
        self._engines: dict[str, Engine] | None = None
        self._rules: list[Rule] = []
        self._decoder = Decoder((), mappings, prefix=prefix, lateness=lateness)
        self._revisions = (-1, -1)
        self._alive_at: datetime | None = None
        self.campuses: dict[str, Campus] = {}
        self.catching_up = True
        """True until what the broker kept for us has been read: event time stands still until then."""

    async def on_messages(self, batch: Sequence[Heard]) -> Receipt:
        """Take in what was heard; when this returns, its effects are committed and it may be acknowledged.

        Raises Unavailable where the database cannot be reached; nothing has happened then.
        """
        started = stopwatch()
        async with self._corridor() as (session, now):
            read, unread = self._decode(batch, now)
            await quarantine.keep(session, list(unread.values()), now)
            fresh = await journal.append(session, [message for each in read.values() for message in each])
            touched = {message.campus for message in fresh}
            await self._settle(session, touched, self._judge(fresh, now), now)
        new = {id(message) for message in fresh}
        repeats = sum(not any(id(message) in new for message in each) for each in read.values())
        self._metrics.batch(fresh, repeats, [each.reason for each in unread.values()], stopwatch() - started)
        return Receipt(
            accepted=len(read.keys() - unread.keys()) - repeats,
            duplicates=repeats,
            quarantined=[(place, each.reason) for place, each in unread.items()],
        )

    async def on_heard(self, batch: list[Heard]) -> None:
        """Take in what came over MQTT."""
        await self.on_messages(batch)

    async def on_poison(self, heard: Heard, error: Exception) -> None:
        """Put aside the one message that cannot be handled, so that the others go on."""
        async with self._corridor() as (session, now):
            reason = f"internal_error: {type(error).__name__}"
            await quarantine.keep(
                session, [quarantine.Unread(heard, self._decoder.campus_of(heard.topic), reason)], now
            )

    async def look(self) -> None:
        """Take over campuses alone: for a process that shows them and judges nothing."""
        async with self._database.reading() as session:
            if await registry.revision(session) != self._revisions[0]:
                self._revisions = (await registry.revision(session), self._revisions[1])
                self.campuses = {each.id: each for each in await registry.load_all(session, self._vault)}

    async def on_tick(self) -> None:
        """Let time pass: what was waiting for it is judged, the escalations whose time has come are planned."""
        if self._is_quiet():
            return
        async with self._corridor() as (session, now):
            findings: list[Finding] = []
            due = self._engines_due(now)
            if not self.catching_up:
                for campus in due:
                    findings += self._engines_now()[campus].advance(now - self._lateness)
            await self._settle(session, due, findings, now)

    def _is_quiet(self) -> bool:
        # The common tick finds nothing to do and must not cost a transaction.
        now = self._clock.now()
        if self._engines is None or self._alive_at is None or now - self._alive_at >= ALIVE_EVERY:
            return False
        due = self.next_due
        return self.catching_up or due is None or due > now

    @property
    def next_due(self) -> datetime | None:
        """The next instant at which letting time pass would do something; None: nothing waits."""
        engines = (self._engines or {}).values()
        waiting = [engine.next_due for engine in engines if engine.next_due is not None]
        return min(waiting) + self._lateness if waiting else None

    async def refresh(self) -> None:
        """Look whether campuses or rules have changed in the database, and take the change over."""
        async with self._database.reading() as session:
            found = (await registry.revision(session), await store.revision(session))
        if found != self._revisions:
            async with self._corridor() as (session, now):
                findings = await self._load(session, now)
                await self._settle(session, self._engines_now(), findings, now)

    @asynccontextmanager
    async def _corridor(self) -> AsyncIterator[tuple[AsyncSession, datetime]]:
        async with self._turn:
            try:
                async with self._database.transaction() as session:
                    now = self._clock.now()
                    if self._engines is None:
                        await self._load(session, now)
                    yield session, now
            except BaseException:
                self._engines = None
                raise
        self._committed()

    async def _load(self, session: AsyncSession, now: datetime) -> list[Finding]:
        """Read campuses and rules anew; engines that run go on with them. Return what that ends or begins."""
        revisions = (await registry.revision(session), await store.revision(session))
        self.campuses = {campus.id: campus for campus in await registry.load_all(session, self._vault)}
        self._rules = await store.load_rules(session)
        kept = self._engines or {}
        engines: dict[str, Engine] = {}
        findings: list[Finding] = []
        for campus in self.campuses.values():
            engine = kept.get(campus.id)
            if engine is None:
                engine = await store.restore(session, campus, self._rules, now=now)
            else:
                findings += engine.replace_campus(campus)
                findings += engine.replace_rules(self._rules)
            engines[campus.id] = engine
        self._engines = engines
        self._decoder = Decoder(self.campuses.values(), self._mappings, prefix=self._prefix, lateness=self._lateness)
        self._revisions = revisions
        log.info("loaded", campuses=len(engines), rules=len(self._rules))
        return findings

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

    def _decode(
        self, batch: Sequence[Heard], now: datetime
    ) -> tuple[dict[int, list[Message]], dict[int, quarantine.Unread]]:
        read: dict[int, list[Message]] = {}
        unread: dict[int, quarantine.Unread] = {}
        for place, heard in enumerate(batch):
            try:
                read[place] = self._decoder.decode(heard, now)
            except Refused as refused:
                if isinstance(refused, PartlyRefused) and refused.messages:
                    read[place] = refused.messages
                unread[place] = quarantine.Unread(heard, self._decoder.campus_of(heard.topic), refused.reason)
        return read, unread

    def _judge(self, messages: Sequence[Message], now: datetime) -> list[Finding]:
        engines = self._engines_now()
        findings: list[Finding] = []
        if not self.catching_up:
            for campus in {message.campus for message in messages}:
                findings += engines[campus].advance(now - self._lateness)
        for message in messages:
            findings += engines[message.campus].accept(message)
        return findings

    async def _settle(
        self, session: AsyncSession, touched: Iterable[str], findings: Sequence[Finding], now: datetime
    ) -> None:
        """Write down what has changed on the campuses touched, and hand the findings on to the desk."""
        news: list[feed.News] = []
        for campus in touched:
            engine = self._engines_now()[campus]
            news += [each for facts in engine.now.take_moves() if (each := _news(campus, facts))]
            await state.save(session, campus, engine.now.take_changes())
            await store.save(session, campus, engine.changes())
        for finding in findings:
            self._metrics.finding(finding.rule, finding.state)
        if findings:
            await desk.handle_all(session, findings, self.campuses, now=now)
        await feed.publish(session, news, now)


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
