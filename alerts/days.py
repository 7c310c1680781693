"""How many alerts each day had, by the campus's own clock, gravest first."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.store import AlertRow


async def count(
    session: AsyncSession, *, since: datetime, until: datetime, zone: ZoneInfo, campus: str | None = None
) -> dict[date, Counter[str]]:
    """Return how many live alerts opened on each day of [since, until), by severity; days without one included."""
    query = select(AlertRow.opened_at, AlertRow.severity).where(
        AlertRow.exercise == "live", AlertRow.opened_at >= since, AlertRow.opened_at < until
    )
    if campus:
        query = query.where(AlertRow.campus == campus)
    first, last = since.astimezone(zone).date(), (until - timedelta(microseconds=1)).astimezone(zone).date()
    found = {first + timedelta(days=n): Counter[str]() for n in range((last - first).days + 1)}
    for at, severity in await session.execute(query):
        found[at.astimezone(zone).date()][severity] += 1
    return found
