"""`hallwatch replay`: recorded messages through the live engine, and if asked through the live alert desk.

No broker, no service, nothing sent. The alerts are worked out on tables in memory by the very code that keeps them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

import app.migrations.rows  # noqa: F401 - the tables in memory
from alerts import desk, store
from alerts.shapes import moment
from app import documents, recordings
from core.campus import Campus
from core.database import Base, Database
from core.errors import BadInput, Problem
from core.findings import Finding
from core.messages import Message
from ingest import mapping
from ingest.mapping.silence import with_heartbeats
from rules import rule
from rules.engine import Engine
from rules.replay import as_line
from rules.rule import Rule

LATENESS = timedelta(seconds=1)
MOST_EVENTS = 10_000_000
SHOWN = frozenset(("opened", "repeated", "escalated", "cleared", "closed", "notify", "suppressed"))


def run(messages: Path, campus_file: Path, rule_files: Sequence[Path], *, alerts: bool, as_json: bool) -> int:
    """Replay and print; what could not be read is told on stderr afterwards."""
    campus, rules = _campus(campus_file), _rules(rule_files)
    lines = recordings.read(messages)
    unread: list[tuple[int, str]] = []
    found: Iterator[dict[str, Any]]
    if alerts:
        found = iter(asyncio.run(alerts_of(campus, rules, lines, unread)))
    else:
        findings = recordings.findings(lines, campus, rules, mapping.shipped(), lateness=LATENESS, unread=unread)
        found = map(as_line, findings)
    for line in found:
        print(msgspec.json.encode(line).decode() if as_json else _for_eyes(line))
    for number, reason in unread:
        print(f"{messages}:{number}: {reason}", file=sys.stderr)
    return 0


def _campus(path: Path) -> Campus:
    files = documents.read([path])
    if len(files.campuses) != 1:
        raise BadInput([Problem(f"must hold one campus, holds {files.summary}", file=str(path))])
    return with_heartbeats(files.campuses[0], mapping.shipped())


def _rules(paths: Sequence[Path]) -> Sequence[Rule]:
    return documents.read(paths).rules if paths else rule.shipped()


def _for_eyes(line: dict[str, Any]) -> str:
    if "event" in line:
        to = f" -> {', '.join(line['to'])}" if line["to"] else ""
        muted = f" (not told: {line['suppressed']})" if line["suppressed"] else ""
        return f"{line['at']}  {line['event']:<9} {line['severity']:<8} {line['rule']} {line['key']}{to}{muted}"
    late = " (late)" if line["late"] else ""
    return f"{line['at']}  {line['state']:<8} {line['severity']:<8} {line['rule']} {line['key']}: {line['text']}{late}"


async def alerts_of(
    campus: Campus, rules: Sequence[Rule], lines: Sequence[recordings.Line], unread: list[tuple[int, str]]
) -> list[dict[str, Any]]:
    """Return what would become of a recording if nobody answered; what cannot be read is noted in `unread`."""
    if not lines:
        return []
    database = Database("sqlite://")
    try:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with database.transaction() as session:
            stage = _Stage(session, campus, rules, lines[0].rx)
            for item in recordings.items(lines, campus, mapping.shipped(), lateness=LATENESS, unread=unread):
                await stage.take(item)
            return await timeline(session)
    finally:
        await database.close()


class _Stage:
    """The corridor without its doors: the engine and the desk, moved by the recording's own clock."""

    def __init__(self, session: AsyncSession, campus: Campus, rules: Sequence[Rule], started: datetime) -> None:
        self._session = session
        self._campuses = {campus.id: campus}
        self._engine = Engine(campus, rules, started=started - LATENESS)
        self._now = started

    async def take(self, item: Message | datetime) -> None:
        """Let time go on to the item, then take it in."""
        until = item if isinstance(item, datetime) else item.received_at
        await self._pass(until)
        self._now = until
        await self._hand_on(self._engine.advance(until - LATENESS))
        if isinstance(item, Message):
            await self._hand_on(self._engine.accept(item))

    async def _pass(self, until: datetime) -> None:
        while True:
            due = self._engine.next_due
            moments = [due + LATENESS] if due else []
            step = await store.next_step_at(self._session)
            moments += [step] if step else []
            following = max(min(moments, default=until), self._now)
            if following >= until:
                return
            self._now = following
            await self._hand_on(self._engine.advance(following - LATENESS))
            await desk.steps_due(self._session, self._campuses, following)

    async def _hand_on(self, findings: Sequence[Finding]) -> None:
        await desk.handle_all(self._session, findings, self._campuses, now=self._now)


async def timeline(session: AsyncSession) -> list[dict[str, Any]]:
    """Return what became of every alert in the tables, in order, as `replay --alerts` prints it."""
    events = await store.events_after(session, 0, MOST_EVENTS)
    known = await store.get_all(session, {event.alert for event in events})
    severity: dict[int, str] = {}
    lines: list[dict[str, Any]] = []
    for event in events:
        alert = known[event.alert]
        severity[alert.id] = event.data.get("severity", severity.get(alert.id, alert.severity))
        if event.event in SHOWN:
            muted = event.event == "suppressed"
            lines.append(
                {
                    "at": moment(event.at),
                    "alert": alert.code,
                    "rule": alert.rule,
                    "key": alert.key,
                    "event": "notify" if muted else event.event,
                    "severity": severity[alert.id],
                    "to": event.data.get("to", []),
                    "suppressed": event.data.get("reason") if muted else None,
                }
            )
    return lines
