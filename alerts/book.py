"""What one transaction does to alerts, gathered first and written at once: a statement per table, not per alert."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, get_args

import structlog
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import flood, outbox, policies, shelf, store
from alerts.alert import SERVICE, Alert, code_of
from alerts.duty import Recipient, who
from alerts.flood import Attention
from alerts.policies import Planned, Policy, Until
from alerts.shapes import delivery_json, headline
from alerts.store import StepRow
from alerts.suppression import INHIBITS, Mute, Suppression, mute_of
from core import audit, feed
from core.audit import Deed
from core.campus import Campus
from core.errors import BadInput
from core.feed import News

Place = tuple[str, str, str]
ANSWERS: Final = (*get_args(Until), *(f"ack:{acks}" for acks in range(2, policies.MOST_ACKS + 1)))
"""Every answer that a notice in the outbox may await."""
_log = structlog.get_logger(__name__)


@dataclass
class Entry:
    """One alert and all that this transaction adds to it."""

    alert: Alert
    is_new: bool = False
    changed: bool = False
    follows: Entry | None = None
    """The alert of the same place that closed in this very transaction."""
    waiting: list[StepRow] = field(default_factory=list)
    """Steps from before that still wait."""
    planned: list[Planned] = field(default_factory=list)
    """New steps that wait."""
    ended: dict[int, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    deeds: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    taken_back: tuple[str, tuple[str, ...]] | None = None
    """Why what is still to be said is taken back, and the answers that make it needless."""

    def set(self, alert: Alert) -> None:
        """Take the value that a move returned."""
        self.changed = True
        self.alert = alert

    def event(self, event: str, text: str, *, at: datetime, who: str = SERVICE, **data: Any) -> None:
        """Add a line to the timeline."""
        self.events.append({"at": at, "event": event, "who": who, "text": text, "data": data})

    def deed(self, actor: str, action: str, **detail: Any) -> None:
        """Add a deed to the audit."""
        self.deeds.append((actor, action, detail))

    def end(self, step: StepRow, state: str) -> None:
        """Let a step from before wait no more: it is `done`, or `stopped` by an answer."""
        self.changed = True
        self.waiting.remove(step)
        self.ended[step.id] = state

    def stop_steps(self, *kinds: str) -> None:
        """Let no step wait any more; with kinds named, none of these."""
        for step in list(self.waiting):
            if not kinds or step.kind in kinds:
                self.end(step, "stopped")
        self.planned = [step for step in self.planned if kinds and step.kind not in kinds]

    def take_back(self, reason: str, *until: str) -> None:
        """Take back what is still to be said and has its answer; with no answer named, all of it."""
        answers = until or ANSWERS
        self.taken_back = (reason, answers)
        self.posts = [post for post in self.posts if post["until"] not in answers]

    def new_round(self) -> int:
        """Begin the next round of notices and return its number."""
        self.set(replace(self.alert, generation=self.alert.generation + 1))
        return self.alert.generation

    def settle(self) -> None:
        """Work out when the next step is due."""
        due = [step.due_at for step in self.waiting] + [step.due_at for step in self.planned]
        following = min(due, default=None) if self.alert.is_open else None
        if following != self.alert.next_step_at:
            self.set(replace(self.alert, next_step_at=following))


class Book:
    """The alerts that one transaction touches."""

    def __init__(self, campuses: Mapping[str, Campus], now: datetime) -> None:
        self.campuses = campuses
        self.now = now
        self.entries: list[Entry] = []
        self.gaps: set[str] = set()
        """Campuses whose coverage gap was noted in this transaction."""
        self._open: dict[Place, Entry] = {}
        self._closed: dict[Place, Alert] = {}
        self._just_closed: dict[Place, Entry] = {}
        self._policies: dict[str, tuple[Mapping[str, Policy], str]] = {}
        self._plain: dict[tuple[str, str], dict[str, Any]] = {}
        self._suppressions: list[Suppression] = []
        self._standing: dict[int, Alert] = {}
        self._attention: dict[tuple[str, str], Attention] = {}
        self._attended: set[tuple[str, str]] = set()
        self._reached: dict[tuple[str, tuple[str, ...], tuple[str, ...]], tuple[Recipient, ...]] = {}

    async def load_places(
        self, session: AsyncSession, places: Collection[Place], *, opening: Collection[Place]
    ) -> None:
        """Fetch the open alerts at these places, and the last closed ones where an alert may open."""
        await self._load_reasons(session, {place[0] for place in places})
        await self._take_in(session, (await store.open_at(session, places)).values())
        missing = [place for place in opening if place not in self._open]
        self._closed.update(await store.latest_closed(session, missing))

    async def load_alerts(self, session: AsyncSession, numbers: Collection[int]) -> dict[int, Entry]:
        """Fetch alerts by number, with the places where their coverage gaps would be."""
        found = await store.get_all(session, numbers)
        await self._take_in(session, found.values())
        gaps = {gap_at(alert.campus) for alert in found.values()} - self._open.keys()
        await self.load_places(session, gaps, opening=gaps)
        return {entry.alert.id: entry for entry in self.entries}

    def take_in(self, alert: Alert, waiting: Sequence[StepRow] = ()) -> Entry:
        """Take in an alert that is stored already, with the steps that wait."""
        entry = Entry(alert, waiting=list(waiting))
        self.entries.append(entry)
        if alert.is_open:
            self._open[alert.place] = entry
        return entry

    async def _take_in(self, session: AsyncSession, alerts: Collection[Alert]) -> None:
        waiting = await store.waiting_steps(session, [alert.id for alert in alerts])
        for alert in alerts:
            self.take_in(alert, waiting.get(alert.id, ()))

    async def _load_reasons(self, session: AsyncSession, campuses: Collection[str]) -> None:
        """Fetch what keeps alerts of these campuses quiet, and what has reached their people lately."""
        self._suppressions = await shelf.in_force(session, campuses, self.now)
        self._standing = {each.id: each for each in await store.open_of_rules(session, campuses, set(INHIBITS))}
        self._attention = {(each.campus, each.person): each for each in await flood.load(session, campuses)}

    def mute(self, alert: Alert) -> Mute | None:
        """Return why an alert is kept quiet at this moment, or None."""
        mine = {entry.alert.id: entry.alert for entry in self.entries if entry.alert.rule in INHIBITS}
        fresh = [entry.alert for entry in self.entries if entry.is_new and entry.alert.rule in INHIBITS]
        known = {**self._standing, **{number: each for number, each in mine.items() if number}}
        standing = [each for each in [*known.values(), *fresh] if each.is_open]
        return mute_of(alert, self._suppressions, standing, self.campuses.get(alert.campus), self.now)

    def load_of(self, campus: str, person: str) -> Attention:
        """Return what has reached a person lately."""
        return self._attention.get((campus, person)) or Attention(campus=campus, person=person)

    def attend(self, alert: Alert, person: str) -> bool:
        """Note that an alert reaches a person; return whether a flood begins for them with it."""
        before = self.load_of(alert.campus, person)
        after = before.told(f"{alert.rule} {alert.key}", self.now)
        self._attention[alert.campus, person] = after
        self._attended.add((alert.campus, person))
        return after.flood_since == self.now != before.flood_since

    def at(self, place: Place) -> Entry | None:
        """Return the open alert at a place."""
        return self._open.get(place)

    def last_closed(self, place: Place) -> Alert | None:
        """Return the alert that was closed last at a place."""
        entry = self._just_closed.get(place)
        return entry.alert if entry else self._closed.get(place)

    def entry_of(self, closed: Alert) -> Entry:
        """Return the entry of the alert that was closed last at its place."""
        entry = self._just_closed.get(closed.place)
        if entry is None:
            entry = self._just_closed[closed.place] = self.take_in(closed)
        return entry

    def open(self, alert: Alert) -> Entry:
        """Take a new alert in."""
        entry = Entry(alert, is_new=True, follows=self._just_closed.get(alert.place))
        self.entries.append(entry)
        self._open[alert.place] = entry
        return entry

    def forget(self, entry: Entry) -> None:
        """Leave an alert as it is stored."""
        self.entries.remove(entry)
        self._open.pop(entry.alert.place, None)

    def close(self, entry: Entry, alert: Alert) -> None:
        """Take the closed value of an alert: nothing waits any more, and nothing more is said."""
        entry.set(alert)
        entry.stop_steps()
        entry.take_back("the alert was closed")
        self._open.pop(alert.place, None)
        self._just_closed[alert.place] = entry

    def policies(self, campus: str) -> tuple[Mapping[str, Policy], str]:
        """Return a campus's policies, and what is wrong with its own (those that ship stand in for them then)."""
        if campus not in self._policies:
            known = self.campuses.get(campus)
            try:
                self._policies[campus] = (
                    (policies.policies_of(known), "") if known else (policies.default_policies(), "")
                )
            except BadInput as error:
                _log.warning("policies_unreadable", campus=campus, problem=str(error))
                self._policies[campus] = (policies.default_policies(), str(error))
        return self._policies[campus]

    def plain(self, campus: str, policy: Policy) -> dict[str, Any]:
        """Return a policy as it is kept with an alert."""
        key = (campus, policy.id)
        if key not in self._plain:
            self._plain[key] = policies.to_plain(policy)
        return self._plain[key]

    def who(self, campus: str, notify: tuple[str, ...], via: tuple[str, ...]) -> tuple[Recipient, ...]:
        """Return the endpoints that a step would use now; none on a campus that is gone."""
        key = (campus, notify, via)
        if key not in self._reached:
            known = self.campuses.get(campus)
            self._reached[key] = who(notify, known, self.now, via) if known else ()
        return self._reached[key]

    async def write(self, session: AsyncSession) -> None:
        """Write everything: what closes before what opens, so that one place never has two open alerts."""
        for entry in self.entries:
            entry.settle()
        await store.change(session, [entry.alert for entry in self.entries if entry.changed and not entry.is_new])
        await self._write_new(session)
        await self._write_steps(session)
        await self._write_outbox(session)
        await flood.save(session, [self._attention[each] for each in sorted(self._attended)])
        events = [{"alert": entry.alert.id, **event} for entry in self.entries for event in entry.events]
        await store.add_events(session, events)
        deeds = [deed for entry in self.entries for deed in _deeds(entry)]
        await audit.record_all(session, deeds, at=self.now)
        touched = [entry.alert for entry in self.entries if entry.changed or entry.is_new]
        news = [News(campus=alert.campus, topic="alert", data=headline(alert)) for alert in touched]
        await feed.publish(session, news, self.now)

    async def _write_new(self, session: AsyncSession) -> None:
        new = [entry for entry in self.entries if entry.is_new]
        codes = await self._codes(session, [entry.alert for entry in new])
        for entry, code in zip(new, codes, strict=True):
            entry.set(replace(entry.alert, code=code))
        numbers = await store.add(session, [entry.alert for entry in new])
        for entry, number in zip(new, numbers, strict=True):
            entry.set(replace(entry.alert, id=number))
        following = [entry for entry in new if entry.follows]
        for entry in following:
            assert entry.follows
            before = entry.follows.alert
            entry.set(replace(entry.alert, previous=before.id, references=[f"{before.code}-{before.generation}"]))
        await store.change(session, [entry.alert for entry in following])

    async def _codes(self, session: AsyncSession, alerts: list[Alert]) -> list[str]:
        """Return a code for each alert that no open one has. The same alerts get the same codes again."""
        codes = [""] * len(alerts)
        missing, attempt = list(range(len(alerts))), 0
        while missing:
            wanted = {place: _code(alerts[place], attempt) for place in missing}
            used = await store.codes_in_use(session, set(wanted.values())) | set(codes)
            for place, code in wanted.items():
                if code not in used:
                    codes[place] = code
                    used.add(code)
            missing = [place for place in missing if not codes[place]]
            attempt += 1
        return codes

    async def _write_steps(self, session: AsyncSession) -> None:
        for state in ("done", "stopped"):
            ended = [number for entry in self.entries for number, end in entry.ended.items() if end == state]
            await store.end_steps(session, ended, state)
        rows = [
            {
                "alert": entry.alert.id,
                "generation": entry.alert.generation,
                "step": step.step,
                "repeat": step.repeat,
                "kind": step.kind,
                "due_at": step.due_at,
                "state": "waiting",
            }
            for entry in self.entries
            for step in entry.planned
        ]
        await store.add_steps(session, rows)

    async def _write_outbox(self, session: AsyncSession) -> None:
        needless: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for entry in self.entries:
            if entry.taken_back and not entry.is_new:
                needless.setdefault(entry.taken_back, []).append(entry.alert.id)
        for (reason, until), numbers in needless.items():
            await outbox.cancel(session, numbers, reason, until=until)
        rows = [{"alert": entry.alert.id, **post} for entry in self.entries for post in entry.posts]
        posted = await outbox.post(session, rows)
        news = [News(campus=each.campus, topic="delivery", data=delivery_json(each)) for each in posted]
        await feed.publish(session, news, self.now)


def gap_at(campus: str) -> Place:
    """Return the place of a campus's coverage gap."""
    return (campus, "coverage-gap", campus)


def _deeds(entry: Entry) -> Iterable[Deed]:
    for actor, action, detail in entry.deeds:
        said = {"code": entry.alert.code, **detail}
        yield Deed(actor=actor, action=action, subject=f"alert:{entry.alert.id}", detail=said)


def _code(alert: Alert, attempt: int) -> str:
    name = f"{alert.campus}\0{alert.rule}\0{alert.key}\0{alert.opened_at.isoformat()}\0{attempt}"
    number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest(), "big")
    code = code_of(number)
    # Where thousands are open at once, short codes run out; longer ones do not.
    return code if attempt < 8 else f"{code}{number % 9973:04}"
