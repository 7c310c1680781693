"""Where tuning a rule meets what people made of its alerts: which were real, what a draft would have said.

The rules know nothing of alerts, and the alerts nothing of rules; whoever asks what a change costs needs both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import store as alerts
from alerts.alert import Alert
from alerts.store import ShadowRow
from core import registry
from core.campus import Campus
from rules import store
from rules.backtest import Known, Price, Spell
from rules.past import Stretch, Written
from rules.rule import Rule

PIECE: Final = 500
USUAL_SPAN: Final = timedelta(days=30)
"""So much of the past is judged, unless somebody says otherwise."""


async def real_alerts(session: AsyncSession, rule: str, since: datetime, until: datetime) -> list[Known]:
    """Return the alerts of a rule that opened in [since, until) and that people found to be real."""
    return [
        Known(
            id=alert.id,
            code=alert.code,
            campus=alert.campus,
            key=alert.key,
            began_at=alert.began_at,
            ended_at=alert.cleared_at or alert.closed_at,
        )
        async for alert in _live_alerts(session, rule, since)
        if alert.disposition == "real" and alert.opened_at < until
    ]


async def alerts_as_spells(session: AsyncSession, rule: str, since: datetime) -> list[Spell]:
    """Return when a rule had an alert open since an instant, by what it found live."""
    return [
        Spell(alert.campus, alert.key, alert.began_at, alert.cleared_at or alert.closed_at)
        async for alert in _live_alerts(session, rule, since)
    ]


async def _live_alerts(session: AsyncSession, rule: str, since: datetime) -> AsyncIterator[Alert]:
    before: int | None = None
    while found := await alerts.find(session, rule=rule, since=since, before_id=before, limit=PIECE):
        for alert in found:
            if alert.exercise == "live":
                yield alert
        before = found[-1].id


async def shadow_spells(
    session: AsyncSession, rule: str, campuses: Iterable[str], since: datetime, version: int
) -> list[Spell]:
    """Return when a rule in shadow held since an instant, from one of its versions on, by what was recorded."""
    spells: list[Spell] = []
    for campus in sorted(campuses):
        rows: list[ShadowRow] = []
        before: int | None = None
        while found := await alerts.shadows(session, campus=campus, rule=rule, before_id=before, limit=PIECE):
            rows += [row for row in found if row.at >= since and row.rule_version >= version]
            before = found[-1].id
            if found[-1].rule_version < version:
                break
        spells += _spells(reversed(rows))
    return sorted(spells, key=lambda spell: spell.start)


def _spells(rows: Iterable[ShadowRow]) -> list[Spell]:
    found: list[Spell] = []
    open_now: dict[str, Spell] = {}
    for row in rows:
        if row.state == "resolved":
            if row.key in open_now:
                open_now.pop(row.key).end = row.at
        elif row.key not in open_now:
            open_now[row.key] = spell = Spell(row.campus, row.key, row.at)
            found.append(spell)
    return found


def stretches(spells: Iterable[Spell]) -> list[Stretch]:
    """Return spells as they go to another process."""
    return [Stretch(campus=each.campus, key=each.key, start=each.start, end=each.end) for each in spells]


async def companions(session: AsyncSession, rule: Rule) -> list[Written]:
    """Return the other rules in force, where the rule counts their alerts."""
    if not any(kind.startswith("alert.") for kind in rule.operator.kinds):
        return []
    return [Written.of(each) for each in await store.load_rules(session) if each.id != rule.id]


def bare(campuses: Iterable[Campus]) -> list[dict[str, Any]]:
    """Return campuses as judging the past needs them: without endpoints, and without the names on the watch list."""
    found: list[dict[str, Any]] = []
    for campus in campuses:
        plain = registry.to_plain(campus)
        plain["people"] = [
            {name: value for name, value in person.items() if name not in ("endpoints", "phone")}
            for person in plain.get("people", ())
        ]
        plain.pop("watch_list", None)
        found.append(plain)
    return found


def as_answer(rule: Rule, since: datetime, until: datetime, prices: Sequence[Price] | list[Any]) -> dict[str, Any]:
    """Return what a back-test answers, as the API and the command line show it."""
    return {
        "rule": rule.id,
        "version": rule.version,
        "since": _text(since),
        "until": _text(until),
        "values": [msgspec.to_builtins(each) for each in prices],
    }


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
