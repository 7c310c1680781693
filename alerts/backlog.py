"""What is found while a backlog is read waits until all is read: then what is true is told, and the rest summed up.

After an outage the broker hands over what it kept, and much of what began in it ends in it. Nobody shall be paged three
hundred times for that, and nothing shall be unseen: every alert opens and is listed, quiet by a suppression that stands
in the rows, so that a service that is killed meanwhile forgets nothing. What is extreme is told at once all the same,
unless it is old and the next message may end it (`Suppression.mutes`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import escalation, policies, quiet, shelf, store, suppression
from alerts.alert import SERVICE, Alert, cleared, opened
from alerts.book import Book
from alerts.suppression import WORDS, Suppression
from core.campus import Campus
from core.database import in_turn
from core.findings import Finding

HOLD: Final = timedelta(minutes=2)
"""So long a suppression lasts if nobody renews it: if the service dies meanwhile, alerts speak by themselves."""
MISSED: Final = "backlog-read"
NAMED: Final = 5
"""So many titles stand in the summary."""
LISTED: Final = 100
"""So many alerts are named by number in what the summary is based on."""
_WHY: Final = "what was kept while nothing could be heard is being read"


async def hold_back(session: AsyncSession, campus: str, now: datetime) -> datetime:
    """Keep what is not extreme quiet on a campus for a while longer; return until when."""
    await in_turn(session)
    known = [each for each in await shelf.in_force(session, [campus], now) if each.kind == "backlog"]
    until = now + HOLD
    if known:
        await shelf.change(session, suppression.extended(known[0], until))
        return until
    said = Suppression(
        campus=campus,
        kind="backlog",
        author=SERVICE,
        reason=_WHY,
        created_at=now,
        starts_at=now,
        ends_at=until,
        next_at=until,
    )
    await quiet.record(session, await shelf.add(session, said), SERVICE, "suppression.add", now)
    return until


async def let_go(session: AsyncSession, campuses: Mapping[str, Campus], now: datetime) -> None:
    """Tell what still stands of what was held back on these campuses, and sum up the rest in one notice a campus."""
    held = [each for each in await shelf.in_force(session, campuses, now) if each.kind == "backlog"]
    if not held:
        return
    await in_turn(session)
    for each in held:
        after = suppression.lifted(each, who=SERVICE, now=now)
        await shelf.change(session, after)
        await quiet.record(session, after, SERVICE, "suppression.lift", now)
        over = await _speak(session, each, campuses, now)
        if over:
            await _sum_up(session, campuses[each.campus], over, now)


async def _speak(
    session: AsyncSession, each: Suppression, campuses: Mapping[str, Campus], now: datetime
) -> list[Alert]:
    """Let what still stands be told; return what came and went unheard."""
    word = WORDS[each.kind]
    over = await store.closed_quietly(session, each.campus, word, each.starts_at)
    book = Book(campuses, now)
    entries = await book.load_alerts(session, await store.open_on(session, each.campus))
    for entry in list(entries.values()):
        if entry.alert.is_open and entry.alert.suppressed == word:
            escalation.look_again(book, entry)
            over += [] if entry.alert.is_standing else [entry.alert]
    await book.write(session)
    return over


async def _sum_up(session: AsyncSession, campus: Campus, over: Sequence[Alert], now: datetime) -> None:
    place = (campus.id, MISSED, campus.id)
    book = Book({campus.id: campus}, now)
    await book.load_places(session, [place], opening=[place])
    finding = Finding(
        campus=place[0],
        rule=place[1],
        key=place[2],
        entity="campus",
        state="firing",
        at=now,
        severity="moderate",
        title="What was missed",
        text=_words(campus, over),
        because=_because(over),
    )
    before = book.at(place)
    if before is not None:
        escalation.close(book, before, "a newer summary took its place")
    policy, _ = policies.choose(book.policies(campus.id)[0], None, finding.severity)
    entry = book.open(opened(finding, now=now, policy=book.plain(campus.id, policy)))
    entry.event("opened", finding.text, at=now, severity=finding.severity)
    entry.deed(SERVICE, "alert.open", rule=finding.rule, key=finding.key, severity=finding.severity)
    escalation.begin(book, entry)
    entry.set(cleared(entry.alert, at=now, now=now))
    escalation.close_later(book, entry)
    await book.write(session)


def _words(campus: Campus, over: Sequence[Alert]) -> str:
    last = suppression.clock(max(alert.began_at for alert in over), campus)
    titles: Counter[str] = Counter()
    for alert in over:
        titles[alert.title] += alert.count
    named = [f"{title} ({count})" for title, count in titles.most_common(NAMED)]
    more = [f"{len(titles) - NAMED} kinds more"] if len(titles) > NAMED else []
    times = f"{titles.total()} times, the last at" if titles.total() > 1 else "Once, at"
    return f"{times} {last}, something began and ended while nothing could be heard: {', '.join(named + more)}"


def _because(over: Sequence[Alert]) -> dict[str, Any]:
    numbers = sorted(alert.id for alert in over)
    return {"missed": sum(alert.count for alert in over), "alerts": numbers[:LISTED]}
