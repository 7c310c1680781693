"""The database: SQLite by default, PostgreSQL by setting; one transaction per batch, tick or request.

Only `Database.transaction` commits. Rows are declared beside the queries that use them, on `Base`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache, partial
from typing import Any, ClassVar, Final, Protocol

import msgspec
from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, MetaData, Table, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from core import sqlite
from core.clock import stopwatch
from core.errors import Unavailable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
REFUSED_S: Final = 15.0
"""So long a transaction that failed to write speaks for the database; whoever must write has tried again by then."""


class UtcTime(TypeDecorator[datetime]):
    """An instant in UTC: `timestamptz` on PostgreSQL, microseconds since 1970 on SQLite. Naive times are refused."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of the dialect."""
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return what is stored for an instant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs its zone")
        return value if dialect.name == "postgresql" else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the instant that was stored, in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else _EPOCH + timedelta(microseconds=value)


Json = JSON().with_variant(JSONB(), "postgresql")
"""A JSON value; msgspec writes and reads it."""
BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A row number that counts up by itself."""


class Base(DeclarativeBase):
    """The base of all rows."""

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcTime,
        dict[str, Any]: Json,
        list[Any]: Json,
    }


class Insert(Protocol):
    """What the two dialects' inserts have in common."""

    excluded: Any

    def on_conflict_do_nothing(self, **where: Any) -> Any:
        """Leave a row that is there as it is."""

    def on_conflict_do_update(self, **how: Any) -> Any:
        """Change a row that is there."""

    def values(self, *args: Any, **kwargs: Any) -> Any:
        """Name the values."""


def insert(session: AsyncSession, row: type[Base]) -> Any:
    """Return an INSERT that knows ON CONFLICT, for the session's database."""
    return insert_into(row, postgres=is_postgresql(session))


def upsert(session: AsyncSession, row: type[Base]) -> Any:
    """Return an INSERT of whole rows that replaces the row with the same primary key."""
    return _upsert(row, is_postgresql(session))


# Building a statement takes longer than running it, and both stand in the way of every batch.
@cache
def insert_into(row: type[Base], *, postgres: bool) -> Any:
    """Return an INSERT that knows ON CONFLICT, for PostgreSQL or SQLite."""
    table = row.__table__
    assert isinstance(table, Table)
    return (postgresql.insert if postgres else sqlite_dialect.insert)(table)


@cache
def _upsert(row: type[Base], postgres: bool) -> Any:
    statement, table = insert_into(row, postgres=postgres), row.__table__
    assert isinstance(table, Table)
    keys = [column.name for column in table.primary_key.columns]
    changed = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


async def write(session: AsyncSession, statement: Any, rows: Sequence[Mapping[str, Any]]) -> int:
    """Run one INSERT, without RETURNING, for many rows of the same columns; return how many rows it wrote.

    On PostgreSQL the number is not known (-1). For those who write thousands of rows a second: what SQLAlchemy does for
    each row costs more than the database needs for it. Python's defaults of columns are not filled in.
    """
    if not rows:
        return 0
    connection = await session.connection()
    text_of, names = _worded(statement, connection.dialect, tuple(rows[0]))
    said = [tuple([row[name] if make is None else make(row[name]) for name, make in names]) for row in rows]
    return (await connection.exec_driver_sql(text_of, said)).rowcount


@lru_cache(maxsize=200)
def _worded(
    statement: Any, dialect: Dialect, names: tuple[str, ...]
) -> tuple[str, list[tuple[str, Callable[[Any], Any] | None]]]:
    """Return a statement in the database's words, and what goes into it in order, with what makes a value of it."""
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    types = {column.name: column.type.dialect_impl(dialect) for column in statement.table.columns}
    return str(compiled), [(name, types[name].bind_processor(dialect)) for name in compiled.positiontup]


async def in_turn(session: AsyncSession) -> None:
    """Wait until no other transaction that called this is open; numbered rows then appear in their order.

    SQLite has one writer anyway; on PostgreSQL it is an advisory lock held to the end of the transaction.
    """
    if is_postgresql(session):
        await session.execute(text("SELECT pg_advisory_xact_lock(4855726)"))


def is_postgresql(session: AsyncSession) -> bool:
    """Return whether the session speaks to PostgreSQL."""
    return session.get_bind().dialect.name == "postgresql"


