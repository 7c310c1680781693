"""Did what should happen happen, and nothing else? Compares a scenario's expectations with what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from core.calendar import Strict
from core.campus import Duration
from core.findings import Severity
from simulators.script import Mark

State = Literal["firing", "resolved"]


class Expectation(Strict):
    """A rule must begin (or stop) holding for a key, at a moment of the scenario."""

    rule: str = Field(min_length=1)
    key: str = Field(min_length=1)
    at: Mark
    within: Duration = timedelta(seconds=2)
    """How far from `at` it may be, before or after."""
    state: State = "firing"
    severity: Severity | None = None


class Pattern(Strict):
    """Findings of a rule: for one key, or for any."""

    rule: str = Field(min_length=1)
    key: str | None = None

    def fits(self, seen: Observed) -> bool:
        """Return whether a finding is one of these."""
        return self.rule == seen.rule and self.key in (None, seen.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A finding, or an alert, as it was seen. `severity` None: not told."""

    rule: str
    key: str
    at: datetime
    state: State = "firing"
    severity: Severity | None = None

    def __str__(self) -> str:
        return f"{self.rule} {self.key} {self.state} at {self.at.isoformat(timespec='seconds')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An expectation with its instant."""

    expectation: Expectation
    at: datetime

    def fits(self, seen: Observed) -> bool:
        """Return whether this is what was expected."""
        wanted = self.expectation
        same = (wanted.rule, wanted.key, wanted.state) == (seen.rule, seen.key, seen.state)
        as_severe = wanted.severity is None or seen.severity in (None, wanted.severity)
        return same and as_severe and abs(seen.at - self.at) <= wanted.within

    def __str__(self) -> str:
        wanted = self.expectation
        severity = f" {wanted.severity}" if wanted.severity else ""
        span = f"{self.at.isoformat(timespec='seconds')} ± {wanted.within.total_seconds():g} s"
        return f"{wanted.rule} {wanted.key} {wanted.state}{severity} at {span}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was met, what never came, and what came though nobody expected it."""

    met: tuple[Wanted, ...]
    missed: tuple[Wanted, ...]
    unwanted: tuple[Observed, ...]

    @property
    def passed(self) -> bool:
        """Whether everything came, and nothing else."""
        return not self.missed and not self.unwanted

    def lines(self) -> Iterator[str]:
        """Yield the verdict as a person reads it, one line each."""
        yield from (f"ok        {each}" for each in self.met)
        yield from (f"missing   {each}" for each in self.missed)
        yield from (f"unwanted  {each}" for each in self.unwanted)


def judge(
    wanted: Sequence[Wanted],
    observed: Iterable[Observed],
    *,
    forbidden: Sequence[Pattern] = (),
    allowed: Sequence[Pattern] = (),
) -> Verdict:
    """Return the verdict. Each finding meets one expectation at most.

    A finding beyond the expected ones is unwanted where it is forbidden, or begins for a rule and key of which
    nothing was expected and that is not allowed.
    """
    left = sorted(observed, key=lambda seen: seen.at)
    met: list[Wanted] = []
    missed: list[Wanted] = []
    for each in sorted(wanted, key=lambda one: one.at):
        found = next((seen for seen in left if each.fits(seen)), None)
        if found is None:
            missed.append(each)
        else:
            left.remove(found)
            met.append(each)
    known = {(each.expectation.rule, each.expectation.key) for each in wanted}

    def is_unwanted(seen: Observed) -> bool:
        if seen.state != "firing":
            return False
        if any(pattern.fits(seen) for pattern in forbidden):
            return True
        return (seen.rule, seen.key) not in known and not any(pattern.fits(seen) for pattern in allowed)

    return Verdict(tuple(met), tuple(missed), tuple(seen for seen in left if is_unwanted(seen)))
