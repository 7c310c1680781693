"""Draws the pictures of `docs/benchmarks.md`: plain line charts, readable on a light and on a dark page."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDER = Path(__file__).parent.parent / "docs" / "images" / "benchmarks"


@contextmanager
def axes(name: str, *, across: str, up: str) -> Iterator[Axes]:
    """Yield axes to draw on, and write the picture `name` at the end; `across` and `up` name the axes with units."""
    # The library looks for a folder of its own in the user's home: a benchmark leaves nothing there.
    os.environ.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / "hallwatch-matplotlib"))
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "hallwatch"  # the same figures give the same file
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    figure, drawn = pyplot.subplots(figsize=(7.2, 3.4), layout="constrained")
    try:
        drawn.set_xlabel(across)
        drawn.set_ylabel(up)
        drawn.grid(visible=True, alpha=0.3)
        for side in ("top", "right"):
            drawn.spines[side].set_visible(False)
        yield drawn
        if drawn.get_legend_handles_labels()[0]:
            drawn.legend(frameon=False)
        FOLDER.mkdir(parents=True, exist_ok=True)
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None}, facecolor="white")
    finally:
        pyplot.close(figure)


def growth(
    name: str, lines: Mapping[str, Sequence[tuple[float, float]]], *, across: str, up: str, log: bool = True
) -> None:
    """Draw lines of (how many, cost) points; `log`: the counts grow by factors of ten."""
    with axes(name, across=across, up=up) as drawn:
        for label, points in lines.items():
            drawn.plot(*zip(*points, strict=True), marker="o", label=label)
        if log:
            drawn.set_xscale("symlog")
        drawn.set_ylim(bottom=0)
