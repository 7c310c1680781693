"""What each rule costs people: how often it called, what they said of it, what it has open. Counted by the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.store import AlertRow

SPAN: Final = timedelta(days=30)
MANY: Final = 0.5
"""From this share of nuisances on, tuning is suggested."""
ENOUGH: Final = 4
"""So many must have been judged before a share says anything."""
_NUISANCE: Final = ("nuisance", "false")
_JUDGED: Final = ("real", *_NUISANCE)


@dataclass(frozen=True, slots=True)
class Attention:
    """What one rule asked of people in the last 30 days; `open` is now."""

    found: int = 0
    called: int = 0
    """How many of those anybody was told of."""
    judged: int = 0
    nuisance: int = 0
    open: int = 0

    @property
    def share(self) -> str:
        """How many of the judged ones were no danger, as one says it."""
        return f"{self.nuisance} of {self.judged}" if self.judged else "not said yet"

    @property
    def is_tiring(self) -> bool:
        """Whether most of what it says is no danger, so that people will stop listening."""
        return self.judged >= ENOUGH and self.nuisance >= MANY * self.judged


async def read(session: AsyncSession, now: datetime, campus: str | None = None) -> Mapping[str, Attention]:
    """Return what each rule that ever called costs, on one campus or on all."""
    return await _read(session, now, campus, None)


async def of_rule(session: AsyncSession, rule: str, now: datetime, campus: str | None = None) -> Attention:
    """Return what one rule costs."""
    return (await _read(session, now, campus, rule)).get(rule, Attention())


async def _read(session: AsyncSession, now: datetime, campus: str | None, rule: str | None) -> dict[str, Attention]:
    here = [AlertRow.campus == campus] if campus else []
    here += [AlertRow.rule == rule] if rule else []
    query = (
        select(
            AlertRow.rule,
            func.count().label("found"),
            func.count(AlertRow.noticed_at).label("called"),
            _how_many(AlertRow.disposition.in_(_JUDGED)).label("judged"),
            _how_many(AlertRow.disposition.in_(_NUISANCE)).label("nuisance"),
        )
        .where(AlertRow.opened_at >= now - SPAN, AlertRow.exercise == "live", *here)
        .group_by(AlertRow.rule)
    )
    waiting = (
        select(AlertRow.rule, func.count().label("open"))
        .where(AlertRow.closed_at.is_(None), *here)
        .group_by(AlertRow.rule)
    )
    still = {row.rule: int(row.open) for row in await session.execute(waiting)}
    found = {
        row.rule: Attention(row.found, row.called, row.judged, row.nuisance, still.pop(row.rule, 0))
        for row in await session.execute(query)
    }
    return found | {name: Attention(open=count) for name, count in still.items()}


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
