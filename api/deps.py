"""What a request may ask for: the house it is in, its caller, the one transaction it has.

`House` is all that this room needs of the rest of the service; whoever builds the service fills it in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, cast
from urllib.parse import parse_qs

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.channels import Outcome
from api import access, sessions, users
from api.access import Action, Caller
from api.attempts import Attempts, Rates
from api.fence import fence
from api.guards import BODY
from api.idempotency import once
from api.oidc import Provider
from api.sessions import COOKIE, CSRF_HEADER
from core.campus import Campus, nearest
from core.clock import Clock
from core.database import Database
from core.errors import Forbidden, NotFound, Unauthorized, Unavailable
from core.messages import Heard
from core.settings import Settings
from core.spans import SILENT, Spans
from core.vault import Vault

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of messages that were handed in together; `quarantined` holds (index, reason)."""

    accepted: int
    duplicates: int
    quarantined: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Part:
    """How one thing is that the service stands on, since when, in words for whoever is on call."""

    ok: bool
    since: datetime | None
    words: str


@dataclass(frozen=True, slots=True)
class Health:
    """The parts that must be well before the service may be relied on."""

    broker: Part
    database: Part
    auditor: Part

    @property
    def ok(self) -> bool:
        """Whether every part is well."""
        return self.broker.ok and self.database.ok and self.auditor.ok


@dataclass(frozen=True, slots=True)
class Working:
    """What this process does, and how the loops are that nobody sees; each may run in another process instead."""

    roles: frozenset[str] = frozenset()
    looked_at: datetime | None = None
    """When the courier last looked into the outbox."""
    trouble: str = ""
    """Why the courier cannot work; empty: it can."""
    restarted: int = 0
    """Alerts that the auditor took up again since the start."""
    beat_at: datetime | None = None
    """When the heartbeat was last taken by the address outside."""


async def _nobody_tries(campus: str, person: str, endpoint: str) -> Outcome:
    raise Unavailable(f"this process sends nothing: {campus}/{person}/{endpoint} cannot be tried out from here")


@dataclass(frozen=True, kw_only=True)
class House:
    """The service as this room sees it."""

    database: Database
    clock: Clock
    vault: Vault
    settings: Settings
    receive: Callable[[list[Heard]], Awaitable[Receipt]]
    """Take messages in as if they had come over MQTT; returns once their effects are committed."""
    health: Callable[[], Health]
    campuses: Callable[[], Mapping[str, Campus]]
    metrics: CollectorRegistry
    rule_health: Callable[[], Mapping[str, str]] = dict
    """What is wrong with rules as they run, by rule; a process that judges nothing knows nothing of it."""
    working: Callable[[], Working] = Working
    """What this process does."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by whoever has committed something that the pages should show at once."""
    committed: Callable[[], None] = lambda: None
    """Called after a request has changed something: deliveries may have become due, or void."""
    try_out: Callable[[str, str, str], Awaitable[Outcome]] = _nobody_tries
    """Send a test to a campus's person's endpoint, and write down how it behaved."""
    rates: Rates = field(default_factory=Rates)
    """How often each caller has asked lately."""
    spans: Spans = SILENT
    """Makes a span of every request, where somebody collects them."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the service ends: the event streams then end by themselves."""


def the_house(request: Request) -> House:
    """Return the house the request came to, as its caller may see it: with the campuses that are theirs to know."""
    house = cast("House", request.app.state.house)

    def scope() -> frozenset[str] | None:
        caller: Caller | None = getattr(request.state, "caller", None)
        return None if caller is None else caller.campuses

    def campuses() -> Mapping[str, Campus]:
        found, inside = house.campuses(), scope()
        return found if inside is None else {name: campus for name, campus in found.items() if name in inside}

    return replace(house, campuses=campuses, database=house.database.narrowed(lambda session: fence(session, scope)))


InHouse = Annotated[House, Depends(the_house)]


def the_moment(house: InHouse) -> datetime:
    """Return the instant of the request: the clock is read once."""
    return house.clock.now()


Now = Annotated[datetime, Depends(the_moment)]

_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="`Authorization: Bearer hw_…`")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="The console's sign-in")


