"""Anything on the wire: mutilated samples of every mapping, and raw bytes. None may crash, hang or pile up.

`python -m benchmarks.fuzz --count 1000000 [--seed N]`. Every payload is decoded or refused with a reason.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from benchmarks.page import Section, Target
from core.campus import Campus
from core.clock import stopwatch
from core.messages import KINDS, Heard
from core.wire import Refused
from ingest.decode import Decoder, PartlyRefused
from ingest.mapping import Mapping, shipped
from ingest.mapping.document import Example
from ingest.mapping.elements import Element
from ingest.mapping.examples import EXAMPLE_KEY, payload_of

SLOWEST: Final = 0.050
"""Seconds that one payload may take."""
GROWTH: Final = 64
"""MiB by which the process may grow after its first tenth."""
_NOW: Final = datetime(2026, 11, 24, 14, tzinfo=UTC)
_JUNK: Final[tuple[bytes, ...]] = (
    b"", b"null", b"true", b"0", b"-1", b"1e99", b"1e999", b"NaN", b'""', b"[]", b"{}", b"\x00", b"\\u0000", b"\xff",
    b"\xed\xa0\x80", b"18446744073709551616", b"9" * 400, b'"' + b"x" * 300 + b'"', b"[" * 40, b'{"a":' * 40,
    b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00+14:00",
)  # fmt: skip
_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2**53, 2**63, 1e300, 0.5, "", "open", "ON", "0", "x" * 300, [], {}, [[]], {"a": {}},
    "2026-11-24T14:00:00Z", 1795528800000,
)  # fmt: skip


@dataclass
class Outcome:
    """What came of a run."""

    count: int = 0
    decoded: int = 0
    messages: int = 0
    partly: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    crashed: list[str] = field(default_factory=list)
    slowest: float = 0.0
    """Seconds."""
    seconds: float = 0.0
    grown: float = 0.0
    """MiB by which the process has grown after its first tenth."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing crashed, nothing was slow and nothing piled up."""
        whole = self.decoded + self.refused.total() == self.count
        return whole and not self.crashed and self.slowest < SLOWEST and self.grown < GROWTH


def samples() -> list[tuple[str, bytes]]:
    """Return topic and payload of every example: of our own kinds of message, and of every mapping."""
    own = [
        (f"campus/everything/{kind.example['topic']}", msgspec.json.encode(kind.example["payload"]))
        for kind in KINDS.values()
        if kind.heard_as
    ]
    foreign = [(each.topic, payload_of(each)) for mapping in shipped() for each in mapping.document.examples]
    return [*own, *foreign]


def everything() -> Campus:
    """Return a campus that names the source of every example, so that payloads are read to the end."""
    doors, gatherings = dict[str, None](), dict[str, None]()
    for mapping in shipped():
        for example in mapping.document.examples:
            taken = mapping.match(example.topic)
            if taken is None or mapping.is_silent:
                continue
            for element in _elements(mapping, example, taken):
                source = f"{element.source}?{example.wiring}" if example.wiring else str(element.source)
                (gatherings if mapping.family == "attendance" else doors)[source] = None
    while_it_is_on = {"start": "2026-11-24T07:00", "end": "2026-11-24T22:00"}
    named = [{"id": f"d{number}", "name": source, "source": source} for number, source in enumerate(doors)]
    counted = [{"id": f"g{number}", "name": source, "source": source} for number, source in enumerate(gatherings)]
    return Campus.model_validate(
        {
            "campus": {"id": "everything", "name": "Everything", "timezone": "America/Chicago"},
            "doors": [{"id": "gym-east", "name": "Gym east"}, {"id": "main", "name": "Main"}, *named],
            "devices": [{"id": "gym-east-contact", "door": "gym-east"}],
            "gatherings": [each | while_it_is_on for each in ({"id": "winter-concert", "name": "Concert"}, *counted)],
        }
    )


def _elements(mapping: Mapping, example: Example, taken: dict[str, str]) -> Iterator[Element]:
    try:
        yield from mapping.elements(mapping.payload(payload_of(example)), taken)
    except Refused:
        return


