"""What can be believed: nothing rehearsed is ever taken for real, and state that is told again is no news."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from alerts.alert import Alert
from api import access
from api.server import create_api
from core import state
from core.campus import Campus
from core.clock import ManualClock
from core.facts import CampusFacts, DoorFacts
from rules import store
from rules.overlay import QUIET
from tests.stories.conftest import MORNING
from tests.stories.duty import Duty, duty

EVENING = timedelta(hours=9)
"""From the morning until 19:00, when nobody is on site any more."""
OPENINGS = ("after-hours-opening", "door-forced")
"""The rules that are about an opening, whatever it leads to."""


async def facts(watch: Duty, entity: str, key: str) -> Any:
    async with watch.service.database.reading() as session:
        return await state.get(session, watch.campus.id, entity, key)


async def openings(watch: Duty) -> list[tuple[str, str, str]]:
    return sorted((each.rule, each.key, each.exercise) for each in await watch.alerts() if each.rule in OPENINGS)


async def rehearse(watch: Duty, topic: str, said: dict[str, Any], exercise: str = "drill") -> None:
    receipt = await watch.hear_raw(f"trial/campus/{watch.campus.id}/{topic}", {**said, "exercise": exercise})
    assert not receipt.quarantined, receipt.quarantined


# ------------------------------------------------------------------------------------------- nothing rehearsed is real
async def test_a_rehearsed_lockdown_finds_the_door_that_is_really_open_and_says_drill(watch: Duty) -> None:
    await watch.door("gym-west", "open")
    await rehearse(watch, "campus/state", {"state": "lockdown", "by": "okafor"})
    await watch.wait(5)
    (found,) = [each for each in await watch.alerts("door-open-in-secure") if each.key == "gym-west"]
    assert (found.exercise, found.cap_status) == ("drill", "Exercise")
    pushes = [push for push in watch.pushes() if found.code in push.title]
    assert pushes
    assert all("DRILL" in push.title for push in pushes)
    # The campus is not in lockdown, and no page says so.
    assert await facts(watch, "campus", watch.campus.id) in (None, CampusFacts(id=watch.campus.id))


async def test_in_the_middle_of_a_drill_what_is_real_breaks_through_without_its_mark(watch: Duty) -> None:
    await rehearse(watch, "campus/state", {"state": "lockdown"})
    await watch.door("gym-west", "open")
    await watch.wait(5)
    watch.pushes()
    await watch.hear("campus/state", {"state": "lockdown", "by": "okafor"})
    await watch.wait(5)
    (found,) = [each for each in await watch.alerts("door-open-in-secure") if each.closed_at is None]
    assert (found.key, found.exercise) == ("gym-west", "live")
    pushes = [push for push in watch.pushes() if found.code in push.title]
    assert pushes
    assert not any("DRILL" in f"{push.title}{push.body}" for push in pushes)


async def test_after_a_rehearsed_opening_the_real_one_is_still_an_opening(watch: Duty) -> None:
    await watch.wait(EVENING)
    await rehearse(watch, "door/main", {"position": "open"}, "test")
    await watch.wait(30)
    assert await openings(watch) == [("after-hours-opening", "main", "test")]
    watch.pushes()
    await watch.door("main", "open")
    await watch.wait(30)
    assert ("after-hours-opening", "main", "live") in await openings(watch)
    assert watch.pushes()


async def test_a_rehearsed_badge_excuses_nothing_and_a_rehearsed_closing_ends_nothing(watch: Duty) -> None:
    await watch.wait(EVENING)
    await rehearse(watch, "door/main", {"access": "granted"}, "test")
    await watch.door("main", "open")
    await watch.wait(3)
    await rehearse(watch, "door/main", {"position": "closed"}, "test")
    await watch.wait(30)
    (alert,) = [each for each in await watch.alerts("after-hours-opening") if each.exercise == "live"]
    assert alert.is_active
    assert (await door(watch, "main")).position == "open"


async def door(watch: Duty, key: str) -> DoorFacts:
    found = await facts(watch, "door", key)
    assert isinstance(found, DoorFacts)
    return found


async def test_an_exercise_goes_on_through_a_power_cut_and_ends_by_itself(watch: Duty) -> None:
    await watch.door("gym-west", "open")
    await rehearse(watch, "campus/state", {"state": "lockdown"})
    await watch.wait(2)
    await watch.power_cut(5)
    await watch.door("office", "open")
    await watch.door("gym-east", "open")
    await watch.wait(5)
    found = [each for each in await watch.alerts("door-open-in-secure") if each.exercise == "drill"]
    assert {"gym-west", "gym-east"} <= {each.key for each in found}
    await watch.wait(QUIET)
    assert not any(each.is_active for each in await watch.alerts("door-open-in-secure"))
    await watch.power_cut(5)
    async with watch.service.database.reading() as session:
        saved = await store.load_saved(session, watch.campus.id)
    assert saved is not None
    assert saved.exercises == {}


@asynccontextmanager
async def over_http(watch: Duty, role: access.Role) -> AsyncIterator[httpx.AsyncClient]:
    async with watch.service.database.transaction() as session:
        token = await access.create_token(session, name=f"a {role}", role=role, now=watch.now)
    transport = httpx.ASGITransport(create_api(watch.service.house))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://hallwatch.test", headers=headers) as client:
        yield client


async def test_over_http_a_tester_is_refused_message_by_message_and_a_device_is_believed(watch: Duty) -> None:
    topic = "campus/lincoln/door/gym-west"
    said = [
        {"topic": topic, "payload": {"id": "1", "position": "open"}},
        {"topic": topic, "payload": {"id": "2", "position": "open", "exercise": "live"}},
        {"topic": topic, "payload": {"id": "3", "position": "open", "exercise": "test"}},
        {"topic": "campus/lincoln/device/gym-east-contact", "payload": "offline"},
        {"topic": "campus/lincoln/campus/state", "payload": {"state": "evacuate"}},
    ]
    async with over_http(watch, "tester") as client:
        answer = (await client.post("/api/v1/messages", json=said)).json()
    assert answer["accepted"] == 1
    assert [each["index"] for each in answer["quarantined"]] == [0, 1, 3, 4]
    assert all("this sender may only say drill or test" in str(each) for each in answer["quarantined"])
    assert await facts(watch, "door", "gym-west") is None
    async with over_http(watch, "device") as client:
        answer = (await client.post("/api/v1/messages", json=said[1])).json()
    assert (answer["accepted"], answer["quarantined"]) == (1, [])
    assert (await door(watch, "gym-west")).position == "open"


DAY: list[tuple[float, str, dict[str, Any]]] = [
    (0, "door/main", {"position": "open"}),
    (10, "door/main", {"position": "closed"}),
    (20, "door/gym-west", {"position": "open"}),
    (30, "visitor/lobby", {"action": "check_in", "visit": "v-1", "name": "Pat Doe"}),
    (40, "visitor/lobby", {"action": "screen", "visit": "v-1", "screening": "confirmed", "watch": "trespass"}),
    (130, "campus/state", {"state": "secure", "by": "okafor"}),
    (140, "door/gym-west", {"position": "closed"}),
    (150, "door/gym-east", {"position": "open"}),
    (170, "door/gym-east", {"position": "closed"}),
    (180, "campus/state", {"state": "normal", "by": "okafor"}),
    (200, "attendance/winter-concert", {"direction": "in", "count": 640}),
    (220, "visitor/lobby", {"action": "check_out", "visit": "v-1"}),
]
"""Seconds, topic, and what is really said."""


def trials(seed: int, number: int) -> list[tuple[float, str, dict[str, Any]]]:
    """Return random things said as a drill or a test, about the same doors, people and rooms."""
    dice = random.Random(seed)
    things: list[tuple[str, dict[str, Any]]] = [(topic, said) for _, topic, said in DAY]
    for each in ("main", "gym-west", "gym-east", "office"):
        topic = f"door/{each}"
        things += [(topic, {"position": "open"}), (topic, {"position": "closed"}), (topic, {"access": "granted"})]
        things += [(topic, {"exit_request": True}), (topic, {"lock": "locked"}), (topic, {"tamper": True})]
    things += [("campus/state", {"state": state}) for state in ("lockdown", "evacuate", "hold")]
    things.append(("attendance/winter-concert", {"mode": "absolute", "count": 0}))
    return [
        (
            float(dice.randrange(300)),
            topic,
            {**said, "exercise": dice.choice(["drill", "test"]), "initial": dice.random() < 0.1},
        )
        for topic, said in dice.choices(things, k=number)
    ]


async def live_through(folder: Path, campus: Campus, rehearsed: list[tuple[float, str, dict[str, Any]]]) -> Any:
    """Return what is found live on that day, and what is true at its end."""
    folder.mkdir()
    script = [(at, topic, said, False) for at, topic, said in DAY] + [(*each, True) for each in rehearsed]
    async with duty(folder, ManualClock(MORNING), campus) as watch:
        for at, topic, said, trial in sorted(script, key=lambda each: (each[0], each[3])):
            await watch.wait(MORNING + timedelta(seconds=at) - watch.now)
            receipt = await watch.hear_raw(f"{'trial/' * trial}campus/{campus.id}/{topic}", said)
            assert not receipt.quarantined, receipt.quarantined
        await watch.wait(MORNING + timedelta(seconds=420) - watch.now)
        found = sorted(shown(each) for each in await watch.alerts() if each.exercise == "live")
        async with watch.service.database.reading() as session:
            return found, await state.load(session, campus.id)


def shown(alert: Alert) -> str:
    because = {name: each for name, each in alert.because.items() if name != "messages"}
    times = (alert.began_at, alert.opened_at, alert.cleared_at, alert.closed_at, alert.noticed_at)
    return f"{alert.rule} {alert.key} {alert.severity} {alert.condition} {alert.count} {times} {because}"


@pytest.mark.parametrize("seed", [1, 2, 3, 6, 9])
async def test_no_trials_whatever_change_what_is_found_live_or_what_is_true(
    tmp_path: Path, campus: Campus, seed: int
) -> None:
    without = await live_through(tmp_path / "without", campus, [])
    with_trials = await live_through(tmp_path / "with", campus, trials(seed, 40))
    assert with_trials == without
    assert {line.split()[0] for line in without[0]} >= {"watch-list-match", "door-open-in-secure", "over-capacity"}


# --------------------------------------------------------------------------------------------------- state, not noise
async def test_a_sensor_that_says_open_again_and_again_has_opened_once(watch: Duty) -> None:
    await watch.wait(EVENING)
    for _ in range(5):
        await watch.door("main", "open")
        await watch.wait(20)
    assert (await watch.alert("after-hours-opening")).count == 1
    assert (await door(watch, "main")).position_at == watch.now - timedelta(seconds=100)


@pytest.mark.parametrize("how", [{"initial": True}, {"retained": True}], ids=["after a boot", "retained"])
async def test_what_sensors_report_at_their_start_opens_nothing(watch: Duty, how: dict[str, bool]) -> None:
    await watch.wait(EVENING)
    said = {"position": "open", "boot": "b-2"} | ({"initial": True} if "initial" in how else {})
    for each in ("main", "gym-east", "gym-west"):
        await watch.hear(f"door/{each}", said, retained="retained" in how)
    await watch.wait(8)
    assert await openings(watch) == []
    assert (await door(watch, "gym-east")).position == "open"
    # The next real opening is one.
    await watch.door("main", "closed")
    await watch.wait(10)
    await watch.door("main", "open")
    await watch.wait(8)
    assert ("after-hours-opening", "main", "live") in await openings(watch)


async def test_the_retained_open_of_yesterday_opens_nothing_today(watch: Duty) -> None:
    await watch.wait(EVENING)
    yesterday = (watch.now - timedelta(days=1)).isoformat()
    await watch.hear("door/main", {"id": "y-1", "at": yesterday, "position": "open"}, retained=True)
    await watch.wait(8)
    assert await openings(watch) == []


async def test_a_gateway_that_tells_the_old_state_and_then_the_new_one_raises_nothing(watch: Duty) -> None:
    await watch.wait(EVENING)
    opened = {"id": "g-1", "at": watch.now.isoformat(), "position": "open"}
    await watch.hear("door/main", {**opened, "access": None})
    await watch.hear("door/main", {"access": "granted"})
    await watch.wait(5)
    closed = {"id": "g-2", "at": watch.now.isoformat(), "position": "closed"}
    await watch.hear("door/main", closed)
    await watch.wait(60)
    before = await openings(watch)
    # It comes back after a failure and says all it knows again: under the old ids, and under new ones.
    for ids in ({}, {"id": "g-3"}):
        await watch.hear("door/main", {**opened, **ids})
        await watch.hear("door/main", {**closed, **(ids and {"id": "g-4"})})
    await watch.wait(60)
    assert await openings(watch) == before == []
    assert (await door(watch, "main")).position == "closed"


async def test_what_comes_late_and_in_the_wrong_order_leaves_the_newest_state(watch: Duty) -> None:
    await watch.wait(EVENING)
    opened, closed = watch.now - timedelta(seconds=30), watch.now - timedelta(seconds=20)
    for _ in range(2):
        await watch.hear("door/main", {"id": "o-2", "at": closed.isoformat(), "position": "closed"})
        await watch.hear("door/main", {"id": "o-1", "at": opened.isoformat(), "position": "open"})
    await watch.wait(5)
    now = await door(watch, "main")
    assert (now.position, now.position_at) == ("closed", closed)
    assert [each.count for each in await watch.alerts("after-hours-opening")] in ([], [1])


async def test_after_a_restart_of_the_service_the_state_is_the_old_one_and_its_repeats_are_no_news(watch: Duty) -> None:
    await watch.wait(EVENING)
    await watch.door("main", "open")
    await watch.wait(10)
    began = (await watch.alert("after-hours-opening")).began_at
    await watch.power_cut(30)
    await watch.door("main", "open")
    await watch.hear("door/gym-west", {"position": "closed"}, retained=True)
    await watch.wait(10)
    again = await watch.alert("after-hours-opening")
    assert (again.began_at, again.count) == (began, 1)
    assert (await door(watch, "main")).position_at == began


# ---------------------------------------------------------------------------------------------- of journal and desk
async def test_an_id_that_a_tester_has_used_is_still_free_for_the_sensor(watch: Duty) -> None:
    said = {"id": "42", "at": watch.now.isoformat(), "position": "open"}
    trial = await watch.hear("door/main", {**said, "exercise": "test"}, trial_only=True)
    real = await watch.hear("door/main", said)
    assert (trial.accepted, real.accepted, real.duplicates) == (1, 1, 0)
    assert (await door(watch, "main")).position == "open"


async def test_who_was_told_of_a_drill_is_told_again_when_it_is_real(watch: Duty) -> None:
    await rehearse(watch, "door/gym-west", {"position": "open"})
    await watch.wait(70)
    assert any("DRILL" in push.title for push in watch.pushes())
    await watch.door("gym-west", "open")
    await watch.wait(70)
    (alert,) = [each for each in await watch.alerts("door-held-open") if each.exercise == "live"]
    assert (alert.suppressed, alert.noticed_at is None) == (None, False)
    assert any(alert.code in push.title for push in watch.pushes())
