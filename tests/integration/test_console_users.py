"""Users and tokens on their pages, and one's own sign-in: secrets are shown once, and nobody is changed unseen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from api import totp, users
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.integration.test_api_pages import in_one_line
from tests.integration.test_console_devices import proof, see
from tests.unit.api.house import Desk, build_house, open_desk

PASSWORD = "four words nobody combines"


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


@asynccontextmanager
async def reyes(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which Officer Reyes has signed in with a password."""
    async with desk.house.database.transaction() as session:
        await users.add(session, name="reyes", role="sro", password=PASSWORD, now=desk.house.clock.now())
    async with desk.client() as client:
        client.headers["Accept"] = "text/html"
        answer = await client.post("/login", data={"name": "Reyes", "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        yield client


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return found[1].replace("&#34;", '"')


async def test_a_user_is_made_and_listed(desk: Desk) -> None:
    assert "No user yet" in await see(desk, "/users", "admin")
    async with desk.browser("admin") as browser:
        said = {"csrf": await proof(browser), "name": "Reyes@district.example", "role": "sro", "password": PASSWORD}
        made = await browser.post("/users", data=said, follow_redirects=True)
        twice = await browser.post("/users", data=said)
        headers = {"Accept": "application/json"}
        weak = await browser.post("/users", data=said | {"name": "x", "password": "password"}, headers=headers)
    text = in_one_line(made.text)
    assert "reyes@district.example may sign in as sro." in text
    assert "answers alerts, and declares Hold, Secure, Lockdown everywhere by password never" in text
    assert PASSWORD not in made.text
    assert twice.status_code == 409
    assert weak.json()["problems"][0]["where"] == "password"


async def test_a_user_is_changed_switched_off_and_on_and_never_unseen(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        csrf = await proof(browser)
        await browser.post("/users", data={"csrf": csrf, "name": "reyes", "role": "sro", "password": PASSWORD})
        tag = hidden((await browser.get("/users/1")).text, "tag")
        said = {"csrf": csrf, "tag": tag, "role": "viewer", "campuses": ["lincoln"]}
        changed = await browser.post("/users/1", data=said, follow_redirects=True)
        stale = await browser.post("/users/1", data=said | {"role": "admin", "everywhere": "true"})
        off = await browser.post(
            "/users/1/switch", data={"csrf": csrf, "tag": hidden(changed.text, "tag")}, follow_redirects=True
        )
        on = await browser.post(
            "/users/1/switch", data={"csrf": csrf, "tag": hidden(off.text, "tag"), "on": "true"}, follow_redirects=True
        )
    assert "viewer: looks Where lincoln" in in_one_line(changed.text)
    assert stale.status_code == 412
    assert "it has changed since it was read" in stale.text
    assert "reyes is switched off and signed out" in in_one_line(off.text)
    assert "reyes may sign in again" in in_one_line(on.text)


async def test_a_token_is_shown_once_on_the_answer_and_nowhere_else(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        said = {"csrf": await proof(browser), "name": "Gate <b>B</b>", "role": "device", "last_day": "2026-12-24"}
        made = await browser.post("/users/tokens", data=said)
        later = (await browser.get("/users/tokens")).text
        yesterday = await browser.post("/users/tokens", data=said | {"last_day": "2026-11-23"})
    found = re.search(r'id="secret">(hw_[\w-]{43})<', made.text)
    assert made.status_code == 200
    assert found
    assert found[1] not in str(made.headers)
    assert found[1] not in str(made.url)
    assert made.headers["Cache-Control"] == "no-store"
    assert found[1] not in later
    assert "Gate &lt;b&gt;B&lt;/b&gt;" in later
    assert "Fri 25 Dec 00:00" in in_one_line(later)
    assert yesterday.status_code == 422
    async with desk.client() as client:
        headers = {"Authorization": f"Bearer {found[1]}"}
        assert (await client.get("/api/v1/me", headers=headers)).json()["role"] == "device"


async def test_a_token_is_revoked(desk: Desk) -> None:
    async with desk.browser("admin") as browser:
        page = (await browser.get("/users/tokens")).text
        number = re.findall(r'action="/users/tokens/(\d+)/revoke"', page)[0]
        answer = await browser.post(
            f"/users/tokens/{number}/revoke", data={"csrf": hidden(page, "csrf")}, follow_redirects=True
        )
    assert "The token opens nothing any more" in answer.text
    assert "revoked" in answer.text


async def test_whoever_came_with_a_token_is_told_what_that_means(desk: Desk) -> None:
    page = in_one_line(await see(desk, "/me"))
    assert "the viewer, by a token" in page
    assert "Ask an administrator to make you a user" in page
    assert "for users who sign in with a password" in await see(desk, "/me/phone")


async def test_ones_own_password_is_changed_and_every_sign_in_ends(desk: Desk) -> None:
    other = "entirely different nice words"
    async with reyes(desk) as browser:
        csrf = await proof(browser, "/me")
        said = {"csrf": csrf, "present": PASSWORD, "new": other, "again": other}
        unlike = await browser.post("/me/password", data=said | {"again": "another"})
        wrong = await browser.post("/me/password", data=said | {"present": "no"}, headers={"Accept": "a/json"})
        changed = await browser.post("/me/password", data=said, follow_redirects=True)
        gone = await browser.get("/me")
        back = await browser.post("/login", data={"name": "reyes", "password": other})
    assert unlike.status_code == 422
    assert wrong.json()["problems"][0]["where"] == "password"
    assert changed.url.path == "/login"
    assert "Your password is changed. Sign in with the new one." in changed.text
    assert gone.status_code == 303
    assert back.status_code == 303


async def test_a_code_from_a_phone_is_set_up_asked_for_and_switched_off(desk: Desk, clock: ManualClock) -> None:
    async with reyes(desk) as browser:
        proven = {"csrf": await proof(browser, "/me"), "password": PASSWORD}
        offered = await browser.post("/me/phone", data=proven)
        secret = hidden(offered.text, "secret")
        code = totp.code_at(secret, int(clock.now().timestamp()) // totp.STEP_S)
        wrong = await browser.post("/me/phone/code", data=proven | {"secret": secret, "code": "000000"})
        taken = await browser.post(
            "/me/phone/code", data=proven | {"secret": secret, "code": code}, follow_redirects=True
        )
        without = await browser.post("/login", data={"name": "reyes", "password": PASSWORD})
        off = await browser.post("/me/phone/off", data=proven, follow_redirects=True)
    assert '<svg viewBox="0 0 ' in offered.text
    assert "style=" not in offered.text
    assert secret not in str(offered.headers)
    assert wrong.status_code == 422
    assert "you sign in with a code from your phone as well" in taken.text
    assert without.status_code == 401
    assert "No code is asked for any more." in off.text


async def test_a_sign_in_left_elsewhere_is_ended(desk: Desk) -> None:
    async with desk.browser("sro") as left, desk.browser("sro") as here:
        page = (await here.get("/me")).text
        (number,) = re.findall(r'action="/me/sessions/(\d+)/end"', page)
        answer = await here.post(
            f"/me/sessions/{number}/end", data={"csrf": hidden(page, "csrf")}, follow_redirects=True
        )
        assert "That sign-in is over." in answer.text
        assert (await left.get("/")).status_code == 303


async def test_the_way_to_sign_in_that_people_have_comes_first(desk: Desk) -> None:
    async with desk.client() as client:
        before = (await client.get("/login")).text
        async with desk.house.database.transaction() as session:
            await users.add(session, name="reyes", role="sro", password=PASSWORD, now=desk.house.clock.now())
        after = (await client.get("/login")).text
        failed = (await client.post("/login", data={"token": "hw_no"})).text
    assert 'id="by-name"' in before
    assert 'id="by-token">' in after
    assert after.index('name="password"') < after.index('name="token"')
    assert 'id="by-token" open>' in failed


async def test_the_console_can_be_installed(desk: Desk) -> None:
    async with desk.client() as client:
        answer = await client.get("/manifest.webmanifest")
        said = answer.json()
        page = (await client.get("/login")).text
        icons = [await client.get(icon["src"]) for icon in said["icons"]]
        touch = re.search(r'rel="apple-touch-icon" href="([^"]+)"', page)
        assert touch
        assert (await client.get(touch[1])).headers["content-type"] == "image/png"
    assert answer.headers["content-type"] == "application/manifest+json"
    assert (said["display"], said["start_url"]) == ("standalone", "/")
    assert 'rel="manifest" href="/manifest.webmanifest"' in page
    for icon, picture in zip(said["icons"], icons, strict=True):
        width, height = (int.from_bytes(picture.content[at : at + 4], "big") for at in (16, 20))
        assert f"{width}x{height}" == icon["sizes"]
