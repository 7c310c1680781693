"""The figures as one table for a spreadsheet: which figure, of what, how much. No cell is ever taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from alerts.shapes import moment

COLUMNS: Final = ("section", "campus", "subject", "figure", "value")
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_SUBJECTS: Final = ("severity", "person", "rule", "key", "door", "via", "alert")


def write(figures: Mapping[str, Any]) -> str:
    """Return the figures (see `alerts.figures.read`) as CSV, one figure a line."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(COLUMNS)
    for row in _rows(figures):
        table.writerow([safe(cell) for cell in row])
    return written.getvalue()


def safe(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe."""
    if value is None:
        return ""
    text = (moment(value) or "") if isinstance(value, datetime) else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_DANGEROUS) else text


def _rows(figures: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    yield "all", figures["campus"], "", "from", figures["from"]
    yield "all", figures["campus"], "", "to", figures["to"]
    yield "all", figures["campus"], "", "alerts", figures["alerts"]
    for exercise, count in sorted(figures["exercises"].items()):
        yield "all", figures["campus"], exercise, "exercises", count
    sections = {name: found for name, found in figures.items() if isinstance(found, list)}
    sections |= {f"nuisance_{name}": found for name, found in figures["nuisance"].items()}
    for section, lines in sections.items():
        for line in lines:
            subject = " ".join(str(line[name]) for name in _SUBJECTS if name in line)
            for figure, value in line.items():
                if figure not in (*_SUBJECTS, "campus"):
                    yield section, line.get("campus", figures["campus"]), subject, figure, value
