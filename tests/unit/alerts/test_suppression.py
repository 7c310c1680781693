"""What a suppression mutes, and what it may ask for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from alerts import alert as moves
from alerts import suppression
from alerts.alert import Alert
from alerts.suppression import Suppression, mute_of, next_window, problems_of
from core.errors import BadInput, Conflict
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.alerts.making import extreme, finding, later

CAMPUS = lincoln()


def shelf(**changes: Any) -> Suppression:
    said: dict[str, Any] = {
        "id": 1,
        "campus": "lincoln",
        "kind": "shelf",
        "keys": ["gym-east"],
        "author": "person:reyes",
        "reason": "painters",
        "created_at": START,
        "starts_at": START,
        "ends_at": later(minutes=60),
        "next_at": later(minutes=50),
    }
    return Suppression(**{**said, **changes})


def alert(**changes: Any) -> Alert:
    return moves.opened(finding(**changes), now=START, policy={})


def mutes(each: Suppression, about: Alert, minutes: float = 5) -> bool:
    return each.mutes(about, CAMPUS, later(minutes=minutes))


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({}, True),
        ({"keys": ["main"]}, False),
        ({"keys": [], "rules": ["door-held-open"]}, True),
        ({"rules": ["door-propped"]}, False),
        ({"keys": [], "zones": ["gym"]}, True),
        ({"keys": [], "zones": ["lobby"]}, False),
        ({"keys": [], "alert": 9}, False),
        ({"campus": "other"}, False),
        ({"keys": []}, False),
    ],
)
def test_it_mutes_what_it_names_and_nothing_else(scope: dict[str, Any], said: bool) -> None:
    assert mutes(shelf(**scope), alert()) is said


def test_it_holds_from_its_start_until_its_end_or_until_it_is_lifted() -> None:
    assert [mutes(shelf(), alert(), minutes) for minutes in (0, 59.9, 60)] == [True, True, False]
    assert not mutes(shelf(starts_at=later(minutes=10)), alert())
    assert not mutes(suppression.lifted(shelf(), who="person:diaz", now=later(60)), alert())


def test_what_is_extreme_takes_two_people_and_no_exercise_mutes_it() -> None:
    grave = moves.opened(extreme(), now=START, policy={})
    assert not mutes(shelf(), grave)
    assert mutes(suppression.seconded(shelf(), who="person:diaz", now=START), grave)
    with pytest.raises(Conflict, match="another person"):
        suppression.seconded(shelf(), who="person:reyes", now=START)
    with pytest.raises(Conflict, match="never mutes what is extreme"):
        suppression.seconded(shelf(kind="exercise"), who="person:diaz", now=START)
    assert not mutes(shelf(kind="exercise", seconded_by="person:diaz"), grave)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"ends_at": later(minutes=12 * 60 + 1)}, "until"),
        ({"ends_at": START}, "until"),
        ({"reason": " "}, "reason"),
        ({"keys": []}, "rules"),
        ({"zones": ["gim"]}, "zones"),
        ({"kind": "snooze"}, "alert"),
        ({"kind": "snooze", "alert": 1, "ends_at": later(minutes=61)}, "until"),
        ({"kind": "supervised", "monitor": "nobody", "window": "arrival"}, "monitor"),
        ({"kind": "supervised", "monitor": "diaz", "keys": ["gym-est"]}, "doors"),
    ],
)
def test_what_it_may_not_ask_for_is_said_with_the_field(changes: dict[str, Any], where: str) -> None:
    assert where in {problem.where for problem in problems_of(shelf(**changes), CAMPUS)}


def test_twelve_hours_are_allowed() -> None:
    assert problems_of(shelf(ends_at=START + suppression.LONGEST), CAMPUS) == []


def test_the_reminder_comes_ten_minutes_before_the_end_or_half_way() -> None:
    assert shelf().remind_at == later(minutes=50)
    assert shelf(ends_at=later(minutes=10)).remind_at == later(minutes=5)


def test_a_bell_window_says_when_a_door_is_supervised() -> None:
    # 08:00 in Chicago: the arrival window is open until 08:05; at 08:30 the next one is too far off.
    assert next_window(CAMPUS, "arrival", START) == (START, later(minutes=5))
    with pytest.raises(BadInput, match="not open within the next 12 h"):
        next_window(CAMPUS, "arrival", later(minutes=30))
    with pytest.raises(BadInput, match="no window 'arival'"):
        next_window(CAMPUS, "arival", START)


def test_a_graver_alert_inhibits_its_members_while_it_is_true_and_never_what_is_extreme() -> None:
    many = moves.opened(finding(rule="many-doors-open", key="lincoln"), now=START, policy={})

    def reason(about: Alert, standing: Alert) -> str | None:
        found = mute_of(about, [], [standing], CAMPUS, START)
        return found.word if found else None

    assert reason(alert(), many) == "inhibited"
    assert reason(alert(severity="extreme"), many) is None
    assert reason(alert(rule="door-forced"), many) is None
    assert reason(alert(), replace(many, exercise="drill")) is None
    assert reason(alert(), moves.cleared(many, at=later(9), now=later(9))) is None


def test_of_two_that_mute_the_one_that_lasts_longer_counts() -> None:
    longer = shelf(id=2, kind="maintenance", ends_at=START + timedelta(hours=3))
    found = mute_of(alert(), [shelf(), longer], [], CAMPUS, START)
    assert found is not None
    assert (found.word, found.by, found.until) == ("maintenance", 2, longer.ends_at)
