"""Webhooks: the door for senders who cannot show a token; a signature or a secret of theirs shows who they are."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import Administrator, InHouse, Now, Reader, Reading, Writing, client_of, the_attempts
from api.listing import Words
from api.routes.messages import receipt_shown
from api.schemas import HookShown, ReceiptShown, SecretSaid
from core import audit
from core.errors import NotFound, TooLarge, Unauthorized
from core.wire import Refused
from ingest import hooks, store
from ingest.hooks import Verified
from ingest.mapping.document import HOOKS
from ingest.webhooks import UNAUTHORIZED, Hook, verify
from ingest.webhooks import hooks as hooks_of

door = APIRouter(tags=["webhooks"])
router = APIRouter(tags=["webhooks"])


class KnownHooks:
    """The webhooks that the mappings in force speak of, read anew when a mapping has changed."""

    def __init__(self) -> None:
        self._revision = -1
        self._hooks: dict[str, Hook] = {}

    async def all(self, session: AsyncSession) -> dict[str, Hook]:
        """Return them by name."""
        found = await store.revision(session)
        if found != self._revision:
            self._hooks = hooks_of(await store.in_force(session))
            self._revision = found
        return self._hooks


def known_hooks(request: Request) -> KnownHooks:
    """Return the webhooks of the application."""
    return cast("KnownHooks", request.app.state.hooks)


@door.post("/hooks/{name}", status_code=202)
async def take_webhook(request: Request, house: InHouse, now: Now, name: Words) -> ReceiptShown:
    """Take in what a webhook's sender says, once its signature or secret has been verified.

    When this answers, its effects are stored. What cannot be read is in quarantine, and is no error of the sender's.
    """
    body = await request.body()
    async with house.database.reading() as session:
        hook = (await known_hooks(request).all(session)).get(name)
        secret = await hooks.secret_of(session, house.vault, name)
    try:
        verify(hook, request.headers, body, secret, now)
    except Refused as refused:
        word, _, why = refused.reason.partition(": ")
        if word != UNAUTHORIZED:
            raise TooLarge("a webhook's body may have 64 KiB") from None
        the_attempts(request).failed(client_of(request), now)
        raise Unauthorized(why) from None
    return receipt_shown(await house.receive([Verified(f"{HOOKS}{name}", body)]))


@router.get("/hooks")
async def list_hooks(request: Request, session: Reading, _caller: Reader) -> list[HookShown]:
    """Return the webhooks that a mapping speaks of or that have a secret; one that lacks either takes nothing."""
    mapped = await known_hooks(request).all(session)
    kept = {row.name: row for row in await hooks.find(session)}
    return [
        HookShown(
            name=name,
            mapped=name in mapped,
            has_secret=name in kept,
            changed_at=kept[name].changed_at if name in kept else None,
            changed_by=kept[name].changed_by if name in kept else None,
        )
        for name in sorted(mapped.keys() | kept.keys())
    ]


@router.put("/hooks/{name}", status_code=204)
async def set_secret(
    request: Request, session: Writing, house: InHouse, caller: Administrator, now: Now, name: Words, said: SecretSaid
) -> None:
    """Keep the secret of a webhook, sealed, in place of the one before. It is never shown again."""
    known = await known_hooks(request).all(session)
    if name not in known:
        raise NotFound(f"no mapping speaks of a webhook {name!r}; there are {', '.join(sorted(known))}")
    await hooks.keep(session, house.vault, name, said.secret, now=now, by=caller.actor)
    await audit.record(session, at=now, actor=caller.actor, action="hook.secret", subject=f"hook:{name}")


@router.delete("/hooks/{name}", status_code=204)
async def forget_secret(session: Writing, caller: Administrator, now: Now, name: Words) -> None:
    """Forget the secret of a webhook: it then takes nothing any more."""
    await hooks.forget(session, name)
    await audit.record(session, at=now, actor=caller.actor, action="hook.forget", subject=f"hook:{name}")
