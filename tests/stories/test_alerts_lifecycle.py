"""Every move an alert can make, as somebody on duty lives it: one story each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alerts import desk, handover, quiet, suppression
from alerts.alert import Alert
from alerts.suppression import Suppression
from core.errors import Conflict
from core.findings import Advice, Finding
from tests.stories.duty import Duty

REYES, DIAZ = "person:reyes", "person:diaz"


def said(watch: Duty, state: Any = "firing", **changes: Any) -> Finding:
    """The gym's east door is held open (severe), or what else is said."""
    usual: dict[str, Any] = {
        "campus": "lincoln",
        "rule": "held-open",
        "key": "gym-east",
        "entity": "door",
        "severity": "severe",
        "title": "A door is held open",
        "text": "Door 7 (Gym east) is open",
        "because": {},
    }
    return Finding(**{**usual, "state": state, "at": watch.now, **changes})


async def held(watch: Duty, **changes: Any) -> Alert:
    await watch.find(said(watch, **changes))
    return (await watch.alerts(changes.get("rule", "held-open")))[0]


async def over(watch: Duty, **changes: Any) -> Alert:
    await watch.wait(5)
    await watch.find(said(watch, "resolved", **changes))
    return (await watch.alerts(changes.get("rule", "held-open")))[0]


async def resolve(watch: Duty, alert: Alert, disposition: str = "nuisance", who: str = REYES) -> desk.Answer:
    async with watch.service.database.transaction() as session:
        answer = await desk.resolve(session, alert.id, who=who, disposition=disposition, note="a chair", now=watch.now)
    await watch.service.courier.send_due(watch.now)
    return answer


async def events(watch: Duty, alert: Alert) -> list[str]:
    return [each.event for each in await watch.timeline(alert)]


async def test_cleared_before_anybody_took_it_stays_visible_until_somebody_has(watch: Duty) -> None:
    await held(watch)
    alert = await over(watch)
    assert (alert.is_open, alert.is_active) == (True, False)
    await watch.wait(timedelta(hours=2))
    assert (await watch.alert("held-open")).is_open
    await watch.acknowledge(alert)
    closed = await watch.alert("held-open")
    assert (closed.is_open, closed.disposition, closed.closed_by) == (False, "unknown", "hallwatch")


async def test_taken_and_then_over_closes_by_itself_when_it_is_severe(watch: Duty) -> None:
    await watch.acknowledge(await held(watch))
    assert not (await over(watch)).is_open


async def test_what_is_moderate_closes_when_it_is_over_and_one_that_latches_does_not(watch: Duty) -> None:
    await held(watch, severity="moderate")
    assert not (await over(watch, severity="moderate")).is_open
    latched = {"severity": "moderate", "rule": "latched", "advice": Advice(latch=True)}
    await held(watch, **latched)
    alert = await over(watch, **latched)
    assert alert.is_open
    await watch.acknowledge(alert)
    assert (await watch.alert("latched")).is_open, "only a person's word closes it"


async def test_what_is_extreme_is_closed_by_a_person_who_says_what_it_was(watch: Duty) -> None:
    alert = await held(watch, severity="extreme")
    await watch.acknowledge(alert)
    await over(watch, severity="extreme")
    await watch.wait(timedelta(minutes=30))
    assert (await watch.alert("held-open")).is_open
    closed = (await resolve(watch, alert, "real")).alert
    assert (closed.disposition, closed.note, closed.closed_by) == ("real", "a chair", REYES)


async def test_repeats_count_and_page_nobody(watch: Duty) -> None:
    await held(watch)
    watch.pushes()
    alert = await held(watch)
    assert (alert.count, alert.opening) == (2, 1)
    assert watch.pushes() == []


async def test_an_answer_belongs_to_one_opening(watch: Duty) -> None:
    await watch.acknowledge(await held(watch, severity="extreme"))
    await over(watch, severity="extreme")
    await watch.wait(30)
    watch.pushes()
    again = await held(watch, severity="extreme")
    assert (again.opening, again.acknowledged_by) == (2, None)
    assert {push.endpoint for push in watch.pushes()} >= {"reyes", "diaz"}


async def test_an_opening_after_the_close_is_a_new_alert_that_names_the_old_one(watch: Duty) -> None:
    first = await held(watch)
    await resolve(watch, first)
    await over(watch)
    await watch.wait(60)
    second = await held(watch)
    assert second.id != first.id
    assert (second.previous, second.is_acknowledged) == (first.id, False)
    assert second.references == [f"{first.code}-{first.generation}"]


@pytest.mark.parametrize(("severity", "minutes"), [("extreme", 5), ("severe", 20)])
async def test_taken_and_still_true_is_asked_after_again_and_again(watch: Duty, severity: str, minutes: int) -> None:
    alert = await held(watch, severity=severity)
    await watch.acknowledge(alert)
    async with watch.service.database.transaction() as session:
        await desk.note(session, alert.id, who=REYES, text="walking there", now=watch.now)
    for _ in range(2):
        await watch.wait(timedelta(minutes=minutes) - timedelta(seconds=10))
        watch.pushes()
        await watch.wait(11)
        assert any("REMINDER" in push.title for push in watch.pushes())


async def test_a_severe_one_asks_after_ten_minutes_for_somebody_on_scene(watch: Duty) -> None:
    alert = await held(watch)
    await watch.acknowledge(alert)
    watch.pushes()
    await watch.wait(9 * 60)
    assert watch.pushes() == []
    await watch.wait(61)
    assert {push.endpoint for push in watch.pushes()} == {"reyes", "reyes-sms"}


