"""All of it, one after the other.

python -m benchmarks.endtoend [--node-red FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.endtoend.page import sections


def main() -> int:
    """Measure and print; 1 if a target is missed."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--node-red", type=Path, help="where Node-RED is installed, or is to be; else the user's cache")
    said = words.parse_args()
    out = Console()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        found = sections(Path(name), installed=said.node_red, say=out.print)
    for each in found:
        out.print("\n".join([*each.lines, *map(str, each.targets)]), soft_wrap=True, markup=False)
    return 0 if all(target.held for each in found for target in each.targets) else 1


if __name__ == "__main__":
    raise SystemExit(main())
