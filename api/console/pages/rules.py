"""The rules as pages: what each says, what it costs, why it did or did not, how it came to be as it is."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from api import tuning, warnings
from api.console import prices, rule_past, rule_text, rules
from api.console.frame import Frame, InFrame
from api.console.prices import PriceList
from api.console.workshop import InWorkshop, Work
from api.deps import House, InHouse, Reading
from api.listing import Words
from api.private import the_eyes
from api.routes import rule_tuning
from api.rule_editing import InAside
from api.rule_schemas import BacktestSaid
from core.calendar import resolve_local
from core.errors import BadInput, Forbidden, NotFound, Problem
from rules import store
from rules.aside import Aside
from rules.rule import Rule

router = APIRouter(include_in_schema=False)
VERSIONS_SHOWN: Final = 20
Search = Annotated[Words, Query(max_length=100)]


@router.get("/rules")
async def show_rules(
    frame: InFrame, house: InHouse, session: Reading, workshop: InWorkshop, q: Search = "", warn: bool = False
) -> Response:
    """Show every rule with what it costs; what is surprising about them, if asked for."""
    found = await rules.listed(session, frame, house.rule_health(), q.strip())
    surprising = _surprising(frame, house, workshop, await store.revision(session)) if warn else None
    return frame.page("rules.html", rules=found, word=q.strip(), surprising=surprising)


def _surprising(frame: Frame, house: House, workshop: InWorkshop, revision: int) -> Work[Any]:
    shown = [frame.chosen] if frame.chosen else list(frame.campuses)

    async def look() -> list[Problem]:
        async with house.database.reading() as session:
            known = await store.load_rules(session)
        found = [await asyncio.to_thread(warnings.of_campus, campus, known, frame.now) for campus in shown]
        return [each for some in found for each in some]

    return workshop.ask(("lint", revision, tuple(each.id for each in shown)), look, frame.now)


@router.get("/rules/{rule}")
async def show_rule(
    frame: InFrame,
    house: InHouse,
    session: Reading,
    workshop: InWorkshop,
    aside: InAside,
    rule: Words,
    price: Annotated[Words | None, Query(max_length=64)] = None,
) -> Response:
    """Show one rule; with `price`, what the values of that parameter would have cost."""
    found = await rules.one(session, frame, house.rule_health(), rule)
    work = None if price is None else _priced(frame, house, workshop, aside, found.rule, price)
    return frame.page(
        "rule.html",
        page=found,
        scope=rules.in_words(found.rule.document.get("scope", {})),
        price=price,
        work=work,
        may_edit=rules.may_edit(frame.caller),
    )


def _priced(frame: Frame, house: House, workshop: InWorkshop, aside: Aside, rule: Rule, param: str) -> Work[PriceList]:
    if not rules.may_edit(frame.caller):
        raise Forbidden("what a value would cost is worked out for administrators of all campuses")
    said: dict[str, Any] = rule.document.get("params", {}).get(param, {})
    values = prices.stops(said) if said else []
    if not values:
        raise NotFound(f"rule {rule.id!r} has no parameter {param!r} with a price")
    campus = frame.chosen.id if frame.chosen else None
    sweep = BacktestSaid(rule_id=rule.id, sweep={param: values}, campus=campus)

    async def judge() -> PriceList:
        answer = await rule_tuning.backtest(house, frame.caller, aside, frame.now, sweep)
        async with house.database.reading() as session:
            real = await tuning.real_alerts(session, rule.id, answer.since, answer.until)
        mine = [each for each in real if campus in (None, each.campus)]
        return prices.listed(param, said["default"], answer, len(mine))

    return workshop.ask(("price", rule.id, rule.version, param, campus), judge, frame.now)


@router.get("/rules/{rule}/versions")
async def show_versions(
    frame: InFrame, session: Reading, rule: Words, before: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """Show how a rule came to be as it is: every version, and what it changed."""
    found = await store.versions(session, rule)
    if not found:
        raise NotFound(f"there never was a rule {rule!r}")
    earlier = [*found[1:], None]
    pairs = [pair for pair in zip(found, earlier, strict=True) if before is None or pair[0].version < before]
    shown = [
        (each, rule_text.differences(was.document if was else None, each.document))
        for each, was in pairs[:VERSIONS_SHOWN]
    ]
    return frame.page(
        "rule_versions.html",
        name=rule,
        title=_title(found),
        present=found[0],
        versions=shown,
        further=shown[-1][0].version if len(pairs) > VERSIONS_SHOWN else None,
        may_edit=rules.may_edit(frame.caller),
    )


def _title(versions: list[store.Version]) -> str:
    return next((str(each.document.get("title", "")) for each in versions if each.document), "")


@router.get("/rules/{rule}/why")
async def show_why(
    frame: InFrame,
    house: InHouse,
    session: Reading,
    workshop: InWorkshop,
    aside: InAside,
    rule: Words,
    key: Annotated[Words, Query(max_length=200)] = "",
    at: Annotated[Words, Query(max_length=40)] = "",
) -> Response:
    """Show why a rule held for something at a moment, or why not."""
    found = await store.load_rule(session, rule)
    campus = frame.campus
    moment = read_local(at, frame, "at")
    if moment is not None and moment > frame.now:
        raise BadInput([Problem("lies in the future", "at")])
    work = None
    if key.strip() and moment is not None:
        asked = key.strip()

        async def judge() -> rule_past.Told:
            eyes = the_eyes(house, frame.caller, frame.now)
            found = await rule_tuning.why(house, frame.caller, eyes, aside, frame.now, rule, asked, moment, campus.id)
            return rule_past.told(found)

        what = ("why", rule, found.version, campus.id, asked, moment)
        work = workshop.ask(what, judge, frame.now)
    local = (moment or frame.now).astimezone(campus.zone_info).replace(tzinfo=None)
    return frame.page(
        "rule_why.html",
        rule=found,
        key=key.strip(),
        local=local.isoformat(timespec="seconds"),
        offered=await rules.offered(session, found, campus),
        work=work,
        zone=campus.zone_info,
    )


def read_local(text: str, frame: Frame, where: str) -> datetime | None:
    """Return a wall-clock time of the campus as an instant; None where nothing is said. Raises BadInput."""
    if not text.strip():
        return None
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput([Problem("write a day and a time, like 2026-11-24T15:30", where)]) from None
    return read if read.tzinfo is not None else resolve_local(read, frame.zone)


@router.get("/rules/{rule}/shadow")
async def show_shadow(
    frame: InFrame,
    house: InHouse,
    session: Reading,
    workshop: InWorkshop,
    aside: InAside,
    rule: Words,
    against: Annotated[Words, Query(max_length=64)] = "",
) -> Response:
    """Show what a rule in shadow would have gained and lost."""
    found = await store.load_rule(session, rule)
    other = against.strip() or None

    campuses = {each.id: each for each in frame.campuses}

    async def judge() -> rule_past.Compared:
        compared = await rule_tuning.shadow(house, frame.caller, aside, frame.now, rule, other)
        return rule_past.compared(compared, found.entity, campuses)

    here = tuple(campuses)
    what = ("shadow", rule, found.version, other, here)
    work = workshop.ask(what, judge, frame.now) if found.mode == "shadow" else None
    return frame.page(
        "rule_shadow.html",
        rule=found,
        against=other or "",
        work=work,
        others=[row.id for row in await store.latest(session) if row.id != rule],
        may_edit=rules.may_edit(frame.caller),
    )
