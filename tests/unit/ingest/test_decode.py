"""From topic and bytes to messages, or a reason; and nothing else, whatever the bytes."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import fuzz
from core import wire
from core.clock import stopwatch
from core.messages import KINDS, Heard, Message, own_fields
from core.wire import Refused
from ingest.decode import Decoder, PartlyRefused
from ingest.mapping import shipped
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.ingest.mapped import decoder, hear, mappings, refusal, sourced, told

LINCOLN = decoder([lincoln()])
DOOR = "campus/lincoln/door/gym-east"
Z2M = "zigbee2mqtt/Gym East"


class TestTopics:
    def test_our_own_topics_are_read(self) -> None:
        assert told(hear(LINCOLN, DOOR, '{"position": "open"}')) == [("door.opened", "gym-east")]
        assert told(hear(LINCOLN, "campus/lincoln/campus/state", '{"state": "secure"}')) == [
            ("campus.state_changed", "lincoln")
        ]

    def test_the_prefix_may_have_levels(self) -> None:
        reader = Decoder([lincoln()], (), prefix="district/9", lateness=timedelta(seconds=1))
        assert told(hear(reader, "district/9/lincoln/door/main", '{"lock": "locked"}')) == [("door.locked", "main")]
        assert refusal(reader, DOOR, "{}") == "unknown_topic"

    @pytest.mark.parametrize(
        ("topic", "reason"),
        [
            ("", "unknown_topic"),
            ("campus", "unknown_topic"),
            ("campus/lincoln", "unknown_topic"),
            ("campus/lincoln/door", "unknown_topic"),
            ("campus/lincoln/door/", "unknown_topic"),
            ("campus/lincoln/door/gym-east/more", "unknown_topic"),
            ("campus/lincoln/window/gym-east", "unknown_topic"),
            ("campus/roosevelt/door/gym-east", "unknown_campus"),
            ("elsewhere/lincoln/door/gym-east", "unknown_topic"),
            ("campus/lincoln/door/" + "x" * 2000, "unknown_topic"),
            ("campus/lincoln/door/gym\0east", "unknown_topic"),
            ("campus/lincoln/door/nowhere", "unknown_entity: no door 'nowhere' on campus 'lincoln'"),
        ],
    )
    def test_a_topic_that_is_nobodys_is_refused(self, topic: str, reason: str) -> None:
        assert refusal(LINCOLN, topic, '{"position": "open"}') == reason

    @pytest.mark.parametrize("text", ["online", "offline", " offline\n"])
    def test_a_device_may_say_online_and_offline_bare(self, text: str) -> None:
        (message,) = hear(LINCOLN, "campus/lincoln/device/gym-east-contact", text)
        assert message.kind == f"device.{text.strip()}"

    @pytest.mark.parametrize("topic", [DOOR, "campus/lincoln/visitor/lobby"])
    def test_nobody_else_may(self, topic: str) -> None:
        assert refusal(LINCOLN, topic, "online") == "bad_json"

    def test_a_trial_topic_says_nothing_live(self) -> None:
        (message,) = hear(LINCOLN, f"trial/{DOOR}", '{"position": "open", "exercise": "test", "id": "1"}')
        (real,) = hear(LINCOLN, DOOR, '{"position": "open", "id": "1"}')
        assert message.exercise == "test"
        assert message.source != real.source, "a trial can never pass for a repeat of what is real"
        assert "exercise" in refusal(LINCOLN, f"trial/{DOOR}", '{"position": "open"}')

    def test_a_topic_tells_the_campus_of_what_is_refused(self) -> None:
        assert LINCOLN.campus_of(DOOR) == LINCOLN.campus_of(f"trial/{DOOR}") == "lincoln"
        assert LINCOLN.campus_of("campus/roosevelt/door/x") is None
        assert LINCOLN.campus_of(Z2M) is None

    def test_more_topics_than_are_remembered_are_read_all_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ingest.decode._REMEMBERED", 3)
        reader = decoder([sourced(*(f"zigbee2mqtt/d{n}" for n in range(10)))])
        for _ in range(2):
            for number in range(10):
                found = hear(reader, f"zigbee2mqtt/d{number}", '{"contact": true}')
                assert told(found) == [("door.closed", f"door-{number}")]


class TestPayloads:
    @pytest.mark.parametrize("topic", [DOOR, Z2M])
    @pytest.mark.parametrize(
        ("payload", "reason"),
        [
            (b"", "bad_json"),
            (b"{", "bad_json"),
            (b'{"contact": NaN}', "bad_json"),
            (b'{"contact": 1e999}', "bad_json"),
            (b"[" * 5000, "bad_json"),
            (b'{"contact": "\xff"}', "bad_encoding"),
            (b"\xff\xd8\xff\xe0 a picture", "bad_encoding"),
            (b'{"x": "' + b"y" * 70_000 + b'"}', "too_large"),
        ],
    )
    def test_what_cannot_be_read_has_its_reason(self, topic: str, payload: bytes, reason: str) -> None:
        assert refusal(LINCOLN, topic, payload).partition(":")[0] == reason

    def test_a_nul_in_a_text_is_refused(self) -> None:
        said = refusal(LINCOLN, "campus/lincoln/visitor/lobby", '{"action": "check_in", "visit": "v\\u0000"}')
        assert said == "invalid_field: a text holds a NUL character"

    def test_of_a_key_that_stands_twice_the_last_counts(self) -> None:
        assert told(hear(LINCOLN, Z2M, '{"contact": true, "contact": false}')) == [("door.opened", "gym-east")]


class TestBinding:
    def test_a_source_stands_for_its_door_and_the_doors_device(self) -> None:
        (message,) = hear(LINCOLN, Z2M, '{"battery":100,"contact":false,"linkquality":87,"voltage":2900}')
        assert message.body() == {
            "position": "open", "door": "gym-east", "device": "gym-east-contact", "battery_pct": 100,
        }  # fmt: skip
        assert (message.source, message.campus, message.at) == (Z2M, "lincoln", START)

    def test_a_source_of_a_device_stands_for_the_door_it_is_at(self) -> None:
        devices = [{"id": "c-1", "door": "main", "source": "zigbee2mqtt/Main"}]
        (message,) = hear(decoder([lincoln(devices=devices)]), "zigbee2mqtt/Main", '{"contact": true}')
        assert message.tells() == (("door", "main"), ("device", "c-1"))

    def test_a_device_at_no_door_and_a_gathering_tell_no_door(self) -> None:
        devices = [{"id": "c-1", "source": "zigbee2mqtt/Main"}]
        said = refusal(decoder([lincoln(devices=devices)]), "zigbee2mqtt/Main", '{"contact": true}')
        assert said == "unknown_entity: 'zigbee2mqtt/Main' is a device, and this is news of a door"
        party = {"id": "g", "name": "G", "start": "2026-12-04T18:00", "end": "2026-12-04T20:00", "source": Z2M + "!"}
        said = refusal(decoder([lincoln(gatherings=[party])]), Z2M + "!", '{"contact": true}')
        assert said.startswith("unknown_entity")

    def test_a_source_that_no_campus_names_is_refused_by_name(self) -> None:
        said = refusal(LINCOLN, "zigbee2mqtt/Lamp", '{"state": "ON"}')
        assert said == "unknown_entity: no campus names the source 'zigbee2mqtt/Lamp'"

    def test_signs_of_life_of_what_nobody_named_are_left_out(self) -> None:
        assert hear(LINCOLN, "zigbee2mqtt/Lamp/availability", "online") == []
        assert hear(LINCOLN, "zigbee2mqtt/bridge/state", '{"state": "online"}') == []

    @pytest.mark.parametrize(
        "topic", ["bridge/logging", "bridge/devices", "Gym East/set", "gym/east/get", "x/linkquality"]
    )
    def test_traffic_that_holds_nothing_for_us_is_left_out_however_it_looks(self, topic: str) -> None:
        assert hear(LINCOLN, f"zigbee2mqtt/{topic}", b"\xff" * 100_000) == []

    def test_two_campuses_may_share_a_device(self) -> None:
        other = lincoln(campus={"id": "annex", "name": "Annex", "timezone": "America/Chicago"})
        found = hear(decoder([lincoln(), other]), Z2M, '{"contact": true}')
        assert [message.campus for message in found] == ["lincoln", "annex"]

    def test_how_a_contact_is_wired_is_said_and_not_guessed(self) -> None:
        topic, payload = "tele/gym/SENSOR", '{"Time": "2026-11-24T08:00:00", "Switch1": "ON"}'
        opens, closes = sourced("tasmota/gym/Switch1?on=open"), sourced("tasmota/gym/Switch1?on=closed")
        assert told(hear(decoder([opens]), topic, payload)) == [("door.opened", "door-0")]
        assert told(hear(decoder([closes]), topic, payload)) == [("door.closed", "door-0")]
        said = refusal(decoder([sourced("tasmota/gym/Switch1")]), topic, payload)
        assert "write its source as tasmota/gym/Switch1?on=open or tasmota/gym/Switch1?on=closed" in said
        assert refusal(decoder([sourced("tasmota/gym/Switch1?on=ajar")]), topic, payload).startswith("unknown_entity")

    def test_a_name_with_a_question_mark_is_a_name(self) -> None:
        campus = sourced("zigbee2mqtt/Which door?", "zigbee2mqtt/Gym?on=open")
        assert told(hear(decoder([campus]), "zigbee2mqtt/Which door?", '{"contact": true}')) == [
            ("door.closed", "door-0")
        ]
        assert refusal(decoder([campus]), "zigbee2mqtt/Gym", '{"contact": true}').startswith("unknown_entity")

    def test_a_time_without_a_zone_is_the_campuss(self) -> None:
        campus = sourced("tasmota/gym/Switch1?on=open")
        (message,) = hear(decoder([campus]), "tele/gym/SENSOR", '{"Time": "2026-11-24T07:59:58", "Switch1": "ON"}')
        assert (message.at, message.skewed) == (START - timedelta(seconds=2), False)

    def test_a_node_speaks_for_all_that_is_wired_to_it(self) -> None:
        campus = sourced("tasmota/gym/Switch1?on=open", "tasmota/gym/Switch2?on=closed", "tasmota/gymnasium/Switch1")
        found = hear(decoder([campus]), "tele/gym/LWT", "Offline")
        assert told(found) == [("device.offline", "door-0"), ("device.offline", "door-1")]
        assert len({(each.source, each.message_id, each.part) for each in found}) == 2

    def test_inputs_nobody_uses_are_usual_beside_one_that_is_used(self) -> None:
        payload = '{"Switch1": "ON", "Switch2": "OFF"}'
        reader = decoder([sourced("tasmota/gym/Switch2?on=open")])
        assert told(hear(reader, "tele/gym/SENSOR", payload)) == [("door.closed", "door-0")]
        assert refusal(reader, "tele/other/SENSOR", payload).startswith("unknown_entity: no campus names the source")

    def test_one_element_that_cannot_be_read_does_not_cost_us_the_others(self) -> None:
        campus = sourced("tasmota/zigbee/A", "tasmota/zigbee/B")
        payload = json.dumps({"ZbReceived": {"A": {"Contact": 7}, "B": {"Contact": 1}}})
        with pytest.raises(PartlyRefused, match="Contact: 7 is not one of 0, 1") as partly:
            hear(decoder([campus]), "tele/bridge/SENSOR", payload)
        assert told(partly.value.messages) == [("door.opened", "door-1")]


class TestTraps:
    """What breaks a naive consumer (the payloads' table of traps)."""

    @pytest.mark.parametrize(
        ("source", "topic", "opens", "closes"),
        [
            ("zigbee2mqtt/x", "zigbee2mqtt/x", '{"contact": false}', '{"contact": true}'),
            ("zwave/x", "zwave/x/113/0/Access_Control/Door_state", "22", '{"value": 23}'),
            (
                "tasmota/zigbee/x",
                "tele/b/SENSOR",
                '{"ZbReceived": {"x": {"Contact": 1}}}',
                '{"ZbReceived": {"x": {"Contact": 0}}}',
            ),
            ("shelly/x", "shellies/x/sensor/state", "open", "close"),
            ("esphome/n/x", "n/binary_sensor/x/state", "ON", "OFF"),
            ("homeassistant/x", "homeassistant/binary_sensor/x/state", "on", '"off"'),
            (
                "chirpstack/x",
                "application/a/device/x/event/up",
                '{"object": {"MOD": 1.0, "DOOR_OPEN_STATUS": 1.0}}',
                '{"object": {"magnet_status": "close"}}',
            ),
        ],
    )
    def test_each_maker_has_its_own_idea_of_open(self, source: str, topic: str, opens: str, closes: str) -> None:
        reader = decoder([sourced(source)])
        assert told(hear(reader, topic, opens)) == [("door.opened", "door-0")]
        assert told(hear(reader, topic, closes)) == [("door.closed", "door-0")]

    @pytest.mark.parametrize(
        ("source", "topic", "payload"),
        [
            ("zigbee2mqtt/x", "zigbee2mqtt/x", '{"battery": 93}'),
            ("zigbee2mqtt/x", "zigbee2mqtt/x", '{"contact": null}'),
            ("ttn/a/x", "v3/a/devices/x/up", '{"uplink_message": {"decoded_payload": {"MOD": 2}}}'),
            ("ttn/a/x", "v3/a/devices/x/up", '{"uplink_message": {"f_cnt": 1, "frm_payload": "gkHe"}}'),
            ("tasmota/x/Switch1?on=open", "tele/x/STATE", '{"Time": "2024-02-24T22:20:38", "Uptime": "0T00:10:11"}'),
        ],
    )
    def test_absent_never_means_closed(self, source: str, topic: str, payload: str) -> None:
        assert told(hear(decoder([sourced(source)]), topic, payload)) == [("device.heartbeat", "door-0")]

    def test_a_zero_that_the_things_stack_left_out_is_not_guessed_at(self) -> None:
        payload = '{"uplink_message": {"decoded_payload": {"MOD": 1, "BAT_V": 2.9}}}'
        said = refusal(decoder([sourced("ttn/a/x")]), "v3/a/devices/x/up", payload)
        assert said == "invalid_field: uplink_message.decoded_payload.DOOR_OPEN_STATUS is required"

    def test_a_cached_state_said_again_is_the_same_state_and_a_retained_one_is_no_opening(self) -> None:
        (fresh,) = hear(LINCOLN, Z2M, '{"contact": false}')
        (again,) = hear(LINCOLN, Z2M, '{"contact": false}')
        (kept,) = hear(LINCOLN, Z2M, '{"contact": false}', retained=True)
        assert type(fresh) is type(again) is type(kept)
        assert (fresh.initial, again.initial, kept.initial) == (False, False, True)

    def test_the_same_frame_heard_twice_is_one_message(self) -> None:
        reader = decoder([sourced("chirpstack/x")])
        payload = '{"deduplicationId": "0bf37eb1", "object": {"magnet_status": "open"}}'
        one, two = (hear(reader, "application/a/device/x/event/up", payload, packet=n)[0] for n in (1, 2))
        assert one.message_id == two.message_id == "0bf37eb1"
        assert one.identified

    def test_liveness_has_many_grammars(self) -> None:
        reader = decoder([sourced("zigbee2mqtt/x", "tasmota/x/S", "shelly/x/input:0", "esphome/x/door", "zwave/x")])
        for number, topic, up, down in (
            (0, "zigbee2mqtt/x/availability", "online", '{"state": "offline"}'),
            (1, "tele/x/LWT", "Online", "Offline"),
            (2, "x/online", "true", "false"),
            (3, "x/status", "online", "offline"),
            (4, "zwave/x/status", '{"value": true}', "false"),
        ):
            assert told(hear(reader, topic, up)) == [("device.online", f"door-{number}")]
            assert told(hear(reader, topic, down)) == [("device.offline", f"door-{number}")]


# ------------------------------------------------------------------------------------------------ properties
KNOWN = {"door": "gym-east", "gathering": "winter-concert", "device": "gym-east-contact", "station": "lobby"}
SPOKEN = [kind for kind in KINDS.values() if kind.heard_as]
WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "battery_pct": st.integers(0, 100),
    "battery_low": st.just(False),
    "tamper": st.just(False),
    "direction": st.sampled_from(["in", "out"]),
    "count": st.integers(0, 1_000_000),
    "role": st.sampled_from(["spectator", "student", "staff"]),
    "escort_required": st.booleans(),
    "method": st.sampled_from(["person", "auto"]),
    "watch": st.sampled_from(["", "custody"]),
    "state": st.sampled_from(["normal", "hold", "lockdown"]),
    "unlocked": st.integers(0, 9),
    "screening": st.sampled_from(["clear", "possible"]),
    **dict.fromkeys(("total", "wraps_at"), st.integers(0, 2**53)),
    **dict.fromkeys(("badge_expires", "start", "expected_out"), st.just("2026-11-24T16:30:00Z")),
}


