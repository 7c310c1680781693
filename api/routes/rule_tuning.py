"""What a change of a rule costs, why it fired or did not, what a draft would have said: the past, judged again.

Each of these is worked out in a process of its own, bounded in time, so that nobody waits for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from api import tuning
from api.deps import Administrator, House, InHouse, Now, Reader
from api.listing import Instant, Words
from api.private import WithEyes
from api.rule_editing import InAside
from api.rule_schemas import (
    AccountShown,
    AgainstShown,
    BacktestSaid,
    BacktestShown,
    ShadowShown,
)
from api.schemas import ProblemDetails
from api.veil import veiled
from core.campus import Campus, nearest, read_duration, write_duration
from core.errors import BadInput, Conflict, NotFound, Problem
from rules import past, store
from rules.backtest import variants
from rules.past import CompareOrder, PriceOrder, WhyOrder, Written
from rules.rule import Rule, read_rule
from rules.why import AFTER, HISTORY

router = APIRouter(tags=["rules"])
LONGEST: Final = timedelta(days=92)
"""So much of the past one request judges; the command line does more."""
LONGEST_HISTORY: Final = timedelta(days=31)
HISTORY_SAID: Final = write_duration(HISTORY)
_NONE: Final[dict[int | str, dict[str, Any]]] = {404: {"model": ProblemDetails, "description": "No such rule"}}
_BUSY: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": ProblemDetails, "description": "It took too long, or too many ask at once"}
}
_NOT_IN_SHADOW: Final[dict[int | str, dict[str, Any]]] = {
    409: {"model": ProblemDetails, "description": "The rule is not in shadow"}
}


@router.post("/rules/backtest", responses=_BUSY)
async def backtest(
    house: InHouse, _caller: Administrator, aside: InAside, now: Now, said: BacktestSaid
) -> BacktestShown:
    """Say what other values of a rule's parameters would have cost, and which real alerts they would have missed."""
    until = said.until or now
    since = said.since or until - tuning.USUAL_SPAN
    past.check_span(since, until, LONGEST)
    if (said.rule is None) == (said.rule_id is None):
        raise BadInput([Problem("say either rule, a draft, or rule_id", where="rule_id")])
    async with house.database.reading() as session:
        rule = read_rule(said.rule) if said.rule is not None else await store.load_rule(session, said.rule_id or "")
        variants(rule, said.params, said.sweep)  # what is wrong is said at once
        order = PriceOrder(
            database_url=house.database.url,
            campuses=tuning.bare(_chosen(house, said.campus)),
            rule=Written.of(rule),
            companions=await tuning.companions(session, rule),
            since=since,
            until=until,
            params=said.params,
            sweep=said.sweep,
            known=await tuning.real_alerts(session, rule.id, since, until),
        )
    return BacktestShown.model_validate(tuning.as_answer(rule, since, until, await aside.ask(order)))


@router.get("/rules/{rule}/why", responses=_NONE | _BUSY)
async def why(
    house: InHouse,
    _caller: Reader,
    eyes: WithEyes,
    aside: InAside,
    now: Now,
    rule: Words,
    key: Annotated[Words, Query(min_length=1, max_length=200, description="The id of the door, visit, …")],
    at: Annotated[Instant | None, Query(description="The moment; now, unless it is said.")] = None,
    campus: Words | None = None,
    history: Annotated[str, Query(max_length=20, description="How much of the time before is read.")] = HISTORY_SAID,
) -> AccountShown:
    """Say why a rule held for a key at a moment, or why not, by judging the time before it again.

    What it read of students and the watch list takes a purpose.
    """
    moment = at or now
    if moment > now:
        raise BadInput([Problem("lies in the future", where="at")])
    async with house.database.reading() as session:
        found = await store.load_rule(session, rule)
        order = WhyOrder(
            database_url=house.database.url,
            campuses=tuning.bare([_the_one(house, campus)]),
            rule=Written.of(found),
            companions=await tuning.companions(session, found),
            since=moment - _history(history),
            until=min(now, moment + AFTER) + timedelta(microseconds=1),
            key=key,
            at=moment,
        )
    account = await aside.ask(order)
    shown = veiled(account)
    if shown != account and eyes.see:
        await eyes.saw("why", account["campus"], [f"{rule} {key}"])
        shown = account
    return AccountShown.model_validate(shown)


