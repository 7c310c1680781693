"""Did what should happen happen, and nothing else? Compares a scenario's expectations with what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from pydantic import Field, model_validator

from core.calendar import Strict
from core.campus import Duration, Id
from core.findings import Severity
from simulators.script import Mark

State = Literal["firing", "resolved", "told", "quiet", "acknowledged", "on_scene", "closed"]
STATES: Final[tuple[State, ...]] = get_args(State)
FOUND: Final[tuple[State, ...]] = ("firing", "resolved")
"""What a rule finds; the rest is what becomes of its alert, which no replay of messages knows."""
TELLING: Final[tuple[State, ...]] = ("told", "quiet")
"""A notice goes out, or is kept back; a test tells nobody."""


class Expectation(Strict):
    """A rule must begin (or stop) holding for a key, or something become of its alert, at a moment of the scenario."""

    rule: str = Field(min_length=1)
    key: str = Field(min_length=1)
    at: Mark
    within: Duration = timedelta(seconds=2)
    """How far from `at` it may be, before or after."""
    state: State = "firing"
    severity: Severity | None = None
    told: tuple[Id, ...] = ()
    """People of the campus who must be told of it, sooner or later; in the state `told`, in that very notice. (A test
    tells nobody; a drill does.)
    """
    why: str | None = None
    """In the state `quiet`: for which reason, as `maintenance` or `cooldown`; left out, for any."""


class Pattern(Strict):
    """Findings of a rule, for a key, of a severity; what is left out may be any."""

    rule: str | None = Field(default=None, min_length=1)
    key: str | None = None
    severity: Severity | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Pattern:
        if self == Pattern.model_construct():
            raise ValueError("one of rule, key, severity is required")
        return self

    def fits(self, seen: Observed) -> bool:
        """Return whether a finding is one of these."""
        same = self.rule in (None, seen.rule) and self.key in (None, seen.key)
        return same and (self.severity is None or seen.severity in (None, self.severity))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A finding, or an alert, as it was seen. `severity` None: not told; `told` None: nobody asked who was told."""

    rule: str
    key: str
    at: datetime
    state: State = "firing"
    severity: Severity | None = None
    told: frozenset[str] | None = None
    why: str | None = None

    def __str__(self) -> str:
        return f"{self.rule} {self.key} {self.state} at {self.at.isoformat(timespec='seconds')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An expectation with its instant."""

    expectation: Expectation
    at: datetime

    def fits(self, seen: Observed) -> bool:
        """Return whether this is what was expected, in time."""
        return self.resembles(seen) and abs(seen.at - self.at) <= self.expectation.within

    def resembles(self, seen: Observed) -> bool:
        """Return whether this is what was expected, whenever it came."""
        wanted = self.expectation
        same = (wanted.rule, wanted.key, wanted.state) == (seen.rule, seen.key, seen.state)
        same = same and wanted.why in (None, seen.why)
        return same and (wanted.severity is None or seen.severity in (None, wanted.severity))

    def untold(self, seen: Observed) -> tuple[str, ...]:
        """Return who should have been told, and was not; nobody where that was not asked."""
        told = seen.told
        return () if told is None else tuple(each for each in self.expectation.told if each not in told)

    def __str__(self) -> str:
        wanted = self.expectation
        severity = f" {wanted.severity}" if wanted.severity else ""
        span = f"{self.at.isoformat(timespec='seconds')} ± {wanted.within.total_seconds():g} s"
        return f"{wanted.rule} {wanted.key} {wanted.state}{severity} at {span}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """An expectation and what met it; `untold` are the people who should have been told."""

    wanted: Wanted
    seen: Observed
    untold: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was met, what came too late, what never came, and what came though nobody expected it."""

    met: tuple[Met, ...]
    late: tuple[Met, ...] = ()
    missed: tuple[Wanted, ...] = ()
    unwanted: tuple[Observed, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything came in time, everybody was told, and nothing else came."""
        return not (self.missed or self.unwanted or self.late) and not any(each.untold for each in self.met)

    def lines(self) -> Iterator[str]:
        """Yield the verdict as a person reads it, one line each."""
        for each in self.met:
            yield (
                f"untold    {each.wanted}: not {', '.join(each.untold)}" if each.untold else f"ok        {each.wanted}"
            )
        yield from (f"late      {each.wanted}, came at {_clock(each.seen.at)}" for each in self.late)
        yield from (f"missing   {wanted}" for wanted in self.missed)
        yield from (f"unwanted  {seen}" for seen in self.unwanted)

    def first_trouble(self) -> tuple[datetime, str] | None:
        """Return the moment and the key at which what happened first differs from what was expected; None: nowhere."""
        wrong = [(each.wanted.at, each.wanted.expectation.key) for each in (*self.met, *self.late) if each.untold]
        wrong += [(each.wanted.at, each.wanted.expectation.key) for each in self.late]
        wrong += [(each.at, each.expectation.key) for each in self.missed]
        wrong += [(each.at, each.key) for each in self.unwanted]
        return min(wrong, default=None)


def judge(
    wanted: Sequence[Wanted],
    observed: Iterable[Observed],
    *,
    forbidden: Sequence[Pattern] = (),
    allowed: Sequence[Pattern] = (),
) -> Verdict:
    """Return the verdict. Each finding meets one expectation at most.

    What comes after its time is late. A finding beyond the expected ones is unwanted where it is forbidden, or begins
    for a rule and key of which nothing was expected and that is not allowed.
    """
    left = sorted(observed, key=lambda seen: seen.at)
    due = sorted(wanted, key=lambda one: one.at)
    met, unmet = _pair(due, left, lambda one, seen: one.fits(seen))
    late, missed = _pair(unmet, left, lambda one, seen: one.resembles(seen) and seen.at > one.at)
    known = {(each.expectation.rule, each.expectation.key) for each in wanted}

    def is_unwanted(seen: Observed) -> bool:
        if seen.state != "firing":
            return False
        if any(pattern.fits(seen) for pattern in forbidden):
            return True
        return (seen.rule, seen.key) not in known and not any(pattern.fits(seen) for pattern in allowed)

    unwanted = tuple(seen for seen in left if is_unwanted(seen))
    return Verdict(met=tuple(met), late=tuple(late), missed=tuple(missed), unwanted=unwanted)


def _pair(
    due: Sequence[Wanted], left: list[Observed], fits: Callable[[Wanted, Observed], bool]
) -> tuple[list[Met], list[Wanted]]:
    """Take the first finding that fits each expectation out of `left`; return the pairs, and what stays alone."""
    met: list[Met] = []
    alone: list[Wanted] = []
    for each in due:
        found = next((seen for seen in left if fits(each, seen)), None)
        if found is None:
            alone.append(each)
        else:
            left.remove(found)
            met.append(Met(wanted=each, seen=found, untold=each.untold(found)))
    return met, alone


def _clock(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
