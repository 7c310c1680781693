"""The desk: takes what the rules found and what people answer, and decides what follows.

Everything here happens in the transaction of whoever calls, and nothing is sent in it: notices are put into the outbox,
and the courier takes them from there once the transaction has committed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import escalation, outbox, policies, quiet, store, telling
from alerts.alert import (
    SERVICE,
    Alert,
    cleared,
    closes_by_itself,
    is_chattering,
    opened,
    outranks,
    raised,
    rank,
    repeated,
    stale,
)
from alerts.answers import Answer, acknowledge, correct, note, on_scene, reopen, resolve
from alerts.book import Book, Entry, gap_at
from alerts.duty import endpoints_of, who
from alerts.outbox import DeliveryRow
from alerts.shapes import moment
from core.campus import Campus
from core.database import in_turn
from core.findings import Finding

__all__ = [
    "Answer",
    "acknowledge",
    "correct",
    "give_way",
    "handle",
    "handle_all",
    "note",
    "on_scene",
    "reopen",
    "resolve",
    "restart",
    "steps_due",
]
MAX_STEPS = 1000
RETRY = timedelta(seconds=10)
"""After this, the steps of an alert that could not go on are tried again."""
_log = structlog.get_logger(__name__)


async def handle(session: AsyncSession, finding: Finding, *, campus: Campus, now: datetime) -> Alert | None:
    """Take one finding; return the alert it opened, joined, raised or cleared, or None where there is none."""
    return (await handle_all(session, [finding], {campus.id: campus}, now=now))[0]


async def handle_all(
    session: AsyncSession, findings: Sequence[Finding], campuses: Mapping[str, Campus], *, now: datetime
) -> list[Alert | None]:
    """Take findings in their order; return for each the alert it was about, as it is after all of them.

    None for a finding of a rule in shadow, and for an end of which no beginning is open.
    """
    if not findings:
        return []
    await in_turn(session)
    await store.add_shadows(session, [each for each in findings if each.mode == "shadow"])
    live = [each for each in findings if each.mode == "live"]
    book = Book(campuses, now)
    places = {(each.campus, each.rule, each.key) for each in live}
    gaps = {gap_at(each.campus) for each in live}
    await book.load_places(session, places | gaps, opening=places | gaps)
    entries = [_take(book, each) if each.mode == "live" else None for each in findings]
    await book.write(session)
    return [entry.alert if entry else None for entry in entries]


async def steps_due(session: AsyncSession, campuses: Mapping[str, Campus], now: datetime) -> int:
    """Carry out the steps whose time has come, and clear coverage gaps that are filled; return how many steps.

    What is kept quiet from now on, or no longer, comes first.
    """
    await in_turn(session)
    await quiet.go_on(session, campuses, now)
    due = await store.steps_due(session, now, MAX_STEPS)
    book = Book(campuses, now)
    grown = await store.grown_stale(session, now, MAX_STEPS)
    entries = await book.load_alerts(session, {*grown, *(step.alert for step in due)})
    for number in grown:
        since = moment(entries[number].alert.began_at)
        entries[number].set(stale(entries[number].alert))
        entries[number].event("stale", "It has been true for more than a day", at=now, since=since)
    fired = 0
    stuck: list[int] = []
    for number in dict.fromkeys(step.alert for step in due):
        try:
            fired += escalation.fire_due(book, entries[number])
        except Exception:  # noqa: BLE001 - one alert that cannot go on holds up no other
            _log.exception("steps_failed", alert=number)
            book.forget(entries[number])
            stuck.append(number)
    await _fill_gaps(session, book)
    await book.write(session)
    await store.postpone(session, stuck, now + RETRY)
    return fired


async def restart(
    session: AsyncSession, numbers: Collection[int], campuses: Mapping[str, Campus], now: datetime
) -> None:
    """Take up alerts whose steps were left lying: carry out what is due, begin where nothing was ever begun."""
    await in_turn(session)
    book = Book(campuses, now)
    entries = await book.load_alerts(session, numbers)
    for number in numbers:
        entry = entries.get(number)
        if entry is None or not entry.alert.is_open:
            continue
        entry.event("restarted", "Its steps had been left lying and go on now", at=now)
        entry.changed = True
        escalation.fire_due(book, entry)
        if not entry.alert.generation and not entry.alert.is_acknowledged:
            escalation.begin(book, entry)
    await book.write(session)


async def give_way(
    session: AsyncSession, failed: Collection[DeliveryRow], campuses: Mapping[str, Campus], now: datetime
) -> None:
    """Go on where deliveries did not get through: to the person's next endpoints, and where there are none and every
    other way of the step is refused too, to the next step; at once.
    """
    failed = [each for each in failed if each.kind in ("alert", "reminder")]
    if not failed:
        return
    await in_turn(session)
    book = Book(campuses, now)
    entries = await book.load_alerts(session, {each.alert for each in failed})
    siblings = await outbox.of_alerts(session, {each.alert for each in failed})
    given_up: set[tuple[int, int, int]] = set()
    for delivery in {(each.alert, each.generation, each.step, each.person): each for each in failed}.values():
        entry = entries.get(delivery.alert)
        if entry is None or not entry.alert.is_open or policies.is_answered(delivery.until, entry.alert):
            continue
        same_step = [
            each
            for each in siblings
            if (each.alert, each.generation, each.step) == (delivery.alert, delivery.generation, delivery.step)
        ]
        round_ = (delivery.alert, delivery.generation, delivery.step)
        if _try_next_tier(book, entry, delivery, same_step) or round_ in given_up:
            continue
        if all(each.state == "refused" for each in same_step):
            given_up.add(round_)
            why = f"{', '.join(dict.fromkeys(each.endpoint for each in same_step))} refused the notice"
            escalation.unreached(book, entry, delivery.step, why)
    await book.write(session)


def _try_next_tier(book: Book, entry: Entry, delivery: DeliveryRow, same_step: Sequence[DeliveryRow]) -> bool:
    """Use the person's next endpoints for this step; return whether there were any, or some are in use already."""
    mine = [each for each in same_step if each.person == delivery.person]
    tier = max(each.tier for each in mine)
    if tier > delivery.tier or any(each.state in ("accepted", "pending", "leased") for each in mine):
        return True
    campus = book.campuses.get(entry.alert.campus)
    person = campus.people_by_id.get(delivery.person) if campus else None
    policy = telling.policy_of(entry.alert)
    if person is None or delivery.step >= len(policy.steps):
        return False
    found = [each for each in endpoints_of(person, policy.steps[delivery.step].via) if each.tier == tier + 1]
    if not found:
        return False
    telling.tell(book, entry, found, step=delivery.step, until=delivery.until, generation=delivery.generation)
    names = ", ".join(each.endpoint for each in found)
    text = f"{delivery.endpoint} did not get through; {names} is used"
    entry.event("notify", text, at=book.now, step=delivery.step, to=[each.endpoint for each in found])
    return True


