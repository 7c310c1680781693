"""What happened to one key of a rule, in words: armed at 14:01:10, no longer so at 14:01:52, 18 s short.

Made from what the operators remember before and after an instant, so that it tells what the engine really did.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, cast

from core.campus import Campus, write_duration
from rules.operators.count import Count, Window
from rules.operators.deadline import Appointment
from rules.operators.follow import Promise
from rules.operators.hold import Stretch
from rules.operators.match import Waiters
from rules.operators.sequence import Run, Runs, Sequence
from rules.operators.silent import LastWord
from rules.operators.without import Happenings
from rules.runnable import Rule
from rules.spell import KeyState, Spell


class Teller:
    """Tells the changes of one rule's memory on one campus."""

    def __init__(self, campus: Campus, rule: Rule, around: datetime) -> None:
        self._campus = campus
        self._rule = rule
        self._day = campus.local_calendar.local(around).date()

    def time(self, at: datetime) -> str:
        """Return an instant on the campus's clock; the day is named where it is another one."""
        local = self._campus.local_calendar.local(at)
        return f"{local:%H:%M:%S}" if local.date() == self._day else f"{local:%Y-%m-%d %H:%M:%S}"

    def change(self, before: KeyState, after: KeyState, at: datetime) -> list[str]:
        """Return what became different at an instant; nothing where it tells nobody anything."""
        return [*self._memory(before, after, at), *self._finding(before.spell, after.spell, at)]

    def _memory(self, before: KeyState, after: KeyState, at: datetime) -> list[str]:
        sample = after.memo if after.memo is not None else before.memo
        tell = _TELLERS.get(type(sample))
        if tell is None or before.memo == after.memo:
            return []
        # A finding that began says itself what led to it; its end may empty the memory, which means nothing more.
        if before.spell is None and after.spell is not None:
            return []
        if before.spell is not None and after.memo is None:
            return []
        return tell(self, before.memo, after.memo, at)

    def _finding(self, before: Spell | None, after: Spell | None, at: datetime) -> list[str]:
        if before is None and after is not None:
            return [f"firing since {self.time(after.at)}"]
        if before is not None and after is None:
            return [f"resolved, over since {self.time(before.over_since or at)}"]
        if before is None or after is None:
            return []
        found: list[str] = []
        if after.level > before.level:
            found.append(f"raised to {self._rule.ladder[after.level].severity}")
        if after.over_until is not None and before.over_until is None:
            found.append(f"over for now; resolved at {self.time(after.over_until)} if it stays so")
        if after.over_until is None and before.over_until is not None:
            found.append("so again: the finding goes on")
        return found

    # ------------------------------------------------------------------------------------- operator by operator
    def hold(self, before: Stretch | None, after: Stretch | None, at: datetime) -> list[str]:
        """Tell of a stretch in which the condition was true."""
        if after is None:
            assert before is not None
            ended = before.false_since or at
            return [f"no longer so at {self.time(ended)}: {_short(before.due - ended)}"]
        if before is None or after.armed_at != before.armed_at:
            gone = [] if before is None else [f"the stretch before ended {_short(before.due - at)}"]
            return [*gone, f"armed at {self.time(after.armed_at)}, due at {self.time(after.due)}"]
        if after.false_until is not None and before.false_until is None:
            return [f"not so from {self.time(at)}; it counts if that lasts until {self.time(after.false_until)}"]
        if before.false_until is not None and after.false_until is None:
            return [f"so again, soon enough: armed since {self.time(after.armed_at)}, due at {self.time(after.due)}"]
        if after.truth is None:
            return ["no longer known whether it is so; it does not fire until it is"]
        return [f"due at {self.time(after.due)} now"] if after.due != before.due else []

    def window(self, before: Window | None, after: Window | None, _at: datetime) -> list[str]:
        """Tell of messages that are counted."""
        old = before.entries if before else ()
        new = after.entries if after else ()
        bound = cast("Count", self._rule.operator).at_least.say(self._rule.params)
        if len(new) > len(old) or (new and old and new[-1] != old[-1]):
            return (
                [f"{len(new)} counted within {write_duration(timedelta(seconds=after.within_s))}, of {bound}"]
                if after
                else []
            )
        explained = after.explained_until if after else None
        if explained is not None and (before is None or before.explained_until != explained):
            return [f"what happens until {self.time(explained)} is explained and does not count"]
        return []

    def without(self, before: Happenings | None, after: Happenings | None, _at: datetime) -> list[str]:
        """Tell of what waits for an explanation."""
        old, new = before or Happenings(), after or Happenings()
        found = [
            f"{each.evidence.kind} at {self.time(each.at)} waits until {self.time(each.due)} for an explanation"
            for each in new.waiting
            if each.evidence not in {other.evidence for other in old.waiting}
        ]
        kept = {each.evidence for each in new.waiting}
        found += [
            f"{each.evidence.kind} at {self.time(each.at)} is explained"
            for each in old.waiting
            if each.evidence not in kept
        ]
        if new.explained and new.explained != old.explained:
            found.append(f"what happens until {self.time(new.explained[-1].end)} is explained")
        return found

    def follow(self, before: Promise | None, after: Promise | None, at: datetime) -> list[str]:
        """Tell of what is waited for."""
        if after is None:
            assert before is not None
            return [
                f"what was expected came, {write_duration(max(before.due - at, timedelta(0)))} before the time was up"
            ]
        if before is None:
            return [f"waits since {self.time(after.at)} for what is expected, until {self.time(after.due)}"]
        return []

    def sequence(self, before: Runs | None, after: Runs | None, at: datetime) -> list[str]:
        """Tell of sequences under way."""
        of = len(cast("Sequence", self._rule.operator).steps)
        old, new = before.runs if before else (), after.runs if after else ()
        known = set(map(_run, old))
        found = [
            f"step {len(run.messages)} of {of}; the last is awaited until {self.time(run.until)}"
            for run in new
            if _run(run) not in known
        ]
        given_up = [run for run in old if run.until <= at and _run(run) not in set(map(_run, new))]
        return found + [f"given up after step {len(run.messages)} of {of}: the time was up" for run in given_up]

    def match(self, before: Waiters | None, after: Waiters | None, _at: datetime) -> list[str]:
        """Tell of messages that wait for late state."""
        old = before.waiting if before else ()
        new = after.waiting if after else ()
        return [f"waits until {self.time(each.due)} for late state" for each in new if each not in old]

    def silent(self, before: LastWord | None, after: LastWord | None, _at: datetime) -> list[str]:
        """Tell when it was heard, and when its silence will have lasted too long."""
        if after is None:
            return ["nothing is expected any more"]
        if after.overdue and (before is None or not before.overdue):
            return ["silent for too long, outside of the rule's time"]
        if before is None or after.heard_at != before.heard_at:
            return [f"heard at {self.time(after.heard_at)}; silent for too long from {self.time(after.due)}"]
        return [f"silent for too long from {self.time(after.due)} now"] if after.due != before.due else []

    def deadline(self, before: Appointment | None, after: Appointment | None, _at: datetime) -> list[str]:
        """Tell of the time that was set."""
        if after is None:
            return ["no time is set any more"]
        if before is None or after.at != before.at:
            return [f"to be looked at at {self.time(after.due)}"]
        return ["looked at: not so"] if after.met and not before.met else []


def _short(by: timedelta) -> str:
    return f"{write_duration(by)} short" if by > timedelta(0) else "in time"


def _run(run: Run) -> tuple[datetime, int]:
    return run.started_at, len(run.messages)


_TELLERS: Final[dict[type[Any], Callable[[Teller, Any, Any, datetime], list[str]]]] = {
    Stretch: Teller.hold,
    Window: Teller.window,
    Happenings: Teller.without,
    Promise: Teller.follow,
    Runs: Teller.sequence,
    Waiters: Teller.match,
    LastWord: Teller.silent,
    Appointment: Teller.deadline,
}
