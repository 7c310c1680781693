"""The figures, from alerts that were made, told, answered and judged."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from alerts import desk, figures, figures_csv
from alerts.figures import flood
from core.campus import Campus
from core.database import Database
from core.errors import BadInput
from tests.conftest import START
from tests.unit.alerts.making import deliveries, extreme, finding, later, mark_sent, over, step, take

DAY = {"since": START - timedelta(hours=1), "until": START + timedelta(hours=1)}


async def acknowledge(database: Database, number: int, seconds: float, disposition: str | None = None) -> None:
    async with database.transaction() as session:
        await desk.acknowledge(session, number, who="person:reyes", now=later(seconds))
        if disposition:
            await desk.resolve(session, number, who="person:reyes", disposition=disposition, now=later(seconds + 1))


async def test_how_many_how_grave_and_how_fast_they_were_taken(database: Database, campus: Campus) -> None:
    first = await take(database, campus, extreme())
    second = await take(database, campus, finding(key="main"))
    await take(database, campus, finding(key="gym-west"))
    await take(database, campus, finding(key="office", exercise="drill"))
    await acknowledge(database, first.id, 30)
    await acknowledge(database, second.id, 300)
    async with database.reading() as session:
        found = await figures.read(session, **DAY)
    assert (found["alerts"], found["exercises"]) == (3, {"drill": 1})
    assert [(each["severity"], each["alerts"]) for each in found["mix"]][:2] == [("extreme", 1), ("severe", 2)]
    extremes, severes, *_ = found["acknowledgement"]
    assert (extremes["median_s"], extremes["share_in_target"]) == (30.0, 1.0)
    assert (severes["median_s"], severes["in_target"], severes["share_in_target"]) == (300.0, 0, 0.0)


async def test_nuisance_is_a_share_of_what_somebody_has_judged(database: Database, campus: Campus) -> None:
    for number, disposition in enumerate(("real", "nuisance", "false", "unknown", None)):
        alert = await take(database, campus, finding(), now=later(number * 400))
        await acknowledge(database, alert.id, number * 400 + 9, disposition)
    async with database.reading() as session:
        found = await figures.read(session, **DAY)
    assert found["nuisance"]["by_rule"] == [
        {"campus": "lincoln", "rule": "door-held-open", "judged": 3, "nuisance": 2, "share": 0.6667}
    ]
    assert found["nuisance"]["by_door"][0]["door"] == "gym-east"
    assert found["top_sources"][0] == {
        "campus": "lincoln",
        "rule": "door-held-open",
        "key": "gym-east",
        "alerts": 5,
        "share": 1.0,
    }


async def test_delivery_is_counted_by_channel_and_attempt(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme())
    rows = await deliveries(database, alert.id)
    async with database.transaction() as session:
        await mark_sent(session, [row for row in rows if row.endpoint == "diaz-phone"], "refused")
        await mark_sent(session, [row for row in rows if row.endpoint != "diaz-phone"])
    async with database.reading() as session:
        found = {each["via"]: each for each in (await figures.read(session, **DAY))["delivery"]}
    assert (found["push"]["attempts"], found["push"]["accepted"], found["push"]["success"]) == (2, 1, 0.5)
    assert found["sms"]["success"] == 1.0


async def test_a_door_that_opens_and_closes_thrice_a_minute_chatters(database: Database, campus: Campus) -> None:
    for second in (0, 20, 40):
        await take(database, campus, finding(at=later(second)), now=later(second))
        await take(database, campus, over(later(second + 10)), now=later(second + 10))
    await take(database, campus, finding(key="main"))
    await take(database, campus, finding(key="main", at=later(5)), now=later(5))
    async with database.reading() as session:
        found = (await figures.read(session, **DAY))["chattering"]
    assert [(each["key"], each["times"], each["shortest_s"]) for each in found] == [("gym-east", 1, 20.0)]


async def test_what_is_active_for_more_than_a_day_is_stale(database: Database, campus: Campus) -> None:
    await take(database, campus, finding())
    await take(database, campus, finding(key="main"), over(later(60), key="main"))
    await step(database, campus, later(minutes=24 * 60 + 1))
    async with database.reading() as session:
        assert (await figures.read(session, since=START, until=later(3600)))["stale"] == []
        found = await figures.read(session, since=START, until=START + timedelta(hours=25))
    assert [(each["key"], each["active_since"]) for each in found["stale"]] == [("gym-east", START)]


async def test_alerts_per_person_and_only_of_the_campus_asked_for(database: Database, campus: Campus) -> None:
    await take(database, campus, *(finding(key=f"d{number}") for number in range(12)))
    async with database.reading() as session:
        found = await figures.read(session, **DAY)
        other = await figures.read(session, **DAY, campus="elsewhere")
    assert found["people"] == [
        {"campus": "lincoln", "person": "reyes", "alerts": 12, "per_10_min": 1.0, "most_in_10_min": 12}
    ]
    assert [(each["person"], each["most_in_10_min"]) for each in found["floods"]] == [("reyes", 12)]
    assert (other["alerts"], other["people"]) == (0, [])


async def test_a_flood_is_what_the_desk_found_to_be_one(database: Database, campus: Campus) -> None:
    for number in range(12):
        await take(database, campus, finding(key=f"d{number}"), now=later(number * 10))
    for number in range(20):
        await take(database, campus, finding(at=later(4000 + number)), now=later(4000 + number))
    async with database.reading() as session:
        [flooded] = (await figures.read(session, since=START, until=later(3600)))["floods"]
        [unended] = (await figures.read(session, since=START, until=later(300)))["floods"]
        again = (await figures.read(session, since=later(3600), until=later(7200)))["floods"]
    assert (flooded["person"], flooded["began_at"], flooded["most_in_10_min"]) == ("reyes", later(100), 12)
    assert flooded["ended_at"] == later(670), "when the eighth has left the ten minutes, four are left"
    assert unended["ended_at"] is None
    assert again == [], "twenty times the same is one alert"


async def test_no_drill_is_counted_in_a_flood(database: Database, campus: Campus) -> None:
    for number in range(11):
        await take(database, campus, finding(key=f"d{number}", exercise="drill"))
    async with database.reading() as session:
        assert (await figures.read(session, **DAY))["floods"] == []
    for number in range(11):
        await take(database, campus, finding(key=f"live-{number}"), now=later(1))
    async with database.reading() as session:
        [found] = (await figures.read(session, **DAY))["floods"]
    assert (found["began_at"], found["most_in_10_min"]) == (later(1), 11)


def test_a_flood_of_ten_thousand_is_counted_quickly() -> None:
    found = flood(later(1), [later(number / 10) for number in range(10_000)], later(36_000))
    assert found["most_in_10_min"] == 6000


@pytest.mark.parametrize("days", [0, -1, 401])
async def test_what_is_no_stretch_of_time_is_refused(database: Database, days: int) -> None:
    async with database.reading() as session:
        with pytest.raises(BadInput, match="must lie after"):
            await figures.read(session, since=START, until=START + timedelta(days=days))


async def test_no_cell_of_the_table_is_a_formula(database: Database, campus: Campus) -> None:
    for key in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1"):
        await take(database, campus, finding(key=key, rule='x,"y"\n'))
    async with database.reading() as session:
        text = figures_csv.write(await figures.read(session, **DAY))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {"mix", "people", "delivery", "top_sources", "acknowledgement"} - {row["section"] for row in rows} == {
        "delivery"
    }
    for row in rows:
        assert not any(str(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row.values()), row
    assert figures_csv.safe("=1+1") == "'=1+1"
    assert figures_csv.safe(-1) == "-1", "a number is no formula"
