"""The courier: takes what is due out of the outbox, says it, and writes down what came of it.

A claim is a lease: whoever dies while sending leaves a row that is due again by itself, so a notice may come twice and
is never lost. The transaction that puts a notice into the outbox, or writes down the last one to the same endpoint,
claims what is due by itself: then it goes out the moment that is committed. Whether the alert still needs it is looked
at inside the lease; one that is closed while its notice is on the way is followed by a cancellation.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import answers, desk, outbox, store
from alerts.alert import Alert
from alerts.channels import Channels, Outcome
from alerts.duty import endpoint
from alerts.notices import Notice, word_test
from alerts.outbox import DeliveryRow, Lane, Place, Result
from alerts.parcels import MOST_TOGETHER, TOGETHER, Parcel, make_up, why_not
from alerts.shapes import delivery_json
from core import feed
from core.campus import Campus
from core.clock import Clock
from core.database import Database, in_turn
from core.errors import NotFound, Unavailable
from core.feed import News
from core.findings import SEVERITIES
from core.spans import SILENT, Spans

LEASE: Final = timedelta(seconds=8)
"""How long after its sender's death a notice is sent again; while it is being sent, the lease is renewed."""
RENEW: Final = timedelta(seconds=2)
LANES: Final[tuple[Lane, ...]] = ("critical", "normal", "bulk", "self-test")
LOOK: Final = timedelta(seconds=1)
"""The longest the courier sleeps: another process may have written meanwhile."""
FIRST_RETRY: Final = timedelta(seconds=2)
LONGEST_RETRY: Final = timedelta(minutes=2)
ASK_AGAIN: Final = timedelta(seconds=60)
GRACE_S: Final = 2.0
"""At the end, what is on its way has so many seconds to arrive; what has not is sent again, once its lease is over."""
_log = structlog.get_logger(__name__)


@dataclass
class Status:
    """How the courier is doing, for readiness and figures."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Attempts by outcome since the start."""
    sending: int = 0
    looked_at: datetime | None = None
    """When it last looked into the outbox and could read it."""
    trouble: str = ""
    """Why it cannot work at the moment; empty: it can."""


