"""What people answer: I have it, I am there, it is over and was this; a note, a correction.

Every answer may come twice, from a second thumb or a second phone, and says the same again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import alert as moves
from alerts import escalation, outbox, policies, telling
from alerts.alert import Alert, closes_by_itself, rank
from alerts.book import Book, Entry
from alerts.duty import Recipient
from alerts.notices import name_of
from alerts.outbox import DeliveryRow
from core.campus import Campus
from core.database import in_turn
from core.errors import BadInput, Conflict, NotFound, Problem

NOTE_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """The alert after an answer, whether the answer changed anything, and what to say to whoever gave it."""

    alert: Alert
    changed: bool
    text: str


async def acknowledge(
    session: AsyncSession, number: int, *, who: str, now: datetime, via: str = "api", generation: int | None = None
) -> Answer:
    """Take an alert: its steps stop, and what is not sent yet is not sent. The first one has it.

    Where the policy wants more than one person to have seen it, the others count too, until there are enough.

    `generation` is that of the message answered to: one of an earlier opening answers nothing (Conflict).
    """
    book, entry = await _load(session, number, now)
    before = entry.alert
    if generation is not None and before.is_open and generation < before.first_generation:
        raise Conflict(f"{before.code} has opened again since that message; answer the latest one")
    after = moves.acknowledged(before, who=who, now=now)
    if after is before:
        return await _acknowledge_too(session, book, entry, who, via)
    entry.set(after)
    entry.event("acknowledged", f"{name_of(who)} has it", at=now, who=who, via=via)
    entry.deed(who, "alert.acknowledge", via=via, opening=after.opening)
    _taken(book, entry, who)
    await book.write(session)
    return Answer(entry.alert, True, f"{entry.alert.code} is yours")


async def _acknowledge_too(session: AsyncSession, book: Book, entry: Entry, who: str, via: str) -> Answer:
    before = entry.alert
    wanted = policies.acks_wanted(telling.policy_of(before))
    number = len(before.acknowledgers) + 1
    if who in before.acknowledgers or number > wanted:
        return Answer(before, False, _already(before, who))
    entry.set(moves.acknowledged_too(before, who=who))
    text = f"{name_of(who)} has seen it, too ({number} of {wanted})"
    entry.event("acknowledged", text, at=book.now, who=who, via=via)
    entry.deed(who, "alert.acknowledge", via=via, opening=before.opening, number=number)
    _taken(book, entry, who)
    await book.write(session)
    return Answer(entry.alert, True, f"{_already(before, who)}; you are number {number} of {wanted}")


async def on_scene(session: AsyncSession, number: int, *, who: str, now: datetime, via: str = "api") -> Answer:
    """Say that somebody is there. Where nobody had the alert, they have it now."""
    book, entry = await _load(session, number, now)
    before = entry.alert
    after = moves.on_scene(before, who=who, now=now)
    if after is before:
        same = before.on_scene_by == who
        return Answer(before, False, "You are on scene" if same else f"{name_of(before.on_scene_by)} is on scene")
    entry.set(after)
    entry.event("on_scene", f"{name_of(who)} is on scene", at=now, who=who, via=via)
    entry.deed(who, "alert.on_scene", via=via)
    _taken(book, entry, who)
    await book.write(session)
    return Answer(entry.alert, True, f"{entry.alert.code}: you are on scene")


async def resolve(
    session: AsyncSession, number: int, *, who: str, disposition: str, note: str = "", now: datetime, via: str = "api"
) -> Answer:
    """Close an alert and say what it was. Who was told that it is grave is told that it is over."""
    _check_length(note, "note")
    book, entry = await _load(session, number, now)
    before = entry.alert
    if not before.is_open and (before.closed_by, before.disposition) == (who, disposition):
        return Answer(before, False, f"You closed {before.code} as {disposition}")
    book.close(entry, moves.resolved(before, who=who, disposition=disposition, note=note, now=now))
    about = {"disposition": disposition, "via": via, "said": note}
    entry.event("closed", _closing(who, disposition, note), at=now, who=who, **about)
    entry.deed(who, "alert.resolve", disposition=disposition, note=note, via=via)
    if before.rank >= rank("severe"):
        told = [each for each in await outbox.reached(session, number) if each.person != name_of(who)]
        _tell_again(book, entry, told, "cancel", "")
    await book.write(session)
    return Answer(entry.alert, True, f"{before.code} is closed as {disposition}")


async def reopen(
    session: AsyncSession, number: int, *, who: str, reason: str, campuses: Mapping[str, Campus], now: datetime
) -> Answer:
    """Open a closed alert again, as a new one that names it; people are told, and a person closes it."""
    _check_length(reason, "reason", required=True)
    book, closed = await _load(session, number, now, campuses)
    before = closed.alert
    await book.load_places(session, [before.place], opening=())
    there = book.at(before.place)
    if there is not None:
        raise Conflict(f"{there.alert.code} is open for the same already")
    known, _ = book.policies(before.campus)
    policy, _ = policies.choose(known, before.policy.get("id"), before.severity)
    entry = book.open(moves.reopened(before, now=now, policy=book.plain(before.campus, policy)))
    closed.event("reopened", f"{name_of(who)} opened it again: {reason}", at=now, who=who, said=reason)
    entry.event("opened", f"{name_of(who)} opened {before.code} again: {reason}", at=now, who=who, said=reason)
    entry.deed(who, "alert.reopen", previous=before.id, reason=reason)
    escalation.begin(book, entry)
    await book.write(session)
    return Answer(entry.alert, True, f"{before.code} is open again as {entry.alert.code}")


async def note(session: AsyncSession, number: int, *, who: str, text: str, now: datetime) -> Answer:
    """Write something down beside an alert, open or closed."""
    _check_length(text, "text", required=True)
    book, entry = await _load(session, number, now)
    entry.event("note", text, at=now, who=who)
    entry.deed(who, "alert.note", text=text)
    entry.changed = True
    await book.write(session)
    return Answer(entry.alert, True, "noted")


async def correct(session: AsyncSession, number: int, *, who: str, text: str, now: datetime) -> Answer:
    """Send a correction to exactly those whom notices of this alert have reached."""
    _check_length(text, "text", required=True)
    book, entry = await _load(session, number, now)
    told = await outbox.reached(session, number)
    names = list(dict.fromkeys(each.person for each in told))
    _tell_again(book, entry, told, "correction", text)
    entry.event("correction", text, at=now, who=who, to=[each.endpoint for each in told], people=names)
    entry.deed(who, "alert.correct", text=text, people=names)
    entry.changed = True
    await book.write(session)
    said = f"sent to {', '.join(names)}" if names else "nobody had been told: there is nobody to correct"
    return Answer(entry.alert, True, said)


async def cancel_for(session: AsyncSession, deliveries: list[DeliveryRow], now: datetime) -> None:
    """Tell endpoints that an alert is over which was closed while its notice was on the way to them."""
    by_alert: dict[int, list[DeliveryRow]] = {}
    for each in deliveries:
        by_alert.setdefault(each.alert, []).append(each)
    for number, told in by_alert.items():
        book, entry = await _load(session, number, now)
        _tell_again(book, entry, told, "cancel", "")
        entry.changed = True
        await book.write(session)


async def _load(
    session: AsyncSession, number: int, now: datetime, campuses: Mapping[str, Campus] | None = None
) -> tuple[Book, Entry]:
    await in_turn(session)
    book = Book(campuses or {}, now)
    entry = (await book.load_alerts(session, [number])).get(number)
    if entry is None:
        raise NotFound(f"there is no alert {number}")
    return book, entry


def _taken(book: Book, entry: Entry, who: str) -> None:
    """Let what waited for this answer rest."""
    answers = policies.answers_of(entry.alert)
    entry.take_back(f"{name_of(who)} has it", *answers)
    escalation.stop_answered(entry)
    escalation.remind_later(book, entry)
    if len(entry.alert.acknowledgers) == 1:
        escalation.mind_shift(book, entry)
    if closes_by_itself(entry.alert):
        escalation.close(book, entry, "it is over, and somebody has seen it")


def _tell_again(book: Book, entry: Entry, told: list[DeliveryRow], kind: outbox.NoticeKind, text: str) -> None:
    if not told:
        return
    entry.new_round()
    recipients = [Recipient(each.person, each.endpoint, each.via) for each in told]  # type: ignore[arg-type] # as stored
    telling.tell(book, entry, recipients, kind=kind, text=text)


def _already(alert: Alert, who: str) -> str:
    if alert.acknowledged_by == who:
        return f"{alert.code} is yours"
    return f"{alert.code} is already taken by {name_of(alert.acknowledged_by)}"


def _closing(who: str, disposition: str, note: str) -> str:
    return f"{name_of(who)} closed it as {disposition}" + (f": {note}" if note else "")


def _check_length(text: str, where: str, *, required: bool = False) -> None:
    if required and not text.strip():
        raise BadInput([Problem("is required", where=where)])
    if len(text) > NOTE_LENGTH:
        raise BadInput([Problem(f"is longer than {NOTE_LENGTH} characters", where=where)])
