"""`hallwatch simulate`: plays a scenario to a broker; with `--expect` asks the API what came of it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from core.clock import SystemClock
from core.errors import BadInput, Problem, Unavailable
from core.messages import Exercise
from simulators.faults import check_rates
from simulators.play import BrokerAddress, Summary, play, record
from simulators.scenarios import Scenario, find_scenario, read_scenario
from simulators.utterance import TRIAL
from simulators.verdict import Observed, judge

SETTLE_S = 5.0
"""So long after the last message the last alert may take to come."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Whom to ask what came of it."""

    api: str
    token: str


@dataclass(frozen=True, slots=True)
class Order:
    """What to play, where, and how."""

    scenario: str
    broker: str
    prefix: str
    speed: float
    seed: int | None
    faults: tuple[str, ...]
    exercise: Exercise
    record: Path | None
    expect: Expect | None


async def run(order: Order, *, out: Console) -> int:
    """Play it (or write it down); 1 if something expected did not come, or something else did."""
    scenario = read_scenario(find_scenario(order.scenario))
    faults = read_faults(order.faults)
    stream = scenario.stream(prefix=order.prefix, seed=order.seed, faults=faults)
    if order.record is not None:
        if scenario.end is None:
            raise BadInput([Problem("goes on without end; it can be played, not recorded", where=scenario.id)])
        lines = record(stream, until=scenario.end, exercise=order.exercise)
        await asyncio.to_thread(order.record.write_bytes, b"".join(lines))
        out.print(f"recorded {scenario.id} in {order.record}")
        return 0
    if order.expect is not None and order.speed != 1.0:
        raise BadInput([Problem("the rules keep real time: --expect needs --speed 1", where="--speed")])
    if order.exercise == "live":
        out.print("[bold red]LIVE: what this scenario plays is real to the service. People will be told.[/bold red]")
    else:
        out.print(f"A {order.exercise}, below {TRIAL}/{order.prefix}/: nobody will be told. --live is for real.")
    summary = await _play(order, scenario, stream, out)
    out.print(f"{summary.acknowledged} of {summary.sent} messages acknowledged in {summary.seconds:.1f} s")
    if order.expect is None:
        return 0
    return await _verdict(order.expect, scenario, summary.started, out)


def read_faults(words: tuple[str, ...]) -> dict[str, float] | None:
    """Return the rates that `KIND=RATE` words give; None where there are none; BadInput where one means nothing."""
    if not words:
        return None
    found: dict[str, float] = {}
    for word in words:
        kind, _, rate = word.partition("=")
        try:
            found[kind] = float(rate)
        except ValueError:
            raise BadInput([Problem(f"{word!r}: write it like duplicate=0.05", where="--fault")]) from None
    check_rates(found)
    return found


async def _play(order: Order, scenario: Scenario, stream: Any, out: Console) -> Summary:
    total = (scenario.end - scenario.start).total_seconds() if scenario.end else None
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[moment]}  {task.fields[sent]} messages"),
        TimeElapsedColumn(),
        console=out,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(scenario.id, total=total, moment="", sent=0)

        def show(sent: int, moment: datetime) -> None:
            passed = (moment - scenario.start).total_seconds()
            bar.update(task, completed=passed, moment=f"{moment:%a %H:%M:%S}", sent=sent)

        return await play(
            stream,
            BrokerAddress.parse(order.broker),
            SystemClock(),
            start=scenario.start,
            speed=order.speed or inf,
            exercise=order.exercise,
            progress=show,
        )


async def _verdict(expect: Expect, scenario: Scenario, started: datetime, out: Console) -> int:
    wanted = scenario.wanted(started=started)
    last = max([started, *(each.at + each.expectation.within for each in wanted)])
    clock = SystemClock()
    await clock.sleep_until(last + timedelta(seconds=SETTLE_S))
    observed = await _ask(expect, scenario.campus.id, started)
    verdict = judge(wanted, observed, forbidden=scenario.file.forbid, allowed=scenario.file.allow)
    for line in verdict.lines():
        out.print(line)
    out.print(f"{len(verdict.met)} met, {len(verdict.missed)} missing, {len(verdict.unwanted)} unwanted")
    return 0 if verdict.passed else 1


async def _ask(expect: Expect, campus: str, since: datetime) -> list[Observed]:
    """Return what the API tells of the alerts of this run: their beginning, and their end where it came."""
    headers = {"Authorization": f"Bearer {expect.token}"}
    found: list[Observed] = []
    params: dict[str, str] = {"campus": campus, "since": since.isoformat(), "limit": "200"}
    async with httpx.AsyncClient(base_url=expect.api, headers=headers, timeout=20) as client:
        while True:
            try:
                answer = await client.get("/api/v1/alerts", params=params)
            except httpx.HTTPError as error:
                raise Unavailable(f"the API at {expect.api} does not answer: {error}") from None
            if answer.status_code != 200:
                raise BadInput([Problem(f"the API says {answer.status_code}: {answer.text[:200]}", where="--token")])
            page = answer.json()
            for alert in page["items"]:
                found += _observed(alert)
            if not page["next"]:
                return found
            params["cursor"] = page["next"]


def _observed(alert: dict[str, Any]) -> list[Observed]:
    began = datetime.fromisoformat(alert.get("began_at") or alert["opened_at"])
    said = {"rule": alert["rule"], "key": alert["key"], "severity": alert["severity"]}
    found = [Observed(at=began, state="firing", **said)]
    if alert["cleared_at"]:
        found.append(Observed(at=datetime.fromisoformat(alert["cleared_at"]), state="resolved", **said))
    return found
