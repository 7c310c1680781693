"""Webhooks whose sender is known: their secrets, sealed, by the name behind `/hooks/`, and the mark of a verified body.

Only the HTTP route makes a `Verified`. The same topic over MQTT, or out of somebody's hand, is nobody's word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, upsert
from core.errors import BadInput, NotFound, Problem
from core.messages import Heard
from core.vault import Vault
from ingest.mapping.document import HOOKS
from ingest.quarantine import Again
from ingest.webhooks import UNAUTHORIZED

SHORTEST: Final = 16
"""Characters; a shorter secret can be tried out."""


@dataclass(frozen=True, slots=True)
class Verified(Heard):
    """The body of a webhook whose sender has shown who they are."""


def is_trusted(heard: Heard) -> bool:
    """Return whether what was heard may be read: anything but a webhook whose sender was not verified."""
    if not heard.topic.startswith(HOOKS):
        return True
    if isinstance(heard, Again):
        return not heard.reason.startswith(UNAUTHORIZED)
    return isinstance(heard, Verified)


class HookRow(Base):
    """The sealed secret of one webhook."""

    __tablename__ = "hooks"

    name: Mapped[str] = mapped_column(primary_key=True)
    secret: Mapped[str]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


async def secret_of(session: AsyncSession, vault: Vault, name: str) -> str | None:
    """Return the secret of a webhook, or None if none was set."""
    row = await session.get(HookRow, name)
    return None if row is None else vault.open(row.secret)


async def find(session: AsyncSession) -> list[HookRow]:
    """Return the webhooks that have a secret, in the order of their names."""
    return list((await session.execute(select(HookRow).order_by(HookRow.name))).scalars())


async def keep(session: AsyncSession, vault: Vault, name: str, secret: str, *, now: datetime, by: str) -> None:
    """Keep the secret of a webhook, in place of the one before; BadInput where it is too short."""
    if len(secret) < SHORTEST:
        raise BadInput([Problem(f"has fewer than {SHORTEST} characters; take the one the sender shows", "secret")])
    row = {"name": name, "secret": vault.seal(secret), "changed_at": now, "changed_by": by}
    await session.execute(upsert(session, HookRow), [row])


async def forget(session: AsyncSession, name: str) -> None:
    """Forget the secret of a webhook, which then takes nothing any more; NotFound if there is none."""
    row = await session.get(HookRow, name)
    if row is None:
        raise NotFound(f"no secret of a webhook {name!r}")
    await session.delete(row)
