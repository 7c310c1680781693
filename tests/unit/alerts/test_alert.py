"""The moves of an alert along its axes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from alerts import alert as moves
from alerts.alert import Alert
from core.errors import BadInput, Conflict
from tests.conftest import START
from tests.unit.alerts.making import advice, extreme, finding, later


def opened(**changes: Any) -> Alert:
    return replace(moves.opened(finding(**changes), now=later(1), policy={"id": "severe"}), code="K7-42", generation=1)


def test_a_finding_opens_an_alert_that_nobody_has() -> None:
    alert = opened()
    assert alert.is_open
    assert alert.is_active
    assert not alert.is_acknowledged
    assert (alert.began_at, alert.opened_at) == (START, later(1))
    assert (alert.urgency, alert.certainty, alert.cap_status) == ("Immediate", "Observed", "Actual")


def test_extreme_alerts_and_those_of_latching_rules_are_latched() -> None:
    assert moves.opened(extreme(), now=START, policy={}).latched
    assert opened(advice=advice(latch=True)).latched
    assert not opened().latched


def test_a_repeat_while_it_holds_counts_and_keeps_who_has_it() -> None:
    taken = moves.acknowledged(opened(), who="reyes", now=later(5))
    again = moves.repeated(taken, finding(text="Door 7 is open still"), now=later(9))
    assert (again.count, again.opening, again.acknowledged_by) == (2, 1, "reyes")
    assert again.text == "Door 7 is open still"


def test_an_acknowledgement_binds_to_one_opening() -> None:
    taken = moves.acknowledged(opened(advice=advice(latch=True)), who="reyes", now=later(5))
    closed_door = moves.cleared(taken, at=later(8), now=later(8))
    again = moves.repeated(closed_door, finding(at=later(20)), now=later(20))
    assert again.is_active
    assert again.acknowledged_by is None
    assert (again.opening, again.began_at, again.cleared_at) == (2, later(20), None)
    assert again.first_generation == taken.generation + 1


def test_a_rise_asks_again_who_had_the_lesser_one() -> None:
    taken = moves.acknowledged(opened(severity="moderate"), who="reyes", now=later(5))
    worse = moves.raised(taken, finding(severity="extreme"), now=later(30), policy={"id": "extreme"})
    assert (worse.severity, worse.latched, worse.acknowledged_by) == ("extreme", True, None)
    assert worse.policy == {"id": "extreme"}
    with pytest.raises(Conflict, match="is extreme already"):
        moves.raised(worse, finding(severity="severe"), now=later(31), policy={})


def test_the_first_to_acknowledge_has_it() -> None:
    first = moves.acknowledged(opened(), who="reyes", now=later(5))
    second = moves.acknowledged(first, who="diaz", now=later(6))
    assert second is first


def test_being_on_scene_takes_the_alert_too() -> None:
    there = moves.on_scene(opened(), who="reyes", now=later(5))
    assert (there.acknowledged_by, there.on_scene_by) == ("reyes", "reyes")
    helped = moves.on_scene(moves.acknowledged(opened(), who="diaz", now=later(4)), who="reyes", now=later(5))
    assert (helped.acknowledged_by, helped.on_scene_by) == ("diaz", "reyes")


def test_a_clear_says_when_it_ended_and_only_once() -> None:
    gone = moves.cleared(opened(), at=later(64), now=later(65))
    assert (gone.condition, gone.cleared_at, gone.momentary) == ("cleared", later(64), False)
    assert moves.cleared(gone, at=later(90), now=later(90)) is gone


@pytest.mark.parametrize(
    ("severity", "latch", "acknowledged", "closes"),
    [
        ("minor", False, False, True),
        ("moderate", False, False, True),
        ("moderate", True, True, False),
        ("severe", False, False, False),
        ("severe", False, True, True),
        ("severe", True, True, False),
        ("extreme", False, True, False),
    ],
)
def test_what_closes_by_itself_once_it_is_over(severity: str, latch: bool, acknowledged: bool, closes: bool) -> None:
    alert = opened(severity=severity, advice=advice(latch=latch))
    if acknowledged:
        alert = moves.acknowledged(alert, who="reyes", now=later(2))
    assert not moves.closes_by_itself(alert), "it still holds"
    assert moves.closes_by_itself(moves.cleared(alert, at=later(9), now=later(9))) is closes


def test_what_was_one_instant_waits_for_somebody_to_see_it() -> None:
    instant = moves.cleared(opened(severity="moderate"), at=START, now=later(1))
    assert instant.momentary
    assert not moves.closes_by_itself(instant)
    assert moves.closes_by_itself(moves.acknowledged(instant, who="reyes", now=later(9)))


def test_a_person_closes_with_a_disposition_and_a_reason() -> None:
    done = moves.resolved(opened(), who="reyes", disposition="nuisance", note="wedge", now=later(70))
    assert not done.is_open
    assert (done.closed_by, done.disposition, done.note, done.msg_type) == ("reyes", "nuisance", "wedge", "Cancel")


def test_an_unknown_disposition_is_refused_with_the_choices() -> None:
    with pytest.raises(BadInput, match="real, nuisance, false, drill, test, unknown"):
        moves.resolved(opened(), who="reyes", disposition="boring", note="", now=later(70))


def test_a_live_alert_was_no_drill() -> None:
    with pytest.raises(Conflict, match="is live"):
        moves.resolved(opened(), who="reyes", disposition="drill", note="", now=later(70))
    drill = opened(exercise="drill")
    assert moves.resolved(drill, who="reyes", disposition="drill", note="", now=later(70)).disposition == "drill"


def test_a_closed_alert_moves_no_more_and_says_who_closed_it() -> None:
    done = moves.resolved(opened(), who="reyes", disposition="false", note="", now=later(70))
    for move in (
        lambda: moves.acknowledged(done, who="diaz", now=later(80)),
        lambda: moves.on_scene(done, who="diaz", now=later(80)),
        lambda: moves.resolved(done, who="diaz", disposition="real", note="", now=later(80)),
        lambda: moves.repeated(done, finding(), now=later(80)),
    ):
        with pytest.raises(Conflict, match=r"K7-42 cannot be .*: reyes closed it as false at 2026-11-24T14:01:10Z"):
            move()


def test_a_test_alert_says_from_the_start_that_nobody_is_told() -> None:
    assert opened(exercise="test").suppressed == "exercise"
    assert opened(exercise="drill").suppressed is None
    assert moves.closed_by_itself(opened(exercise="drill"), now=later(9)).disposition == "drill"
    assert moves.closed_by_itself(opened(), now=later(9)).disposition == "unknown"


def test_live_is_meant_more_seriously_than_a_drill_and_that_more_than_a_test() -> None:
    assert moves.outranks(finding(exercise="live"), opened(exercise="drill")) == 1
    assert moves.outranks(finding(exercise="test"), opened(exercise="drill")) == -1
    assert moves.outranks(finding(exercise="drill"), opened(exercise="drill")) == 0


def test_codes_are_short_sayable_and_different() -> None:
    codes = {moves.code_of(number) for number in range(23_000)}
    assert len(codes) == 23_000
    assert moves.code_of(742) == "A7-42"
    assert not any(letter in code for code in codes for letter in "IOQ")
