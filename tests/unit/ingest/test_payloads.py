"""What devices really send: the documented and the captured samples, and the traps that are known of them.

Formats for which no mapping ships are read by mappings written here, as a school would write them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.messages import DoorClosed, DoorOpened, Heard, Message
from core.wire import Refused
from core.world import World
from ingest.mapping import Mapping, run_examples, shipped
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.ingest.mapped import decoder, hear, mappings, refusal, sourced, told

Z2M = "zigbee2mqtt/Gym East"


# ----------------------------------------------------------------------------- samples of formats that do not ship
AXIS_ANALYTICS = """
id: axis-crossline
match: {topic: "axis/{serial}/event/CameraApplicationPlatform/ObjectAnalytics/{scenario}"}
source: axis/{serial}/{scenario}
emit: attendance.count
counter: {kind: cumulative, direction: {in: message.data.totalHuman}}
time: {path: timestamp, formats: [epoch_ms]}
examples:
  - note: the vendor's example; every number is text
    topic: axis/ACCC8E123456/event/CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1
    payload:
      topic: "axis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1"
      timestamp: 1670364085000
      serial: ACCC8E123456
      message:
        source: {}
        key: {}
        data: {startTime: "2022-12-06T22:01:25Z", reason: car, total: "21093", totalHuman: "0", active: "0"}
    gives: {kind: attendance.entered, total: 0, at: "2022-12-06T22:01:25+00:00"}
"""
AXIS_DOOR = """
id: axis-door
match: {topic: "axis/{serial}/event/{path:**}", require: [message.data.state]}
source: axis/{serial}/{path}
emit: door.position
value: {path: message.data.state, as: bool, wiring: {1=open: {1: open, 0: closed}, 1=closed: {1: closed, 0: open}}}
examples:
  - topic: axis/ACCC8E123456/event/tns:axis/Door/State/DoorPhysicalState
    payload: {timestamp: 1785332731817, message: {data: {state: "1"}}}
    wiring: 1=open
    gives: {kind: door.opened}
"""
DATAQ = """
- id: dataq-occupancy
  match: {topic: "dataq/occupancy/{serial}"}
  source: dataq/{serial}
  emit: attendance.count
  counter: {kind: gauge, count: occupancy.Human, zero_when: empty}
  time: {path: timestamp, formats: [epoch_ms]}
  examples:
    - topic: dataq/occupancy/B8A44F
      payload: {occupancy: {Human: 3}, timestamp: 1772276400318}
      gives: {kind: attendance.counted, count: 3, at: "2026-02-28T11:00:00.318000+00:00"}
    - note: an empty scene is an empty object
      topic: dataq/occupancy/B8A44F
      payload: {occupancy: {}, timestamp: 1772276400318}
      gives: {kind: attendance.counted, count: 0}
- id: dataq-connect
  match: {topic: "dataq/connect/{serial}"}
  source: dataq/{serial}
  emit: device.kind
  value: {path: connected, map: {true: online, false: offline}}
  examples:
    - topic: dataq/connect/B8A44F
      payload: {connected: true}
      retained: true
      gives: {kind: device.online, initial: true}
    - {topic: dataq/connect/B8A44F, payload: {connected: false}, gives: {kind: device.offline}}
"""
HIKVISION = """
id: hikvision-access
title: "Which sub-event means what is said by the school: public tables contradict each other"
match:
  topic: "hikvision/{device}"
  where: {eventType: AccessControllerEvent, AccessControllerEvent.majorEventType: 5}
capture: {door: AccessControllerEvent.doorNo}
source: hikvision/{device}/{door}
emit: door.access
value: {path: AccessControllerEvent.subEventType, map: {1: granted, 9: denied}, unlisted: skip}
time: {path: dateTime, formats: [iso], history_after: 10m}
dedupe: {keys: [AccessControllerEvent.serialNo]}
examples:
  - note: real capture
    topic: hikvision/front
    received: "2026-02-23T11:34:22Z"
    payload: &event
      dateTime: "2026-02-23T19:34:21+08:00"
      eventType: AccessControllerEvent
      AccessControllerEvent:
        {majorEventType: 5, subEventType: 21, doorNo: 1, serialNo: 1187, attendanceStatus: undefined}
    gives: {kind: device.heartbeat, at: "2026-02-23T11:34:21+00:00", id: "1187"}
