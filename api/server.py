"""The application: the routes, what stands around them, and the OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from api import errors, idempotency, openapi
from api.attempts import NAME_LIMIT, NAME_WINDOW, Attempts
from api.console import installing, signing
from api.console.pages import PAGES
from api.deps import House
from api.guards import Armour, BodyLimit
from api.live import Live
from api.oidc import Provider
from api.routes import (
    alerts,
    calendar,
    campuses,
    devices,
    duty,
    endpoints,
    gatherings,
    health,
    hooks,
    links,
    mappings,
    messages,
    myself,
    policies,
    quarantine,
    records,
    reference,
    reports,
    rules,
    state,
    stream,
    suppressions,
    tokens,
    users,
    visits,
)
from api.statics import Statics
from api.traced import Traced
from core.spans import SILENT

DESCRIPTION = """
Doors, visits and gatherings of a campus, the rules that watch them, and the alerts that tell people.

Sign in with `Authorization: Bearer hw_…`. Times are RFC 3339 in UTC. Lists answer `{items, next}`: send `next` back
as `cursor` for the next piece. Errors are problem details (RFC 9457). Edits answer an `ETag` for `If-Match`; writes
take an `Idempotency-Key`. Roles: viewer < sro < admin; a `device` may only send messages; a `tester` may read, and
send drills and tests.
"""


_ROOMS = (
    *(messages, quarantine, devices, mappings, hooks, campuses, state, calendar, gatherings, visits),
    *(alerts, suppressions, policies, duty, endpoints, records, reports),
    *(rules, stream, tokens, users, myself),
)


def create_api(house: House) -> FastAPI:
    """Return the application that serves a house: the API, the stream and the pages."""
    live = Live(house.database, house.news, house.closing)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await live.close()

    app = FastAPI(
        routes=list(_routes()),
        title="Hallwatch",
        version=version("hallwatch"),
        description=DESCRIPTION,
        openapi_url=f"{openapi.PREFIX}/openapi.json",
        # The interactive documentation loads its scripts from elsewhere; nothing here does.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        # FastAPI's own spans, figures and records hold paths, queries and messages of errors, which name people.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.house = house
    app.state.live = live
    app.state.attempts = Attempts()
    app.state.guessed_names = Attempts(NAME_LIMIT, NAME_WINDOW)
    app.state.hooks = hooks.KnownHooks()
    app.state.provider = Provider(house.settings, house.vault) if house.settings.oidc_issuer else None
    errors.add_handlers(app)
    app.add_exception_handler(idempotency.Done, idempotency.answer_again)
    app.add_middleware(idempotency.Keeper)
    app.add_middleware(BodyLimit)
    if house.spans is not SILENT:
        app.add_middleware(Traced, spans=house.spans)
    app.add_middleware(Armour)
    # Outermost, so that whatever is said is said in few bytes; the event stream is left as it is.
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.mount("/static", Statics(), name="static")
    openapi.complete(app)
    return app


@cache
def _routes() -> Sequence[BaseRoute]:
    """Return the routes of every house, made once: they are the same for all, and FastAPI works long on each."""
    all_of_them = APIRouter(generate_unique_id_function=_operation_id)
    # The pieces of a campus come last: their paths would catch those of the rooms before.
    for room in (*_ROOMS, reference):
        all_of_them.include_router(room.router, prefix=openapi.PREFIX)
    all_of_them.include_router(hooks.door)
    for room in (health, links, signing, installing, *PAGES):
        all_of_them.include_router(room.router)
    return all_of_them.routes


def _operation_id(route: APIRoute) -> str:
    return route.name
