"""The application: the routes, what stands around them, and the OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles

from api import errors
from api.attempts import Attempts
from api.console import pages, signing
from api.deps import House
from api.guards import Armour, BodyLimit
from api.live import Live
from api.routes import (
    alerts,
    campuses,
    devices,
    duty,
    endpoints,
    health,
    hooks,
    links,
    mappings,
    messages,
    policies,
    quarantine,
    records,
    reports,
    rules,
    state,
    stream,
    suppressions,
    tokens,
    visits,
)
from api.schemas import ProblemDetails

PREFIX = "/api/v1"
DESCRIPTION = """
Doors, visits and gatherings of a campus, the rules that watch them, and the alerts that tell people.

Sign in with `Authorization: Bearer hw_…`. Times are RFC 3339 in UTC. Lists answer `{items, next}`: send `next` back
as `cursor` for the next piece. Errors are problem details (RFC 9457). Roles: viewer < sro < admin; a `device` may
only send messages; a `tester` may read, and send drills and tests.
"""
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {errors.MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}}}
    for status, words in (
        (401, "Nobody is signed in"),
        (403, "Signed in, and not allowed to"),
        (422, "What was sent cannot be used; `problems` says why"),
    )
}


def create_api(house: House) -> FastAPI:
    """Return the application that serves a house: the API, the stream and the pages."""
    live = Live(house.database, house.news, house.closing)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await live.close()

    app = FastAPI(
        title="Hallwatch",
        version=version("hallwatch"),
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        # The interactive documentation loads its scripts from elsewhere; nothing here does.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        lifespan=lifespan,
    )
    app.state.house = house
    app.state.live = live
    app.state.attempts = Attempts()
    app.state.hooks = hooks.KnownHooks()
    errors.add_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Armour)
    api = APIRouter(prefix=PREFIX, responses=_PROBLEMS)
    about_alerts = (alerts, suppressions, policies, duty, records, reports, endpoints)
    rooms = (messages, quarantine, devices, mappings, hooks, campuses, state, visits, rules, stream, tokens)
    for room in (*rooms, *about_alerts):
        api.include_router(room.router)
    app.include_router(api)
    app.include_router(hooks.door, responses=_PROBLEMS)
    for room in (health, links, signing, pages):
        app.include_router(room.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "console" / "static"), name="static")
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