async def _fill_gaps(session: AsyncSession, book: Book) -> None:
    open_gaps = await store.open_at(session, {gap_at(campus) for campus in book.campuses})
    for place, alert in open_gaps.items():
        campus = book.campuses[place[0]]
        if alert.is_active and place[0] not in book.gaps and who(alert.because.get("notify", ()), campus, book.now):
            if book.at(place) is None:
                waiting = await store.waiting_steps(session, [alert.id])
                book.take_in(alert, waiting.get(alert.id, ()))
            entry = book.at(place)
            assert entry is not None
            _clear(book, entry, book.now)


def _take(book: Book, finding: Finding) -> Entry | None:
    entry = book.at((finding.campus, finding.rule, finding.key))
    order = outranks(finding, entry.alert) if entry else 0
    if entry is not None and order < 0:
        text = f"A {finding.exercise} said the rule is {finding.state}; this alert is {entry.alert.exercise}"
        entry.event("exercise", text, at=book.now, state=finding.state, exercise=finding.exercise)
        return entry
    if finding.state == "resolved":
        if entry is None:
            _clear_closed(book, finding)
        else:
            _clear(book, entry, finding.at)
        return entry
    if entry is not None and order > 0:
        escalation.close(book, entry, f"a {finding.exercise} finding took its place")
        entry = None
    if entry is None:
        return _open(book, finding)
    if rank(finding.severity) > entry.alert.rank:
        _raise(book, entry, finding)
    else:
        _repeat(book, entry, finding)
    return entry


