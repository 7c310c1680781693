"""Signs of life that belong together. Unknown is not closed, and a gateway that is gone makes its devices unknown."""

from __future__ import annotations

from datetime import timedelta

from core.campus import Campus
from core.facts import DeviceFacts, DoorFacts
from core.messages import Heard
from core.world import World
from ingest.decode import Decoder
from ingest.mapping import shipped
from ingest.mapping.silence import with_heartbeats
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.ingest.mapped import decoder, hear, sourced, told

ZWAVE = sourced("zwave/a", "zwave/b", "esphome/n/door")
GATEWAY, DRIVER = "zwave/_CLIENTS/ZWAVE_GATEWAY-x/status", "zwave/driver/status"


def listen(reader: Decoder, campus: Campus, *said: tuple[str, str]) -> World:
    """Return what is true after some words, a minute apart."""
    world = World(campus)
    for minute, (topic, payload) in enumerate(said):
        for message in reader.decode(Heard(topic, payload.encode()), START + timedelta(minutes=minute)):
            world.apply(message)
    return world


def online(world: World, *devices: str) -> list[bool | None]:
    found = [world.get("device", each) for each in devices]
    return [facts.online if isinstance(facts, DeviceFacts) else None for facts in found]


def test_a_gateway_that_is_gone_takes_its_devices_along_and_no_others() -> None:
    reader = decoder([ZWAVE])
    assert told(hear(reader, GATEWAY, '{"value": false}')) == [
        ("device.offline", "door-0"),
        ("device.offline", "door-1"),
    ]


def test_a_device_lives_if_it_and_its_gateway_and_the_driver_do() -> None:
    both_up = (("zwave/a/status", "true"), ("zwave/b/status", "true"))
    for gone, back in ((GATEWAY, GATEWAY), (DRIVER, DRIVER)):
        world = listen(decoder([ZWAVE]), ZWAVE, *both_up, (gone, "false"))
        assert online(world, "door-0", "door-1") == [False, False]
        world = listen(decoder([ZWAVE]), ZWAVE, *both_up, (gone, "false"), (back, "true"))
        assert online(world, "door-0", "door-1") == [True, True]
    world = listen(decoder([ZWAVE]), ZWAVE, *both_up, (GATEWAY, "false"), (DRIVER, "false"), (GATEWAY, "true"))
    assert online(world, "door-0", "door-1") == [False, False], "the driver is still gone"


def test_one_that_was_gone_before_its_gateway_is_gone_after_it() -> None:
    said = (("zwave/a/status", "false"), ("zwave/b/status", "true"), (GATEWAY, "false"), (GATEWAY, "true"))
    assert online(listen(decoder([ZWAVE]), ZWAVE, *said), "door-0", "door-1") == [False, True]


def test_behind_a_gateway_that_is_gone_nobody_is_online_whatever_a_kept_word_says() -> None:
    world = listen(decoder([ZWAVE]), ZWAVE, (GATEWAY, "false"), ("zwave/a/status", "true"))
    assert online(world, "door-0") == [False]


def test_a_word_that_is_said_twice_or_lost_on_the_way_back_does_no_harm() -> None:
    reader = decoder([ZWAVE])
    hear(reader, "zwave/a/status", "true")
    hear(reader, GATEWAY, "false")
    first = hear(reader, GATEWAY, "true")
    assert (
        told(first)
        == told(hear(reader, GATEWAY, "true"))
        == [
            ("device.online", "door-0"),
            ("device.online", "door-1"),
        ]
    )


def test_a_decoder_that_has_forgotten_raises_nobody_and_hears_whoever_speaks() -> None:
    assert hear(decoder([ZWAVE]), GATEWAY, "true") == []
    world = listen(decoder([ZWAVE]), ZWAVE, (GATEWAY, "false"), ("zwave/a/113/0/Access_Control/Door_state", "23"))
    assert online(world, "door-0", "door-1") == [True, False], "one that gets through is alive"


def test_unknown_never_looks_like_closed() -> None:
    campus = sourced("zigbee2mqtt/x")
    world = listen(
        decoder([campus]), campus, ("zigbee2mqtt/x", '{"contact": false}'), ("zigbee2mqtt/bridge/state", "offline")
    )
    facts = world.get("door", "door-0")
    assert isinstance(facts, DoorFacts)
    assert (facts.position, online(world, "door-0")) == ("open", [False])


def test_a_gateway_that_is_listed_is_told_once_and_is_no_device_behind_another() -> None:
    campus = sourced("zwave/a", device="zwave/driver")
    assert told(hear(decoder([campus]), DRIVER, "false")) == [("device.offline", "node"), ("device.offline", "door-0")]
    assert told(hear(decoder([campus]), GATEWAY, "false")) == [("device.offline", "door-0")]


def test_a_tester_can_take_no_gateway_away() -> None:
    reader = decoder([ZWAVE])
    assert hear(reader, GATEWAY, "false", trial_only=True) == []
    hear(reader, "zwave/a/status", "true")
    assert told(hear(reader, "zwave/a/status", "true")) == [("device.online", "door-0")]


def test_the_heartbeat_of_a_device_is_the_campuss_and_else_its_mappings() -> None:
    campus = lincoln(
        doors=[
            {"id": "a", "name": "A", "source": "zigbee2mqtt/Gym East"},
            {"id": "b", "name": "B", "source": "tasmota/b/Switch1?on=open"},
            {"id": "c", "name": "C", "source": "zigbee2mqtt/C"},
        ],
        devices=[{"id": "c-contact", "door": "c", "heartbeat": "1h"}],
        gatherings=[],
        calendar={},
    )
    found = with_heartbeats(campus, shipped()).devices_by_id
    assert {name: device.heartbeat for name, device in found.items()} == {
        "a": timedelta(hours=25) / 3,
        "b": None,
        "c-contact": timedelta(hours=1),
    }
    assert with_heartbeats(campus, ()) is campus
