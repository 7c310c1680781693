"""Every error as an answer: problem details (RFC 9457) for programs, a plain page for people. Never a traceback."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from api.console import render
from core.errors import BadInput, HallwatchError, Problem, TooMany, Unauthorized, Unavailable

log = structlog.get_logger("api")
MEDIA_TYPE = "application/problem+json"


def add_handlers(app: FastAPI) -> None:
    """Let every error the routes raise be answered here."""
    app.add_exception_handler(HallwatchError, _ours)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _of_the_framework)


def answer(
    request: Request,
    *,
    status: int,
    title: str,
    detail: str,
    problems: Sequence[Problem] = (),
    kind: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer that tells of a problem, in the form that suits whoever asked."""
    if _wants_page(request):
        return render.problem(request, status=status, title=title, detail=detail, headers=headers)
    body: dict[str, Any] = {
        "type": f"urn:hallwatch:problem:{kind}" if kind else "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
    }
    if problems:
        body["problems"] = [{"where": p.where, "message": p.message, "line": p.line} for p in problems]
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def unexpected(request: Request, error: Exception) -> Response:
    """Return the answer to an error nobody foresaw; what it was stands in the log alone."""
    log.error("unexpected", method=request.method, path=_route_of(request), exc_info=error)
    return answer(request, status=500, title=HallwatchError.title, detail="Something went wrong here; it was logged.")


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, HallwatchError)
    if isinstance(error, Unauthorized) and _wants_page(request):
        return RedirectResponse(f"/login?next={quote(request.url.path, safe='')}", 303)
    if type(error).status >= 500:
        log.error("failed", method=request.method, path=_route_of(request), error=str(error))
    return answer(
        request,
        status=error.status,
        title=error.title,
        detail=str(error) or error.title,
        problems=error.problems if isinstance(error, BadInput) else (),
        kind=_kebab(type(error).__name__),
        headers=_headers_of(error),
    )


def _headers_of(error: HallwatchError) -> dict[str, str]:
    match error:
        case TooMany():
            return {"Retry-After": str(error.retry_after)}
        case Unavailable():
            return {"Retry-After": "2"}
        case Unauthorized():
            return {"WWW-Authenticate": "Bearer"}
    return {}


async def _not_valid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [_problem_of(each) for each in error.errors()]
    return answer(
        request,
        status=BadInput.status,
        title=BadInput.title,
        detail="\n".join(map(str, problems)),
        problems=problems,
        kind="bad-input",
    )


def _problem_of(error: Mapping[str, Any]) -> Problem:
    if error["type"] == "json_invalid":
        return Problem(f"the body is not JSON: {error.get('ctx', {}).get('error', 'it cannot be read')}")
    # The first step says whether it is the body, the query or the path; people know that by the name.
    steps = error["loc"][1:] or error["loc"]
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    words = {"missing": "is required", "extra_forbidden": "no such key"}
    return Problem(words.get(error["type"], error["msg"].removeprefix("Value error, ")), where)


async def _of_the_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    if status == 400:  # what the framework says of a body that is not even text
        problem = Problem("the body cannot be read; is it JSON, in UTF-8?")
        return await _ours(request, BadInput([problem]))
    words = {
        404: f"There is nothing at {request.url.path}.",
        405: f"{request.method} is not possible here.",
    }
    detail = words.get(status, error.detail)
    return answer(request, status=status, title=status.phrase, detail=detail, headers=error.headers)


def _wants_page(request: Request) -> bool:
    path = request.url.path
    return not path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _route_of(request: Request) -> str:
    # The pattern, not the path: a path may hold a link's token.
    return getattr(request.scope.get("route"), "path", "-")


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
