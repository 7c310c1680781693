"""Alerts, their timelines and their waiting steps, as rows.

At most one alert of a campus, rule and key is open: an index sees to it, whoever writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import ForeignKey, Index, Table, Text, bindparam, delete, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from alerts import outbox, shelf
from alerts.alert import STALE, Alert
from core.database import Base, BigId, insert
from core.errors import NotFound
from core.findings import Finding

T = TypeVar("T")
CHUNK: Final = 500
"""How many keys one query asks for; SQLite and PostgreSQL both bound the parameters of a statement."""


def _where(condition: str) -> dict[str, Any]:
    return {f"{dialect}_where": text(condition) for dialect in ("sqlite", "postgresql")}


_FRESH: Final = "closed_at IS NULL AND condition = 'active' AND NOT stale"


class AlertRow(Base):
    """One alert; the columns are the fields of `alerts.alert.Alert`."""

    __tablename__ = "alerts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    campus: Mapped[str]
    rule: Mapped[str]
    rule_version: Mapped[int]
    key: Mapped[str]
    entity: Mapped[str]
    code: Mapped[str]
    severity: Mapped[str]
    exercise: Mapped[str]
    title: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    do: Mapped[list[Any]]
    srp: Mapped[str | None]
    group: Mapped[str | None]
    because: Mapped[dict[str, Any]]
    late: Mapped[bool]
    condition: Mapped[str]
    momentary: Mapped[bool]
    latched: Mapped[bool]
    began_at: Mapped[datetime]
    opened_at: Mapped[datetime]
    heard_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
    count: Mapped[int]
    opening: Mapped[int]
    previous: Mapped[int | None]
    openings: Mapped[list[Any]]
    stale: Mapped[bool]
    suppressed: Mapped[str | None]
    acknowledged_by: Mapped[str | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledgers: Mapped[list[Any]]
    on_scene_by: Mapped[str | None]
    on_scene_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    disposition: Mapped[str | None]
    note: Mapped[str] = mapped_column(Text)
    policy: Mapped[dict[str, Any]]
    generation: Mapped[int]
    first_generation: Mapped[int]
    noticed_at: Mapped[datetime | None]
    next_step_at: Mapped[datetime | None]
    urgency: Mapped[str]
    certainty: Mapped[str]
    cap_status: Mapped[str]
    msg_type: Mapped[str]
    references: Mapped[list[Any]]

    __table_args__ = (
        Index("uq_alerts_open", "campus", "rule", "key", unique=True, **_where("closed_at IS NULL")),
        Index("uq_alerts_open_code", "code", unique=True, **_where("closed_at IS NULL")),
        Index(None, "campus", "rule", "key", "id"),
        Index(None, "opened_at"),
        Index("ix_alerts_fresh", "began_at", **_where(_FRESH)),
        Index("ix_alerts_next_step_at", "next_step_at", **_where("next_step_at IS NOT NULL")),
    )


class EventRow(Base):
    """One line of an alert's timeline: what happened, when, by whom, in words."""

    __tablename__ = "alert_events"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    alert: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    event: Mapped[str]
    who: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]]


class StepRow(Base):
    """One step that waits for its time; its kinds are those of `alerts.policies.Kind`."""

    __tablename__ = "alert_steps"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    alert: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    generation: Mapped[int]
    step: Mapped[int]
    repeat: Mapped[int]
    kind: Mapped[str]
    due_at: Mapped[datetime]
    state: Mapped[str]
    """`waiting`, `done`, or `stopped`: its answer came first."""

    __table_args__ = (
        Index("ix_alert_steps_waiting", "due_at", **_where("state = 'waiting'")),
        Index(None, "alert", "state"),
    )


class ShadowRow(Base):
    """What a rule in shadow would have said; nobody was told."""

    __tablename__ = "shadow_findings"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    campus: Mapped[str]
    rule: Mapped[str]
    rule_version: Mapped[int]
    key: Mapped[str]
    state: Mapped[str]
    severity: Mapped[str]
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Text)
    because: Mapped[dict[str, Any]]

    __table_args__ = (Index(None, "campus", "rule", "id"),)