class Database:
    """The engine and its transactions. On SQLite writers queue inside the process instead of colliding on the file."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = driver_url(url)
        self.narrow: Callable[[AsyncSession], None] | None = None
        self._refused: tuple[str, float] | None = None
        self.is_sqlite = self.url.startswith("sqlite")
        if not self.is_sqlite:
            self.engine = _engine(self.url, pool_size=pool_size, pool_pre_ping=True)
            self._writing = self._glancing = self.engine
            self._writer = None
            return
        self.engine = self._writing = self._glancing = _engine(self.url)
        path = make_url(self.url).database
        if path and path != ":memory:":
            at_once = {"async_creator": partial(sqlite.connect, path), "pool_size": 1, "max_overflow": 0}
            self._writing, self._glancing = _engine(self.url, **at_once), _engine(self.url, **at_once)
        self._writer = asyncio.Lock()
        for engine in {self.engine, self._writing, self._glancing}:
            _prepare_sqlite(engine)

    def narrowed(self, narrow: Callable[[AsyncSession], None]) -> Database:
        """Return the same database seen through sessions that `narrow` has been given first."""
        found = copy(self)
        found.narrow = narrow
        return found

    @property
    def refused(self) -> str:
        """Why nothing could be written lately; empty: something was since, or nobody has tried for a while."""
        why, at = self._refused or ("", 0.0)
        return why if stopwatch() - at < REFUSED_S else ""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open the one transaction of a batch, tick or request; commit at its end, roll back if it raises.

        Raises Unavailable where the database cannot be reached.
        """
        if self._writer is None:
            async with self._session(self._writing, write=True) as session:
                yield session
            return
        async with self._writer, self._session(self._writing, write=True) as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a session for reading only; nothing it does is kept."""
        async with self._session(self.engine, write=False) as session:
            yield session

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncSession]:
        """Open a session for a few rows that an index finds, asked for again and again; nothing it does is kept.

        On SQLite it reads on the event loop itself, as a transaction does: what takes long belongs into `reading`.
        """
        async with self._session(self._glancing, write=False) as session:
            yield session

    @asynccontextmanager
    async def _session(self, engine: AsyncEngine, *, write: bool) -> AsyncIterator[AsyncSession]:
        session = AsyncSession(engine, expire_on_commit=False)
        if self.narrow is not None:
            self.narrow(session)
        try:
            await _connect(session, write=write)
            yield session
            if write:
                await session.commit()
                self._refused = None
        except (DBAPIError, OSError) as error:
            if is_away(error):
                if write:
                    self._refused = (_first_line(error), stopwatch())
                raise Unavailable(f"database: {_first_line(error)}") from error
            raise
        finally:
            await session.close()

    async def close(self) -> None:
        """Give the connections back."""
        for engine in {self._writing, self._glancing, self.engine}:
            await engine.dispose()


def _engine(url: str, **options: Any) -> AsyncEngine:
    return create_async_engine(
        url,
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
        **options,
    )


async def size(session: AsyncSession) -> int:
    """Return how many bytes the database takes up."""
    if session.get_bind().dialect.name == "postgresql":
        query = "SELECT pg_database_size(current_database())"
    else:
        query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    return int((await session.execute(text(query))).scalar_one())


def is_away(error: BaseException) -> bool:
    """Return whether an error means that the database cannot be reached or cannot work, not that we asked wrongly."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError)
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    # SQLite calls a mistake of ours an operational error, too.
    ours = ("no such", "syntax error", "has no column", "already exists")
    return isinstance(error, OperationalError) and not any(word in str(error.orig) for word in ours)


async def _connect(session: AsyncSession, *, write: bool) -> None:
    try:
        await session.connection(execution_options={"hallwatch_write": write})
    except (DBAPIError, OSError) as error:  # whatever the server or the network says at this point
        raise Unavailable(f"database: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).split("\n")[0]


def driver_url(url: str) -> str:
    """Return the URL with the driver we chose for it."""
    parsed = make_url(url)
    driver = "sqlite+aiosqlite" if parsed.drivername.startswith("sqlite") else "postgresql+asyncpg"
    return parsed.set(drivername=driver).render_as_string(hide_password=False)


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # We say BEGIN ourselves (below): the driver's own habit begins too late to hold a write lock.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _on_begin(connection: Any) -> None:
        write = connection.get_execution_options().get("hallwatch_write", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
