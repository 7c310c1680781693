"""The quarantine: what could not be read is listed without what is personal, and can be tried again once."""

from __future__ import annotations

from typing import Any

import pytest

from core import audit
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.campuses import LINCOLN, lincoln
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


async def send(desk: Desk, topic: str, payload: Any, role: str = "device") -> None:
    async with desk.client(role) as client:
        await client.post("/api/v1/messages", json={"topic": f"campus/lincoln/{topic}", "payload": payload})


async def listed(desk: Desk, **query: Any) -> list[dict[str, Any]]:
    async with desk.client("viewer") as client:
        answer = await client.get("/api/v1/quarantine", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_what_is_personal_is_masked(desk: Desk) -> None:
    await send(desk, "visitor/lobby", {"action": "dance", "visit": "v-1", "name": "Pat Doe"})
    (row,) = await listed(desk)
    assert "Pat" not in str(row)
    assert row["topic"] == "campus/lincoln/visitor/lobby"
    assert row["reason"].startswith("invalid_field")
    assert row["campus"] == "lincoln"
    assert row["received_at"] == "2026-11-24T14:00:00Z"
    assert "dance" in row["payload"]


async def test_the_list_is_narrowed_by_what_one_asks_for(desk: Desk, clock: ManualClock) -> None:
    await send(desk, "door/nowhere", {"position": "open"})
    clock.jump(60)
    await send(desk, "window/1", {"position": "open"})
    assert [row["reason"] for row in await listed(desk, reason="unknown_topic")] == ["unknown_topic"]
    assert len(await listed(desk, since="2026-11-24T14:00:30Z")) == 1
    assert len(await listed(desk, until="2026-11-24T14:00:30Z")) == 1
    assert await listed(desk, campus="elsewhere") == []
    assert len(await listed(desk, limit=1)) == 1


async def test_a_payload_is_read_again_once_the_campus_is_mended(desk: Desk) -> None:
    await send(desk, "door/annex", {"position": "open"})
    (row,) = await listed(desk)
    path = f"/api/v1/quarantine/{row['id']}/replay"
    async with desk.client("admin") as client:
        annex = {"id": "annex", "name": "Annex"}
        desk.corridor.campuses = {"lincoln": lincoln(doors=[*LINCOLN["doors"], annex])}
        done = await client.post(path)
        again = await client.post(path)
        missing = await client.post("/api/v1/quarantine/424242/replay")
        heard = (await client.get("/api/v1/messages", params={"key": "annex"})).json()["items"]
    assert done.json() == {"accepted": 1, "duplicates": 0, "quarantined": []}
    assert [each["kind"] for each in heard] == ["door.opened"]
    assert again.status_code == 409
    assert "replayed already" in again.json()["detail"]
    assert missing.status_code == 404
    assert (await listed(desk))[0]["replayed_at"] == "2026-11-24T14:00:00Z"
    async with desk.house.database.reading() as session:
        (deed,) = await audit.find(session, subject=f"quarantine:{row['id']}")
    assert deed.actor == "token:the admin"


async def test_what_a_tester_said_never_becomes_live_by_a_replay(desk: Desk) -> None:
    await send(desk, "door/main", {"position": "open"}, role="tester")
    (row,) = await listed(desk)
    async with desk.client("admin") as client:
        receipt = (await client.post(f"/api/v1/quarantine/{row['id']}/replay")).json()
    assert receipt["accepted"] == 0
    assert "drill or test" in receipt["quarantined"][0]["reason"]


async def test_a_payload_of_which_only_the_beginning_is_kept_cannot_be_replayed(desk: Desk) -> None:
    await send(desk, "door/main", {"position": "open", "note": "x" * 70_000})
    (row,) = await listed(desk)
    assert row["reason"] == "too_large"
    async with desk.client("admin") as client:
        answer = await client.post(f"/api/v1/quarantine/{row['id']}/replay")
    assert answer.status_code == 409
    assert "only the beginning" in answer.json()["detail"]


async def test_all_of_one_reason_are_read_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.routes.quarantine.PIECE", 2)
    for position in ("open", "closed", "open"):
        await send(desk, "door/annex", {"position": position})
    await send(desk, "door/nowhere", {"position": "open"})
    await send(desk, "window/1", {"position": "open"})
    desk.corridor.campuses = {"lincoln": lincoln(doors=[*LINCOLN["doors"], {"id": "annex", "name": "Annex"}])}
    async with desk.client("admin") as client:
        done = await client.post("/api/v1/quarantine/replay", json={"reason": "unknown_entity", "campus": "lincoln"})
        heard = (await client.get("/api/v1/messages", params={"key": "annex"})).json()["items"]
    assert done.json() == {"replayed": 4, "accepted": 3, "duplicates": 0, "quarantined": 1, "left": 0}
    assert [each["kind"] for each in heard] == ["door.opened", "door.closed", "door.opened"]
    untouched = [row["reason"] for row in await listed(desk) if row["replayed_at"] is None]
    assert untouched == ["unknown_entity", "unknown_topic"]
    async with desk.client("sro") as client:
        refused = await client.post("/api/v1/quarantine/replay", json={"reason": "unknown_entity"})
    assert refused.status_code == 403


async def test_a_replay_of_many_stops_in_time_and_says_what_is_left(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.quarantine.PIECE", 1)
    monkeypatch.setattr("api.routes.quarantine.MOST", 2)
    for _ in range(3):
        await send(desk, "door/nowhere", {"position": "open"})
    async with desk.client("admin") as client:
        done = (await client.post("/api/v1/quarantine/replay", json={"reason": "unknown_entity"})).json()
    assert done == {"replayed": 2, "accepted": 0, "duplicates": 0, "quarantined": 2, "left": 1}
