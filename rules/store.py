"""Rules and the engines' state as rows: every version of every rule, and where each engine stands.

What an engine has changed is written in the transaction of the messages that changed it; after a crash it goes on
from there as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple, cast

import msgspec
import structlog
from sqlalchemy import Index, Table, Text, and_, bindparam, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core import journal, state
from core.campus import Campus
from core.database import Base, in_turn, insert, upsert, write
from core.errors import BadInput, NotFound
from core.facts import FACTS
from core.findings import Finding
from core.messages import Exercise
from rules.engine import Engine
from rules.operators.moment import Evidence
from rules.rule import Rule, read_rule
from rules.saved import Changes, Position, Saved, SavedState, SettledFacts, read_beyond, write_beyond

log = structlog.get_logger()
_FACTS: Final = {entity: msgspec.json.Decoder(kind) for entity, kind in FACTS.items()}
_EVIDENCE: Final = msgspec.json.Decoder(Evidence)


class RuleRow(Base):
    """One version of a rule. A version without a document says that the rule was deleted."""

    __tablename__ = "rules"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[str | None] = mapped_column(Text)
    mode: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    revision: Mapped[int]

    __table_args__ = (Index(None, "revision"),)


class KeyStateRow(Base):
    """What a rule remembers of one key; `due_at` is its timer."""

    __tablename__ = "rule_states"

    campus: Mapped[str] = mapped_column(primary_key=True)
    exercise: Mapped[str] = mapped_column(primary_key=True)
    """What is judged: `live`, or the exercise under way beside it (`drill`, `test`)."""
    rule: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    shape: Mapped[str] = mapped_column(Text)
    due_at: Mapped[datetime | None]
    firing: Mapped[bool]
    data: Mapped[str] = mapped_column(Text)


class SettledRow(Base):
    """What was true of one thing at the engine's watermark, and the latest message about it."""

    __tablename__ = "rule_facts"

    campus: Mapped[str] = mapped_column(primary_key=True)
    exercise: Mapped[str] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    facts: Mapped[str | None] = mapped_column(Text)
    last: Mapped[str | None] = mapped_column(Text)


class EngineRow(Base):
    """How far the engine of a campus has come."""

    __tablename__ = "engines"

    campus: Mapped[str] = mapped_column(primary_key=True)
    exercise: Mapped[str] = mapped_column(primary_key=True)
    watermark: Mapped[datetime]
    alive_at: Mapped[datetime]
    started: Mapped[datetime]
    since: Mapped[datetime]
    shapes: Mapped[str] = mapped_column(Text)
    beyond: Mapped[str] = mapped_column(Text)
    """What the rules have found, and will only hear when the watermark has passed it."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a rule, as a list shows it; `document` is None where it was deleted."""

    version: int
    mode: str
    created_at: datetime
    created_by: str
    document: dict[str, Any] | None


# ------------------------------------------------------------------------------------------------------- engines
async def save(session: AsyncSession, campus: str, changes: Changes) -> None:
    """Write down what an engine has changed, and the exercises beside it."""
    await save_all(session, {campus: changes})


async def save_all(session: AsyncSession, changed: Mapping[str, Changes]) -> None:
    """Write down what the engines of some campuses have changed: one statement a table for a whole district."""
    for campus, changes in changed.items():
        for kind in changes.ended:
            for row in (EngineRow, KeyStateRow, SettledRow):
                await session.execute(delete(row).where(row.campus == campus, row.exercise == kind))
    places = [
        (_Place(campus, kind), each)
        for campus, changes in changed.items()
        for kind, each in {"live": changes, **changes.exercises}.items()
    ]
    states = [_state_row(place, each) for place, changes in places for each in changes.states]
    settled = [_facts_row(place, each) for place, changes in places for each in changes.settled]
    for row, rows in (
        (EngineRow, [_engine_row(place, changes) for place, changes in places]),
        (KeyStateRow, states),
        (SettledRow, settled),
    ):
        await write(session, upsert(session, row), rows)
    await _delete(session, KeyStateRow, [(*place, *key) for place, changes in places for key in changes.deleted])
    await _delete(session, SettledRow, [(*place, *key) for place, changes in places for key in changes.forgotten])


class _Place(NamedTuple):
    campus: str
    exercise: Exercise


