"""The figures by which alarms are judged, and the record of who did what."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from alerts import figures, figures_csv, week, week_words
from alerts.week_report import Report
from api.csv_sheets import SHEET, WantsSheet, sheet
from api.deps import Administrator, Now, Reader, Reading
from api.listing import AfterId, Instant, Limit, Page, Words, piece
from api.record_schemas import AuditShown, Figures, VerifiedShown
from api.registry_editing import Described
from core import audit

router = APIRouter(tags=["records"])
_USUAL = timedelta(days=30)


@router.get("/reports/kpi", response_model=Figures, responses={200: {"content": {"text/csv": {}}}})
async def get_figures(
    session: Reading,
    _caller: Reader,
    now: Now,
    since: Annotated[Instant | None, Query(alias="from", description="From then on; 30 days if left out.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Until then; now if left out.")] = None,
    campus: Words | None = None,
    form: Annotated[Literal["json", "csv"] | None, Query(alias="format")] = None,
    accept: Annotated[str, Header()] = "",
) -> Figures | Response:
    """Return the figures of a stretch of time, as JSON or (`Accept: text/csv`, or `format=csv`) as a table."""
    end = until or now
    found = await figures.read(session, since=since or end - _USUAL, until=end, campus=campus)
    if form == "csv" or (form is None and "text/csv" in accept):
        headers = {"Content-Disposition": 'attachment; filename="figures.csv"'}
        return Response(figures_csv.write(found), media_type="text/csv", headers=headers)
    return Figures.model_validate(found)


@router.get("/campuses/{c}/reports/week", response_model=Report, responses=SHEET)
async def get_week(
    campus: Described,
    session: Reading,
    _caller: Reader,
    now: Now,
    as_sheet: WantsSheet,
    of: Annotated[date | None, Query(description="Any day of the week; the last whole week if left out.")] = None,
) -> Report | Response:
    """Return the week of a campus, Monday to Sunday by its own clock, each figure beside that of the week before."""
    found = await week.read(session, campus, of or week.last_whole(campus, now), now)
    if as_sheet:
        return sheet(f"week-{campus.id}-{found.monday}", week_words.COLUMNS, week_words.rows(found), None)
    return found


@router.get("/audit")
async def list_audit(
    session: Reading,
    _caller: Administrator,
    after: AfterId,
    subject: Annotated[Words | None, Query(description="Only of this, like `alert:17`.")] = None,
    limit: Limit = 100,
) -> Page[AuditShown]:
    """Return who did what, the newest first, each row with its hash and that of the row before."""
    rows = await audit.find(session, subject=subject, before_id=after, limit=limit + 1)
    shown, following = piece(rows, limit, lambda row: row.id)
    return Page(items=[_audited(row) for row in shown], next=following)


@router.get("/audit/verify")
async def verify_audit(session: Reading, _caller: Administrator) -> VerifiedShown:
    """Walk the whole chain; name the first row that was changed or taken out."""
    broken = await audit.verify(session)
    words = "the chain is whole" if broken is None else f"row {broken} does not fit the chain"
    return VerifiedShown(whole=broken is None, broken_at=broken, words=words)


def _audited(row: audit.AuditRow) -> AuditShown:
    return AuditShown(
        id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        detail=msgspec.json.decode(row.detail),
        previous=row.previous,
        hash=row.hash,
    )
