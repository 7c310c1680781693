"""What pressing a button of a message does: one answer each, once or twice without a difference.

`known` says that it is expected and nobody needs to come; `help` calls everybody the alert's policy names, at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import answers, store, telling
from alerts.answers import Answer
from alerts.book import Book
from alerts.buttons import Reply
from alerts.notices import name_of
from core.campus import Campus
from core.errors import Conflict, NotFound

AGAIN: Final = timedelta(minutes=2)
"""Pressed again within this time, a call for help is the same call."""
EVERYBODY: Final = ("role:admin", "role:sro", "on_call")
"""Called to help besides those whom the policy names."""


async def press(
    session: AsyncSession,
    number: int,
    reply: Reply,
    *,
    who: str,
    generation: int,
    campus: Campus | None,
    now: datetime,
    via: str = "link",
) -> Answer:
    """Do what a button says, for the person it was sent to. Conflict if it belongs to an earlier opening."""
    before = await store.get(session, number)
    if before.is_open and generation < before.first_generation:
        raise Conflict(f"{before.code} has opened again since that message; answer the latest one")
    if reply == "on-scene":
        return await answers.on_scene(session, number, who=who, now=now, via=via)
    if reply == "help" and before.exercise == "test":
        raise Conflict(f"{before.code} is a test, which calls nobody")
    taken = await answers.acknowledge(session, number, who=who, now=now, via=via, generation=generation)
    if reply == "known":
        return await _known(session, taken, who=who, now=now)
    return await _call_help(session, taken, who=who, campus=campus, now=now) if reply == "help" else taken


async def _known(session: AsyncSession, taken: Answer, *, who: str, now: datetime) -> Answer:
    said = f"{taken.alert.code} is noted as known"
    if await _said(session, taken, "known", who=who, since=taken.alert.opened_at):
        return Answer(taken.alert, False, said)
    book = Book({}, now)
    entry = (await book.load_alerts(session, [taken.alert.id]))[taken.alert.id]
    words = f"{name_of(who)} knows about it: it is expected, and nobody needs to come"
    entry.event("known", words, at=now, who=who, opening=taken.alert.opening)
    entry.deed(who, "alert.known")
    entry.changed = True
    await book.write(session)
    return Answer(entry.alert, True, said)


async def _call_help(session: AsyncSession, taken: Answer, *, who: str, campus: Campus | None, now: datetime) -> Answer:
    if campus is None:
        raise NotFound(f"the campus {taken.alert.campus!r} is gone: nobody can be called")
    if await _said(session, taken, "help", who=who, since=now - AGAIN):
        return Answer(taken.alert, False, "help has been called already")
    book = Book({campus.id: campus}, now)
    entry = (await book.load_alerts(session, [taken.alert.id]))[taken.alert.id]
    steps = telling.policy_of(entry.alert).steps
    words = tuple(dict.fromkeys((*(word for step in steps for word in step.notify), *EVERYBODY)))
    called = [each for each in book.who(campus.id, words, ("any",)) if each.person != name_of(who)]
    names = list(dict.fromkeys(each.person for each in called))
    entry.new_round()
    telling.tell(book, entry, called, kind="help", until="resolve", text=f"{name_of(who)} asks for help")
    text = f"{name_of(who)} asks for help: {', '.join(names) or 'there is nobody else'}"
    entry.event("help", text, at=now, who=who, to=[each.endpoint for each in called], people=names)
    entry.deed(who, "alert.help", people=names)
    await book.write(session)
    return Answer(entry.alert, True, f"help is called: {', '.join(names)}" if names else "there is nobody else to call")


async def _said(session: AsyncSession, taken: Answer, event: str, *, who: str, since: datetime) -> bool:
    """Return whether somebody has said this of the present opening already, at or after an instant."""
    lines = await store.timeline(session, taken.alert.id)
    mine = [each for each in lines if each.event == event and each.who == who and each.at >= since]
    return any(event == "help" or each.data.get("opening") == taken.alert.opening for each in mine)
