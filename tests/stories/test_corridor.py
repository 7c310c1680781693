"""One story per rule, and the false alarm beside it: from what a sensor says to what the phone shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alerts.channels import Outcome
from core.clock import ManualClock
from rules import store
from rules.rule import read_rule
from tests.stories.duty import Duty


async def test_a_door_held_open_reaches_the_officer_on_shift_after_a_minute(watch: Duty) -> None:
    await watch.door("gym-west", "open")
    await watch.wait(60)
    assert watch.pushes() == []
    await watch.wait(2)
    (push,) = watch.pushes()
    assert push.endpoint == "reyes"
    assert "SEVERE" in push.title
    assert "Gym west" in push.text
    alert = await watch.alert("door-held-open")
    assert alert.code in push.title
    assert alert.code in push.body


async def test_somebody_walking_through_and_a_bounce_on_closing_page_nobody(watch: Duty) -> None:
    for _ in range(5):
        await watch.door("gym-west", "open")
        await watch.wait(8)
        await watch.door("gym-west", "closed")
        await watch.wait(1)
        await watch.door("gym-west", "open")
        await watch.wait(0.5)
        await watch.door("gym-west", "closed")
        await watch.wait(30)
    assert watch.pushes() == []
    assert await watch.alerts() == []


async def test_a_prop_goes_on_to_everybody_and_only_a_person_ends_it(watch: Duty) -> None:
    await watch.door("gym-west", "open")
    await watch.wait(5 * 60 + 2)
    told = {push.endpoint for push in watch.pushes() if "EXTREME" in push.title}
    assert {"reyes", "reyes-sms", "diaz"} <= told
    alert = await watch.alert("door-propped")
    await watch.door("gym-west", "closed")
    await watch.wait(10)
    alert = await watch.alert("door-propped")
    assert not alert.is_active
    assert alert.is_open, "an extreme alert waits for a person's word"


async def test_nobody_answers_an_extreme_alert_so_it_never_stops(watch: Duty) -> None:
    await watch.door("gym-west", "open")
    await watch.wait(5 * 60 + 2)
    watch.pushes()
    for minute in range(1, 6):
        await watch.wait(60)
        assert any("EXTREME" in push.title for push in watch.pushes()), f"minute {minute} was silent"


async def test_the_officer_takes_it_and_the_waiting_steps_stop(watch: Duty) -> None:
    await watch.door("gym-west", "open")
    await watch.wait(62)
    alert = await watch.alert("door-held-open")
    first = await watch.acknowledge(alert)
    second = await watch.acknowledge(alert, who="person:diaz")
    watch.pushes()
    await watch.door("gym-west", "closed")
    await watch.wait(15 * 60)
    assert watch.pushes() == []
    assert first.changed
    assert "reyes" in second.text.lower()
    assert not (await watch.alert("door-held-open")).is_open


async def test_an_opening_at_night_reaches_whoever_is_on_call_at_once(watch: Duty) -> None:
    await watch.wait(timedelta(hours=9))  # 19:00 in Chicago; the building closed at 18:00
    await watch.door("main", "open")
    await watch.wait(3)
    assert {"okafor", "diaz"} <= {push.endpoint for push in watch.pushes()}
    assert (await watch.alert("after-hours-opening")).severity == "extreme"


async def test_a_badge_before_or_just_after_the_opening_excuses_it_at_night(watch: Duty) -> None:
    await watch.wait(timedelta(hours=9))
    await watch.hear("door/main", {"access": "granted", "credential": "c-1"})
    await watch.wait(4)
    await watch.door("main", "open")
    await watch.wait(6)
    await watch.door("main", "closed")
    await watch.wait(60)
    opened = watch.now
    await watch.door("gym-west", "open")
    await watch.wait(0.5)
    at = (opened - timedelta(seconds=1)).isoformat()
    await watch.hear("door/gym-west", {"access": "granted", "at": at})
    await watch.wait(10)
    assert watch.pushes() == []


async def test_a_forced_door_is_told_and_one_left_by_the_push_bar_is_not(watch: Duty) -> None:
    await watch.door("gym-east", "closed")
    await watch.wait(30)
    await watch.door("gym-east", "open")
    await watch.wait(2)
    # The push bar's word comes late, and was said just before the door opened.
    await watch.hear("door/gym-east", {"exit_request": True, "at": (watch.now - timedelta(seconds=2.5)).isoformat()})
    await watch.wait(10)
    assert watch.pushes() == []
    await watch.door("gym-east", "closed")
    await watch.wait(30)
    await watch.door("gym-east", "open")
    await watch.wait(7)
    assert any("EXTREME" in push.title for push in watch.pushes())
    assert (await watch.alert("door-forced")).key == "gym-east"


async def test_a_confirmed_match_is_told_at_once_without_the_name_on_the_lock_screen(watch: Duty) -> None:
    said = {"action": "check_in", "visit": "v-1", "name": "Alex Planted Secret"}
    await watch.hear("visitor/lobby", {**said, "screening": "confirmed", "watch": "trespass"})
    pushes = watch.pushes()
    assert {push.endpoint for push in pushes} >= {"reyes", "diaz"}
    assert not any("Alex" in push.text or "Planted" in push.text for push in pushes)


@pytest.mark.parametrize("screening", ["clear", "possible", "not_run", "error"])
async def test_a_visitor_who_is_no_confirmed_match_is_no_match(watch: Duty, screening: str) -> None:
    await watch.hear("visitor/lobby", {"action": "check_in", "visit": "v-2", "screening": screening})
    await watch.wait(30)
    assert await watch.alerts("watch-list-match") == []


async def test_one_head_too_many_stops_entry_and_a_recount_that_says_fewer_ends_it(watch: Duty) -> None:
    await watch.hear("attendance/winter-concert", {"mode": "absolute", "count": 500})
    await watch.wait(3)
    assert watch.pushes() == []
    await watch.hear("attendance/winter-concert", {"direction": "in"})
    await watch.wait(2)
    assert any("501" in push.text for push in watch.pushes())
    await watch.hear("attendance/winter-concert", {"mode": "absolute", "count": 430})
    await watch.wait(timedelta(minutes=2, seconds=3))
    assert not (await watch.alert("over-capacity")).is_active


async def test_a_window_with_somebody_watching_is_no_prop_until_it_ends(watch: Duty) -> None:
    # 08:00 the next morning; the arrival window of main and gym-west ends at 08:05.
    await watch.wait(datetime(2026, 11, 25, 14, 0, tzinfo=UTC) - watch.now)
    await watch.door("gym-west", "open")
    await watch.wait(timedelta(minutes=5))
    assert watch.pushes() == []
    await watch.wait(timedelta(seconds=63))
    assert [each.rule for each in await watch.alerts()] == ["door-held-open"]


async def test_the_phone_that_refuses_is_passed_over_at_once(watch: Duty) -> None:
    watch.phone.answers["reyes"] = Outcome("refused", "HTTP 404")
    await watch.door("gym-west", "open")
    await watch.wait(63)
    assert [push.endpoint for push in watch.pushes()][:2] == ["reyes", "reyes-sms"]


async def test_a_test_message_opens_an_alert_that_tells_nobody(watch: Duty) -> None:
    await watch.hear(
        "visitor/lobby", {"action": "screen", "visit": "v-9", "screening": "confirmed", "exercise": "test"}
    )
    await watch.wait(120)
    assert watch.pushes() == []
    alert = await watch.alert("watch-list-match")
    assert alert.exercise == "test"
    assert alert.suppressed == "exercise"


async def test_a_repeat_and_a_retained_copy_are_no_second_opening(watch: Duty) -> None:
    await watch.wait(timedelta(hours=9))
    said = {"id": "same", "at": watch.now.isoformat(), "position": "open"}
    first = await watch.hear("door/main", said)
    again = await watch.hear("door/main", said)
    assert (first.accepted, again.duplicates) == (1, 1)
    await watch.wait(3)
    assert (await watch.alert("after-hours-opening")).count == 1
    await watch.hear("door/gym-west", {"position": "open"}, retained=True)
    await watch.wait(5)
    assert {each.key for each in await watch.alerts("after-hours-opening")} == {"main"}


async def test_a_hold_goes_on_through_a_power_cut_and_comes_in_time(watch: Duty) -> None:
    opened = watch.now
    await watch.door("gym-west", "open")
    await watch.wait(40)
    await watch.power_cut(10)
    await watch.wait(12)
    alert = await watch.alert("door-held-open")
    assert alert.began_at == opened + timedelta(seconds=60)
    assert not alert.late
    assert len(watch.pushes()) == 1


async def test_a_hold_that_ran_out_during_a_power_cut_comes_at_once_and_says_that_it_is_late(watch: Duty) -> None:
    opened = watch.now
    await watch.door("gym-west", "open")
    await watch.wait(40)
    await watch.power_cut(60)
    await watch.wait(1)
    alert = await watch.alert("door-held-open")
    assert alert.began_at == opened + timedelta(seconds=60)
    assert alert.late
    assert len(watch.pushes()) == 1


@pytest.mark.parametrize("what", ["changed", "deleted"])
async def test_no_alert_stays_open_for_a_rule_that_changed_while_the_service_was_down(watch: Duty, what: str) -> None:
    await watch.door("gym-west", "open")
    await watch.wait(62)
    assert (await watch.alert("door-held-open")).is_active
    async with watch.service.database.transaction() as session:
        rule = await store.load_rule(session, "door-held-open")
        hold = {**rule.document["hold"], "while": 'door.position == "open" && door.exterior'}
        if what == "changed":
            await store.save_rule(session, read_rule({**rule.document, "hold": hold}), now=watch.now, by="dean")
        else:
            await store.delete_rule(session, rule.id, now=watch.now, by="dean")
    await watch.power_cut(5)
    await watch.wait(1)
    assert not (await watch.alert("door-held-open")).is_active
    await watch.power_cut(5)
    await watch.wait(62)
    alerts = await watch.alerts("door-held-open")
    assert any(each.is_active for each in alerts) == (what == "changed"), "its new form sees the door that is open"


async def test_what_the_desk_promised_before_a_power_cut_is_sent_after_it(watch: Duty, clock: ManualClock) -> None:
    watch.phone.answers["reyes"] = Outcome("failed", "no network")
    await watch.door("gym-west", "open")
    await watch.wait(62)
    watch.pushes()
    watch.phone.answers.clear()
    await watch.power_cut(5)
    await watch.wait(40)
    assert any(push.endpoint in ("reyes", "reyes-sms") for push in watch.pushes())
