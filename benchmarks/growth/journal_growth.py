"""What a message costs in the pipeline's whole transaction, against the length of the journal.

Read, appended, judged by every shipped protocol, state written, committed to disk: batches of a school of 200 doors,
in turn on a database with an empty journal and on others with longer ones, so that what else the machine does falls on
all of them alike. Times are those of the clock, because the disk is waited for: the median and the worst of the
batches, with the checkpoints that SQLite makes of its log in between.

    python -m benchmarks.growth.journal_growth [--rows 1000000] [--batches 40] [--database sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from sqlalchemy import text

from benchmarks import picture
from benchmarks.bulk import JOURNAL, without_indexes
from benchmarks.growth import district as districts
from benchmarks.growth.corridor import Corridor, corridor, furnish
from benchmarks.growth.district import SCHOOL, Said
from benchmarks.growth.judging import BELL
from benchmarks.page import Section, Target
from benchmarks.stage import server
from core.clock import stopwatch
from core.database import Database

ROWS: Final = 1_000_000
SIZES: Final = (0, 10_000, 100_000, 1_000_000, 10_000_000)
BATCHES: Final = 40
BATCH: Final = 200
WARM: Final = 10
"""Batches before those that count: what is only done once is done in them."""
MOST: Final = 1.5
"""How much more than with an empty journal a message may cost."""


@dataclass(frozen=True, slots=True)
class Length:
    """A journal, and what a message costs on it."""

    rows: int
    fill_s: float
    us: float
    """Microseconds for a message, in the median batch."""
    worst_us: float
    """The same in the worst batch."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What was measured on one database."""

    database: str
    lengths: Sequence[Length]

    @property
    def ratio(self) -> float:
        """How many times as much as with an empty journal a message costs with the longest one."""
        return self.lengths[-1].us / self.lengths[0].us


# ---------------------------------------------------------------------------------------------------------- filling
_SQLITE: Final = """
    WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :rows)
    INSERT INTO messages (campus, kind, key, at, received_at, dedupe, data)
    SELECT 'c0', CASE n % 2 WHEN 0 THEN 'door.opened' ELSE 'door.closed' END, 'd' || (n / 2 % :doors),
           :start + n * :step, :start + n * :step, mark(n),
           '{"campus":"c0","source":"door/d' || (n / 2 % :doors) || '","message_id":"m' || n ||
           '","at":"2026-09-01T05:00:00.123456Z","received_at":"2026-09-01T05:00:00.234567Z","door":"d' ||
           (n / 2 % :doors) || '","device":"s' || (n / 2 % :doors) || '"}'
    FROM numbers
"""
_POSTGRESQL: Final = """
    INSERT INTO messages (campus, kind, key, at, received_at, dedupe, data)
    SELECT 'c0', CASE n % 2 WHEN 0 THEN 'door.opened' ELSE 'door.closed' END, 'd' || (n / 2 % :doors),
           to_timestamp((:start + n * :step) / 1e6), to_timestamp((:start + n * :step) / 1e6),
           int8send((n - :rows / 2) * :stride) || int8send(0),
           '{"campus":"c0","source":"door/d' || (n / 2 % :doors) || '","message_id":"m' || n ||
           '","at":"2026-09-01T05:00:00.123456Z","received_at":"2026-09-01T05:00:00.234567Z","door":"d' ||
           (n / 2 % :doors) || '","device":"s' || (n / 2 % :doors) || '"}'
    FROM generate_series(0, :rows - 1) AS numbers(n)
"""


async def fill(url: str, rows: int, until: datetime) -> float:
    """Write so many messages of 89 days into an empty journal, its plain indexes behind them; return the seconds.

    The database makes the rows itself. The digests by which repeats are known are spread evenly, in order: that of a
    message that comes later falls anywhere among them, as it does in life.
    """
    if not rows:
        return 0.0
    began = stopwatch()
    step = JOURNAL / rows // timedelta(microseconds=1)
    said = {
        "rows": rows,
        "doors": SCHOOL,
        "start": int((until - JOURNAL).timestamp() * 1_000_000),
        "step": step,
    }
    database = Database(url)
    try:
        async with database.engine.begin() as connection:
            indexes = await without_indexes(connection, "messages", is_sqlite=database.is_sqlite)
        await database.close()
        if database.is_sqlite:
            await asyncio.to_thread(_fill_sqlite, str(database.engine.url.database), said, indexes)
        else:
            await _fill_postgres(database, said, indexes)
    finally:
        await database.close()
    return stopwatch() - began


def _fill_sqlite(path: str, said: dict[str, int], indexes: Sequence[str]) -> None:
    stride = 2**64 // said["rows"]

    def mark(number: int) -> bytes:
        return (number * stride).to_bytes(8, "big") + bytes(8)

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("mark", 1, mark)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY", "threads=2"):
            connection.execute(f"PRAGMA {pragma}")
        for each in ("BEGIN", _SQLITE, "COMMIT", *indexes):
            connection.execute(each, said if each is _SQLITE else {})


async def _fill_postgres(database: Database, said: dict[str, int], indexes: Sequence[str]) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        numbers = said | {"stride": (2**64 - 1) // said["rows"] - 1}
        # Written into the statement: a parameter would have to be told its type.
        statement = _POSTGRESQL
        for name, number in numbers.items():
            statement = statement.replace(f":{name}", f"{number}::bigint")
        await connection.exec_driver_sql(statement)
        for each in indexes:
            await connection.execute(text(each))
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))