def _open(book: Book, finding: Finding) -> Entry:
    known, trouble = book.policies(finding.campus)
    policy, why = policies.choose(known, finding.advice.policy, finding.severity)
    previous = book.last_closed((finding.campus, finding.rule, finding.key))
    plain = book.plain(finding.campus, policy)
    entry = book.open(opened(finding, now=book.now, policy=plain, previous=previous))
    about = {"severity": finding.severity, "exercise": finding.exercise, "late": finding.late, **_chatter(book, entry)}
    entry.event("opened", finding.text, at=book.now, **about)
    for reason in (trouble, why):
        if reason:
            entry.event("policy", reason, at=book.now, policy=policy.id)
    entry.deed(SERVICE, "alert.open", rule=finding.rule, key=finding.key, severity=finding.severity)
    # Only of the same kind: who was told of a drill has not been told of the real thing.
    told_at = previous.noticed_at if previous and previous.exercise == finding.exercise else None
    escalation.begin(book, entry, told_at=told_at, cooldown_s=finding.advice.cooldown_s)
    return entry


def _repeat(book: Book, entry: Entry, finding: Finding) -> None:
    before = entry.alert
    entry.set(repeated(entry.alert, finding, now=book.now))
    text = finding.text if before.is_active else f"Again: {finding.text}"
    about = {} if before.is_active else _chatter(book, entry)
    entry.event("repeated", text, at=book.now, count=entry.alert.count, opening=entry.alert.opening, **about)
    if not before.is_active:
        escalation.begin(book, entry, told_at=before.noticed_at, cooldown_s=finding.advice.cooldown_s)


def _chatter(book: Book, entry: Entry) -> dict[str, Any]:
    return {"chattering": True} if is_chattering(entry.alert, book.now) else {}


def _raise(book: Book, entry: Entry, finding: Finding) -> None:
    known, _ = book.policies(finding.campus)
    policy, why = policies.choose(known, finding.advice.policy, finding.severity)
    was = entry.alert.severity
    plain = book.plain(finding.campus, policy)
    entry.set(raised(entry.alert, finding, now=book.now, policy=plain))
    entry.event("escalated", finding.text, at=book.now, was=was, severity=finding.severity)
    if why:
        entry.event("policy", why, at=book.now, policy=policy.id)
    entry.deed(SERVICE, "alert.raise", was=was, severity=finding.severity)
    entry.take_back(f"it is {finding.severity} now")
    escalation.begin(book, entry)


def _clear(book: Book, entry: Entry, at: datetime) -> None:
    if not entry.alert.is_active:
        return
    entry.set(cleared(entry.alert, at=at, now=book.now))
    alert = entry.alert
    entry.event("cleared", "It happened at one instant" if alert.momentary else "It is over", at=book.now)
    if closes_by_itself(alert):
        escalation.close(book, entry, "it is over")
        return
    if alert.suppressed in escalation.ASIDE or not (alert.latched or alert.momentary):
        entry.stop_steps("notify", "again")
    if alert.momentary and not alert.latched and alert.rank < rank("severe"):
        escalation.close_later(book, entry)


def _clear_closed(book: Book, finding: Finding) -> None:
    """Note on the alert that a person closed while it was true that it is over now."""
    alert = book.last_closed((finding.campus, finding.rule, finding.key))
    if alert is None or not alert.is_active or outranks(finding, alert):
        return
    entry = book.entry_of(alert)
    entry.set(cleared(alert, at=finding.at, now=book.now))
    entry.event("cleared", "It is over, some time after the close", at=book.now)
