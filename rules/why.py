"""Why a rule fired for a key at a moment, or why not: the messages of before judged again, and every step written down.

It is the engine of the service that judges, over one rule and one key. Pure: the messages are handed in.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

import msgspec

from core.campus import Campus, write_duration
from core.findings import Finding
from core.messages import Message
from core.world import World
from rules.backtest import LATENESS, beside_it
from rules.document import Override
from rules.engine import Engine
from rules.language.explain import plain
from rules.language.expression import Expression
from rules.language.roots import ids_of, label, locate
from rules.language.scene import Scene
from rules.operators.site import Hearing
from rules.replay import as_line
from rules.runnable import Exemption, Rule
from rules.scope import Scope, Wanted
from rules.spell import KeyState
from rules.story import Teller

HISTORY: Final = timedelta(days=7)
"""So much of the time before is read, unless somebody asks for more."""
AFTER: Final = timedelta(hours=1)
"""So much of the time after is read, to tell what came of it."""
MAX_STEPS: Final = 100
"""So many steps are told, the latest."""
_BLANK: Final = KeyState()
State = Literal["firing", "ending", "pending", "quiet", "not in scope", "unknown key"]


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to the key."""

    at: datetime
    words: str
    message: dict[str, Any] | None = None
    values: dict[str, Any] = {}


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of the rule at the moment: its value, and the value of every part."""

    text: str
    value: Any
    readings: dict[str, Any]
    trace: dict[str, Any]


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was to be looked at later, if nothing was heard."""

    at: datetime
    what: str


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the past was judged again."""

    since: datetime
    until: datetime
    messages: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: in words, and the data behind them."""

    rule: str
    version: int
    campus: str
    key: str
    at: datetime
    state: State
    words: list[str]
    mode: str
    active: bool
    params: dict[str, Any]
    overrides: list[dict[str, Any]]
    conditions: list[Condition]
    timers: list[Timer]
    steps: list[Step]
    findings: list[dict[str, Any]]
    read: Read


def why(
    campus: Campus,
    rule: Rule,
    key: str,
    at: datetime,
    messages: Iterable[Message],
    *,
    since: datetime,
    until: datetime,
    companions: Sequence[Rule] = (),
) -> Account:
    """Return why the rule held for a key at a moment, or why not.

    `messages` are those received in [since, until), in order of receipt; `companions` are the other rules.
    """
    witness = Witness(campus, rule, key, at, since=since, companions=companions)
    for message in messages:
        witness.hear(message)
    return witness.account(until)