_TABLE: Final = AlertRow.__table__
assert isinstance(_TABLE, Table)
_FIELDS: Final = tuple(Alert.__struct_fields__)
# Building a statement takes longer than running it, and these stand in the way of every alert.
_ANEW: Final = {"populate_existing": True}
_HERE: Final = tuple_(AlertRow.campus, AlertRow.rule, AlertRow.key).in_(bindparam("places", expanding=True))
_BY_NUMBER: Final = select(AlertRow).where(AlertRow.id.in_(bindparam("numbers", expanding=True)))
_OPEN_AT: Final = select(AlertRow).where(AlertRow.closed_at.is_(None), _HERE)
_OPEN_OF_RULES: Final = (
    select(AlertRow)
    .where(
        AlertRow.closed_at.is_(None),
        AlertRow.campus.in_(bindparam("campuses", expanding=True)),
        AlertRow.rule.in_(bindparam("rules", expanding=True)),
    )
    .order_by(AlertRow.id)
)
_LATEST_CLOSED: Final = select(AlertRow).where(
    AlertRow.id.in_(
        select(func.max(AlertRow.id))
        .where(AlertRow.closed_at.is_not(None), _HERE)
        .group_by(AlertRow.campus, AlertRow.rule, AlertRow.key)
    )
)
_CODES: Final = select(AlertRow.code).where(
    AlertRow.closed_at.is_(None), AlertRow.code.in_(bindparam("codes", expanding=True))
)
_WAITING: Final = (
    select(StepRow)
    .where(StepRow.alert.in_(bindparam("alerts", expanding=True)), StepRow.state == "waiting")
    .order_by(StepRow.due_at, StepRow.id)
)
_NEXT_STEP: Final = select(
    select(func.min(StepRow.due_at)).where(StepRow.state == "waiting").scalar_subquery(),
    select(func.min(AlertRow.began_at)).where(text(_FRESH)).scalar_subquery(),
)


def _values(alert: Alert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in _FIELDS}


def _alert(row: AlertRow) -> Alert:
    return msgspec.convert({name: getattr(row, name) for name in _FIELDS}, Alert)


async def add(session: AsyncSession, alerts: Sequence[Alert]) -> list[int]:
    """Write new alerts, each with a code of its own; return their numbers in the same order."""
    if not alerts:
        return []
    rows = [{name: value for name, value in _values(alert).items() if name != "id"} for alert in alerts]
    written = await session.execute(insert(session, AlertRow).returning(AlertRow.code, AlertRow.id), rows)
    numbers = {row.code: row.id for row in written}
    return [numbers[alert.code] for alert in alerts]


async def change(session: AsyncSession, alerts: Sequence[Alert]) -> None:
    """Write alerts that have moved."""
    if alerts:
        await session.execute(update(AlertRow), [_values(alert) for alert in alerts])


async def get(session: AsyncSession, number: int) -> Alert:
    """Return an alert; NotFound if there is none of that number."""
    row = await session.get(AlertRow, number, populate_existing=True)
    if row is None:
        raise NotFound(f"there is no alert {number}")
    return _alert(row)


async def get_all(session: AsyncSession, numbers: Collection[int]) -> dict[int, Alert]:
    """Return alerts by number; those that do not exist are left out."""
    found: dict[int, Alert] = {}
    for chunk in _chunks(sorted(numbers)):
        rows = await session.execute(_BY_NUMBER, {"numbers": chunk}, execution_options=_ANEW)
        found.update({row.id: _alert(row) for row in rows.scalars()})
    return found


async def open_at(session: AsyncSession, places: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], Alert]:
    """Return the open alerts at (campus, rule, key)."""
    found: dict[tuple[str, str, str], Alert] = {}
    for chunk in _chunks(sorted(places)):
        rows = await session.execute(_OPEN_AT, {"places": chunk}, execution_options=_ANEW)
        for row in rows.scalars():
            found[row.campus, row.rule, row.key] = _alert(row)
    return found


async def open_of_rules(session: AsyncSession, campuses: Collection[str], rules: Collection[str]) -> list[Alert]:
    """Return the open alerts of some rules on some campuses."""
    said = {"campuses": sorted(campuses), "rules": sorted(rules)}
    rows = await session.execute(_OPEN_OF_RULES, said, execution_options=_ANEW)
    return [_alert(row) for row in rows.scalars()]


async def unanswered(session: AsyncSession, limit: int = 1000) -> list[Alert]:
    """Return the open extreme alerts that nobody has taken and that wait for a step."""
    nobodys = (AlertRow.closed_at.is_(None), AlertRow.acknowledged_by.is_(None), AlertRow.severity == "extreme")
    query = select(AlertRow).where(AlertRow.next_step_at.is_not(None), *nobodys).order_by(AlertRow.id).limit(limit)
    return [_alert(row) for row in (await session.execute(query)).scalars()]


