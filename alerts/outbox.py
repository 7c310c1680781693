"""The outbox: what is to be said to whom, written in the transaction of the deed that asks for it.

A row is due at `due_at`. Claiming it moves that instant ahead by the lease: if whoever claimed it dies, the row is due
again by itself and is sent again. A row with nothing left to do has no `due_at`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeVarTuple

from sqlalchemy import (
    ForeignKey,
    Index,
    Select,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, BigId, insert, is_postgresql, upsert

Lane = Literal["critical", "normal", "bulk", "self-test"]
NoticeKind = Literal["alert", "reminder", "help", "cancel", "correction", "test", "report"]
State = Literal["pending", "leased", "accepted", "unknown", "failed", "refused", "cancelled"]
Place = tuple[str, str, str]
"""Campus, person and endpoint."""
Columns = TypeVarTuple("Columns")
NO_ALERT: Final = 0
"""The number of the alert in a delivery that is about none: a report."""
REACHED: Final = ("accepted", "unknown")
"""States in which the endpoint has, or may have, what was sent."""
LOOK_AHEAD: Final = 64
"""How many due rows a claim looks at; where they fill up their endpoints, the next claim passes over those."""
FELLOWS: Final = 1000
"""How many rows a claim looks at for those that come along."""


class DeliveryRow(Base):
    """One word to one endpoint of one person. `state` is what became of it last; `due_at` when it is tried next."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    alert: Mapped[int]
    """The number of the alert, or `NO_ALERT`; then `generation` is that of what is told."""
    campus: Mapped[str]
    generation: Mapped[int]
    step: Mapped[int]
    tier: Mapped[int] = mapped_column(default=0)
    person: Mapped[str]
    endpoint: Mapped[str]
    via: Mapped[str]
    lane: Mapped[str]
    kind: Mapped[str]
    priority: Mapped[int]
    until: Mapped[str]
    """The answer that makes it needless (`ack`, `ack:2`, `on_scene`, `resolve`; see `alerts.policies.Step.awaits`), or
    `always`: it is sent whatever happens."""
    msg_type: Mapped[str]
    company: Mapped[str] = mapped_column(default="")
    """What goes to one endpoint and has the same word here may come as one notice; empty: it always comes alone."""
    text: Mapped[str] = mapped_column(Text, default="")
    """What the notice says beyond the alert itself: a correction, or why it is cancelled."""
    state: Mapped[str] = mapped_column(default="pending")
    due_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("alert", "generation", "step", "person", "endpoint"),
        Index(None, "lane", "due_at"),
        Index(None, "alert"),
        Index(None, "created_at"),
    )

    @property
    def place(self) -> Place:
        """Campus, person and endpoint."""
        return (self.campus, self.person, self.endpoint)


class AttemptRow(Base):
    """One try to deliver, and what came of it."""

    __tablename__ = "attempts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    delivery: Mapped[int] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    outcome: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)


class EndpointRow(Base):
    """How an endpoint last behaved; `red` until something is accepted again."""

    __tablename__ = "endpoint_health"

    campus: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    since: Mapped[datetime]
    detail: Mapped[str] = mapped_column(Text)


# Asked for again and again: building a statement takes longer than running it.
_DUE_LANES: Final = select(DeliveryRow.lane).where(DeliveryRow.due_at <= bindparam("now")).distinct()
_NEXT_DUE: Final = select(func.min(DeliveryRow.due_at))
_PLACE: Final = (DeliveryRow.campus, DeliveryRow.person, DeliveryRow.endpoint)
_GRAVEST: Final = (
    select(DeliveryRow.id, *_PLACE, DeliveryRow.company)
    .where(
        DeliveryRow.lane == bindparam("lane"),
        DeliveryRow.due_at <= bindparam("now"),
        tuple_(*_PLACE).not_in(bindparam("busy", expanding=True)),
    )
    .order_by(DeliveryRow.priority.desc(), DeliveryRow.due_at, DeliveryRow.id)
    .limit(LOOK_AHEAD)
)
# Rows that another transaction holds are left to it: waiting for one while holding others could deadlock.
_GRAVEST_FREE: Final = _GRAVEST.with_for_update(skip_locked=True)
_LEASE: Final = (
    update(DeliveryRow)
    .where(DeliveryRow.id.in_(bindparam("numbers", expanding=True)))
    .values(state="leased", due_at=bindparam("lease_ends"), attempts=DeliveryRow.attempts + 1)
    .returning(DeliveryRow)
    .execution_options(synchronize_session=False)
)
_ACCEPTED: Final = (
    update(DeliveryRow)
    .where(DeliveryRow.id.in_(bindparam("numbers", expanding=True)))
    .values(state="accepted", due_at=None, reason="")
    .execution_options(synchronize_session=False)
)


