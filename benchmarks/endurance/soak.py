"""Weeks of a school, played fast through the real pipeline: journal, findings and deliveries against the truth.

A school of 20 doors lives with its incidents over an ordinary bad network (duplicates, reordering, delays, wrong
clocks, reboots, rubbish, reconnections); once a day, at a moment that the seed chooses, the service dies and starts
again on its database. The clock is moved by hand; decoder, journal, rules, desk, outbox and courier are the real ones,
a phone that takes everything stands where Apprise would.

    python -m benchmarks.endurance.soak [--weeks 0.6] [--incidents 4] [--seed 1] [--fault KIND=RATE…]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from sqlalchemy import text

from alerts import shapes, store
from app import recordings
from app.recordings import Line
from app.sightings import sightings
from app.simulation import read_faults
from benchmarks import truth
from benchmarks.endurance.count import Count
from benchmarks.stage import keep_log_quiet
from core.clock import ManualClock, stopwatch
from core.journal import REMEMBER
from core.messages import Heard
from core.wire import Refused
from ingest.decode import Decoder
from ingest.mapping import shipped
from ingest.mapping.examples import EXAMPLE_KEY
from rules.rule import shipped as shipped_rules
from simulators.faults import DEFAULT_RATES
from simulators.play import record
from simulators.scenarios import Scenario
from simulators.verdict import Observed
from tests.stories.duty import Duty, duty

WEEKS: Final = 0.6
AWAY_S: Final = 5.0
AFTERWARDS: Final = timedelta(hours=2)
"""Time for what waits to be told together."""
TOGETHER: Final = timedelta(seconds=0.2)
"""What arrives within so long is one batch, as it is between two ticks."""
Progress = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Soak:
    """What came of it."""

    count: Count
    days: int
    restarts: int
    refused: int
    """Payloads that nobody can read, as sent."""
    quarantined: int
    report: truth.Report
    """What was found of what was true."""
    seconds: float

    @property
    def holds(self) -> bool:
        """Nothing lost or doubled, everything true found, all that cannot be read kept."""
        return self.count.holds and self.report.held and self.refused == self.quarantined

    def __str__(self) -> str:
        mistakes = "\n".join(("", *self.report.mistakes)) if self.report.mistakes else ""
        true = sum(each.true for each in self.report.scores.values())
        found = sum(each.found for each in self.report.scores.values())
        false = sum(each.false for each in self.report.scores.values())
        return (
            f"{self.count}\n{self.days} days, {self.restarts} restarts in {self.seconds:.0f} s; of {true} incidents "
            f"{found} found, {false} false findings; {self.quarantined} of {self.refused} unreadable payloads kept"
            f"{mistakes}"
        )


@dataclass(slots=True)
class Sent:
    """What the sensors have said, by their own ids."""

    heard: dict[str, datetime] = field(default_factory=dict)
    again: int = 0
    """Said again so much later that it counts as new: rows beyond the first that are no doubles."""

    def note(self, line: Line) -> None:
        """Put a line on record."""
        assert line.heard is not None
        name = _name(line.heard)
        if name is None:
            return
        before = self.heard.setdefault(name, line.rx)
        if line.rx - before > REMEMBER:
            self.again += 1
            self.heard[name] = line.rx


async def run(
    folder: Path,
    *,
    weeks: float = WEEKS,
    incidents: int = 4,
    seed: int = 1,
    faults: Mapping[str, float] = DEFAULT_RATES,
    progress: Progress = lambda _line: None,
) -> Soak:
    """Live so many weeks, and compare."""
    folder.mkdir(parents=True, exist_ok=True)
    began = stopwatch()
    days = max(1, round(7 * weeks))
    scenario = truth.scenario_of(timedelta(days=days), seed, incidents)
    lines = recordings.parse(record(scenario.stream(faults=faults), until=scenario.end, exercise="live"))
    cuts = _cuts(scenario, days, random.Random(seed))
    async with duty(folder, ManualClock(scenario.start), scenario.campus) as watch:
        sent = Sent()
        await _play(watch, lines, list(cuts), sent, progress)
        # From here on nobody says anything any more, and that is found, too.
        findings = await _findings(watch)
        await watch.wait(AFTERWARDS)
        count = await _count(watch, sent, f"soak, {days} days")
        report = truth.Report(days, len(lines))
        truth.compare(report, scenario, findings, truth.bent_by(scenario, faults))  # type: ignore[arg-type]
        (quarantined,) = await _ask(watch, "SELECT count(*) FROM quarantine")
        refused = _unreadable(watch, lines)
    return Soak(count, days, len(cuts), refused, int(quarantined[0]), report, stopwatch() - began)


def _cuts(scenario: Scenario, days: int, chance: random.Random) -> list[datetime]:
    day = timedelta(days=1)
    return [scenario.start + number * day + chance.random() * day for number in range(days)]


async def _play(watch: Duty, lines: Sequence[Line], cuts: list[datetime], sent: Sent, progress: Progress) -> None:
    day = watch.now.date()
    for batch in batches(lines):
        if cuts and cuts[0] <= batch[-1].rx:
            await _until(watch, cuts.pop(0))
            await watch.power_cut(AWAY_S)
        await _until(watch, batch[-1].rx)
        if watch.now.date() != day:
            day = watch.now.date()
            progress(f"{day:%a %d %b} …")
        heard = [line.heard for line in batch if line.heard is not None]
        for line in batch:
            if line.heard is not None:
                sent.note(line)
        if heard:
            await watch.service.pipeline.on_messages(heard)


def batches(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield the lines in batches of what arrives at almost the same time."""
    batch: list[Line] = []
    for line in lines:
        if batch and line.rx - batch[0].rx > TOGETHER:
            yield batch
            batch = []
        batch.append(line)
    if batch:
        yield batch


