"""The event stream: what happens, as it happens, for pages and programs that stay connected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.access import Caller
from api.deps import Reader
from api.listing import LARGEST
from api.live import Live, Told

router = APIRouter(tags=["stream"])
HEARTBEAT_S = 15
RETRY_MS = 2000
Topic = Literal["alert", "door", "gathering", "delivery", "system"]


@router.get("/stream", response_class=EventSourceResponse)
async def listen(
    request: Request,
    caller: Reader,
    last_event_id: Annotated[int | None, Header(ge=0, le=LARGEST, description="As browsers send it.")] = None,
    last_id: Annotated[int | None, Query(ge=0, le=LARGEST, description="The same, for a first connection.")] = None,
    campus: Annotated[str | None, Query(description="Only what this campus tells.")] = None,
    topic: Annotated[list[Topic] | None, Query(description="Only these events.")] = None,
) -> EventSourceResponse:
    """Tell what happens: `alert`, `door`, `gathering`, `delivery` and `system` events, each with its number.

    Nobody hears of campuses that are not theirs to know; `delivery` events, which say who is told where, are for those
    who answer alerts, and for testers. A client that comes back with its last number misses nothing. Without one, the
    stream starts now. A comment every 15 seconds shows that the line is alive; after 15 minutes the stream ends, and
    the client comes back.
    """
    live = cast("Live", request.app.state.live)
    start = last_event_id if last_event_id is not None else last_id
    if start is None:
        start = await live.newest()
    return EventSourceResponse(
        _events(live, start, caller, campus, frozenset(topic or ())),
        ping=HEARTBEAT_S,
        ping_message_factory=lambda: ServerSentEvent(comment="alive"),
        sep="\n",
        send_timeout=30,
    )


async def _events(
    live: Live, start: int, caller: Caller, campus: str | None, topics: frozenset[str]
) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(id=str(start), retry=RETRY_MS, comment="hallwatch")
    async with aclosing(live.listen(start)) as news:
        async for told in news:
            if _is_theirs(told, caller) and _is_wanted(told, campus, topics):
                yield ServerSentEvent(id=str(told.id), event=told.topic, data=told.data)


def _is_theirs(told: Told, caller: Caller) -> bool:
    """Return whether a caller may hear of it: of their campuses alone, and of deliveries if they answer alerts."""
    if told.topic == "delivery" and not (caller.may("answer") or caller.trial_only):
        return False
    return told.campus == "" or caller.may_know(told.campus)


def _is_wanted(told: Told, campus: str | None, topics: frozenset[str]) -> bool:
    # What belongs to no campus concerns all.
    return (campus is None or told.campus in ("", campus)) and (not topics or told.topic in topics)
