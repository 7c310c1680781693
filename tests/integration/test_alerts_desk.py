"""The desk: findings open, join, raise and clear alerts, and put notices into the outbox."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from alerts import desk, outbox, store
from alerts.shapes import as_json, deliveries_json, event_json
from core import audit, feed
from core.campus import Campus
from core.database import Database
from tests.campuses import LINCOLN, lincoln
from tests.conftest import START
from tests.unit.alerts.making import (
    advice,
    deliveries,
    extreme,
    finding,
    happened,
    later,
    look,
    over,
    step,
    take,
    told,
)


async def test_a_finding_opens_an_alert_and_puts_its_first_step_into_the_outbox(
    database: Database, campus: Campus
) -> None:
    alert = await take(database, campus, finding())
    assert alert.id
    assert len(alert.code) == 5
    assert (alert.policy["id"], alert.next_step_at) == ("severe", later(60))
    assert await told(database, alert.id) == ["reyes-phone"]
    assert await happened(database, alert.id) == ["opened", "notify"]
    assert await look(database, alert.id) == alert


async def test_alert_timeline_and_deliveries_have_the_shapes_that_others_read(
    database: Database, campus: Campus
) -> None:
    alert = await take(database, campus, finding())
    shown = as_json(alert)
    assert shown["opened_at"] == "2026-11-24T14:00:00Z"
    promised = "id code campus rule key title severity state condition acknowledged_by on_scene_by suppressed "
    promised += "disposition exercise opened_at cleared_at closed_at count next_step_at because"
    assert set(promised.split()) <= set(shown)
    rows = await deliveries(database, alert.id)
    async with database.reading() as session:
        [delivery] = deliveries_json(rows, await outbox.attempts_of(session, [row.id for row in rows]))
        said = event_json((await store.timeline(session, alert.id))[1])
    assert {"id", "alert", "step", "person", "endpoint", "state", "attempts"} <= set(delivery)
    assert (delivery["person"], delivery["state"], delivery["attempts"]) == ("reyes", "pending", [])
    assert said["data"]["to"] == ["reyes-phone"]


async def test_repeats_join_the_open_alert(database: Database, campus: Campus) -> None:
    first = await take(database, campus, finding())
    again = await take(database, campus, finding(text="still open"), now=later(5))
    assert (again.id, again.count, again.text) == (first.id, 2, "still open")
    assert await told(database, first.id) == ["reyes-phone"], "nobody is told twice"


async def test_one_transaction_may_open_repeat_and_clear(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding(), finding(), over(later(9)), finding(at=later(20)))
    assert (alert.count, alert.opening, alert.is_active) == (3, 2, True)
    assert await happened(database, alert.id) == ["opened", "notify", "repeated", "cleared", "repeated", "notify"]


async def test_two_alerts_of_one_place_in_one_transaction_follow_each_other(database: Database, campus: Campus) -> None:
    first = await take(database, campus, finding(severity="moderate"), over(later(9), severity="moderate"))
    assert not first.is_open
    async with database.transaction() as session:
        findings = [finding(severity="moderate"), over(later(30)), finding(severity="moderate", at=later(40))]
        found = await desk.handle_all(session, findings, {campus.id: campus}, now=later(40))
    one, _, two = found
    assert one is not None
    assert two is not None
    assert (one.previous, two.previous) == (first.id, one.id)
    assert (one.is_open, two.is_open) == (False, True)


async def test_the_database_itself_refuses_a_second_open_alert(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await store.add(session, [alert])


async def test_a_ladder_raises_the_alert_and_starts_the_graver_policy(database: Database, campus: Campus) -> None:
    first = await take(database, campus, finding())
    async with database.transaction() as session:
        await desk.acknowledge(session, first.id, who="person:reyes", now=later(10))
    worse = await take(database, campus, finding(severity="extreme", text="propped"), now=later(300))
    assert (worse.id, worse.severity, worse.latched, worse.acknowledged_by) == (first.id, "extreme", True, None)
    assert worse.policy["id"] == "extreme"
    assert (await told(database, first.id))[1:] == ["reyes-phone", "reyes-sms", "diaz-phone"]
    assert "escalated" in await happened(database, first.id)


async def test_a_rise_takes_back_what_the_lesser_one_had_still_to_say(database: Database, campus: Campus) -> None:
    first = await take(database, campus, finding(severity="moderate"))
    await take(database, campus, finding(severity="extreme"), now=later(5))
    rows = await deliveries(database, first.id)
    assert [(row.state, row.reason) for row in rows[:1]] == [("cancelled", "it is extreme now")]
    assert {row.state for row in rows[1:]} == {"pending"}


async def test_moderate_closes_when_it_is_over_and_its_notice_is_taken_back(database: Database, campus: Campus) -> None:
    await take(database, campus, finding(severity="moderate"))
    alert = await take(database, campus, over(later(20)), now=later(21))
    assert (alert.is_open, alert.closed_by, alert.disposition) == (False, "hallwatch", "unknown")
    assert [row.state for row in await deliveries(database, alert.id)] == ["cancelled"]


async def test_severe_that_is_over_stays_visible_until_somebody_has_seen_it(database: Database, campus: Campus) -> None:
    await take(database, campus, finding())
    gone = await take(database, campus, over(later(20)), now=later(21))
    assert (gone.is_open, gone.condition, gone.next_step_at) == (True, "cleared", None)
    async with database.transaction() as session:
        answer = await desk.acknowledge(session, gone.id, who="person:reyes", now=later(30))
    assert not answer.alert.is_open
    assert (await happened(database, gone.id))[-2:] == ["acknowledged", "closed"]


async def test_extreme_that_is_over_goes_on_until_a_person_takes_it(database: Database, campus: Campus) -> None:
    await take(database, campus, extreme())
    gone = await take(database, campus, over(later(20), rule="door-forced"), now=later(21))
    assert gone.is_open
    assert await step(database, campus, later(60)) == 1
    assert len(await told(database, gone.id)) > 3


async def test_what_was_one_instant_is_told_all_the_same(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding(severity="moderate"), over(START))
    assert (alert.is_open, alert.momentary) == (True, True)
    assert [row.state for row in await deliveries(database, alert.id)] == ["pending"]


async def test_what_was_one_instant_and_nobody_answers_closes_after_its_steps(
    database: Database, campus: Campus
) -> None:
    alert = await take(database, campus, finding(severity="moderate"), over(START))
    await step(database, campus, later(minutes=10))
    assert "diaz-phone" in await told(database, alert.id)
    assert (await look(database, alert.id)).is_open
    await step(database, campus, later(minutes=20))
    closed = await look(database, alert.id)
    assert (closed.is_open, closed.disposition) == (False, "unknown")


async def test_an_end_without_a_beginning_is_about_nothing(database: Database, campus: Campus) -> None:
    async with database.transaction() as session:
        assert await desk.handle(session, over(later(5)), campus=campus, now=later(5)) is None
        assert await store.find(session) == []


async def test_shadow_findings_are_written_down_and_nobody_is_told(database: Database, campus: Campus) -> None:
    async with database.transaction() as session:
        assert await desk.handle(session, finding(mode="shadow"), campus=campus, now=START) is None
        [row] = await store.shadows(session, campus="lincoln")
        assert (row.rule, row.state) == ("door-held-open", "firing")
        assert await store.find(session) == []


async def test_a_test_opens_an_alert_that_tells_nobody_and_says_why(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme(exercise="test"))
    assert (alert.suppressed, alert.cap_status, alert.next_step_at) == ("exercise", "Test", None)
    assert await told(database, alert.id) == []
    assert await happened(database, alert.id) == ["opened", "suppressed"]


async def test_a_drill_tells_people_as_a_drill(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme(exercise="drill"))
    assert alert.cap_status == "Exercise"
    assert await told(database, alert.id) == ["reyes-phone", "reyes-sms", "diaz-phone"]


async def test_a_live_alert_breaks_through_a_test_of_the_same_door(database: Database, campus: Campus) -> None:
    test = await take(database, campus, extreme(exercise="test"))
    live = await take(database, campus, extreme(), now=later(5))
    assert live.id != test.id
    assert live.previous == test.id
    assert await told(database, live.id)
    assert (await look(database, test.id)).disposition == "test"


async def test_a_test_changes_nothing_about_a_live_alert(database: Database, campus: Campus) -> None:
    live = await take(database, campus, extreme())
    await take(database, campus, extreme(exercise="test"), over(later(4), rule="door-forced", exercise="test"))
    now = await look(database, live.id)
    assert (now.count, now.condition) == (1, "active")
    assert (await happened(database, live.id))[-2:] == ["exercise", "exercise"]


async def test_a_new_opening_soon_after_the_last_notice_tells_nobody_until_later(
    database: Database, campus: Campus
) -> None:
    calm = advice(cooldown_s=300)
    first = await take(database, campus, finding(severity="moderate", advice=calm))
    await take(database, campus, over(later(20)), now=later(20))
    second = await take(database, campus, finding(severity="moderate", advice=calm, at=later(60)), now=later(60))
    assert (second.previous, second.suppressed, second.next_step_at) == (first.id, "cooldown", later(300))
    assert await told(database, second.id) == []
    async with database.reading() as session:
        why = (await store.timeline(session, second.id))[1]
    assert why.event == "suppressed"
    assert "told 1:00 ago" in why.text
    await step(database, campus, later(300))
    assert await told(database, second.id) == ["reyes-phone"], "it is still true when the quiet ends"
    assert (await look(database, second.id)).suppressed is None


async def test_a_quiet_opening_that_ends_in_time_never_tells_anybody(database: Database, campus: Campus) -> None:
    calm = advice(cooldown_s=300)
    await take(database, campus, finding(severity="moderate", advice=calm))
    await take(database, campus, over(later(20)), now=later(20))
    second = await take(database, campus, finding(severity="moderate", advice=calm, at=later(60)), now=later(60))
    await take(database, campus, over(later(90)), now=later(90))
    await step(database, campus, later(400))
    assert await told(database, second.id) == []


async def test_extreme_always_tells(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, extreme(advice=advice(cooldown_s=300)))
    before = await told(database, alert.id)
    await take(database, campus, over(later(20), rule="door-forced"), now=later(20))
    await take(database, campus, extreme(advice=advice(cooldown_s=300), at=later(40)), now=later(40))
    assert len(await told(database, alert.id)) == 2 * len(before)


async def test_an_unknown_policy_falls_back_and_says_so(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding(advice=advice(policy="night")))
    assert alert.policy["id"] == "severe"
    async with database.reading() as session:
        lines = [each.text for each in await store.timeline(session, alert.id) if each.event == "policy"]
    assert lines == ["there is no policy 'night'; the one for severe alerts is used"]


async def test_unreadable_policies_of_a_campus_never_keep_an_alert_back(database: Database) -> None:
    broken = lincoln(policies=[{"id": "severe", "steps": []}])
    alert = await take(database, broken, finding())
    assert await told(database, alert.id) == ["reyes-phone"]
    assert "policy" in await happened(database, alert.id)


async def test_an_alert_keeps_the_policy_it_opened_with(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding())
    changed = lincoln(policies=[{"id": "severe", "steps": [{"notify": ["role:principal"]}]}])
    await take(database, changed, finding(), now=later(30))
    await step(database, changed, later(60))
    assert await told(database, alert.id) == ["reyes-phone", "reyes-sms"]


async def test_nobody_on_duty_means_the_next_step_at_once_and_a_coverage_gap(database: Database) -> None:
    alone = lincoln(shifts=[], people=[each for each in LINCOLN["people"] if each["role"] != "sro"])
    alert = await take(database, alone, finding())
    assert await told(database, alert.id) == ["diaz-phone", "okafor-phone"], "the administrators' step comes at once"
    assert (await happened(database, alert.id)).count("coverage_gap") == 3
    async with database.reading() as session:
        [gap] = await store.find(session, rule="coverage-gap")
    assert (gap.severity, gap.key, gap.count) == ("severe", "lincoln", 1)
    assert set(await told(database, gap.id)) == {"okafor-phone", "diaz-phone"}


async def test_a_coverage_gap_clears_when_somebody_can_be_reached_again(database: Database, campus: Campus) -> None:
    alone = lincoln(shifts=[])
    await take(database, alone, finding())
    async with database.reading() as session:
        [gap] = await store.find(session, rule="coverage-gap")
    assert gap.is_active
    await step(database, alone, later(30))
    assert (await look(database, gap.id)).is_active
    await step(database, campus, later(31))
    assert not (await look(database, gap.id)).is_active


async def test_a_campus_with_nobody_at_all_still_has_its_alerts_on_the_board(database: Database) -> None:
    empty = lincoln(people=[], shifts=[], on_call=[], gatherings=[], calendar={})
    alert = await take(database, empty, extreme())
    assert alert.is_open
    assert await told(database, alert.id) == []
    assert alert.next_step_at == later(60), "the last step of extreme is tried again and again"
    async with database.reading() as session:
        assert {each.rule for each in await store.find(session, state="open")} == {"door-forced", "coverage-gap"}


async def test_the_audit_and_the_feed_hear_of_it_in_the_same_transaction(database: Database, campus: Campus) -> None:
    alert = await take(database, campus, finding(because={"visitor": "Alex Planted Secret"}))
    async with database.reading() as session:
        [row] = await audit.find(session, subject=f"alert:{alert.id}")
        assert (row.action, row.actor) == ("alert.open", "hallwatch")
        assert await audit.verify(session) is None
        news = await feed.after(session, 0)
    assert {each.topic for each in news} == {"alert", "delivery"}
    assert not any("Planted" in each.data for each in news)


async def test_a_storm_of_a_thousand_findings_takes_few_statements(database: Database, campus: Campus) -> None:
    statements: list[str] = []

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def _count(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    findings = [finding(key=f"door-{number}", severity="moderate") for number in range(1000)]
    await take(database, campus, *findings)
    assert len(statements) < 100
    async with database.reading() as session:
        assert len({each.code for each in await store.find(session, limit=2000)}) == 1000


async def test_alerts_are_found_by_what_they_are_and_page_by_page(database: Database, campus: Campus) -> None:
    await take(database, campus, *(finding(key=f"door-{number}") for number in range(5)), extreme())
    await take(database, campus, finding(key="late", severity="moderate"), over(later(5), key="late"), now=later(90))
    async with database.reading() as session:
        assert len(await store.find(session)) == 7
        assert [each.key for each in await store.find(session, state="closed")] == ["late"]
        assert [each.rule for each in await store.find(session, severity="extreme")] == ["door-forced"]
        assert len(await store.find(session, rule="door-held-open", state="open")) == 5
        assert [each.key for each in await store.find(session, since=later(60))] == ["late"]
        assert await store.find(session, campus="elsewhere") == []
        first = await store.find(session, limit=4)
        rest = await store.find(session, before_id=first[-1].id)
        assert [each.id for each in first + rest] == [7, 6, 5, 4, 3, 2, 1]


async def test_old_closed_alerts_are_forgotten_with_all_that_belongs_to_them(
    database: Database, campus: Campus
) -> None:
    gone = await take(database, campus, finding(severity="moderate"), over(later(5)), now=later(5))
    kept = await take(database, campus, extreme())
    async with database.transaction() as session:
        assert await store.purge(session, later(60)) == 1
        assert await store.timeline(session, gone.id) == []
        assert await outbox.of_alerts(session, [gone.id]) == []
        assert (await store.get(session, kept.id)).is_open
