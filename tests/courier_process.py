"""A courier as a process of its own, to be killed: python -m tests.courier_process DATABASE_URL PORT ENDPOINTS."""

from __future__ import annotations

import asyncio
import sys

import app.migrations.rows  # noqa: F401 - every row of every room
from alerts.channels import Channels
from alerts.courier import Courier
from benchmarks.deliveries import people
from core.clock import SystemClock
from core.database import Database
from tests.campuses import with_phones


async def main(url: str, port: int, endpoints: int) -> None:
    campus = with_phones(port, people=people(endpoints))
    channels = Channels(allow_private=True)
    courier = Courier(Database(url), SystemClock(), channels, lambda: {campus.id: campus})
    await courier.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
