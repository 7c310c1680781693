"""The way of every change of a rule: read, proved, warned of, saved and put on record, or refused with the reason.

What takes time, the rule's own tests, is done before the transaction; if the rule was changed meanwhile, nothing is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Header, Request
from sqlalchemy.ext.asyncio import AsyncSession

from api import warnings
from api.access import Caller
from api.deps import Administrator, House, InHouse, Now
from api.etags import Changed
from core import audit, documents
from core.database import in_turn
from core.documents import Document
from core.errors import BadInput, Conflict, NotFound, Problem
from rules import store, trial
from rules.aside import Aside
from rules.document import Override
from rules.past import ProveOrder, Written
from rules.rule import Rule, read_rule

LONGEST: Final = timedelta(days=366)
"""No override holds for longer."""
LONGEST_OFF: Final = timedelta(days=31)
"""No life-safety rule is off for longer."""
LIGHT_TESTS: Final = 50
LIGHT_SPAN: Final = timedelta(days=1)
"""Tests beyond these are run in a process of their own, which can be ended."""


def the_aside(request: Request) -> Aside:
    """Return the one place of this service where the past is judged."""
    state = request.app.state
    if not hasattr(state, "aside"):
        state.aside = Aside()
    found: Aside = state.aside
    return found


InAside = Annotated[Aside, Depends(the_aside)]


async def the_document(request: Request) -> Document:
    """Return the rule document that the body holds: JSON, or YAML, of which the lines are known."""
    body = await request.body()
    if "yaml" in request.headers.get("content-type", ""):
        found = documents.parse(body)
        if len(found) != 1:
            raise BadInput("the body must hold one document")
        return found[0]
    try:
        return Document(msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInput(f"the body is not JSON: {error}") from None


InBody = Annotated[Document, Depends(the_document)]
DOCUMENT_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "object", "description": "A rule; see `/api/v1/rules` and docs/rules.md."}}
            for kind in ("application/json", "application/yaml")
        },
    }
}


@dataclass(frozen=True, slots=True)
class Saved:
    """A rule as it is in force now, and what is surprising about it."""

    rule: Rule
    warnings: list[Problem]


@dataclass(frozen=True, slots=True)
class Pencil:
    """Changes rules on behalf of one request."""

    house: House
    caller: Caller
    now: datetime
    aside: Aside
    if_match: str | None

    async def change(
        self,
        rule: str,
        make: Callable[[Rule | None], Any],
        *,
        action: str,
        detail: Mapping[str, Any] | None = None,
        proves: bool = False,
    ) -> Saved:
        """Save what `make` makes of the present version (None: there is none), and put it on record.

        `proves`: the rule's own tests are run first; they need not be where only its values or its mode change.
        Raises BadInput with what is wrong, Changed where the caller speaks of another version, Conflict where the
        change is not allowed, and whatever `make` raises.
        """
        async with self.house.database.reading() as session:
            before = await present(session, rule)
        self._check_version(rule, before.version)
        after = await self.checked(make(before.rule), proves=proves)
        self._check_allowed(before.rule, after)
        async with self.house.database.transaction() as session:
            await in_turn(session)
            if (await present(session, rule)).version != before.version:
                late = "the rule was changed meanwhile; look at it again"
                raise Conflict(late) if self.if_match is None else Changed(late)
            version = await store.save_rule(session, after, now=self.now, by=self.caller.actor)
            if version != before.version:
                differs = changed(before.rule.document if before.rule else {}, after.document)
                said = {"version": version, "was": before.version, "changed": differs, **(detail or {})}
                await self._record(session, rule, action, said)
            saved = await store.load_rule(session, rule)
        self._tell()
        return Saved(saved, self.warnings(saved))

    async def delete(self, rule: str) -> None:
        """Delete a rule; its versions stay on record."""
        async with self.house.database.transaction() as session:
            await in_turn(session)
            before = await present(session, rule)
            self._check_version(rule, before.version)
            self._check_allowed(before.rule, None)
            await store.delete_rule(session, rule, now=self.now, by=self.caller.actor)
            await self._record(session, rule, "rule.delete", {"was": before.version})
        self._tell()

    async def checked(self, document: Any, *, proves: bool) -> Rule:
        """Return the rule that a document describes; BadInput says everything that is wrong, its own tests included."""
        source = document if isinstance(document, Document) else Document(document)
        try:
            rule = await asyncio.to_thread(read_rule, source.data)
            if proves:
                await self._run_tests(replace(rule, mode="live"))
        except BadInput as bad:
            raise BadInput(source.locate(bad.problems) if source.lines else bad.problems) from None
        problems = list(_overlong(rule, self.now))
        if problems:
            raise BadInput(problems)
        return rule

    async def _run_tests(self, rule: Rule) -> None:
        span = sum((each.steps[-1].at for each in rule.tests), timedelta(0))
        if len(rule.tests) > LIGHT_TESTS or span > LIGHT_SPAN:
            live = Written(document={**rule.document, "mode": rule.mode})
            await self.aside.ask(ProveOrder(rule=live))
            return
        problems = await asyncio.to_thread(trial.run_tests, rule)
        if problems:
            raise BadInput(problems)

    def warnings(self, rule: Rule) -> list[Problem]:
        """Return what is surprising about a rule on the campuses there are."""
        return warnings.of_rule(rule, self.house.campuses().values(), self.now)

    def _check_version(self, rule: str, version: int | None) -> None:
        if self.if_match is None:
            return
        wanted = {each.strip().removeprefix("W/").strip('"') for each in self.if_match.split(",")}
        if version is None or ("*" not in wanted and str(version) not in wanted):
            is_now = f"is at version {version} now" if version else "does not exist"
            raise Changed(f"rule {rule!r} {is_now}; you speak of {self.if_match}")

    def _check_allowed(self, before: Rule | None, after: Rule | None) -> None:
        if before is None or before.mode != "live" or not is_life_safety(before):
            return
        if after is None or after.mode != "live":
            raise Conflict(
                f"{before.id} is a life-safety rule: it is switched off only for a while, for a reason; "
                'send an override with "mode", "until" and "reason"'
            )

    async def _record(self, session: AsyncSession, rule: str, action: str, detail: dict[str, Any]) -> None:
        subject = f"rule:{rule}"
        await audit.record(session, at=self.now, actor=self.caller.actor, action=action, subject=subject, detail=detail)

    def _tell(self) -> None:
        self.house.news.set()
        self.house.committed()


def the_pencil(
    house: InHouse,
    caller: Administrator,
    now: Now,
    aside: InAside,
    if_match: Annotated[str | None, Header(max_length=200, description="The version that is to be changed.")] = None,
) -> Pencil:
    """Return what changes rules for this request."""
    return Pencil(house, caller, now, aside, if_match)


InPencil = Annotated[Pencil, Depends(the_pencil)]


def is_life_safety(rule: Rule) -> bool:
    """Return whether a rule's findings may be extreme: act now."""
    return any(rung.severity == "extreme" for rung in rule.ladder)


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the keys in which two documents differ."""
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _overlong(rule: Rule, now: datetime) -> Iterator[Problem]:
    """Yield the overrides that as good as never end."""
    overrides = [each for each in rule.exemptions if isinstance(each.document, Override)]
    for number, each in enumerate(overrides):
        assert isinstance(each.document, Override)
        off = each.mode in ("shadow", "disabled") and is_life_safety(rule)
        longest = LONGEST_OFF if off else LONGEST
        until = each.document.until
        # A time without an offset is the campus's own; a day does not matter here.
        if until.replace(tzinfo=until.tzinfo or now.tzinfo) > now + longest + timedelta(days=1):
            why = "a life-safety rule is off" if off else "an override holds"
            yield Problem(f"{why} for {longest.days} days at most", where=f"overrides[{number}].until")


def standing(rule: Rule, now: datetime) -> list[Any]:
    """Return the overrides of a rule's document that are not over yet, as they are written."""
    overrides = [each.document for each in rule.exemptions if isinstance(each.document, Override)]
    written = rule.document.get("overrides", ())
    return [said for said, read in zip(written, overrides, strict=True) if not _is_over(read.until, now)]


def _is_over(until: datetime, now: datetime) -> bool:
    # A time without an offset is the campus's own: only a day later is it over everywhere.
    return until <= now if until.tzinfo else until.replace(tzinfo=now.tzinfo) + timedelta(days=1) <= now


@dataclass(frozen=True, slots=True)
class Present:
    """The version in force; `rule` is None where there is none, or where it can no longer be read."""

    version: int | None = None
    rule: Rule | None = None


async def present(session: AsyncSession, rule: str) -> Present:
    """Return the version of a rule that is in force."""
    try:
        found = await store.load_rule(session, rule)
    except NotFound:
        return Present()
    except BadInput:
        return Present((await store.versions(session, rule))[0].version)
    return Present(found.version, found)
