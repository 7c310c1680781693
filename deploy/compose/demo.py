"""What the demo profile needs beside Hallwatch: `campus` prints the demo's school, `phone` rings for it."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from core import registry
from core.clock import SystemClock
from simulators.demo import demo_campus
from simulators.phone import Phone

PORT = 8090


def print_campus() -> None:
    """Print the campus file of the demo's school as it is now, its people's endpoints leading to the phone."""
    campus = demo_campus(SystemClock().now(), f"json://phone:{PORT}")
    sys.stdout.buffer.write(msgspec.json.encode(registry.to_plain(campus)))


async def run_phone() -> None:
    """Show what arrives on the stand-in phone until the container is told to end."""
    phone = Phone(PORT, host="0.0.0.0")  # noqa: S104 - the container's own network
    await phone.start()
    try:
        await asyncio.Event().wait()
    finally:
        await phone.stop()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["campus"]:
            print_campus()
        case ["phone"]:
            asyncio.run(run_phone())
        case _:
            sys.exit("usage: demo.py campus|phone")
