"""Faults bend a stream as asked, always the same way, and leave it in order of sending."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from simulators.faults import FAULTS, afflict
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
    return [each.payload["id"] for each in stream]


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
        assert set(ids(said)) == set(ids(source))


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
