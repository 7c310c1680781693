"""The visits of a campus, and the roster: who is here, for the desk and for a count outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from sqlalchemy import ColumnElement, Select, Text, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from api.csv_sheets import MOST_ROWS, SHEET, WantsSheet, sheet
from api.deps import Now, Reader, Reading
from api.listing import AfterKey, Limit, Page, piece
from api.private import Eyes, WithEyes, is_private, without_details
from api.reference_schemas import HereShown, RosterShown
from api.registry_editing import Described
from api.routes.gatherings import gatherings
from api.schemas import VisitShown
from core.facts import VisitFacts, VisitState
from core.state import FactsRow

router = APIRouter(tags=["visits"])
COLUMNS: Final = ("id", "name", "type", "host", "zone", "badge", "state", "state_at", "expected_out", "checked_out_by")
UNVERIFIED_FOR: Final = timedelta(hours=24)
"""How long whoever was signed out by the clock alone may still be here."""


@router.get("/campuses/{c}/visits", response_model=Page[VisitShown], responses=SHEET)
async def list_visits(
    campus: Described,
    session: Reading,
    _caller: Reader,
    eyes: WithEyes,
    after: AfterKey,
    as_sheet: WantsSheet,
    state: Annotated[VisitState | None, Query(description="Only the visits in this state.")] = None,
    limit: Limit = 100,
) -> Page[VisitShown] | Response:
    """Return visits, in the order of their ids. Details that touch the watch list or a student take a purpose."""
    query = _visits(campus.id)
    if state:
        query = query.where(FactsRow.level == state)
    if after is not None:
        query = query.where(FactsRow.id > after)
    limit = MOST_ROWS if as_sheet else limit
    rows = (await session.execute(query.limit(limit + 1))).scalars().all()
    shown, following = piece(rows, limit, lambda row: row.id)
    found = await told(shown, eyes, campus.id)
    if as_sheet:
        return sheet(f"visits-{campus.id}", COLUMNS, found, following)
    return Page(items=[VisitShown.model_validate(each) for each in found], next=following)


@router.get("/campuses/{c}/roster", response_model=RosterShown, responses=SHEET)
async def show_roster(
    campus: Described,
    session: Reading,
    _caller: Reader,
    eyes: WithEyes,
    now: Now,
    after: AfterKey,
    as_sheet: WantsSheet,
    limit: Limit = 500,
) -> RosterShown | Response:
    """Return who is here: whoever is in or held, and whoever was signed out within a day by the clock alone."""
    limit = MOST_ROWS if as_sheet else limit
    rows = await here(session, campus.id, now, after, limit + 1)
    shown, following = piece(rows, limit, lambda row: row.id)
    found = [each | {"unverified": each["state"] == "out"} for each in await told(shown, eyes, campus.id)]
    if as_sheet:
        return sheet(f"roster-{campus.id}", (*COLUMNS, "unverified"), found, following)
    items = [HereShown.model_validate(each) for each in found]
    on = await gatherings(session, campus, now)
    return RosterShown(campus=campus.id, at=now, items=items, next=following, gatherings=on)


async def here(session: AsyncSession, campus: str, now: datetime, after: str | None, limit: int) -> list[FactsRow]:
    """Return whoever is in or held, and whoever the clock alone signed out lately, in the order of the ids."""
    query = _visits(campus).where(or_(FactsRow.level.in_(("in", "held")), _by_the_clock(now)))
    if after is not None:
        query = query.where(FactsRow.id > after)
    return list((await session.execute(query.limit(limit))).scalars())


async def in_state(session: AsyncSession, campus: str, state: VisitState, *, limit: int) -> list[FactsRow]:
    """Return the visits in a state, those heard of last first."""
    query = select(FactsRow).where(FactsRow.campus == campus, FactsRow.entity == "visit", FactsRow.level == state)
    return list((await session.execute(query.order_by(FactsRow.heard_at.desc(), FactsRow.id).limit(limit))).scalars())


async def unverified(session: AsyncSession, campus: str, now: datetime, *, limit: int) -> list[FactsRow]:
    """Return the visits that the clock alone ended lately, in the order of their ids."""
    return list((await session.execute(_visits(campus).where(_by_the_clock(now)).limit(limit))).scalars())


async def told(rows: Sequence[FactsRow], eyes: Eyes, campus: str) -> list[dict[str, Any]]:
    """Return visits as this caller may see them; what is seen of private details is put on record first."""
    found = [msgspec.structs.asdict(msgspec.json.decode(row.data, type=VisitFacts)) for row in rows]
    await eyes.saw("visits", campus, (each["id"] for each in found if is_private(each)))
    return [without_details(each) if is_private(each) and not eyes.see else each for each in found]


def _visits(campus: str) -> Select[FactsRow]:
    return select(FactsRow).where(FactsRow.campus == campus, FactsRow.entity == "visit").order_by(FactsRow.id)


def _by_the_clock(now: datetime) -> ColumnElement[bool]:
    return and_(
        FactsRow.level == "out",
        FactsRow.heard_at >= now - UNVERIFIED_FOR,
        FactsRow.data.cast(Text).contains('"checked_out_by":"auto"', autoescape=True),
    )