"""
OPEN_MQTT_GATEWAY = """
id: openmqttgateway-door
match: {topic: "home/{gateway}/BTtoMQTT/{mac}", require: [id]}
source: omg/{mac}
unbound: ignore
emit: door.position
value: {path: open, as: bool, map: {true: open, false: closed}, missing: skip}
examples:
  - note: the documentation's own, of a device that is no door
    topic: home/OpenMQTTGateway/BTtoMQTT/45E174126E00
    payload: {id: "45:e1:74:12:6e:00", rssi: -89}
    gives: {kind: device.heartbeat}
  - topic: home/OpenMQTTGateway/BTtoMQTT/45E174126E00
    payload: {id: "45:e1:74:12:6e:00", open: true}
    gives: {kind: door.opened}
"""
TASMOTA_RELAY = """
id: tasmota-relay
title: A switch in another mode toggles a relay and tells no door
match: {topic: ["stat/{device}/POWER", "stat/{device}/RESULT"]}
emit: nothing
"""


@pytest.mark.parametrize(
    "text", [AXIS_ANALYTICS, AXIS_DOOR, DATAQ, HIKVISION, OPEN_MQTT_GATEWAY, TASMOTA_RELAY], ids=lambda text: text[:30]
)
def test_a_school_can_write_the_mapping_for_what_does_not_ship(text: str) -> None:
    for mapping in mappings(text):
        assert run_examples(mapping) == []


SAMPLES: list[tuple[str, str, Any, list[tuple[str, dict[str, Any]]]]] = [
    ("zigbee2mqtt/Back Deck Door", "zigbee2mqtt/Back Deck Door",
     {"battery": 100, "contact": False, "linkquality": 87, "voltage": 2900}, [("door.opened", {"battery_pct": 100})]),
    ("zigbee2mqtt/d", "zigbee2mqtt/d/contact", "false", [("door.opened", {})]),
    ("zigbee2mqtt/d", "zigbee2mqtt/d/availability", {"state": "online"}, [("device.online", {})]),
    ("tasmota/t/Switch1?on=open", "tele/t/SENSOR", {"Time": "2021-01-01T00:00:00", "Switch1": "ON"},
     [("door.opened", {})]),
    ("tasmota/t/Switch1?on=open", "tele/t/STATE",
     {"Time": "2024-02-24T22:20:38", "Uptime": "0T00:10:11", "UptimeSec": 611, "Wifi": {"RSSI": 44}},
     [("device.heartbeat", {})]),
    ("tasmota/zigbee/0x662E", "tele/gw/SENSOR",
     {"ZbReceived": {"0x662E": {"Device": "0x662E", "Name": " door_sensor", "Contact": 0, "Endpoint": 1}}},
     [("door.closed", {})]),
    ("shelly/shellyplusi4-c4d8d554ad6c/input:3?true=open", "shellyplusi4-c4d8d554ad6c/events/rpc",
     {"src": "shellyplusi4-c4d8d554ad6c", "dst": "shellyplusi4-c4d8d554ad6c/events", "method": "NotifyStatus",
      "params": {"ts": 1733776884.28, "input:3": {"id": 3, "state": True}}}, [("door.opened", {})]),
    ("shelly/shellyplusi4-c4d8d554ad6c/input:3?true=open", "shellyplusi4-c4d8d554ad6c/online", "true",
     [("device.online", {})]),
    ("shelly-blu/60:ef:ab:42:ed:25", "shelly-blu/gym",
     {"encryption": False, "BTHome_version": 2, "pid": 12, "battery": 100, "illuminance": 13, "window": 0,
      "rotation": 0, "rssi": -55, "address": "60:ef:ab:42:ed:25"}, [("door.closed", {"battery_pct": 100})]),
    ("esphome/node/door", "node/binary_sensor/door/state", "ON", [("door.opened", {})]),
    ("esphome/node/door", "node/status", "offline", [("device.offline", {})]),
    ("homeassistant/front_door", "homeassistant/binary_sensor/front_door/state", "on", [("door.opened", {})]),
    ("homeassistant/front_door", "homeassistant/binary_sensor/front_door/state", "unavailable",
     [("device.offline", {})]),
    ("zwave/nodeID_2", "zwave/nodeID_2/notification/endpoint_0/Access_Control/Door_state_simple",
     {"time": 1702654592227, "value": 22, "nodeId": 2}, [("door.opened", {})]),
    ("zwave/nodeID_7", "zwave/nodeID_7/status", {"value": True}, [("device.online", {})]),
    ("ttn/app@t/dev1", "v3/app@t/devices/dev1/up",
     {"end_device_ids": {"device_id": "dev1", "dev_eui": "0"}, "received_at": "2020-02-12T15:15:46.014773143Z",
      "uplink_message": {"f_cnt": 1, "f_port": 1, "frm_payload": "gkHe", "rx_metadata": [{"rssi": -35}],
                         "decoded_payload": {"battery": 87}}}, [("device.heartbeat", {"battery_pct": 87})]),
    ("chirpstack/a840415711866a85", "application/u/device/a840415711866a85/event/up",
     {"deduplicationId": "0bf37eb1", "time": "2024-01-21T23:09:18.655164839+00:00",
      "deviceInfo": {"deviceName": "LHT52", "devEui": "a840415711866a85"}, "fCnt": 0, "fPort": 5, "confirmed": False,
      "data": "CQEQAQALWA==", "object": {}, "rxInfo": []}, [("device.heartbeat", {})]),
    ("ttn/a/lds", "v3/a/devices/lds/up",
     {"uplink_message": {"decoded_payload": {
         "ALARM": 0, "BAT_V": 2.952, "DOOR_OPEN_STATUS": 0, "DOOR_OPEN_TIMES": 9472, "LAST_DOOR_OPEN_DURATION": 65536,
         "MOD": 1}}}, [("door.closed", {})]),
    ("ttn/a/ws", "v3/a/devices/ws/up",
     {"uplink_message": {"decoded_payload": {"battery": 100, "magnet_status": "open", "tamper_status": "installed"}}},
     [("door.opened", {"battery_pct": 100, "tamper": False})]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "topic", "payload", "means"), SAMPLES, ids=lambda value: str(value)[:40])
def test_a_documented_or_captured_sample_is_read_right(
    source: str, topic: str, payload: Any, means: list[tuple[str, dict[str, Any]]]
) -> None:
    raw = payload if isinstance(payload, str) else json.dumps(payload)
    found = hear(decoder([sourced(source)]), topic, raw)
    assert [each.kind for each in found] == [kind for kind, _ in means]
    for message, (_, fields) in zip(found, means, strict=True):
        assert fields.items() <= message.body().items()


@pytest.mark.parametrize("mapping", shipped(), ids=lambda mapping: mapping.id)
def test_every_sample_inside_a_mapping_holds(mapping: Mapping) -> None:
    assert run_examples(mapping) == []


def test_a_commands_or_a_relays_topic_tells_no_door() -> None:
    campus = sourced("tasmota/t/Switch1?on=open")
    assert refusal(decoder([campus]), "stat/t/POWER", "ON") == "unknown_topic"
    assert refusal(decoder([campus]), "stat/t/RESULT", '{"POWER":"ON"}') == "unknown_topic"


# -------------------------------------------------------------------------------- what breaks a naive listener
def test_trap_1_polarity_differs_by_maker() -> None:
    campus = sourced("zigbee2mqtt/a", "zwave/a", "shelly-blu/a", "ttn/a/a", "ttn/a/b", "homeassistant/a")
    opens = [
        ("zigbee2mqtt/a", '{"contact": false}'),
        ("zwave/a/113/0/Access_Control/Door_state", "22"),
        ("shelly-blu/gw", '{"address": "a", "pid": 1, "window": 1}'),
        ("v3/a/devices/a/up", '{"uplink_message": {"decoded_payload": {"MOD": 1, "DOOR_OPEN_STATUS": 1}}}'),
        ("v3/a/devices/b/up", '{"uplink_message": {"decoded_payload": {"magnet_status": "open"}}}'),
        ("homeassistant/binary_sensor/a/state", "on"),
    ]
    reader = decoder([campus])
    assert [hear(reader, topic, payload)[0].kind for topic, payload in opens] == ["door.opened"] * 6
    wired = decoder([sourced("tasmota/a/Switch1?on=closed")])
    assert hear(wired, "tele/a/SENSOR", '{"Switch1": "ON"}')[0].kind == "door.closed"


def test_trap_2_a_message_is_not_an_event() -> None:
    campus = lincoln()
    world, reader = World(campus), decoder([campus])
    said = ['{"contact": true}', '{"contact": false}', '{"contact": false, "battery": 99}', '{"contact": false}']
    edges = []
    for second, payload in enumerate(said):
        (message,) = reader.decode(Heard(Z2M, payload.encode()), START + timedelta(seconds=second))
        edges.append(world.apply(message))
    assert edges == [True, True, False, False], "the battery, and the state that was cached, are no openings"


@pytest.mark.parametrize("said", ['{"battery": 93}', '{"contact": null}', '{"linkquality": 87}', "{}"])
def test_trap_3_absent_does_not_mean_closed(said: str) -> None:
    assert told(hear(decoder([lincoln()]), Z2M, said)) == [("device.heartbeat", "gym-east-contact")]


def test_trap_3_a_frame_that_holds_no_heads_says_nothing_of_them() -> None:
    campus = sourced("ttn/a/vs")
    said = '{"uplink_message": {"decoded_payload": {"battery": 99}}}'
    assert told(hear(decoder([campus]), "v3/a/devices/vs/up", said)) == [("device.heartbeat", "door-0")]


def test_trap_4_a_zero_may_have_been_left_out_and_is_not_guessed_at() -> None:
    said = '{"uplink_message": {"decoded_payload": {"MOD": 1, "BAT_V": 2.9}}}'
    assert "DOOR_OPEN_STATUS is required" in refusal(decoder([sourced("ttn/a/x")]), "v3/a/devices/x/up", said)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("1", DoorOpened), ('"1"', DoorOpened), ("1.0", DoorOpened), ("true", DoorOpened), ('"0"', DoorClosed)],
)
def test_trap_5_types_drift(value: str, kind: type[Message]) -> None:
    topic = "application/a/device/x/event/up"
    said = f'{{"object": {{"MOD": 1.0, "DOOR_OPEN_STATUS": {value}}}}}'
    assert [type(each) for each in hear(decoder([sourced("chirpstack/x")]), topic, said)] == [kind]


def test_trap_6_times_come_in_many_ways_and_mean_the_same() -> None:
    campus = sourced("tasmota/x/Switch1?on=open", "zwave/x", "uhppoted/1/2", "verkada/x", "shelly/x/input:0?true=open")
    event = {"device-id": 1, "door-id": 2, "event-id": 9, "card-number": 7, "access-granted": True}
    input_ = {"ts": 1795528740.0, "input:0": {"state": True}}
    said: list[tuple[str, Any]] = [
        ("tele/x/SENSOR", {"Time": "2026-11-24T07:59:00", "Switch1": "ON"}),
        ("zwave/x/113/0/Access_Control/Door_state", {"time": 1795528740000, "value": 22}),
        ("uhppoted/gateway/events", {"message": {"event": event | {"timestamp": "2026-11-24 05:59:00 PST"}}}),
        ("hooks/verkada", {"data": {"created": 1795528740, "door_id": "x", "notification_type": "door_opened"}}),
        ("x/events/rpc", {"src": "x", "method": "NotifyStatus", "params": input_}),
    ]
    reader = decoder([campus])
    times = {hear(reader, topic, json.dumps(payload))[0].at for topic, payload in said}
    assert times == {datetime(2026, 11, 24, 13, 59, tzinfo=UTC)}


def test_trap_7_topics_hold_spaces_and_slashes() -> None:
    campus = sourced("zigbee2mqtt/Back Deck Door", "zigbee2mqtt/gym/east/outer")
    reader = decoder([campus])
    assert told(hear(reader, "zigbee2mqtt/Back Deck Door", '{"contact": true}')) == [("door.closed", "door-0")]
    assert told(hear(reader, "zigbee2mqtt/gym/east/outer", '{"contact": true}')) == [("door.closed", "door-1")]
    assert hear(reader, "zigbee2mqtt/bridge/devices", "[]") == []
    assert told(hear(reader, "zigbee2mqtt/gym/east/outer/availability", "offline")) == [("device.offline", "door-1")]


def test_trap_8_liveness_has_another_topic_and_grammar_each_time() -> None:
    campus = sourced("zigbee2mqtt/x", "tasmota/x/S", "shelly/x/input:0", "zwave/x", "frigate/x", "homeassistant/x")
    said = [
        ("zigbee2mqtt/x/availability", "offline"),
        ("tele/x/LWT", "Offline"),
        ("x/online", "false"),
        ("zwave/x/status", '{"value": false}'),
        ("frigate/available", "offline"),
        ("homeassistant/binary_sensor/x/state", "unavailable"),
    ]
    reader = decoder([campus])
    for number, (topic, payload) in enumerate(said):
        assert told(hear(reader, topic, payload)) == [("device.offline", f"door-{number}")], topic


@pytest.mark.parametrize("said", ["on", '"on"', " on\n"])
def test_trap_9_states_come_bare_and_quoted(said: str) -> None:
    found = hear(decoder([sourced("homeassistant/x")]), "homeassistant/binary_sensor/x/state", said)
    assert told(found) == [("door.opened", "door-0")]


def test_trap_10_the_same_event_of_two_feeds_is_one_and_late_it_is_history() -> None:
    event = {
        "device-id": 1, "door-id": 2, "event-id": 9, "card-number": 7, "access-granted": True,
        "timestamp": "2026-11-24 07:59:59 CST",
    }  # fmt: skip
    raw = json.dumps({"message": {"event": event}}).encode()
    reader = decoder([sourced("uhppoted/1/2")])
    (live,) = reader.decode(Heard("uhppoted/gateway/events/live", raw), START)
    (fed,) = reader.decode(Heard("uhppoted/gateway/events", raw), START)
    assert (live.source, live.message_id, live.part) == (fed.source, fed.message_id, fed.part)
    assert (live.initial, fed.initial) == (False, False)
    (late,) = reader.decode(Heard("uhppoted/gateway/events", raw), START + timedelta(hours=3))
    assert (late.message_id, late.initial, late.skewed) == (live.message_id, True, True)
    assert not World(lincoln()).apply(late), "a badge of this morning explains no opening of now"


def test_trap_10_a_ticket_that_is_told_twice_goes_in_once() -> None:
    gathering = {
        "id": "g",
        "name": "G",
        "start": "2026-11-24T07:00",
        "end": "2026-11-24T12:00",
        "source": "pretix/a/b/3",
    }
    reader = decoder([lincoln(gatherings=[gathering], calendar={})])
    said = json.dumps({"notification_id": 1, "organizer": "a", "event": "b", "checkin_list": 3, "type": "entry",
                       "action": "pretix.event.checkin"})  # fmt: skip
    first, again = (hear(reader, "hooks/pretix", said, packet=n)[0] for n in (1, 2))
    assert (first.kind, first.message_id, first.identified) == ("attendance.entered", "1", True)
    assert again.message_id == first.message_id


@pytest.mark.parametrize("kind", ["NBIRTH", "NDEATH", "DDATA"])
def test_trap_11_sparkplug_is_not_read_and_its_bytes_are_not_looked_at(kind: str) -> None:
    assert refusal(decoder([lincoln()]), f"spBv1.0/school/{kind}/edge", b"\x08\xc0\xc4\x07") == "unknown_topic"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"[" * 100_000, "too_large"),
        (b"[" * 60_000, "bad_json"),
        (b'{"a":' * 12_000, "bad_json"),
        (b"\xed\xa0\x80", "bad_encoding"),
        (b'{"contact": "\xff"}', "bad_encoding"),
        (b'{"contact": NaN}', "bad_json"),
        (b'{"contact": -Infinity}', "bad_json"),
        (b'{"battery": 1e9999}', "bad_json"),
    ],
)
def test_trap_12_raw_json_is_no_hazard(payload: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        decoder([lincoln()]).decode(Heard(Z2M, payload), START)
    assert refused.value.reason.partition(":")[0] == reason


def test_trap_12_of_a_key_that_stands_twice_the_last_counts() -> None:
    assert told(hear(decoder([lincoln()]), Z2M, '{"contact": true, "contact": false}')) == [("door.opened", "gym-east")]


def test_one_advertisement_that_several_gateways_hear_is_one_and_its_number_comes_again() -> None:
    reader = decoder([sourced("shelly-blu/a")])
    raw = b'{"address": "a", "pid": 12, "window": 1}'
    one, two = (reader.decode(Heard(f"shelly-blu/{gateway}", raw), START)[0] for gateway in ("gym", "lobby"))
    assert one.message_id == two.message_id
    (later,) = reader.decode(Heard("shelly-blu/gym", raw), START + timedelta(hours=3))
    assert later.message_id != one.message_id