async def test_somebody_on_scene_ends_the_reminders(watch: Duty) -> None:
    alert = await held(watch)
    async with watch.service.database.transaction() as session:
        await desk.on_scene(session, alert.id, who=REYES, now=watch.now)
    watch.pushes()
    await watch.wait(timedelta(hours=1))
    assert watch.pushes() == []


async def test_the_second_one_reads_who_has_it_and_nothing_is_written_twice(watch: Duty) -> None:
    alert = await held(watch)
    first = await watch.acknowledge(alert)
    again, other = await watch.acknowledge(alert), await watch.acknowledge(alert, who=DIAZ)
    assert (first.changed, again.changed, other.changed) == (True, False, False)
    assert other.text == f"{alert.code} is already taken by reyes"
    assert (await events(watch, alert)).count("acknowledged") == 1


async def test_a_close_while_a_notice_is_on_its_way_is_followed_by_a_cancellation(watch: Duty) -> None:
    alert = await held(watch)
    await resolve(watch, alert, "false", who=DIAZ)
    assert any(push.endpoint == "reyes" and "CANCELLED" in push.title for push in watch.pushes())
    with pytest.raises(Conflict, match="diaz closed it as false"):
        await watch.acknowledge(alert)


async def test_what_had_not_been_sent_yet_is_not_sent_after_the_close_and_says_why(watch: Duty) -> None:
    alert = await held(watch, severity="moderate")
    await resolve(watch, alert)
    await watch.wait(60)
    assert watch.pushes() == []
    assert [(row.state, row.reason) for row in await watch.deliveries(alert)] == [("cancelled", "the alert was closed")]


async def test_a_shelf_that_ends_while_it_is_true_tells_again(watch: Duty) -> None:
    alert = await held(watch)
    watch.pushes()
    ends = watch.now + timedelta(minutes=15)
    asked = Suppression(
        campus="lincoln",
        kind="shelf",
        rules=["held-open"],
        author=DIAZ,
        reason="painters",
        created_at=watch.now,
        starts_at=watch.now,
        ends_at=ends,
        next_at=None,
    )
    async with watch.service.database.transaction() as session:
        await quiet.suppress(session, suppression.moved_on(asked, watch.now), watch.campus, watch.now)
    await watch.wait(14 * 60)
    pushes = watch.pushes()
    assert [push for push in pushes if "Gym east" in push.text] == []
    assert any("ends at" in push.text for push in pushes), "a reminder that it ends"
    await watch.wait(61)
    assert any(push.endpoint == "reyes" and "Gym east" in push.text for push in watch.pushes())
    assert (await watch.alert("held-open")).id == alert.id


async def test_a_shelf_goes_on_through_a_power_cut_and_ends_in_its_time(watch: Duty) -> None:
    asked = Suppression(
        campus="lincoln",
        kind="maintenance",
        keys=["gym-east"],
        author=DIAZ,
        reason="a new closer",
        created_at=watch.now,
        starts_at=watch.now,
        ends_at=watch.now + timedelta(minutes=5),
        next_at=None,
    )
    async with watch.service.database.transaction() as session:
        await quiet.suppress(session, suppression.moved_on(asked, watch.now), watch.campus, watch.now)
    await held(watch)
    await watch.power_cut(100)
    await watch.wait(195)
    assert [push for push in watch.pushes() if "is open" in push.text] == []
    await watch.wait(10)
    assert any("Gym east" in push.text for push in watch.pushes())


async def test_nobody_goes_off_shift_with_an_extreme_alert_in_their_hands(watch: Duty) -> None:
    alert = await held(watch, severity="extreme")
    await watch.acknowledge(alert)
    async with watch.service.database.transaction() as session:
        with pytest.raises(Conflict, match="say who takes over"):
            await handover.go_off(session, "reyes", campus=watch.campus, who=REYES, to=None, now=watch.now)
    # 10:00 in Chicago: the shift ends at half past three.
    await watch.wait(timedelta(hours=5, minutes=29))
    assert (await watch.alert("held-open")).acknowledged_by == REYES
    await watch.wait(61)
    assert (await watch.alert("held-open")).acknowledged_by is None
    assert "handover" in await events(watch, alert)


async def test_unknown_clears_nothing(watch: Duty) -> None:
    await watch.door("gym-west", "open")
    await watch.wait(62)
    alert = await watch.alert("door-held-open")
    await watch.hear("device/gym-west", "offline")
    await watch.wait(60)
    assert (await watch.alert("door-held-open")).is_active
    assert (await watch.alert("door-held-open")).id == alert.id


async def test_the_first_of_many_forced_doors_does_not_wait_and_neither_do_the_others(watch: Duty) -> None:
    doors = [f"door-{number}" for number in range(12)]
    await watch.find(*(said(watch, rule="forced", key=door, severity="extreme") for door in doors))
    assert len([push for push in watch.pushes() if push.endpoint == "reyes"]) == len(doors)


async def test_small_alerts_come_as_one_notice(watch: Duty) -> None:
    doors = [f"door-{number}" for number in range(5)]
    await watch.find(*(said(watch, key=door, severity="moderate") for door in doors))
    assert watch.pushes() == []
    await watch.wait(31)
    [push] = watch.pushes()
    assert "5 alerts" in push.title
