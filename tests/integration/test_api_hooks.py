"""Webhooks take messages of senders who have shown who they are, and of nobody else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.server import create_api
from app.wiring import Service, build
from core import audit, journal, registry
from core.campus import Campus
from core.clock import ManualClock
from core.database import Base, Database
from core.messages import Heard
from core.settings import Settings
from core.vault import Vault
from ingest import hooks, quarantine
from ingest.mapping import filters, shipped
from ingest.webhooks import hooks as hooks_of
from ingest.webhooks import sign
from tests import servers
from tests.campuses import LINCOLN, lincoln
from tests.conftest import START
from tests.unit.api.house import Desk, build_house, open_desk

SECRET = "the-key-that-verkada-shows"
EVENT: dict[str, Any] = {
    "webhook_type": "notification",
    "created_at": 1795528800,
    "data": {
        "event_id": "e-1",
        "device_id": "c-1",
        "created": 1795528800,
        "notification_type": "door_forced_open",
        "device_type": "access_control",
        "door_id": "d-1",
        "user_info": {"name": "Pat Doe"},
    },
}
HOW = hooks_of(shipped())["verkada"].auth.hmac


def signed(event: dict[str, Any], secret: str = SECRET) -> dict[str, Any]:
    body = json.dumps(event).encode()
    assert HOW is not None
    return {"content": body, "headers": sign(HOW, body, secret, START)}


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    found = await open_desk(*build_house(database, clock, vault, campus))
    async with database.transaction() as session:
        await hooks.keep(session, vault, "verkada", SECRET, now=START, by="test")
    return found


@pytest.fixture
async def service(tmp_path: Path, clock: ManualClock, vault: Vault) -> AsyncIterator[Service]:
    """The whole corridor on a database of its own, with a Verkada door."""
    door = {"id": "dock", "name": "Dock", "source": "verkada/d-1"}
    settings = Settings(database_url=f"sqlite:///{tmp_path}/hooks.db", secret_key=servers.SECRET_KEY)
    found = build(settings, clock, listen=False)
    async with found.database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with found.database.transaction() as session:
        await registry.save(session, vault, lincoln(doors=[*LINCOLN["doors"], door]), now=START, by="test")
        await hooks.keep(session, found.vault, "verkada", SECRET, now=START, by="test")
    await found.pipeline.refresh()
    found.pipeline.catching_up = False
    yield found
    await found.close()


async def post(service: Service, path: str, **said: Any) -> httpx.Response:
    transport = httpx.ASGITransport(create_api(service.house))
    async with httpx.AsyncClient(transport=transport, base_url="http://hallwatch.test") as client:
        return await client.post(path, **said)


async def test_what_a_verified_sender_says_is_heard_once(service: Service) -> None:
    first = await post(service, "/hooks/verkada", **signed(EVENT))
    again = await post(service, "/hooks/verkada", **signed(EVENT))
    async with service.database.reading() as session:
        rows = await journal.find(session, key="dock", kind="door.opened")
    assert (first.status_code, first.json()["accepted"]) == (202, 1)
    assert (again.status_code, again.json()["accepted"], again.json()["duplicates"]) == (202, 0, 1)
    assert len(rows) == 1


async def test_what_cannot_be_read_is_no_error_of_the_senders(service: Service) -> None:
    unknown = EVENT | {"data": EVENT["data"] | {"door_id": "d-unknown"}}
    answer = await post(service, "/hooks/verkada", **signed(unknown))
    assert answer.status_code == 202
    assert answer.json()["quarantined"][0]["reason"] == "unknown_entity"
    async with service.database.reading() as session:
        (row,) = await quarantine.find(session)
    assert row.topic == "hooks/verkada"
    assert b"Pat Doe" not in row.payload


async def test_the_same_topic_by_any_other_door_is_nobodys_word(service: Service) -> None:
    heard = Heard("hooks/verkada", json.dumps(EVENT).encode())
    receipt = await service.pipeline.on_messages([heard])
    assert receipt.quarantined[0][1].startswith("unauthorized")
    async with service.database.reading() as session:
        (row,) = await quarantine.find(session)
    # Nor does it become one by being read again.
    receipt = await service.pipeline.on_messages([row.again])
    assert receipt.accepted == 0
    assert receipt.quarantined[0][1].startswith("unauthorized")
    assert not any(topic.startswith("hooks") for topic in filters(shipped()))


async def test_the_body_is_handed_on_as_it_came(desk: Desk) -> None:
    async with desk.client() as client:
        answer = await client.post("/hooks/verkada", **signed(EVENT))
    assert answer.status_code == 202
    assert [(each.topic, each.payload) for each in desk.corridor.heard] == [
        ("hooks/verkada", json.dumps(EVENT).encode())
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/hooks/verkada", {"json": EVENT}),
        ("/hooks/verkada", signed(EVENT, "another-key-altogether")),
        ("/hooks/verkada", signed(EVENT) | {"content": b"{}"}),
        ("/hooks/envoy", signed(EVENT)),
        ("/hooks/nobody", signed(EVENT)),
        ("/hooks/%00", signed(EVENT)),
    ],
)
async def test_who_does_not_show_who_they_are_is_not_heard(desk: Desk, path: str, said: dict[str, Any]) -> None:
    async with desk.client() as client:
        answer = await client.post(path, **said)
    assert answer.status_code in (401, 422)
    assert desk.corridor.heard == []


async def test_a_recording_that_is_played_back_is_refused(desk: Desk, clock: ManualClock) -> None:
    clock.jump(3600)
    async with desk.client() as client:
        answer = await client.post("/hooks/verkada", **signed(EVENT))
    assert answer.status_code == 401
    assert "too far from now" in answer.json()["detail"]


async def test_guessing_is_slow_and_a_right_signature_is_never_turned_away(desk: Desk) -> None:
    async with desk.client() as client:
        answers = [await client.post("/hooks/verkada", **signed(EVENT, "wrong" * 5)) for _ in range(12)]
        right = await client.post("/hooks/verkada", **signed(EVENT))
    assert [each.status_code for each in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    assert right.status_code == 202


@pytest.mark.parametrize("size", [70_000, 2 * 1024 * 1024])
async def test_a_body_that_is_too_large_is_refused(desk: Desk, size: int) -> None:
    async with desk.client() as client:
        answer = await client.post("/hooks/verkada", **signed({"x": "x" * size}))
    assert answer.status_code == 413


async def test_secrets_are_set_by_an_administrator_kept_sealed_and_never_shown(desk: Desk) -> None:
    async with desk.client("admin") as client:
        short = await client.put("/api/v1/hooks/envoy", json={"secret": "short"})
        missing = await client.put("/api/v1/hooks/nobody", json={"secret": SECRET})
        done = await client.put("/api/v1/hooks/envoy", json={"secret": SECRET})
        listed = {each["name"]: each for each in (await client.get("/api/v1/hooks")).json()}
        gone = await client.delete("/api/v1/hooks/verkada")
        twice = await client.delete("/api/v1/hooks/verkada")
        refused = await client.post("/hooks/verkada", **signed(EVENT))
    assert (short.status_code, missing.status_code, done.status_code) == (422, 404, 204)
    assert (gone.status_code, twice.status_code, refused.status_code) == (204, 404, 401)
    assert "no secret is set" in refused.json()["detail"]
    assert set(listed) == set(hooks_of(shipped()))
    assert listed["envoy"] == {
        "name": "envoy",
        "mapped": True,
        "has_secret": True,
        "changed_at": "2026-11-24T14:00:00Z",
        "changed_by": "token:the admin",
    }
    async with desk.house.database.reading() as session:
        stored = (await session.execute(text("SELECT secret FROM hooks"))).scalars().all()
        (deed,) = await audit.find(session, subject="hook:envoy")
    assert all(SECRET not in each for each in stored)
    assert (deed.action, deed.detail) == ("hook.secret", "{}")
    async with desk.client("sro") as client:
        assert (await client.put("/api/v1/hooks/envoy", json={"secret": SECRET})).status_code == 403
