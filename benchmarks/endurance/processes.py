"""The service as one process, or as one for each role, each of which can be killed by itself."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from app.loops import ROLES
from benchmarks.stage import Stage
from tests import servers


@dataclass
class Process(servers.Service):
    """`hallwatch serve`, with the roles named alone."""

    only: Sequence[str] = ()
    program: str = "app"
    """The module that is run: another one may stand before the service."""

    @property
    def name(self) -> str:
        """What it is called in a report."""
        return "+".join(self.only) or "serve"

    def start(self, *, wait: bool = True) -> None:
        """Start it; only the process that has the role `api` can be waited for."""
        words = [word for role in self.only for word in ("--only", role)]
        with (self.folder / "hallwatch.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.program, "serve", *words],
                cwd=self.folder,
                env=self.environment | {"PYTHONPATH": str(servers.ROOT)},
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait_ready(60)


def processes(here: Stage, *, split: bool) -> list[Process]:
    """Return the processes of the service: one, or one for each role; none is started yet."""
    groups: tuple[tuple[str, ...], ...] = tuple((role,) for role in ROLES) if split else ((),)
    return [Process(here.folder, here.service.settings, here.service.port, None, only) for only in groups]


@contextlib.asynccontextmanager
async def started(found: Sequence[Process]) -> AsyncIterator[None]:
    """Start them, wait until the broker keeps a session for them, and end them at the end."""
    try:
        for each in found:
            each.start(wait=False)
        shown = next(each for each in found if not each.only or "api" in each.only)
        await asyncio.to_thread(shown.wait_ready, 60)
        await _session(found[0])
        yield
    finally:
        for each in found:
            await asyncio.to_thread(each.stop)


async def _session(process: Process) -> None:
    """Wait for the first connection; a process without the role `api` tells of it in its log only."""
    async with asyncio.timeout(30):
        while "mqtt_connected" not in process.log_text():
            await asyncio.sleep(0.05)
