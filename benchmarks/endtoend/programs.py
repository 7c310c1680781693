"""Programs beside the service, each a process of its own, and what processes cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.servers import ROOT

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Program:
    """A module of this package as a process; what it prints last, as JSON, is what it found."""

    folder: Path
    module: str
    words: list[str]
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """The number of the process that runs."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it; what it prints goes to a file."""
        name = self.module.rpartition(".")[2]
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with self._printed.open("wb") as out, (self.folder / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.words],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": path},
                stdout=out,
                stderr=log,
            )

    def wait(self, seconds: float = 120.0) -> dict[str, Any]:
        """Return what it found, once it has ended; RuntimeError with its last words if it failed."""
        assert self.process is not None
        status = self.process.wait(seconds)
        if status:
            name = self.module.rpartition(".")[2]
            raise RuntimeError(f"{self.module} failed: {(self.folder / f'{name}.log').read_text()[-2000:]}")
        found: dict[str, Any] = json.loads(self._printed.read_text().strip().rpartition("\n")[2] or "{}")
        return found

    def stop(self, *, kill: bool = False) -> None:
        """End it, if it has not ended."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self.process.wait(20)

    @property
    def _printed(self) -> Path:
        return self.folder / f"{self.module.rpartition('.')[2]}.out"


def processor_seconds(pids: Iterable[int]) -> float:
    """Return the processor time these processes have used, user's and system's."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def memory_mib(pid: int) -> float:
    """Return the resident memory of a process, in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 2**20


def with_children(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found
