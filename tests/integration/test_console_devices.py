"""Devices on their page, the worst first; sensors that were found and are taken over; what messages mean."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from core import audit, registry, state
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.facts import DeviceFacts
from core.messages import Heard
from core.vault import Vault
from ingest import discovery, store
from ingest.discovery import News
from ingest.health import Health, Tally
from tests.campuses import LINCOLN, lincoln
from tests.conftest import START
from tests.integration.test_api_pages import in_one_line
from tests.integration.test_ingest_discovery import Z2M, Z2M_TOPIC
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def see(desk: Desk, path: str, role: str = "viewer") -> str:
    async with desk.browser(role) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def proof(browser: httpx.AsyncClient, path: str = "/") -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', (await browser.get(path)).text)
    assert found
    return found[1]


async def is_known(desk: Desk, *facts: DeviceFacts, **tallies: Tally) -> None:
    async with desk.house.database.transaction() as session:
        await state.save(session, "lincoln", facts)
        places = {("lincoln", name.replace("_", "-")): tally for name, tally in tallies.items()}
        await Health(places).save(session, places)


async def test_the_worst_device_comes_first_and_says_why(desk: Desk) -> None:
    well = START - timedelta(minutes=1)
    await is_known(
        desk,
        DeviceFacts(id="gym-west", heard_at=well, tampered=True),
        DeviceFacts(id="gym-east-contact", heard_at=START - timedelta(days=2), battery_low=True, battery_pct=4),
        DeviceFacts(id="main", heard_at=well, online=True),
        main=Tally(START, messages=99, lost=1, offsets=[-400]),
    )
    page = in_one_line(await see(desk, "/devices"))
    assert "devices are well" in page
    lines = ("Tampered with 1:00 ago", "Silent for too long Battery low 2 days ago", "Never heard never")
    order = [page.index(words) for words in lines]
    assert order == sorted(order)
    assert "4 %" in page
    assert "Main entrance 1 main Well 0:00 ago unknown right 1 of 100" in page


async def test_devices_are_looked_for_by_word_and_by_state(desk: Desk) -> None:
    await is_known(desk, DeviceFacts(id="gym-west", heard_at=START, online=False))
    found = in_one_line(await see(desk, "/devices?like=GYM+W&state=offline"))
    assert "Gym west 8" in found
    assert "Main entrance" not in found
    assert "No device is like that" in await see(desk, "/devices?like=nowhere")
    async with desk.browser("viewer") as browser:
        assert (await browser.get("/devices?state=angry")).status_code == 422


async def test_ten_thousand_devices_come_a_page_at_a_time(
    sqlite_database: Database, clock: ManualClock, vault: Vault
) -> None:
    doors = [{"id": f"d{n:03}", "name": f"Door {n}"} for n in range(120)]
    campus = lincoln(doors=[*LINCOLN["doors"], *doors])
    desk = await open_desk(*build_house(sqlite_database, clock, vault, campus))
    seen: list[str] = []
    path = "/devices"
    async with desk.browser("viewer") as browser:
        while path:
            page = (await browser.get(path)).text
            seen += re.findall(r"<small>(d\d+)</small>", page)
            onward = re.search(r'href="(/devices\?[^"]*cursor=[^"]+)"', page)
            path = onward[1].replace("&amp;", "&") if onward else ""
        assert (await browser.get("/devices?cursor=bm9uc2Vuc2U")).status_code == 422
    assert seen == [door["id"] for door in doors]


async def announce(desk: Desk, **changes: Any) -> None:
    news = News()
    news.take(Heard(Z2M_TOPIC, msgspec.json.encode(Z2M | changes)))
    async with desk.house.database.transaction() as session:
        await discovery.keep(session, news, START)


async def test_a_sensor_that_was_found_is_taken_over_for_a_door(desk: Desk) -> None:
    await announce(desk)
    assert "Take over" not in await see(desk, "/devices/found")
    async with desk.browser("admin") as browser:
        page = (await browser.get("/devices/found")).text
        assert "Gym 7 Contact" in page
        said = {"csrf": await proof(browser), "topic": Z2M_TOPIC, "door": "Gym West"}
        taken = await browser.post("/devices/lincoln/found", data=said, follow_redirects=True)
        again = await browser.post("/devices/lincoln/found", data=said)
        gone = (await browser.get("/devices/found")).text
    assert "Gym 7 Contact speaks for Gym west from now on." in taken.text
    async with desk.house.database.reading() as session:
        campus = await registry.load(session, desk.house.vault, "lincoln")
        assert campus
        assert campus.doors_by_id["gym-west"].source == "zigbee2mqtt/Gym 7"
        (deed,) = await audit.find(session, subject="door:lincoln/gym-west")
    assert deed.actor == "token:the admin"
    assert again.status_code == 404
    # The running service learns of it within seconds; this house holds on to the campus it was built with.
    assert "Sensors that were found" in gone


async def test_a_new_door_is_made_for_a_sensor_with_the_mapping_that_reads_it(desk: Desk) -> None:
    await announce(desk, state_topic="acme/9/state", value_template="{{ value_json.reed }}")
    async with desk.browser("admin") as browser:
        said = {"csrf": await proof(browser), "topic": Z2M_TOPIC, "name": "Gym west", "exterior": "true"}
        answer = await browser.post("/devices/lincoln/found", data=said)
    assert answer.status_code == 303
    async with desk.house.database.reading() as session:
        campus = await registry.load(session, desk.house.vault, "lincoln")
        assert campus
        door = campus.doors_by_id["gym-west-2"]
        assert (door.name, door.exterior) == ("Gym west", True)
        assert door.source in {f"found/{each.id.removeprefix('found-')}" for each in await store.stored(session)}


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({}, 422, "say which door it is"),
        ({"door": "gym-wset"}, 422, "did you mean"),
        ({"door": "gym-east"}, 409, "is spoken for by zigbee2mqtt/Gym East already"),
        ({"door": "main", "topic": "homeassistant/binary_sensor/x/config"}, 404, "no longer on the list"),
    ],
)
async def test_what_cannot_be_taken_over_says_why(desk: Desk, said: dict[str, str], status: int, words: str) -> None:
    await announce(desk)
    async with desk.browser("admin") as browser:
        form = {"csrf": await proof(browser), "topic": Z2M_TOPIC} | said
        answer = await browser.post("/devices/lincoln/found", data=form, headers={"Accept": "application/json"})
    assert answer.status_code == status
    assert words in answer.json()["detail"]


async def test_what_messages_mean_stands_there_with_examples(desk: Desk) -> None:
    page = in_one_line(await see(desk, "/devices/mappings"))
    assert "Milesight WS301" in page
    assert "device.offline source=verkada/c-1" in page
