"""Where a message's time goes: a backlog is worked off while py-spy looks on, and what it saw is put in its stages.

python -m benchmarks.profile [--messages 60000] [--database sqlite|postgresql] [--functions 25]
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import picture, throughput
from benchmarks.page import Section
from benchmarks.stage import Stage, postgres, stage

RATE: Final = 250
"""Looks a second."""
MESSAGES: Final = 60_000
STAGES: Final = (
    (
        "taking messages from the network",
        ("ingest/mqtt/connection.py", "ingest/mqtt/client.py", "ingest/mqtt/block.py"),
    ),
    ("handing over, acknowledging", ("ingest/mqtt/listener.py", "ingest/mqtt/waiting.py")),
    ("decoding", ("app/intake.py",)),
    ("the journal", ("core/journal.py",)),
    ("judging", ("rules/engine.py", "rules/judge.py")),
    ("what the rules remember", ("rules/store.py",)),
    ("what is true now", ("core/state.py",)),
    ("the health of devices, quarantine", ("ingest/health.py", "ingest/quarantine.py", "ingest/discovery.py")),
    ("alerts", ("alerts/desk.py",)),
    ("telling", ("alerts/courier.py", "alerts/channels.py")),
    ("news for the pages", ("core/feed.py", "api/live.py")),
    ("beginning and ending a transaction", ("core/database.py", "core/sqlite.py")),
)
"""Whose time it is where one of these files is on the stack; the innermost that is found."""
REST: Final = "the rest: event loop, figures, HTTP"
_FRAME: Final = re.compile(r"^(.*) \((.*?)(?::\d+)?\)$")


@dataclass
class Profile:
    """What was seen, in looks: each is one thread at work at one moment."""

    rate: float = 0.0
    """Messages a second that were worked off meanwhile."""
    stages: collections.Counter[str] = field(default_factory=collections.Counter)
    functions: collections.Counter[str] = field(default_factory=collections.Counter)
    """By the function that was at work itself."""

    @property
    def looks(self) -> int:
        """How often anything was at work."""
        return self.stages.total()


def read(lines: Iterator[str]) -> Profile:
    """Return what the lines of py-spy's raw form say: frames from the outside in, then how often."""
    found = Profile()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [match.groups() for each in stack.split(";") if (match := _FRAME.match(each))]
        # Waiting for the network is no work.
        if not frames or frames[-1][1].endswith("selectors.py"):
            continue
        found.stages[_stage(frames)] += int(count)
        found.functions[f"{frames[-1][0]} ({frames[-1][1]})"] += int(count)
    return found


def _stage(frames: list[tuple[str, ...]]) -> str:
    for _, file in reversed(frames):
        for name, files in STAGES:
            if file.endswith(files):
                return name
    return REST


async def run(folder: Path, *, messages: int = MESSAGES, database_url: str | None = None) -> Profile:
    """Let a backlog gather, and look on while it is worked off; nothing is seen where looking on is not allowed."""
    async with stage(folder, database_url=database_url, rules=(), policies=()) as here:
        await asyncio.to_thread(here.service.start)
        here.service.stop()
        await throughput.publish(here, messages)
        here.service.start(wait=False)
        # What starting takes is another matter.
        heard = messages // 4
        first = await throughput.until(here, heard)
        looking = _look_on(here, folder / "looks")
        last = await throughput.until(here, messages)
        # It writes what it has seen when it is interrupted.
        looking.send_signal(signal.SIGINT)
        await asyncio.to_thread(looking.wait, 30)
    found = Profile()
    if (folder / "looks").exists():
        with (folder / "looks").open() as lines:
            found = read(iter(lines))
    found.rate = (messages - heard) / (last - first)
    return found


def _look_on(here: Stage, to: Path) -> subprocess.Popen[bytes]:
    assert here.service.process is not None
    command = [Path(sys.executable).with_name("py-spy"), "record", "--pid", str(here.service.process.pid)]
    said = ["--rate", str(RATE), "--format", "raw", "--nonblocking", "--output", to]
    return subprocess.Popen([*command, *said], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def section(folder: Path) -> Section:
    """Profile a small backlog; return the part of the page."""
    found = asyncio.run(run(folder))
    said = Section(
        "Where a message's time goes",
        f"A backlog of {MESSAGES:,} messages of four doors is worked off on SQLite, by every shipped protocol, while "
        f"py-spy looks at all threads {RATE} times a second. A share is of all looks at which something was at work; "
        "looking on itself slows the service.",
        ["python -m benchmarks.profile --messages 60000 --functions 25 [--database postgresql]"],
    )
    if not found.looks:
        said.say("Nothing was seen: this machine does not let one process look into another.")
        return said
    shares = [(name, count / found.looks) for name, count in found.stages.most_common()]
    said.table(["stage", "share"], [(name, f"{share:.0%}") for name, share in shares])
    with picture.axes("profile", across="share of the time, %", up="") as drawn:
        drawn.barh([name for name, _ in reversed(shares)], [100 * share for _, share in reversed(shares)])
    said.picture("profile", "The share of each stage in the time of a message")
    return said


def main() -> int:
    """Run and print; 1 where nothing could be seen."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--messages", type=int, default=MESSAGES)
    words.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    words.add_argument("--functions", type=int, default=25, help="how many functions to name")
    said = words.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(postgres(folder / "postgres")) if said.database == "postgresql" else None
        found = asyncio.run(run(folder / "stage", messages=said.messages, database_url=url))
    print(f"{found.rate:.0f} messages a second, {found.looks} looks")
    for name, count in [*found.stages.most_common(), *found.functions.most_common(said.functions)]:
        print(f"{count / found.looks:6.1%}  {name}")
    return 0 if found.looks else 1


if __name__ == "__main__":
    raise SystemExit(main())
