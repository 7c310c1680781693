"""Every kind of message is whole: it says what it means, shows an example, and can be written down and read again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core import wire
from core.campus import Campus
from core.facts import FACTS
from core.messages import (
    ENVELOPE,
    KINDS,
    AttendanceCounted,
    DoorMessage,
    DoorOpened,
    Heard,
    Message,
    VisitorCheckedIn,
    kinds_matching,
    latest,
    newer,
    own_fields,
)
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.core.said import said

ALL = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
SPOKEN = [kind for kind in KINDS.values() if kind.heard_as]


def everything() -> Campus:
    """Return a campus on which everything that the examples speak of exists."""
    return lincoln()


@ALL
def test_every_kind_says_what_it_means_and_shows_an_example(kind: type[Message]) -> None:
    assert kind.__doc__
    assert kind.__doc__.strip().endswith(".")
    assert set(kind.example) == {"topic", "payload"}
    assert kind.about in {*FACTS, "alert"}


@ALL
def test_every_kind_is_about_one_of_its_own_fields(kind: type[Message]) -> None:
    if kind.key_field:
        assert kind.key_field in own_fields(kind)


@ALL
def test_a_level_is_a_fact_of_what_the_message_is_about(kind: type[Message]) -> None:
    if kind.level:
        assert kind.level in FACTS[kind.about].__struct_fields__


@pytest.mark.parametrize("kind", SPOKEN, ids=lambda kind: kind.kind)
def test_an_example_says_what_it_is_an_example_of(kind: type[Message]) -> None:
    family, _, name = str(kind.example["topic"]).partition("/")
    payload = dict(kind.example["payload"])
    heard = Heard(topic=f"campus/lincoln/{family}/{name}", payload=msgspec.json.encode(payload))
    envelope = wire.Envelope("lincoln", kind.example["topic"], START, wire.MAX_FUTURE)
    found = wire.readings(family, name, payload, heard, envelope, everything())
    assert kind in {type(message) for message in found}


@ALL
def test_every_kind_can_be_written_down_and_read_again(kind: type[Message]) -> None:
    values = {"state": "secure", "count": 3, "subject": "gym-east", "rule": "door-held-open", "severity": "severe"}
    message = said(kind, **{name: value for name, value in values.items() if name in own_fields(kind)})
    assert msgspec.json.decode(msgspec.json.encode(message), type=kind) == message


def test_a_kind_without_a_docstring_or_example_cannot_be_declared() -> None:
    with pytest.raises(
        TypeError, match=r"message kind door\.painted: a docstring, an example and `about` are required"
    ):

        class DoorPainted(DoorMessage, frozen=True, kw_only=True):
            kind = "door.painted"

    assert "door.painted" not in KINDS


def test_the_body_is_what_was_said_without_the_envelope() -> None:
    message = said(DoorOpened, battery_pct=80)
    assert message.body() == {"door": "gym-east", "position": "open", "battery_pct": 80}
    assert not ENVELOPE & message.body().keys()


def test_the_key_is_the_thing_the_message_is_about() -> None:
    assert said(DoorOpened).key == "gym-east"
    assert said(VisitorCheckedIn, visit="v-9").key == "v-9"
    assert said(KINDS["campus.state_changed"], state="hold").key == "lincoln"


def test_a_door_message_speaks_of_its_device_too() -> None:
    assert said(DoorOpened).tells() == (("door", "gym-east"),)
    assert said(DoorOpened, device="d-1").tells() == (("door", "gym-east"), ("device", "d-1"))


@pytest.mark.parametrize(
    ("pattern", "kinds"),
    [
        ("door.opened", {"door.opened"}),
        ("door.*", {"door.opened", "door.closed", "door.locked", "door.unlocked"}),
        ("door.painted", set()),
        ("*", set()),
        ("do.*", set()),
    ],
)
def test_a_pattern_names_one_kind_or_a_family(pattern: str, kinds: set[str]) -> None:
    assert set(kinds_matching(pattern)) == kinds


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (AttendanceCounted, {"gathering": "g", "count": -1}),
        (AttendanceCounted, {"gathering": "g", "count": 1_000_001}),
        (DoorOpened, {"door": ""}),
        (DoorOpened, {"door": "x" * 201}),
        (DoorOpened, {"door": "d", "battery_pct": 101}),
        (VisitorCheckedIn, {"visit": "v", "screening": "fine"}),
        (VisitorCheckedIn, {"visit": "v", "name": "x" * 201}),
    ],
)
def test_a_field_outside_of_its_bounds_is_refused(kind: type[Message], fields: dict[str, Any]) -> None:
    envelope = {"campus": "c", "source": "s", "message_id": "m", "at": START, "received_at": START}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**envelope, **fields}, kind)


def test_news_of_the_same_instant_counts_and_older_news_does_not() -> None:
    later = said(DoorOpened, 1).at
    assert newer(later, START)
    assert newer(START, START)
    assert newer(START, None)
    assert not newer(START, later)
    assert latest(None, START) == START
    assert latest(later, START) == later