async def the_caller(
    request: Request,
    house: InHouse,
    now: Now,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> Caller:
    """Return who asks; Unauthorized if nobody does. A change by cookie must prove that our own page sent it."""
    if bearer is not None:
        caller = await by_token(request, house, bearer.credentials, now)
    elif cookie is not None:
        caller = await _by_cookie(request, house, cookie, now)
    else:
        raise Unauthorized("send Authorization: Bearer with a token, or sign in at /login")
    if caller.is_stale:
        async with house.database.transaction() as session:
            await (users if caller.kind == "user" else access).touch(session, caller.id, now)
    request.state.caller = caller
    house.rates.came(caller, writes=request.method not in SAFE_METHODS, now=now)
    await once(request, house.database, house.vault, caller, now)
    return caller


async def by_token(request: Request, house: House, token: str, now: datetime) -> Caller:
    """Return who a token belongs to; Unauthorized if nobody, TooMany if that happens too often from one address."""
    async with house.database.reading() as session:
        try:
            return await access.check(session, token, now)
        except Unauthorized:
            the_attempts(request).failed(client_of(request), now)
            raise


async def _by_cookie(request: Request, house: House, cookie: str, now: datetime) -> Caller:
    async with house.database.reading() as session:
        caller = await sessions.read(session, house.vault, cookie, now)
    if request.method not in SAFE_METHODS:
        sent = request.headers.get(CSRF_HEADER) or await _csrf_of_form(request)
        if not sessions.is_ours(caller, sent):
            raise Forbidden(f"a change by cookie needs the page's own token in {CSRF_HEADER}; load the page again")
    return caller


async def _csrf_of_form(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind == "multipart/form-data":
        # The framework keeps what it has read: the route gets the same form.
        sent = (await request.form()).get("csrf")
        return sent if isinstance(sent, str) else ""
    if kind != "application/x-www-form-urlencoded":
        return ""
    body: bytes = request.scope[BODY]
    said = parse_qs(body.decode("utf-8", "replace"))
    return said.get("csrf", [""])[0]


AnyCaller = Annotated[Caller, Depends(the_caller)]


def needs(action: Action) -> Any:
    """Return the dependency that gives the caller if they may do `action`; Forbidden says who may."""

    async def allowed(request: Request, caller: AnyCaller) -> Caller:
        if not caller.may(action):
            raise Forbidden(f"{caller.role} may not do this; it takes {access.roles_for(action)}")
        if action == "administer" and caller.campuses is not None and "c" not in request.path_params:
            theirs = ", ".join(sorted(caller.campuses))
            raise Forbidden(f"this concerns all campuses, and you are here for {theirs}")
        return caller

    return Depends(allowed)


Reader = Annotated[Caller, needs("read")]
Answerer = Annotated[Caller, needs("answer")]
Declarer = Annotated[Caller, needs("declare")]
Sender = Annotated[Caller, needs("send")]
Administrator = Annotated[Caller, needs("administer")]


async def _reading(house: InHouse) -> AsyncIterator[AsyncSession]:
    async with house.database.reading() as session:
        yield session


async def _writing(house: InHouse, _caller: AnyCaller) -> AsyncIterator[AsyncSession]:
    # The caller comes first: SQLite has one writer, and noting the caller's visit may have to write as well.
    async with house.database.transaction() as session:
        yield session
    house.news.set()
    house.committed()


# "function": the transaction ends before the answer is sent, so that an answer is never ahead of the truth.
Reading = Annotated[AsyncSession, Depends(_reading, scope="function")]
Writing = Annotated[AsyncSession, Depends(_writing, scope="function")]


def the_campus(c: str, house: House) -> Campus:
    """Return a campus of the house; NotFound if there is none that the caller may know of."""
    campuses = house.campuses()
    if c not in campuses:
        raise NotFound(f"no campus {c!r}{nearest(c, set(campuses))}")
    return campuses[c]


def _campus_of_path(c: str, house: InHouse, _caller: AnyCaller) -> Campus:
    # The caller comes first: which campuses there are depends on who asks.
    return the_campus(c, house)


OnCampus = Annotated[Campus, Depends(_campus_of_path)]


def the_attempts(request: Request) -> Attempts:
    """Return the record of failed sign-ins."""
    return cast("Attempts", request.app.state.attempts)


def the_guessed_names(request: Request) -> Attempts:
    """Return the record of passwords that were wrong, by the user's name."""
    return cast("Attempts", request.app.state.guessed_names)


def the_provider(request: Request) -> Provider | None:
    """Return the provider at which people may sign in; None where none is set."""
    return cast("Provider | None", request.app.state.provider)


def client_of(request: Request) -> str:
    """Return the address the request came from."""
    return request.client.host if request.client else "unknown"
