"""The rule engine of one campus: messages and time in, findings out. Pure: no clock, no files, no database.

What is live has a judge of its own, and nothing that a drill or a test says ever reaches it. An exercise is judged
by another one (`rules.overlay`), which begins where the live one stands and hears both. It is there only while an
exercise is under way; both are moved through time together.

What is found live is said to the rules again, as `alert.opened` and `alert.cleared` (`rules.echo`), at the very step
of time at which it is found, so that it does not matter in which steps time goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from core.campus import Campus
from core.facts import Facts
from core.findings import Finding
from core.messages import Exercise, Message
from core.world import World
from rules.echo import Echo
from rules.judge import MOMENT, Judge
from rules.overlay import Overlay
from rules.plan import Tally
from rules.report import LATE_AFTER
from rules.runnable import Rule
from rules.saved import Changes, Saved
from rules.spell import KeyState


class Engine:
    """Judges one campus: what is live, and beside it the exercises that are under way."""

    def __init__(self, campus: Campus, rules: Sequence[Rule], *, started: datetime) -> None:
        self._live = Judge(campus, rules, started=started)
        self._alive_at = started
        self.deaf_since: datetime | None = None
        """From when on nothing could be heard, up to the last restore; None: there was no such time."""
        self._overlays: dict[Exercise, Overlay] = {}
        self._ended: set[Exercise] = set()
        self._found_live: dict[tuple[str, str], datetime] = {}
        self._echo = Echo(self.rules)

    @property
    def campus(self) -> Campus:
        """The campus that is judged."""
        return self._live.campus

    @property
    def now(self) -> World:
        """What is true as far as anybody has told us; no exercise ever changes it."""
        return self._live.now

    @property
    def watermark(self) -> datetime:
        """Everything up to this instant of event time has been judged."""
        return self._live.watermark

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that run."""
        return self._live.rules

    @property
    def exercises(self) -> dict[Exercise, Overlay]:
        """The exercises under way, by their kind."""
        return dict(self._overlays)

    @property
    def next_due(self) -> datetime | None:
        """The next instant that the watermark must pass for something to happen; None: nothing waits."""
        waits = [self._live.next_due]
        for overlay in self._overlays.values():
            waits += [overlay.judge.next_due, overlay.ends_at]
        first = min((each for each in waits if each is not None), default=None)
        # What was overdue from the start is done as soon as time goes on at all.
        return None if first is None else max(first, self.watermark + MOMENT)

    @property
    def health(self) -> dict[str, str]:
        """What is wrong, by rule."""
        found = {
            rule: f"{trouble} (in a {kind})"
            for kind, overlay in self._overlays.items()
            for rule, trouble in overlay.judge.health.items()
        }
        return found | self._live.health

    def take_tally(self) -> dict[str, Tally]:
        """Return, by rule, how much was judged since this was last asked for, exercises included."""
        found: dict[str, Tally] = {}
        for judge in (self._live, *(overlay.judge for overlay in self._overlays.values())):
            for rule, tally in judge.take_tally():
                found[rule] = found.get(rule, Tally()) + tally
        return found

    # ---------------------------------------------------------------------------------------- messages and time
    def accept(self, message: Message) -> list[Finding]:
        """Take a new message in; return the findings that begin or end by it at once."""
        if message.exercise != "live":
            return self._overlay_of(message).judge.accept(message)
        self._alive_at = max(self._alive_at, message.received_at)
        found = self._live.accept(message)
        if not found and not self._overlays:
            return found
        return self._heard_by_itself(found, lambda judge: judge.accept(message))

    @property
    def steps(self) -> int:
        """How many messages and timers have been dealt with in the order of time."""
        return self._live.steps

    def advance(self, watermark: datetime, *, most: int = sys.maxsize) -> list[Finding]:
        """Let event time go on to `watermark`; return what that begins or ends. Time never goes back.

        It stops before, at an instant, where more than `most` steps (at least 1) would have to be made: whoever must
        not be held up asks again. In which steps time goes on makes no difference to what is found.
        """
        found: list[Finding] = []
        last = min(self.steps + most, sys.maxsize)
        # What is found live must be known to an exercise, and to who counts it, when they look: an exercise goes along
        # instant for instant, and without one it is enough to stop wherever something is found.
        while self._overlays and (due := self.next_due) is not None and due < watermark:
            if self.steps >= last:
                return found
            found += self._advance(due)
        while True:
            if self._overlays:
                found += self._advance(watermark)
            else:
                found += self._advance(watermark, pausing=self._echo.is_heard, last=last)
            if self._live.watermark >= watermark or self.steps >= last:
                return found

    def _advance(self, to: datetime, *, pausing: bool = False, last: int = sys.maxsize) -> list[Finding]:
        self._alive_at = max(self._alive_at, to)
        found = self._live.advance(to, pausing=pausing, last=last)
        if not found and not self._overlays:
            return found
        found = self._heard_by_itself(found, lambda judge: judge.advance(to))
        for kind, overlay in list(self._overlays.items()):
            if overlay.ends_at <= to:
                found += overlay.judge.finish(overlay.ends_at, overlay.why_it_ends)
                del self._overlays[kind]
                self._ended.add(kind)
        return found

    def _overlay_of(self, message: Message) -> Overlay:
        overlay = self._overlays.get(message.exercise)
        if overlay is None:
            overlay = Overlay.begin(self._live, message, is_live=self._is_live)
            self._overlays[message.exercise] = overlay
        overlay.heard_at = max(overlay.heard_at, message.received_at)
        return overlay

    def _heard_by_itself(self, live: list[Finding], move: Callable[[Judge], list[Finding]]) -> list[Finding]:
        """Return what `_beside` does, and what the rules find that hear of what was found live."""
        found = self._beside(live, move)
        for said in self._echo.of(live, self.campus, self.watermark):
            found += self._beside(self._live.accept(said), partial(Judge.accept, message=said))
        return found

    def _beside(self, live: list[Finding], move: Callable[[Judge], list[Finding]]) -> list[Finding]:
        """Return what was found live, and what each exercise finds besides when it is moved alike."""
        if not self._overlays:
            return live
        self._found_live = {(each.rule, each.key): each.at for each in live if each.state == "firing"}
        given_way: list[Finding] = []
        besides: list[Finding] = []
        for overlay in self._overlays.values():
            given_way += overlay.judge.give_way(self._found_live)
            besides += move(overlay.judge)
        self._found_live = {}
        return [*given_way, *live, *besides]

    def _is_live(self, rule: str, key: str) -> bool:
        return (rule, key) in self._found_live or self._live.holds(rule, key)

    # ------------------------------------------------------------------------------------------ rules and campus
    def replace_rules(self, rules: Sequence[Rule]) -> list[Finding]:
        """Run other rules from now on; return what that ends or begins.

        A rule of the same operator, key and condition goes on with what it remembers; any other starts anew from
        the present state. What an abandoned rule or key had open is resolved.
        """
        live = self._live.replace_rules(rules)
        self._echo.listen(self.rules)
        return self._heard_by_itself(live, lambda judge: judge.replace_rules(rules))

    def replace_campus(self, campus: Campus) -> list[Finding]:
        """Go on with a changed campus; everything that still exists is kept. Return what that ends or begins."""
        return self._heard_by_itself(self._live.replace_campus(campus), lambda judge: judge.replace_campus(campus))

    # ------------------------------------------------------------------------------------------- down and up again
    def changes(self) -> Changes:
        """Return what has changed since this was last asked for, to be written down together with its cause."""
        changes = replace(self._live.changes(self._alive_at), beyond=self._echo.beyond(self.watermark))
        if not self._overlays and not self._ended:
            return changes
        exercises = {kind: overlay.changes() for kind, overlay in self._overlays.items()}
        ended, self._ended = tuple(sorted(self._ended)), set()
        return replace(changes, exercises=exercises, ended=ended)

    def restore(self, saved: Saved, pending: Iterable[Message], now: Iterable[Facts] = ()) -> list[Finding]:
        """Become the engine that wrote `saved` down; `pending` is what it had heard beyond its watermark.

        `now`: the facts of `Engine.now` as they were; see `Judge.restore`. Returns what ends because rules or campus
        have changed meanwhile, as `replace_rules` and `replace_campus` do.
        """
        waiting = [*pending, *saved.beyond]
        self._alive_at = saved.position.alive_at
        self._live.restore(saved, [each for each in waiting if each.exercise == "live"], now)
        ended = self._live.take_found()
        self._echo = Echo(self.rules, [*self._open_now(), *((each.rule, each.key) for each in ended)])
        self._echo.take_back(saved.beyond)
        self._overlays = {
            kind: Overlay.restore(self._live, kind, each, waiting, is_live=self._is_live)
            for kind, each in saved.exercises.items()
        }
        return self._heard_by_itself(ended, Judge.take_found)

    def _open_now(self) -> Iterator[tuple[str, str]]:
        for rule in self.rules:
            for key, state in self._live.states(rule.id):
                if state.spell is not None and state.spell.mode == "live":
                    yield rule.id, key

    def blind(self, until: datetime) -> None:
        """Say that nothing could be heard from the last sign of life to `until`.

        What comes due in the gap is found late; silence in it proves nothing.
        """
        gap = until - self._alive_at
        if gap <= LATE_AFTER:
            return
        self.deaf_since = self._alive_at
        self._alive_at = until
        for judge in (self._live, *(overlay.judge for overlay in self._overlays.values())):
            judge.blind(gap, until)

    def states(self, rule: str) -> Iterator[tuple[str, KeyState]]:
        """Yield what a rule remembers of what is live, key by key; for those who ask why."""
        return self._live.states(rule)