@router.get("/rules/{rule}/shadow", responses=_NONE | _BUSY | _NOT_IN_SHADOW)
async def shadow(
    house: InHouse,
    _caller: Reader,
    aside: InAside,
    now: Now,
    rule: Words,
    against: Annotated[Words | None, Query(description="Another rule, by whose alerts it is measured.")] = None,
) -> ShadowShown:
    """Say what a rule in shadow would have gained and lost since it went into shadow, against what was live before."""
    async with house.database.reading() as session:
        draft = await store.load_rule(session, rule)
        written = await store.versions(session, rule)
        first = _went_into_shadow(written)
        since = first.created_at
        spells = await tuning.shadow_spells(session, rule, house.campuses(), since, first.version)
        live = await _live_before(session, rule, written, first) if against is None else None
        if against is not None:
            other = await store.load_rule(session, against)
            found = past.compared(spells, await tuning.alerts_as_spells(session, other.id, since))
            return _compared(draft, since, found, AgainstShown(rule=other.id, version=other.version, by="alerts"))
        if live is None or since >= now:
            return _compared(draft, since, past.compared(spells, []), None)
        order = CompareOrder(
            database_url=house.database.url,
            campuses=tuning.bare(house.campuses().values()),
            rule=Written.of(live),
            companions=await tuning.companions(session, live),
            since=max(since, now - LONGEST),
            until=now,
            draft=tuning.stretches(spells),
        )
    by = AgainstShown(rule=rule, version=live.version, by="replay")
    return _compared(draft, since, await aside.ask(order), by)


def _went_into_shadow(written: list[store.Version]) -> store.Version:
    if written[0].mode != "shadow":
        raise Conflict(f"the rule is {written[0].mode}; what it would have done is recorded while it is in shadow")
    first = written[0]
    for each in written[1:]:
        if each.mode != "shadow":
            break
        first = each
    return first


async def _live_before(
    session: AsyncSession, rule: str, written: list[store.Version], first: store.Version
) -> Rule | None:
    earlier = (each for each in written if each.version < first.version and each.mode == "live" and each.document)
    live = next(earlier, None)
    return None if live is None else await store.load_rule(session, rule, live.version)


def _compared(draft: Rule, since: datetime, found: Any, against: AgainstShown | None) -> ShadowShown:
    said = found if isinstance(found, dict) else {"gained": found.gained, "lost": found.lost, "both": found.both}
    return ShadowShown.model_validate(
        {"rule": draft.id, "version": draft.version, "since": since, "against": against, **said}, from_attributes=True
    )


def _chosen(house: House, campus: str | None) -> list[Campus]:
    return list(house.campuses().values()) if campus is None else [_the_one(house, campus)]


def _the_one(house: House, campus: str | None) -> Campus:
    known = house.campuses()
    if campus is None and len(known) == 1:
        return next(iter(known.values()))
    if campus is None:
        raise BadInput([Problem(f"say which: {', '.join(sorted(known))}", where="campus")])
    if campus not in known:
        raise NotFound(f"no campus {campus!r}{nearest(campus, set(known))}")
    return known[campus]


def _history(text: str) -> timedelta:
    try:
        found = read_duration(text)
    except ValueError as error:
        raise BadInput([Problem(str(error), where="history")]) from None
    if not timedelta(0) < found <= LONGEST_HISTORY:
        raise BadInput([Problem(f"must be above 0s and at most {LONGEST_HISTORY.days}d", where="history")])
    return found
