"""The stand-in phone: receives the pushes that would ring real ones, and shows them as lock screens.

It is a sink: nothing it receives goes anywhere else. Apprise's `json://host:port/person/app` leads here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import uvicorn

from core.clock import Clock, SystemClock
from core.errors import BadInput, Problem
from simulators.screens import Push, file, lock_screens, page

KEPT: Final = 500
"""So many pushes are kept, the newest."""
MAX_BYTES: Final = 256 * 1024
_PATH: Final = re.compile(r"^/([A-Za-z0-9][A-Za-z0-9_.-]{0,63})(?:/([A-Za-z0-9_.-]{1,64}))?/?$")
HTML: Final = "text/html; charset=utf-8"
_SAFE: Final = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'"
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"


@dataclass(slots=True)
class Phones:
    """The phones of some people, as an ASGI application. `people` gives names to the ids in the paths."""

    people: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    pushes: deque[Push] = field(default_factory=lambda: deque(maxlen=KEPT))
    count: int = 0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        answer = await self._answer(scope["method"], scope["path"], receive)
        headers = [
            (b"content-type", answer.kind.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", _SAFE.encode()),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def wait_for(self, count: int, seconds: float = 10.0) -> list[Push]:
        """Return what has arrived, once there were `count` pushes; TimeoutError if they do not come."""
        async with asyncio.timeout(seconds):
            while self.count < count:
                self._arrived.clear()
                await self._arrived.wait()
        return list(self.pushes)

    async def _answer(self, method: str, path: str, receive: Receive) -> _Answer:
        person = _PATH.match(path)
        if method == "POST" and person:
            body = await _body(receive)
            return _Answer(413, b"too large\n") if body is None else self._take(person[1], person[2] or "push", body)
        if method not in ("GET", "HEAD"):
            return _Answer(405, b"method not allowed\n")
        match path:
            case "/":
                return _Answer(200, page(self._screens()), HTML)
            case "/screens":
                return _Answer(200, self._screens(), HTML)
            case "/pushes.json":
                return _Answer(200, msgspec.json.encode(list(self.pushes)), "application/json")
            case "/screens.css":
                return _Answer(200, file("screens.css"), "text/css; charset=utf-8")
            case "/screens.js":
                return _Answer(200, file("screens.js"), "text/javascript; charset=utf-8")
        if person and person[2] in (None, "screens") and self._knows(person[1]):
            screens = self._screens(person[1])
            return _Answer(200, screens if person[2] else page(screens), HTML)
        return _Answer(404, b"not found\n")

    def _knows(self, person: str) -> bool:
        return person in self.people or any(push.person == person for push in self.pushes)

    def _take(self, person: str, app: str, body: bytes) -> _Answer:
        try:
            said = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            return _Answer(400, b"must be a JSON object, as Apprise's json:// sends it\n")
        self.count += 1
        title, message, kind = (str(said.get(name) or "")[:8000] for name in ("title", "message", "type"))
        self.pushes.appendleft(
            Push(
                number=self.count,
                person=person,
                app=app,
                at=self.clock.now(),
                title=title,
                message=message,
                type=kind if kind in ("info", "success", "warning", "failure") else "info",
            )
        )
        self._arrived.set()
        return _Answer(200, b"received\n")

    def _screens(self, only: str | None = None) -> bytes:
        owners = [only] if only else [*self.people, *sorted({push.person for push in self.pushes} - set(self.people))]
        return lock_screens({each: self.people.get(each, each) for each in owners}, self.pushes, self.clock.now())


async def _body(receive: Receive) -> bytes | None:
    body = b""
    while True:
        part = await receive()
        body += bytes(part.get("body", b""))
        if len(body) > MAX_BYTES:
            return None
        if not part.get("more_body"):
            return body


class _Server(uvicorn.Server):
    """A server beside others: signals are the business of whoever runs us all."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()


class Phone:
    """The stand-in phone on a port of this machine."""

    def __init__(self, host: str, port: int, *, people: Mapping[str, str] | None = None) -> None:
        self.host = host
        self.port = port
        self.phones = Phones(people or {})
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where to look."""
        return f"http://{self.host}:{self.port}"

    @property
    def apprise_url(self) -> str:
        """Where to push: this, a slash and a person."""
        return f"json://{self.host}:{self.port}"

    async def start(self) -> None:
        """Return once it answers; BadInput if the port is taken. Port 0 takes a free one."""
        listener = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port))
        except OSError as error:
            listener.close()
            raise BadInput([Problem(f"port {self.port} cannot be used: {error.strerror}", where="phone")]) from None
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(self.phones, lifespan="off", log_level="error", access_log=False, ws="none")
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        await self._server.ready.wait()

    async def stop(self) -> None:
        """End it; safe to call twice."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            await self._task
            self._server = self._task = None