def _engine_row(place: _Place, changes: Changes) -> dict[str, Any]:
    position = changes.position
    return place._asdict() | {
        "watermark": position.watermark,
        "alive_at": position.alive_at,
        "started": position.started,
        "since": position.since,
        "shapes": position.shapes,
        "beyond": write_beyond(changes.beyond),
    }


async def _delete(session: AsyncSession, row: type[Base], keys: Sequence[tuple[str, str, str, str]]) -> None:
    """Delete rows by their whole primary key."""
    if keys:
        names = [column.name for column in row.__table__.primary_key]
        await session.execute(_deletion(row), [dict(zip(names, key, strict=True)) for key in keys])


@cache
def _deletion(row: type[Base]) -> Any:
    table = row.__table__
    assert isinstance(table, Table)
    return delete(table).where(*(column == bindparam(column.name) for column in table.primary_key))


def _state_row(place: _Place, state: SavedState) -> dict[str, Any]:
    return place._asdict() | {
        "rule": state.rule,
        "key": state.key,
        "shape": state.shape,
        "due_at": state.due,
        "firing": state.firing,
        "data": state.data,
    }


def _facts_row(place: _Place, settled: SettledFacts) -> dict[str, Any]:
    return place._asdict() | {
        "entity": settled.entity,
        "id": settled.id,
        "facts": None if settled.facts is None else _write(settled.facts),
        "last": None if settled.last is None else _write(settled.last),
    }


