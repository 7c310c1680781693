"""How late the service knows while so many messages a second arrive: a running service, Mosquitto, QoS 1, a picture.

python -m benchmarks.load [--rate 200] [--seconds 30] [--database sqlite|postgresql] [--picture FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from pathlib import Path

from rich.console import Console

from app import load
from app.asking import Api
from benchmarks.stage import postgres, stage
from simulators.load import Load
from simulators.play import BrokerAddress
from tests.campuses import lincoln


async def run(folder: Path, *, rate: float, seconds: float, database_url: str | None = None) -> load.Findings:
    """Press a service of our own, and ask it what came of it."""
    async with stage(folder, database_url=database_url, rules=(), policies=()) as here:
        await asyncio.to_thread(here.service.start)
        made = await asyncio.to_thread(
            here.service.command, "token", "create", "--name", "load", "--role", "tester", check=True
        )
        async with Api.at(here.service.url, made.stdout.strip()) as api:
            address = BrokerAddress.parse(here.broker.url("tester"))
            return await load.measure(lincoln(), Load(rate=rate, seconds=seconds), address, api)


def main() -> int:
    """Run and print; 1 if anything was lost on the way."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rate", type=float, default=200)
    words.add_argument("--seconds", type=float, default=30)
    words.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    words.add_argument("--picture", type=Path)
    said = words.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(postgres(folder / "postgres")) if said.database == "postgresql" else None
        found = asyncio.run(run(folder / "stage", rate=said.rate, seconds=said.seconds, database_url=url))
    load.show(found, Console())
    if said.picture:
        said.picture.write_text(found.picture(), encoding="utf-8")
    return 0 if found.complete else 1


if __name__ == "__main__":
    raise SystemExit(main())
