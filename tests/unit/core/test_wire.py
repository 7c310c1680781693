"""Our own topics, both directions: what CONTRACT §4 promises to devices."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from core import wire
from core.campus import Campus
from core.messages import KINDS, DeviceClockAdjusted, Heard, Message
from core.wire import Envelope, Refused
from tests.campuses import lincoln
from tests.conftest import START

LATENESS = timedelta(seconds=1)


def read(campus: Campus, topic: str, payload: Any, **heard: Any) -> list[Message]:
    """Return what a payload on `door/gym-east` (and the like) says, heard at the start."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    family, _, name = topic.partition("/")
    envelope = Envelope(campus.id, topic, START, LATENESS)
    said = wire.unwrap(wire.read_json(raw))
    return wire.readings(family, name, said, Heard(f"campus/lincoln/{topic}", raw, **heard), envelope, campus)


def reason(campus: Campus, topic: str, payload: Any, **heard: Any) -> str:
    with pytest.raises(Refused) as refused:
        read(campus, topic, payload, **heard)
    return refused.value.reason


class TestPayloads:
    def test_json_objects_are_read(self) -> None:
        assert wire.read_json(b'{"a": [1, "\xc3\xa9"]}') == {"a": [1, "é"]}

    @pytest.mark.parametrize(
        "payload",
        [b"", b"{", b"nonsense", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b"{'a': 1}"],
    )
    def test_what_is_no_json_is_called_bad_json(self, payload: bytes) -> None:
        with pytest.raises(Refused, match="bad_json"):
            wire.read_json(payload)

    def test_what_is_no_text_is_called_bad_encoding(self) -> None:
        with pytest.raises(Refused, match="bad_encoding"):
            wire.read_json(b'{"a": "\xff"}')

    def test_64_kib_pass_and_one_byte_more_does_not(self) -> None:
        whole = b'{"a": "' + b"x" * (wire.MAX_BYTES - 9) + b'"}'
        assert len(whole) == wire.MAX_BYTES
        wire.read_json(whole)
        with pytest.raises(Refused, match="too_large"):
            wire.read_json(whole + b" ")

    def test_16_levels_pass_and_17_do_not(self) -> None:
        wire.read_json(b"[" * 16 + b"]" * 16)
        with pytest.raises(Refused, match="bad_json: nested deeper than 16"):
            wire.read_json(b"[" * 17 + b"]" * 17)

    @pytest.mark.parametrize("opening", [b"[", b'{"a":'])
    def test_an_abyss_of_brackets_is_refused_and_not_fallen_into(self, opening: bytes) -> None:
        with pytest.raises(Refused, match="bad_json"):
            wire.read_json(opening * 10_000)

    @pytest.mark.parametrize("payload", [[], "text", 1, None, True])
    def test_anything_but_an_object_is_refused(self, campus: Campus, payload: Any) -> None:
        assert reason(campus, "door/gym-east", payload) == "invalid_field: the payload must be a JSON object"

    def test_cloud_events_are_opened(self, campus: Campus) -> None:
        event = {"specversion": "1.0", "id": "e-1", "time": "2026-11-24T14:00:00Z", "data": {"position": "open"}}
        (message,) = read(campus, "door/gym-east", event)
        assert (message.kind, message.message_id, message.at) == ("door.opened", "e-1", START)

    def test_a_cloud_event_without_data_is_refused(self, campus: Campus) -> None:
        assert "data must be an object" in reason(campus, "door/gym-east", {"specversion": "1.0", "position": "open"})


