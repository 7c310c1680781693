"""What a change costs: the past judged again by other values of a rule's parameters, all of them in one pass.

The same engine as in service hears every message once; each value is a rule of its own in it, so that a sweep pays
for reading the past, and for keeping what is true, a single time. Pure: the messages are handed in, and so are the
alerts that people have found to be real.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from core.campus import Campus, nearest, problems_of, write_duration
from core.errors import BadInput, Problem
from core.findings import Finding
from core.messages import Message
from rules.document import Param
from rules.engine import Engine
from rules.rule import Rule, read_rule, with_params

LATENESS: Final = timedelta(seconds=1)
WARM_UP: Final = timedelta(hours=24)
"""So much of the time before is heard too, so that a door that stands open is known to; nothing in it is counted."""
MAX_VALUES: Final = 20
"""So many values one sweep prices."""
MAX_MISSED: Final = 200
"""So many alerts are named for each value; there may be more, and `missed_count` says so."""
_DAY: Final = timedelta(days=1)
_TRUTH: Final = {"true": True, "false": False}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that people found to be real: what a change must not lose."""

    id: int
    code: str
    campus: str
    key: str
    began_at: datetime
    ended_at: datetime | None = None


class Missed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A real alert that would not have come, or would have come later by so much."""

    id: int
    code: str
    campus: str
    key: str
    began_at: datetime
    later_by: str | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What one value costs, and what it would have lost."""

    params: dict[str, Any]
    """As they are written; the swept and set ones, or all."""
    findings: int
    alerts_per_day: float
    missed_real: list[Missed]
    missed_count: int
    delayed_real: list[Missed]
    trouble: str = ""
    """What went wrong with the rule on the way; empty: nothing."""


@dataclass(slots=True)
class Spell:
    """A stretch of time in which a rule held for one key."""

    campus: str
    key: str
    start: datetime
    end: datetime | None = None

    def meets(self, start: datetime, end: datetime | None) -> bool:
        """Return whether it shares an instant with another stretch; without an end it goes on."""
        return (end is None or self.start <= end) and (self.end is None or start <= self.end)


# --------------------------------------------------------------------------------------------------- the values
def read_text(rule: Rule, name: str, text: str) -> Any:
    """Return a value as it is typed (`90s`, `7`, `true`) in the form its parameter has; BadInput if it has none."""
    declared = _declared(rule, name, name)
    if declared.type == "int":
        try:
            return int(text)
        except ValueError:
            raise BadInput([Problem(f"{text!r} is no whole number", where=name)]) from None
    if declared.type == "bool":
        if text not in _TRUTH:
            raise BadInput([Problem(f"{text!r} is neither true nor false", where=name)])
        return _TRUTH[text]
    return text


def set_params(rule: Rule, values: Mapping[str, Any], where: str = "params") -> Rule:
    """Return the rule with other defaults for some parameters; BadInput names each that is unknown or out of bounds."""
    problems: list[Problem] = []
    for name, value in values.items():
        place = f"{where}.{name}"
        try:
            _declared(rule, name, place).read(value, name)
        except BadInput as error:
            problems += error.problems
        except ValueError as error:
            problems.append(Problem(str(error).partition(": ")[2], where=place))
    if problems:
        raise BadInput(problems)
    return with_params(rule, values) if values else rule


def tuned_to(rule: Rule, values: Mapping[str, Any]) -> Rule:
    """Return the rule with other defaults for good. Its own tests go on by the values they were written for."""
    tuned = set_params(rule, values)
    if not rule.tests:
        return tuned
    before = {name: rule.document["params"][name]["default"] for name in values}
    written = rule.document["tests"]
    scenarios = [{"steps": written}] if any("at" in each for each in written) else written
    pinned = [{**each, "params": {**before, **each.get("params", {})}} for each in scenarios]
    return replace(read_rule({**tuned.document, "tests": pinned}), version=rule.version)


def _declared(rule: Rule, name: str, where: str) -> Param:
    declared: Mapping[str, Any] = rule.document.get("params", {})
    if name not in declared:
        hint = nearest(name, set(declared)) if declared else "; it has none"
        raise BadInput([Problem(f"rule {rule.id!r} has no such parameter{hint}", where=where)])
    try:
        return Param.model_validate(declared[name])
    except ValidationError as error:
        raise BadInput(problems_of(error)) from None


def variants(
    rule: Rule, params: Mapping[str, Any], sweep: Mapping[str, Sequence[Any]]
) -> list[tuple[dict[str, Any], Rule]]:
    """Return the rule in every form that is to be priced, each with the values that make it.

    It is priced as if it were live, whatever its mode. Several swept parameters are combined. Raises BadInput.
    """
    for name, values in sweep.items():
        if not values:
            raise BadInput([Problem("names no value", where=f"sweep.{name}")])
    combined = list(itertools.product(*sweep.values()))
    if len(combined) > MAX_VALUES:
        raise BadInput([Problem(f"at most {MAX_VALUES} values at once; these are {len(combined)}", where="sweep")])
    base = replace(set_params(rule, params), mode="live")
    found: list[tuple[dict[str, Any], Rule]] = []
    for values in combined:
        chosen = dict(zip(sweep, values, strict=True))
        found.append(({**params, **chosen}, set_params(base, chosen, "sweep")))
    return [(chosen, replace(each, mode="live")) for chosen, each in found]


