"""`hallwatch simulate`: plays a scenario to a broker; with `--expect` asks the API what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final

import yaml
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app import load
from app.asking import Api
from app.deeds import Cast, require
from app.outcome import Outcome, diverging
from core.clock import SystemClock, stopwatch
from core.errors import BadInput, Problem
from core.messages import Exercise
from core.registry import to_plain
from simulators.box import as_school
from simulators.dialects import OWN, bound, check_dialect, spoken
from simulators.faults import DEFAULT_RATES, check_rates
from simulators.load import Load
from simulators.play import BrokerAddress, Summary, play, record
from simulators.scenarios import Scenario, find_scenario, read_scenario
from simulators.truth import truth_lines
from simulators.utterance import TRIAL, Utterance
from simulators.verdict import STATES, TELLING, judge

SETTLE_S: Final = 5.0
"""So long after the last message the last alert may take to come."""
LOOK_EVERY_S: Final = 2.0
"""So often the API is asked for alerts while a scenario is played."""
DEFAULT: Final = "default"
"""`--fault default` stands for an ordinary network's rates."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Whom to ask what came of it."""

    api: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to play, where, and how."""

    scenario: str
    broker: str
    prefix: str = "campus"
    speed: float = 1.0
    seed: int | None = None
    faults: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    """Values for the scenario's parameters, `NAME=VALUE`."""
    exercise: Exercise = "test"
    dialect: str = OWN
    record: Path | None = None
    truth: Path | None = None
    """Where to write what really happens."""
    campuses: Path | None = None
    """Where to write the campus files that the service must know."""
    expect: Expect | None = None
    as_json: bool = False
    junit: Path | None = None


@dataclass(slots=True)
class Performance:
    """A scenario as it was ordered: on its campus, with its faults, in its dialect."""

    order: Order
    scenario: Scenario
    faults: dict[str, float] | None = field(default=None)

    def stream(self) -> Iterator[Utterance]:
        """Return what is said."""
        told = self.scenario.stream(prefix=self.order.prefix, seed=self.order.seed, faults=self.faults)
        return spoken(told, self.scenario.campus, self.order.dialect)


async def run(order: Order, *, out: Console) -> int:
    """Play it (or write it down); 1 if something expected did not come, or something else did."""
    given = read_given(order.given)
    scenario = read_scenario(find_scenario(order.scenario), given)
    performance = Performance(order, scenario, read_faults(order.faults))
    _check(order)
    if order.campuses is not None:
        await asyncio.to_thread(_write_campuses, performance, order.campuses, out)
    if order.truth is not None:
        truths = b"".join(truth_lines(scenario.truths(seed=order.seed)))
        await asyncio.to_thread(order.truth.write_bytes, truths)
        out.print(f"what really happens is in {order.truth}")
    if order.record is not None:
        return await _write_down(performance, order.record, out)
    if order.campuses is not None or order.truth is not None:
        return 0
    announce(performance, out)
    async with _asking(performance) as api:
        if api is None:
            _leave_out(scenario, "they are done with --expect, through the API", out)
            _tell(await _play(performance, out, None), out)
            return 0
        outcome = await _judged(performance, out, api)
    _report(outcome, order, out)
    return 0 if outcome.passed else 1


async def _judged(performance: Performance, out: Console, api: Api) -> Outcome:
    """Play it with its people, and ask what came of it."""
    began, scenario = stopwatch(), performance.scenario
    exercise = performance.order.exercise
    cast = Cast(api, SystemClock(), scenario.campus.id, exercise, partial(out.print, markup=False))
    if exercise == "test" and any(each.told or each.state in TELLING for each in scenario.file.expect):
        out.print("not asked: who is told, and who is not. A test tells nobody; say --drill")
    acting = asyncio.create_task(cast.play(scenario.deeds(), start=scenario.start))
    try:
        summary = await _play(performance, out, api)
        await acting
    finally:
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
    _tell(summary, out)
    return replace(await _outcome(performance, summary, api, began), undone=tuple(cast.undone))


def _tell(summary: Summary, out: Console) -> None:
    out.print(f"{summary.acknowledged} of {summary.sent} messages acknowledged in {summary.seconds:.1f} s")


