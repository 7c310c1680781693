"""Tokens: who may come in. Only an administrator sees or makes them; a token's text is shown once."""

from __future__ import annotations

from fastapi import APIRouter

from api import access
from api.deps import Administrator, Now, Reading, Writing
from api.listing import AfterId, Limit, Number, Page, piece
from api.schemas import TokenMade, TokenSaid, TokenShown
from core import audit

router = APIRouter(tags=["tokens"])


@router.get("/tokens")
async def list_tokens(session: Reading, _caller: Administrator, after: AfterId, limit: Limit = 100) -> Page[TokenShown]:
    """Return all tokens, the newest first, revoked ones included."""
    shown, following = piece(await access.tokens(session, before_id=after, limit=limit + 1), limit, lambda row: row.id)
    return Page(items=[TokenShown.model_validate(row, from_attributes=True) for row in shown], next=following)


@router.post("/tokens", status_code=201)
async def make_token(session: Writing, caller: Administrator, now: Now, said: TokenSaid) -> TokenMade:
    """Make a token. Its text is in this answer and nowhere else."""
    text, row = await access.new_token(
        session, name=said.name, role=said.role, now=now, expires_at=said.expires_at, campuses=said.campuses
    )
    await audit.record(
        session,
        at=now,
        actor=caller.actor,
        action="token.create",
        subject=f"token:{row.id}",
        detail={"name": row.name, "role": row.role, "campuses": row.campuses},
    )
    return TokenMade(**TokenShown.model_validate(row, from_attributes=True).model_dump(), token=text)


@router.delete("/tokens/{number}", status_code=204)
async def revoke_token(session: Writing, caller: Administrator, now: Now, number: Number) -> None:
    """Revoke a token for good. Whoever signed in with it is signed out."""
    row = await access.revoke(session, number, now)
    await audit.record(
        session,
        at=now,
        actor=caller.actor,
        action="token.revoke",
        subject=f"token:{row.id}",
        detail={"name": row.name, "role": row.role},
    )
