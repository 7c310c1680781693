"""All parts of the page that come from here, one after the other: the later use what the first has found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.endtoend import held, peer, stages
from benchmarks.page import Section


def sections(
    folder: Path, *, installed: Path | None = None, say: Callable[[str], None] = lambda _: None
) -> list[Section]:
    """Measure, and return the parts of the page; `installed`: where Node-RED is, if not in the user's cache."""
    found = held.measured(folder / "held", say=say)
    rates = {each.database: each.service.rate or each.service.flood * held.LOW for each in found}
    times = stages.measured(folder / "stages", rates, say=say)
    beside = peer.measured(folder / "peer", installed, say=say)
    return [held.page_of(found), stages.page_of(times), peer.page_of(*beside)]
