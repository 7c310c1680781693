"""Signing in and out in a browser: a token is pasted once and becomes a session cookie."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from api.console import render
from api.deps import AnyCaller, House, InHouse, Now, by_token
from api.sessions import COOKIE, LASTS, Sessions
from core.errors import Forbidden, HallwatchError, TooMany, Unauthorized

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def show_login(next: str = "/") -> Response:  # noqa: A002 - the name of the query parameter
    """Show the page to sign in."""
    return render.page("login.html", error=None, following=_local(next))


@router.post("/login")
async def log_in(
    request: Request,
    house: InHouse,
    now: Now,
    token: Annotated[str, Form(max_length=200)] = "",
    following: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Turn a token into a session, and lead on to where the person wanted to go."""
    try:
        _require_own_page(request)
        caller = await by_token(request, house, token.strip(), now)
        if not caller.may("read"):
            raise Forbidden(f"a {caller.role} token may only send messages; it cannot sign in here")
    except (Unauthorized, Forbidden, TooMany) as error:
        return _refused(error, following)
    response = RedirectResponse(_local(following), 303)
    response.set_cookie(
        COOKIE,
        Sessions(house.vault).start(caller.id, now),
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=_is_secure(request, house),
    )
    return response


@router.post("/logout")
async def log_out(_caller: AnyCaller) -> Response:
    """End the session in this browser."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _refused(error: HallwatchError, following: str) -> Response:
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TooMany) else {}
    return render.page(
        "login.html", status=error.status, headers=headers, error=str(error), following=_local(following)
    )


def _require_own_page(request: Request) -> None:
    # Nobody has a session yet, so the browser's own word is all there is against another site's form.
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Forbidden("this form came from another site; sign in on our own page")


def _local(path: str) -> str:
    """Return the path if it leads to a page of ours, else the first page."""
    parts = urlsplit(path)
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if is_ours and path.isprintable() else "/"


def _is_secure(request: Request, house: House) -> bool:
    if request.url.scheme == "https":
        return True
    # Behind a proxy that ends TLS, our own name tells.
    public = urlsplit(house.settings.public_url or "")
    return public.scheme == "https" and public.netloc == request.headers.get("host")
