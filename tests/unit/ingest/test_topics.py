"""Topic patterns: what they fit, what they take, and what has to be subscribed to for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mapping.topics import Pattern, covers, fewest


@pytest.mark.parametrize(
    ("pattern", "topic", "taken"),
    [
        ("zigbee2mqtt/{device:**}", "zigbee2mqtt/Back Deck Door", {"device": "Back Deck Door"}),
        ("zigbee2mqtt/{device:**}", "zigbee2mqtt/gym/east/7", {"device": "gym/east/7"}),
        ("zigbee2mqtt/{device:**}", "zigbee2mqtt", None),
        ("zigbee2mqtt/{device:**}/availability", "zigbee2mqtt/gym/east/availability", {"device": "gym/east"}),
        ("zigbee2mqtt/{device:**}/availability", "zigbee2mqtt/availability", None),
        ("tele/{device}/SENSOR", "tele/gym-east/SENSOR", {"device": "gym-east"}),
        ("tele/{device}/SENSOR", "tele/gym/east/SENSOR", None),
        ("tele/{device}/SENSOR", "tele//SENSOR", None),
        ("shelly{rest}/online", "shellyplus-1/online", {"rest": "plus-1"}),
        ("a/endpoint_*/b", "a/endpoint_0/b", {}),
        ("a/endpoint_*/b", "a/endpoint_0/x/b", None),
        ("a.b/{x}", "aXb/1", None),
        ("**/set", "zigbee2mqtt/Gym East/set", {}),
        ("/{x}", "/leading", {"x": "leading"}),
    ],
)
def test_a_pattern_takes_what_it_names(pattern: str, topic: str, taken: dict[str, str] | None) -> None:
    assert Pattern(pattern).match(topic) == taken


@pytest.mark.parametrize(
    ("pattern", "filters"),
    [
        ("zigbee2mqtt/{device:**}", ("zigbee2mqtt/#",)),
        ("tele/{device}/SENSOR", ("tele/+/SENSOR",)),
        ("shelly{rest}/online", ("+/online",)),
        (
            "zwave/{device:**}/status",
            ("zwave/+/status", "zwave/+/+/status", "zwave/+/+/+/status", "zwave/+/+/+/+/status"),
        ),
    ],
)
def test_a_pattern_knows_what_to_subscribe_to(pattern: str, filters: tuple[str, ...]) -> None:
    assert Pattern(pattern).filters == filters


@pytest.mark.parametrize(
    "pattern", ["", "a/#", "a/+/b", "a/{x}/{x}", "a/{X}", "a/{x", "a/b{x:**}", "**/a/**/b/**", "{}"]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"level|twice"):
        Pattern(pattern)


def test_an_endless_topic_is_matched_in_no_time() -> None:
    assert Pattern("**/a/**").match("x/" * 400 + "x") is None


@pytest.mark.parametrize(
    ("wide", "narrow", "holds"),
    [
        ("a/#", "a/b/c", True),
        ("a/#", "a/+/c", True),
        ("a/#", "a/#", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a/#", False),
        ("a/b", "a/+", False),
        ("+/b", "a/b", True),
        ("a/b/#", "a/b", True),
    ],
)
def test_a_wider_subscription_covers_a_narrower_one(wide: str, narrow: str, holds: bool) -> None:
    assert covers(wide, narrow) is holds


def test_nothing_is_subscribed_to_twice() -> None:
    assert fewest(["z/#", "z/+/x", "tele/+/LWT", "tele/+/LWT", "z/a"]) == ["tele/+/LWT", "z/#"]


@given(st.lists(st.sampled_from(["a", "b", "+", "#"]), min_size=1, max_size=4).map("/".join))
def test_a_subscription_covers_itself(subscription: str) -> None:
    assert covers(subscription, subscription)
