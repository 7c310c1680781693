"""What stands around every request, before any route: size, security headers, and a last net for errors."""

from __future__ import annotations

import secrets
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from api import errors
from core.errors import TooLarge

MAX_BODY: Final = 1024 * 1024
BODY: Final = "hallwatch.body"
"""Where in the scope the body stands, for whoever must look at it before the route reads it."""
SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer. No inline script or style is ever allowed, and no page of ours tells others where it came from."""


class Armour:
    """Gives every request a number, puts the security headers on every answer, makes one of an error nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = secrets.token_hex(8)
        with bound_contextvars(request=number):
            await self._serve(scope, receive, send, number)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, number: str) -> None:
        started = False

        async def send_armoured(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Request-Id"] = number
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        try:
            await self._app(scope, receive, send_armoured)
        except Exception as error:
            if started:
                raise
            response = errors.unexpected(Request(scope), error)
            await response(scope, receive, send_armoured)


class BodyLimit:
    """Reads the whole body before the route does, and refuses one over the limit, however it is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(scope, receive)
        except ClientDisconnect:
            return
        if body is None:
            detail = f"The body is larger than {MAX_BODY} bytes."
            response = errors.answer(
                Request(scope), status=TooLarge.status, title=TooLarge.title, detail=detail, kind="too-large"
            )
            await response(scope, receive, send)
            return
        first = True

        async def receive_again() -> Message:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        scope[BODY] = body
        await self._app(scope, receive_again, send)


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    said = Headers(scope=scope).get("content-length", "")
    if said.isdecimal() and int(said) > MAX_BODY:
        return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
