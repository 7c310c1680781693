"""Who may come in, and what each role may do."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select

from api.access import ROLES, TokenRow
from api.attempts import LIMIT
from api.sessions import COOKIE, LASTS
from core import audit
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.servers import ROOT
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


@pytest.fixture
async def small_desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
TEXT = (ROOT / "docs" / "security.md").read_text("utf-8")
MATRIX: dict[tuple[str, str], set[str]] = {
    (method, path): {role for role, mark in zip(ROLES, marks.split("|"), strict=True) if mark.strip() == "x"}
    for method, path, marks in re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \|(.*)\|$", TEXT, re.MULTILINE)
}
OPEN = set(re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \|$", TEXT, re.MULTILINE))
"""What needs no sign-in: open to all, or shown by a secret in the path or a signature over the body."""


def routes(desk: Desk) -> set[tuple[str, str]]:
    paths = desk.app.openapi()["paths"]
    listed = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    pages = {
        (method, route.path)
        for module in _page_routers()
        for route in module
        for method in route.methods
        if method != "HEAD"
    }
    return listed | pages


def _page_routers() -> list[list[APIRoute]]:
    from api.console import installing, signing
    from api.console.pages import PAGES

    rooms = (*PAGES, signing, installing)
    return [[route for route in room.router.routes if isinstance(route, APIRoute)] for room in rooms]


def test_every_test_that_the_page_names_is_there() -> None:
    names = {name for path in (ROOT / "tests").rglob("test_*.py") for name in TEST.findall(path.read_text("utf-8"))}
    told = set(re.findall(r"`(test_\w+)`", TEXT))
    assert told <= names
    assert len(told) > 30


def test_the_matrix_knows_every_path(small_desk: Desk) -> None:
    assert routes(small_desk) == set(MATRIX) | OPEN


async def test_nobody_gets_in_without_a_sign_in(small_desk: Desk) -> None:
    async with small_desk.client() as client:
        for method, path in MATRIX:
            answer = await client.request(method, _filled(path))
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json()["title"] == "Sign in first"


@pytest.mark.parametrize("role", ROLES)
async def test_every_role_may_do_its_own_and_no_more(small_desk: Desk, role: str) -> None:
    async with small_desk.client(role) as client:
        for (method, path), allowed in MATRIX.items():
            if path.endswith("/stream") and role in allowed:
                continue
            answer = await client.request(method, _filled(path))
            assert (answer.status_code == 403) is (role not in allowed), (method, path, answer.text)
            assert answer.status_code != 401


def _filled(path: str) -> str:
    return path.replace("{c}", "lincoln").replace("{number}", "999999")


async def test_a_token_is_shown_once_and_kept_as_its_hash(desk: Desk) -> None:
    async with desk.client("admin") as client:
        made = (await client.post("/api/v1/tokens", json={"name": "Gate B", "role": "device"})).json()
        listed = await client.get("/api/v1/tokens")
    assert re.fullmatch(r"hw_[A-Za-z0-9_-]{43}", made["token"])
    assert made["token"] not in listed.text
    assert "hash" not in listed.text
    assert listed.json()["items"][0] == {key: value for key, value in made.items() if key != "token"}
    async with desk.house.database.reading() as session:
        row = (await session.execute(select(TokenRow).where(TokenRow.id == made["id"]))).scalar_one()
        assert made["token"] not in row.hash
        assert len(row.hash) == 64
        deeds = await audit.find(session, subject=f"token:{made['id']}")
        assert [deed.action for deed in deeds] == ["token.create"]
        assert made["token"] not in deeds[0].detail


async def test_a_revoked_token_opens_nothing_and_ends_its_sessions(desk: Desk) -> None:
    async with desk.browser("sro") as browser, desk.client("sro") as client, desk.client("admin") as admin:
        assert (await browser.get("/")).status_code == 200
        items = (await admin.get("/api/v1/tokens")).json()["items"]
        number = next(each["id"] for each in items if each["role"] == "sro")
        assert (await admin.delete(f"/api/v1/tokens/{number}")).status_code == 204
        assert (await client.get("/api/v1/alerts")).status_code == 401
        assert (await browser.get("/")).headers["Location"] == "/login?next=%2F"
        assert (await admin.delete(f"/api/v1/tokens/{number}")).status_code == 204
        assert (await admin.delete("/api/v1/tokens/999999")).status_code == 404


async def test_a_token_ends_when_it_says(desk: Desk, clock: ManualClock) -> None:
    async with desk.client("admin") as admin:
        said = {"name": "substitute", "role": "viewer", "expires_at": "2026-11-24T15:00:00Z"}
        token = (await admin.post("/api/v1/tokens", json=said)).json()["token"]
        past = await admin.post("/api/v1/tokens", json=said | {"expires_at": "2026-11-24T13:59:59Z"})
    assert past.status_code == 422
    assert past.json()["problems"] == [{"where": "expires_at", "message": "lies in the past", "line": None}]
    async with desk.client() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        assert (await client.get("/api/v1/alerts")).status_code == 200
        clock.jump(3600)
        assert (await client.get("/api/v1/alerts")).status_code == 401


async def test_the_last_use_is_noted_once_a_minute(desk: Desk, clock: ManualClock) -> None:
    async def last_used() -> object:
        async with desk.house.database.reading() as session:
            query = select(TokenRow.last_used_at).where(TokenRow.role == "viewer")
            return (await session.execute(query)).scalar_one()

    assert await last_used() is None
    async with desk.client("viewer") as client:
        await client.get("/api/v1/alerts")
        first = clock.now()
        clock.jump(30)
        await client.get("/api/v1/alerts")
        assert await last_used() == first
        clock.jump(30)
        await client.get("/api/v1/alerts")
        assert await last_used() == first + timedelta(seconds=60)


async def test_a_write_that_also_notes_the_caller_does_not_wait_for_itself(desk: Desk) -> None:
    async with desk.client("admin") as client:
        answer = await client.post("/api/v1/tokens", json={"name": "x", "role": "viewer"})
    assert answer.status_code == 201


async def test_signing_in_makes_a_cookie_that_scripts_and_other_sites_cannot_use(desk: Desk) -> None:
    async with desk.client() as client:
        answer = await client.post("/login", data={"token": f"  {desk.tokens['viewer']} ", "next": "/alerts/3"})
        secure = await client.post("https://hallwatch.test/login", data={"token": desk.tokens["viewer"]})
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/alerts/3"
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert f"max-age={int(LASTS.total_seconds())}" in cookie
    assert desk.tokens["viewer"] not in cookie
    assert "secure" not in cookie
    assert "secure" in secure.headers["Set-Cookie"].lower()


@pytest.mark.parametrize("following", ["//evil.example/", "https://evil.example", "/\\evil.example", "x", "/\r\nX: y"])
async def test_signing_in_never_leads_away(small_desk: Desk, following: str) -> None:
    async with small_desk.client() as client:
        answer = await client.post("/login", data={"token": small_desk.tokens["viewer"], "next": following})
    assert answer.headers["Location"] == "/"


async def test_a_wrong_token_is_refused_in_words(desk: Desk) -> None:
    async with desk.client() as client:
        wrong = await client.post("/login", data={"token": "hw_" + "x" * 43})
        device = await client.post("/login", data={"token": desk.tokens["device"]})
        other_site = await client.post(
            "/login", data={"token": desk.tokens["viewer"]}, headers={"Sec-Fetch-Site": "cross-site"}
        )
    assert wrong.status_code == 401
    assert "not valid" in wrong.text
    assert device.status_code == 403
    assert "may only send messages" in device.text
    assert other_site.status_code == 403
    assert not any("Set-Cookie" in answer.headers for answer in (wrong, device, other_site))


async def test_guessing_is_slowed_down_and_a_right_token_never_turned_away(desk: Desk, clock: ManualClock) -> None:
    async with desk.client() as client:
        for _ in range(LIMIT):
            assert (await client.post("/login", data={"token": "guess"})).status_code == 401
        too_many = await client.post("/login", data={"token": "guess"})
        assert too_many.status_code == 429
        assert 0 < int(too_many.headers["Retry-After"]) <= 300
        api = await client.get("/api/v1/alerts", headers={"Authorization": "Bearer guess"})
        assert api.status_code == 429
        assert api.headers["Content-Type"] == "application/problem+json"
        assert int(api.headers["Retry-After"]) > 0
        assert (await client.post("/login", data={"token": desk.tokens["sro"]})).status_code == 303
        client.cookies.clear()
        clock.jump(301)
        assert (await client.post("/login", data={"token": "guess"})).status_code == 401


async def test_a_change_by_cookie_needs_the_pages_own_proof(desk: Desk) -> None:
    said = {"state": "hold"}
    async with desk.browser("sro") as browser, desk.browser("sro") as other:
        proof, foreign = await _proof(browser), await _proof(other)
        for wrong in ({}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": foreign}):
            answer = await browser.post("/api/v1/campuses/lincoln/state", json=said, headers=wrong)
            assert answer.status_code == 403
            assert "load the page again" in answer.json()["detail"]
        right = await browser.post("/api/v1/campuses/lincoln/state", json=said, headers={"X-CSRF-Token": proof})
        assert right.status_code == 200
        assert (await browser.post("/logout", data={"csrf": "x"})).status_code == 403
        assert (await browser.post("/logout", data={"csrf": proof})).headers["Location"] == "/login"
        assert COOKIE not in browser.cookies
        assert (await browser.get("/")).status_code == 303
        assert (await other.get("/")).status_code == 200


async def test_a_form_by_cookie_to_the_api_is_read_twice_without_harm(small_desk: Desk) -> None:
    async with small_desk.browser("admin") as browser:
        proof = await _proof(browser)
        answer = await browser.post("/api/v1/messages", data={"csrf": proof})
    assert answer.status_code == 422
    assert "not JSON" in answer.json()["detail"]


async def test_a_session_ends_after_twelve_hours(desk: Desk, clock: ManualClock) -> None:
    async with desk.browser("viewer") as browser:
        clock.jump(LASTS - timedelta(seconds=1))
        assert (await browser.get("/")).status_code == 200
        clock.jump(1)
        assert (await browser.get("/")).status_code == 303
        for _ in range(LIMIT + 2):
            assert (await browser.get("/api/v1/alerts")).status_code == 401


async def test_only_bearer_is_understood(small_desk: Desk) -> None:
    async with small_desk.client() as client:
        for header in ("Basic abc", "Bearer", "bearer ", small_desk.tokens["admin"]):
            answer = await client.get("/api/v1/alerts", headers={"Authorization": header})
            assert answer.status_code == 401, header


async def test_no_form_of_any_page_is_taken_without_its_proof(small_desk: Desk) -> None:
    forms = [path for method, path in MATRIX if method == "POST" and not path.startswith("/api/")]
    assert len(forms) > 40
    async with small_desk.browser("admin") as browser:
        for path in forms:
            address = re.sub(r"\{\w+\}", "1", path.replace("{c}", "lincoln"))
            for proof in ({}, {"csrf": "0" * 64}):
                assert (await browser.post(address, data=proof)).status_code == 403, path


async def _proof(browser: httpx.AsyncClient) -> str:
    page = (await browser.get("/")).text
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]