def _write(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def restore(
    session: AsyncSession, campus: Campus, rules: Sequence[Rule], *, now: datetime
) -> tuple[Engine, list[Finding]]:
    """Return the engine of a campus as it was when its last transaction committed, or a new one, at `now`.

    The time since then was blind: what comes due in it is found late, and silence in it proves nothing. Returned
    with it is what ends because rules or campus have changed since; it is to be written down with `changes`.
    """
    saved = await load_saved(session, campus.id)
    if saved is None:
        return Engine(campus, rules, started=now), []
    engine = Engine(campus, rules, started=saved.position.watermark)
    pending = await journal.since(session, campus.id, saved.position.watermark)
    ended = engine.restore(saved, pending, await state.load(session, campus.id))
    engine.blind(now)
    return engine, ended


async def load_saved(session: AsyncSession, campus: str) -> Saved | None:
    """Return what the engine of a campus has written down, or None if it never ran."""
    engines = (await session.execute(select(EngineRow).where(EngineRow.campus == campus))).scalars().all()
    found: dict[Exercise, Saved] = {}
    for row in engines:
        kind = cast("Exercise", row.exercise)
        found[kind] = await _load(session, _Place(campus, kind), row)
    live = found.pop("live", None)
    return None if live is None else msgspec.structs.replace(live, exercises=found)


async def _load(session: AsyncSession, place: _Place, engine: EngineRow) -> Saved:
    # Values, not row objects: a district has a hundred thousand of them, and each object costs more than all the rest.
    def here(row: Any, *columns: Any) -> Any:
        return select(*columns).where(row.campus == place.campus, row.exercise == place.exercise)

    position = Position(
        watermark=engine.watermark,
        alive_at=engine.alive_at,
        started=engine.started,
        since=engine.since,
        shapes=engine.shapes,
    )
    row = KeyStateRow
    states = await session.execute(here(row, row.rule, row.key, row.shape, row.due_at, row.firing, row.data))
    told = SettledRow
    settled = await session.execute(here(told, told.entity, told.id, told.facts, told.last))
    return Saved(
        position=position,
        states=tuple(
            SavedState(rule=rule, key=key, shape=shape, due=due, firing=firing, data=data)
            for rule, key, shape, due, firing, data in states
        ),
        settled=tuple(_read_settled(*each) for each in settled),
        beyond=read_beyond(engine.beyond),
    )


def _read_settled(entity: str, key: str, facts: str | None, last: str | None) -> SettledFacts:
    return SettledFacts(
        entity=entity,
        id=key,
        facts=None if facts is None else _FACTS[entity].decode(facts),
        last=None if last is None else _EVIDENCE.decode(last),
    )


# --------------------------------------------------------------------------------------------------------- rules
async def revision(session: AsyncSession) -> int:
    """Return a number that grows with every change of any rule; 0 if there never was one."""
    return (await session.execute(select(func.max(RuleRow.revision)))).scalar() or 0


async def load_rules(session: AsyncSession) -> list[Rule]:
    """Return the latest version of every rule, in order of their ids.

    One that this house can no longer read is left out, with a warning; the others must not suffer from it.
    """
    rules: list[Rule] = []
    for row in await latest(session):
        try:
            rules.append(_read_rule(row))
        except BadInput as error:
            log.warning("rule left out", rule=row.id, version=row.version, problems=[str(p) for p in error.problems])
    return rules


async def latest(session: AsyncSession) -> list[RuleRow]:
    """Return the latest version of every rule as its row, readable or not, in order of their ids."""
    newest = select(RuleRow.id, func.max(RuleRow.version).label("version")).group_by(RuleRow.id).subquery()
    query = (
        select(RuleRow)
        .join(newest, and_(RuleRow.id == newest.c.id, RuleRow.version == newest.c.version))
        .where(RuleRow.document.is_not(None))
        .order_by(RuleRow.id)
    )
    return list((await session.execute(query)).scalars())


async def ids(session: AsyncSession) -> list[str]:
    """Return the ids of the rules that there are, in their order."""
    return [row.id for row in await latest(session)]


async def load_rule(session: AsyncSession, rule: str, version: int | None = None) -> Rule:
    """Return the latest version of a rule, or the one asked for; NotFound if there is none."""
    query = select(RuleRow).where(RuleRow.id == rule).order_by(RuleRow.version.desc()).limit(1)
    if version is not None:
        query = query.where(RuleRow.version == version)
    row = (await session.execute(query)).scalar_one_or_none()
    if row is None or row.document is None:
        raise NotFound(f"no rule {rule!r}" + (f" of version {version}" if version is not None else ""))
    return _read_rule(row)


async def versions(session: AsyncSession, rule: str) -> list[Version]:
    """Return every version of a rule, the newest first."""
    query = select(RuleRow).where(RuleRow.id == rule).order_by(RuleRow.version.desc())
    return [
        Version(
            row.version,
            row.mode,
            row.created_at,
            row.created_by,
            None if row.document is None else msgspec.json.decode(row.document),
        )
        for row in (await session.execute(query)).scalars()
    ]


async def save_rule(session: AsyncSession, rule: Rule, *, now: datetime, by: str) -> int:
    """Write a rule down as a new version and return its number; the same document again keeps its version."""
    await in_turn(session)
    current = await _current(session, rule.id)
    document = _write(rule.document)
    if current is not None and current.document == document:
        return current.version
    return await _add_version(session, rule.id, current, document, rule.mode, now, by)


async def delete_rule(session: AsyncSession, rule: str, *, now: datetime, by: str) -> None:
    """Delete a rule; its versions stay on record. NotFound if there is none."""
    await in_turn(session)
    current = await _current(session, rule)
    if current is None or current.document is None:
        raise NotFound(f"no rule {rule!r}")
    await _add_version(session, rule, current, None, "disabled", now, by)


async def seed(session: AsyncSession, rules: Iterable[Rule], *, now: datetime, by: str = "hallwatch") -> list[str]:
    """Write down those rules of which there never was a version; return their ids. What people changed stays."""
    await in_turn(session)
    known = set((await session.execute(select(RuleRow.id).distinct())).scalars())
    fresh = [rule for rule in rules if rule.id not in known]
    for rule in fresh:
        await _add_version(session, rule.id, None, _write(rule.document), rule.mode, now, by)
    return [rule.id for rule in fresh]


async def _current(session: AsyncSession, rule: str) -> RuleRow | None:
    query = select(RuleRow).where(RuleRow.id == rule).order_by(RuleRow.version.desc()).limit(1)
    return (await session.execute(query)).scalar_one_or_none()


async def _add_version(
    session: AsyncSession,
    rule: str,
    current: RuleRow | None,
    document: str | None,
    mode: str,
    now: datetime,
    by: str,
) -> int:
    version = current.version + 1 if current else 1
    row = {
        "id": rule,
        "version": version,
        "document": document,
        "mode": mode,
        "created_at": now,
        "created_by": by,
        "revision": await revision(session) + 1,
    }
    await session.execute(insert(session, RuleRow), [row])
    return version


def _read_rule(row: RuleRow) -> Rule:
    try:
        return replace(read_rule(msgspec.json.decode(row.document or "null")), version=row.version)
    except BadInput as error:
        raise BadInput(replace(each, file=f"rule {row.id} version {row.version}") for each in error.problems) from None
