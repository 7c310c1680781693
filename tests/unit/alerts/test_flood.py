"""When somebody is told too much, with the figures of EEMUA 191; and what chatters or is stale."""

from __future__ import annotations

from datetime import datetime

from alerts import alert as moves
from alerts.alert import is_chattering
from alerts.flood import Attention
from tests.conftest import START
from tests.unit.alerts.making import finding, later


def after(*moments: datetime) -> Attention:
    found = Attention(campus="lincoln", person="reyes")
    for number, at in enumerate(moments):
        found = found.told(f"alert {number}", at)
    return found


def test_ten_alerts_in_ten_minutes_are_none_and_the_eleventh_begins_a_flood() -> None:
    ten = after(*(later(each) for each in range(10)))
    assert not ten.is_flooded(later(10))
    assert ten.told("one more", later(10)).is_flooded(later(10))


def test_eleven_alerts_in_more_than_ten_minutes_are_no_flood() -> None:
    assert not after(*(later(minutes=each) for each in range(11))).is_flooded(later(minutes=10))


def test_a_flood_ends_below_five_in_ten_minutes() -> None:
    flood = after(*(later(each) for each in range(11)))
    assert flood.is_flooded(later(605)), "five of them are less than ten minutes ago"
    assert not flood.is_flooded(later(606))
    again = flood.told("later", later(700))
    assert again.flood_since is None


def test_the_same_alert_again_is_no_other_one() -> None:
    found = Attention(campus="lincoln", person="reyes")
    for each in range(30):
        found = found.told("door-propped gym-east", later(each))
    assert found.load(later(30)) == 1


def test_three_openings_within_a_minute_are_chatter() -> None:
    alert = moves.opened(finding(), now=START, policy={})
    for seconds in (20, 40):
        alert = moves.cleared(alert, at=later(seconds - 5), now=later(seconds - 5))
        assert not is_chattering(alert, later(seconds))
        alert = moves.repeated(alert, finding(at=later(seconds)), now=later(seconds))
    assert is_chattering(alert, later(40))
    assert not is_chattering(alert, later(101)), "it has been calm since"


def test_chatter_goes_on_from_one_alert_to_the_next() -> None:
    first = moves.opened(finding(severity="moderate"), now=START, policy={})
    second = moves.opened(finding(severity="moderate", at=later(20)), now=later(20), policy={}, previous=first)
    third = moves.opened(finding(severity="moderate", at=later(40)), now=later(40), policy={}, previous=second)
    assert is_chattering(third, later(40))


def test_a_repeat_while_it_is_true_is_no_opening() -> None:
    alert = moves.opened(finding(), now=START, policy={})
    for seconds in (1, 2, 3):
        alert = moves.repeated(alert, finding(at=later(seconds)), now=later(seconds))
    assert not is_chattering(alert, later(3))
