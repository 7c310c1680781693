"""Lists as sheets: CSV that a spreadsheet shows as text, never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Header
from starlette.responses import Response

MEDIA_TYPE: Final = "text/csv"
MOST_ROWS: Final = 50_000
"""A sheet is whole, whatever `limit` is usual for a list, up to so many rows."""
_RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell that begins so is a formula to some spreadsheet."""


def wants_sheet(accept: Annotated[str | None, Header(max_length=1000)] = None) -> bool:
    """Return whether the caller would rather have a sheet than JSON."""
    kinds = [each.partition(";")[0].strip().lower() for each in (accept or "").split(",")]
    return MEDIA_TYPE in kinds and "application/json" not in kinds


WantsSheet = Annotated[bool, Depends(wants_sheet)]
SHEET: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "JSON, or a sheet (`text/csv`)"}
}


def sheet(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], following: str | None) -> Response:
    """Return rows as a file to download; `X-Next-Cursor` where there are more than a sheet holds."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([[cell(row.get(column)) for column in columns] for row in rows])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    headers |= {"X-Next-Cursor": following} if following else {}
    # The mark lets spreadsheets see that it is UTF-8.
    return Response("\N{ZERO WIDTH NO-BREAK SPACE}" + text.getvalue(), media_type=MEDIA_TYPE, headers=headers)


def cell(value: Any) -> str:
    """Return a value as the text of a cell; what would run as a formula is shown with a quote before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    text = str(value)
    if isinstance(value, int | float):
        return text
    return f"'{text}" if text.lstrip(" ").startswith(_RUNS) else text
