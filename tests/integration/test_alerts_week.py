"""The week of a campus, worked out from alerts that were made, told, answered and judged in two weeks."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event

from alerts import desk, outbox, quiet, week, week_words
from alerts.suppression import Suppression
from alerts.week_report import Count, Report, Value
from core import journal
from core.campus import Campus
from core.database import Database
from core.errors import BadInput
from core.facts import CampusState
from core.messages import CampusStateChanged, Exercise
from tests.campuses import LINCOLN, lincoln
from tests.servers import ROOT
from tests.unit.alerts.making import deliveries, extreme, finding, mark_sent, over, step, take

RECORDS = (ROOT / "docs" / "records.md").read_text("utf-8")
MONDAY = datetime(2026, 11, 23, 6, tzinfo=UTC)
"""Midnight in Chicago."""
AFTER = MONDAY + timedelta(days=7, hours=7)
PROPPED = {"rule": "door-propped", "severity": "extreme", "title": "A door is propped", "text": "Door 7 is propped"}
STAYED = {"rule": "visitor-overstay", "entity": "visit", "severity": "moderate", "title": "A visitor stays too long"}
FLAT = {"rule": "battery-low", "entity": "device", "severity": "minor", "title": "A battery is low"}


@pytest.fixture
def campus() -> Campus:
    """The campus, with somebody for what is minor."""
    kim = {"id": "kim", "name": "Kim", "role": "maintenance"}
    post = [{"id": "kim-mail", "url": "json://127.0.0.1:9/kim", "via": "email"}]
    return lincoln(people=[*LINCOLN["people"], {**kim, "endpoints": post}])


def on(day: int, hour: float = 10, *, weeks: int = 0) -> datetime:
    """An instant of the week by the campus's clock; day 0 is Monday."""
    return MONDAY + timedelta(days=day, hours=hour, weeks=weeks)


async def opens(database: Database, campus: Campus, at: datetime, *, ends_s: float = 0, **said: object) -> int:
    """An alert opens, and ends so many seconds later; return its number."""
    alert = await take(database, campus, finding(at=at, **said), now=at)
    if ends_s:
        end = at + timedelta(seconds=ends_s)
        await take(database, campus, over(end, **said), now=end)
    return alert.id


async def answered(
    database: Database, number: int, at: datetime, *, taken_s: float, there_s: float = 0, was: str = ""
) -> None:
    async with database.transaction() as session:
        who = {"who": "person:reyes"}
        await desk.acknowledge(session, number, now=at + timedelta(seconds=taken_s), **who)
        if there_s:
            await desk.on_scene(session, number, now=at + timedelta(seconds=there_s), **who)
        if was:
            await desk.resolve(session, number, disposition=was, now=at + timedelta(hours=1), **who)


def state_of(at: datetime, state: CampusState, exercise: Exercise) -> CampusStateChanged:
    """The campus goes into a state."""
    return CampusStateChanged(
        campus="lincoln",
        source="campus/state",
        message_id=f"{state} {at}",
        at=at,
        received_at=at,
        exercise=exercise,
        state=state,
        by="okafor",
    )


async def two_weeks(database: Database, campus: Campus) -> None:
    """The week before is calmer but for its doors; in the week itself everything happens."""
    for day, weeks, ends_s, taken_s, was in (
        (1, -1, 300, 50, "nuisance"),
        (2, -1, 900, 70, "real"),
        (0, 0, 200, 40, "real"),
        (1, 0, 400, 90, "nuisance"),
        (3, 0, 600, 30, "false"),
    ):
        at = on(day, weeks=weeks)
        number = await opens(database, campus, at, ends_s=ends_s, **PROPPED)
        await answered(database, number, at, taken_s=taken_s, was=was)
    held = await opens(database, campus, on(1, 11), key="main")
    await answered(database, held, on(1, 11), taken_s=60, there_s=300, was="real")
    await opens(database, campus, on(2, 9), key="v-1", text="A visitor is past 9:00", **STAYED)
    await opens(database, campus, on(4, 9, weeks=-1), ends_s=60, key="v-0", text="A visitor is past 8:00", **STAYED)
    await opens(database, campus, on(4, 9, weeks=-1), key="lobby-1", text="The battery of lobby-1 is low", **FLAT)


async def read(database: Database, campus: Campus, of: date = date(2026, 11, 25), now: datetime = AFTER) -> Report:
    async with database.reading() as session:
        return await week.read(session, campus, of, now)


