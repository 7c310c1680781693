"""What the pages about policies show: each step as a sentence, and who would be told at a moment, with the gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from alerts.policies import Policy, Step
from api.alert_schemas import PreviewShown
from api.console.staff import ROLES, VIAS
from core.campus import Campus, write_duration

_UNLESS: Final = {"ack": "somebody has it", "on_scene": "somebody is on the scene", "resolve": "it is closed"}
_VIA: Final = {
    "push": "push",
    "sms": "SMS",
    "email": "e-mail",
    "call": "call",
    "any": "every endpoint at once",
}
_EVERYBODY: Final = {"office": "everybody of the office", "maintenance": "everybody of maintenance"}


@dataclass(frozen=True, slots=True)
class StepShown:
    """One step: in words, and as the fields of the simple form hold it."""

    place: int
    words: str
    after: str
    notify: str
    repeat: str


@dataclass(frozen=True, slots=True)
class PolicyShown:
    """One policy."""

    id: str
    title: str
    version: int
    is_own: bool
    steps: Sequence[StepShown]
    facts: Sequence[tuple[str, str]]
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody whom a step means, and by what they would be told; nothing: they cannot be."""

    name: str
    by: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of the answer to "who would be told"."""

    number: int
    at: datetime
    after: str
    told: Sequence[Told]
    gap: str
    until: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Who would be told, and when."""

    words: str
    policy: str
    severity: str
    reaches: int
    moments: Sequence[Moment]


def shown(policy: Policy, campus: Campus, document: dict[str, Any]) -> PolicyShown:
    """Return a policy as pages show it."""
    own = {each.get("id") for each in campus.policies}
    return PolicyShown(
        id=policy.id,
        title=policy.title or policy.id,
        version=policy.version,
        is_own=policy.id in own,
        steps=[_step(place, step, campus) for place, step in enumerate(policy.steps)],
        facts=list(_facts(policy)),
        document=document,
    )


def answer(preview: PreviewShown, campus: Campus) -> Answer:
    """Return the answer to "who would be told", in people's names."""
    return Answer(
        words=preview.words,
        policy=preview.policy,
        severity=preview.severity,
        reaches=preview.reaches,
        moments=[_moment(step, preview.at, campus) for step in preview.steps],
    )


def _moment(step: Any, opened: datetime, campus: Campus) -> Moment:
    used = set(step.recipients)
    told = []
    for name in step.people:
        person = campus.people_by_id[name]
        kinds = list(dict.fromkeys(VIAS[each.via] for each in person.endpoints if each.id in used))
        told.append(Told(person.name, ", ".join(kinds)))
    unreached = [each.name for each in told if not each.by]
    gap = ""
    if not told:
        gap = "Nobody is meant at that time: the next step comes at once."
    elif not used:
        gap = "Nobody can be reached: the next step comes at once."
    elif unreached:
        gap = f"Not reached, for want of an endpoint: {', '.join(unreached)}."
    return Moment(step.step + 1, step.at, _after(step.at - opened), told, gap, _UNLESS[step.until])


def _step(place: int, step: Step, campus: Campus) -> StepShown:
    whom = _listed([_whom(word, campus) for word in step.notify])
    by = ", else by ".join(_VIA[each] for each in step.via)
    unless = _UNLESS[step.until] if step.acks == 1 else f"{step.acks} people have it"
    again = f"; again every {write_duration(step.repeat)}" if step.repeat is not None else ""
    first = step.after == timedelta(0)
    words = f"{_after(step.after)}: {whom}, by {by}{again}{'' if first else f', unless {unless}'}"
    repeat = "" if step.repeat is None else write_duration(step.repeat)
    return StepShown(place, words, write_duration(step.after), ", ".join(step.notify), repeat)


def _after(length: timedelta) -> str:
    return f"After {write_duration(length)}" if length else "At once"


def _whom(word: str, campus: Campus) -> str:
    kind, _, name = word.partition(":")
    if kind == "role":
        return _EVERYBODY.get(name) or f"every {_role(name)}"
    if kind == "person":
        return campus.people_by_id[name].name if name in campus.people_by_id else name
    if word == "on_call":
        return "those on call"
    return "whoever is on duty" if name == "on_duty" else f"the {_role(name)} on shift"


def _role(name: str) -> str:
    found: str = next((words for role, words in ROLES.items() if role == name), name)
    return found[:1].lower() + found[1:]


def _facts(policy: Policy) -> list[tuple[str, str]]:
    found = [("Somebody should have it within", write_duration(policy.ack_target))]
    if policy.again is not None:
        found.append(("Taken, nobody there and still true: told again after", write_duration(policy.again)))
    if policy.group:
        found.append(("Waits for others to come as one message", write_duration(policy.group)))
    if policy.quiet:
        found.append(("While nobody is on site", "waits for the next time somebody is"))
    return [*found, ("What does not get through is tried for", write_duration(policy.expires))]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
