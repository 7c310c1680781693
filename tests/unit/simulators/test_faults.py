"""Faults bend a stream as asked, always the same way, and leave it in order of sending."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.errors import BadInput
from simulators.faults import DEFAULT_RATES, FAULTS, GARBAGE, afflict
from simulators.utterance import Utterance
from tests.conftest import START
from tests.unit.simulators.streams import body, in_order


def steady(count: int = 1000, *, apart: float = 1.0) -> list[Utterance]:
    return [
        Utterance(
            at=START + timedelta(seconds=apart * n),
            topic=f"campus/lincoln/door/d{n % 20}",
            payload={"id": str(n), "position": "open"},
        )
        for n in range(count)
    ]


def ids(stream: list[Utterance]) -> list[str]:
    return [each.payload["id"] for each in stream if isinstance(each.payload, dict)]


def swinging(count: int = 1000) -> list[Utterance]:
    """Return a door that opens and closes every other second."""
    words = ("open", "closed")
    return [
        replace(each, topic="campus/lincoln/door/d", payload={"id": str(n), "position": words[n % 2]})
        for n, each in enumerate(steady(count))
    ]


def bent(**rates: float) -> list[Utterance]:
    return list(afflict(steady(), rates, seed=3))


def test_without_faults_nothing_changes() -> None:
    assert bent() == steady()


def test_drop_loses_about_its_share() -> None:
    assert 850 < len(bent(drop=0.1)) < 950


def test_a_duplicate_says_the_same_words_again_a_little_later() -> None:
    said = bent(duplicate=0.2)
    twice = {name for name, count in Counter(ids(said)).items() if count == 2}
    assert 150 < len(twice) < 250
    for name in twice:
        first, second = (each for each in said if each.payload["id"] == name)
        assert body(first) == body(second)
        assert timedelta(0) < second.sent_at - first.sent_at <= timedelta(seconds=20)


def test_delay_sends_later_what_happened_when_it_happened() -> None:
    said = bent(delay=0.1)
    late = [each for each in said if each.delay]
    assert 60 < len(late) < 150
    assert all(timedelta(seconds=2) <= each.delay <= timedelta(seconds=90) for each in late)
    assert sorted(each.at for each in said) == [each.at for each in steady()]


def test_skew_sets_the_clocks_of_whole_devices_wrong() -> None:
    errors: dict[str, set[timedelta | None]] = {}
    for each in bent(skew=0.5):
        errors.setdefault(each.topic, set()).add(each.clock_error)
    assert all(len(found) == 1 for found in errors.values())
    wrong = [topic for topic, found in errors.items() if found != {timedelta(0)}]
    assert 0 < len(wrong) < 20


def test_reorder_swaps_neighbours_and_loses_nobody() -> None:
    said = bent(reorder=0.2)
    assert sorted(ids(said), key=int) == ids(steady())
    swaps = sum(1 for one, two in pairwise(ids(said)) if int(one) > int(two))
    assert 120 < swaps < 250


def test_utterances_far_apart_do_not_overtake() -> None:
    assert list(afflict(steady(50, apart=60), {"reorder": 1.0}, seed=1)) == steady(50, apart=60)


@settings(max_examples=40, deadline=None)
@given(rates=st.dictionaries(st.sampled_from(sorted(FAULTS)), st.floats(0, 1)), seed=st.integers(0, 10**6))
def test_any_mixture_is_in_order_and_the_same_for_the_same_seed(rates: dict[str, float], seed: int) -> None:
    source = steady(60, apart=0.4)
    said = list(afflict(source, rates, seed=seed))
    assert in_order(said)
    assert said == list(afflict(source, rates, seed=seed))
    if not rates.get("drop"):
        assert set(ids(said)) >= set(ids(source))


def test_drift_lets_clocks_run_away_a_little_more_every_day() -> None:
    source = [replace(each, at=START + timedelta(hours=n)) for n, each in enumerate(steady(480))]
    said = list(afflict(source, {"drift": 1.0}, seed=4))
    errors = [abs(each.clock_error or timedelta(0)) for each in said if each.topic.endswith("/d7")]
    assert errors == sorted(errors)
    assert timedelta(seconds=0.1) < errors[-1] < timedelta(seconds=26 * 20)


def test_a_contact_wired_the_wrong_way_round_says_the_opposite_always() -> None:
    said = list(afflict(swinging(), {"polarity": 1.0}, seed=1))
    assert [each.payload["position"] for each in said[:3]] == ["closed", "open", "closed"]
    half = {each.topic for each in afflict(steady(), {"polarity": 0.5}, seed=1) if each.payload["position"] == "closed"}
    assert 3 < len(half) < 17


def test_a_contact_that_flaps_ends_as_it_was_within_two_seconds() -> None:
    said = list(afflict(swinging(), {"flap": 0.1}, seed=1))
    more = [each for each in said if "-f" in each.payload["id"]]
    assert 60 < len(more) < 500
    assert Counter(each.payload["position"] for each in more)["open"] == len(more) / 2
    first = more[0].payload["id"].split("-")[0]
    chatter = [each for each in said if each.payload["id"].split("-")[0] == first]
    assert chatter[0].payload["position"] == chatter[-1].payload["position"] == "closed"
    assert chatter[-1].at - chatter[0].at <= timedelta(seconds=2)


def test_a_reboot_reports_open_first_and_then_the_truth_and_neither_is_an_edge() -> None:
    said = list(afflict(swinging(), {"reboot": 0.05}, seed=1))
    reports = [each.payload for each in said if each.payload.get("initial")]
    assert 40 < len(reports) < 240
    boots = {each["boot"] for each in reports}
    assert len(boots) == len(reports) / 2
    last = [each for each in reports if each["id"].endswith("-1")]
    truth = {each.payload["id"]: each.payload["position"] for each in swinging()}
    assert all(each["position"] == truth[each["id"].split("-")[0]] for each in last)


def test_a_retained_copy_is_word_for_word_what_was_said_before_and_marked() -> None:
    said = list(afflict(steady(), {"retained": 0.1}, seed=1))
    copies = [each for each in said if each.retain]
    assert 60 < len(copies) < 150
    first = {each.payload["id"]: each for each in reversed(said) if not each.retain}
    assert all(body(each) == body(first[each.payload["id"]]) for each in copies)


def test_garbage_stands_between_what_is_said_and_nothing_is_lost() -> None:
    said = list(afflict(steady(), {"garbage": 0.1}, seed=1))
    assert ids(said) == ids(steady())
    assert 60 < sum(each.payload in GARBAGE for each in said) < 150


def test_a_lost_connection_holds_everything_back_and_says_the_last_words_again() -> None:
    said = list(afflict(steady(), {"reconnect": 0.02}, seed=1))
    assert set(ids(said)) == set(ids(steady()))
    again = len(said) - 1000
    assert 0 < again <= 5 * 30
    late = [each.delay for each in said if each.delay]
    assert timedelta(0) < max(late) <= timedelta(seconds=60)


def test_a_backlog_comes_at_once_and_in_order() -> None:
    said = list(afflict(steady(), {"backlog": 0.002}, seed=3))
    assert ids(said) == ids(steady())
    bursts = Counter(each.sent_at for each in said)
    assert max(bursts.values()) > 40


def test_a_day_with_an_ordinary_networks_faults_holds_little_back() -> None:
    assert set(DEFAULT_RATES) < set(FAULTS)
    assert not {"drop", "polarity", "backlog"} & set(DEFAULT_RATES)


def test_a_stream_without_end_stays_one() -> None:
    from itertools import count, islice

    endless = (Utterance(at=START + timedelta(seconds=n), topic="t", payload={"id": str(n)}) for n in count())
    said = list(islice(afflict(endless, dict.fromkeys(FAULTS, 0.1), seed=2), 500))
    assert len(said) == 500
    assert in_order(said)


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"duplicates": 0.1}, "no fault 'duplicates'; did you mean 'duplicate'?"),
        ({"drop": 5}, "faults.drop: must be a share between 0 and 1"),
        ({"delay": -0.1}, "faults.delay: must be a share between 0 and 1"),
    ],
)
def test_nonsense_is_refused_with_what_would_be_right(rates: dict[str, float], message: str) -> None:
    with pytest.raises(BadInput, match=message.replace("?", r"\?")):
        afflict(steady(), rates)
