"""What the weekly report needs of the rows: two weeks of one campus, in a statement for each table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import figures, policies
from alerts.outbox import DeliveryRow
from alerts.policies import Policy
from alerts.shelf import SuppressionRow
from alerts.store import AlertRow
from core.errors import BadInput
from core.findings import Severity
from core.journal import MessageRow
from core.messages import CampusStateChanged

GAP: Final = "coverage-gap"
Happening = tuple[datetime, str, str, str]
"""When something was practised, what, by whom, and why."""


@dataclass(frozen=True, slots=True)
class One:
    """What the report needs of one alert."""

    id: int
    code: str
    rule: str
    key: str
    entity: str
    severity: Severity
    exercise: str
    title: str
    text: str
    momentary: bool
    began_at: datetime
    opened_at: datetime
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    on_scene_at: datetime | None
    closed_at: datetime | None
    disposition: str | None
    policy: Mapping[str, Any]

    @property
    def taken_s(self) -> float | None:
        """Seconds until somebody had it."""
        return _seconds(self.opened_at, self.acknowledged_at)

    @property
    def there_s(self) -> float | None:
        """Seconds until somebody was on scene."""
        return _seconds(self.opened_at, self.on_scene_at)

    @property
    def lasted_s(self) -> float | None:
        """Seconds from the beginning to the end of what it is about."""
        return _seconds(self.began_at, self.cleared_at)

    @property
    def target(self) -> Policy:
        """The policy it opened with; where that cannot be read any more, the one that ships."""
        try:
            return policies.from_plain(self.policy)
        except BadInput:
            return policies.default_policies()[self.severity]


@dataclass(frozen=True, slots=True)
class Failure:
    """How many notices to an endpoint never got through, in the week and in the week before."""

    person: str
    endpoint: str
    via: str
    week: int
    before: int
    reason: str


@dataclass(frozen=True, slots=True)
class Raw:
    """Two weeks of a campus."""

    alerts: Sequence[One]
    minors: Sequence[One]
    """Live minor alerts that were open at some moment of the two weeks."""
    drills: Sequence[Happening]
    floods: Sequence[Mapping[str, Any]]
    failures: Sequence[Failure]


async def read(session: AsyncSession, campus: str, earlier: datetime, begins: datetime, ends: datetime) -> Raw:
    """Return the week from `begins` to `ends`, and the one before it, which began at `earlier`."""
    return Raw(
        alerts=await _alerts(session, AlertRow.campus == campus, AlertRow.opened_at >= earlier, ends=ends),
        minors=await _alerts(
            session,
            AlertRow.campus == campus,
            AlertRow.exercise == "live",
            AlertRow.severity == "minor",
            or_(AlertRow.closed_at.is_(None), AlertRow.closed_at >= begins),
            ends=ends,
        ),
        drills=sorted(
            [*await _drills(session, campus, earlier, ends), *await _exercises(session, campus, earlier, ends)]
        ),
        floods=[
            {name: value for name, value in each.items() if name != "campus"}
            for each in await figures.floods(session, earlier, ends, campus)
        ],
        failures=await _failures(session, campus, earlier, begins, ends),
    )


async def _alerts(session: AsyncSession, *which: ColumnElement[bool], ends: datetime) -> list[One]:
    columns = [getattr(AlertRow, name) for name in One.__dataclass_fields__]
    query = select(*columns).where(*which, AlertRow.opened_at < ends).order_by(AlertRow.id)
    return [One(*row) for row in await session.execute(query)]


async def _drills(session: AsyncSession, campus: str, earlier: datetime, ends: datetime) -> list[Happening]:
    """Return when the campus went into a state of the Standard Response Protocol to practise it."""
    query = (
        select(MessageRow.data)
        .where(MessageRow.campus == campus, MessageRow.kind == CampusStateChanged.kind)
        .where(MessageRow.at >= earlier, MessageRow.at < ends)
        .order_by(MessageRow.id)
    )
    said = [msgspec.json.decode(data, type=CampusStateChanged) for data in (await session.execute(query)).scalars()]
    return [
        (each.at, f"{each.state} ({each.exercise})", each.by or "", each.reason or "")
        for each in said
        if each.exercise != "live" and each.state != "normal" and not each.initial
    ]


async def _exercises(session: AsyncSession, campus: str, earlier: datetime, ends: datetime) -> list[Happening]:
    """Return the exercises that were announced and not lifted before they began."""
    query = (
        select(SuppressionRow.starts_at, SuppressionRow.author, SuppressionRow.reason)
        .where(SuppressionRow.campus == campus, SuppressionRow.kind == "exercise")
        .where(SuppressionRow.starts_at >= earlier, SuppressionRow.starts_at < ends)
        .where(or_(SuppressionRow.lifted_at.is_(None), SuppressionRow.lifted_at > SuppressionRow.starts_at))
        .order_by(SuppressionRow.id)
    )
    return [(at, "exercise", author, reason) for at, author, reason in await session.execute(query)]


async def _failures(
    session: AsyncSession, campus: str, earlier: datetime, begins: datetime, ends: datetime
) -> list[Failure]:
    """Return the endpoints to which notices of live alerts were refused, or given up after all tries."""
    place = (DeliveryRow.person, DeliveryRow.endpoint, DeliveryRow.via)
    late = func.sum(case((DeliveryRow.created_at >= begins, 1), else_=0))
    query = (
        select(*place, late, func.count() - late, func.max(DeliveryRow.reason))
        .join(AlertRow, AlertRow.id == DeliveryRow.alert)
        .where(DeliveryRow.campus == campus, AlertRow.exercise == "live")
        .where(DeliveryRow.state.in_(("failed", "refused")), DeliveryRow.due_at.is_(None))
        .where(DeliveryRow.created_at >= earlier, DeliveryRow.created_at < ends)
        .group_by(*place)
    )
    return [
        Failure(person, endpoint, via, int(week), int(before), reason)
        for person, endpoint, via, week, before, reason in await session.execute(query)
    ]


def _seconds(start: datetime, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if end is not None else None
