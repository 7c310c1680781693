"""What the service counts about itself, for `/metrics`. Names follow Prometheus' conventions."""

from __future__ import annotations

from collections import Counter as TallyOf
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from core.messages import Message
from rules.plan import Tally

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """One registry for one service, so that two in one process (tests) do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self._messages = Counter("hallwatch_messages", "Messages journalled.", ["kind"], registry=r)
        self._duplicates = Counter("hallwatch_messages_duplicate", "Repeats that were left out.", registry=r)
        self._late = Counter("hallwatch_messages_late", "Messages that came after the watermark.", registry=r)
        self._skewed = Counter(
            "hallwatch_messages_skewed", "Messages whose own time could not be believed.", registry=r
        )
        self._lost = Counter("hallwatch_messages_lost", "Messages that never came, by their numbers.", registry=r)
        self._quarantined = Counter("hallwatch_quarantined", "Payloads not understood.", ["reason"], registry=r)
        self._purged = Counter("hallwatch_purged", "Rows forgotten, by what they were.", ["what"], registry=r)
        self._batch_seconds = Histogram(
            "hallwatch_batch_seconds", "From hand-over to commit of one batch.", buckets=_SECONDS, registry=r
        )
        self._batch_size = Histogram(
            "hallwatch_batch_messages",
            "Messages in one batch.",
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
            registry=r,
        )
        self._findings = Counter("hallwatch_findings", "Findings of the rules.", ["rule", "state"], registry=r)
        self._judged = Counter(
            "hallwatch_rule_messages", "Messages handed to the rules, by campus.", ["campus"], registry=r
        )
        self._evaluations = Counter(
            "hallwatch_rule_evaluations", "How often a rule was asked about a key.", ["rule"], registry=r
        )
        self._errors = Counter(
            "hallwatch_rule_errors", "How often a rule could not be judged as it is.", ["rule"], registry=r
        )

    def batch(self, fresh: Sequence[Message], repeats: int, lost: int, reasons: Sequence[str], seconds: float) -> None:
        """Count one batch: what was new, repeated, missing, why some was not understood, and how long it took."""
        kinds: dict[str, int] = {}
        for message in fresh:
            kinds[message.kind] = kinds.get(message.kind, 0) + 1
        for kind, count in kinds.items():
            self._messages.labels(kind).inc(count)
        for campus, count in TallyOf(message.campus for message in fresh).items():
            self._judged.labels(campus).inc(count)
        self._late.inc(sum(message.late for message in fresh))
        self._skewed.inc(sum(message.skewed for message in fresh))
        self._lost.inc(lost)
        self._duplicates.inc(repeats)
        # Only the word before the colon: the rest names fields and would make a label of every payload.
        for word, count in TallyOf(reason.partition(":")[0] for reason in reasons).items():
            self._quarantined.labels(word).inc(count)
        self._batch_seconds.observe(seconds)
        self._batch_size.observe(len(fresh) + repeats + len(reasons))

    def purged(self, what: str, rows: int) -> None:
        """Count rows that were forgotten."""
        self._purged.labels(what).inc(rows)

    def judged(self, tally: Mapping[str, Tally]) -> None:
        """Count what the rules were asked, by rule."""
        for rule, each in tally.items():
            self._evaluations.labels(rule).inc(each.evaluations)
            self._errors.labels(rule).inc(each.errors)

    def finding(self, rule: str, state: str) -> None:
        """Count one finding."""
        self._findings.labels(rule, state).inc()
