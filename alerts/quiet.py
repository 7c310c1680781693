"""Keeping quiet on somebody's word, and speaking again: what a suppression does to the alerts, and who learns of it.

Every change is on record and told to the pages; shortly before the end whoever asked for it is reminded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import escalation, policies, shelf, store, suppression
from alerts.alert import SERVICE, cleared, opened
from alerts.book import Book, Entry
from alerts.shapes import moment
from alerts.suppression import WORDS, Suppression, name_of
from core import audit, feed
from core.campus import Campus
from core.database import in_turn
from core.errors import BadInput, Conflict
from core.feed import News
from core.findings import Finding

REMINDER: Final = "suppression-ending"


async def suppress(session: AsyncSession, asked: Suppression, campus: Campus, now: datetime) -> Suppression:
    """Keep something quiet; BadInput says why it cannot be. What is open and meant falls silent at once."""
    problems = suppression.problems_of(asked, campus)
    if problems:
        raise BadInput(problems)
    await in_turn(session)
    if asked.alert is not None:
        alert = await store.get(session, asked.alert)
        if alert.campus != asked.campus or not alert.is_open:
            raise Conflict(f"alert {asked.alert} is not open on {asked.campus}")
    kept = await shelf.add(session, asked)
    await record(session, kept, asked.author, "suppression.add", now)
    await _silence(session, kept, {campus.id: campus}, now)
    return kept


async def second(
    session: AsyncSession, number: int, *, who: str, campuses: Mapping[str, Campus], now: datetime
) -> Suppression:
    """Stand behind a suppression as the second person: from now on it mutes what is extreme, too."""
    await in_turn(session)
    after = suppression.seconded(await shelf.get(session, number), who=who, now=now)
    await shelf.change(session, after)
    await record(session, after, who, "suppression.second", now)
    await _silence(session, after, campuses, now)
    return after


async def lift(
    session: AsyncSession, number: int, *, who: str, campuses: Mapping[str, Campus], now: datetime
) -> Suppression:
    """End a suppression before its time; what still stands is told at once."""
    await in_turn(session)
    after = suppression.lifted(await shelf.get(session, number), who=who, now=now)
    await shelf.change(session, after)
    await record(session, after, who, "suppression.lift", now)
    await _on_each(session, after.campus, campuses, now, _speak)
    return after


async def go_on(session: AsyncSession, campuses: Mapping[str, Campus], now: datetime) -> None:
    """Do what is due about suppressions: begin, remind, end. An alert looks by itself when what mutes it ends."""
    for each in await shelf.due(session, now):
        await shelf.change(session, suppression.moved_on(each, now))
        if now >= each.ends_at:
            await record(session, each, SERVICE, "suppression.end", now)
        elif now >= each.remind_at:
            await _remind(session, each, campuses, now)
        else:
            await record(session, each, SERVICE, "suppression.begin", now)
            await _silence(session, each, campuses, now)


def as_json(each: Suppression, now: datetime) -> dict[str, Any]:
    """Return a suppression as lists, pages and the stream show it."""
    state = "in force" if each.is_in_force(now) else "over"
    if each.lifted_at is None and now < each.starts_at:
        state = "to come"
    return {
        "id": each.id,
        "campus": each.campus,
        "kind": each.kind,
        "state": state,
        "rules": each.rules,
        "keys": each.keys,
        "zones": each.zones,
        "alert": each.alert,
        "author": each.author,
        "reason": each.reason,
        "monitor": each.monitor,
        "window": each.window,
        "starts_at": moment(each.starts_at),
        "until": moment(each.ends_at),
        "mutes_extreme": each.seconded_by is not None and each.kind != "exercise",
        "seconded_by": each.seconded_by,
        "lifted_by": each.lifted_by,
        "lifted_at": moment(each.lifted_at),
    }


async def _silence(session: AsyncSession, each: Suppression, campuses: Mapping[str, Campus], now: datetime) -> None:
    if each.is_in_force(now):
        await _on_each(session, each.campus, campuses, now, _hush)


def _hush(book: Book, entry: Entry) -> None:
    mute = book.mute(entry.alert)
    if mute is not None and entry.alert.exercise != "test":
        escalation.hush(book, entry, mute)


def _speak(book: Book, entry: Entry) -> None:
    if entry.alert.suppressed in WORDS.values() and entry.alert.exercise != "test":
        escalation.look_again(book, entry)


async def _on_each(
    session: AsyncSession,
    campus: str,
    campuses: Mapping[str, Campus],
    now: datetime,
    act: Callable[[Book, Entry], None],
) -> None:
    """Do something with every open alert of a campus."""
    book = Book(campuses, now)
    entries = await book.load_alerts(session, await store.open_on(session, campus))
    for entry in list(entries.values()):
        if entry.alert.is_open:
            act(book, entry)
    await book.write(session)


async def _remind(session: AsyncSession, each: Suppression, campuses: Mapping[str, Campus], now: datetime) -> None:
    """Tell whoever asked for it, and whoever is on duty, that it ends soon, as a small alert of its own."""
    campus = campuses.get(each.campus)
    place = (each.campus, REMINDER, str(each.id))
    book = Book(campuses, now)
    await book.load_places(session, [place], opening=[place])
    if campus is None or book.at(place) is not None:
        return
    ends = suppression.clock(each.ends_at, campus)
    what = ", ".join([*each.rules, *each.keys, *each.zones]) or (f"alert {each.alert}" if each.alert else "nothing")
    finding = Finding(
        campus=each.campus,
        rule=REMINDER,
        key=str(each.id),
        entity="suppression",
        state="firing",
        at=now,
        severity="moderate",
        title="What is kept quiet will be heard again",
        text=f"The {each.kind} of {what} by {name_of(each.author)} ends at {ends}: {each.reason}",
        because=as_json(each, now),
    )
    policy = book.policies(each.campus)[0][REMINDER]
    author = (f"person:{name_of(each.author)}",) if name_of(each.author) in campus.people_by_id else ()
    first = policy.steps[0].model_copy(update={"notify": (*author, *policy.steps[0].notify)})
    mine = policy.model_copy(update={"steps": (first, *policy.steps[1:])})
    entry = book.open(opened(finding, now=now, policy=policies.to_plain(mine)))
    entry.event("opened", finding.text, at=now, severity=finding.severity, said=each.reason)
    entry.deed(SERVICE, "suppression.remind", suppression=each.id)
    escalation.begin(book, entry)
    entry.set(cleared(entry.alert, at=now, now=now))
    escalation.close_later(book, entry)
    await book.write(session)


async def record(session: AsyncSession, each: Suppression, actor: str, action: str, now: datetime) -> None:
    """Write down what was done about a suppression, and tell the pages."""
    shown = as_json(each, now)
    await audit.record(
        session, at=now, actor=actor, action=action, subject=f"suppression:{each.id}", detail=shown | {"state": action}
    )
    news = News(campus=each.campus, topic="system", data={"what": "suppression", "action": action, **shown})
    await feed.publish(session, [news], now)
