"""The page behind a link in a message: for a phone, without a sign-in and without a script.

Opening it answers nothing, because mail scanners open every link; pressing one of its buttons does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from alerts import links, preflight, presses, srp, store
from alerts.buttons import Reply, offered
from alerts.links import Link
from alerts.plan_picture import picture_for
from api.console import render
from api.console.board import name_of
from api.deps import House, InHouse, Now, Reading
from core.errors import NotFound

router = APIRouter(tags=["links"])
Pressed = Annotated[
    Reply, Query(description="`ack`: on it; `on-scene`; `known`: nobody needs to come; `help`: call everybody.")
]


@router.get("/a/{token}", response_class=Response)
async def open_link(house: InHouse, now: Now, token: str) -> Response:
    """Show the alert a link leads to, as it is at this moment."""
    async with house.database.reading() as session:
        link = await links.open(session, token, now)
        page = await _page(house, session, link, now, token=token)
    if link.opened_at is None:
        async with house.database.transaction() as session:
            await links.note_opened(session, token, now)
    return page


@router.post("/a/{token}", response_class=Response)
async def answer_link(house: InHouse, now: Now, token: str, reply: Pressed = "ack") -> Response:
    """Answer for the person the link was sent to. Once or twice makes no difference."""
    async with house.database.transaction() as session:
        link = await links.use(session, token, now)
        if link.check is not None:
            await preflight.answered(session, link.check, now)
            return await _page(house, session, link, now, token=token, said="Thank you: alerts reach you.")
        campus = house.campuses().get((await store.get(session, link.alert)).campus)
        who = f"person:{link.person}"
        answer = await presses.press(
            session, link.alert, reply, who=who, generation=link.generation, campus=campus, now=now
        )
        page = await _page(house, session, link, now, token=token, said=answer.text)
    house.news.set()
    house.committed()
    return page


@router.get("/a/{token}/plan.png", response_class=Response)
async def show_plan(house: InHouse, session: Reading, now: Now, token: str) -> Response:
    """Show where it is: a small plan of the campus with the door marked."""
    link = await links.open(session, token, now)
    if link.check is not None:
        raise NotFound("there is no plan: this link belongs to a check")
    alert = await store.get(session, link.alert)
    picture = picture_for(alert, house.campuses().get(alert.campus))
    if picture is None:
        raise NotFound("the campus file gives this door no place")
    return Response(picture, media_type="image/png")


async def _page(
    house: House, session: AsyncSession, link: Link, now: datetime, *, token: str, said: str | None = None
) -> Response:
    if link.check is not None:
        check = await preflight.get(session, link.check)
        campus = house.campuses().get(check.campus)
        return render.page(
            "check.html",
            campus=campus.campus.name if campus else check.campus,
            person=name_of(link.person, campus),
            answered=said is not None or check.answered_at is not None,
        )
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
        suggested=srp.suggestion(alert.srp),
        replies=offered(alert),
        token=token,
        has_plan=picture_for(alert, campus) is not None,
    )