async def test_alerts_are_counted_by_rule_and_severity_beside_the_week_before(
    database: Database, campus: Campus
) -> None:
    await two_weeks(database, campus)
    found = await read(database, campus)
    assert (found.monday, found.sunday, found.is_over) == (date(2026, 11, 23), date(2026, 11, 29), True)
    assert found.alerts == Count(5, 4)
    assert [(line.rule, line.severity, line.alerts) for line in found.rules] == [
        ("door-propped", "extreme", Count(3, 2)),
        ("door-held-open", "severe", Count(1, 0)),
        ("visitor-overstay", "moderate", Count(1, 1)),
        ("battery-low", "minor", Count(0, 1)),
    ]
    assert [(line.door, line.name, line.alerts) for line in found.doors] == [
        ("gym-east", "Door 7 (Gym east)", Count(3, 2)),
        ("main", "Door 1 (Main entrance)", Count(1, 0)),
    ]
    assert found.overstays == Count(1, 1)


async def test_how_long_propped_doors_stood_open(database: Database, campus: Campus) -> None:
    await two_weeks(database, campus)
    await opens(database, campus, on(5), key="gym-west", **PROPPED)
    found = (await read(database, campus)).propped
    assert (found.times, found.still_open) == (Count(4, 2), Count(1, 0))
    assert (found.median_s, found.p90_s) == (Value(400.0, 600.0), Value(560.0, 840.0))


async def test_how_fast_each_severity_was_answered_against_its_targets(database: Database, campus: Campus) -> None:
    await two_weeks(database, campus)
    extremes, severes, moderates, _ = (await read(database, campus)).responses
    assert (extremes.median_s, extremes.target_s) == (Value(40.0, 60.0), 60.0)
    assert extremes.in_target == Value(0.6667, 0.5)
    assert extremes.on_scene_target_s is None
    assert (severes.acknowledged, severes.median_s, severes.in_target) == (
        Count(1, 0),
        Value(60.0, None),
        Value(1, None),
    )
    assert (severes.on_scene_median_s, severes.on_scene_target_s) == (Value(300.0, None), 600.0)
    assert severes.on_scene_in_target == Value(1.0, None)
    assert moderates.in_target == Value(0.0, 0.0), "nobody took it"


async def test_an_alert_is_measured_by_the_policy_it_opened_with(database: Database, campus: Campus) -> None:
    strict = lincoln(policies=[{"id": "extreme", "steps": [{"notify": ["role:admin"]}], "ack_target": "10s"}])
    await answered(database, await opens(database, strict, on(0), **PROPPED), on(0), taken_s=30)
    found = (await read(database, campus)).responses[0]
    assert (found.target_s, found.in_target.week) == (60.0, 0.0)


async def test_what_the_alerts_were_found_to_be(database: Database, campus: Campus) -> None:
    await two_weeks(database, campus)
    found = await read(database, campus)
    assert {line.disposition: line.alerts for line in found.dispositions} == {
        "real": Count(2, 1),
        "nuisance": Count(1, 1),
        "false": Count(1, 0),
        "unknown": Count(0, 1),
        "open": Count(1, 1),
    }
    assert (found.judged, found.nuisance) == (Count(4, 2), Value(0.5, 0.5))


async def test_minor_alerts_that_were_open_when_the_week_ended(database: Database, campus: Campus) -> None:
    early = await opens(database, campus, on(1, weeks=-1), key="a", text="The battery of a is low", **FLAT)
    await opens(database, campus, on(2, weeks=-1), ends_s=86400 * 7, key="b", **FLAT)
    await opens(database, campus, on(3), key="c", **FLAT, exercise="drill")
    await opens(database, campus, on(8), key="d", **FLAT)
    found = await read(database, campus)
    assert found.minors_open == Count(1, 2)
    assert [(each.alert, each.text) for each in found.minor_open] == [(early, "The battery of a is low")]


async def test_drills_and_exercises_stand_apart(database: Database, campus: Campus) -> None:
    await opens(database, campus, on(1), exercise="drill")
    asked = Suppression(
        campus="lincoln",
        kind="exercise",
        author="person:diaz",
        reason="The doors are tried",
        created_at=on(4),
        starts_at=on(4),
        ends_at=on(4, 12),
        next_at=on(4, 11),
    )
    async with database.transaction() as session:
        await journal.append(session, [state_of(on(2), "lockdown", "drill"), state_of(on(3), "hold", "live")])
        await quiet.suppress(session, asked, campus, on(4))
    found = await read(database, campus)
    assert (found.alerts, found.exercise_alerts, found.drills_done) == (Count(0, 0), Count(1, 0), Count(2, 0))
    assert [(each.what, each.by, each.reason) for each in found.drills] == [
        ("lockdown (drill)", "okafor", ""),
        ("exercise", "person:diaz", "The doors are tried"),
    ]