class Courier:
    """Sends what is due, and carries out the steps of open alerts when their time comes."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        channels: Channels,
        campuses: Callable[[], Mapping[str, Campus]],
        *,
        public_url: str | None = None,
        chance: random.Random | None = None,
        spans: Spans = SILENT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._campuses = campuses
        self._public_url = public_url.rstrip("/") if public_url else None
        self._chance = chance or random.Random()  # noqa: S311 - spreads retries; nothing secret
        self._spans = spans
        self._woken = asyncio.Event()
        self._busy: set[Place] = set()
        self._under_way: set[Parcel] = set()
        self._renew_at: datetime | None = None
        self._seen: dict[Place, str] = {}
        self._in_lane: Counter[Lane] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent: list[Parcel] = []
        self._recording = asyncio.Lock()
        self._claiming = asyncio.Lock()
        self._carried = 0
        self.is_running = False
        self.status = Status()

    def nudge(self) -> None:
        """Say that there may be something due: look at once."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled, whatever goes wrong meanwhile. A database that is away is waited for."""
        self.is_running = True
        try:
            while True:
                self._woken.clear()
                try:
                    now = self._clock.now()
                    await self._record()
                    started, due = await self._work(now)
                    self.status.looked_at, self.status.trouble = now, ""
                except Unavailable as error:
                    self._note_trouble(str(error))
                    await self._clock.sleep(LOOK.total_seconds())
                except Exception as error:  # noqa: BLE001 - nobody would be told any more if this loop ended
                    _log.exception("courier_failed")
                    self.status.trouble = f"failed ({type(error).__name__})"
                    await self._clock.sleep(LOOK.total_seconds())
                else:
                    if not started:
                        await self._wait(now, due)
        finally:
            self.is_running = False
            await self._stop()

    async def send_due(self, now: datetime) -> int:
        """Carry out the steps that are due, send what is due, wait for all of it; return how many notices went out."""
        before = self._carried
        while (await self._work(now))[0] or self._tasks:
            await asyncio.gather(*self._tasks)
        return self._carried - before

    @asynccontextmanager
    async def departure(self) -> AsyncIterator[list[Parcel]]:
        """Yield a list for what a transaction inside of it claims: it is sent once that has committed, or let go."""
        parcels: list[Parcel] = []
        try:
            yield parcels
        except BaseException:
            for parcel in parcels:
                self._let_go(parcel)
            raise
        self._carried += len(parcels)
        for parcel in parcels:
            task = asyncio.create_task(self._carry(parcel))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.status.sending = len(self._tasks)

    async def claim(self, session: AsyncSession, now: datetime) -> list[Parcel]:
        """Claim what is due, in words, for a departure; the endpoints are taken until it is written down."""
        async with self._claiming:
            lanes = await outbox.due_lanes(session, now)
            parcels = [parcel for lane in LANES if lane in lanes for parcel in await self._claim(session, lane, now)]
            for parcel in parcels:
                self._busy.add(parcel.place)
                self._under_way.add(parcel)
                self._in_lane[parcel.lane] += 1
        return parcels

    def _let_go(self, parcel: Parcel) -> None:
        if parcel in self._under_way:
            self._under_way.discard(parcel)
            self._busy.discard(parcel.place)
            self._in_lane[parcel.lane] -= 1

    async def try_out(self, campus: str, person: str, name: str) -> Outcome:
        """Send a test to an endpoint and write down how it behaved; NotFound if there is no such endpoint."""
        known = self._campuses().get(campus)
        target = endpoint(known, person, name) if known else None
        if known is None or target is None:
            raise NotFound(f"there is no endpoint {name!r} of {person!r}")
        outcome = await self._channels.send(target.url, word_test(known.campus.name, name), lane="self-test")
        state = "ok" if outcome.state == "accepted" else "red"
        place = {"campus": campus, "person": person, "endpoint": name}
        row = {**place, "state": state, "since": self._clock.now(), "detail": outcome.detail}
        async with self._database.transaction() as session:
            await outbox.mark_endpoints(session, [row])
        self._seen[campus, person, name] = state
        return outcome

    async def _work(self, now: datetime) -> tuple[int, datetime | None]:
        """Carry out steps and begin to send; return how many notices are on their way now, and what is due next."""
        await self._renew(now)
        step_at, send_at = await self._next_due()
        while step_at is not None and step_at <= now:
            async with self._database.transaction() as session:
                await desk.steps_due(session, self._campuses(), now)
            step_at, send_at = await self._next_due()
        started = await self._start_due(now) if send_at is not None and send_at <= now else 0
        return started, min((each for each in (step_at, send_at) if each is not None), default=None)

    async def _renew(self, now: datetime) -> None:
        """Keep what is being sent from being sent by another."""
        if not self._under_way or (self._renew_at is not None and now < self._renew_at):
            return
        self._renew_at = now + RENEW
        rows = [row for parcel in self._under_way for row in parcel.deliveries]
        async with self._database.transaction() as session:
            await outbox.renew(session, [(row.id, row.attempts) for row in rows], now + LEASE)

    async def _next_due(self) -> tuple[datetime | None, datetime | None]:
        async with self._database.glance() as session:
            return await store.next_step_at(session), await outbox.next_due(session)

    async def _start_due(self, now: datetime) -> int:
        async with self.departure() as parcels, self._database.transaction() as session:
            parcels += await self.claim(session, now)
        return len(parcels)

    async def _claim(self, session: AsyncSession, lane: Lane, now: datetime) -> list[Parcel]:
        rows = await outbox.claim_due(
            session,
            lane,
            now,
            limit=self._channels.room(lane) - self._in_lane[lane],
            lease=LEASE,
            # One after the other, the next when the last is written down: a crash can double no more than that one.
            busy=self._busy,
            ahead=TOGETHER.get(lane, timedelta(0)),
            most=MOST_TOGETHER,
        )
        return await make_up(session, lane, rows, self._campuses(), now, public_url=self._public_url)

    async def _carry(self, parcel: Parcel) -> None:
        try:
            if parcel.notice is not None:
                parcel.outcome = await self._send(parcel, parcel.notice)
            self._sent.append(parcel)
            await self._record()
            if parcel.outcome is None or parcel.outcome.state != "accepted":
                # Something may be due sooner than was thought; else the record has claimed what follows.
                self.nudge()
        except Unavailable as error:
            # It is written down once the database is back, or else sent again when the lease ends.
            self._note_trouble(str(error))
            self.nudge()
        except Exception:  # noqa: BLE001 - one bad row never stops the loop; its lease ends by itself
            _log.exception("delivery_failed", endpoint=parcel.place[2])
            self.nudge()
        finally:
            self._let_go(parcel)
            self.status.sending = len(self._tasks) - 1

    async def _send(self, parcel: Parcel, notice: Notice) -> Outcome:
        """Try to deliver. Neither span nor log says to whom: the name of an endpoint is somebody's, too."""
        first = parcel.deliveries[0]
        about: dict[str, Any] = {"alerts": sorted({row.alert for row in parcel.deliveries})}
        about |= {"deliveries": [row.id for row in parcel.deliveries], "attempt": first.attempts}
        with self._spans.span("deliver", **about, campus=first.campus, lane=parcel.lane, via=first.via) as span:
            outcome = await self._channels.send(parcel.url, notice, lane=parcel.lane)
            span.note(outcome=outcome.state)
            if outcome.state != "accepted":
                span.fail(outcome.state)
            _log.info("delivery attempted", **about, outcome=outcome.state)
            return outcome

    async def _record(self) -> None:
        """Write down everything that has been sent by now, whoever comes first for all; claim what follows."""
        async with self._recording:
            parcels, self._sent = self._sent, []
            if not parcels:
                return
            now = self._clock.now()
            try:
                async with self.departure() as following, self._database.transaction() as session:
                    await self._write(session, parcels, now)
                    for parcel in parcels:
                        self._let_go(parcel)
                    following += await self.claim(session, now)
            except Unavailable:
                self._sent = parcels + self._sent
                raise
            except Exception:  # noqa: BLE001 - what was sent must be known, or it is sent again and again
                _log.exception("follow_up_failed")
                async with self._database.transaction() as session:
                    await outbox.record(session, [_result(*each, now) for each in _each(parcels)])
            for parcel in parcels:
                assert parcel.outcome is not None
                self.status.outcomes[parcel.outcome.state] += len(parcel.deliveries)

    async def _write(self, session: AsyncSession, parcels: Sequence[Parcel], now: datetime) -> None:
        await in_turn(session)
        sent = list(_each(parcels))
        known = await store.get_all(session, {row.alert for row, _ in sent})
        over = {row.id: why for row, _ in sent if (why := why_not(row, known.get(row.alert)))}
        # What was said in one notice is tried again as one.
        shares = {parcel.place: self._chance.uniform(0.5, 1.0) for parcel in parcels}
        results = [_result(row, outcome, now, shares[row.place], over.get(row.id)) for row, outcome in sent]
        await outbox.record(session, results)
        await outbox.mark_endpoints(session, list(self._health(sent, now)))
        await answers.cancel_for(session, [row for row, outcome in sent if _too_late(row, outcome, known)], now)
        await desk.give_way(session, [row for row, outcome in sent if _gives_way(row, outcome)], self._campuses(), now)
        await feed.publish(session, [_news(row, result) for (row, _), result in zip(sent, results, strict=True)], now)

    def _health(self, sent: Iterable[tuple[DeliveryRow, Outcome]], now: datetime) -> Iterable[dict[str, Any]]:
        """Return how endpoints behave that behave otherwise than before."""
        found: dict[Place, dict[str, Any]] = {}
        for row, outcome in sent:
            state = {"accepted": "ok", "refused": "red"}.get(outcome.state)
            if state is not None and self._seen.get(row.place) != state:
                self._seen[row.place] = state
                place = {"campus": row.campus, "person": row.person, "endpoint": row.endpoint}
                found[row.place] = {**place, "state": state, "since": now, "detail": outcome.detail}
        return found.values()

    async def _wait(self, looked_at: datetime, due: datetime | None) -> None:
        now = self._clock.now()
        if due is not None and looked_at < due <= now:
            return
        until = min(due, now + LOOK) if due is not None and due > now else now + LOOK
        waits = [asyncio.create_task(self._woken.wait()), asyncio.create_task(self._clock.sleep_until(until))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _note_trouble(self, trouble: str) -> None:
        if self.status.trouble != trouble:
            _log.warning("courier_waits", problem=trouble)
        self.status.trouble = trouble

    async def _stop(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _each(parcels: Iterable[Parcel]) -> Iterable[tuple[DeliveryRow, Outcome]]:
    for parcel in parcels:
        assert parcel.outcome is not None
        for row in parcel.deliveries:
            yield row, parcel.outcome


def _result(row: DeliveryRow, outcome: Outcome, now: datetime, share: float = 1.0, over: str | None = None) -> Result:
    """Return what is written down of an attempt; `over` is why the notice is needed no more."""
    again = None if over else _again_at(row, outcome, now, share)
    detail = outcome.detail
    if outcome.state == "failed" and again is None:
        detail = f"{detail}; not tried again: {over or 'its time is over'}"
    return Result(row.id, row.attempts, now, outcome.state, detail, again)


def _again_at(row: DeliveryRow, outcome: Outcome, now: datetime, share: float) -> datetime | None:
    """Return when a delivery is tried again: failures until it expires; what may have arrived once, if grave.

    `share` is how much of the longest wait passes: it spreads what failed at the same time.
    """
    if outcome.state == "failed":
        when = now + min(FIRST_RETRY * 2 ** min(row.attempts - 1, 10), LONGEST_RETRY) * share
    elif outcome.state == "unknown" and row.attempts == 1 and row.priority >= SEVERITIES.index("severe"):
        when = now + ASK_AGAIN
    else:
        return None
    return when if when < row.expires_at else None


def _gives_way(row: DeliveryRow, outcome: Outcome) -> bool:
    """Return whether another endpoint should be used beside, or instead of, trying this one again."""
    return outcome.state in ("refused", "unknown") or (outcome.state == "failed" and row.attempts > 1)


def _too_late(row: DeliveryRow, outcome: Outcome, known: Mapping[int, Alert]) -> bool:
    """Return whether a notice went out of an alert that was closed meanwhile."""
    alert = known.get(row.alert)
    return alert is not None and not alert.is_open and row.until != "always" and outcome.state in outbox.REACHED


def _news(row: DeliveryRow, result: Result) -> News:
    said = delivery_json(row) | {"state": result.state, "reason": result.detail}
    return News(campus=row.campus, topic="delivery", data=said)