def payloads(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield topics and payloads that somebody might send."""
    chance = random.Random(seed)
    known = samples()
    for _ in range(count):
        topic, sample = chance.choice(known)
        if chance.random() < 0.02:
            topic = _cut(topic.encode(), chance).decode("utf-8", "replace")
        way = chance.random()
        if way < 0.10:
            yield topic, chance.randbytes(chance.randrange(200))
        elif way < 0.45:
            yield topic, _other_value(sample, chance)
        elif way < 0.50:
            yield topic, chance.choice(known)[1]
        else:
            yield topic, _cut(sample, chance)


def _cut(sample: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randrange(1, 4)):
        start = chance.randrange(len(sample) + 1)
        end = min(len(sample), start + chance.randrange(12))
        junk = chance.choice(_JUNK) if chance.random() < 0.5 else chance.randbytes(chance.randrange(4))
        sample = sample[:start] + junk + sample[end:]
    return sample


def _other_value(sample: bytes, chance: random.Random) -> bytes:
    try:
        root = msgspec.json.decode(sample)
    except msgspec.DecodeError:
        return msgspec.json.encode(chance.choice(_VALUES))
    place: Any = root
    while isinstance(place, dict | list) and place:
        key = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
        if not isinstance(place[key], dict | list) or chance.random() < 0.3:
            way = chance.random()
            if way < 0.2:
                del place[key]
            elif way < 0.3 and isinstance(place, dict):
                place[chance.choice(["x", "", "line_1_total_in", "input:1", "Switch9", "y" * 300])] = place.pop(key)
            elif way < 0.35 and isinstance(place, list):
                place.extend([place[key]] * chance.choice([1, 3, 700]))
            else:
                place[key] = chance.choice(_VALUES)
            break
        place = place[key]
    else:
        return msgspec.json.encode(chance.choice(_VALUES))
    return msgspec.json.encode(root)


def run(count: int, seed: int = 1) -> Outcome:
    """Decode so many payloads and return what came of them."""
    decoder = Decoder(
        [everything()], shipped(), prefix="campus", lateness=timedelta(seconds=1), pseudonym_key=EXAMPLE_KEY
    )
    outcome, size_then, started = Outcome(), 0.0, stopwatch()
    for number, (topic, payload) in enumerate(payloads(count, seed)):
        heard = Heard(topic, payload, retained=number % 7 == 0)
        _decode(decoder, heard, outcome)
        if number == count // 10:
            size_then = _size()
    outcome.seconds = stopwatch() - started
    outcome.grown = _size() - size_then
    return outcome


def _decode(decoder: Decoder, heard: Heard, outcome: Outcome) -> None:
    outcome.count += 1
    before = stopwatch()
    try:
        found = decoder.decode(heard, _NOW)
        outcome.decoded += 1
        outcome.messages += len(found)
    except Refused as refused:
        outcome.partly += isinstance(refused, PartlyRefused)
        outcome.refused[refused.reason.partition(":")[0]] += 1
        decoder.presentable(heard)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        outcome.crashed.append(f"{type(error).__name__}: {error} on {heard.topic!r} {heard.payload[:200]!r}")
    outcome.slowest = max(outcome.slowest, stopwatch() - before)


def _size() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def section(_folder: Path) -> Section:
    """Feed the decoder for some seconds; return the part of the page."""
    found = run(100_000)
    said = Section(
        "Anything on the wire",
        "The samples of every mapping and of our own topics with bytes and values exchanged, and raw bytes. Each is "
        "decoded, or refused with a reason.",
        ["make fuzz"],
    )
    said.table(
        ["payloads", "decoded", "refused with a reason", "crashed", "slowest ms", "memory grown by MiB"],
        [
            (
                f"{found.count:,}",
                f"{found.decoded:,}",
                f"{found.refused.total():,}",
                len(found.crashed),
                f"{1000 * found.slowest:.1f}",
                f"{found.grown:.1f}",
            )
        ],
    )
    said.targets.append(Target("no payload crashes the decoder", f"{len(found.crashed)} crashed", found.is_clean))
    return said


def main() -> int:
    """Run as asked, print what came of it, and fail if it was not clean."""
    asked = argparse.ArgumentParser(description="Feeds the decoder with mutilated payloads.")
    asked.add_argument("--count", type=int, default=100_000)
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    found = run(options.count, options.seed)
    console = Console()
    console.print(f"{found.count:,} payloads in {found.seconds:.0f} s ({found.count / found.seconds:,.0f}/s)")
    console.print(f"decoded {found.decoded:,} (into {found.messages:,} messages), refused {found.refused.total():,}")
    for word, number in found.refused.most_common():
        console.print(f"  {word} {number:,}")
    console.print(f"of them in part {found.partly:,}; crashed {len(found.crashed):,}")
    console.print(f"slowest {1000 * found.slowest:.1f} ms, grown by {found.grown:.1f} MiB after the first tenth")
    for line in found.crashed[:20]:
        console.print(line, markup=False)
    return 0 if found.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
