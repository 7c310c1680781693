"""The twenty-two tricky situations, each as a story through the whole house; the naive wrong result must not come.

A number in a name is the situation's. The rest of the house (discovery, trust, policies) has stories of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from core import registry
from core.campus import Campus
from core.clock import ManualClock
from rules import store
from rules.rule import read_rule
from tests.campuses import LINCOLN, lincoln
from tests.stories.duty import Duty, duty

CHICAGO = ZoneInfo("America/Chicago")
NO_BEATS = [{"id": "gym-east-contact", "door": "gym-east", "kind": "door"}]
GYM_WEST = "gym-west"


def local(text: str) -> datetime:
    """Return the instant of a reading of the school's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO).astimezone(UTC)


@contextlib.asynccontextmanager
async def on(folder: Path, moment: str, **changes: Any) -> AsyncIterator[Duty]:
    """Start a watch at a moment of the school's clock, on a campus with parts replaced."""
    campus = lincoln(**{"devices": NO_BEATS, **changes})
    async with duty(folder, ManualClock(local(moment)), campus) as watch:
        yield watch


async def until(watch: Duty, moment: str) -> None:
    await watch.wait(local(moment) - watch.now)


async def announce(watch: Duty, campus: Campus) -> None:
    """The office changes the campus; the service takes it over while it runs."""
    async with watch.service.database.transaction() as session:
        await registry.save(session, watch.service.vault, campus, now=watch.now, by="office")
    await watch.service.pipeline.refresh()


async def rules_of(watch: Duty) -> list[str]:
    return sorted({each.rule for each in await watch.alerts()})


def with_day_type(day: str, kind: str) -> Campus:
    exceptions = LINCOLN["calendar"]["exceptions"] | {day: {"type": kind, "reason": "snow"}}
    return lincoln(devices=NO_BEATS, calendar=LINCOLN["calendar"] | {"exceptions": exceptions})