async def _until(watch: Duty, moment: datetime) -> None:
    # What is said while the service is away waits at the broker.
    if moment > watch.now:
        await watch.wait(moment - watch.now)


async def _count(watch: Duty, sent: Sent, name: str) -> Count:
    rows = Counter(
        (f"{said['source']} {said['message_id']}", said.get("part", 0))
        for said in [msgspec.json.decode(data) for (data,) in await _ask(watch, "SELECT data FROM messages")]
        if said.get("identified", True)
    )
    heard = {each for each, _ in rows}
    doubled = rows.total() - len(rows) - sent.again
    now = int(watch.now.timestamp() * 1e6)
    told = await _ask(
        watch,
        "SELECT alert, sum(state = 'accepted'), sum(state <> 'cancelled' AND (due_at IS NULL OR due_at <= "
        f"{now})) FROM deliveries WHERE alert > 0 GROUP BY alert",
    )
    twice = await _ask(
        watch, "SELECT delivery FROM attempts WHERE outcome = 'accepted' GROUP BY delivery HAVING count(*) > 1"
    )
    due = [accepted for _, accepted, wanted in told if wanted]
    return Count(
        name,
        sent=len(sent.heard),
        journalled=len(heard & sent.heard.keys()),
        lost=len(sent.heard.keys() - heard),
        duplicated=max(0, doubled),
        alerts_due=len(due),
        delivered=sum(accepted > 0 for accepted in due),
        twice=len(twice),
    )


async def _findings(watch: Duty) -> list[Observed]:
    """Return what was found, from the alerts and their timelines."""
    found: list[Observed] = []
    async with watch.service.database.reading() as session:
        for (number,) in (await session.execute(text("SELECT id FROM alerts ORDER BY id"))).all():
            alert = await store.get(session, number)
            timeline = [shapes.event_json(event) for event in await store.timeline(session, number)]
            found += sightings(shapes.as_json(alert), timeline)
    rules = {each.id for each in shipped_rules()}
    return [each for each in found if each.state == "firing" and each.rule in rules]


def _unreadable(watch: Duty, lines: Sequence[Line]) -> int:
    decoder = Decoder(
        [watch.campus], shipped(), prefix="campus", lateness=timedelta(seconds=1), pseudonym_key=EXAMPLE_KEY
    )
    refused = 0
    for line in lines:
        try:
            if line.heard is not None:
                decoder.decode(line.heard, line.rx)
        except Refused:
            refused += 1
    return refused


def _name(heard: Heard) -> str | None:
    """Return source and id of what was said on our own topics; None where it has no id, or cannot be read."""
    _, _, source = heard.topic.split("/", 2)
    try:
        said = msgspec.json.decode(heard.payload)
    except msgspec.DecodeError:
        return None
    return f"{source} {said['id']}" if isinstance(said, dict) and "id" in said else None


async def _ask(watch: Duty, query: str) -> list[Any]:
    async with watch.service.database.reading() as session:
        return [tuple(row) for row in (await session.execute(text(query))).all()]


def main() -> int:
    """Run and print; 1 if something was lost or doubled, or a rule was not right."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--weeks", type=float, default=WEEKS, help="8 for a long one: about a minute for half a week")
    words.add_argument("--incidents", type=int, default=4, help="a school day")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--fault", action="append", default=[], metavar="KIND=RATE")
    said = words.parse_args()
    keep_log_quiet()
    faults = {**DEFAULT_RATES, **(read_faults(tuple(said.fault)) or {})}
    out = Console()
    with tempfile.TemporaryDirectory() as name:
        found = asyncio.run(
            run(
                Path(name),
                weeks=said.weeks,
                incidents=said.incidents,
                seed=said.seed,
                faults=faults,
                progress=out.print,
            )
        )
    out.print(str(found), highlight=False)
    return 0 if found.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
