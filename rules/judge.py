"""Judges one campus by its rules: messages and time in, findings out. Pure: no clock, no files, no database.

What is live has one judge, each exercise under way another (see `rules.engine`).

Two views of the campus are kept. `now` takes every message in as it arrives; rules that judge on arrival look at
it, and so do people. The settled view takes messages in order of event time, once the watermark has passed them;
everything else is judged there, so that the order of arrival makes no difference. Timers, calendars and messages
are handled in one order of time; of the same instant, messages come first.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import structs

from core.campus import Campus
from core.facts import FACTS, Facts
from core.findings import Finding
from core.messages import Exercise, Message
from core.world import Told, World
from rules.document import Mode
from rules.index import Index, Look
from rules.language.scene import Scene
from rules.operators.moment import Evidence, Moment, News
from rules.plan import BLANK, JUDGE, Plan, Tally, lay_out
from rules.report import farewell, report
from rules.runnable import Rule
from rules.saved import Changes, Position, Saved, SavedState, SettledFacts, read_spell, read_state, write_state
from rules.spell import Actions, KeyState, Signal, close, turn
from rules.timetable import NEVER, SWEEP, WAKE, Timer, Timetable

FORGET_VISITS: Final = timedelta(days=7)
"""So long after its last message a visit that has ended is forgotten here; the journal and the state rows keep it."""
CROWDED: Final = timedelta(minutes=1)
"""So long a full memory is not looked through again for what has lapsed."""
CHANGED: Final = "the rule or its scope was changed"
MOMENT: Final = timedelta(microseconds=1)
"""The shortest time there is."""
_WAKE: Final[Actions] = ("wake",)


class Judge:
    """Judges one campus. `now` is what is true as far as anybody has told us.

    The judge of an exercise finds everything, and says only what is not live: `is_live` answers whether the live
    judge has found a rule and key too.
    """

    max_keys = 100_000
    """So many keys it remembers; a new one beyond them is not taken up, and the rule's health says so."""

    def __init__(
        self,
        campus: Campus,
        rules: Sequence[Rule],
        *,
        started: datetime,
        exercise: Exercise = "live",
        is_live: Callable[[str, str], bool] | None = None,
    ) -> None:
        self.campus = campus
        self.exercise: Exercise = exercise
        self._is_live = is_live
        self.now = World(campus)
        self._settled = World(campus, shown=False)
        self._last: dict[tuple[str, str], tuple[Evidence, ...]] = {}
        """The latest message of each thing that told something new."""
        self._watermark = self._started = self._since = started
        self._blind_until = started
        self._buffer: list[tuple[datetime, str, int, int, Message, Sequence[Told]]] = []
        self._arrivals = 0
        self._crowded_until = started
        self._found: list[Finding] = []
        self._gone: set[tuple[str, str]] = set()
        """The rules and keys that were dropped, and stand in the rows."""
        self._told: set[tuple[str, str]] = set()
        self._forgotten: set[tuple[str, str]] = set()
        self._plans: dict[str, Plan] = {}
        self._changed: set[Plan] = set()
        """The plans that have something to be written down."""
        self._asked: list[Plan] = []
        """The plans that have judged since their tally was taken."""
        self.steps = 0
        """How many messages and timers have been dealt with in the order of time."""
        self._keys = 0
        self._lay_out(rules)
        self._start_timers()
        self._seed(self._plans)

    @property
    def watermark(self) -> datetime:
        """Everything up to this instant of event time has been judged."""
        return self._watermark

    @property
    def started(self) -> datetime:
        """When it began; of an exercise, when that began."""
        return self._started

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that run."""
        return tuple(plan.rule for plan in self._plans.values())

    @property
    def next_due(self) -> datetime | None:
        """The next instant that the watermark must pass for something to happen; None: nothing waits."""
        due = min(self._buffer[0][0] if self._buffer else NEVER, self._timetable.next_at)
        return None if due is NEVER else due

    @property
    def health(self) -> dict[str, str]:
        """What is wrong, by rule."""
        return {rule: plan.health for rule, plan in self._plans.items() if plan.health}

    def take_tally(self) -> Iterator[tuple[str, Tally]]:
        """Yield, by rule, how much was judged since this was last asked for."""
        asked, self._asked = self._asked, []
        for plan in asked:
            yield plan.rule.id, plan.take_tally()

    # ---------------------------------------------------------------------------------------- messages and time
    def accept(self, message: Message) -> list[Finding]:
        """Take a new message in; return the findings that begin or end by it at once."""
        edge, told = self.now.take_in(message)
        looks = self._on_arrival.looks(message, told, edge=edge)
        if looks:
            self._look(looks, self._news(message, edge=edge))
        if message.at <= self._watermark:
            self._settle(message, told)
            self._run(self._watermark)
        else:
            self._await(message, told)
        return self.take_found()

    def advance(self, watermark: datetime, *, pausing: bool = False, last: int = sys.maxsize) -> list[Finding]:
        """Let event time go on to `watermark`; return what that begins or ends. Time never goes back.

        With `pausing` it goes no further than to the instant at which something is found; in any case no further than
        to the instant at which so many `steps` have been made.
        """
        if watermark > self._watermark and self._run(watermark, pausing=pausing, last=last):
            self._watermark = watermark
        return self.take_found()

    def _await(self, message: Message, told: Sequence[Told]) -> None:
        self._arrivals += 1
        order = -1 if message.seq is None else message.seq
        heapq.heappush(self._buffer, (message.at, message.source, order, self._arrivals, message, told))

    def _run(self, until: datetime, *, pausing: bool = False, last: int = sys.maxsize) -> bool:
        """Do everything up to `until`; return False where it has paused before."""
        buffer, timetable = self._buffer, self._timetable
        # What was overdue from the start is done as soon as time goes on at all.
        at_least = self._watermark + MOMENT
        while True:
            told = buffer[0][0] if buffer else NEVER
            timer = timetable.next_at
            is_told = told <= timer
            at = told if is_told else timer
            if ((self._found and pausing) or self.steps >= last) and at > max(self._watermark, at_least):
                self._watermark = max(self._watermark, at_least)
                return False
            if at > until:
                return True
            if at > self._watermark:
                self._watermark = at
            self.steps += 1
            if is_told:
                self._settle(*heapq.heappop(buffer)[-2:])
            else:
                self._ring(timetable.pop())

    def _settle(self, message: Message, told_now: Sequence[Told]) -> None:
        edge, told = self._settled.take_in(message, told_now)
        news = self._news(message, edge=edge)
        if edge and message.about in FACTS:
            place = (message.about, message.key)
            self._last[place] = news.evidence
            self._told.add(place)
        self._look(self._in_order.looks(message, told, edge=edge), news)

    def _news(self, message: Message, *, edge: bool) -> News:
        return News.of(message, max(message.at, self._watermark, self._blind_until), edge=edge)

    def _look(self, looks: Iterable[Look], news: News) -> None:
        for plan, key, actions in looks:
            self._turn(plan, key, actions, news)

    def _turn(self, plan: Plan, key: str, actions: Actions, news: News) -> None:
        if plan.aside:
            return
        wakes = actions is _WAKE
        before = plan.states.get(key, BLANK)
        if before is BLANK:
            actions = plan.worth_doing(actions, news)
            if not actions:
                return
        elif plan.lapses and not wakes:
            before = plan.still(before, self._watermark)
        if not plan.evaluations:
            self._asked.append(plan)
        plan.evaluations += 1
        try:
            scene, mode = plan.scene(key, news.at, self._since)
            if before is BLANK and actions is JUDGE and plan.rule.operator.is_idle(scene):
                changed = False
            else:
                moment = self._moment(plan.rule, scene, mode, news)
                after, signals = turn(plan.rule, before, moment, actions)
                if signals:
                    self._say(plan, key, signals, moment)
                changed = after is not before and after != before
            if wakes and not changed:
                raise RuntimeError(f"{plan.rule.operator.name} was woken at {news.at} and did nothing")
        except Exception as error:  # noqa: BLE001 - one broken rule must not stop the others
            plan.stand_aside(f"{type(error).__name__}: {error}")
            return
        if changed:
            self._remember(plan, key, after)
        if self._watermark > news.at and not wakes and plan.rule.pace:
            # Late news is judged at its own time, and then at every opening and closing it has missed since.
            self._timetable.look(plan, news.at, key=key, until=self._watermark)

    def _say(self, plan: Plan, key: str, signals: Iterable[Signal], moment: Moment) -> None:
        self._found += [report(plan.rule, key, each, moment.scene, moment.known) for each in self._own(signals)]

    def _own(self, signals: Iterable[Signal]) -> list[Signal]:
        """Return, of an exercise, only what is its own: the rest is live, and said already."""
        return [each for each in signals if each.spell.exercise == self.exercise]

    def _moment(self, rule: Rule, scene: Scene, mode: Mode, news: News) -> Moment:
        evidence = news.evidence or self._last.get((rule.entity, scene.key), ())
        moment = Moment(news.at, news.known, scene, rule.frame, mode, news.message, news.edge, evidence)
        if self._is_live is not None and not self._is_live(rule.id, scene.key):
            moment.exercise = self.exercise
        return moment

    def _outside(self, plan: Plan, key: str, at: datetime) -> Moment:
        """Return the moment of an end from outside: nobody has said anything."""
        scene, mode = plan.scene(key, at, self._since)
        # Of a plan that is given up: the campus may have changed since it was laid out.
        scene.campus = self.campus
        return self._moment(plan.rule, scene, mode, News(at, at))

    def _remember(self, plan: Plan, key: str, state: KeyState) -> None:
        states = plan.states
        if state.memo is None and state.spell is None:
            self._keys -= states.pop(key, None) is not None
        else:
            if key not in states:
                if not self._has_room():
                    plan.note(f"more than {self.max_keys} keys at once; some were not taken up")
                    return
                self._keys += 1
            states[key] = state
            self._timetable.wake(plan, key, state)
        plan.dirty.add(key)
        self._changed.add(plan)

    def _has_room(self) -> bool:
        """Return whether one more key can be taken up; where there is none, what has lapsed goes before its night."""
        if self._keys >= self.max_keys and self._watermark >= self._crowded_until:
            self._crowded_until = self._watermark + CROWDED
            self._drop_lapsed(self._watermark)
        return self._keys < self.max_keys

    def _drop_lapsed(self, at: datetime) -> None:
        for plan in self._plans.values():
            for key in [each for each in plan.states if plan.state(each, at).is_blank]:
                self._remember(plan, key, BLANK)

    # --------------------------------------------------------------------------------------------------- timers
    def _ring(self, timer: Timer) -> None:
        at, what, rule, key = timer
        if what is SWEEP:
            self._sweep(at)
            return
        plan = self._plans.get(rule)
        if plan is None or (what is WAKE and not self._timetable.is_due(plan, key, at)):
            return
        news = News(at, max(at, self._watermark, self._blind_until))
        if what is WAKE:
            self._turn(plan, key, _WAKE, news)
        elif key:
            self._turn(plan, key, JUDGE, news)
        else:
            for each in plan.live_keys(self._settled):
                self._judge(plan, each, news)
            self._timetable.look(plan, at)

    def _judge(self, plan: Plan, key: str, news: News) -> None:
        if self._in_order.concerns(plan, key):
            self._turn(plan, key, JUDGE, news)

    def _start_timers(self) -> None:
        self._timetable = Timetable(self.campus)
        self._timetable.sweep_after(self._watermark)
        self._keys = sum(len(plan.states) for plan in self._plans.values())
        for plan in self._plans.values():
            plan.scheduled.clear()
            self._timetable.look(plan, self._watermark)
            for key, state in plan.states.items():
                self._timetable.wake(plan, key, state)

    def _sweep(self, at: datetime) -> None:
        ended = [
            facts.id
            for facts in self._settled.of("visit")
            if getattr(facts, "state", None) in ("out", "denied") and (facts.heard_at or at) < at - FORGET_VISITS
        ]
        for key in ended:
            self._settled.forget("visit", key)
            self.now.forget("visit", key)
            self._last.pop(("visit", key), None)
            self._forgotten.add(("visit", key))
            for plan in self._plans.values():
                state = plan.states.get(key) if plan.keys is None else None
                if state is not None and state.spell is None:
                    self._remember(plan, key, BLANK)
        self._drop_lapsed(at)
        self._timetable.sweep_after(at)

    # ------------------------------------------------------------------------------------------ rules and campus
    def replace_rules(self, rules: Sequence[Rule]) -> list[Finding]:
        """Run other rules from now on; return what that ends or begins.

        A rule of the same operator, key and condition goes on with what it remembers; any other starts anew from
        the present state. What an abandoned rule or key had open is resolved.
        """
        changed = {rule.id for rule in rules if self._is_new(rule)}
        self._swap(rules, changed)
        return self.take_found()

    def replace_campus(self, campus: Campus) -> list[Finding]:
        """Go on with a changed campus; everything that still exists is kept. Return what that ends or begins."""
        self.campus = self.now.campus = self._settled.campus = campus
        rules = self.rules
        self._swap(rules, {rule.id for rule in rules})
        return self.take_found()

    def _is_new(self, rule: Rule) -> bool:
        old = self._plans.get(rule.id)
        return old is None or old.rule is not rule

    def _swap(self, rules: Sequence[Rule], look_again: set[str]) -> None:
        old = self._plans
        self._lay_out(rules)
        for plan in old.values():
            heir = self._plans.get(plan.rule.id)
            for key, state in plan.states.items():
                if heir and heir.shape == plan.shape and self._in_order.concerns(heir, key):
                    heir.states[key] = state
                else:
                    self._drop(plan, key, state)
            self._gone |= {(plan.rule.id, key) for key in plan.dirty}
        self._changed.clear()
        self._asked.clear()
        self._start_timers()
        self._seed(look_again)

    def _drop(self, plan: Plan, key: str, state: KeyState) -> None:
        self._gone.add((plan.rule.id, key))
        moment = self._outside(plan, key, self._watermark)
        self._say(plan, key, close(state, self._watermark, CHANGED), moment)

    def _seed(self, rules: Iterable[str]) -> None:
        for rule in sorted(rules):
            plan = self._plans.get(rule)
            if plan is not None and plan.rule.watches and not plan.on_arrival:
                for key in plan.live_keys(self._settled):
                    self._judge(plan, key, News(self._watermark, self._watermark))

    def _lay_out(self, rules: Sequence[Rule]) -> None:
        running = sorted((rule for rule in rules if rule.mode != "disabled"), key=lambda rule: rule.id)
        scopes: dict[frozenset[str], frozenset[str]] = {}
        self._plans = {rule.id: lay_out(rule, self.campus, self._world_of(rule), scopes) for rule in running}
        plans = self._plans.values()
        self._shapes = msgspec.json.encode({rule: plan.shape for rule, plan in self._plans.items()}).decode()
        self._on_arrival = Index((p for p in plans if p.on_arrival), self.campus, self.now)
        self._in_order = Index((p for p in plans if not p.on_arrival), self.campus, self._settled)

    def _world_of(self, rule: Rule) -> World:
        return self.now if rule.operator.on_arrival else self._settled

    # ------------------------------------------------------------------------------------------- down and up again
    def changes(self, alive_at: datetime) -> Changes:
        """Return what has changed since this was last asked for, to be written down together with its cause."""
        states: list[SavedState] = []
        deleted: list[tuple[str, str]] = []
        for rule, key in self._take_dirty():
            plan = self._plans.get(rule)
            state = plan.states.get(key) if plan else None
            if plan is None or state is None:
                deleted.append((rule, key))
            else:
                states.append(write_state(plan.rule, plan.shape, key, state))
        places = {(facts.entity, facts.id) for facts in self._settled.take_changes()} | self._told
        forgotten = tuple(sorted(place for place in self._forgotten if self._settled.get(*place) is None))
        self._told.clear()
        self._forgotten.clear()
        return Changes(
            position=self._position(alive_at),
            states=tuple(states),
            deleted=tuple(deleted),
            settled=tuple(self._settled_facts(*place) for place in sorted(places) if place not in forgotten),
            forgotten=forgotten,
        )

    def _take_dirty(self) -> list[tuple[str, str]]:
        """Return the rules and keys whose memory has changed since this was last asked for."""
        dirty = self._gone.union((plan.rule.id, key) for plan in self._changed for key in plan.dirty)
        self._gone.clear()
        for plan in self._changed:
            plan.dirty.clear()
        self._changed.clear()
        return sorted(dirty)

    def snapshot(self, alive_at: datetime) -> Saved:
        """Return all that another judge needs to go on as this one would."""
        places = {(facts.entity, facts.id) for facts in self._settled.all()} | self._last.keys()
        return Saved(
            position=self._position(alive_at),
            states=tuple(
                write_state(plan.rule, plan.shape, key, state)
                for plan in self._plans.values()
                for key, state in sorted(plan.states.items())
            ),
            settled=tuple(self._settled_facts(*place) for place in sorted(places)),
        )

    @property
    def pending(self) -> list[Message]:
        """The messages heard that lie beyond the watermark, in the order of their arrival."""
        return [entry[4] for entry in sorted(self._buffer, key=lambda entry: entry[3])]

    def _position(self, alive_at: datetime) -> Position:
        return Position(
            watermark=self._watermark,
            alive_at=alive_at,
            started=self._started,
            since=self._since,
            shapes=self._shapes,
        )

    def _settled_facts(self, entity: str, key: str) -> SettledFacts:
        facts = self._settled.get(entity, key)
        last = self._last.get((entity, key), (None,))[0]
        return SettledFacts(entity=entity, id=key, facts=facts, last=last)

    def restore(self, saved: Saved, pending: Iterable[Message], now: Iterable[Facts] = ()) -> None:
        """Become the judge that wrote `saved` down; `pending` is what it had heard beyond its watermark.

        `now`: the facts as they had been heard. Without them they are worked out anew, which differs only where two
        messages of the very same instant contradict each other.

        Rules and campus may have changed meanwhile: what cannot go on ends as if they had changed under way, and
        is among the next findings (`take_found`).
        """
        position = saved.position
        self._watermark = position.watermark
        self._started, self._since = position.started, position.since
        self._blind_until = self._watermark
        facts = [each.facts for each in saved.settled if each.facts is not None]
        self._last = {(each.entity, each.id): (each.last,) for each in saved.settled if each.last is not None}
        self._settled.restore(facts)
        self.now.restore(facts)
        for message in pending:
            _, told = self.now.take_in(message)
            self._await(message, told)
        # What is long forgotten may still stand in the rows.
        self.now.restore(each for each in now if self.now.get(each.entity, each.id) is not None)
        self.now.take_changes()
        for plan in self._plans.values():
            plan.states.clear()
            plan.dirty.clear()
        self._changed.clear()
        self._gone.clear()
        self._found.clear()
        for each in saved.states:
            self._take_back(each)
        self._start_timers()
        known: dict[str, str] = msgspec.json.decode(position.shapes)
        self._seed(rule for rule, plan in self._plans.items() if known.get(rule) != plan.shape)

    def _take_back(self, saved: SavedState) -> None:
        plan = self._plans.get(saved.rule)
        if plan is not None and plan.shape == saved.shape and (plan.keys is None or saved.key in plan.keys):
            plan.states[saved.key] = read_state(plan.rule, saved)
            return
        self._gone.add((saved.rule, saved.key))
        signals = close(KeyState(None, read_spell(saved)), self._watermark, CHANGED)
        if plan is not None:
            self._say(plan, saved.key, signals, self._outside(plan, saved.key, self._watermark))
        else:
            self._found += [farewell(self.campus, saved, each) for each in self._own(signals)]

    def blind(self, gap: timedelta, until: datetime) -> None:
        """Say that nothing could be heard for so long, up to `until`.

        What comes due in the gap is found late; silence in it proves nothing.
        """
        self._since = self._blind_until = until
        for plan in self._plans.values():
            for key, state in list(plan.states.items()):
                after = KeyState(plan.rule.operator.blinded(state.memo, gap), state.spell)
                if after != state:
                    self._remember(plan, key, after)
        self._start_timers()

    # -------------------------------------------------------------------------------------- what is held open
    def holds(self, rule: str, key: str) -> bool:
        """Return whether a finding of the rule and key is open."""
        plan = self._plans.get(rule)
        state = plan.states.get(key) if plan else None
        return state is not None and state.spell is not None

    def give_way(self, found: Mapping[tuple[str, str], datetime]) -> list[Finding]:
        """Return the end of what an exercise holds open and is now, at these instants, found live."""
        for (rule, key), at in found.items():
            plan = self._plans.get(rule)
            if plan is not None and self._end(plan, key, at, "it is really so now: found live"):
                state = plan.states[key]
                assert state.spell is not None
                self._remember(plan, key, structs.replace(state, spell=structs.replace(state.spell, exercise="live")))
        return self.take_found()

    def finish(self, at: datetime, note: str) -> list[Finding]:
        """Return the end of everything that an exercise holds open: it is over."""
        for plan in self._plans.values():
            for key in sorted(plan.states):
                self._end(plan, key, at, note)
        return self.take_found()

    def _end(self, plan: Plan, key: str, at: datetime, note: str) -> bool:
        state = plan.states.get(key)
        if state is None or state.spell is None or state.spell.exercise == "live":
            return False
        self._say(plan, key, close(state, at, note), self._outside(plan, key, at))
        return True

    def take_found(self) -> list[Finding]:
        """Return what was found and not said yet."""
        found, self._found = self._found, []
        return found

    def states(self, rule: str) -> Iterator[tuple[str, KeyState]]:
        """Yield what a rule remembers, key by key; for those who ask why."""
        plan = self._plans.get(rule)
        if plan is None:
            return
        for key in sorted(plan.states):
            state = plan.state(key, self._watermark + MOMENT)
            if not state.is_blank:
                yield key, state
