"""Runs every benchmark and writes `docs/benchmarks.md`: `make bench`, or `python -m benchmarks [NAME…]`.

Each figure is what this run measured on this machine; the ratios are between programs of the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from benchmarks import decode, deliveries, fuzz, journal, kill, latency, outage, pages, replay, throughput
from benchmarks.stage import postgres
from core.clock import SystemClock

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
PACKAGES = ("paho-mqtt", "sqlalchemy", "aiosqlite", "asyncpg", "apprise", "msgspec", "fastapi")


def run_latency(folder: Path) -> list[str]:
    """Message published -> push accepted, on both databases."""
    lines = [
        "## From a message to a push",
        "",
        (
            "Messages are published at QoS 1 to Mosquitto at a steady rate; each causes one alert and one push through "
            "Apprise to a local HTTP receiver. Time runs from the publishing to the receiver's having the push."
        ),
        "",
        "`python -m benchmarks.latency --rate 50 --seconds 20 [--database postgresql]`",
        "",
        "| database | rate, messages/s | sent | pushed | p50 ms | p95 ms | p99 ms | most ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with postgres(folder / "postgres") as url:
        for rate in (10, 50):
            for name, database in (("sqlite", None), ("postgresql", url)):
                place = folder / f"{name}-{rate}"
                found = asyncio.run(latency.run(place, rate=rate, seconds=20, database_url=database))
                numbers = " | ".join(f"{each:.0f}" for each in (found.p50, found.p95, found.p99, found.most))
                lines.append(f"| {found.database} | {rate} | {found.sent} | {found.pushed} | {numbers} |")
    return lines


def run_kill(folder: Path) -> list[str]:
    """`kill -9` while messages arrive."""
    lines = [
        "## `kill -9` while messages arrive",
        "",
        (
            "5,000 QoS 1 messages at 500 a second, every fiftieth due an alert; the service is killed while they "
            "arrive and started again at once. A message counts as lost if the journal does not hold it, as doubled "
            "if it holds it twice."
        ),
        "",
        "`python -m benchmarks.kill --messages 5000 --rate 500 --kills 2`",
        "",
        "| kills | sent | journalled | lost | doubled | alerts due | delivered | most copies of one push |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kills in (2, 5):
        found = asyncio.run(kill.run(folder / str(kills), messages=5000, rate=500, kills=kills))
        lines.append(
            f"| {kills} | {found.sent} | {found.journalled} | {found.missing} | {found.journalled_twice} "
            f"| {found.alerts_due} | {found.alerts_delivered} | {found.most_copies} |"
        )
    return lines


def run_outage(folder: Path) -> list[str]:
    """Broker and database away for a minute."""
    lines = [
        "## A minute without the broker, a minute without the database",
        "",
        (
            "Messages are sent before and after (and during, while the broker is there). Readiness must tell the truth "
            "while it lasts, nothing may be lost, and work must go on by itself."
        ),
        "",
        "`python -m benchmarks.outage --of broker --seconds 60`, `… --of database …` (PostgreSQL)",
        "",
        "| away | seconds | sent | journalled | alerts due | delivered | `/readyz` told | ready again after s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for of in ("broker", "database"):
        found = asyncio.run(outage.run(folder / of, of, seconds=60))  # type: ignore[arg-type] # a literal of the two
        lines.append(
            f"| {of} | {found.seconds:.0f} | {found.sent} | {found.journalled} | {found.alerts_due} "
            f"| {found.alerts_delivered} | {'yes' if found.readiness_told else 'no'} | {found.back_after:.1f} |"
        )
    return lines


def run_throughput(folder: Path) -> list[str]:
    """A backlog worked off, on both databases."""
    lines = [
        "## A backlog worked off",
        "",
        (
            "50,000 QoS 1 messages wait in the kept session; the service starts, judges them by every shipped "
            "protocol, stores and acknowledges them."
        ),
        "",
        "`python -m benchmarks.throughput --messages 50000 [--database postgresql]`",
        "",
        "| database | messages | seconds | messages/s |",
        "|---|---|---|---|",
    ]
    with postgres(folder / "postgres") as url:
        for name, database in (("sqlite", None), ("postgresql", url)):
            found = asyncio.run(throughput.run(folder / name, messages=50_000, database_url=database))
            lines.append(f"| {found.database} | {found.journalled} | {found.seconds:.1f} | {found.rate:.0f} |")
    return lines


def run_decode(_folder: Path) -> list[str]:
    """How fast messages are decoded, on one core."""
    lines = [
        "## From bytes to a message",
        "",
        (
            "One core decodes the same payload again and again, through the mappings that ship. The target is 50,000 "
            "a second for a typical contact sensor."
        ),
        "",
        "`python -m benchmarks.decode`",
        "",
        "| what | decoded a second |",
        "|---|---|",
    ]
    return [*lines, *(f"| {found.name} | {found.rate:,.0f} |" for found in decode.run(100_000))]


def run_fuzz(_folder: Path) -> list[str]:
    """Anything on the wire."""
    found = fuzz.run(1_000_000)
    return [
        "## Anything on the wire",
        "",
        (
            "A million payloads: the samples of every mapping and of our own topics with bytes and values exchanged, "
            "and raw bytes. Each is decoded, or refused with a reason."
        ),
        "",
        "`make fuzz`",
        "",
        "| payloads | decoded | refused with a reason | crashed | slowest ms | memory grown by MiB |",
        "|---|---|---|---|---|---|",
        (
            f"| {found.count} | {found.decoded} | {found.refused.total()} | {len(found.crashed)} "
            f"| {1000 * found.slowest:.1f} | {found.grown:.1f} |"
        ),
    ]


def run_replay(_folder: Path) -> list[str]:
    """The rule engine alone."""
    lines = [
        "## Judging",
        "",
        (
            "The rule engine alone, on one core, in one run: one condition against a closure written by hand and "
            "against common-expression-language, many rules against few, a sweep against one pass for each value, "
            "what the engine holds in memory, and a million messages of forty doors through every shipped protocol. "
            "Times are those of the processor."
        ),
        "",
        "`python -m benchmarks.replay --messages 1000000`",
        "",
        "| what | measured | beside |",
        "|---|---|---|",
    ]
    return lines + [f"| {each.name.strip()} | {each.value} | {each.beside} |" for each in replay.run()]


PROGRAMS: dict[str, Callable[[Path], list[str]]] = {
    "decode": run_decode,
    "fuzz": run_fuzz,
    "latency": run_latency,
    "throughput": run_throughput,
    "replay": run_replay,
    "kill": run_kill,
    "deliveries": deliveries.lines,
    "journal": journal.lines,
    "pages": pages.lines,
    "outage": run_outage,
}


def about() -> list[str]:
    """Return what was measured on, and with what."""
    mosquitto = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        "# Benchmarks",
        "",
        (
            "Measured by `make bench`, which writes this page. Broker, publisher, database and receiver share the "
            "machine with the service."
        ),
        "",
        f"- {SystemClock().now():%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}",
        f"- Python {platform.python_version()}, {mosquitto.strip() or 'Mosquitto'}",
        f"- {versions}",
        "",
    ]


def main() -> int:
    """Run the programs named, or all, and write the page."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("names", nargs="*", choices=[*PROGRAMS, []], metavar="NAME", help=", ".join(PROGRAMS))
    words.add_argument("--rows", type=int, default=journal.ROWS, help="messages in the large journal")
    said = words.parse_args()
    chosen = said.names or list(PROGRAMS)
    programs = {**PROGRAMS, "journal": partial(journal.lines, rows=said.rows)}
    out, lines = Console(), about()
    with tempfile.TemporaryDirectory(prefix="hallwatch-bench-", ignore_cleanup_errors=True) as folder:
        for number, name in enumerate(chosen, 1):
            out.print(f"{number}/{len(chosen)} {name} …")
            found = programs[name](Path(folder) / name)
            out.print("\n".join(line for line in found if line.startswith("|")))
            lines += [*found, ""]
    if len(chosen) == len(PROGRAMS):
        PAGE.write_text("\n".join(lines).rstrip() + "\n")
        out.print(f"written: {PAGE.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