def _leave_out(scenario: Scenario, why: str, out: Console) -> None:
    """Say which part of the scenario is not played."""
    deeds = [str(deed) for _, deed in scenario.deeds()]
    if deeds:
        out.print(f"left out, for {why}: {'; '.join(deeds)}", markup=False)


async def press(
    order: Order, *, rate: float, seconds: float, doors: int | None, picture: Path | None, out: Console
) -> int:
    """Send so many messages a second of the scenario's campus; 1 if one of them was lost on the way."""
    scenario = read_scenario(find_scenario(order.scenario), read_given(order.given))
    announce(Performance(order, scenario), out)
    asked = (order.expect.api, order.expect.token) if order.expect else None
    pressure = Load(rate=rate, seconds=seconds, doors=doors, prefix=order.prefix, live=order.exercise == "live")
    address = BrokerAddress.parse(order.broker)
    return await load.run(
        scenario.campus, pressure, address, api=asked, picture=picture, as_json=order.as_json, out=out
    )


def _check(order: Order) -> None:
    check_dialect(order.dialect)
    if order.expect is not None and order.speed != 1.0:
        raise BadInput([Problem("the rules keep real time: --expect needs --speed 1", where="--speed")])
    if order.expect is None and (order.as_json or order.junit):
        raise BadInput(
            [Problem("tells what came of it: needs --expect", where="--json" if order.as_json else "--junit")]
        )
    writes = order.record or order.truth or order.campuses
    if order.dialect != OWN and order.exercise != "live" and not writes:
        problem = "what other makers' devices say cannot be marked as a test; record it, or say it with --live"
        raise BadInput([Problem(problem, where="--dialect")])


def read_faults(words: tuple[str, ...]) -> dict[str, float] | None:
    """Return the rates that `KIND=RATE` words give; None where there are none; BadInput where one means nothing."""
    if not words:
        return None
    found: dict[str, float] = {}
    for word in words:
        if word == DEFAULT:
            found = {**DEFAULT_RATES, **found}
            continue
        kind, _, rate = word.partition("=")
        try:
            found[kind] = float(rate)
        except ValueError:
            problem = f"{word!r}: write it like duplicate=0.05, or {DEFAULT} for an ordinary network"
            raise BadInput([Problem(problem, where="--fault")]) from None
    check_rates(found)
    return found


