"""`hallwatch backtest`: what other values of a rule's parameters would have cost, from the journal in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from api import tuning
from app import documents
from app.store import Store
from core import registry
from core.campus import Campus, read_duration
from core.errors import BadInput, Problem
from rules import backtest, past, store
from rules.rule import Rule


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be priced, as it was typed."""

    rule: str
    """The id of a rule in the database, or a file with a draft."""
    since: str | None = None
    until: str | None = None
    set: Sequence[str] = ()
    sweep: Sequence[str] = ()


async def run(opened: Store, question: Question, out: Console, err: Console, *, as_json: bool) -> int:
    """Price, and print what it costs."""
    async with opened.database.reading() as session:
        campuses = await registry.load_all(session, opened.vault)
        rule = await _rule(session, question.rule)
        since, until = _span(question, campuses, opened.clock.now())
        params = dict(_pair(rule, each, "--set") for each in question.set)
        sweep = dict(_list(rule, each) for each in question.sweep)
        forms = backtest.variants(rule, params, sweep)
        known = await tuning.real_alerts(session, rule.id, since, until)
        companions = [each.rule() for each in await tuning.companions(session, rule)]
        with _bar(err) as progress:
            prices = await past.price(
                session,
                campuses,
                forms,
                since=since,
                until=until,
                known=known,
                companions=companions,
                progress=progress,
            )
    if as_json:
        out.file.write(msgspec.json.encode(tuning.as_answer(rule, since, until, prices)).decode() + "\n")
        return 0
    out.print(_table(prices, sweep, len(known)))
    for each in prices:
        for missed in each.missed_real:
            said = _said(each.params, sweep)
            out.print(f"{said} would have missed {missed.code} at {missed.key}, {missed.began_at:%Y-%m-%d %H:%M} UTC")
        if each.trouble:
            err.print(f"{_said(each.params, sweep)}: {each.trouble}")
    return 0


async def _rule(session: AsyncSession, named: str) -> Rule:
    path = Path(named)
    if path.suffix not in (".yaml", ".yml", ".json"):
        return await store.load_rule(session, named)
    found = await asyncio.to_thread(documents.read, [path])
    if len(found.rules) != 1:
        raise BadInput([Problem(f"must hold one rule, holds {found.summary}", file=named)])
    return found.rules[0]


def _span(question: Question, campuses: Sequence[Campus], now: datetime) -> tuple[datetime, datetime]:
    until = now if question.until is None else _instant(question.until, "--until", campuses, now)
    if question.since is None:
        return until - tuning.USUAL_SPAN, until
    return _instant(question.since, "--since", campuses, now), until


def _instant(text: str, where: str, campuses: Sequence[Campus], now: datetime) -> datetime:
    """Return the moment that `2026-11-01T00:00` (campus time), a time with an offset, or `7d` (so long ago) means."""
    try:
        return now - read_duration(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput([Problem(f"{text!r} is no time; write 2026-11-01T00:00 or 7d", where=where)]) from None
    if found.tzinfo is not None:
        return found
    if len({campus.campus.timezone for campus in campuses}) != 1:
        raise BadInput(
            [Problem("needs an offset: the campuses are in several time zones, or there is none", where=where)]
        )
    return campuses[0].instant(found)


def _pair(rule: Rule, text: str, where: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise BadInput([Problem(f"{text!r} must be PARAMETER=VALUE", where=where)])
    return name, backtest.read_text(rule, name, value)


def _list(rule: Rule, text: str) -> tuple[str, list[Any]]:
    name, sign, values = text.partition("=")
    if not sign or not values:
        raise BadInput([Problem(f"{text!r} must be PARAMETER=VALUE,VALUE,…", where="--sweep")])
    return name, [backtest.read_text(rule, name, each.strip()) for each in values.split(",")]


@contextmanager
def _bar(err: Console) -> Iterator[Callable[[float], None]]:
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("judging the past", total=1.0)
        yield lambda part: progress.update(task, completed=part)


def _table(prices: Sequence[backtest.Price], sweep: dict[str, list[Any]], known: int) -> Table:
    table = Table(", ".join(sweep) or "parameters", box=None, pad_edge=False)
    for title in ("findings", "a day", f"real missed, of {known}", "real later"):
        table.add_column(title, justify="right")
    for each in prices:
        figures = (each.findings, f"{each.alerts_per_day:g}", each.missed_count, len(each.delayed_real))
        table.add_row(_said(each.params, sweep), *map(str, figures))
    return table


def _said(params: dict[str, Any], sweep: dict[str, list[Any]]) -> str:
    if sweep:
        return ", ".join(str(params[name]) for name in sweep)
    return ", ".join(f"{name}={value}" for name, value in params.items()) or "as it is"
