"""What the rules have found comes back to them as a message, so that a rule can count alerts.

The engine says these to itself, in the same step and so in the same transaction: a replay hears the same, and nothing
need be written down but what lies beyond the watermark. Rules that listen for alerts are not heard by others, nor by
themselves: then no rule can call itself without end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from core.campus import Campus
from core.findings import Finding
from core.messages import AlertCleared, AlertMessage, AlertOpened
from rules.language.roots import door_of
from rules.runnable import Rule

SOURCE: Final = "hallwatch"


class Echo:
    """Knows which findings are open, and says of each new one that it has begun, and that it is over."""

    def __init__(self, rules: Iterable[Rule], open_now: Iterable[tuple[str, str]] = ()) -> None:
        self._open = set(open_now)
        self._beyond: list[AlertMessage] = []
        self.listen(rules)

    def listen(self, rules: Iterable[Rule]) -> None:
        """Go on for these rules."""
        self._listeners = frozenset(rule.id for rule in rules if listens(rule))

    @property
    def is_heard(self) -> bool:
        """Any rule listens."""
        return bool(self._listeners)

    def of(self, findings: Iterable[Finding], campus: Campus, watermark: datetime) -> Iterator[AlertMessage]:
        """Yield the messages that live findings give; repeats and steps of a ladder give none."""
        for finding in findings:
            place = (finding.rule, finding.key)
            opens = finding.state == "firing"
            if finding.mode != "live" or opens == (place in self._open):
                continue
            (self._open.add if opens else self._open.discard)(place)
            if self._listeners and finding.rule not in self._listeners:
                said = _message(finding, campus, watermark)
                if said.at > watermark:
                    self._beyond.append(said)
                yield said

    def beyond(self, watermark: datetime) -> tuple[AlertMessage, ...]:
        """Return what was said and lies beyond the watermark: the rules that judge in order have not heard it yet."""
        if self._beyond:
            self._beyond = [each for each in self._beyond if each.at > watermark]
        return tuple(self._beyond)

    def take_back(self, beyond: Sequence[AlertMessage]) -> None:
        """Remember what had been said beyond the watermark."""
        self._beyond = list(beyond)


def listens(rule: Rule) -> bool:
    """Return whether a rule hears what other rules have found."""
    return any(kind.startswith("alert.") for kind in rule.operator.kinds)


def _message(finding: Finding, campus: Campus, known: datetime) -> AlertMessage:
    kind = AlertOpened if finding.state == "firing" else AlertCleared
    return kind(
        campus=finding.campus,
        source=SOURCE,
        message_id=f"{finding.rule}/{finding.key}/{finding.state}/{finding.at.isoformat()}",
        at=finding.at,
        received_at=max(known, finding.at),
        exercise=finding.exercise,
        subject=finding.key,
        rule=finding.rule,
        severity=finding.severity,
        door=door_of(campus, finding.entity, finding.key),
    )
