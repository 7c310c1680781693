"""Nonsense in any place is answered in words, on both databases; it never breaks anything."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.integration.test_api_alerts import find
from tests.unit.api.house import Desk, build_house, open_desk

VALUES = [
    "",
    " ",
    "\0",
    "a\0b",
    "-1",
    "0",
    "1" * 30,
    "1e9",
    "null",
    "'; DROP TABLE alerts; --",
    "%",
    "../../etc/passwd",
    "<script>",
    "\N{PILE OF POO}",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "2026-11-24T14:00:00",
    "AA",
    "AAAA",
    "_" * 299,
    "x" * 3000,
]


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


async def test_no_query_breaks_a_list(desk: Desk) -> None:
    async with desk.client("admin") as client:
        for path, methods in desk.app.openapi()["paths"].items():
            operation = methods.get("get")
            if not operation or path.endswith("/stream"):
                continue
            names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
            for name in names:
                for value in VALUES:
                    answer = await client.get(path.replace("{c}", "lincoln"), params={name: value})
                    assert answer.status_code in (200, 404, 422), (path, name, value, answer.text)


async def test_no_path_breaks_a_page(desk: Desk) -> None:
    async with desk.client("admin") as client:
        for path, methods in desk.app.openapi()["paths"].items():
            if "{" not in path:
                continue
            for method in methods:
                for value in ("x", "0", "-1", "1" * 30, "%00", "%ff", "%F0%9F%92%A9", "a%2Fb", "x" * 3000):
                    filled = re.sub(r"\{\w+\}", value, path)
                    answer = await client.request(method, filled, json={})
                    refused = {404, 405, 422} | ({401, 429} if path.startswith("/hooks/") else set())
                    assert answer.status_code in refused, (method, filled, answer.text)


@pytest.mark.parametrize(
    "text", ["\0", "a\0b", "\ud800", "\udfff\ud800", " ", "\N{RIGHT-TO-LEFT OVERRIDE}x", "x" * 5000]
)
async def test_no_text_breaks_a_write(desk: Desk, text: str) -> None:
    number = await find(desk)
    import json

    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/api/v1/tokens", {"name": text, "role": "viewer"}),
        ("/api/v1/tokens", {"name": "n", "role": text}),
        ("/api/v1/tokens", {"name": "n", "role": "viewer", "expires_at": text}),
        ("/api/v1/campuses/lincoln/state", {"state": "hold", "reason": text}),
        (f"/api/v1/alerts/{number}/note", {"text": text}),
        (f"/api/v1/alerts/{number}/resolve", {"disposition": "real", "note": text}),
        ("/api/v1/messages", {"topic": f"campus/lincoln/door/{text}", "payload": {"position": "open"}}),
        ("/api/v1/messages", {"topic": "campus/lincoln/door/main", "payload": text}),
        ("/api/v1/messages", {"topic": "campus/lincoln/visitor/a", "payload": {"action": "check_in", "visit": text}}),
    ]
    async with desk.client("admin") as client:
        for path, body in bodies:
            answer = await client.post(
                path, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
            )
            assert answer.status_code < 500, (path, body, answer.text)


async def test_a_time_without_an_offset_is_refused_where_it_would_be_kept(desk: Desk) -> None:
    async with desk.client("admin") as client:
        said = {"name": "x", "role": "viewer", "expires_at": "2099-01-01T00:00:00"}
        answer = await client.post("/api/v1/tokens", json=said)
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["where"] == "expires_at"
