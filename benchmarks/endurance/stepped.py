"""The service on a machine whose clock can be stepped: `python -m benchmarks.endurance.stepped serve`.

The clock of the service reads a time that is as wrong as the file `step` in this folder says.
"""

from __future__ import annotations

import mmap
import struct
import time
from functools import partial
from pathlib import Path
from typing import Final

from app import wiring
from core.clock import SystemClock

STEP: Final = "step"
_FORMAT: Final = "d"


def set_step(folder: Path, seconds: float) -> None:
    """Let the clock of the service in this folder be so many seconds ahead, from now on."""
    path = folder / STEP
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.write(struct.pack(_FORMAT, seconds))


def stepped(folder: Path) -> None:
    """Let this process read a clock that can be stepped."""
    with (folder / STEP).open("rb") as file:
        said = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def wrong() -> float:
        (ahead,) = struct.unpack(_FORMAT, said[: struct.calcsize(_FORMAT)])
        return time.time() + float(ahead)  # noqa: TID251 - this is the machine's clock

    wiring.SystemClock = partial(SystemClock, wall=wrong)  # type: ignore[misc, assignment] # in this process alone


if __name__ == "__main__":
    stepped(Path.cwd())
    from app.cli import main

    main()
