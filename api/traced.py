"""A span for each request: its route, and how it ended; never the path itself, the query or who asks."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.openapi import PREFIX
from core.spans import Spans

METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
"""A caller may write anything there; a name is made of these alone."""


class Traced:
    """Makes a span of every request. It stands in the way only where spans are collected."""

    def __init__(self, app: ASGIApp, spans: Spans) -> None:
        self._app = app
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        with self._spans.span(method, method=method) as span:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.note(status=int(message["status"]))
                    if message["status"] >= 500:
                        span.fail(str(int(message["status"])))
                await send(message)

            try:
                await self._app(scope, receive, send_noted)
            finally:
                route = _route(scope)
                if route is not None:
                    span.rename(f"{method} {route}")
                    span.note(route=route)


def _route(scope: Scope) -> str | None:
    """Return the path of the route with its placeholders; None where no route was found."""
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is None or path.startswith(PREFIX) or not scope["path"].startswith(f"{PREFIX}/"):
        return path
    return PREFIX + path  # a route of a room does not know where its room is