class TestDoors:
    def test_positions_and_locks_are_read_together(self, campus: Campus) -> None:
        found = read(campus, "door/main", {"position": "closed", "lock": "locked"})
        assert [(each.kind, each.key, each.part) for each in found] == [
            ("door.closed", "main", 0),
            ("door.locked", "main", 1),
        ]

    @pytest.mark.parametrize(
        ("payload", "kind"),
        [
            ({"position": "open"}, "door.opened"),
            ({"position": "closed"}, "door.closed"),
            ({"lock": "unlocked"}, "door.unlocked"),
            ({"access": "granted", "credential": "c-81", "direction": "in"}, "access.granted"),
            ({"access": "denied"}, "access.denied"),
            ({"exit_request": True}, "exit.requested"),
            ({"battery_pct": 40}, "device.heartbeat"),
            ({"tamper": True}, "device.tampered"),
        ],
    )
    def test_each_reading_has_its_kind(self, campus: Campus, payload: dict[str, Any], kind: str) -> None:
        assert [each.kind for each in read(campus, "door/gym-east", payload)] == [kind]

    def test_the_device_of_the_door_is_known(self, campus: Campus) -> None:
        (message,) = read(campus, "door/gym-east", {"position": "open"})
        assert message.tells() == (("door", "gym-east"), ("device", "gym-east-contact"))

    def test_the_topic_says_which_door_whatever_the_payload_says(self, campus: Campus) -> None:
        (message,) = read(campus, "door/gym-east", {"position": "open", "door": "main"})
        assert message.key == "gym-east"

    @pytest.mark.parametrize("payload", [{}, {"exit_request": False}, {"something": "else"}])
    def test_a_payload_that_says_nothing_is_told_what_could_be_said(
        self, campus: Campus, payload: dict[str, Any]
    ) -> None:
        assert reason(campus, "door/gym-east", payload).startswith("invalid_field: one of position, lock, access")

    @pytest.mark.parametrize("value", ["Open", "ajar", 1, True, [], {}])
    def test_a_position_that_is_none_is_told_which_there_are(self, campus: Campus, value: Any) -> None:
        said = reason(campus, "door/gym-east", {"position": value})
        assert said == "invalid_field: position must be one of closed, open"

    @pytest.mark.parametrize("value", [-1, 101, "full", [5]])
    def test_a_battery_that_is_none_is_refused_by_name(self, campus: Campus, value: Any) -> None:
        said = reason(campus, "door/gym-east", {"position": "open", "battery_pct": value})
        assert said.startswith("invalid_field: battery_pct")

    def test_null_means_not_said(self, campus: Campus) -> None:
        (message,) = read(campus, "door/gym-east", {"position": "open", "lock": None, "battery_pct": None})
        assert message.kind == "door.opened"

    def test_a_door_of_another_campus_is_unknown(self, campus: Campus) -> None:
        said = reason(campus, "door/elsewhere", {"position": "open"})
        assert said == "unknown_entity: no door 'elsewhere' on campus 'lincoln'"

    def test_a_device_that_nobody_listed_is_unknown(self, campus: Campus) -> None:
        said = reason(campus, "door/gym-east", {"position": "open", "device": "ghost"})
        assert said.startswith("unknown_entity: no device 'ghost'")


class TestOtherFamilies:
    def test_a_check_in_with_a_screening_is_two_readings(self, campus: Campus) -> None:
        found = read(campus, "visitor/lobby", {"action": "check_in", "visit": "v-7", "screening": "clear"})
        assert [each.kind for each in found] == ["visitor.checked_in", "visitor.screened"]
        assert {each.key for each in found} == {"v-7"}
        assert len({(each.message_id, each.part) for each in found}) == 2

    def test_a_visit_is_required(self, campus: Campus) -> None:
        assert "visit" in reason(campus, "visitor/lobby", {"action": "check_in", "name": "Pat Doe"})

    def test_an_action_that_is_none_is_told_which_there_are(self, campus: Campus) -> None:
        said = reason(campus, "visitor/lobby", {"action": "levitate", "visit": "v-7"})
        for action in ("preregister", "check_in", "check_out", "deny", "screen", "badge_scan", "id_refused", "escort"):
            assert action in said

    @pytest.mark.parametrize(
        ("payload", "kind", "count"),
        [
            ({"mode": "delta", "direction": "in"}, "attendance.entered", 1),
            ({"mode": "delta", "direction": "out", "count": 3}, "attendance.left", 3),
            ({"mode": "absolute", "count": 412}, "attendance.counted", 412),
        ],
    )
    def test_heads_are_counted(self, campus: Campus, payload: dict[str, Any], kind: str, count: int) -> None:
        (message,) = read(campus, "attendance/winter-concert", payload)
        assert (message.kind, message.key) == (kind, "winter-concert")
        assert message.body().get("count", 1) == count

    @pytest.mark.parametrize("count", [-1, 1.5, "2", 10_000_000])
    def test_a_count_that_is_none_is_refused(self, campus: Campus, count: Any) -> None:
        said = reason(campus, "attendance/winter-concert", {"mode": "delta", "direction": "in", "count": count})
        assert said.startswith("invalid_field: count")

    def test_a_role_that_is_none_is_refused(self, campus: Campus) -> None:
        payload = {"mode": "delta", "direction": "in", "role": "wizard"}
        assert reason(campus, "attendance/winter-concert", payload).startswith("invalid_field: role")

    @pytest.mark.parametrize(
        ("payload", "kind"),
        [
            ({"kind": "heartbeat"}, "device.heartbeat"),
            ({"kind": "online"}, "device.online"),
            ({"kind": "offline"}, "device.offline"),
            ({"kind": "tamper"}, "device.tampered"),
            ({"kind": "restored"}, "device.restored"),
            ({"kind": "battery", "battery_low": True}, "device.battery_low"),
            ({"kind": "battery", "battery_pct": 90}, "device.heartbeat"),
        ],
    )
    def test_devices_speak_of_themselves(self, campus: Campus, payload: dict[str, Any], kind: str) -> None:
        assert [each.kind for each in read(campus, "device/gym-east-contact", payload)] == [kind]

    def test_the_campus_goes_into_a_state(self, campus: Campus) -> None:
        (message,) = read(campus, "campus/state", {"state": "secure", "by": "okafor"})
        assert (message.kind, message.key) == ("campus.state_changed", "lincoln")

    def test_a_state_that_is_none_is_refused(self, campus: Campus) -> None:
        assert reason(campus, "campus/state", {"state": "panic"}).startswith("invalid_field: state")

    def test_a_family_that_is_none_is_an_unknown_topic(self, campus: Campus) -> None:
        assert reason(campus, "window/gym-east", {"position": "open"}) == "unknown_topic"


