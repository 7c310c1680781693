"""Who may do what: the roles, the caller of a request, and tokens as rows.

A token is shown once, when it is made, and kept as its SHA-256 alone: 256 random bits need no slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, BigId
from core.errors import BadInput, NotFound, Problem, Unauthorized

Role = Literal["viewer", "sro", "admin", "device", "tester"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
Action = Literal["read", "answer", "declare", "send", "administer"]
MAY: Final[dict[Role, frozenset[Action]]] = {
    "viewer": frozenset(("read",)),
    "sro": frozenset(("read", "answer", "declare")),
    "admin": frozenset(("read", "answer", "declare", "send", "administer")),
    "device": frozenset(("send",)),
    "tester": frozenset(("read", "declare", "send")),
}
"""`answer` an alert, `declare` a campus state (or, on its page, a gathering's heads), `send` messages.
A tester's messages can only be drill or test."""
PREFIX: Final = "hw_"
TOUCH: Final = timedelta(minutes=1)
"""How exact `last_used_at` is; noting every request would make every read a write."""


class TokenRow(Base):
    """A token of a program, or of a person who signs in with it."""

    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    name: Mapped[str]
    role: Mapped[str]
    campuses: Mapped[list[Any] | None]
    """The campuses it is good for; None: all."""
    hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    def is_valid(self, now: datetime) -> bool:
        """Return whether the token opens anything at an instant."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `kind` is what `id` numbers."""

    kind: Literal["token", "user"]
    id: int
    name: str
    role: Role
    campuses: frozenset[str] | None = None
    """The campuses that the caller may know of; None: all."""
    is_stale: bool = False
    """Nobody has noted for a while that this caller was here."""
    session: int | None = None
    """The sign-in that the caller came with; None: a token beside the request."""
    csrf: str = ""
    """What a form of this sign-in must carry."""

    def may(self, action: Action) -> bool:
        """Return whether the caller's role allows an action."""
        return action in MAY[self.role]

    def may_know(self, campus: str) -> bool:
        """Return whether the caller may know of a campus at all."""
        return self.campuses is None or campus in self.campuses

    @property
    def trial_only(self) -> bool:
        """Whether the caller may speak only as a drill or a test."""
        return self.role == "tester"

    @property
    def actor(self) -> str:
        """The name for the record, and for whoever reads who has taken an alert."""
        return f"{self.kind}:{self.name}"


def roles_for(action: Action) -> str:
    """Return the roles that may do an action, in words."""
    return " or ".join(role for role in ROLES if action in MAY[role])


def problems_with(name: str, role: str, campuses: Collection[str] | None, longest: int = 100) -> Iterator[Problem]:
    """Yield what is wrong with the name, the role or the campuses of somebody who shall come in."""
    if not name or len(name) > longest:
        yield Problem(f"is required; at most {longest} characters", "name")
    if role not in ROLES:
        yield Problem(f"no role {role!r}; there are {', '.join(ROLES)}", "role")
    if campuses is not None and not campuses:
        yield Problem("name one campus at least, or leave it out for all", "campuses")


async def create_token(
    session: AsyncSession,
    *,
    name: str,
    role: str,
    now: datetime,
    expires_at: datetime | None = None,
    campuses: Collection[str] | None = None,
) -> str:
    """Make a token and return its text, which can never be read again. BadInput where name or role will not do."""
    token, _ = await new_token(session, name=name, role=role, now=now, expires_at=expires_at, campuses=campuses)
    return token


async def new_token(
    session: AsyncSession,
    *,
    name: str,
    role: str,
    now: datetime,
    expires_at: datetime | None = None,
    campuses: Collection[str] | None = None,
) -> tuple[str, TokenRow]:
    """Make a token and return its text with its row; see `create_token`."""
    name = name.strip()
    problems = list(problems_with(name, role, campuses))
    if expires_at is not None and expires_at <= now:
        problems.append(Problem("lies in the past", "expires_at"))
    if problems:
        raise BadInput(problems)
    token = PREFIX + secrets.token_urlsafe(32)
    row = TokenRow(
        name=name,
        role=role,
        campuses=None if campuses is None else sorted(campuses),
        hash=digest(token),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    return token, row


async def check(session: AsyncSession, bearer: str, now: datetime) -> Caller:
    """Return who a token belongs to; Unauthorized, in the same words, if it is unknown, expired or revoked."""
    wanted = digest(bearer)
    row = (await session.execute(select(TokenRow).where(TokenRow.hash == wanted))).scalar_one_or_none()
    # The search is by digest, so its time tells nothing about the token; neither does this comparison.
    if row is None or not hmac.compare_digest(row.hash, wanted):
        raise Unauthorized(_NOT_VALID)
    return _caller(row, now)


async def recall(session: AsyncSession, token: int, now: datetime) -> Caller:
    """Return who signed in with the token numbered `token`; Unauthorized if it is no longer valid."""
    row = await session.get(TokenRow, token)
    if row is None:
        raise Unauthorized(_NOT_VALID)
    return _caller(row, now)


async def touch(session: AsyncSession, token: int, now: datetime) -> None:
    """Note that a token was used."""
    await session.execute(update(TokenRow).where(TokenRow.id == token).values(last_used_at=now))


async def tokens(session: AsyncSession, *, before_id: int | None = None, limit: int = 100) -> list[TokenRow]:
    """Return tokens, the newest first."""
    query = select(TokenRow).order_by(TokenRow.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(TokenRow.id < before_id)
    return list((await session.execute(query)).scalars())


async def revoke(session: AsyncSession, token: int, now: datetime) -> TokenRow:
    """End a token now and for good, with the sessions made with it; NotFound if there is none."""
    row = await session.get(TokenRow, token)
    if row is None:
        raise NotFound(f"no token {token}")
    if row.revoked_at is None:
        row.revoked_at = now
        await session.flush()
    return row


def known_role(role: str) -> Role:
    """Return a role that was stored, as a role."""
    return next(each for each in ROLES if each == role)


def scope_of(campuses: Collection[str] | None) -> frozenset[str] | None:
    """Return the campuses of a row as a caller has them."""
    return None if campuses is None else frozenset(campuses)


def is_stale(last_used_at: datetime | None, now: datetime) -> bool:
    """Return whether it is time to note that somebody was here."""
    return last_used_at is None or last_used_at <= now - TOUCH


def digest(secret: str) -> str:
    """Return how a secret of 256 random bits is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


_NOT_VALID = "this token is not valid: unknown, expired or revoked"


def _caller(row: TokenRow, now: datetime) -> Caller:
    if not row.is_valid(now):
        raise Unauthorized(_NOT_VALID)
    stale = is_stale(row.last_used_at, now)
    return Caller("token", row.id, row.name, known_role(row.role), scope_of(row.campuses), is_stale=stale)
