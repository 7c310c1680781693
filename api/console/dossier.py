"""All that is known of one alert, in the words people use: how it stands, why it was raised, who was told and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import links, outbox, plan_picture, reach, store, telling
from alerts.alert import SERVICE, Alert
from alerts.outbox import AttemptRow, DeliveryRow
from alerts.reach import Reach
from alerts.store import EventRow
from api.console import board, door_chart, render
from api.console.board import name_of
from api.console.door_chart import DoorChart
from api.console.frame import Frame
from api.console.truth import mark
from api.console.views import Card
from api.veil import veiled
from core.campus import Campus, Person
from core.errors import BadInput, NotFound
from rules import store as rules
from rules.language.roots import ROOTS, label
from rules.rule import with_params
from rules.runnable import Rule
from rules.sentence import sentence

LINES_SHOWN: Final = 200
"""The end of a long timeline; the evidence pack has all of it."""
SENT_SHOWN: Final = 100
SHELVES: Final = (15, 30, 60, 120, 240, 480, 720)
"""For how many minutes one may shelve."""
_OUTCOMES: Final = {
    "accepted": "taken by the provider",
    "unknown": "no answer: perhaps it arrived",
    "failed": "failed, tried again",
    "refused": "refused",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline."""

    id: int
    at: datetime
    event: str
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """Something that was read or set, in words."""

    name: str
    value: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A message that decided."""

    at: datetime
    kind: str
    about: str
    exercise: str


@dataclass(frozen=True, slots=True)
class Why:
    """Why a rule found something: the rule as it was, its values then, what it read and what it had heard."""

    rule: str
    version: int
    sentence: str
    """Empty: that version is not kept any more."""
    params: Sequence[Value]
    values: Sequence[Value]
    messages: Sequence[Told]


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery with its attempts."""

    id: int
    at: datetime
    to: str
    state: str
    words: str
    tries: Sequence[tuple[datetime, str]]
    mark: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """One alert, as its page shows it."""

    alert: Alert
    card: Card
    campus: Campus | None
    closed_by: str | None
    disposition: str
    lines: Sequence[Line]
    earlier: bool
    """The timeline has more lines before these."""
    why: Why
    chart: DoorChart | None
    reached: Sequence[Reach]
    sent: Sequence[Sent]
    successors: Sequence[Person]
    """To whom it can be handed over."""

    @property
    def mark(self) -> str:
        """A word that changes when the alert does."""
        return self.card.mark

    @property
    def can_shelve(self) -> bool:
        """Whether one person alone may keep it quiet."""
        return self.alert.is_open and self.alert.severity != "extreme"

    @property
    def moves(self) -> Iterator[str]:
        """What may be done beside answering."""
        if self.alert.is_open and self.alert.is_acknowledged and self.successors:
            yield "hand-over"
        if self.can_shelve:
            yield "shelve"
        if any(each.state in outbox.REACHED for each in self.sent):
            yield "correct"
        if not self.alert.is_open:
            yield "reopen"


async def read(session: AsyncSession, frame: Frame, number: int) -> Dossier:
    """Return all that is known of an alert; NotFound if there is none of that number."""
    alert = await store.get(session, number)
    campuses = {campus.id: campus for campus in frame.campuses}
    campus = campuses.get(alert.campus)
    events = await store.timeline(session, number, latest=LINES_SHOWN + 1)
    rows = await outbox.of_alerts(session, [number])
    attempts = await outbox.attempts_of(session, [row.id for row in rows])
    sent = await links.of_alert(session, number)
    policy = telling.policy_of(alert)
    return Dossier(
        alert=alert,
        card=board.card(alert, campuses, (), frame.now),
        campus=campus,
        closed_by=_name(alert.closed_by, campus),
        disposition=dict(board.DISPOSITIONS).get(alert.disposition or "", alert.disposition or ""),
        lines=[_line(event, campus) for event in events[-LINES_SHOWN:]],
        earlier=len(events) > LINES_SHOWN,
        why=await _why(session, alert, campus, frame.now),
        chart=await _chart(session, alert, campus, frame.now),
        reached=reach.board(alert, rows, attempts, sent, policy, campus, frame.now),
        sent=[_sent(row, attempts.get(row.id, ()), campus) for row in rows[-SENT_SHOWN:]],
        successors=_successors(alert, campus),
    )