async def open_on(session: AsyncSession, campus: str) -> list[int]:
    """Return the numbers of the open alerts of a campus."""
    query = select(AlertRow.id).where(AlertRow.closed_at.is_(None), AlertRow.campus == campus).order_by(AlertRow.id)
    return list((await session.execute(query)).scalars())


async def closed_quietly(session: AsyncSession, campus: str, word: str, since: datetime) -> list[Alert]:
    """Return the alerts that opened since an instant and were closed while they were kept quiet for a reason."""
    kept = (AlertRow.campus == campus, AlertRow.suppressed == word, AlertRow.opened_at >= since)
    query = select(AlertRow).where(*kept, AlertRow.closed_at.is_not(None)).order_by(AlertRow.id)
    return [_alert(row) for row in (await session.execute(query.execution_options(populate_existing=True))).scalars()]


async def held_by(session: AsyncSession, campus: str, who: Collection[str]) -> list[Alert]:
    """Return the open extreme alerts of a campus that one of these has taken."""
    mine = (AlertRow.closed_at.is_(None), AlertRow.campus == campus, AlertRow.acknowledged_by.in_(who))
    query = select(AlertRow).where(*mine, AlertRow.severity == "extreme").order_by(AlertRow.id)
    return [_alert(row) for row in (await session.execute(query.execution_options(populate_existing=True))).scalars()]


async def grown_stale(session: AsyncSession, now: datetime, limit: int = 1000) -> list[int]:
    """Return the alerts that have been true for too long and are not marked as stale yet."""
    query = select(AlertRow.id).where(text(_FRESH), AlertRow.began_at <= now - STALE)
    return list((await session.execute(query.order_by(AlertRow.began_at).limit(limit))).scalars())


async def latest_closed(
    session: AsyncSession, places: Collection[tuple[str, str, str]]
) -> dict[tuple[str, str, str], Alert]:
    """Return the alert closed last at each (campus, rule, key) that ever had one."""
    found: dict[tuple[str, str, str], Alert] = {}
    for chunk in _chunks(sorted(places)):
        rows = await session.execute(_LATEST_CLOSED, {"places": chunk}, execution_options=_ANEW)
        for row in rows.scalars():
            found[row.campus, row.rule, row.key] = _alert(row)
    return found


async def codes_in_use(session: AsyncSession, codes: Collection[str]) -> set[str]:
    """Return which of these codes open alerts have."""
    found: set[str] = set()
    for chunk in _chunks(sorted(codes)):
        found.update((await session.execute(_CODES, {"codes": chunk})).scalars())
    return found


async def find(
    session: AsyncSession,
    *,
    state: str | None = None,
    severity: str | None = None,
    rule: str | None = None,
    campus: str | None = None,
    since: datetime | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Alert]:
    """Return alerts, the newest first. `state` is `open` or `closed`; `since` is about the opening."""
    query = select(AlertRow).order_by(AlertRow.id.desc()).limit(limit).execution_options(populate_existing=True)
    if state:
        query = query.where(AlertRow.closed_at.is_(None) if state == "open" else AlertRow.closed_at.is_not(None))
    if severity:
        query = query.where(AlertRow.severity == severity)
    if rule:
        query = query.where(AlertRow.rule == rule)
    if campus:
        query = query.where(AlertRow.campus == campus)
    if since:
        query = query.where(AlertRow.opened_at >= since)
    if before_id is not None:
        query = query.where(AlertRow.id < before_id)
    return [_alert(row) for row in (await session.execute(query)).scalars()]