class TestEnvelope:
    def test_a_senders_own_id_identifies_a_message(self, campus: Campus) -> None:
        (message,) = read(campus, "door/gym-east", {"position": "open", "id": "abc"})
        assert (message.message_id, message.identified) == ("abc", True)

    def test_without_an_id_and_a_time_a_message_is_anonymous(self, campus: Campus) -> None:
        (one,) = read(campus, "door/gym-east", {"position": "open"}, packet=1)
        (same,) = read(campus, "door/gym-east", {"position": "open"}, packet=1, redelivered=True)
        (other,) = read(campus, "door/gym-east", {"position": "open"}, packet=2)
        assert not one.identified
        assert same.redelivered
        assert one.message_id == same.message_id != other.message_id

    def test_a_time_of_its_own_identifies_a_message(self, campus: Campus) -> None:
        said = {"position": "open", "at": "2026-11-24T13:59:59Z"}
        (one,), (again,) = read(campus, "door/gym-east", said, packet=1), read(campus, "door/gym-east", said, packet=2)
        assert one.identified
        assert one.message_id == again.message_id

    @pytest.mark.parametrize(
        ("at", "believed", "skewed", "late"),
        [
            ("2026-11-24T14:00:00Z", START, False, False),
            ("2026-11-24T08:00:00-06:00", START, False, False),
            ("2026-11-24T14:00:02Z", START + timedelta(seconds=2), False, False),
            ("2026-11-24T14:00:02.1Z", START, True, False),
            ("2026-11-24T13:50:00Z", START - timedelta(minutes=10), False, True),
            ("2026-11-24T13:49:59Z", START, True, False),
            ("2026-11-24T13:59:59Z", START - timedelta(seconds=1), False, False),
            ("2026-11-24T13:59:58.9Z", START - timedelta(seconds=1.1), False, True),
            ("2031-01-01T00:00:00Z", START, True, False),
        ],
    )
    def test_a_devices_time_is_believed_within_ten_minutes_back_and_two_seconds_ahead(
        self, campus: Campus, at: str, believed: datetime, skewed: bool, late: bool
    ) -> None:
        message = read(campus, "door/gym-east", {"position": "open", "at": at})[0]
        assert (message.at, message.skewed, message.late) == (believed, skewed, late)
        assert message.received_at == START

    @pytest.mark.parametrize(
        ("at", "offset"),
        [
            ("2026-11-24T14:05:01Z", 301.0),
            ("2026-11-23T13:59:59Z", -86_401.0),
            # A backlog comes hours late, and a clock may be a few minutes off.
            ("2026-11-24T14:05:00Z", None),
            ("2026-11-23T14:00:00Z", None),
            ("2026-11-24T09:00:00Z", None),
        ],
    )
    def test_a_clock_that_must_be_wrong_is_told_beside_what_its_device_says(
        self, campus: Campus, at: str, offset: float | None
    ) -> None:
        said = read(campus, "device/gym-east-contact", {"kind": "heartbeat", "at": at})
        assert [message.kind for message in said] == [
            "device.heartbeat",
            *(["device.clock_adjusted"] if offset else []),
        ]
        told = [(each.device, each.offset, each.at) for each in said if isinstance(each, DeviceClockAdjusted)]
        assert told == ([] if offset is None else [("gym-east-contact", offset, START)])
        assert len({(each.message_id, each.part) for each in said}) == len(said)

    def test_a_state_reported_again_has_the_time_of_then_and_no_wrong_clock(self, campus: Campus) -> None:
        said = {"position": "open", "at": "2026-11-01T00:00:00Z", "initial": True}
        assert [each.kind for each in read(campus, "door/gym-east", said)] == ["door.opened"]

    def test_nine_digits_of_a_second_are_read(self, campus: Campus) -> None:
        (message,) = read(campus, "door/gym-east", {"position": "open", "at": "2026-11-24T13:59:59.123456789Z"})
        assert message.at == datetime.fromisoformat("2026-11-24T13:59:59.123456+00:00")

    @pytest.mark.parametrize("at", ["2026-11-24T14:00:00", "yesterday", "", 1732456, "0001-01-01T00:00:00+14:00"])
    def test_a_time_that_is_none_is_refused(self, campus: Campus, at: Any) -> None:
        assert reason(campus, "door/gym-east", {"position": "open", "at": at}).startswith("invalid_field: at")

    def test_a_retained_copy_and_a_first_report_are_initial(self, campus: Campus) -> None:
        (retained,) = read(campus, "door/gym-east", {"position": "open"}, retained=True)
        (first,) = read(campus, "door/gym-east", {"position": "open", "initial": True})
        (usual,) = read(campus, "door/gym-east", {"position": "open"})
        assert (retained.initial, first.initial, usual.initial) == (True, True, False)

    def test_sequence_and_boot_are_kept(self, campus: Campus) -> None:
        (message,) = read(campus, "door/gym-east", {"position": "open", "seq": 7, "boot": "b1"})
        assert (message.seq, message.boot) == (7, "b1")

    @pytest.mark.parametrize(
        ("name", "value"), [("id", [1]), ("seq", "first"), ("initial", "yes"), ("exercise", "play"), ("boot", {})]
    )
    def test_an_envelope_that_is_none_is_refused_by_name(self, campus: Campus, name: str, value: Any) -> None:
        said = reason(campus, "door/gym-east", {"position": "open", name: value})
        assert said.startswith(f"invalid_field: {name}")

    def test_a_trial_may_only_be_a_drill_or_a_test(self, campus: Campus) -> None:
        (drill,) = read(campus, "door/gym-east", {"position": "open", "exercise": "drill"}, trial_only=True)
        assert drill.exercise == "drill"
        for said in ({}, {"exercise": "live"}, {"exercise": None}):
            assert "exercise" in reason(campus, "door/gym-east", {"position": "open", **said}, trial_only=True)


