"""Signing in at the district's provider: a real one over HTTP, which a test lets say what is right, or is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey

from api import oidc, users
from api.server import create_api
from api.sessions import COOKIE
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.errors import BadInput
from core.settings import load
from core.vault import Vault
from tests.provider import LocalProvider
from tests.unit.api.house import Desk, build_house, open_desk

NAME = "Reyes@district.example"


@pytest.fixture
async def provider() -> AsyncIterator[LocalProvider]:
    local = LocalProvider()
    async with local.serve():
        yield local


@pytest.fixture
async def desk(
    sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus, provider: LocalProvider
) -> Desk:
    house, corridor = build_house(sqlite_database, clock, vault, campus)
    settings = house.settings.model_copy(
        update={
            "oidc_issuer": provider.issuer,
            "oidc_client_id": provider.client,
            "oidc_client_secret": provider.secret,
            "oidc_name": "District Google",
        }
    )
    object.__setattr__(house, "settings", settings)
    async with sqlite_database.transaction() as session:
        await users.add(session, name=NAME, role="sro", password=None, now=clock.now())
    found = await open_desk(house, corridor)
    found.app = create_api(house)
    return found


async def come_back(
    desk: Desk, client: httpx.AsyncClient, provider: LocalProvider, email: str = NAME, **said: Any
) -> httpx.Response:
    """Sign in at the provider and come back, as a browser does."""
    start = await client.get("/login/provider", params={"next": "/alerts/3"})
    assert start.status_code == 303, start.text
    address = start.headers["Location"]
    code = provider.authorized(address, email, int(desk.house.clock.now().timestamp()))
    state = httpx.URL(address).params["state"]
    return await client.get(oidc.CALLBACK, params={"code": code, "state": state} | said)


async def test_a_user_signs_in_at_the_provider(desk: Desk, provider: LocalProvider) -> None:
    async with desk.client() as client:
        assert "Sign in with District Google" in (await client.get("/login")).text
        answer = await come_back(desk, client, provider)
        assert answer.status_code == 200, answer.text
        assert 'content="0;url=/alerts/3"' in answer.text
        assert (await client.get("/api/v1/me")).json()["name"] == NAME.casefold()
        assert provider.asked[0]["redirect_uri"] == "https://hallwatch.example/login/provider/back"
        password = await client.post("/login", data={"name": NAME, "password": ""})
        assert password.status_code == 401, "a user without a password has none, not an empty one"


async def test_the_way_there_is_known_to_this_browser_alone(desk: Desk, provider: LocalProvider) -> None:
    async with desk.client() as client, desk.client() as other:
        start = await client.get("/login/provider", params={"next": "//evil.example"})
        cookie = start.headers["Set-Cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        state = httpx.URL(start.headers["Location"]).params["state"]
        stolen = await other.get(oidc.CALLBACK, params={"code": "a-code", "state": state})
        assert stolen.status_code == 401
        wrong = await come_back(desk, client, provider, state="x" * 43)
        assert wrong.status_code == 401
        assert COOKIE not in client.cookies
        assert provider.asked == []


async def test_whoever_is_no_user_here_stays_out(desk: Desk, provider: LocalProvider) -> None:
    async with desk.client() as client:
        answer = await come_back(desk, client, provider, "stranger@district.example")
        assert answer.status_code == 403
        assert "stranger@district.example is not a user here" in answer.text
        assert COOKIE not in client.cookies


@pytest.mark.parametrize(
    "lie",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email": None},
        {"aud": "another-client"},
        {"iss": "https://evil.example"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"azp": "another-client", "aud": ["hallwatch", "another-client"]},
    ],
    ids=str,
)
async def test_what_a_provider_says_is_checked(desk: Desk, provider: LocalProvider, lie: dict[str, Any]) -> None:
    provider.claims = lie
    async with desk.client() as client:
        answer = await come_back(desk, client, provider)
        assert answer.status_code == 401, answer.text
        assert COOKIE not in client.cookies


async def test_a_signature_of_somebody_else_is_worth_nothing(desk: Desk, provider: LocalProvider) -> None:
    public = provider.key.as_pem(private=False)
    for key, algorithm in (
        (RSAKey.generate_key(2048, {"kid": "k-1"}), "RS256"),
        (OctKey.import_key(provider.secret, {"kid": "k-1"}), "HS256"),
        (OctKey.import_key(public.replace(b"-----", b""), {"kid": "k-1"}), "HS256"),
    ):
        provider.signs_with, provider.algorithm = key, algorithm
        async with desk.client() as client:
            assert (await come_back(desk, client, provider)).status_code == 401


async def test_new_keys_of_the_provider_are_read(desk: Desk, provider: LocalProvider, clock: ManualClock) -> None:
    async with desk.client() as client:
        assert (await come_back(desk, client, provider)).status_code == 200
        provider.key = RSAKey.generate_key(2048, {"kid": "k-2"})
        clock.jump(3601)
        assert (await come_back(desk, client, provider)).status_code == 401, "signed as k-1, which is no more"


async def test_a_provider_that_is_away_is_said_so(desk: Desk, provider: LocalProvider) -> None:
    gone = oidc.Provider(desk.house.settings.model_copy(update={"oidc_issuer": "http://127.0.0.1:9"}), desk.house.vault)
    desk.app.state.provider = gone
    async with desk.client() as client:
        answer = await client.get("/login/provider")
    assert answer.status_code == 503
    assert "the sign-in provider: ConnectError" in answer.text


async def test_without_a_provider_there_is_no_such_way(
    sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus
) -> None:
    desk = await open_desk(*build_house(sqlite_database, clock, vault, campus))
    async with desk.client() as client:
        assert "Sign in with" not in (await client.get("/login")).text
        for path in ("/login/provider", oidc.CALLBACK):
            assert (await client.get(path)).status_code == 404


def test_half_a_provider_is_refused_at_the_start(tmp_path: Any) -> None:
    with pytest.raises(BadInput, match="belong together"):
        load({"HALLWATCH_OIDC_ISSUER": "https://accounts.example"}, toml=tmp_path / "none.toml")
