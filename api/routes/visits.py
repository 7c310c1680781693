"""The visits of a campus: who is expected, held, in, out or turned away."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from sqlalchemy import select

from api.deps import OnCampus, Reader, Reading
from api.listing import AfterKey, Limit, Page, piece
from api.schemas import VisitShown
from core.facts import VisitFacts, VisitState
from core.state import FactsRow

router = APIRouter(tags=["visits"])


@router.get("/campuses/{c}/visits")
async def list_visits(
    campus: OnCampus,
    session: Reading,
    _caller: Reader,
    after: AfterKey,
    state: Annotated[VisitState | None, Query(description="Only the visits in this state.")] = None,
    limit: Limit = 100,
) -> Page[VisitShown]:
    """Return visits, in the order of their ids."""
    query = select(FactsRow).where(FactsRow.campus == campus.id, FactsRow.entity == "visit")
    if state:
        query = query.where(FactsRow.level == state)
    if after is not None:
        query = query.where(FactsRow.id > after)
    rows = (await session.execute(query.order_by(FactsRow.id).limit(limit + 1))).scalars().all()
    shown, following = piece(rows, limit, lambda row: row.id)
    return Page(items=[_shown(row) for row in shown], next=following)


def _shown(row: FactsRow) -> VisitShown:
    facts = msgspec.json.decode(row.data, type=VisitFacts)
    return VisitShown.model_validate(msgspec.structs.asdict(facts))
