"""Devices are shown with how well they are heard, and those nobody has named yet with what to write."""

from __future__ import annotations

import msgspec
import pytest

from core import state
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.facts import DeviceFacts
from core.messages import Heard
from core.vault import Vault
from ingest import discovery
from ingest.discovery import News
from ingest.health import Health
from tests.conftest import START
from tests.integration.test_ingest_discovery import Z2M, Z2M_TOPIC
from tests.integration.test_ingest_health import read
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


async def test_a_device_is_shown_with_how_well_it_is_heard(desk: Desk) -> None:
    counters, touched = Health(), set[tuple[str, str]]()
    for heard, messages in (
        read(seq=1, id="a", at="2026-11-24T13:59:58Z"),
        read(seq=4, id="b", at="2026-11-24T13:59:58Z"),
    ):
        counters.count(heard, messages, {id(each) for each in messages}, touched)
    async with desk.house.database.transaction() as session:
        await counters.save(session, touched)
        facts = DeviceFacts(id="gym-east-contact", online=True, battery_pct=93, heard_at=START)
        await state.save(session, "lincoln", [facts])
    async with desk.client("viewer") as client:
        page = (await client.get("/api/v1/campuses/lincoln/devices")).json()
    shown = {each["id"]: each for each in page["items"]}
    assert shown["gym-east-contact"] == {
        "id": "gym-east-contact",
        "door": "gym-east",
        "kind": "door",
        "source": "zigbee2mqtt/Gym East",
        "heartbeat": "1h",
        "online": True,
        "battery_pct": 93,
        "battery_low": None,
        "tampered": None,
        "heard_at": "2026-11-24T14:00:00Z",
        "last_seen": "2026-11-24T14:00:00Z",
        "clock_offset": -2.0,
        "messages": 2,
        "duplicates": 0,
        "late": 2,
        "skewed": 0,
        "lost": 2,
    }
    assert list(shown) == sorted(shown)
    silent = next(each for name, each in shown.items() if name != "gym-east-contact")
    assert (silent["last_seen"], silent["clock_offset"], silent["messages"]) == (None, None, 0)


async def test_the_list_of_devices_goes_on_where_it_stopped(desk: Desk) -> None:
    async with desk.client("viewer") as client:
        everything = (await client.get("/api/v1/campuses/lincoln/devices")).json()["items"]
        first = (await client.get("/api/v1/campuses/lincoln/devices", params={"limit": 1})).json()
        rest = await client.get("/api/v1/campuses/lincoln/devices", params={"cursor": first["next"]})
    assert first["items"] + rest.json()["items"] == everything


async def test_which_doors_are_the_sensors_that_were_found(desk: Desk) -> None:
    news = News()
    for topic in (Z2M_TOPIC, "homeassistant/binary_sensor/b/config"):
        news.take(Heard(topic, msgspec.json.encode(Z2M | {"state_topic": f"zigbee2mqtt/{topic[-9]}"})))
    async with desk.client("viewer") as client:
        nothing = (await client.get("/api/v1/campuses/lincoln/devices/proposals")).json()
        async with desk.house.database.transaction() as session:
            await discovery.keep(session, news, START)
        page = (await client.get("/api/v1/campuses/lincoln/devices/proposals", params={"limit": 1})).json()
        path = "/api/v1/campuses/lincoln/devices/proposals"
        rest = (await client.get(path, params={"cursor": page["next"]})).json()
    assert nothing == {"items": [], "next": None, "words": "no new contact sensors found"}
    assert page["words"] == "2 contact sensors found: which doors of Lincoln High School are they?"
    (found,) = page["items"]
    assert found == {
        "topic": Z2M_TOPIC,
        "name": "Gym 7 Contact",
        "device_class": "door",
        "maker": "Aqara MCCGQ11LM",
        "state_topic": "zigbee2mqtt/c",
        "heard_at": "2026-11-24T14:00:00Z",
        "source": "zigbee2mqtt/c",
        "mapping": None,
        "trouble": None,
    }
    assert [each["topic"] for each in rest["items"]] == ["homeassistant/binary_sensor/b/config"]


async def test_devices_are_for_readers_alone(desk: Desk) -> None:
    for path in ("/api/v1/campuses/lincoln/devices", "/api/v1/campuses/lincoln/devices/proposals"):
        async with desk.client("device") as client:
            assert (await client.get(path)).status_code == 403
        async with desk.client("viewer") as client:
            assert (await client.get(path.replace("lincoln", "nowhere"))).status_code == 404