async def post(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> list[DeliveryRow]:
    """Put deliveries into the outbox; return those that were not there yet (same alert, round, step, endpoint)."""
    if not rows:
        return []
    statement = insert(session, DeliveryRow).on_conflict_do_nothing().returning(DeliveryRow)
    posted = [DeliveryRow(**row) for row in (await session.execute(statement, rows)).mappings()]
    return sorted(posted, key=lambda row: row.id)


async def claim_due(
    session: AsyncSession,
    lane: Lane,
    now: datetime,
    *,
    limit: int,
    lease: timedelta,
    busy: Collection[Place] = (),
    ahead: timedelta = timedelta(0),
    most: int = 1,
) -> list[DeliveryRow]:
    """Claim the gravest due row of up to `limit` endpoints, and its company; they are ours for the lease.

    Endpoints in `busy` are passed over: one is told one thing after the other. Up to `most` rows of the same company
    come as one, those that wait for a time which is no more than `ahead` included.
    """
    if limit <= 0:
        return []
    query = _GRAVEST_FREE if is_postgresql(session) else _GRAVEST
    found = await session.execute(query, {"lane": lane, "now": now, "busy": list(busy)})
    chosen: dict[Place, int] = {}
    together: list[tuple[str, str, str, str]] = []
    for number, campus, person, name, company in found:
        if len(chosen) < limit and (campus, person, name) not in chosen:
            chosen[campus, person, name] = number
            together += [(campus, person, name, company)] if company else []
    fellows = await _fellows(session, lane, now, together, chosen.values(), ahead=ahead, most=most)
    return await _lease(session, [*chosen.values(), *fellows], now + lease)


def _locking(session: AsyncSession, query: Select[*Columns]) -> Select[*Columns]:
    return query.with_for_update(skip_locked=True) if is_postgresql(session) else query


async def _fellows(
    session: AsyncSession,
    lane: Lane,
    now: datetime,
    together: Collection[tuple[str, str, str, str]],
    chosen: Collection[int],
    *,
    ahead: timedelta,
    most: int,
) -> list[int]:
    """Return what comes along: what is due, or waits for a while, in the same company and to the same endpoint."""
    if not together or most <= 1:
        return []
    waits = and_(DeliveryRow.state == "pending", DeliveryRow.due_at <= now + ahead)
    query = (
        select(DeliveryRow.id, *_PLACE)
        .where(DeliveryRow.lane == lane, tuple_(*_PLACE, DeliveryRow.company).in_(together))
        .where(or_(DeliveryRow.due_at <= now, waits), DeliveryRow.id.not_in(chosen))
        .order_by(DeliveryRow.due_at, DeliveryRow.id)
        .limit(FELLOWS)
    )
    found: dict[Place, list[int]] = {}
    for number, campus, person, name in (await session.execute(_locking(session, query))).all():
        found.setdefault((campus, person, name), []).append(number)
    return [number for numbers in found.values() for number in numbers[: most - 1]]


async def _lease(session: AsyncSession, chosen: Collection[int], until: datetime) -> list[DeliveryRow]:
    if not chosen:
        return []
    said = {"numbers": sorted(set(chosen)), "lease_ends": until}
    rows = (await session.execute(_LEASE, said)).scalars().all()
    return sorted(rows, key=lambda row: (-row.priority, row.created_at, row.id))


async def renew(session: AsyncSession, leases: Sequence[tuple[int, int]], until: datetime) -> None:
    """Keep deliveries (number, attempt) claimed until an instant; those given to another meanwhile are left alone."""
    mine = tuple_(DeliveryRow.id, DeliveryRow.attempts).in_(leases)
    statement = update(DeliveryRow).where(DeliveryRow.state == "leased", mine).values(due_at=until)
    await session.execute(statement.execution_options(synchronize_session=False))


async def due_lanes(session: AsyncSession, now: datetime) -> set[str]:
    """Return the lanes in which something is due."""
    return set((await session.execute(_DUE_LANES, {"now": now})).scalars())


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one attempt; `due_at` says when the delivery is tried again, None: never."""

    delivery: int
    attempt: int
    at: datetime
    state: State
    detail: str
    due_at: datetime | None = None


async def record(session: AsyncSession, results: Sequence[Result]) -> None:
    """Write attempts down. A result that comes after its lease was given to another changes the delivery no more.

    Unless it was accepted: then there is nothing left to try.
    """
    if not results:
        return
    attempts = [
        {"delivery": each.delivery, "at": each.at, "outcome": each.state, "detail": each.detail} for each in results
    ]
    await session.execute(insert(session, AttemptRow), attempts)
    accepted = [each.delivery for each in results if each.state == "accepted"]
    if accepted:
        await session.execute(_ACCEPTED, {"numbers": accepted})
    for each in results:
        if each.state != "accepted":
            mine = and_(DeliveryRow.id == each.delivery, DeliveryRow.attempts == each.attempt)
            outcome = update(DeliveryRow).where(mine).values(state=each.state, due_at=each.due_at, reason=each.detail)
            await session.execute(outcome.execution_options(synchronize_session=False))


async def cancel(session: AsyncSession, alerts: Collection[int], reason: str, *, until: Collection[str]) -> None:
    """Take back what is still to be said about alerts and has its answer in `until`.

    What is being sent at this moment is left to its sender.
    """
    if not alerts:
        return
    waiting = and_(
        DeliveryRow.alert.in_(alerts),
        DeliveryRow.until.in_(until),
        DeliveryRow.due_at.is_not(None),
        DeliveryRow.state != "leased",
    )
    # What failed or may have arrived keeps that as its state; it is only not tried again.
    pending = update(DeliveryRow).where(waiting, DeliveryRow.state == "pending")
    quiet = {"synchronize_session": False}
    await session.execute(pending.values(state="cancelled", due_at=None, reason=reason).execution_options(**quiet))
    tried = update(DeliveryRow).where(waiting)
    why = DeliveryRow.reason + f"; not tried again: {reason}"
    await session.execute(tried.values(due_at=None, reason=why).execution_options(**quiet))


async def mark_cancelled(session: AsyncSession, reasons: Iterable[tuple[int, str]]) -> None:
    """Give claimed deliveries up before they were sent, each with its reason."""
    for number, reason in reasons:
        await session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id == number)
            .values(state="cancelled", due_at=None, reason=reason)
            .execution_options(synchronize_session=False)
        )


async def mark_endpoints(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Write down how endpoints behaved: `red` with the reason, or `ok`."""
    if rows:
        await session.execute(upsert(session, EndpointRow), rows)


async def endpoints(session: AsyncSession, campus: str) -> list[EndpointRow]:
    """Return how the endpoints of a campus that were ever used behaved last."""
    query = select(EndpointRow).where(EndpointRow.campus == campus).order_by(EndpointRow.person, EndpointRow.endpoint)
    return list((await session.execute(query)).scalars())


async def of_alerts(session: AsyncSession, alerts: Collection[int]) -> list[DeliveryRow]:
    """Return the deliveries of alerts in their order."""
    query = select(DeliveryRow).where(DeliveryRow.alert.in_(alerts)).order_by(DeliveryRow.id)
    return list((await session.execute(query.execution_options(populate_existing=True))).scalars())


async def find(
    session: AsyncSession, *, campus: str | None = None, before_id: int | None = None, limit: int = 100
) -> list[DeliveryRow]:
    """Return deliveries, the newest first."""
    query = select(DeliveryRow).order_by(DeliveryRow.id.desc()).limit(limit)
    if campus:
        query = query.where(DeliveryRow.campus == campus)
    if before_id is not None:
        query = query.where(DeliveryRow.id < before_id)
    return list((await session.execute(query)).scalars())


async def attempts_of(session: AsyncSession, deliveries: Collection[int]) -> dict[int, list[AttemptRow]]:
    """Return the attempts of deliveries, by delivery, in their order."""
    query = select(AttemptRow).where(AttemptRow.delivery.in_(deliveries)).order_by(AttemptRow.id)
    found: dict[int, list[AttemptRow]] = {}
    for row in (await session.execute(query)).scalars() if deliveries else ():
        found.setdefault(row.delivery, []).append(row)
    return found


async def reached(session: AsyncSession, alert: int) -> list[DeliveryRow]:
    """Return one delivery for each endpoint that has, or may have, heard of an alert."""
    query = (
        select(DeliveryRow)
        .where(
            DeliveryRow.alert == alert,
            DeliveryRow.state.in_(REACHED),
            DeliveryRow.kind.in_(("alert", "reminder", "help", "correction")),
        )
        .order_by(DeliveryRow.id)
    )
    rows = (await session.execute(query)).scalars()
    return list({row.place: row for row in rows}.values())


async def next_due(session: AsyncSession) -> datetime | None:
    """Return when the next delivery is due, or None if none is."""
    return (await session.execute(_NEXT_DUE)).scalar()


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is waiting: how many deliveries, and since when the oldest one could have gone out."""

    waiting: int
    overdue: int
    oldest_due_at: datetime | None


async def depth(session: AsyncSession, now: datetime) -> Depth:
    """Return how full the outbox is."""
    overdue = func.count(DeliveryRow.id).filter(DeliveryRow.due_at <= now)
    query = select(func.count(DeliveryRow.id), overdue, func.min(DeliveryRow.due_at))
    waiting, late, oldest = (await session.execute(query.where(DeliveryRow.due_at.is_not(None)))).one()
    return Depth(int(waiting), int(late), oldest)


async def count_states(session: AsyncSession) -> dict[str, int]:
    """Return how many deliveries there are in each state."""
    query = select(DeliveryRow.state, func.count(DeliveryRow.id)).group_by(DeliveryRow.state)
    return {state: int(count) for state, count in (await session.execute(query)).all()}


async def purge(session: AsyncSession, alerts: Collection[int]) -> None:
    """Forget the deliveries of alerts, their attempts with them."""
    if alerts:
        await session.execute(delete(DeliveryRow).where(DeliveryRow.alert.in_(alerts)))
