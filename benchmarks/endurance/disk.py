"""A disk that can be filled up and emptied again, for the database of a service."""

from __future__ import annotations

import contextlib
import errno
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

MIB: Final = 2**20
SIZE: Final = 64 * MIB
_CHUNK: Final = 64 * 1024


class Disk(Protocol):
    """Where the database lies."""

    name: str
    folder: Path

    def fill(self, pid: int) -> None:
        """Let nothing more be written by the process."""

    def free(self, pid: int) -> None:
        """Let it be written again."""


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory of 64 MiB: what is written beyond that fails with ENOSPC. Needs the right to mount."""

    folder: Path
    name: str = "small file system"

    def fill(self, pid: int) -> None:
        """Take all the room that is left, to the last byte."""
        with (self.folder / "filler").open("ab", buffering=0) as file:
            size = _CHUNK
            while size:
                try:
                    file.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self, pid: int) -> None:
        """Give it back."""
        (self.folder / "filler").unlink()


@dataclass(frozen=True)
class Limit:
    """A limit on the size of files, set from outside: what goes beyond it fails with EFBIG. Needs no rights."""

    folder: Path
    name: str = "limit on the size of files"

    def fill(self, pid: int) -> None:
        """Allow no byte beyond what the smallest of the database's files has now."""
        smallest = min(path.stat().st_size for path in self.folder.glob("hallwatch.db*") if path.suffix != ".db-shm")
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (smallest, hard))

    def free(self, pid: int) -> None:
        """Allow as much as is allowed at all."""
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextlib.contextmanager
def disk(folder: Path, *, mount: bool = True) -> Iterator[Disk]:
    """Yield a small file system at `folder` where one may be mounted (and `mount` is wished), else a limit."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (mount and _mounted(folder)):
        yield Limit(folder)
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def _mounted(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
