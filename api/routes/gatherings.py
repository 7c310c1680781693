"""Gatherings: games, dances, concerts; when they are, and how many are in the room."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import Now, Reader, Reading
from api.listing import AfterKey, Limit, Page, piece
from api.reference_schemas import GatheringShown
from api.registry_editing import Described
from core import state
from core.campus import Campus, Gathering
from core.facts import Facts, GatheringFacts

router = APIRouter(tags=["campuses"])


@router.get("/campuses/{c}/gatherings")
async def list_gatherings(
    campus: Described,
    session: Reading,
    _caller: Reader,
    now: Now,
    after: AfterKey,
    on: Annotated[bool, Query(description="Only those that are on now, setup and teardown included.")] = False,
    limit: Limit = 100,
) -> Page[GatheringShown]:
    """Return the gatherings and their heads, in the order of their ids."""
    found = await gatherings(session, campus, now if on else None)
    rest = sorted((each for each in found if after is None or each.id > after), key=lambda each: each.id)
    shown, following = piece(rest, limit, lambda each: each.id)
    return Page(items=shown, next=following)


async def gatherings(session: AsyncSession, campus: Campus, at: datetime | None) -> list[GatheringShown]:
    """Return the gatherings of a campus with their heads; with `at`, those that are on at that instant."""
    spans = campus.gathering_spans
    chosen = [each for each in campus.gatherings if at is None or spans[each.id][0] <= at < spans[each.id][1]]
    told = {facts.id: facts for facts in await state.load(session, campus.id, "gathering")} if chosen else {}
    return [_shown(campus, each, told.get(each.id)) for each in chosen]


def _shown(campus: Campus, gathering: Gathering, facts: Facts | None) -> GatheringShown:
    counted = isinstance(facts, GatheringFacts)
    zone = campus.zones_by_id.get(gathering.zone or "")
    return GatheringShown(
        id=gathering.id,
        name=gathering.name,
        zone=gathering.zone,
        starts_at=campus.instant(gathering.start),
        ends_at=campus.instant(gathering.end),
        expected=gathering.expected,
        load=gathering.load if gathering.load is not None else zone.load if zone else None,
        count=facts.count if isinstance(facts, GatheringFacts) else None,
        counts=facts.counts if isinstance(facts, GatheringFacts) else {},
        heard_at=facts.heard_at if counted and facts is not None else None,
    )
