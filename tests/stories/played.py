"""A scenario file played on a watch: its sensors speak, its people act, and every alert says what became of it."""

from __future__ import annotations

from datetime import datetime

from alerts import desk, quiet, shapes, suppression
from alerts.suppression import Suppression
from app import recordings
from app.sightings import sightings
from simulators.deeds import Close, Deed, Hush
from simulators.play import record
from simulators.scenarios import Scenario
from simulators.verdict import STATES, Observed, Verdict, judge
from tests.stories.duty import Duty


async def play(watch: Duty, scenario: Scenario) -> Verdict:
    """Play a scenario to its end; return what came of it."""
    lines = recordings.parse(record(scenario.stream(), until=scenario.end, exercise="live"))
    deeds = scenario.deeds()
    for line in lines:
        while deeds and deeds[0][0] <= line.rx:
            at, deed = deeds.pop(0)
            await _until(watch, at)
            await _do(watch, deed)
        await _until(watch, line.rx)
        if line.heard is not None:
            await watch.hear_raw(line.heard.topic, line.heard.payload, retained=line.heard.retained)
    assert not deeds
    wanted = scenario.wanted(states=STATES)
    return judge(wanted, await seen(watch), forbidden=scenario.file.forbid, allowed=scenario.file.allow)


async def seen(watch: Duty) -> list[Observed]:
    """Return what became of every alert."""
    found: list[Observed] = []
    for alert in await watch.alerts():
        told = frozenset(each.person for each in await watch.deliveries(alert) if each.person)
        timeline = [shapes.event_json(event) for event in await watch.timeline(alert)]
        found += sightings(shapes.as_json(alert), timeline, told)
    return found


async def _until(watch: Duty, moment: datetime) -> None:
    # What is said while the service is away waits at the broker.
    if moment > watch.now:
        await watch.wait(moment - watch.now)


async def _do(watch: Duty, deed: Deed) -> None:
    if deed.restart is not None:
        await watch.power_cut(deed.restart.away.total_seconds())
        return
    who = f"person:{deed.person}"
    if deed.suppress is not None:
        await _hush(watch, deed.suppress, who)
        return
    assert deed.answer
    verb, about = deed.answer
    (alert,) = [each for each in await watch.alerts(about.rule) if each.key == about.key and each.is_open]
    async with watch.service.database.transaction() as session:
        if verb == "acknowledge":
            await desk.acknowledge(session, alert.id, who=who, now=watch.now)
        elif verb == "on_scene":
            await desk.on_scene(session, alert.id, who=who, now=watch.now)
        elif isinstance(about, Close):
            how = {"disposition": about.disposition, "note": about.note}
            await desk.resolve(session, alert.id, who=who, now=watch.now, **how)


async def _hush(watch: Duty, asked: Hush, who: str) -> None:
    said = Suppression(
        campus=watch.campus.id,
        kind=asked.kind,
        rules=list(asked.rules),
        keys=list(asked.keys),
        author=who,
        reason=asked.reason,
        created_at=watch.now,
        starts_at=watch.now,
        ends_at=watch.now + asked.lasts,
        next_at=None,
    )
    async with watch.service.database.transaction() as session:
        await quiet.suppress(session, suppression.moved_on(said, watch.now), watch.campus, watch.now)
