"""A write that is sent twice with the same `Idempotency-Key` is done once, and answered the same both times.

The key is taken before the work and the answer is kept when it is there: whoever asks meanwhile is told so. What was
cut off in between is never done a second time behind anybody's back. A write that was refused gives its key back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import msgspec
import structlog
from fastapi import Request
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Caller
from api.guards import BODY
from core.database import Base, Database, insert
from core.errors import BadInput, Conflict, HallwatchError, Problem, Unavailable
from core.vault import Vault

log = structlog.get_logger("idempotency")
HEADER: Final = "Idempotency-Key"
LONGEST: Final = 200
KEPT: Final = timedelta(hours=24)
SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_HELD: Final = "hallwatch.idempotency"


class KeptRow(Base):
    """One key of one caller. `answer` is sealed, as it may hold a new token; None: the work is not done yet."""

    __tablename__ = "idempotency"

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request: Mapped[str]
    answer: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(index=True)


class KeptAnswer(msgspec.Struct, frozen=True):
    """An answer as it was sent."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Done(HallwatchError):
    """Not an error: the write was done before, and this was its answer."""

    status: ClassVar[int] = 200

    def __init__(self, answer: KeptAnswer) -> None:
        super().__init__("done before")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class _Hold:
    """A key that this request has taken."""

    database: Database
    vault: Vault
    caller: str
    key: str

    async def keep(self, answer: KeptAnswer) -> None:
        sealed = self.vault.seal(msgspec.json.encode(answer).decode())
        async with self.database.transaction() as session:
            await session.execute(update(KeptRow).where(*self._mine()).values(answer=sealed))

    async def give_back(self) -> None:
        async with self.database.transaction() as session:
            await session.execute(delete(KeptRow).where(*self._mine()))

    def _mine(self) -> tuple[Any, ...]:
        return KeptRow.caller == self.caller, KeptRow.key == self.key


async def once(request: Request, database: Database, vault: Vault, caller: Caller, now: datetime) -> None:
    """Take the key of a request that has one. Raises Done with the answer where the same was done before.

    Conflict: it is being done at this moment, or was cut off. BadInput: the key was for something else.
    """
    key = request.headers.get(HEADER)
    if key is None or request.method in SAFE:
        return
    if not (0 < len(key) <= LONGEST and key.isascii() and key.isprintable()):
        raise BadInput([Problem(f"must be 1 to {LONGEST} plain characters", HEADER)])
    who, asked = f"{caller.kind}:{caller.id}", _fingerprint(request)
    async with database.transaction() as session:
        found = await _taken(session, who, key, asked, now)
    if found is None:
        request.scope[_HELD].append(_Hold(database, vault, who, key))
        return
    if found.request != asked:
        raise BadInput([Problem("was sent before with another request; make a new key for each", HEADER)])
    if found.answer is None:
        raise Conflict("the same request is being carried out, or was cut off: look whether it was done")
    raise Done(msgspec.json.decode(vault.open(found.answer), type=KeptAnswer))


async def _taken(session: AsyncSession, who: str, key: str, asked: str, now: datetime) -> KeptRow | None:
    """Take a key; return None if it is ours now, else the row of whoever has it."""
    await session.execute(delete(KeptRow).where(KeptRow.at <= now - KEPT))
    row = {"caller": who, "key": key, "request": asked, "at": now, "answer": None}
    done = await session.execute(insert(session, KeptRow).values(row).on_conflict_do_nothing())
    return None if getattr(done, "rowcount", 0) else await session.get(KeptRow, (who, key))


async def answer_again(_request: Request, error: Exception) -> Response:
    """Return the answer that was given before."""
    assert isinstance(error, Done)
    response = Response(error.answer.body, error.answer.status)
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in error.answer.headers]
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _fingerprint(request: Request) -> str:
    body: bytes = request.scope.get(BODY, b"")
    said = [request.method, request.url.path, request.url.query, hashlib.sha256(body).hexdigest()]
    return hashlib.sha256(msgspec.json.encode([*said, request.headers.get("if-match", "")])).hexdigest()


class Keeper:
    """Keeps the answer to a request that has taken a key, before it is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in SAFE:
            await self._app(scope, receive, send)
            return
        holds: list[_Hold] = []
        parts: list[Message] = []

        async def collect(message: Message) -> None:
            if not holds:
                await send(message)
                return
            parts.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                await _settle(holds.pop(), parts)
                for part in parts:
                    await send(part)

        try:
            scope[_HELD] = holds
            await self._app(scope, receive, collect)
        except Exception:
            for hold in holds:
                await _settle(hold, [])
            raise


async def _settle(hold: _Hold, parts: list[Message]) -> None:
    try:
        if not parts or parts[0]["status"] >= 400:
            await hold.give_back()
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in parts[0]["headers"]]
        body = b"".join(part.get("body", b"") for part in parts[1:])
        await hold.keep(KeptAnswer(parts[0]["status"], headers, body))
    except Unavailable as error:
        # The work is done and its answer goes out; only the same request again is told to look.
        log.warning("answer not kept", error=str(error))
