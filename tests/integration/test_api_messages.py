"""Messages over HTTP: the same door as MQTT's, and the list of what was heard."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.unit.api.house import Desk, build_house, open_desk

DOOR = "campus/lincoln/door/gym-east"
OPEN = {"topic": DOOR, "payload": {"position": "open", "id": "a-1"}}


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


@pytest.fixture
async def small_desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def send(client: httpx.AsyncClient, said: Any) -> Any:
    answer = await client.post("/api/v1/messages", json=said)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_one_message_is_taken_in_and_found_again(desk: Desk) -> None:
    async with desk.client("device") as device, desk.client("viewer") as viewer:
        assert await send(device, OPEN) == {"accepted": 1, "duplicates": 0, "quarantined": []}
        found = (await viewer.get("/api/v1/messages")).json()
    assert found["next"] is None
    (message,) = found["items"]
    assert message["id"] > 0
    assert {key: value for key, value in message.items() if key != "id"} == {
        "message_id": "a-1",
        "campus": "lincoln",
        "kind": "door.opened",
        "key": "gym-east",
        "at": "2026-11-24T14:00:00Z",
        "received_at": "2026-11-24T14:00:00Z",
        "exercise": "live",
        "late": False,
        "body": {"position": "open", "door": "gym-east", "device": "gym-east-contact"},
    }


async def test_a_list_is_answered_place_by_place(desk: Desk) -> None:
    async with desk.client("device") as client:
        said = [OPEN, {"topic": "campus/lincoln/door/nowhere", "payload": {"position": "open"}}, OPEN]
        receipt = await send(client, said)
        none = await send(client, [])
    assert receipt["accepted"] == 2
    assert receipt["duplicates"] == 1
    (unread,) = receipt["quarantined"]
    assert unread["index"] == 1
    assert unread["reason"] == "unknown_entity"
    assert "nowhere" in unread["detail"]
    assert none == {"accepted": 0, "duplicates": 0, "quarantined": []}


async def test_a_time_beside_the_payload_is_put_into_it(small_desk: Desk) -> None:
    async with small_desk.client("device") as client:
        at = "2026-11-24T13:59:30Z"
        await send(client, {"topic": DOOR, "payload": {"position": "open"}, "at": at})
        await send(client, {"topic": DOOR, "payload": {"position": "closed", "at": "2026-11-24T13:59:40Z"}, "at": at})
        cloud = {"specversion": "1.0", "id": "c", "data": {"position": "open"}}
        await send(client, {"topic": DOOR, "payload": cloud, "at": at})
    payloads = [json.loads(heard.payload) for heard in small_desk.corridor.heard]
    assert payloads[0]["at"] == at
    assert payloads[1]["at"] == "2026-11-24T13:59:40Z"
    assert payloads[2]["time"] == at


async def test_a_text_payload_is_taken_as_text(small_desk: Desk) -> None:
    async with small_desk.client("device") as client:
        topic = "campus/lincoln/device/gym-east-contact"
        assert (await send(client, {"topic": topic, "payload": "offline"}))["accepted"] == 1
        timed = await client.post("/api/v1/messages", json=[OPEN, {"topic": topic, "payload": "x", "at": "2026"}])
    assert small_desk.corridor.heard[0].payload == b"offline"
    assert timed.status_code == 422
    assert timed.json()["problems"][0]["where"] == "[1].at"


async def test_a_payload_is_passed_on_byte_for_byte(small_desk: Desk) -> None:
    payload = b'{ "position":"open", "position":"closed", "n":1.0e5, "u":"\\u00e9" }'
    async with small_desk.client("device") as client:
        body = b'{"topic":"campus/lincoln/door/main","payload":' + payload + b"}"
        assert (await client.post("/api/v1/messages", content=body)).status_code == 202
    assert small_desk.corridor.heard[0].payload == payload


@pytest.mark.parametrize("payload", ["[]", "null", "3", "true"])
async def test_a_payload_that_is_no_object_is_for_the_reader_to_judge(small_desk: Desk, payload: str) -> None:
    async with small_desk.client("device") as client:
        answer = await client.post("/api/v1/messages", content=f'{{"topic":"{DOOR}","payload":{payload}}}')
    assert answer.status_code == 202
    assert answer.json()["quarantined"][0]["reason"].startswith("invalid_field")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("", ""),
        ("{", ""),
        ("NaN", ""),
        ('{"topic":"a","payload":NaN}', ""),
        ('{"topic":"a","payload":' + "[" * 5000 + "]" * 5000 + "}", ""),
        ("3", ""),
        ('{"payload":{}}', ""),
        ('{"topic":"a"}', ""),
        ('[{"topic":"a","payload":{}},{"topic":3,"payload":{}}]', "[1].topic"),
        ('{"topic":"","payload":{}}', "topic"),
        ('{"topic":"a","payload":{},"colour":1}', ""),
        ('{"topic":"a","payload":{},"at":5}', "at"),
    ],
)
async def test_a_body_that_cannot_be_used_is_refused_whole(small_desk: Desk, body: str, where: str) -> None:
    async with small_desk.client("device") as client:
        answer = await client.post("/api/v1/messages", content=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["problems"][0]["where"] == where
    assert small_desk.corridor.heard == []


async def test_a_tester_can_only_say_drill_or_test(desk: Desk) -> None:
    async with desk.client("tester") as client:
        live = await send(client, OPEN)
        drill = await send(client, {"topic": DOOR, "payload": {"position": "open", "exercise": "drill"}})
        found = (await client.get("/api/v1/messages")).json()["items"]
    assert live["accepted"] == 0
    assert "drill or test" in live["quarantined"][0]["reason"]
    assert drill["accepted"] == 1
    assert [each["exercise"] for each in found] == ["drill"]


async def test_the_list_is_narrowed_by_what_one_asks_for(desk: Desk) -> None:
    async with desk.client("admin") as client:
        for door, position, at in (
            ("main", "open", "2026-11-24T13:58:00Z"),
            ("gym-east", "open", "2026-11-24T13:59:00Z"),
            ("gym-east", "closed", "2026-11-24T13:59:30Z"),
        ):
            topic = f"campus/lincoln/door/{door}"
            await send(client, {"topic": topic, "payload": {"position": position, "at": at}})
        await send(client, {"topic": "campus/lincoln/device/gym-east-contact", "payload": "online"})

        async def kinds(**query: Any) -> list[str]:
            answer = await client.get("/api/v1/messages", params=query)
            assert answer.status_code == 200, answer.text
            return [each["kind"] for each in answer.json()["items"]]

        assert await kinds() == ["device.online", "door.closed", "door.opened", "door.opened"]
        assert await kinds(kind="door.opened") == ["door.opened", "door.opened"]
        assert await kinds(kind="door.*", key="gym-east") == ["door.closed", "door.opened"]
        assert await kinds(campus="elsewhere") == []
        assert await kinds(since="2026-11-24T07:59:00-06:00", until="2026-11-24T13:59:30Z") == ["door.opened"]


async def test_reading_on_stays_right_while_messages_arrive(desk: Desk) -> None:
    async with desk.client("admin") as client:
        for number in range(5):
            await send(client, {"topic": DOOR, "payload": {"position": "open", "id": f"m{number}"}})
        seen: list[str] = []
        cursor: str | None = None
        while True:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/api/v1/messages", params=query)).json()
            seen += [each["message_id"] for each in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
            await send(client, {"topic": DOOR, "payload": {"position": "open", "id": f"new{len(seen)}"}})
        wrong = await client.get("/api/v1/messages", params={"cursor": "rubbish!"})
    assert seen == ["m4", "m3", "m2", "m1", "m0"]
    assert wrong.status_code == 422
    assert wrong.json()["problems"][0]["where"] == "cursor"
