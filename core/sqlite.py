"""SQLite for the one who writes: statements run on the event loop itself, only waiting is done in a thread.

The usual driver hands every statement to a thread and back; with two dozen short statements in a transaction the
handing over costs many times more than the statements. Here a transaction changes threads once, to wait for the disk
(COMMIT); and to wait for the write lock (BEGIN) where another process holds it. Long reading goes through the usual
driver, beside it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

WAITING = frozenset(("BEGIN IMMEDIATE",))
"""Statements that may wait for another process."""


class Cursor:
    """An asynchronous face of `sqlite3.Cursor`, as SQLAlchemy's driver for aiosqlite expects it."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self.arraysize = 1

    @property
    def description(self) -> Any:
        """The columns of the result."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The number of the row inserted last."""
        return self._cursor.lastrowid

    async def __aenter__(self) -> Cursor:
        """Return the cursor itself."""
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Run a statement."""
        if statement in WAITING:
            await self._wait_for(statement)
        else:
            self._cursor.execute(statement, parameters)
        return self

    async def _wait_for(self, statement: str) -> None:
        ((patience,),) = self._cursor.execute("PRAGMA busy_timeout").fetchall()
        self._cursor.execute("PRAGMA busy_timeout=0")
        try:
            self._cursor.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        finally:
            self._cursor.execute(f"PRAGMA busy_timeout={patience}")
        await asyncio.to_thread(self._cursor.execute, statement)

    async def executemany(self, statement: str, parameters: Sequence[Any]) -> Cursor:
        """Run a statement for every set of parameters."""
        self._cursor.executemany(statement, parameters)
        return self

    async def fetchone(self) -> Any:
        """Return the next row."""
        return self._cursor.fetchone()

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        return self._cursor.fetchmany(size or self.arraysize)

    async def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        return self._cursor.fetchall()

    async def close(self) -> None:
        """Give the cursor back."""
        self._cursor.close()


class _AtOnce:
    """Stands where aiosqlite has the queue of its thread: what is put in is done."""

    def put_nowait(self, work: tuple[asyncio.Future[Any], Callable[[], Any]]) -> None:
        """Do the work and tell whoever waits for it."""
        future, function = work
        future.set_result(function())


class Connection:
    """An asynchronous face of `sqlite3.Connection`, as SQLAlchemy's driver for aiosqlite expects it."""

    def __init__(self, path: str) -> None:
        # Two threads never use it at once: the loop waits while BEGIN or COMMIT wait elsewhere.
        self._conn = sqlite3.connect(path, check_same_thread=False)
        self._tx = _AtOnce()

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._conn

    @property
    def isolation_level(self) -> str | None:
        """When the driver itself would begin a transaction; None: never."""
        return self._conn.isolation_level

    def cursor(self) -> Cursor:
        """Return a new cursor."""
        return Cursor(self._conn.cursor())

    async def create_function(self, *args: Any, **options: Any) -> None:
        """Add a function to SQL."""
        self._conn.create_function(*args, **options)

    async def commit(self) -> None:
        """Write to disk what the transaction did."""
        await asyncio.to_thread(self._conn.commit)

    async def rollback(self) -> None:
        """Undo what the transaction did."""
        self._conn.rollback()

    async def close(self) -> None:
        """Close it."""
        self._conn.close()

    def stop(self) -> None:
        """Close it, whatever it is doing."""
        self._conn.close()


async def connect(path: str, **_options: Any) -> Connection:
    """Return a connection to the file at `path`; for `create_async_engine(async_creator_fn=…)`."""
    return Connection(path)
