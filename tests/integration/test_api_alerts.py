"""Alerts through the API: what is open, all that belongs to one, and people's answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alerts import desk as alerts_desk
from core import feed
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.findings import Finding
from core.vault import Vault
from tests.conftest import START
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


async def find(desk: Desk, **changes: Any) -> int:
    """Let a rule find something; return the number of the alert it opened."""
    said: dict[str, Any] = {
        "campus": "lincoln",
        "rule": "door-held-open",
        "key": "gym-east",
        "entity": "door",
        "state": "firing",
        "at": START,
        "severity": "severe",
        "title": "A door is held open",
        "text": "Door 7 (Gym east) is open",
        "because": {"values": {"door.position": "open"}},
    }
    finding = Finding(**said | changes)
    async with desk.house.database.transaction() as session:
        alert = await alerts_desk.handle(
            session, finding, campus=desk.house.campuses()["lincoln"], now=desk.house.clock.now()
        )
    assert alert is not None
    return alert.id


async def test_an_open_alert_has_the_shape_that_others_read(desk: Desk) -> None:
    number = await find(desk)
    async with desk.client("viewer") as client:
        listed = (await client.get("/api/v1/alerts", params={"state": "open"})).json()
    assert listed["next"] is None
    (alert,) = listed["items"]
    assert alert["id"] == number
    assert alert["severity"] == "severe"
    assert alert["state"] == "open"
    assert alert["condition"] == "active"
    assert alert["opened_at"] == "2026-11-24T14:00:00Z"
    assert alert["because"] == {"values": {"door.position": "open"}}
    wanted = (
        "code campus rule key title acknowledged_by on_scene_by suppressed disposition exercise cleared_at closed_at"
    )
    assert set(wanted.split()) | {"count", "next_step_at"} <= alert.keys()


async def test_one_alert_comes_with_timeline_and_deliveries(desk: Desk) -> None:
    number = await find(desk)
    async with desk.client("viewer") as client:
        alert = (await client.get(f"/api/v1/alerts/{number}")).json()
        missing = await client.get("/api/v1/alerts/424242")
        wrong = await client.get("/api/v1/alerts/x")
    assert alert["timeline"][0]["event"] == "opened"
    assert {each["person"] for each in alert["deliveries"]} == {"reyes"}
    assert alert["deliveries"][0]["alert"] == number
    assert alert["deliveries"][0]["attempts"] == []
    assert "127.0.0.1" not in str(alert)
    assert missing.status_code == 404
    assert wrong.status_code == 422


async def test_the_list_is_narrowed_by_what_one_asks_for(desk: Desk, clock: ManualClock) -> None:
    await find(desk)
    clock.jump(60)
    await find(desk, key="main", severity="extreme", rule="door-propped", at=clock.now())
    async with desk.client("viewer") as client:

        async def keys(**query: str) -> list[str]:
            answer = await client.get("/api/v1/alerts", params=query)
            assert answer.status_code == 200, answer.text
            return [each["key"] for each in answer.json()["items"]]

        assert await keys() == ["main", "gym-east"]
        assert await keys(severity="extreme") == ["main"]
        assert await keys(rule="door-held-open") == ["gym-east"]
        assert await keys(since="2026-11-24T14:00:30Z") == ["main"]
        assert await keys(state="closed") == []
        assert await keys(campus="elsewhere") == []
        assert (await client.get("/api/v1/alerts", params={"severity": "awful"})).status_code == 422
        assert (await client.get("/api/v1/alerts", params={"state": "ajar"})).status_code == 422
        first = (await client.get("/api/v1/alerts", params={"limit": 1})).json()
        assert await keys(cursor=first["next"]) == ["gym-east"]


async def test_the_first_one_has_it_and_the_second_is_told(desk: Desk) -> None:
    number = await find(desk)
    path = f"/api/v1/alerts/{number}/ack"
    async with desk.client("sro") as sro, desk.client("admin") as admin:
        taken, again, other = (await sro.post(path)).json(), (await sro.post(path)).json(), await admin.post(path)
    assert taken["changed"] is True
    assert taken["alert"]["acknowledged_by"] == "token:the sro"
    assert taken["alert"]["next_step_at"] is None or taken["alert"]["next_step_at"] > "2026-11-24T14:01"
    assert again["changed"] is False
    assert other.status_code == 200
    assert other.json()["changed"] is False
    assert "already taken by the sro" in other.json()["words"]
    async with desk.client("viewer") as client:
        events = [each["event"] for each in (await client.get(f"/api/v1/alerts/{number}")).json()["timeline"]]
    assert events.count("acknowledged") == 1


async def test_an_alert_is_closed_with_what_it_was(desk: Desk) -> None:
    number = await find(desk)
    path = f"/api/v1/alerts/{number}"
    async with desk.client("sro") as client:
        on_scene = (await client.post(f"{path}/on-scene")).json()
        noted = await client.post(f"{path}/note", json={"text": "a chair in the door"})
        for wrong in ({}, {"disposition": "fine"}, {"disposition": "real", "note": "x" * 2001}):
            assert (await client.post(f"{path}/resolve", json=wrong)).status_code == 422
        assert (await client.post(f"{path}/resolve", json={"disposition": "drill"})).status_code == 409
        closed = (await client.post(f"{path}/resolve", json={"disposition": "nuisance", "note": "chair"})).json()
        late = await client.post(f"{path}/ack")
        events = [each["event"] for each in (await client.get(path)).json()["timeline"]]
    assert on_scene["alert"]["on_scene_by"] == "token:the sro"
    assert noted.status_code == 200
    assert closed["alert"]["state"] == "closed"
    assert closed["alert"]["disposition"] == "nuisance"
    assert late.status_code == 409
    assert late.json()["type"] == "urn:hallwatch:problem:conflict"
    assert "closed it" in late.json()["detail"]
    assert "note" in events


async def test_an_answer_is_told_to_the_pages_and_to_the_courier(desk: Desk) -> None:
    number = await find(desk)
    nudged: list[str] = []
    object.__setattr__(desk.house, "committed", lambda: nudged.append("courier"))
    async with desk.house.database.reading() as session:
        before = await feed.last_id(session)
    async with desk.client("sro") as client:
        await client.post(f"/api/v1/alerts/{number}/ack")
    async with desk.house.database.reading() as session:
        rows = await feed.after(session, before)
    assert "alert" in {row.topic for row in rows}
    assert desk.house.news.is_set()
    assert nudged == ["courier"]


async def test_a_refused_answer_changes_nothing(desk: Desk) -> None:
    number = await find(desk, at=START - timedelta(minutes=1))
    async with desk.client("sro") as client:
        await client.post(f"/api/v1/alerts/{number}/resolve", json={"disposition": "real"})
        before = (await client.get(f"/api/v1/alerts/{number}")).json()
        for move in ("ack", "on-scene"):
            assert (await client.post(f"/api/v1/alerts/{number}/{move}")).status_code == 409
        assert (await client.get(f"/api/v1/alerts/{number}")).json() == before
        assert (await client.post("/api/v1/alerts/999999/ack")).status_code == 404


async def test_who_has_taken_it_and_whether_it_chatters_or_is_stale_is_shown(desk: Desk) -> None:
    for second in (0, 20, 40):
        at = START + timedelta(seconds=second)
        number = await find(desk, at=at)
        await find(desk, at=at + timedelta(seconds=9), state="resolved")
    async with desk.client("sro") as client:
        await client.post(f"/api/v1/alerts/{number}/ack")
        alert = (await client.get(f"/api/v1/alerts/{number}")).json()
        [other] = (await client.get("/api/v1/alerts?limit=1")).json()["items"]
    assert alert["acknowledgers"] == ["token:the sro"]
    assert (alert["chattering"], alert["stale"], alert["srp"]) == (True, False, None)
    assert other["chattering"]