def test_every_example_of_every_kind_says_that_kind(campus: Campus) -> None:
    for kind in KINDS.values():
        if kind.heard_as:
            found = read(campus, kind.example["topic"], dict(kind.example["payload"]))
            assert kind in [type(each) for each in found], kind.kind


def said(family: str, name: str, payload: dict[str, object]) -> list[Message]:
    heard = Heard(f"campus/lincoln/{family}/{name}", b"{}")
    envelope = Envelope("lincoln", f"{family}/{name}", START, timedelta(seconds=1))
    return wire.readings(family, name, payload, heard, envelope, lincoln())


@pytest.mark.parametrize(
    ("family", "name", "payload", "words"),
    [
        ("attendance", "winter-concert", {"mode": "absolute"}, "count is required"),
        ("attendance", "winter-concert", {"mode": "absolute", "direction": "in", "count": 4}, "direction"),
        ("attendance", "winter-concert", {"mode": "relative", "direction": "in"}, "absolute, delta"),
        ("visitor", "lobby", {"action": "check_in", "visit": "v", "expected_out": "2026-11-24T10:00:00"}, "offset"),
        ("visitor", "lobby", {"action": "check_in", "visit": "v", "start": "0001-01-01T00:00:00+14:00"}, "calendar"),
        ("campus", "whatever", {"state": "secure"}, "unknown_topic"),
        ("door", "main", {"position": "open", "id": True}, "id must be text"),
    ],
)
def test_what_could_be_misunderstood_is_refused(family: str, name: str, payload: dict[str, object], words: str) -> None:
    with pytest.raises(Refused, match=words):
        said(family, name, payload)


def test_null_means_not_said_and_whole_floats_are_whole_numbers() -> None:
    (message,) = said("door", "main", {"position": "open", "exercise": None, "initial": None, "battery_pct": 93.0})
    assert message.exercise == "live"
    assert message.body()["battery_pct"] == 93


def test_an_absent_tamper_alone_restores_the_device() -> None:
    assert [message.kind for message in said("door", "gym-east", {"tamper": False})] == ["device.restored"]