REQUIRED = {"visit", "count"}
"""Fields that some kind cannot do without."""


@st.composite
def spoken(draw: st.DrawFn) -> tuple[type[Message], str, dict[str, Any]]:
    """Draw a kind, the last level of its topic, and fields that a device might say with it."""
    kind = draw(st.sampled_from(SPOKEN))
    on = kind.heard_as[0]
    names = [name for name in own_fields(kind) if name not in {on.name, *on.also, *KNOWN}]
    chosen = {name for name in names if draw(st.booleans())} | (REQUIRED & set(names))
    if on.value is wire.ANY:
        chosen.add(on.name)
    level = {"campus": kind.example["topic"].partition("/")[2], "visitor": "lobby"}.get(on.topic)
    name = level or KNOWN[wire.TOPIC_FIELD[on.topic]]
    return kind, name, {field: draw(VALUES.get(field, WORDS)) for field in sorted(chosen)}


@given(spoken())
@settings(max_examples=300, deadline=None)
def test_what_a_device_says_is_what_is_read(said: tuple[type[Message], str, dict[str, Any]]) -> None:
    kind, name, fields = said
    topic, payload = wire.encode(kind, name, fields)
    raw = json.dumps(payload).encode()
    first, *_ = found = LINCOLN.decode(Heard(f"campus/lincoln/{topic}", raw), START)
    assert type(first) is kind
    body = first.body()
    assert {key: body.get(key, getattr(first, key)) for key in fields} == fields
    assert found == LINCOLN.decode(Heard(f"campus/lincoln/{topic}", raw), START)
    assert [msgspec.json.decode(msgspec.json.encode(each), type=type(each)) for each in found] == found


