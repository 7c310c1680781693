"""The same engine over recorded messages: back-tests, rule tests and `hallwatch replay` are the live code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from core.campus import Campus
from core.findings import Finding
from core.messages import Message
from rules.engine import Engine
from rules.language.explain import plain
from rules.runnable import Rule

REMEMBER: Final = timedelta(hours=24)
"""How long a repeat of a message is known for one, as in the journal."""
_Name = tuple[str, str, str, int, str]


class Repeats:
    """Knows the messages that were heard before; what the journal is to the running service."""

    def __init__(self) -> None:
        self._heard: dict[_Name, datetime] = {}

    def is_repeat(self, message: Message) -> bool:
        """Return whether the message was heard before, and remember it."""
        name = (message.campus, message.source, message.message_id, message.part, message.exercise)
        before = self._heard.get(name)
        # An anonymous reading may well be said twice in the same words; only the sender's flag makes it a repeat.
        named = message.identified or message.redelivered
        if named and before is not None and before > message.received_at - REMEMBER:
            return True
        self._heard.pop(name, None)
        self._heard[name] = message.received_at
        self._forget(message.received_at)
        return False

    def _forget(self, now: datetime) -> None:
        while self._heard:
            oldest = next(iter(self._heard))
            if self._heard[oldest] > now - REMEMBER:
                return
            del self._heard[oldest]


def replay(
    campus: Campus,
    rules: Sequence[Rule],
    items: Iterable[Message | datetime],
    *,
    lateness: timedelta,
) -> Iterator[Finding]:
    """Yield what the rules find in messages given in order of receipt, in order of time.

    A bare datetime only moves the clock. At the end nothing more happens by itself: what was still pending would
    have needed time to pass.
    """
    found: list[Finding] = []
    engine: Engine | None = None
    repeats = Repeats()
    for item in items:
        received = item if isinstance(item, datetime) else item.received_at
        if engine is None:
            engine = Engine(campus, rules, started=received - lateness)
        found += engine.advance(received - lateness)
        if not isinstance(item, datetime) and not repeats.is_repeat(item):
            found += engine.accept(item)
    yield from sorted(found, key=lambda finding: finding.at)


def as_line(finding: Finding) -> dict[str, Any]:
    """Return a finding as `hallwatch replay --json` prints it; one of a drill or a test says so."""
    marked = {} if finding.exercise == "live" else {"exercise": finding.exercise}
    return {
        "at": plain(finding.at),
        "rule": finding.rule,
        "key": finding.key,
        "state": finding.state,
        "severity": finding.severity,
        "late": finding.late,
        "mode": finding.mode,
        "text": finding.text,
        "because": finding.because,
        **marked,
    }
