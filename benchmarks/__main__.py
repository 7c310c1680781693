"""Runs every benchmark and writes `docs/benchmarks.md`: `make bench`, or `python -m benchmarks [NAME…]`.

Each figure is what this run measured on this machine; the ratios are between programs of the same run. The programs run
with sizes for which all of them together take less than twenty minutes; each says with what command it goes further.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import decode, deliveries, fuzz, journal, pages, profile, replay
from benchmarks.endtoend import page as endtoend
from benchmarks.endurance import page as endurance
from benchmarks.growth import journal_growth, judging, state
from benchmarks.page import Section, Target
from benchmarks.stage import keep_log_quiet
from core.clock import SystemClock, stopwatch

PAGE: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_out: Final = Console()
PACKAGES: Final = ("paho-mqtt", "sqlalchemy", "aiosqlite", "asyncpg", "apprise", "msgspec", "fastapi")


def _say(line: str) -> None:
    _out.print(line, markup=False, soft_wrap=True)


PROGRAMS: Final[Mapping[str, Callable[[Path], Section | Sequence[Section]]]] = {
    "endtoend": partial(endtoend.sections, say=_say),
    "endurance": partial(endurance.section, say=_say),
    "profile": profile.section,
    "judging": judging.section,
    "state": state.section,
    "growth": journal_growth.section,
    "replay": replay.section,
    "decode": decode.section,
    "fuzz": fuzz.section,
    "deliveries": deliveries.section,
    "journal": journal.section,
    "pages": pages.section,
}


def about(seconds: float) -> list[str]:
    """Return what was measured on, and with what."""
    mosquitto = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = f"{_processor()}{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"
    return [
        "# Benchmarks",
        "",
        "Measured by `make bench`, which writes this page. Broker, publisher, database and receiver share the machine.",
        "",
        f"- {SystemClock().now():%Y-%m-%d}, {machine}; the run took {seconds / 60:.0f} minutes",
        f"- Python {platform.python_version()}, {mosquitto.strip() or 'Mosquitto'}",
        f"- {versions}",
        "",
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{names[0]}, " if names else ""


def promises(targets: Iterable[Target]) -> list[str]:
    """Return the table of what was promised, and whether it holds."""
    return ["## What was promised", "", "| promised | measured | |", "|---|---|---|", *map(str, targets), ""]


def main() -> int:
    """Run the programs named, or all and write the page."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("names", nargs="*", choices=[*PROGRAMS, []], metavar="NAME", help=", ".join(PROGRAMS))
    chosen = words.parse_args().names or list(PROGRAMS)
    keep_log_quiet()
    started = stopwatch()
    sections: list[Section] = []
    with tempfile.TemporaryDirectory(prefix="hallwatch-bench-", ignore_cleanup_errors=True) as folder:
        for number, name in enumerate(chosen, 1):
            began = stopwatch()
            _say(f"{number}/{len(chosen)} {name} …")
            place = Path(folder) / name
            place.mkdir()
            found = PROGRAMS[name](place)
            for section in [found] if isinstance(found, Section) else found:
                sections.append(section)
                _say("\n".join(section.body))
            _say(f"{name} took {stopwatch() - began:.0f} s")
    kept = promises(target for section in sections for target in section.targets)
    _say("\n".join(kept))
    if len(chosen) == len(PROGRAMS):
        lines = [*about(stopwatch() - started), *kept, *(line for section in sections for line in section.lines)]
        PAGE.write_text("\n".join(lines).rstrip() + "\n")
        _say(f"written: {PAGE.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