async def add_events(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Write lines of timelines."""
    if rows:
        await session.execute(insert(session, EventRow), rows)


async def timeline(session: AsyncSession, alert: int, *, latest: int | None = None) -> list[EventRow]:
    """Return the timeline of an alert in its order, or the end of it: the `latest` lines."""
    query = select(EventRow).where(EventRow.alert == alert).order_by(EventRow.id.desc()).limit(latest)
    return list((await session.execute(query)).scalars())[::-1]


async def events_after(session: AsyncSession, last_id: int, limit: int = 1000) -> list[EventRow]:
    """Return what happened to any alert after the line numbered `last_id`, in order."""
    query = select(EventRow).where(EventRow.id > last_id).order_by(EventRow.id).limit(limit)
    return list((await session.execute(query)).scalars())


async def add_steps(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Write steps that wait, or that are done already."""
    if rows:
        await session.execute(insert(session, StepRow), rows)


async def steps_due(session: AsyncSession, now: datetime, limit: int = 1000) -> list[StepRow]:
    """Return waiting steps whose time has come, the longest overdue first."""
    query = (
        select(StepRow)
        .where(StepRow.state == "waiting", StepRow.due_at <= now)
        .order_by(StepRow.due_at, StepRow.id)
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return list((await session.execute(query)).scalars())


async def waiting_steps(session: AsyncSession, alerts: Collection[int]) -> dict[int, list[StepRow]]:
    """Return the steps of alerts that still wait, by alert, the next one first."""
    found: dict[int, list[StepRow]] = {}
    for chunk in _chunks(sorted(alerts)):
        rows = await session.execute(_WAITING, {"alerts": chunk}, execution_options=_ANEW)
        for row in rows.scalars():
            found.setdefault(row.alert, []).append(row)
    return found


async def end_steps(session: AsyncSession, steps: Collection[int], state: str) -> None:
    """Mark steps as `done` or `stopped`."""
    for chunk in _chunks(sorted(steps)):
        statement = update(StepRow).where(StepRow.id.in_(chunk)).values(state=state)
        await session.execute(statement.execution_options(synchronize_session=False))


async def postpone(session: AsyncSession, alerts: Collection[int], until: datetime) -> None:
    """Let the steps of alerts that are due before an instant wait until then."""
    if alerts:
        mine = (StepRow.alert.in_(alerts), StepRow.state == "waiting", StepRow.due_at < until)
        statement = update(StepRow).where(*mine).values(due_at=until)
        await session.execute(statement.execution_options(synchronize_session=False))


async def next_step_at(session: AsyncSession) -> datetime | None:
    """Return when the desk has something to do next, or None: a step, a suppression, an alert that grows stale."""
    step, oldest = (await session.execute(_NEXT_STEP)).one()
    moments = (step, await shelf.next_at(session), oldest + STALE if oldest else None)
    return min((each for each in moments if each is not None), default=None)


async def late(session: AsyncSession, before: datetime, limit: int = 1000) -> list[int]:
    """Return open alerts whose next step should have happened before an instant."""
    query = select(AlertRow.id).where(AlertRow.next_step_at < before, AlertRow.closed_at.is_(None))
    return list((await session.execute(query.order_by(AlertRow.next_step_at).limit(limit))).scalars())


async def forgotten(session: AsyncSession, before: datetime, limit: int = 1000) -> list[int]:
    """Return open alerts from before an instant whose policy was never begun."""
    query = select(AlertRow.id).where(
        AlertRow.closed_at.is_(None),
        AlertRow.acknowledged_by.is_(None),
        AlertRow.suppressed.is_(None),
        AlertRow.generation == 0,
        AlertRow.opened_at < before,
    )
    return list((await session.execute(query.order_by(AlertRow.id).limit(limit))).scalars())


async def add_shadows(session: AsyncSession, findings: Sequence[Finding]) -> None:
    """Write down what rules in shadow have found."""
    rows = [
        {
            "campus": each.campus,
            "rule": each.rule,
            "rule_version": each.version,
            "key": each.key,
            "state": each.state,
            "severity": each.severity,
            "at": each.at,
            "text": each.text,
            "because": each.because,
        }
        for each in findings
    ]
    if rows:
        await session.execute(insert(session, ShadowRow), rows)


async def shadows(
    session: AsyncSession, *, campus: str, rule: str | None = None, before_id: int | None = None, limit: int = 100
) -> list[ShadowRow]:
    """Return what rules in shadow have found, the newest first."""
    query = select(ShadowRow).where(ShadowRow.campus == campus).order_by(ShadowRow.id.desc()).limit(limit)
    if rule:
        query = query.where(ShadowRow.rule == rule)
    if before_id is not None:
        query = query.where(ShadowRow.id < before_id)
    return list((await session.execute(query)).scalars())


async def purge(session: AsyncSession, before: datetime, limit: int = 1000) -> int:
    """Forget alerts closed before an instant, with all that belongs to them; return how many went (at most `limit`)."""
    query = select(AlertRow.id).where(AlertRow.closed_at < before).order_by(AlertRow.id).limit(limit)
    numbers = list((await session.execute(query)).scalars())
    if numbers:
        await outbox.purge(session, numbers)
        for row in (EventRow, StepRow):
            await session.execute(delete(row).where(row.alert.in_(numbers)))
        await session.execute(delete(AlertRow).where(AlertRow.id.in_(numbers)))
    return len(numbers)


def _chunks(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
