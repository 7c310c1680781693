"""Sensors say what real ones say, in an order that can be, and always the same for the same seed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulators.sensors import Crowd, Opening, Place, VisitPlan, crowd_passes, door_opens, heartbeats, visits
from simulators.utterance import Utterance, spell
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.simulators.streams import body, in_order, understood, written

PLACE = Place("lincoln", seed=5)
MINUTE = timedelta(minutes=1)


def opening(**how: object) -> list[Utterance]:
    return list(door_opens(PLACE, "gym-east", START, Opening.model_validate(how)))


def visit(**how: object) -> list[Utterance]:
    plan = VisitPlan.model_validate({"id": "v-1", "stays": "20m", **how})
    return list(visits(PLACE, "lobby", START, plan))


def test_a_door_opens_and_closes_again() -> None:
    said = opening(**{"for": "90s"})
    assert [body(each)["position"] for each in said] == ["open", "closed"]
    assert said[1].at - said[0].at == timedelta(seconds=90)


def test_what_explains_an_opening_comes_before_it() -> None:
    said = opening(granted=True, exit_request=True)
    assert [kind.kind for each in said for kind in understood(each, lincoln())] == [
        "access.granted",
        "exit.requested",
        "door.opened",
        "door.closed",
    ]
    assert in_order(said)


def test_a_bouncing_contact_chatters_for_less_than_a_second_per_bounce_and_ends_closed() -> None:
    said = opening(**{"for": "10s"}, bounces=3)
    positions = [body(each)["position"] for each in said]
    assert positions == ["open", "closed", "open", "closed", "open", "closed", "open", "closed"]
    assert said[-1].at - said[1].at < timedelta(seconds=3)


def test_a_door_may_stay_open() -> None:
    assert [body(each)["position"] for each in opening(stays=True)] == ["open"]


def test_a_visit_is_announced_checked_in_screened_and_checked_out() -> None:
    said = visit(announced="1h", expected="15m")
    actions = [body(each)["action"] for each in said]
    assert actions == ["preregister", "check_in", "screen", "check_out"]
    assert in_order(said)


def test_the_expected_end_of_a_visit_moves_along_with_the_play() -> None:
    check_in = visit(expected="15m")[0]
    day_later = body(check_in, when=lambda at: at + timedelta(days=1))
    assert body(check_in)["expected_out"] == "2026-11-24T14:15:00.000Z"
    assert day_later["expected_out"] == "2026-11-25T14:15:00.000Z"
    assert day_later["at"] == "2026-11-25T14:00:00.000Z"


def test_a_visit_of_somebody_who_is_turned_away_never_checks_out() -> None:
    said = visit(screening="confirmed", watch="trespass", denied="2m", stays=None)
    assert [body(each)["action"] for each in said] == ["check_in", "screen", "deny"]
    assert body(said[1])["watch"] == "trespass"


def test_an_unscreened_visitor_is_not_screened() -> None:
    assert "screen" not in [body(each)["action"] for each in visit(screening=None)]


@pytest.mark.parametrize("count", [1, 2, 57, 400])
def test_everybody_in_a_crowd_is_counted_once(count: int) -> None:
    said = list(crowd_passes(PLACE, "winter-concert", START, Crowd(count=count, over=10 * MINUTE)))
    assert sum(body(each)["count"] for each in said) == count
    assert in_order(said)
    assert len({each.at for each in said}) == len(said)


def test_a_crowd_is_thickest_in_the_middle() -> None:
    said = list(crowd_passes(PLACE, "winter-concert", START, Crowd(count=900, over=30 * MINUTE)))
    thirds = [0, 0, 0]
    for each in said:
        thirds[min(2, int((each.at - START) / (10 * MINUTE)))] += body(each)["count"]
    assert thirds[1] > thirds[0] + thirds[2]


def test_heartbeats_come_as_often_as_they_should_and_the_battery_wears_down() -> None:
    said = list(heartbeats(PLACE, ["gym-east-contact"], 60 * MINUTE, START, START + timedelta(days=30), battery=90))
    assert len(said) == 24 * 30
    assert body(said[0])["battery_pct"] == 90
    assert body(said[-1])["battery_pct"] == 88


def test_the_same_seed_says_the_same_bytes_and_another_one_does_not() -> None:
    def told(seed: int) -> bytes:
        return written(crowd_passes(Place("lincoln", seed=seed), "g", START, Crowd(count=40, over=MINUTE)))

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_every_utterance_has_an_id_of_its_own() -> None:
    said = [*opening(**{"for": "9s"}, bounces=5), *visit(announced="5m")]
    assert len({body(each)["id"] for each in said}) == len(said)


def test_a_run_sets_ids_apart_and_everything_is_marked_as_a_test_unless_told_otherwise() -> None:
    one = opening()[0]
    assert body(one, run="r1")["id"] == f"r1-{body(one)['id']}"
    assert body(one)["exercise"] == "test"
    assert body(one, exercise="drill")["exercise"] == "drill"
    assert "exercise" not in body(one, exercise="live")


def test_text_bytes_and_foreign_payloads_are_sent_as_they_stand() -> None:
    text = Utterance(at=START, topic="campus/lincoln/device/d", payload="offline", clock_error=None)
    raw = Utterance(at=START, topic="x", payload=b"\xff", clock_error=None)
    foreign = Utterance(at=START, topic="zigbee2mqtt/Gym East", payload={"contact": False}, clock_error=None, own=False)
    assert [spell(each) for each in (text, raw, foreign)] == [b"offline", b"\xff", b'{"contact":false}']


def test_a_wrong_clock_shows_in_the_payload_and_not_in_the_moment_of_sending() -> None:
    ahead = Utterance(
        at=START, topic="t", payload={"id": "1"}, delay=timedelta(seconds=3), clock_error=timedelta(hours=1)
    )
    assert body(ahead)["at"] == "2026-11-24T15:00:00.000Z"
    assert ahead.sent_at == START + timedelta(seconds=3)
