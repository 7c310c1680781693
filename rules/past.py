"""The past judged again, out of the journal: read in pieces, in order of receipt, one message in memory at a time.

The orders say all that is needed, so that another process can carry them out (`rules.aside`): judging a month takes
a processor for seconds, and what is live must not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from core import journal
from core.campus import Campus, problems_of
from core.errors import BadInput, Problem
from rules import backtest, trial
from rules.backtest import Backtest, Difference, Known, Price, Spell
from rules.rule import Rule, read_rule
from rules.why import Account, Witness

MAX_SPAN: Final = timedelta(days=400)
"""No longer time is judged again in one go; the journal keeps less by default."""
Progress = Callable[[float], None]
"""Told how far it is, from 0 to 1."""


def _silent(_part: float) -> None:
    """Nobody watches."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it goes to another process."""

    document: dict[str, Any]
    version: int = 1

    @classmethod
    def of(cls, rule: Rule) -> Written:
        """Return a rule in this form."""
        return cls(document=dict(rule.document), version=rule.version)

    def rule(self) -> Rule:
        """Return the rule."""
        return replace(read_rule(self.document), version=self.version)


class Order(msgspec.Struct, frozen=True, kw_only=True, tag_field="order"):
    """Something to find out about the past, by one rule, on some campuses."""

    database_url: str
    campuses: list[dict[str, Any]]
    """As in their files, without endpoints: nobody is told anything here."""
    rule: Written
    companions: list[Written] = []
    since: datetime
    until: datetime


class PriceOrder(Order, frozen=True, kw_only=True, tag="price"):
    """Find out what values of the rule's parameters cost."""

    params: dict[str, Any] = {}
    sweep: dict[str, list[Any]] = {}
    known: list[Known] = []


class WhyOrder(Order, frozen=True, kw_only=True, tag="why"):
    """Find out why the rule held for a key at a moment, or why not."""

    key: str
    at: datetime


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a draft held, as it was recorded."""

    campus: str
    key: str
    start: datetime
    end: datetime | None = None


class CompareOrder(Order, frozen=True, kw_only=True, tag="compare"):
    """Find out what a draft found and the rule would not have, and the other way about."""

    draft: list[Stretch]


class ProveOrder(msgspec.Struct, frozen=True, kw_only=True, tag_field="order", tag="prove"):
    """Run the rule's own tests."""

    rule: Written


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What a draft gains and loses against the rule as it was live."""

    gained: list[Difference]
    lost: list[Difference]
    both: int


AnyOrder = PriceOrder | WhyOrder | CompareOrder | ProveOrder


def check_span(since: datetime, until: datetime, longest: timedelta = MAX_SPAN) -> None:
    """Raise BadInput where a time cannot be judged again."""
    if since >= until:
        raise BadInput([Problem("must be later than since", where="until")])
    if until - since > longest:
        raise BadInput([Problem(f"lies more than {longest.days} days before until", where="since")])


async def price(
    session: AsyncSession,
    campuses: Sequence[Campus],
    forms: Sequence[tuple[dict[str, Any], Rule]],
    *,
    since: datetime,
    until: datetime,
    known: Sequence[Known] = (),
    companions: Sequence[Rule] = (),
    progress: Progress = _silent,
) -> list[Price]:
    """Return what each form of a rule costs in [since, until), all of them in one pass over the journal."""
    found = await _pass(session, campuses, forms, companions, since, until, progress)
    return found.prices(known)


async def _pass(
    session: AsyncSession,
    campuses: Sequence[Campus],
    forms: Sequence[tuple[dict[str, Any], Rule]],
    companions: Sequence[Rule],
    since: datetime,
    until: datetime,
    progress: Progress = _silent,
) -> Backtest:
    check_span(since, until)
    found = Backtest(campuses, forms, since=since, until=until, companions=companions)
    whole = (until - found.begins).total_seconds()
    async for message in journal.between(session, found.begins, until, campus=_only(campuses)):
        found.accept(message)
        if not found.messages % 5000:
            progress((message.received_at - found.begins).total_seconds() / whole)
    found.finish()
    progress(1.0)
    return found


def _only(campuses: Sequence[Campus]) -> str | None:
    return campuses[0].id if len(campuses) == 1 else None


async def account(
    session: AsyncSession,
    campus: Campus,
    rule: Rule,
    key: str,
    at: datetime,
    *,
    since: datetime,
    until: datetime,
    companions: Sequence[Rule] = (),
) -> Account:
    """Return why a rule held for a key at a moment, or why not, by the messages received in [since, until)."""
    witness = Witness(campus, rule, key, at, since=since, companions=companions)
    async for message in journal.between(session, since, until, campus=campus.id):
        witness.hear(message)
    return witness.account(until)


async def compare(
    session: AsyncSession,
    campuses: Sequence[Campus],
    live: Rule,
    draft: Iterable[Stretch],
    *,
    since: datetime,
    until: datetime,
    companions: Sequence[Rule] = (),
) -> Compared:
    """Return what a draft found and the rule would not have found in the same time, and the other way about."""
    there = (await _pass(session, campuses, backtest.variants(live, {}, {}), companions, since, until)).spells()
    return compared([Spell(each.campus, each.key, each.start, each.end) for each in draft], there)


def compared(draft: Sequence[Spell], live: Sequence[Spell]) -> Compared:
    """Return what two forms of a rule have in common, and what each has alone."""
    gained, lost = backtest.gained_and_lost(draft, live)
    return Compared(gained=gained, lost=lost, both=len(draft) - len(gained))


async def carry_out(session: AsyncSession, order: PriceOrder | WhyOrder | CompareOrder) -> Any:
    """Return what an order asks for, as plain values; raises BadInput where it cannot be."""
    campuses = [_campus(each) for each in order.campuses]
    rule = order.rule.rule()
    span: dict[str, Any] = {"since": order.since, "until": order.until}
    span["companions"] = [each.rule() for each in order.companions]
    if isinstance(order, PriceOrder):
        forms = backtest.variants(rule, order.params, order.sweep)
        return await price(session, campuses, forms, known=order.known, **span)
    if isinstance(order, CompareOrder):
        return await compare(session, campuses, rule, order.draft, **span)
    return await account(session, campuses[0], rule, order.key, order.at, **span)


def prove(order: ProveOrder) -> list[Problem]:
    """Return what is wrong with a rule by its own tests."""
    return trial.run_tests(order.rule.rule())


def _campus(plain: dict[str, Any]) -> Campus:
    try:
        return Campus.model_validate(plain)
    except ValidationError as error:
        raise BadInput(problems_of(error)) from None
