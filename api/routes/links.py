"""The page behind a link in a message: for a phone, without a sign-in and without a script.

Opening it acts on nothing, because mail scanners open every link; pressing its button takes the alert.
"""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from alerts import desk, links, store
from alerts.links import Link
from api.console import render
from api.console.board import name_of
from api.deps import House, InHouse, Now, Reading

router = APIRouter(tags=["links"])


@router.get("/a/{token}", response_class=Response)
async def open_link(house: InHouse, session: Reading, now: Now, token: str) -> Response:
    """Show the alert a link leads to, as it is at this moment."""
    link = await links.open(session, token, now)
    return await _page(house, session, link, now)


@router.post("/a/{token}", response_class=Response)
async def answer_link(house: InHouse, now: Now, token: str) -> Response:
    """Take the alert for the person the link was sent to. Once or twice makes no difference."""
    async with house.database.transaction() as session:
        link = await links.use(session, token, now)
        who = f"person:{link.person}"
        answer = await desk.acknowledge(session, link.alert, who=who, now=now, via="link", generation=link.generation)
        page = await _page(house, session, link, now, said=answer.text)
    house.news.set()
    house.committed()
    return page


async def _page(house: House, session: AsyncSession, link: Link, now: datetime, said: str | None = None) -> Response:
    alert = await store.get(session, link.alert)
    campus = house.campuses().get(alert.campus)
    return render.page(
        "link.html",
        alert=alert,
        campus=campus.campus.name if campus else alert.campus,
        zone=render.zone_of(campus),
        now=now,
        said=said,
        taken_here=alert.acknowledged_by == f"person:{link.person}",
        taken_by=name_of(alert.acknowledged_by, campus),
        on_scene_by=name_of(alert.on_scene_by, campus),
        person=name_of(link.person, campus),
    )
