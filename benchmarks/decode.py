"""How many messages a second are decoded on one core: a contact through its mapping, and the other ways.

python -m benchmarks.decode [--count 100000]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.fuzz import everything
from benchmarks.page import Section, Target
from core.clock import stopwatch
from core.messages import Heard
from core.wire import Refused
from ingest.decode import Decoder
from ingest.mapping import shipped

_NOW: Final = datetime(2026, 11, 24, 14, tzinfo=UTC)
_TIMES: Final = 3
"""Each is measured so often, and the best counts: what else the machine does is not ours."""
CONTACT: Final = "Zigbee2MQTT contact"
SAMPLES: Final[dict[str, tuple[str, bytes]]] = {
    CONTACT: ("zigbee2mqtt/Gym East", b'{"battery":100,"contact":false,"linkquality":87,"voltage":2900}'),
    "our own door": ("campus/everything/door/gym-east", b'{"position": "open", "at": "2026-11-24T14:00:00Z"}'),
    "Z-Wave JS UI": (
        "zwave/nodeID_2/113/0/Access_Control/Door_state", b'{"time":1795528800000,"value":22,"nodeId":2}',
    ),
    "Shelly Gen2 input": (
        "shellyplusi4-c4d8d554ad6c/events/rpc",
        b'{"src":"shellyplusi4-c4d8d554ad6c","method":"NotifyStatus","params":{"input:3":{"id":3,"state":true}}}',
    ),
    "people counter over LoRaWAN": (
        "v3/school/devices/gym/up",
        b'{"uplink_message":{"f_cnt":7,"decoded_payload":{"line_1_total_in":72,"line_1_total_out":200}}}',
    ),
    "nobody's topic": ("somebody/else", b"{}"),
    "no JSON": ("zigbee2mqtt/Gym East", b'{"battery":100,"contact":'),
}  # fmt: skip


@dataclass(frozen=True)
class Decoded:
    """How fast one kind of message is decoded."""

    name: str
    rate: float
    """Messages a second."""


def run(count: int) -> Iterator[Decoded]:
    """Yield the rate of every sample."""
    decoder = Decoder([everything()], shipped(), prefix="campus", lateness=timedelta(seconds=1))
    for name, (topic, payload) in SAMPLES.items():
        heard = Heard(topic, payload)
        best = min(_seconds(decoder, heard, count) for _ in range(_TIMES))
        yield Decoded(name, count / best)


def _seconds(decoder: Decoder, heard: Heard, count: int) -> float:
    decode = decoder.decode
    started = stopwatch()
    for _ in range(count):
        try:
            decode(heard, _NOW)
        except Refused:
            continue
    return stopwatch() - started


def section(_folder: Path) -> Section:
    """Measure each sample a little; return the part of the page."""
    found = Section(
        "From bytes to a message",
        "One core decodes the same payload again and again, through the mappings that ship.",
        ["python -m benchmarks.decode --count 100000"],
    )
    decoded = list(run(20_000))
    found.table(["what", "decoded a second"], [(each.name, f"{each.rate:,.0f}") for each in decoded])
    first = decoded[0]
    promised = "a typical contact sensor: at least 50,000 messages decoded a second"
    found.targets.append(Target(promised, f"{first.rate:,.0f}", first.rate >= 50_000))
    return found


def main() -> None:
    """Measure as asked and print it."""
    asked = argparse.ArgumentParser(description="Measures how fast messages are decoded, on one core.")
    asked.add_argument("--count", type=int, default=100_000)
    console = Console()
    for found in run(asked.parse_args().count):
        console.print(f"{found.name}: {found.rate:,.0f}/s")


if __name__ == "__main__":
    main()