# ------------------------------------------------------------------------------------------------- the clock, the day
async def test_1_a_change_of_the_clocks_moves_no_window_and_no_duration(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-01T00:59:30") as watch:  # at 02:00 it becomes 01:00 again
        await watch.door(GYM_WEST, "open")
        await watch.wait(62)
        assert "door-held-open" in await rules_of(watch), "a minute is a minute, not an hour and a minute"
    (tmp_path / "monday").mkdir()
    async with on(tmp_path / "monday", "2026-11-02T07:30:00") as watch:
        await watch.door(GYM_WEST, "open")
        await until(watch, "2026-11-02T08:04:59")
        assert await watch.alerts() == [], "the arrival window is open by the school's clock"
        await until(watch, "2026-11-02T08:06:02")
        assert await rules_of(watch) == ["door-held-open"]


async def test_2_a_snow_day_announced_at_six_counts_at_once_and_can_be_taken_back(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-12-03T05:59:00") as watch:
        await until(watch, "2026-12-03T06:00:00")
        await announce(watch, with_day_type("2026-12-03", "closed"))
        await until(watch, "2026-12-03T07:30:00")
        await watch.door(GYM_WEST, "open")
        await watch.wait(3)
        assert await rules_of(watch) == ["after-hours-opening"], "no arrival window on a day without school"
        await watch.door(GYM_WEST, "closed")
        await watch.wait(10)
        await announce(watch, lincoln(devices=NO_BEATS))
        await watch.door(GYM_WEST, "open")
        await watch.wait(timedelta(minutes=10))
        assert await rules_of(watch) == ["after-hours-opening"], "the window is back"


async def test_2_an_early_release_judges_open_doors_anew(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-12-03T14:50:00") as watch:
        await announce(watch, with_day_type("2026-12-03", "early_release"))
        await until(watch, "2026-12-03T15:02:00")  # the building has closed at 15:00, not at 18:00
        await watch.door("main", "open")
        await watch.wait(3)
        assert await rules_of(watch) == ["after-hours-opening"]


# ------------------------------------------------------------------------------------------ sensors that start and stop
async def test_3_a_burst_of_first_reports_is_state_and_no_opening(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T22:00:00") as watch:
        for door in ("main", "gym-east", GYM_WEST):
            await watch.door(door, "open", initial=True, boot="b-2")
        await watch.wait(30)
        assert await watch.alerts() == [], "nobody forced anything"
        await watch.wait(32)
        assert {each.rule for each in await watch.alerts()} == {"door-held-open", "many-doors-open"}


async def test_4_a_restart_neither_resets_the_time_nor_forgets_the_state(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T10:00:00") as watch:
        opened = watch.now
        await watch.door(GYM_WEST, "open")
        await watch.wait(4 * 60)
        watch.pushes()
        await watch.power_cut(8)
        await watch.wait(55)
        propped = await watch.alert("door-propped")
        assert propped.began_at == opened + timedelta(minutes=5)
        assert len(await watch.alerts("door-held-open")) == 1


async def test_5_a_retained_opening_of_yesterday_is_not_news(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T22:00:00") as watch:
        yesterday = (watch.now - timedelta(days=1)).isoformat()
        await watch.hear("door/gym-east", {"position": "open", "at": yesterday}, retained=True)
        await watch.wait(30)
        assert await watch.alerts() == []
        assert watch.pushes() == []


async def test_6_what_is_said_twice_counts_once_and_an_old_state_after_a_new_one_changes_nothing(
    tmp_path: Path,
) -> None:
    async with on(tmp_path, "2026-12-04T18:30:00") as watch:
        said = {"id": "same", "at": watch.now.isoformat(), "direction": "in", "count": 251, "role": "spectator"}
        for _ in range(2):
            await watch.hear("attendance/winter-concert", said)
        await watch.wait(5)
        assert await watch.alerts("over-capacity") == [], "251, and not 502 of 500"
        opened = watch.now
        await watch.door(GYM_WEST, "open")
        await watch.wait(2)
        old = {"position": "closed", "at": (opened - timedelta(seconds=20)).isoformat()}
        await watch.hear("door/gym-west", old)
        await watch.hear("door/gym-west", {"position": "open", "at": watch.now.isoformat()})
        await watch.wait(2)
        assert (await watch.alert("after-hours-opening")).count == 1
        assert (await watch.alert("after-hours-opening")).is_active


async def test_7_a_wrong_clock_neither_delays_nor_clears_anything(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T10:00:00") as watch:
        opened = watch.now
        await watch.door(GYM_WEST, "open", at="2023-01-01T00:00:00Z")
        await watch.wait(59)
        assert await watch.alerts("door-held-open") == [], "not held for three years"
        await watch.wait(3)
        assert (await watch.alert("door-held-open")).began_at == opened + timedelta(seconds=60)
        await watch.door(GYM_WEST, "closed", at="2031-01-01T00:00:00Z")
        await watch.wait(3)
        assert (await watch.alert("door-held-open")).is_active, "closed for 5 s, by our own clock"
        await watch.wait(4)
        assert not (await watch.alert("door-held-open")).is_active


async def test_8_a_request_to_exit_that_arrives_after_the_opening_explains_it(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.door("gym-east", "open")
        await watch.wait(3)
        before = (watch.now - timedelta(seconds=4)).isoformat()
        await watch.hear("door/gym-east", {"exit_request": True, "at": before})
        await watch.wait(10)
        assert await watch.alerts("door-forced") == []


async def test_9_a_bounce_is_the_same_opening_and_a_later_report_mends_a_lost_one(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.door(GYM_WEST, "open")
        await watch.wait(62)
        for _ in range(4):
            await watch.door(GYM_WEST, "closed")
            await watch.wait(1)
            await watch.door(GYM_WEST, "open")
            await watch.wait(1)
        assert len(await watch.alerts("door-held-open")) == 1, "one alert, and not ten"
        # The last word of the closing door was lost; its next report says how it stands.
        await watch.door(GYM_WEST, "closed", initial=True)
        await watch.wait(7)
        assert not (await watch.alert("door-held-open")).is_active, "not stuck open"


async def test_10_a_contact_that_says_closed_while_people_badge_through_is_doubted(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.door("main", "closed")
        await watch.hear("door/main", {"access": "granted"})
        await watch.wait(32)
        assert (await watch.alert("contact-doubtful")).severity == "minor"


# ------------------------------------------------------------------------------------------------------------- visitors
async def test_11_two_visitors_of_one_name_are_two_visits(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T10:00:00") as watch:
        end = local("2026-11-24T10:30:00").isoformat()
        for visit in ("v-1", "v-2"):
            said = {"action": "check_in", "visit": visit, "name": "Sam Same", "expected_out": end}
            await watch.hear("visitor/lobby", said)
        await watch.hear("visitor/lobby", {"action": "check_out", "visit": "v-1", "name": "Sam Same"})
        await watch.wait(timedelta(minutes=46))
        assert [each.key for each in await watch.alerts("visitor-overstay")] == ["v-2"]


async def test_12_a_name_that_resembles_one_waits_for_a_person_and_is_no_match_by_itself(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T10:00:00") as watch:
        await watch.hear("visitor/lobby", {"action": "check_in", "visit": "v-1", "screening": "possible"})
        await watch.wait(timedelta(hours=2))
        assert await watch.alerts("watch-list-match") == [], "never confirmed by itself"
        assert (await watch.alert("screening-pending")).is_active, "and never cleared by itself"


async def test_13_a_screening_that_is_down_is_seen_and_a_later_one_may_still_match(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T10:00:00") as watch:
        await watch.hear("visitor/lobby", {"action": "check_in", "visit": "v-1", "screening": "error"})
        await watch.wait(62)
        assert (await watch.alert("screening-failed")).is_active, "it does not look clear"
        await watch.hear("visitor/lobby", {"action": "screen", "visit": "v-1", "screening": "confirmed"})
        await watch.wait(1)
        assert (await watch.alert("watch-list-match")).severity == "extreme"


async def test_14_an_automatic_sign_out_leaves_nobody_out_of_the_roster(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T16:50:00") as watch:
        await watch.hear("visitor/lobby", {"action": "check_in", "visit": "v-1"})
        await watch.wait(60)
        await watch.hear("visitor/lobby", {"action": "check_out", "visit": "v-1", "method": "auto"})
        await watch.hear("campus/state", {"state": "lockdown"})
        await watch.wait(3)
        roster = await watch.alert("emergency-roster")
        assert "1 visitors" in roster.text
        await watch.hear("campus/state", {"state": "normal"})
        await until(watch, "2026-11-24T18:00:02")
        assert (await watch.alert("visitor-not-signed-out")).is_active
        await watch.hear("visitor/lobby", {"action": "check_out", "visit": "v-1", "method": "person"})
        await watch.wait(2)
        assert not (await watch.alert("visitor-not-signed-out")).is_active


# ------------------------------------------------------------------------------------------------------------- events
async def test_15_counters_that_drift_are_said_to_and_a_recount_sets_them_right(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-12-04T18:00:00") as watch:
        for role in ("supervisor", "crowd_manager"):
            await watch.hear("attendance/winter-concert", {"direction": "in", "role": role})
        await watch.hear("attendance/winter-concert", {"direction": "out", "count": 40})
        await watch.wait(2)
        assert (await watch.alert("count-impossible")).is_active, "40 people left an empty hall"
        await watch.hear("attendance/winter-concert", {"mode": "absolute", "count": 482})
        await watch.wait(1)
        await watch.hear("attendance/winter-concert", {"direction": "in", "count": 20})
        await watch.wait(2)
        assert not (await watch.alert("count-impossible")).is_active
        assert (await watch.alert("over-capacity")).is_active, "502 from the recount on, and not 462"


async def test_16_an_event_past_midnight_goes_on_and_the_night_begins_after_it(tmp_path: Path) -> None:
    night = LINCOLN["gatherings"][0] | {"start": "2026-12-04T20:00", "end": "2026-12-05T01:00"}
    async with on(tmp_path, "2026-12-04T23:50:00", gatherings=[night]) as watch:
        await watch.hear("attendance/winter-concert", {"direction": "in", "role": "supervisor"})
        await watch.hear("attendance/winter-concert", {"mode": "absolute", "count": 496})
        await until(watch, "2026-12-05T00:10:00")
        await watch.door("gym-east", "open")
        await watch.hear("attendance/winter-concert", {"direction": "in", "count": 5})
        await watch.wait(10)
        assert "after-hours-opening" not in await rules_of(watch)
        assert "door-forced" not in await rules_of(watch)
        assert (await watch.alert("over-capacity")).is_active, "the count did not start anew at midnight"
        await watch.door("gym-east", "closed")
        await until(watch, "2026-12-05T01:30:01")
        await watch.door("gym-east", "open")
        await watch.wait(3)
        assert (await watch.alert("after-hours-opening")).key == "gym-east"


# --------------------------------------------------------------------------------------------------------- the alerts
async def test_17_a_new_opening_soon_after_is_recorded_quietly_and_an_extreme_one_is_told(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.door(GYM_WEST, "open")
        await watch.wait(62)
        await watch.acknowledge(await watch.alert("door-held-open"))
        await watch.door(GYM_WEST, "closed")
        await watch.wait(20)
        watch.pushes()
        await watch.door(GYM_WEST, "open")
        await watch.wait(62)
        first, second = sorted(await watch.alerts("door-held-open"), key=lambda each: each.id)
        assert not first.is_open
        assert second.is_active, "the old answer is not one to the new opening"
        assert watch.pushes() == [], "and nobody is called twice in five minutes"
        await watch.wait(timedelta(minutes=4))
        assert any("EXTREME" in push.title for push in watch.pushes())


async def test_17_the_third_time_the_door_itself_is_the_matter_also_across_a_restart(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        for time in range(3):
            assert await watch.alerts("door-repeat-offender") == [], "twice is no habit"
            await watch.door(GYM_WEST, "open")
            await watch.wait(70)
            await watch.door(GYM_WEST, "closed")
            await watch.wait(timedelta(minutes=30))
            if time == 1:
                await watch.power_cut(20)
        assert (await watch.alert("door-held-open")).count == 3
        offender = await watch.alert("door-repeat-offender")
        assert (offender.key, offender.severity) == (GYM_WEST, "moderate")


async def test_18_an_answer_without_a_deed_is_asked_after_and_an_extreme_alert_is_never_closed_by_itself(
    tmp_path: Path,
) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.door(GYM_WEST, "open")
        await watch.wait(timedelta(minutes=5, seconds=2))
        await watch.acknowledge(await watch.alert("door-propped"))
        watch.pushes()
        await watch.wait(timedelta(minutes=21))
        assert watch.pushes(), "somebody looks again"
        await watch.door(GYM_WEST, "closed")
        await watch.wait(10)
        assert (await watch.alert("door-propped")).is_open


async def test_19_at_lunch_whoever_covers_is_told(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T11:40:00") as watch:
        await watch.door(GYM_WEST, "open")
        await watch.wait(62)
        assert {push.endpoint for push in watch.pushes()} == {"diaz"}


async def test_20_after_an_outage_only_what_is_still_so_is_told(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.wait(5)
        start = watch.now
        await watch.power_cut(500)
        watch.service.pipeline.catching_up = True
        for minute in range(4):
            for second, position in ((0, "open"), (90, "closed")):
                at = (start + timedelta(seconds=5 + minute * 100 + second)).isoformat()
                await watch.door(GYM_WEST, position, at=at)
        await watch.door("main", "open", at=(start + timedelta(seconds=300)).isoformat())
        watch.service.pipeline.catching_up = False
        await watch.wait(5)
        assert {each.key for each in await watch.alerts("door-held-open") if each.is_active} == {"main"}
        told = [push for push in watch.pushes() if "Gym west" in push.title]
        assert told == [], "four doors that were closed long ago are nobody's walk"


async def test_20_what_came_and_went_unheard_is_one_notice_and_what_stands_is_told(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.wait(5)
        start = watch.now
        await watch.power_cut(1500)
        watch.service.pipeline.on_backlog(None)
        for minutes, door, position in (
            (2, GYM_WEST, "open"),
            (4, GYM_WEST, "closed"),
            (13, GYM_WEST, "open"),
            (15, GYM_WEST, "closed"),
            (16, "main", "open"),
        ):
            await watch.door(door, position, at=(start + timedelta(minutes=minutes)).isoformat())
            await watch.wait(1)
        assert watch.pushes() == [], "nobody is paged for what is being read"
        watch.service.pipeline.on_caught_up()
        await watch.wait(5)
        said = watch.pushes()
        assert [push for push in said if "is open" in push.title or "held open" in push.title]
        assert not [push for push in said if "Gym west" in push.title]
        await watch.wait(120)
        summary = await watch.alert("backlog-read")
        assert summary.text.startswith("2 times, the last at 12:14, something began and ended")
        assert [push for push in [*said, *watch.pushes()] if "began and ended" in push.title + push.body]


async def test_20_what_is_said_now_ends_the_reading_and_is_told_at_once(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        watch.service.pipeline.on_backlog(watch.now)
        await watch.door("main", "open", at=(watch.now - timedelta(seconds=30)).isoformat())
        assert watch.service.pipeline.catching_up
        await watch.door("gym-east", "open", at=watch.now.isoformat())
        assert not watch.service.pipeline.catching_up


async def test_20_what_waited_half_an_hour_is_as_old_as_it_says(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.wait(5)
        start = watch.now
        await watch.power_cut(1800)
        watch.service.pipeline.on_backlog(None)
        await watch.door("main", "open", at=(start + timedelta(seconds=60)).isoformat())
        facts = watch.service.pipeline._engines_now()["lincoln"].now.get("door", "main")
        assert facts is not None
        assert facts.position_at == start + timedelta(seconds=60)


async def test_21_in_an_evacuation_open_doors_are_right_and_in_a_lockdown_each_is_wrong(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.hear("campus/state", {"state": "evacuate"})
        for door in ("main", "gym-east", GYM_WEST):
            await watch.door(door, "open")
        await watch.wait(timedelta(minutes=10))
        assert await watch.alerts() == [], "no storm of held doors"
        await watch.door("main", "closed")
        await watch.hear("campus/state", {"state": "lockdown"})
        await watch.wait(3)
        assert {each.key for each in await watch.alerts("door-open-in-secure")} == {"gym-east", GYM_WEST}
        await watch.wait(timedelta(minutes=6))
        assert await rules_of(watch) == ["door-open-in-secure"], "one rule says it, not three"


async def test_21_what_stood_open_before_an_evacuation_stays_known_and_afterwards_the_time_begins_anew(
    tmp_path: Path,
) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.door(GYM_WEST, "open")
        await watch.wait(70)
        await watch.hear("campus/state", {"state": "evacuate"})
        await watch.door("main", "open")
        await watch.wait(timedelta(minutes=10))
        assert [each.key for each in await watch.alerts("door-held-open")] == [GYM_WEST]
        assert (await watch.alert("door-held-open")).is_active, "it is still open"
        assert await rules_of(watch) == ["door-held-open"]
        await watch.hear("campus/state", {"state": "normal"})
        await watch.wait(59)
        assert len(await watch.alerts("door-held-open")) == 1, "nobody is called for the minutes of the evacuation"
        await watch.wait(3)
        assert sorted(each.key for each in await watch.alerts("door-held-open")) == [GYM_WEST, "main"]


async def test_21_a_drill_is_told_under_its_mark_and_mutes_nothing_that_is_live(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        await watch.door("main", "open")
        await watch.hear("campus/state", {"state": "lockdown", "exercise": "drill"})
        await watch.wait(2)
        drilled = await watch.alert("door-open-in-secure")
        assert (drilled.key, drilled.exercise) == ("main", "drill")
        pushes = watch.pushes()
        assert pushes, "a drill proves that people are reached"
        assert all("DRILL" in push.title for push in pushes)
        await watch.wait(60)
        held = await watch.alert("door-held-open")
        assert (held.exercise, held.is_active) == ("live", True), "the rehearsed lockdown has not switched it off"
        # The campus is really locked, and somebody still rehearses an evacuation.
        await watch.hear("campus/state", {"state": "lockdown"})
        await watch.hear("campus/state", {"state": "evacuate", "exercise": "drill"})
        await watch.door(GYM_WEST, "open")
        await watch.wait(2)
        live = [each for each in await watch.alerts("door-open-in-secure") if each.exercise == "live"]
        assert sorted(each.key for each in live) == [GYM_WEST, "main"]
        assert all(each.is_active for each in live)


async def test_21_in_an_evacuation_who_is_in_the_building_is_told_once(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T12:00:00") as watch:
        for number in range(3):
            await watch.hear("visitor/lobby", {"action": "check_in", "visit": f"v-{number}"})
        await watch.hear("campus/state", {"state": "evacuate"})
        await watch.door("main", "open")
        await watch.wait(timedelta(minutes=11))
        assert await rules_of(watch) == ["emergency-roster", "emergency-unaccounted"]
        assert len(await watch.alerts()) == 2, "one line for the campus, not one for each door and visitor"


async def test_22_a_forgotten_bypass_does_not_blind_the_night(tmp_path: Path) -> None:
    async with on(tmp_path, "2026-11-24T16:00:00") as watch:
        await bypass(watch, "2026-11-25T04:00")
        await watch.door(GYM_WEST, "open")
        await watch.wait(timedelta(minutes=10))
        assert await watch.alerts() == []
        await until(watch, "2026-11-24T18:05:02")
        assert (await watch.alert("door-open-at-close")).key == GYM_WEST


async def bypass(watch: Duty, end: str) -> None:
    """Maintenance works at the door: its rules are off until an hour that is always said."""
    override = {"scope": {"door": {"id": GYM_WEST}}, "mode": "disabled", "until": end, "reason": "lock", "by": "novak"}
    async with watch.service.database.transaction() as session:
        for name in ("door-held-open", "door-propped"):
            found = await store.load_rule(session, name)
            bypassed = read_rule({**found.document, "overrides": [override]})
            await store.save_rule(session, bypassed, now=watch.now, by="novak")
    await watch.service.pipeline.refresh()