def _line(event: EventRow, campus: Campus | None) -> Line:
    return Line(event.id, event.at, event.event.replace("_", " "), _name(event.who, campus) or "", event.text)


def _name(who: str | None, campus: Campus | None) -> str | None:
    return "Hallwatch" if who == SERVICE else name_of(who, campus)


async def _chart(session: AsyncSession, alert: Alert, campus: Campus | None, now: datetime) -> DoorChart | None:
    door = plan_picture.door_of(alert, campus) if campus else None
    if campus is None or door is None:
        return None
    over = alert.cleared_at or alert.closed_at
    # What followed belongs to the picture, as far as it has come.
    until = min(now, over + max((over - alert.since) / 3, timedelta(minutes=4))) if over else now
    return await door_chart.read(
        session,
        campus,
        door,
        since=alert.since,
        until=max(until, alert.began_at),
        found_at=alert.began_at,
        live=alert.exercise == "live",
    )


# ------------------------------------------------------------------------------------------------------- why
async def _why(session: AsyncSession, alert: Alert, campus: Campus | None, now: datetime) -> Why:
    said: Mapping[str, Any] = veiled(alert.because)
    params = said.get("params") or {}
    rule = await _rule_of(session, alert, params)
    declared = rule.document.get("params", {}) if rule else {}
    messages = [_told(each, campus) for each in said.get("messages") or () if isinstance(each.get("at"), str)]
    values = said.get("values") or {}
    return Why(
        rule=alert.rule,
        version=alert.rule_version,
        sentence=sentence(rule) if rule else "",
        params=[
            Value(name, _spelt(value, campus, now), declared.get(name, {}).get("help", ""))
            for name, value in params.items()
        ],
        values=[Value(_named(name), _spelt(value, campus, now)) for name, value in values.items()],
        messages=messages,
    )


async def _rule_of(session: AsyncSession, alert: Alert, params: Mapping[str, Any]) -> Rule | None:
    """Return the rule as it was, with its values then; None where it never was one, or cannot be read any more."""
    try:
        rule = await rules.load_rule(session, alert.rule, alert.rule_version)
    except (NotFound, BadInput):
        return None
    try:
        read_with = with_params(rule, params)
    except BadInput:
        return rule
    return replace(rule, params=read_with.params)


def _told(message: Mapping[str, Any], campus: Campus | None) -> Told:
    kind, key = str(message.get("kind", "")), str(message.get("key", ""))
    entity = {"door": "door", "device": "device", "attendance": "gathering", "access": "door", "exit": "door"}.get(
        kind.partition(".")[0]
    )
    about = label(campus, entity, key) if campus and entity else key
    at = datetime.fromisoformat(message["at"])
    return Told(at, kind.replace(".", " ").replace("_", " "), about, str(message.get("exercise", "")))


def _named(name: str) -> str:
    if name.startswith("has(") and name.endswith(")"):
        return f"it is known: {_named(name[4:-1])}"
    root, _, field = name.partition(".")
    known = ROOTS.get(root, {}).get(field)
    return known.words if known else name


def _spelt(value: Any, campus: Campus | None, now: datetime) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_spelt(each, campus, now) for each in value) or "none"
    if isinstance(value, str) and value.endswith("Z"):
        try:
            return render.clock_time(datetime.fromisoformat(value), render.zone_of(campus), now)
        except ValueError:
            return value
    return str(value)


# ------------------------------------------------------------------------------------------------- who was told
def _sent(row: DeliveryRow, attempts: Sequence[AttemptRow], campus: Campus | None) -> Sent:
    kind = "" if row.kind == "alert" else f"{row.kind} "
    tries = [(each.at, _outcome(each)) for each in attempts]
    words = board.DELIVERY_WORDS.get(row.state, row.state)
    return Sent(
        id=row.id,
        at=row.created_at,
        to=f"{kind}to {name_of(row.person, campus) or row.person}, {row.via}",
        state=row.state,
        words=f"{words}: {row.reason}" if row.reason else words,
        tries=tries,
        mark=mark(row.state, row.reason, len(tries)),
    )


def _outcome(attempt: AttemptRow) -> str:
    words = _OUTCOMES.get(attempt.outcome, attempt.outcome)
    return f"{words}: {attempt.detail}" if attempt.detail else words


def _successors(alert: Alert, campus: Campus | None) -> list[Person]:
    people = campus.people if campus else ()
    return [each for each in people if each.endpoints and alert.acknowledged_by != f"person:{each.id}"]
