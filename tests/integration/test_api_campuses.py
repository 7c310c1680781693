"""Campuses, doors, visits, the campus state, and whether the service is well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import Counter

from api.deps import Health, Part
from api.server import create_api
from core import audit
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.conftest import START
from tests.unit.api.house import WELL, Desk, build_house, open_desk


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


@pytest.fixture
async def small_desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def hear(desk: Desk, topic: str, payload: Any) -> None:
    async with desk.client("admin") as client:
        answer = await client.post("/api/v1/messages", json={"topic": f"campus/lincoln/{topic}", "payload": payload})
        assert answer.json()["accepted"] == 1, answer.text


async def test_a_campus_never_shows_how_people_are_reached(small_desk: Desk) -> None:
    for role in ("viewer", "sro", "admin", "tester"):
        async with small_desk.client(role) as client:
            answer = await client.get("/api/v1/campuses/lincoln")
        assert "127.0.0.1" not in answer.text
        reyes = answer.json()["people"][0]
        assert reyes["endpoints"][0] == {"id": "reyes-phone", "url": "json://•••"}
        assert "Planted Secret" not in answer.text
        assert answer.json()["watch_list"][0]["kind"] == "trespass"


async def test_campuses_are_listed_with_their_state(desk: Desk) -> None:
    await hear(desk, "campus/state", {"state": "secure", "by": "okafor"})
    async with desk.client("viewer") as client:
        listed = (await client.get("/api/v1/campuses")).json()
    assert listed == {
        "items": [{"id": "lincoln", "name": "Lincoln High School", "timezone": "America/Chicago", "state": "secure"}],
        "next": None,
    }


async def test_a_door_nobody_has_heard_of_is_neither_open_nor_closed(desk: Desk) -> None:
    await hear(desk, "door/gym-east", {"position": "open", "battery_pct": 81, "at": "2026-11-24T13:59:00Z"})
    async with desk.client("viewer") as client:
        doors = {each["id"]: each for each in (await client.get("/api/v1/campuses/lincoln/doors")).json()["items"]}
        first = (await client.get("/api/v1/campuses/lincoln/doors", params={"limit": 3})).json()
        rest = await client.get("/api/v1/campuses/lincoln/doors", params={"cursor": first["next"]})
    assert doors["gym-east"]["position"] == "open"
    assert doors["gym-east"]["position_at"] == "2026-11-24T13:59:00Z"
    assert doors["gym-east"]["class"] == "exit_only"
    assert doors["gym-east"]["device"]["battery_pct"] == 81
    assert doors["main"]["position"] is None
    assert doors["main"]["lock"] is None
    assert [each["id"] for each in first["items"]] == ["gym-east", "gym-west", "main"]
    assert [each["id"] for each in rest.json()["items"]] == ["office"]


async def test_visits_are_listed_by_state(desk: Desk) -> None:
    for visit in ("v-1", "v-2", "v-3"):
        await hear(desk, "visitor/lobby", {"action": "check_in", "visit": visit, "name": f"<b>{visit}</b>"})
    await hear(desk, "visitor/lobby", {"action": "check_out", "visit": "v-2"})
    async with desk.client("viewer") as client:
        inside = (await client.get("/api/v1/campuses/lincoln/visits", params={"state": "in"})).json()
        first = (await client.get("/api/v1/campuses/lincoln/visits", params={"limit": 2})).json()
        rest = (await client.get("/api/v1/campuses/lincoln/visits", params={"cursor": first["next"]})).json()
        wrong = await client.get("/api/v1/campuses/lincoln/visits", params={"state": "gone"})
    assert [each["id"] for each in inside["items"]] == ["v-1", "v-3"]
    assert inside["items"][0]["state_at"] == "2026-11-24T14:00:00Z"
    assert [each["id"] for each in first["items"] + rest["items"]] == ["v-1", "v-2", "v-3"]
    assert wrong.status_code == 422


async def test_a_state_is_declared_by_name_and_kept_in_the_record(desk: Desk) -> None:
    path = "/api/v1/campuses/lincoln/state"
    async with desk.client("sro") as client:
        assert (await client.get(path)).json() == {"campus": "lincoln", "state": "normal", "since": None, "by": None}
        declared = await client.post(path, json={"state": "lockdown", "reason": "shots heard"})
        assert declared.status_code == 200
        assert declared.json() == (await client.get(path)).json()
        wrong = await client.post(path, json={"state": "panic"})
    assert declared.json()["state"] == "lockdown"
    assert declared.json()["by"] == "the sro"
    assert declared.json()["since"] == "2026-11-24T14:00:00Z"
    assert wrong.status_code == 422
    async with desk.house.database.reading() as session:
        (deed,) = await audit.find(session, subject="campus:lincoln")
    assert deed.actor == "token:the sro"
    assert "shots heard" in deed.detail


async def test_a_tester_can_only_rehearse_a_state(small_desk: Desk) -> None:
    path = "/api/v1/campuses/lincoln/state"
    async with small_desk.client("tester") as client:
        live = await client.post(path, json={"state": "hold"})
        drill = await client.post(path, json={"state": "hold", "exercise": "drill"})
    assert live.status_code == 422
    assert "drill or test" in live.json()["detail"]
    assert drill.status_code == 200


async def test_being_alive_is_not_being_ready(small_desk: Desk) -> None:
    ill = Health(Part(False, START, "not connected: wrong password"), WELL, WELL)
    house = replace(small_desk.house, health=lambda: ill)
    async with Desk(house, small_desk.corridor, create_api(house), {}).client() as client:
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
    async with small_desk.client() as client:
        well = await client.get("/readyz")
    assert alive.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["ready"] is False
    assert ready.json()["parts"]["broker"] == {
        "ok": False,
        "since": "2026-11-24T14:00:00Z",
        "words": "not connected: wrong password",
    }
    assert ready.json()["parts"]["auditor"]["ok"] is True
    assert well.status_code == 200


async def test_the_figures_are_prometheus_text(small_desk: Desk) -> None:
    Counter("hallwatch_things", "Things.", registry=small_desk.house.metrics).inc(3)
    async with small_desk.client() as client:
        answer = await client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "hallwatch_things_total 3.0" in answer.text
