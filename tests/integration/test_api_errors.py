"""Whatever goes wrong is told as problem details, without a trace of the inside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from api.deps import Receipt
from api.guards import MAX_BODY
from api.server import create_api
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.errors import Unavailable
from core.messages import Heard
from core.vault import Vault
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


def is_problem(answer: httpx.Response, status: int) -> bool:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    return True


async def test_there_is_nothing_there(desk: Desk) -> None:
    async with desk.client("admin") as client:
        assert is_problem(await client.get("/api/v1/nothing"), 404)
        assert is_problem(await client.get("/nothing"), 404)
        assert is_problem(await client.get("/api/v1/campuses/lincon"), 404)
        wrong_method = await client.put("/api/v1/tokens")
        assert is_problem(wrong_method, 405)
        assert "GET" in wrong_method.headers["Allow"]


async def test_a_near_miss_is_named(desk: Desk) -> None:
    async with desk.client("viewer") as client:
        answer = await client.get("/api/v1/campuses/lincon/doors")
    assert answer.json()["detail"] == "no campus 'lincon'; did you mean 'lincoln'?"


async def test_every_field_that_is_wrong_is_named(desk: Desk) -> None:
    async with desk.client("admin") as client:
        answer = await client.post("/api/v1/tokens", json={"role": "king", "colour": "red"})
        query = await client.get("/api/v1/messages", params={"limit": 0, "since": "noon"})
    assert is_problem(answer, 422)
    problems = {each["where"]: each["message"] for each in answer.json()["problems"]}
    assert problems["name"] == "is required"
    assert problems["colour"] == "no such key"
    assert "viewer" in problems["role"]
    assert is_problem(query, 422)
    assert {each["where"] for each in query.json()["problems"]} == {"limit", "since"}


async def test_a_body_that_is_not_json_is_called_so(desk: Desk) -> None:
    async with desk.client("admin") as client:
        headers = {"Content-Type": "application/json"}
        answer = await client.post("/api/v1/tokens", content=b"{", headers=headers)
    assert is_problem(answer, 422)
    assert "the body is not JSON" in answer.json()["detail"]


async def test_a_body_over_the_limit_is_refused_however_it_is_sent(desk: Desk) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * (MAX_BODY // 8)

    async with desk.client("admin") as client:
        assert is_problem(await client.post("/api/v1/messages", content=b" " * (MAX_BODY + 1)), 413)
        assert is_problem(await client.post("/api/v1/messages", content=chunks()), 413)
        assert is_problem(await client.post("/login", content=chunks()), 413)
        full = b'{"name":"a","role":"viewer"}'.ljust(MAX_BODY)
        fits = await client.post("/api/v1/tokens", content=full, headers={"Content-Type": "application/json"})
    assert fits.status_code == 201


async def test_a_client_that_leaves_in_the_middle_changes_nothing(desk: Desk) -> None:
    messages = iter(
        (
            {"type": "http.request", "body": b'{"topic":"campus/lincoln/door/main",', "more_body": True},
            {"type": "http.disconnect"},
        )
    )
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return next(messages)

    async def send(message: object) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {desk.tokens['admin']}".encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/messages",
        "raw_path": b"/api/v1/messages",
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "server": ("hallwatch.test", 80),
        "client": ("10.0.0.9", 1),
        "root_path": "",
        "http_version": "1.1",
    }
    await desk.app(scope, receive, send)
    assert sent == []
    assert desk.corridor.heard == []


async def test_an_error_nobody_foresaw_shows_nothing_of_the_inside(desk: Desk) -> None:
    async def breaks(_batch: list[Heard]) -> None:
        raise RuntimeError("the planted secret")

    broken = replace(desk.house, receive=breaks)
    async with Desk(broken, desk.corridor, create_api(broken), desk.tokens).client("admin") as client:
        with capture_logs() as logged:
            answer = await client.post("/api/v1/messages", json={"topic": "x", "payload": {}})
    assert is_problem(answer, 500)
    assert [str(line["exc_info"]) for line in logged] == ["the planted secret"]
    assert "planted" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_database_that_is_away_is_told_as_503(desk: Desk) -> None:
    async def unavailable(_batch: list[Heard]) -> None:
        raise Unavailable("database: connection refused")

    broken = replace(desk.house, receive=unavailable)
    async with Desk(broken, desk.corridor, create_api(broken), desk.tokens).client("device") as client:
        answer = await client.post("/api/v1/messages", json={"topic": "x", "payload": {}})
    assert is_problem(answer, 503)
    assert answer.headers["Retry-After"] == "2"


async def test_every_answer_has_the_number_that_its_lines_in_the_log_have(desk: Desk) -> None:
    seen: list[str] = []

    async def receives(_batch: list[Heard]) -> Receipt:
        seen.append(get_contextvars()["request"])
        return Receipt(1, 0, [])

    house = replace(desk.house, receive=receives)
    async with Desk(house, desk.corridor, create_api(house), desk.tokens).client("admin") as client:
        headers = {"X-Request-Id": "of my own"}
        said = {"topic": "x", "payload": {}}
        answers = [await client.post("/api/v1/messages", json=said, headers=headers) for _ in range(2)]
    assert [answer.headers["X-Request-Id"] for answer in answers] == seen
    assert len(set(seen)) == 2
    assert get_contextvars() == {}


async def test_every_answer_is_armoured(desk: Desk) -> None:
    async with desk.client("viewer") as client:
        answers = [
            await client.get(path)
            for path in ("/", "/login", "/healthz", "/api/v1/alerts", "/nothing", "/static/console.js", "/a/none")
        ]
        answers.append(await client.post("/login", content=b" " * (MAX_BODY + 1)))
        secure = await client.get("https://hallwatch.test/healthz")
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Strict-Transport-Security" not in answer.headers
    assert "Strict-Transport-Security" in secure.headers
    assert answers[3].headers["Cache-Control"] == "no-store"


async def test_a_person_gets_a_page_and_a_program_gets_a_document(desk: Desk) -> None:
    async with desk.client() as client:
        page = await client.get("/nothing/<script>x</script>", headers={"Accept": "text/html"})
        document = await client.get("/api/v1/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<script>x" not in page.text
    assert is_problem(document, 404)


async def test_the_description_of_the_api_is_whole(desk: Desk) -> None:
    async with desk.client() as client:
        described = (await client.get("/api/v1/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), (method, path)
            if path.startswith("/api/v1"):
                assert operation["security"], (method, path)
    ids = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
