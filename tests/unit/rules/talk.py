"""What the tests say and read: messages at seconds after a start, rules from YAML, findings as short lines."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec

from core.campus import Campus
from core.documents import parse
from core.findings import Finding
from core.messages import KINDS, Message
from rules.engine import Engine
from rules.rule import Rule, read_rules
from tests.conftest import START

LATENESS = timedelta(seconds=1)
_numbers = count()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def say(kind: str, when: float, key: str = "", *, received: float | None = None, **fields: Any) -> Message:
    """Return a message; `key` is the id of the thing it is about, `received` the second of its arrival."""
    of = KINDS[kind]
    envelope = {
        "campus": "lincoln",
        "source": f"{of.about}/{key}",
        "message_id": f"m{next(_numbers)}",
        "at": at(when),
        "received_at": at(when if received is None else received),
    }
    about = {of.key_field: key} if of.key_field else {}
    return msgspec.convert(envelope | about | fields, of)


def opened(door: str, when: float, **more: Any) -> Message:
    return say("door.opened", when, door, **more)


def closed(door: str, when: float, **more: Any) -> Message:
    return say("door.closed", when, door, **more)


def rules_from(text: str) -> list[Rule]:
    return read_rules(parse(text))


def rule_from(text: str) -> Rule:
    (rule,) = rules_from(text)
    return rule


def run(campus: Campus, rules: Iterable[Rule], *items: Message | float, until: float | None = None) -> list[Finding]:
    """Return what an engine finds in messages as they come in; a number moves the clock to that second."""
    engine = Engine(campus, list(rules), started=at(-60))
    found: list[Finding] = []
    moves = [*items, until] if until is not None else list(items)
    for item in moves:
        now = at(item) if isinstance(item, int | float) else item.received_at
        found += engine.advance(now - LATENESS)
        if not isinstance(item, int | float):
            found += engine.accept(item)
    assert engine.health == {}
    return found


def short(findings: Iterable[Finding]) -> list[str]:
    """Return findings as `firing gym-east 60`: state, key, second; `late` and a severity that was raised are added."""
    return [
        f"{each.state} {each.key} {(each.at - START).total_seconds():g}" + (" late" if each.late else "")
        for each in findings
    ]
