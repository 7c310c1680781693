"""What really happened, beside what the sensors said of it: what every rule should find, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from simulators.utterance import write_instant


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """Something that truly holds: a rule should begin to say so between `at` and `until`."""

    campus: str
    rule: str
    key: str
    at: datetime
    until: datetime
    what: str
    """In words, for whoever reads the record."""

    def fits(self, rule: str, key: str, at: datetime) -> bool:
        """Return whether a finding says this."""
        return (self.rule, self.key) == (rule, key) and self.at <= at <= self.until


def truth_lines(truths: Iterable[Truth]) -> Iterator[bytes]:
    """Yield the record, one JSON object a line, in order of time."""
    for each in sorted(truths, key=lambda one: (one.at, one.campus, one.rule, one.key)):
        said = msgspec.structs.asdict(each)
        yield msgspec.json.encode(said | {"at": write_instant(each.at), "until": write_instant(each.until)}) + b"\n"