SAMPLED = fuzz.samples()
TOPICS = [f"trial/{DOOR}", *sorted({topic for topic, _ in SAMPLED})]
SAMPLES = [payload for _, payload in SAMPLED]
EVERYTHING = decoder([lincoln(), fuzz.everything()])


@given(st.sampled_from(TOPICS) | st.text(max_size=60), st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_read_or_refused_and_nothing_else(topic: str, payload: bytes) -> None:
    _read_or_refuse(topic, payload)


@given(st.sampled_from(TOPICS), st.sampled_from(SAMPLES), st.data())
@settings(max_examples=500, deadline=None)
def test_mutilated_samples_are_read_or_refused_and_nothing_else(topic: str, sample: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, min(len(sample), start + 12)))
    junk = data.draw(st.binary(max_size=8) | st.sampled_from([b"null", b"1e99", b"-1", b'""', b"[]", b"{}", b"true"]))
    _read_or_refuse(topic, sample[:start] + junk + sample[end:])


REASONS = {
    "bad_json", "bad_encoding", "too_large", "unknown_topic", "unknown_campus", "unknown_entity", "invalid_field",
}  # fmt: skip
SOMETHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(TOPICS), st.sampled_from(SAMPLES), st.data())
@settings(max_examples=500, deadline=None)
def test_samples_with_other_values_are_read_or_refused_and_nothing_else(
    topic: str, sample: bytes, data: st.DataObject
) -> None:
    try:
        value = json.loads(sample)
    except ValueError:
        value = {}
    if isinstance(value, dict) and value:
        value[data.draw(st.sampled_from(sorted(value)))] = data.draw(SOMETHING)
    _read_or_refuse(topic, json.dumps(value).encode())


def _read_or_refuse(topic: str, payload: bytes) -> None:
    found, word = list[Message](), ""
    try:
        found = EVERYTHING.decode(Heard(topic, payload), START)
    except Refused as refused:
        word = refused.reason.partition(":")[0]
    assert word in REASONS | {""}
    assert all(message.received_at == START for message in found)
    msgspec.json.encode(found)


def test_a_mapping_of_the_school_comes_before_ours() -> None:
    mine = mappings('{id: mine, match: {topic: "zigbee2mqtt/{lamp}"}, emit: nothing}')
    assert hear(decoder([lincoln()], [*mine, *shipped()]), "zigbee2mqtt/Lamp", "{}") == []


def test_a_contact_is_read_fast() -> None:
    """How fast is told with `pytest -s`."""
    heard, count = Heard(Z2M, b'{"battery":100,"contact":false,"linkquality":87,"voltage":2900}'), 5000
    started = stopwatch()
    found = [LINCOLN.decode(heard, START) for _ in range(count)]
    sys.stdout.write(f"\ndecoded {count / (stopwatch() - started):,.0f} contact messages a second\n")
    assert len(found) == count