# -------------------------------------------------------------------------------------------------------- measuring
def sizes(rows: int) -> tuple[int, ...]:
    """Return the lengths up to `rows` that are measured, `rows` included."""
    return (*(each for each in SIZES if each < rows), rows)


async def run(
    url_of: Callable[[int], str], rows: int = ROWS, batches: int = BATCHES, out: Console | None = None
) -> Journal:
    """Fill the journals, and measure in turn; `url_of` a length is an empty database of its own."""
    out = out or Console(quiet=True)
    place = districts.district(SCHOOL)
    start = BELL - (batches + WARM + 1) * BATCH * districts.PAUSE / SCHOOL
    filled: dict[int, float] = {}
    for size in sizes(rows):
        await furnish(url_of(size), place, start)
        filled[size] = await fill(url_of(size), size, start)
        out.print(f"{size:>10,} rows written in {filled[size]:.1f} s")
    said = itertools.islice(districts.traffic(place, start, name="j"), (batches + WARM) * BATCH)
    took: dict[int, list[float]] = {size: [] for size in filled}
    async with contextlib.AsyncExitStack() as stack:
        opened = {size: await stack.enter_async_context(corridor(url_of(size), start)) for size in filled}
        for batch in _batched(said):
            for size, here in opened.items():
                took[size].append(await _seconds(here, batch))
        for size, here in opened.items():
            await _check(here, size + (batches + WARM) * BATCH)
    is_sqlite = url_of(0).startswith("sqlite")
    scale = 1e6 / BATCH
    found = [
        Length(size, filled[size], scale * median(each[WARM:]), scale * max(each[WARM:])) for size, each in took.items()
    ]
    for each in found:
        out.print(f"{each.rows:>10,} rows: {each.us:.0f} us a message, {each.worst_us:.0f} in the worst batch")
    return Journal("SQLite" if is_sqlite else "PostgreSQL", found)


def _batched(said: Iterator[Said]) -> Iterator[list[Said]]:
    while batch := list(itertools.islice(said, BATCH)):
        yield batch


async def _seconds(here: Corridor, batch: Sequence[Said]) -> float:
    began = stopwatch()
    await here.hear(batch)
    return stopwatch() - began


async def _check(here: Corridor, rows: int) -> None:
    """Raise unless the journal holds what was written and what was heard: something else was measured."""
    async with here.service.database.reading() as session:
        found = (await session.execute(text("SELECT count(*) FROM messages"))).scalar_one()
    if found != rows:
        raise RuntimeError(f"the journal holds {found} messages, not {rows}")


async def on_sqlite(folder: Path, rows: int = ROWS, batches: int = BATCHES, out: Console | None = None) -> Journal:
    """Measure on files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return await run(lambda size: f"sqlite:///{folder}/{size}.db", rows, batches, out)


def on_postgres(folder: Path, rows: int = ROWS, batches: int = BATCHES, out: Console | None = None) -> Journal:
    """Measure on databases of one server of our own."""
    with server(folder) as started:
        urls = {size: started.create(f"journal{size}") for size in sizes(rows)}
        return asyncio.run(run(urls.__getitem__, rows, batches, out))


# --------------------------------------------------------------------------------------------------------- the page
def section(folder: Path, rows: int = ROWS, found: Sequence[Journal] = ()) -> Section:
    """Measure on both databases, or take what was found, and return the section of the page."""
    found = found or [asyncio.run(on_sqlite(folder / "sqlite", rows)), on_postgres(folder / "postgres", rows)]
    said = Section(
        "What a message costs, the longer the journal is",
        (
            f"The pipeline's whole transaction (read, append, judge, write the state, commit) for batches of {BATCH} "
            f"messages of a school of {SCHOOL} doors, in turn on journals of all lengths in the same run: microseconds "
            "of the clock for a message, in the median batch and in the worst one, checkpoints included."
        ),
        [f"python -m benchmarks.growth.journal_growth --rows {rows} [--database postgresql]"],
    )
    for each in found:
        first = each.lengths[0].us
        said.table(
            ["database", "messages in the journal", "us a message", "times", "worst batch us", "written in s"],
            [
                [
                    each.database,
                    f"{e.rows:,}",
                    f"{e.us:.0f}",
                    f"{e.us / first:.2f}",
                    f"{e.worst_us:.0f}",
                    f"{e.fill_s:.1f}",
                ]
                for e in each.lengths
            ],
        )
        longest = each.lengths[-1].rows
        promised = (
            f"a message with {longest:,} in the journal at most {MOST:g} times what it is with none, {each.database}"
        )
        said.targets.append(Target(promised, f"{each.ratio:.2f} times", each.ratio <= MOST))
    lines = {each.database: [(one.rows, one.us) for one in each.lengths] for each in found}
    picture.growth("journal-growth", lines, across="messages in the journal", up="us a message")
    said.picture("journal-growth", "Cost of a message against the length of the journal")
    return said


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rows", type=int, default=ROWS, help="messages in the longest journal")
    words.add_argument("--batches", type=int, default=BATCHES, help="batches of 200 measured on each")
    words.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    said = words.parse_args()
    out = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="hallwatch-journal-") as name:
        if said.database == "sqlite":
            asyncio.run(on_sqlite(Path(name), said.rows, said.batches, out))
        else:
            on_postgres(Path(name), said.rows, said.batches, out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