# ----------------------------------------------------------------------------------------------------- the pass
class Backtest:
    """One pass over the past. Hand it the messages in order of receipt, then ask for the prices.

    `companions` are the other rules: they run too where the priced one counts alerts.
    """

    def __init__(
        self,
        campuses: Iterable[Campus],
        forms: Sequence[tuple[dict[str, Any], Rule]],
        *,
        since: datetime,
        until: datetime,
        companions: Sequence[Rule] = (),
        lateness: timedelta = LATENESS,
    ) -> None:
        self.since = since
        self.until = until
        self._lateness = lateness
        self._forms = forms
        self._numbered = {f"{rule.id}~{number}": number for number, (_, rule) in enumerate(forms)}
        rules = [replace(rule, id=name) for name, (_, rule) in zip(self._numbered, forms, strict=True)]
        beside = beside_it(forms[0][1], companions)
        self._engines = {
            campus.id: Engine(campus, [*rules, *beside], started=self.begins - lateness) for campus in campuses
        }
        self._spells: list[list[Spell]] = [[] for _ in forms]
        self._open: dict[tuple[int, str, str], Spell] = {}
        self.messages = 0

    @property
    def begins(self) -> datetime:
        """From when on messages are to be handed in: a while before what is priced."""
        return self.since - WARM_UP

    def accept(self, message: Message) -> None:
        """Take in the next message; one of a campus that is not there any more is left out."""
        engine = self._engines.get(message.campus)
        if engine is None:
            return
        self.messages += 1
        for found in (engine.advance(message.received_at - self._lateness), engine.accept(message)):
            if found:
                self._note(found)

    def finish(self) -> None:
        """Let time go on to the end of the span."""
        for engine in self._engines.values():
            self._note(engine.advance(self.until - self._lateness))

    def _note(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            number = self._numbered.get(finding.rule)
            if number is None or finding.exercise != "live" or finding.mode != "live":
                continue
            place = (number, finding.campus, finding.key)
            if finding.state == "resolved":
                if place in self._open:
                    self._open.pop(place).end = finding.at
            elif place not in self._open:
                self._open[place] = spell = Spell(finding.campus, finding.key, finding.at)
                self._spells[number].append(spell)

    def spells(self, number: int = 0) -> list[Spell]:
        """Return when one of the forms held within the span, in the order in which it was found."""
        return [each for each in self._spells[number] if each.meets(self.since, self.until)]

    def prices(self, known: Sequence[Known] = ()) -> list[Price]:
        """Return what each form costs, in the order of the forms."""
        return [self._price(number, chosen, rule, known) for number, (chosen, rule) in enumerate(self._forms)]

    def _price(self, number: int, chosen: dict[str, Any], rule: Rule, known: Sequence[Known]) -> Price:
        begun = sum(1 for each in self._spells[number] if self.since <= each.start < self.until)
        missed, delayed = judge_known(self.spells(number), known)
        name = f"{rule.id}~{number}"
        troubles = [engine.health[name] for engine in self._engines.values() if name in engine.health]
        return Price(
            params=chosen or {each: said["default"] for each, said in rule.document.get("params", {}).items()},
            findings=begun,
            alerts_per_day=round(begun / max((self.until - self.since) / _DAY, 1 / 24), 3),
            missed_real=missed[:MAX_MISSED],
            missed_count=len(missed),
            delayed_real=delayed[:MAX_MISSED],
            trouble="; ".join(dict.fromkeys(troubles)),
        )


def beside_it(rule: Rule, companions: Iterable[Rule]) -> list[Rule]:
    """Return the other rules that must run too for a rule to hear all it listens for: those whose alerts it counts."""
    if not any(kind.startswith("alert.") for kind in rule.operator.kinds):
        return []
    return [each for each in companions if each.id != rule.id]


def judge_known(spells: Sequence[Spell], known: Sequence[Known]) -> tuple[list[Missed], list[Missed]]:
    """Return which real alerts would not have come, and which would have come later.

    An alert is found again if the rule held for its key at any instant of the stretch in which the alert was true.
    """
    by_place: dict[tuple[str, str], list[Spell]] = {}
    for spell in spells:
        by_place.setdefault((spell.campus, spell.key), []).append(spell)
    missed: list[Missed] = []
    delayed: list[Missed] = []
    for alert in known:
        here = [s for s in by_place.get((alert.campus, alert.key), ()) if s.meets(alert.began_at, alert.ended_at)]
        if not here:
            missed.append(_missed(alert))
        elif (first := min(each.start for each in here)) > alert.began_at:
            delayed.append(_missed(alert, write_duration(first - alert.began_at)))
    return missed, delayed


def _missed(alert: Known, later_by: str | None = None) -> Missed:
    return Missed(
        id=alert.id,
        code=alert.code,
        campus=alert.campus,
        key=alert.key,
        began_at=alert.began_at,
        later_by=later_by,
    )


# -------------------------------------------------------------------------------------------------- side by side
class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Something that one form of a rule found and the other did not."""

    campus: str
    key: str
    began_at: datetime
    ended_at: datetime | None


def gained_and_lost(draft: Sequence[Spell], live: Sequence[Spell]) -> tuple[list[Difference], list[Difference]]:
    """Return what a draft found and the live version did not, and the other way about."""
    return _only_in(draft, live), _only_in(live, draft)


def _only_in(these: Sequence[Spell], those: Sequence[Spell]) -> list[Difference]:
    there: dict[tuple[str, str], list[Spell]] = {}
    for each in those:
        there.setdefault((each.campus, each.key), []).append(each)
    return [
        Difference(campus=each.campus, key=each.key, began_at=each.start, ended_at=each.end)
        for each in these
        if not any(other.meets(each.start, each.end) for other in there.get((each.campus, each.key), ()))
    ]
