"""The reach board: one line for each person, from "told" to "on the way"; who was not reached comes with a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from alerts.alert import Alert
from alerts.duty import people
from alerts.links import Link
from alerts.outbox import REACHED, AttemptRow, DeliveryRow
from alerts.policies import Policy
from core.campus import Campus, Person

How = Literal["on_scene", "acknowledged", "opened", "told", "perhaps", "waiting", "not_reached"]
_TELLING: Final = ("alert", "reminder", "help")


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one person has been reached."""

    person: str
    name: str
    how: How
    told_at: datetime | None
    """When a provider first took a notice."""
    via: tuple[str, ...]
    """By what."""
    opened_at: datetime | None
    """When a link was opened first; a mail scanner may have done that."""
    acknowledged_at: datetime | None
    on_scene_at: datetime | None
    words: str


def board(
    alert: Alert,
    deliveries: Sequence[DeliveryRow],
    attempts: Mapping[int, Sequence[AttemptRow]],
    links: Sequence[Link],
    policy: Policy,
    campus: Campus | None,
    now: datetime,
) -> tuple[Reach, ...]:
    """Return a line for each person who was told or should be, in the order in which that was so."""
    telling = [each for each in deliveries if each.kind in _TELLING and each.generation >= alert.first_generation]
    found = dict.fromkeys([*(each.person for each in telling), *_meant(alert, policy, campus, now)])
    takers = (alert.acknowledged_by, *alert.acknowledgers, alert.on_scene_by)
    found |= dict.fromkeys(taker.removeprefix("person:") for taker in takers if taker and taker.startswith("person:"))
    return tuple(
        _line(alert, person, [each for each in telling if each.person == person], attempts, links, campus)
        for person in found
    )


def _meant(alert: Alert, policy: Policy, campus: Campus | None, now: datetime) -> Iterable[str]:
    """Return those whom the steps name that are through; without an endpoint they appear in no delivery."""
    if campus is None or alert.suppressed is not None:
        return ()
    due = [step for step in policy.steps if alert.opened_at + step.after <= (alert.acknowledged_at or now)]
    return [person.id for step in due for person in people(step.notify, campus, alert.opened_at)]


def _line(
    alert: Alert,
    person: str,
    mine: Sequence[DeliveryRow],
    attempts: Mapping[int, Sequence[AttemptRow]],
    links: Sequence[Link],
    campus: Campus | None,
) -> Reach:
    known = campus.people_by_id.get(person) if campus else None
    took = [
        (attempt.at, each.via, attempt.outcome)
        for each in mine
        for attempt in attempts.get(each.id, ())
        if attempt.outcome in REACHED
    ]
    told = [each for each in took if each[2] == "accepted"]
    opened = [link.opened_at for link in links if link.person == person and link.opened_at]
    acknowledged = alert.acknowledged_at if alert.acknowledged_by == f"person:{person}" else None
    seen_too = not acknowledged and f"person:{person}" in alert.acknowledgers
    on_scene = alert.on_scene_at if alert.on_scene_by == f"person:{person}" else None
    how: How = (
        "on_scene"
        if on_scene
        else "acknowledged"
        if acknowledged or seen_too
        else "opened"
        if opened
        else "told"
        if told
        else "perhaps"
        if took
        else "waiting"
        if any(each.due_at is not None for each in mine)
        else "not_reached"
    )
    return Reach(
        person=person,
        name=known.name if known else person,
        how=how,
        told_at=min((at for at, *_ in told), default=None),
        via=tuple(dict.fromkeys(via for _, via, _ in took)),
        opened_at=min(opened, default=None),
        acknowledged_at=acknowledged,
        on_scene_at=on_scene,
        words="has seen it, too" if how == "acknowledged" and seen_too else _words(how, mine, known),
    )


def _words(how: How, mine: Sequence[DeliveryRow], known: Person | None) -> str:
    if how != "not_reached":
        return {
            "on_scene": "on the scene",
            "acknowledged": "has it",
            "opened": "has opened it",
            "told": "told; no answer yet",
            "perhaps": "perhaps told: no provider has confirmed it",
            "waiting": "is being told",
        }[how]
    if mine and all(each.state == "cancelled" for each in mine):
        return f"not told: {mine[-1].reason}"
    return f"NOT REACHED: call {known.phone}" if known and known.phone else "NOT REACHED: no telephone number is known"
