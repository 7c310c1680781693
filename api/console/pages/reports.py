"""Reports: the figures of a span, as pictures and as a sheet."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from alerts import week as weeks
from api.console import reports, week
from api.console.frame import InFrame
from api.console.record import read_day
from api.deps import Reader, Reading
from api.listing import Words
from api.routes.reports import get_figures, get_week

router = APIRouter(include_in_schema=False)
Length = Annotated[int, Query(alias="days", ge=1, le=400)]


@router.get("/reports")
async def show_reports(
    frame: InFrame,
    session: Reading,
    caller: Reader,
    first: Annotated[Words, Query(alias="from")] = "",
    last: Annotated[Words, Query(alias="to")] = "",
    length: Length = reports.WEEK,
    form: Annotated[Literal["csv"] | None, Query(alias="format")] = None,
) -> Response:
    """Show the figures of some days; the last seven if none are named."""
    span = reports.span_of(frame, first, last, length)
    if form == "csv":
        campus = frame.chosen.id if frame.chosen else None
        sheet = await get_figures(session, caller, frame.now, span.since, span.until, campus, form)
        assert isinstance(sheet, Response)
        return sheet
    return frame.page(
        "reports.html", reports=await reports.read(session, frame, span), week=reports.WEEK, month=reports.MONTH
    )


@router.get("/reports/week")
async def show_week(
    frame: InFrame,
    session: Reading,
    caller: Reader,
    of: Words = "",
    form: Annotated[Literal["csv"] | None, Query(alias="format")] = None,
) -> Response:
    """Show the assessment of a campus's week, to be printed; that of the last whole week if no day is named."""
    campus, now = frame.campus, frame.now
    day = read_day(of, "of") if of else None
    if form == "csv":
        sheet = await get_week(campus, session, caller, now, as_sheet=True, of=day)
        assert isinstance(sheet, Response)
        return sheet
    report = await weeks.read(session, campus, day or weeks.last_whole(campus, now), now)
    return frame.page("week.html", week=week.tell(report, campus, now))
