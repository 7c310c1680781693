"""Rubbish by the thousand while true messages go on: all of it counted with a reason, every alert due told in time.

Mutilated samples of every mapping and of our own topics, raw bytes, half-JSON, wrong topics, far too deep and far too
large payloads, at QoS 0 and 1. Each is one that the decoder refuses, for a reason known beforehand: what `/metrics`
has counted under each reason must be what was sent.

    python -m benchmarks.endurance.garbage [--seconds 15] [--rate 10000] [--true-rate 5] [--seed 1]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path
from threading import Event
from typing import Final

import yaml
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from benchmarks import fuzz
from benchmarks.endurance.count import Count, compare, look, settled
from benchmarks.endurance.processes import Process, processes, started
from benchmarks.endurance.readiness import asked
from benchmarks.endurance.sensors import Sensors, open_all_day
from benchmarks.endurance.wire import Spoken, publish
from benchmarks.latency import share
from benchmarks.stage import Stage, stage
from core.campus import Campus
from core.clock import SystemClock, stopwatch
from core.messages import Heard
from core.wire import Refused
from ingest.decode import Decoder, PartlyRefused
from ingest.mapping import shipped
from ingest.mapping.examples import EXAMPLE_KEY

TOPICS: Final = (
    "campus/lincoln/door/office",
    "campus/lincoln/visitor/lobby",
    "campus/lincoln/attendance/winter-concert",
    "campus/lincoln/device/gym-east-contact",
    "campus/lincoln/campus/state",
    "campus/lincoln/door/nowhere",
    "campus/lincoln/window/office",
    "campus/roosevelt/door/main",
    "zigbee2mqtt/Gym East",
)
PREPARED: Final = 20_000
"""So many different payloads are made beforehand, and said again and again."""
HUGE: Final = 200_000
"""Bytes of a payload that is too large; one of `HUGE_EVERY`, or nothing else would have room on the wire."""
HUGE_EVERY: Final = 2_000
DEEP_EVERY: Final = 50
PATIENCE_S: Final = 60.0
Progress = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Garbage:
    """What came of it."""

    count: Count
    sent: Counter[str]
    """Payloads of rubbish that were published, by the word of the reason that each must be refused for."""
    refused: Counter[str]
    """Those that were counted as refused, by the word of the reason."""
    rate: float
    """So many a second really went out."""
    kept: int
    """Rows of the quarantine, which is bounded."""
    worked_off_s: float
    """From the last payload to the last count."""
    p50: float
    p99: float
    """Milliseconds from a true message to its push, while the rubbish came."""
    memory_mib: float
    """The most that the process held."""
    worst_s: float
    """The longest that `/readyz` took."""

    @property
    def silent(self) -> int:
        """How many were counted nowhere."""
        return (self.sent - self.refused).total()

    @property
    def wrong(self) -> int:
        """How many were counted for another reason, or more than once."""
        return (self.refused - self.sent).total()

    @property
    def holds(self) -> bool:
        """Every payload counted once, with its reason, and every alert told."""
        return self.count.holds and not self.silent and not self.wrong

    def __str__(self) -> str:
        reasons = ", ".join(f"{word} {number:,}" for word, number in self.refused.most_common())
        return (
            f"{self.count}\n{self.sent.total():,} payloads of rubbish at {self.rate:,.0f}/s, {self.silent:,} counted "
            f"nowhere, {self.wrong:,} wrongly; refused: {reasons}; {self.kept:,} kept; worked off "
            f"{self.worked_off_s:.1f} s after the last; true alerts p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms; "
            f"{self.memory_mib:.0f} MiB at most; /readyz took {self.worst_s:.2f} s at most"
        )


async def run(
    folder: Path,
    *,
    seconds: float = 15.0,
    rate: float = 10_000,
    true_rate: float = 5,
    seed: int = 1,
    progress: Progress = lambda _line: None,
) -> Garbage:
    """Publish rubbish and true messages side by side, and count both."""
    async with stage(folder) as here:
        open_all_day(here)
        prepared = list(islice(rubbish(campus_of(here), seed), PREPARED))
        (process,), sensors = processes(here, split=False), Sensors(here.broker.port)
        async with started([process]), asked(here.service.url, timeout_s=30) as readiness:
            with sensors.connected():
                progress(f"{rate:g} payloads of rubbish a second for {seconds:g} s …")
                times, began = dict[str, float](), stopwatch()
                sent = await _flood(here, prepared, sensors, times, rate=rate, true_rate=true_rate, seconds=seconds)
                flooded = stopwatch() - began
                refused, worked_off = await _counted(here.service.url, sent.total())
                await settled(here, sensors.said)
            took = _latencies(here, times)
            ((kept,),) = here.query("SELECT count(*) FROM quarantine")
            return Garbage(
                count=compare(f"rubbish, {rate:,.0f}/s", sensors.said, look(here)),
                sent=sent,
                refused=refused,
                rate=sent.total() / flooded,
                kept=int(kept),
                worked_off_s=worked_off,
                p50=share(took, 0.5),
                p99=share(took, 0.99),
                memory_mib=_most_memory(process),
                worst_s=readiness.worst_s,
            )


def campus_of(here: Stage) -> Campus:
    """Return the campus that the service will load."""
    return Campus.model_validate(yaml.safe_load((here.folder / "config" / "campus.yaml").read_text()))


def rubbish(campus: Campus, seed: int) -> Iterator[tuple[Spoken, str]]:
    """Yield, without end, what is refused, and the word of the reason."""
    chance = random.Random(seed)
    decoder = Decoder([campus], shipped(), prefix="campus", lateness=timedelta(seconds=1), pseudonym_key=EXAMPLE_KEY)
    now = SystemClock().now()
    for number, (_, payload) in enumerate(fuzz.payloads(2**62, seed)):
        if number % HUGE_EVERY == 0:
            payload = b"x" * HUGE
        elif number % DEEP_EVERY == 0:
            payload = b'{"a":' * 1000 + b"1" + b"}" * 1000
        topic = chance.choice(TOPICS)
        try:
            decoder.decode(Heard(topic, payload), now)
        except PartlyRefused:
            continue
        except Refused as refused:
            yield (topic, payload, number % 2), refused.reason.partition(":")[0]


async def _flood(
    here: Stage,
    prepared: Sequence[tuple[Spoken, str]],
    sensors: Sensors,
    times: dict[str, float],
    *,
    rate: float,
    true_rate: float,
    seconds: float,
) -> Counter[str]:
    """Say both; return how much rubbish went out, by its reason."""
    stop, loop = Event(), asyncio.get_running_loop()
    rubbish_now = (spoken for spoken, _ in cycle(prepared))
    flood = asyncio.create_task(asyncio.to_thread(publish, here.broker.port, rubbish_now, rate=rate, stop=stop))
    started_at = loop.time()
    try:
        for number in range(int(seconds * true_rate)):
            await asyncio.sleep(max(0.0, started_at + number / true_rate - loop.time()))
            visit = f"v{number}"
            times[visit] = loop.time()  # the receiver stamps with the same clock
            sensors.say("visitor/lobby", {"action": "escort", "visit": visit})
        await asyncio.sleep(max(0.0, started_at + seconds - loop.time()))
    finally:
        stop.set()
    count = await flood
    return Counter(word for _, word in islice(cycle(prepared), count))


async def _counted(url: str, count: int) -> tuple[Counter[str], float]:
    """Wait until so many were counted, or for as long as more are; return the count, and how long it took."""
    began, seen, since = stopwatch(), 0, stopwatch()
    refused: Counter[str] = Counter()
    while refused.total() < count and stopwatch() - since < PATIENCE_S:
        with contextlib.suppress(OSError):
            refused = await asyncio.to_thread(_refused, url)
        if refused.total() != seen:
            seen, since = refused.total(), stopwatch()
        await asyncio.sleep(0.2)
    return refused, stopwatch() - began


def _refused(url: str) -> Counter[str]:
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    samples = (each for family in text_string_to_metric_families(text) for each in family.samples)
    named = (each for each in samples if each.name == "hallwatch_quarantined_total")
    return Counter({each.labels["reason"]: int(each.value) for each in named})


def _latencies(here: Stage, times: dict[str, float]) -> list[float]:
    """Return the milliseconds from each true message to its push, in order of size."""
    arrived: dict[str, float] = {}
    for push in here.receiver.received:
        arrived.setdefault(push.json["title"].partition("probe ")[2].partition(" ")[0], push.at)
    return sorted(1000 * (arrived[visit] - at) for visit, at in times.items() if visit in arrived) or [float("inf")]


def _most_memory(process: Process) -> float:
    assert process.process is not None
    for line in Path(f"/proc/{process.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def main() -> int:
    """Run and print; 1 if a payload was counted nowhere, or an alert reached nobody."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=float, default=15.0)
    words.add_argument("--rate", type=float, default=10_000, help="payloads of rubbish a second")
    words.add_argument("--true-rate", type=float, default=5, help="true messages a second, each due an alert")
    words.add_argument("--seed", type=int, default=1)
    said = words.parse_args()
    out = Console()
    with tempfile.TemporaryDirectory() as name:
        found = asyncio.run(
            run(
                Path(name) / "stage",
                seconds=said.seconds,
                rate=said.rate,
                true_rate=said.true_rate,
                seed=said.seed,
                progress=out.print,
            )
        )
    out.print(str(found), highlight=False)
    return 0 if found.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