class Witness:
    """Stands beside the engine and writes down what happens to one key. Hand it messages, then ask for the account."""

    def __init__(
        self,
        campus: Campus,
        rule: Rule,
        key: str,
        at: datetime,
        *,
        since: datetime,
        companions: Sequence[Rule] = (),
    ) -> None:
        self._campus = campus
        self._rule = rule
        self._key = key
        self._at = at
        self._since = since
        only = Scope((*rule.scope.wanted, Wanted(rule.entity, "id", (key,))))
        mine = replace(rule, scope=only, mode="shadow" if rule.mode == "shadow" else "live")
        self._engine = Engine(campus, [mine, *beside_it(rule, companions)], started=since - LATENESS)
        self._heard = World(campus)
        self._settled: World | None = None
        self._state = _BLANK
        self._then = _BLANK
        self._hearings = list(_hearings_of(rule))
        self._teller = Teller(campus, rule, at)
        self._steps: deque[Step] = deque(maxlen=MAX_STEPS)
        self._findings: deque[Finding] = deque(maxlen=MAX_STEPS)
        self._messages = 0

    # ------------------------------------------------------------------------------------------------ going on
    def hear(self, message: Message) -> None:
        """Take in the next message, once time has gone on to it."""
        self.go_on(message.received_at - LATENESS)
        self._messages += 1
        if message.exercise == "live":
            self._tell_message(message)
        self._look(self._engine.accept(message), max(message.at, self._engine.watermark))

    def go_on(self, to: datetime) -> None:
        """Let time pass, instant for instant, and stop at the moment that is asked about."""
        if self._settled is None and to >= self._at:
            self._pass(self._at)
            self._remember_the_moment()
        self._pass(to)

    def _pass(self, to: datetime) -> None:
        while (due := self._next_due()) is not None and self._engine.watermark < due < to:
            self._look(self._engine.advance(due), due)
        self._look(self._engine.advance(to), to)

    def _next_due(self) -> datetime | None:
        """Return when something happens next: the engine does it, or what is remembered lapses."""
        return _first(self._engine.next_due, _looked_at(self._rule, self._state))

    def _look(self, found: Iterable[Finding], now: datetime) -> None:
        mine = [each for each in found if each.rule == self._rule.id and each.key == self._key]
        self._findings += mine
        after = dict(self._engine.states(self._rule.id)).get(self._key, _BLANK)
        told = [] if after == self._state else self._teller.change(self._state, after, now)
        if not told and after.spell is None:
            # It began and ended at once.
            told = [f"{each.state}: {each.text}" for each in mine if each.state == "firing" and each.exercise == "live"]
        self._steps += [Step(at=now, words=words) for words in told]
        self._state = after

    def _remember_the_moment(self) -> None:
        self._then = self._state
        self._settled = World(self._campus)
        self._settled.restore(each.facts for each in self._engine.changes().settled if each.facts is not None)

    def _tell_message(self, message: Message) -> None:
        edge = self._heard.apply(message)
        concerned = [each for each in self._hearings if message.kind in each.kinds]
        scene = self._scene(self._heard, message.at)
        scene.entity, scene.key, scene.message = message.about, message.key, message
        if not concerned or locate(scene, self._rule.entity) != self._key:
            return
        values: dict[str, Any] = {}
        verdicts: list[str] = []
        for hearing in concerned:
            for kinds, condition in hearing.options:
                if condition is None or message.kind not in kinds or condition.environment.bound:
                    continue
                values |= condition.readings(scene)
                verdicts.append(f"{condition.source} is {_in_words(condition(scene))}")
        if not edge and not self._rule.operator.repeats:
            verdicts.append("it says what was known already, and counts for nothing")
        shown = {"kind": message.kind, "key": message.key, "at": plain(message.at), "message_id": message.message_id}
        words = f"heard {message.kind.replace('.', ' ').replace('_', ' ')}" + "".join(f"; {each}" for each in verdicts)
        self._steps.append(Step(at=message.at, words=words, message=shown, values=values))

    # --------------------------------------------------------------------------------------------- the account
    def account(self, until: datetime) -> Account:
        """Return what there is to say once everything received before `until` was heard."""
        self.go_on(max(until - LATENESS, self._at))
        assert self._settled is not None
        scene = self._scene(self._settled, self._at)
        exemptions = [each for each in self._rule.exemptions if each.holds(scene)]
        scene.params, mode = self._rule.settings(scene)
        active = mode != "disabled" and self._rule.frame.is_active(scene)
        conditions = [_condition(each, scene) for each in self._rule.watches]
        timers = list(self._timers())
        state = self._verdict()
        return Account(
            rule=self._rule.id,
            version=self._rule.version,
            campus=self._campus.id,
            key=self._key,
            at=self._at,
            state=state,
            words=list(self._words(state, mode, active, scene, conditions, timers, exemptions)),
            mode=mode,
            active=active,
            params={name: plain(value) for name, value in scene.params.items()},
            overrides=[_shown(each) for each in exemptions],
            conditions=conditions,
            timers=timers,
            steps=list(self._steps),
            findings=[as_line(each) for each in self._findings],
            read=Read(since=self._since, until=until, messages=self._messages),
        )

    def _scene(self, world: World, at: datetime) -> Scene:
        return Scene(self._campus, world, at, self._rule.entity, self._key, self._rule.params, self._since)

    def _verdict(self) -> State:
        known = ids_of(self._campus, self._rule.entity)
        assert self._settled is not None
        if known is not None and self._key not in known:
            return "unknown key"
        if known is None and self._settled.get(self._rule.entity, self._key) is None and self._then.is_blank:
            return "unknown key"
        if not self._rule.scope.fits(self._scene(self._settled, self._at)):
            return "not in scope"
        if self._then.spell is not None:
            return "ending" if self._then.spell.over_since is not None else "firing"
        return "pending" if any(True for _ in self._timers()) else "quiet"

    def _timers(self) -> Iterator[Timer]:
        spell = self._then.spell
        at = _looked_at(self._rule, self._then)
        if at is not None:
            yield Timer(at=at, what=f"{self._rule.operator.name} is looked at again")
        if spell is None:
            return
        if spell.over_until is not None:
            yield Timer(at=spell.over_until, what="it is resolved, if it stays over")
        if spell.quiet_at is not None:
            yield Timer(at=spell.quiet_at, what="it is resolved, if nothing more is heard")
        if spell.raise_at is not None and spell.over_since is None:
            yield Timer(at=spell.raise_at, what="it is raised")

    def _words(
        self,
        state: State,
        mode: str,
        active: bool,
        scene: Scene,
        conditions: Sequence[Condition],
        timers: Sequence[Timer],
        exemptions: Sequence[Exemption],
    ) -> Iterator[str]:
        what, entity = label(self._campus, self._rule.entity, self._key), self._rule.entity
        if state == "unknown key":
            yield f"There is no {entity} {self._key!r} here, or nothing was heard of it in the time that was read."
            return
        if state == "not in scope":
            yield f"{what} is not in the scope of the rule: it is never judged by it."
            return
        yield f"{what} at {self._teller.time(self._at)}: {self._headline(state, timers)}"
        if mode != "live":
            yield f"The rule is {mode} here: {'nobody is told' if mode == 'shadow' else 'nothing may begin'}."
        if not active and mode != "disabled":
            yield "It is outside of the time in which the rule may begin to hold."
        for each in conditions:
            if scene.params and each.text.startswith("p.") and each.text.count(".") == 1:
                continue
            read = ", ".join(
                f"{name} = {_in_words(value)}" for name, value in each.readings.items() if name != each.text
            )
            yield f"{each.text} is {_in_words(each.value)}" + (f" ({read})" if read else "")
        for exemption in exemptions:
            yield f"Other parameters hold here: {exemption.document.reason}"
        yield from self._last_steps()

    def _headline(self, state: State, timers: Sequence[Timer]) -> str:
        spell = self._then.spell
        if spell is not None:
            since = f"firing since {self._teller.time(spell.at)}"
            return since if spell.over_since is None else f"{since}, over since {self._teller.time(spell.over_since)}"
        if state == "pending":
            left = write_duration(max(timers[0].at - self._at, timedelta(0)))
            return f"not firing; it is looked at again at {self._teller.time(timers[0].at)}, in {left}"
        return "not firing, and nothing waits"

    def _last_steps(self) -> Iterator[str]:
        before = [each for each in self._steps if each.at <= self._at][-4:]
        after = [each for each in self._steps if each.at > self._at][:3]
        yield from (f"{self._teller.time(each.at)} {each.words}" for each in (*before, *after))


def _looked_at(rule: Rule, state: KeyState) -> datetime | None:
    """Return when what is remembered is looked at again, or means nothing any more."""
    if state.memo is None:
        return None
    return _first(rule.operator.due(state.memo), rule.operator.lapses_at(state.memo))


def _first(*instants: datetime | None) -> datetime | None:
    return min((each for each in instants if each is not None), default=None)


def _hearings_of(rule: Rule) -> Iterator[Hearing]:
    for field in dataclasses.fields(cast("Any", rule.operator)):
        value = getattr(rule.operator, field.name)
        yield from (each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, Hearing))


def _condition(expression: Expression, scene: Scene) -> Condition:
    return Condition(
        text=expression.source,
        value=plain(expression(scene)),
        readings=expression.readings(scene),
        trace=expression.trace(scene),
    )


def _shown(exemption: Exemption) -> dict[str, Any]:
    document = exemption.document
    until = {"until": plain(document.until), "by": document.by} if isinstance(document, Override) else {}
    return {"params": dict(document.params), "reason": document.reason, **until}


def _in_words(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(plain(value))
