"""Opens the database for a command that looks into it, or writes to it, and ends, without the rest of the service.

A command is waited for by a person, so that this loads little.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app import migrate
from core.clock import Clock, SystemClock
from core.database import Database
from core.settings import Settings
from core.vault import Vault


@dataclass(frozen=True, slots=True)
class Store:
    """What a command needs that looks into the database, or writes to it, and ends."""

    database: Database
    vault: Vault
    clock: Clock


@asynccontextmanager
async def opened(settings: Settings, *, secret: bool = True) -> AsyncIterator[Store]:
    """Open the database of the settings, migrated, for one command. `secret`: it reads or writes what is sealed."""
    key = settings.require_secret() if secret else settings.secret_key or "nothing sealed is opened by this command"
    database = Database(settings.database_url)
    try:
        await migrate.upgrade(database)
        yield Store(database, Vault(key), SystemClock())
    finally:
        await database.close()
