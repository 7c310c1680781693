"""Sensors that announce themselves to Home Assistant become proposals: what to write so that they are heard."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.campus import Campus
from core.database import Database
from core.documents import Document
from core.messages import Heard
from core.wire import Refused
from ingest import discovery
from ingest.discovery import News, Proposal
from ingest.discovery import store as rows
from ingest.mapping import Mapping, read_mappings, shipped
from tests.campuses import LINCOLN, lincoln
from tests.conftest import START
from tests.unit.ingest.mapped import decoder, sourced, told

Z2M = {
    "availability": [{"topic": "zigbee2mqtt/bridge/state"}],
    "device": {"identifiers": ["zigbee2mqtt_0x00158d"], "manufacturer": "Aqara", "model": "MCCGQ11LM", "name": "Gym 7"},
    "device_class": "door",
    "name": "Contact",
    "payload_off": True,
    "payload_on": False,
    "state_topic": "zigbee2mqtt/Gym 7",
    "unique_id": "0x00158d_contact_zigbee2mqtt",
    "value_template": "{{ value_json.contact }}",
}
Z2M_TOPIC = "homeassistant/binary_sensor/0x00158d/contact/config"


def said(topic: str, config: Any) -> Heard:
    return Heard(topic, config if isinstance(config, bytes) else msgspec.json.encode(config), retained=True)


async def announce(database: Database, *heard: Heard) -> None:
    news = News()
    for each in heard:
        news.take(each)
    async with database.transaction() as session:
        await discovery.keep(session, news, START)


async def proposed(
    database: Database, *campuses: Campus, mappings: tuple[Mapping, ...] | None = None
) -> list[Proposal]:
    async with database.reading() as session:
        return await discovery.proposals(session, campuses, shipped() if mappings is None else mappings)


async def test_a_sensor_that_a_mapping_reads_needs_a_line_in_the_campus_file(database: Database) -> None:
    await announce(database, said(Z2M_TOPIC, Z2M))
    (found,) = await proposed(database, lincoln())
    assert (found.sensor.name, found.sensor.device_class, found.sensor.maker) == (
        "Gym 7 Contact",
        "door",
        "Aqara MCCGQ11LM",
    )
    assert (found.source, found.mapping, found.trouble) == ("zigbee2mqtt/Gym 7", None, "")


async def test_it_is_gone_once_a_door_names_it_and_back_should_the_door_go(database: Database) -> None:
    await announce(database, said(Z2M_TOPIC, Z2M))
    door = {"id": "gym-7", "name": "Gym 7", "source": "zigbee2mqtt/Gym 7"}
    bound = lincoln(doors=[*LINCOLN["doors"], door])
    assert await proposed(database, bound) == []
    assert len(await proposed(database, lincoln())) == 1


async def test_a_config_message_without_content_takes_the_sensor_back(database: Database) -> None:
    await announce(database, said(Z2M_TOPIC, Z2M), said("homeassistant/binary_sensor/b/config", Z2M))
    await announce(database, said(Z2M_TOPIC, b""))
    assert [each.sensor.topic for each in await proposed(database)] == ["homeassistant/binary_sensor/b/config"]
    # In one batch the last word counts.
    await announce(database, said(Z2M_TOPIC, Z2M), said(Z2M_TOPIC, b""))
    assert len(await proposed(database)) == 1
    await announce(database, said(Z2M_TOPIC, b""), said(Z2M_TOPIC, Z2M))
    assert len(await proposed(database)) == 2


async def test_what_is_on_no_door_is_no_proposal(database: Database) -> None:
    await announce(
        database,
        said("homeassistant/binary_sensor/m/config", Z2M | {"device_class": "motion"}),
        said("homeassistant/binary_sensor/n/config", {"state_topic": "x"}),
        said("homeassistant/light/l/config", b"whatever a lamp says"),
    )
    assert await proposed(database) == []


async def test_abbreviations_and_the_base_topic_are_understood(database: Database) -> None:
    config = {
        "~": "gym-node/binary_sensor/east_door",
        "dev_cla": "door",
        "stat_t": "~/state",
        "uniq_id": "ESPbinary_sensoreast_door",
        "name": "East door",
        "dev": {"name": "gym-node", "mf": "espressif", "mdl": "esp32"},
    }
    await announce(database, said("homeassistant/binary_sensor/gym-node/east_door/config", config))
    (found,) = await proposed(database)
    assert (found.sensor.name, found.sensor.maker) == ("gym-node East door", "espressif esp32")
    assert found.source == "esphome/gym-node/east_door"


@pytest.mark.parametrize(("on", "wiring"), [(True, "true=open"), (False, "true=closed")])
async def test_the_wiring_is_told_by_what_on_means(database: Database, on: bool, wiring: str) -> None:
    (mapping,) = read_mappings(
        [
            Document(
                {
                    "id": "reed",
                    "match": {"topic": "reed/{device}"},
                    "source": "reed/{device}",
                    "emit": "door.position",
                    "value": {
                        "path": "state",
                        "wiring": {
                            "true=open": {"true": "open", "false": "closed"},
                            "true=closed": {"true": "closed", "false": "open"},
                        },
                    },
                }
            )
        ]
    )
    config = {"device_class": "door", "state_topic": "reed/7", "payload_on": on, "payload_off": not on}
    config["value_template"] = "{{ value_json['state'] }}"
    await announce(database, said("homeassistant/binary_sensor/reed7/config", config))
    (found,) = await proposed(database, mappings=(mapping,))
    assert found.source == f"reed/7?{wiring}"
    bound = lincoln(doors=[*LINCOLN["doors"], {"id": "d", "name": "D", "source": "reed/7?true=open"}])
    assert await proposed(database, bound, mappings=(mapping,)) == []


@pytest.mark.parametrize(
    ("config", "payload", "kind"),
    [
        ({"value_template": "{{ value_json.state.reed }}"}, b'{"state": {"reed": "ON"}}', "door.opened"),
        ({}, b"OFF", "door.closed"),
        ({"payload_on": "1", "payload_off": "0"}, b"1", "door.opened"),
        ({"device_class": "lock"}, b"ON", "door.unlocked"),
    ],
)
async def test_where_no_mapping_reads_it_one_is_proposed_that_does(
    database: Database, config: dict[str, Any], payload: bytes, kind: str
) -> None:
    plain = {"device_class": "door", "state_topic": "acme/7/report", "unique_id": "acme 7", "name": "Acme"}
    await announce(database, said("homeassistant/binary_sensor/acme7/config", plain | config))
    (found,) = await proposed(database)
    assert found.source == "found/acme-7"
    assert found.mapping is not None
    (mapping,) = read_mappings([Document(found.mapping)])
    reader = decoder([sourced("found/acme-7")], [mapping])
    assert told(reader.decode(Heard("acme/7/report", payload), START)) == [(kind, "door-0")]
    assert (await proposed(database, mappings=(*shipped(), mapping)))[0].mapping is None


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'ON' if value_json.contact else 'OFF' }}",
        "{{ value_json.contact | upper }}",
        "{{ value_json }}",
        "{{ value.x }}",
        "{% set x = 1 %}",
        "{{ value_json['a'b'] }}",
        17,
        "{{ " * 1000,
    ],
)
async def test_a_template_that_says_more_is_never_run(database: Database, template: Any) -> None:
    await announce(database, said(Z2M_TOPIC, Z2M | {"value_template": template}))
    (found,) = await proposed(database)
    assert (found.source, found.mapping) == ("", None)
    assert "value_template" in found.trouble


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "bad_json"),
        (b"[]", "invalid_field: the announcement must be"),
        (b"\xff", "bad_encoding"),
        (b'{"device_class": "door"}', "invalid_field: state_topic is required"),
        (b'{"device_class": "door", "state_topic": 7}', "invalid_field: state_topic is required"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        News().take(said(Z2M_TOPIC, payload))


@pytest.mark.parametrize(
    "config",
    [
        {"device": 7, "name": None, "unique_id": [], "payload_on": {}, "payload_off": []},
        {"state_topic": "a/{b", "unique_id": "x"},
        {"state_topic": "a/+/#"},
        {"payload_on": "ON", "payload_off": "ON"},
        {"unique_id": "♞" * 300, "name": "x" * 5000},
        {"value_template": "{{ value_json['a.b']['[0]'] }}"},
        {"~": 7, "state_topic": "~/state"},
    ],
)
async def test_odd_announcements_do_no_harm(database: Database, config: dict[str, Any]) -> None:
    plain = {"device_class": "door", "state_topic": "acme/7/report", "unique_id": "acme 7", "name": "Acme"}
    await announce(database, said(Z2M_TOPIC, plain | config))
    (found,) = await proposed(database)
    assert bool(found.source) != bool(found.trouble)


def test_only_topics_of_the_discovery_are_announcements() -> None:
    assert discovery.is_announcement("homeassistant/binary_sensor/x/config")
    assert discovery.is_announcement("ha/binary_sensor/node/x/config")
    assert discovery.is_announcement("homeassistant/light/x/config")
    for topic in (
        "campus/lincoln/door/config",
        "homeassistant/binary_sensor/x/state",
        "binary_sensor/config",
        "config",
    ):
        assert not discovery.is_announcement(topic)


async def test_no_more_are_kept_than_a_school_has(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_KEPT", 3)
    await announce(database, *(said(f"homeassistant/binary_sensor/n{n}/config", Z2M) for n in range(5)))
    assert [each.sensor.topic[-9:-7] for each in await proposed(database)] == ["n2", "n3", "n4"]
