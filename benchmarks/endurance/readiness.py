"""What `/readyz` says, asked again and again beside whatever else goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import httpx

from core.clock import stopwatch

PAUSE_S: Final = 0.1


@dataclass(slots=True)
class Readiness:
    """What was answered."""

    told: set[str] = field(default_factory=set)
    """Parts that were said not to be well."""
    words: dict[str, str] = field(default_factory=dict)
    """What was said of them last."""
    worst_s: float = 0.0
    """The longest that an answer took, or was waited for in vain."""
    ready: bool = False
    """What was said last."""


@contextlib.asynccontextmanager
async def asked(url: str, *, timeout_s: float = 10.0) -> AsyncIterator[Readiness]:
    """Ask the service at `url` until the caller is done."""
    found = Readiness()
    async with httpx.AsyncClient(timeout=timeout_s) as client:
        asking = asyncio.create_task(_ask(client, f"{url}/readyz", found))
        try:
            yield found
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking


async def _ask(client: httpx.AsyncClient, url: str, found: Readiness) -> None:
    while True:
        began = stopwatch()
        try:
            parts = (await client.get(url)).json()
        except httpx.ConnectError:  # it is not there: that is no answer that came late
            found.ready = False
        except httpx.HTTPError:
            found.ready, found.worst_s = False, max(found.worst_s, stopwatch() - began)
        else:
            found.ready, found.worst_s = parts["ready"], max(found.worst_s, stopwatch() - began)
            ill = {name: part["words"] for name, part in parts["parts"].items() if not part["ok"]}
            found.told |= ill.keys()
            found.words |= ill
        await asyncio.sleep(PAUSE_S)


async def ready_again(found: Readiness, *, seconds: float = 60.0) -> float:
    """Wait until it says that it is ready; return how many seconds that took, infinite if it does not in time."""
    began = stopwatch()
    while not found.ready:
        if stopwatch() - began > seconds:
            return float("inf")
        await asyncio.sleep(0.02)
    return stopwatch() - began