async def test_floods_gaps_and_notices_that_never_arrived(database: Database, campus: Campus) -> None:
    for number in range(11):
        await opens(database, campus, on(0), key=f"drill-{number}", exercise="drill")
        await opens(database, campus, on(1), key=f"live-{number}")
    number = await opens(database, campus, on(2, weeks=-1), **PROPPED)
    async with database.transaction() as session:
        rows = await outbox.of_alerts(session, [number])
        await mark_sent(session, [row for row in rows if row.endpoint == "diaz-phone"], "refused")
    nobody = lincoln(people=[], shifts=[], on_call=[], gatherings=[], calendar={})
    await opens(database, nobody, on(3), key="office")
    found = await read(database, campus)
    assert [(each.person, each.began_at, each.most_in_10_min) for each in found.floods] == [("reyes", on(1), 11)]
    assert (found.floods_begun, found.gaps_begun, found.notices_failed) == (Count(1, 0), Count(1, 0), Count(0, 1))
    assert [(each.began_at, each.ended_at) for each in found.gaps] == [(on(3), None)]
    assert found.failed == (), "that was the week before"
    [line] = (await read(database, campus, date(2026, 11, 18))).failed
    assert (line.endpoint, line.notices) == ("diaz-phone", Count(1, 0))


async def test_a_week_has_an_hour_more_or_less_when_the_clocks_change(database: Database, campus: Campus) -> None:
    fall = await read(database, campus, date(2026, 11, 1))
    spring = await read(database, campus, date(2026, 3, 8))
    usual = await read(database, campus)
    lengths = [each.ends_at - each.begins_at for each in (fall, spring, usual)]
    assert lengths == [timedelta(hours=169), timedelta(hours=167), timedelta(hours=168)]


async def test_an_alert_belongs_to_the_local_week(database: Database, campus: Campus) -> None:
    await opens(database, campus, datetime(2026, 11, 2, 5, 59, tzinfo=UTC))
    await opens(database, campus, datetime(2026, 11, 2, 6, 0, tzinfo=UTC), key="main")
    assert (await read(database, campus, date(2026, 11, 1))).alerts == Count(1, 0), "Sunday 23:59, after the change"
    assert (await read(database, campus, date(2026, 11, 2))).alerts == Count(1, 1)


async def test_the_week_that_runs_is_not_over(database: Database, campus: Campus) -> None:
    now = on(2)
    assert week.last_whole(campus, now) == date(2026, 11, 16)
    assert not (await read(database, campus, date(2026, 11, 25), now)).is_over
    assert not (await read(database, campus, date(2026, 11, 29), now)).is_over


@pytest.mark.parametrize("day", [date(2026, 12, 7), date(9999, 12, 31), date(1, 1, 1)])
async def test_no_report_of_what_is_yet_to_come_or_long_past(database: Database, campus: Campus, day: date) -> None:
    with pytest.raises(BadInput, match=r"must lie between|has not begun"):
        await read(database, campus, day)


async def test_the_report_reads_as_the_page_shows_it(database: Database, campus: Campus) -> None:
    await two_weeks(database, campus)
    [example] = re.findall(r"```text\n(Weekly report.*?)\n```", RECORDS, re.DOTALL)
    said = week_words.tell(await read(database, campus), campus.zone_info)
    assert re.sub(r"[A-Z]\d-\d\d", "K7-42", said) == example


async def test_the_sheet_has_each_figure_beside_the_week_before(database: Database, campus: Campus) -> None:
    await two_weeks(database, campus)
    rows = list(week_words.rows(await read(database, campus)))
    found = {(row["section"], row["subject"], row["figure"]): (row["week"], row["before"]) for row in rows}
    assert len(found) == len(rows), "no figure twice"
    assert found["week", "", "alerts"] == (5, 4)
    assert found["responses", "extreme", "median_s"] == (40.0, 60.0)
    assert found["doors", "gym-east Door 7 (Gym east)", "alerts"] == (3, 2)
    assert found["propped", "", "p90_s"] == (560.0, 840.0)


async def test_it_is_worked_out_in_few_statements_however_many_alerts_there_are(
    database: Database, campus: Campus
) -> None:
    async def statements() -> int:
        said: list[str] = []
        async with database.reading() as session:
            engine = session.get_bind()

            def note(_c: object, _cu: object, statement: str, *_: object) -> None:
                said.append(statement)

            event.listen(engine, "before_cursor_execute", note)
            await week.read(session, campus, date(2026, 11, 25), AFTER)
            event.remove(engine, "before_cursor_execute", note)
        return len(said)

    few = await statements()
    await take(database, campus, *(extreme(key=f"d{number}", at=on(1)) for number in range(200)), now=on(1))
    await step(database, campus, on(1, 10.1))
    assert len(await deliveries(database, 1)) > 1
    assert few <= await statements() <= 8