def read_given(words: tuple[str, ...]) -> dict[str, Any]:
    """Return the values that `NAME=VALUE` words give, as YAML means them; BadInput where one means nothing."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise BadInput([Problem(f"{word!r}: write it like door=gym-east", where="--set")])
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            found[name] = value
    return found


def announce(performance: Performance, out: Console) -> None:
    """Say in large letters what is about to be done, and to whom."""
    order, scenario = performance.order, performance.scenario
    schools = scenario.schools
    where = BrokerAddress.parse(order.broker)
    campus = scenario.campus.campus.name + (f" and {len(schools) - 1} more like it" if len(schools) > 1 else "")
    lines = [f"[bold]{scenario.id}[/bold]: {scenario.file.about or 'no word about it'}", f"at {campus}"]
    lines.append(f"through the broker at {where.host}:{where.port}, below {_topics(order)}")
    if order.exercise == "live":
        title, colour = "L I V E", "bold white on red"
        lines.append("[bold red]It is real to the service: people WILL be told, as if it had happened.[/bold red]")
    else:
        title, colour = (" ".join(order.exercise.upper()), "bold black on yellow")
        nobody = "Nobody will be told." if order.exercise == "test" else "People will be told, marked as a DRILL."
        lines.append(f"{nobody} Nothing of it can raise a live alert. (--live is for real.)")
    if order.expect is not None and scenario.file.people:
        lines.append("People answer in it, in the name of the token: alerts of this run, and no others.")
    out.print(Panel("\n".join(lines), title=f"[{colour}]  {title}  [/{colour}]", box=box.HEAVY, expand=False))


def _topics(order: Order) -> str:
    own = f"{order.prefix}/" if order.exercise == "live" else f"{TRIAL}/{order.prefix}/"
    return own if order.dialect == OWN else f"{own} and the topics of {order.dialect}"


def _write_campuses(performance: Performance, folder: Path, out: Console) -> None:
    scenario = performance.scenario
    folder.mkdir(parents=True, exist_ok=True)
    campus = bound(scenario.campus, performance.order.dialect)
    for name in scenario.schools:
        plain = to_plain(as_school(campus, name))
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    out.print(f"{len(scenario.schools)} campus files are in {folder}; `hallwatch load {folder}` makes them known")


async def _write_down(performance: Performance, path: Path, out: Console) -> int:
    scenario = performance.scenario
    if scenario.end is None:
        raise BadInput([Problem("goes on without end; it can be played, not recorded", where=scenario.id)])
    lines = record(performance.stream(), until=scenario.end, exercise=performance.order.exercise)

    def write() -> None:
        with path.open("wb") as file:
            file.writelines(lines)

    await asyncio.to_thread(write)
    out.print(f"recorded {scenario.id} in {path}")
    _leave_out(scenario, "a recording holds messages alone", out)
    return 0


@contextlib.asynccontextmanager
async def _asking(performance: Performance) -> AsyncIterator[Api | None]:
    order, scenario = performance.order, performance.scenario
    if order.expect is None:
        yield None
        return
    async with Api.at(order.expect.api, order.expect.token) as api:
        # Before anything is sent: a token that is not taken, or may not do what people do in it, is told at once.
        await api.count_alerts("none", SystemClock().now())
        await require(scenario.deeds(), api, order.exercise)
        yield api


async def _play(performance: Performance, out: Console, api: Api | None) -> Summary:
    order, scenario = performance.order, performance.scenario
    total = (scenario.end - scenario.start).total_seconds() if scenario.end else None
    words = "{task.fields[moment]}  {task.fields[sent]} messages{task.fields[alerts]}"
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn(words), TimeElapsedColumn())
    bar = Progress(*columns, console=out, disable=order.as_json or not sys.stderr.isatty())
    with bar:
        task = bar.add_task(scenario.id, total=total, moment="", sent=0, alerts="")

        def show(sent: int, moment: datetime) -> None:
            passed = (moment - scenario.start).total_seconds()
            local = scenario.campus.local_calendar.local(moment)
            bar.update(task, completed=passed, moment=f"{local:%a %H:%M:%S}", sent=sent)

        watching = asyncio.create_task(_watch(bar, task, api, scenario.campus.id)) if api and not bar.disable else None
        try:
            return await play(
                performance.stream(),
                BrokerAddress.parse(order.broker),
                SystemClock(),
                start=scenario.start,
                speed=order.speed or inf,
                exercise=order.exercise,
                progress=show,
            )
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)


async def _watch(bar: Progress, task: TaskID, api: Api, campus: str) -> None:
    since = SystemClock().now()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        bar.update(task, alerts=f"  {await api.count_alerts(campus, since)} alerts")


async def _outcome(performance: Performance, summary: Summary, api: Api, began: float) -> Outcome:
    scenario, order = performance.scenario, performance.order
    states = [each for each in STATES if order.exercise != "test" or each not in TELLING]
    wanted = scenario.wanted(started=summary.started, states=states)
    last = max([summary.started, *(each.at + each.expectation.within for each in wanted)])
    await SystemClock().sleep_until(last + timedelta(seconds=SETTLE_S))
    asked = order.exercise != "test" and any(each.told for each in scenario.file.expect)
    observed = await api.observed(scenario.campus.id, summary.started, order.exercise, told=asked)
    verdict = judge(wanted, observed, forbidden=scenario.file.forbid, allowed=scenario.file.allow)
    return Outcome(
        scenario=scenario.id,
        started=summary.started,
        verdict=verdict,
        diverging=diverging(scenario, verdict, performance.stream(), summary.started),
        seconds=stopwatch() - began,
    )


def _report(outcome: Outcome, order: Order, out: Console) -> None:
    if order.junit is not None:
        order.junit.write_text(outcome.junit(), encoding="utf-8")
    if order.as_json:
        sys.stdout.write(json.dumps(outcome.plain(), indent=2, ensure_ascii=False) + "\n")
        return
    out.print(outcome.table())
    if outcome.diverging:
        out.print("the first message after which it went another way:")
        out.print(outcome.diverging, markup=False)
    for each in outcome.undone:
        out.print(f"not done: {each}", markup=False)
    out.print(outcome.summary())
