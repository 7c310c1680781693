"""Signing in and out in a browser: with a name and a password, with a token, or at the district's provider."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from api import oidc, sessions, users
from api.access import Caller
from api.console import render
from api.console.frame import SAID, local
from api.deps import (
    AnyCaller,
    House,
    InHouse,
    Now,
    by_token,
    client_of,
    the_attempts,
    the_guessed_names,
    the_provider,
)
from api.sessions import COOKIE, LASTS
from core import audit
from core.errors import Forbidden, HallwatchError, NotFound, TooMany, Unauthorized, Unavailable

router = APIRouter(include_in_schema=False)
BEGUN = "hallwatch_signing_in"
"""The cookie of a sign-in that is under way at the provider."""


@router.get("/login")
async def show_login(request: Request, house: InHouse, next: str = "/") -> Response:  # noqa: A002 - the query's name
    """Show the page to sign in."""
    return await _page(request, house, next)


@router.post("/login")
async def log_in(
    request: Request,
    house: InHouse,
    now: Now,
    token: Annotated[str, Form(max_length=200)] = "",
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    code: Annotated[str, Form(max_length=20)] = "",
    following: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Turn a token, or a name and a password, into a session, and lead on to where the person wanted to go."""
    try:
        _require_own_page(request)
        if name.strip():
            caller = await _by_password(request, house, name, password, code, now)
        else:
            caller = await by_token(request, house, token.strip(), now)
        if not caller.may("read"):
            raise Forbidden(f"a {caller.role} token may only send messages; it cannot sign in here")
    except (Unauthorized, Forbidden, TooMany) as error:
        return await _refused(request, house, error, following, way="name" if name.strip() else "token")
    response = RedirectResponse(local(following), 303)
    response.delete_cookie(SAID, httponly=True, samesite="strict")
    await _begin(request, house, response, caller, now, how="password" if name.strip() else "token")
    return response


@router.get("/login/provider")
async def go_to_provider(request: Request, house: InHouse, now: Now, next: str = "/") -> Response:  # noqa: A002
    """Lead to the provider, to be identified there."""
    provider = the_provider(request)
    if provider is None:
        raise NotFound("no provider is set; sign in at /login")
    try:
        address, cookie = await provider.begin(local(next), now)
    except Unavailable as error:
        return await _refused(request, house, error, next)
    response = RedirectResponse(address, 303)
    # Lax: the way back begins on the provider's page.
    response.set_cookie(
        BEGUN,
        cookie,
        max_age=int(oidc.LASTS.total_seconds()),
        path=oidc.CALLBACK,
        httponly=True,
        samesite="lax",
        secure=_is_secure(request),
    )
    return response


@router.get(oidc.CALLBACK)
async def come_back(
    request: Request,
    house: InHouse,
    now: Now,
    code: Annotated[str, Query(max_length=4000)] = "",
    state: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Take in what the provider says, and sign in the user of that name, if there is one."""
    provider = the_provider(request)
    if provider is None:
        raise NotFound("no provider is set; sign in at /login")
    try:
        started = provider.started(request.cookies.get(BEGUN, ""), state, now)
        if not code:
            raise Unauthorized("the provider did not accept this sign-in; begin again")
        name = await provider.finish(started, code, now)
        async with house.database.reading() as session:
            row = await users.by_name(session, name)
        if row is None:
            raise Forbidden(f"{name[:100]} is not a user here; an administrator makes one")
        caller = users.caller_of(row, now)
    except (Unauthorized, Forbidden, Unavailable) as error:
        response = await _refused(request, house, error, "/")
    else:
        # A page in between: a browser that comes from another site would not send a strict cookie right away.
        response = render.page("signed_in.html", following=started.following)
        await _begin(request, house, response, caller, now, how="provider")
    response.delete_cookie(BEGUN, path=oidc.CALLBACK, httponly=True, samesite="lax")
    return response


@router.post("/logout")
async def log_out(house: InHouse, caller: AnyCaller, now: Now) -> Response:
    """End the session in this browser, for good: its cookie opens nothing any more."""
    if caller.session is not None:
        async with house.database.transaction() as session:
            await sessions.end(session, caller, caller.session, now)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


async def _by_password(request: Request, house: House, name: str, password: str, code: str, now: datetime) -> Caller:
    address, known_as = client_of(request), users.known_as(name)
    by_address, by_name = the_attempts(request), the_guessed_names(request)
    by_address.must_not_wait(address, now)
    by_name.must_not_wait(known_as, now)
    try:
        return await users.sign_in(house.database, house.vault, name=name, password=password, code=code, now=now)
    except Unauthorized:
        by_name.failed(known_as, now)
        by_address.failed(address, now)
        raise


async def _begin(
    request: Request, house: House, response: Response, caller: Caller, now: datetime, *, how: str
) -> None:
    async with house.database.transaction() as session:
        cookie = await sessions.start(session, caller, now, address=client_of(request))
        await audit.record(
            session, at=now, actor=caller.actor, action="sign_in", subject=caller.actor, detail={"how": how}
        )
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=_is_secure(request),
    )


async def _page(
    request: Request, house: House, following: str, *, error: str = "", way: str = "", **how: Any
) -> Response:
    provider = the_provider(request)
    async with house.database.reading() as session:
        has_users = bool(await users.find(session, limit=1))
    # Where nobody has a name yet, a token is all there is.
    ways = ["name", "token"] if has_users else ["token", "name"]
    return render.page(
        "login.html",
        said=unquote(request.cookies.get(SAID, "")),
        error=error,
        failed=way,
        following=local(following),
        provider=provider.name if provider else None,
        ways=["provider", *ways] if provider else ways,
        **how,
    )


async def _refused(request: Request, house: House, error: HallwatchError, following: str, *, way: str = "") -> Response:
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TooMany) else {}
    return await _page(request, house, following, error=str(error), way=way, status=error.status, headers=headers)


def _require_own_page(request: Request) -> None:
    # Nobody has a session yet, so the browser's own word is all there is against another site's form.
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Forbidden("this form came from another site; sign in on our own page")


def _is_secure(request: Request) -> bool:
    if request.url.scheme == "https":
        return True
    # Behind a proxy that ends TLS, our own name tells.
    house: House = request.app.state.house
    public = urlsplit(house.settings.public_url or "")
    return public.scheme == "https" and public.netloc == request.headers.get("host")
