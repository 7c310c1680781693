"""Users with passwords and codes, their sign-ins, tokens for some campuses, and writes that are done once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api import access, totp, users
from api.attempts import LIMIT, Rates
from api.idempotency import HEADER, KeptRow
from api.sessions import COOKIE, LASTS, SessionRow
from core import audit
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.campuses import LINCOLN
from tests.integration.test_api_alerts import find
from tests.unit.api.house import Desk, build_house, open_desk

PASSWORD = "the tall grey heron waits"
NEW = "seven lamps over the canal"


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus, washington()))


@pytest.fixture
async def small_desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus, washington()))


def washington() -> Campus:
    """A second school, whose things nobody of the first may see."""
    plain: dict[str, Any] = json.loads(json.dumps(LINCOLN).replace("gym-east", "planted-east"))
    plain["campus"] = {"id": "washington", "name": "Planted Washington", "timezone": "America/New_York"}
    return Campus.model_validate(plain)


async def add(desk: Desk, name: str = "reyes@district.example", role: str = "sro", **more: Any) -> int:
    async with desk.client("admin") as admin:
        made = await admin.post("/api/v1/users", json={"name": name, "role": role, "password": PASSWORD, **more})
    assert made.status_code == 201, made.text
    return int(made.json()["id"])


async def sign_in(
    client: httpx.AsyncClient, name: str = "reyes@district.example", password: str = PASSWORD, code: str = ""
) -> httpx.Response:
    client.cookies.clear()
    return await client.post("/login", data={"name": name, "password": password, "code": code})


async def proof(client: httpx.AsyncClient) -> dict[str, str]:
    page = (await client.get("/", headers={"Accept": "text/html"})).text
    return {"X-CSRF-Token": page.partition('name="csrf" value="')[2].partition('"')[0]}


async def test_a_user_signs_in_with_a_name_and_a_password(desk: Desk) -> None:
    number = await add(desk)
    async with desk.client() as client:
        answer = await sign_in(client, "  Reyes@District.Example ")
        assert answer.status_code == 303, answer.text
        assert "httponly" in answer.headers["Set-Cookie"].lower()
        assert (await client.get("/api/v1/me")).json() == {
            "kind": "user",
            "name": "reyes@district.example",
            "role": "sro",
            "campuses": None,
            "may": ["answer", "declare", "read"],
        }
    async with desk.house.database.reading() as session:
        row = await users.get(session, number)
        assert (row.password or "").startswith("$argon2id$")
        assert PASSWORD not in (row.password or "")
        deeds = [(deed.actor, deed.action) for deed in await audit.find(session)]
    assert deeds == [("user:reyes@district.example", "sign_in"), ("token:the admin", "user.add")]


async def test_what_is_wrong_is_never_said(desk: Desk) -> None:
    await add(desk)
    async with desk.client() as client:
        said = [
            await sign_in(client, password="wrong password, quite long"),
            await sign_in(client, name="nobody@district.example"),
            await sign_in(client, password=""),
        ]
    assert {answer.status_code for answer in said} == {401}
    assert all(users.WRONG in answer.text and "Set-Cookie" not in answer.headers for answer in said)


@pytest.mark.parametrize("bad", ["short", "aaaaaaaaaaaaaaaa", "my password 2026", "x" * 129, "reyes@district.example!"])
async def test_a_password_that_is_easy_to_guess_is_refused(small_desk: Desk, bad: str) -> None:
    async with small_desk.client("admin") as admin:
        said = {"name": "reyes@district.example", "role": "sro", "password": bad}
        answer = await admin.post("/api/v1/users", json=said)
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["where"] == "password"
    assert bad not in answer.text


async def test_guessing_a_password_is_slow_for_the_address_and_for_the_name(
    small_desk: Desk, clock: ManualClock
) -> None:
    await add(small_desk)
    async with small_desk.client() as client:
        for _ in range(LIMIT):
            assert (await sign_in(client, password="guess")).status_code == 401
        assert (await sign_in(client, password="guess")).status_code == 429
        # The right one is not told from a wrong one meanwhile; a right token still opens.
        assert (await sign_in(client)).status_code == 429
        assert (await client.post("/login", data={"token": small_desk.tokens["sro"]})).status_code == 303
        clock.jump(301)
        assert (await sign_in(client)).status_code == 303


async def test_a_code_from_a_phone_is_asked_for_and_counts_once(desk: Desk, clock: ManualClock) -> None:
    number = await add(desk)
    async with desk.client() as client:
        await sign_in(client)
        headers = await proof(client)
        offered = (await client.post("/api/v1/me/totp", json={"password": PASSWORD}, headers=headers)).json()
        assert offered["address"].startswith("otpauth://totp/Hallwatch:reyes%40district.example?secret=")
        secret = offered["secret"]
        step = int(clock.now().timestamp()) // 30
        said = {"password": PASSWORD, "secret": secret, "code": totp.code_at(secret, step)}
        wrong = await client.put("/api/v1/me/totp", json=said | {"code": "000000"}, headers=headers)
        assert wrong.json()["problems"][0]["where"] == "code"
        assert (await client.put("/api/v1/me/totp", json=said, headers=headers)).status_code == 204
        assert (await sign_in(client)).status_code == 401
        assert (await sign_in(client, code=said["code"])).status_code == 401, "it was used to set the phone up"
        clock.jump(60)
        fresh = totp.code_at(secret, step + 2)
        assert (await sign_in(client, code=f"{fresh[:3]} {fresh[3:]}")).status_code == 303
        assert (await sign_in(client, code=fresh)).status_code == 401
    async with desk.house.database.reading() as session:
        assert secret not in ((await users.get(session, number)).totp or "")
    async with desk.client("admin") as admin, desk.client() as client:
        assert (await admin.patch(f"/api/v1/users/{number}", json={"totp": "off"})).status_code == 200
        assert (await sign_in(client)).status_code == 303


def test_codes_are_those_of_the_standard() -> None:
    # RFC 6238, appendix B, SHA-1, the last six of eight digits.
    import base64

    secret = base64.b32encode(b"12345678901234567890").decode()
    assert [totp.code_at(secret, at // 30) for at in (59, 1111111109, 20000000000)] == ["287082", "081804", "353130"]


async def test_a_new_password_ends_every_sign_in(desk: Desk) -> None:
    await add(desk)
    async with desk.client() as client, desk.client() as elsewhere:
        await sign_in(elsewhere)
        await sign_in(client)
        headers = await proof(client)
        wrong = await client.post("/api/v1/me/password", json={"present": "x", "new": NEW}, headers=headers)
        assert wrong.json()["problems"][0]["where"] == "password"
        weak = await client.post("/api/v1/me/password", json={"present": PASSWORD, "new": "x"}, headers=headers)
        assert weak.json()["problems"][0]["where"] == "new"
        done = await client.post("/api/v1/me/password", json={"present": PASSWORD, "new": NEW}, headers=headers)
        assert done.status_code == 204
        assert (await elsewhere.get("/api/v1/me")).status_code == 401
        assert (await sign_in(client)).status_code == 401
        assert (await sign_in(client, password=NEW)).status_code == 303


async def test_a_user_who_is_switched_off_is_out_at_once_and_the_last_administrator_stays(desk: Desk) -> None:
    number, only = await add(desk), await add(desk, "okafor@district.example", "admin")
    async with desk.client("admin") as admin, desk.client() as client:
        await sign_in(client)
        shown = await admin.get(f"/api/v1/users/{number}")
        assert (await admin.delete(f"/api/v1/users/{number}", headers={"If-Match": '"old"'})).status_code == 412
        answer = await admin.delete(f"/api/v1/users/{number}", headers={"If-Match": shown.headers["ETag"]})
        assert answer.status_code == 204
        assert (await client.get("/api/v1/me")).status_code == 401
        assert (await sign_in(client)).status_code == 401
        back = await admin.patch(f"/api/v1/users/{number}", json={"disabled": False, "role": "viewer"})
        assert back.json()["disabled_at"] is None
        assert (await sign_in(client)).status_code == 303
        assert (await client.get("/api/v1/me")).json()["role"] == "viewer"
        for change in ({"disabled": True}, {"role": "viewer"}, {"campuses": ["lincoln"]}):
            assert (await admin.patch(f"/api/v1/users/{only}", json=change)).status_code == 409
        assert (await admin.delete(f"/api/v1/users/{only}")).status_code == 409
        assert (
            await admin.post("/api/v1/users", json={"name": "OKAFOR@district.example", "role": "sro"})
        ).status_code == 409
        listed = (await admin.get("/api/v1/users")).text
    assert "argon2" not in listed
    assert "totp_used" not in listed


async def test_signing_out_ends_the_session_for_good(desk: Desk) -> None:
    await add(desk)
    async with desk.client() as client, desk.client() as other:
        await sign_in(client)
        await sign_in(other)
        cookie = client.cookies[COOKIE]
        mine = (await client.get("/api/v1/sessions")).json()["items"]
        assert [each["here"] for each in mine] == [False, True]
        headers = await proof(client)
        assert (await client.delete(f"/api/v1/sessions/{mine[0]['id']}", headers=headers)).status_code == 204
        assert (await other.get("/api/v1/me")).status_code == 401
        assert (await client.delete("/api/v1/sessions/999999", headers=headers)).status_code == 404
        await client.post("/logout", data={"csrf": headers["X-CSRF-Token"]})
        assert (await client.get("/api/v1/me", headers={"Cookie": f"{COOKIE}={cookie}"})).status_code == 401
    async with desk.house.database.reading() as session:
        kept = (await session.execute(select(SessionRow.hash))).scalars().all()
    assert cookie not in "".join(kept)


async def test_a_session_of_another_cannot_be_ended_and_old_ones_are_forgotten(
    small_desk: Desk, clock: ManualClock
) -> None:
    async with small_desk.browser("viewer") as viewer, small_desk.browser("sro") as sro:
        (theirs,) = (await viewer.get("/api/v1/sessions")).json()["items"]
        answer = await sro.delete(f"/api/v1/sessions/{theirs['id']}", headers=await proof(sro))
        assert answer.status_code == 404
    clock.jump(2 * LASTS + timedelta(minutes=1))
    async with small_desk.browser("viewer"), small_desk.house.database.reading() as session:
        assert len((await session.execute(select(SessionRow))).scalars().all()) == 1


async def test_a_cookie_that_was_made_up_opens_nothing(small_desk: Desk) -> None:
    async with small_desk.client() as client:
        for cookie in ("", "x", "a.b.c", "\N{SNOWMAN}".encode().decode("latin-1"), "A" * 5000):
            answer = await client.get("/api/v1/me", headers=[(b"Cookie", f"{COOKIE}={cookie}".encode("latin-1"))])
            assert answer.status_code == 401, cookie


# ------------------------------------------------------------------------------------------------ some campuses only
async def scoped(desk: Desk, role: str, *campuses: str) -> dict[str, str]:
    async with desk.house.database.transaction() as session:
        now = desk.house.clock.now()
        token = await access.create_token(session, name=f"{role} of one", role=role, campuses=campuses, now=now)
    return {"Authorization": f"Bearer {token}"}


async def test_whoever_is_here_for_one_campus_sees_nothing_of_another(desk: Desk) -> None:
    async with desk.client("admin") as admin:
        for campus, door in (("lincoln", "gym-east"), ("washington", "planted-east")):
            said = {"topic": f"campus/{campus}/door/{door}", "payload": {"position": "open"}}
            assert (await admin.post("/api/v1/messages", json=said)).json()["accepted"] == 1
            bad = {"topic": f"campus/{campus}/door/{door}", "payload": {"position": f"ajar at {door}"}}
            await admin.post("/api/v1/messages", json=bad)
        full = (await admin.get("/api/v1/messages")).json()["items"]
        assert {each["campus"] for each in full} == {"lincoln", "washington"}
    headers = await scoped(desk, "viewer", "lincoln")
    async with desk.client() as client:
        client.headers.update(headers)
        assert {each["campus"] for each in (await client.get("/api/v1/messages")).json()["items"]} == {"lincoln"}
        assert (await client.get("/api/v1/messages", params={"campus": "washington"})).json()["items"] == []
        paths = desk.app.openapi()["paths"]
        for path in [path for path, methods in paths.items() if "get" in methods and not path.endswith("/stream")]:
            for campus in ("lincoln", "washington"):
                answer = await client.get(path.replace("{c}", campus), params={"campus": campus})
                assert "lanted" not in answer.text, (path, answer.text)
                if "{c}" in path and campus == "washington":
                    assert answer.status_code in (404, 422), path
        assert (await client.get("/api/v1/campuses/washington")).status_code == 404
        board = (await client.get("/", headers={"Accept": "text/html"})).text
        assert "Planted Washington" not in board
        assert "Lincoln" in board


async def test_a_device_of_one_campus_speaks_for_no_other(small_desk: Desk) -> None:
    headers = await scoped(small_desk, "device", "lincoln")
    async with small_desk.client() as client:
        client.headers.update(headers)
        for topic, status in (
            ("campus/lincoln/door/gym-east", 202),
            ("campus/washington/door/planted-east", 403),
            ("zigbee2mqtt/Gym East", 403),
            ("campus/lincolnshire/door/x", 403),
        ):
            answer = await client.post("/api/v1/messages", json={"topic": topic, "payload": {"position": "open"}})
            assert answer.status_code == status, topic


async def test_an_administrator_of_one_campus_changes_that_one_alone(small_desk: Desk) -> None:
    headers = await scoped(small_desk, "admin", "lincoln")
    zone = {"name": "Annex"}
    async with small_desk.client() as client:
        client.headers.update(headers)
        assert (await client.put("/api/v1/campuses/lincoln/zones/annex", json=zone)).status_code == 200
        assert (await client.put("/api/v1/campuses/washington/zones/annex", json=zone)).status_code == 404
        for method, path in (("GET", "/api/v1/tokens"), ("POST", "/api/v1/users"), ("PUT", "/api/v1/mappings/x")):
            answer = await client.request(method, path, json={"name": "x", "role": "admin"})
            assert answer.status_code == 403
            assert "you are here for lincoln" in answer.json()["detail"]
        made = await client.put("/api/v1/campuses/other", json={"campus": {"id": "other", "name": "x"}})
        assert made.status_code == 403


# ------------------------------------------------------------------------------------------------ once, and how often
async def test_the_same_write_with_the_same_key_is_done_once(desk: Desk) -> None:
    said = {"name": "Gate B", "role": "device"}
    async with desk.client("admin") as admin:
        first = await admin.post("/api/v1/tokens", json=said, headers={HEADER: "k-1"})
        again = await admin.post("/api/v1/tokens", json=said, headers={HEADER: "k-1"})
        other = await admin.post("/api/v1/tokens", json=said | {"name": "Gate C"}, headers={HEADER: "k-1"})
        listed = (await admin.get("/api/v1/tokens")).json()["items"]
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, again.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert other.status_code == 422
    assert other.json()["problems"][0]["where"] == HEADER
    assert [each["name"] for each in listed].count("Gate B") == 1
    async with desk.house.database.reading() as session:
        (row,) = (await session.execute(select(KeptRow))).scalars()
        assert first.json()["token"] not in (row.answer or ""), "it holds a secret and is sealed"


async def test_twenty_at_once_with_one_key_are_one(desk: Desk) -> None:
    said = {"name": "Gate B", "role": "device"}
    async with desk.client("admin") as admin:
        answers = await asyncio.gather(
            *(admin.post("/api/v1/tokens", json=said, headers={HEADER: "k"}) for _ in range(20))
        )
        listed = (await admin.get("/api/v1/tokens")).json()["items"]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert [each["name"] for each in listed].count("Gate B") == 1


async def test_a_write_that_was_refused_gives_its_key_back(desk: Desk) -> None:
    async with desk.client("admin") as admin:
        bad = await admin.post("/api/v1/tokens", json={"name": "x", "role": "king"}, headers={HEADER: "k"})
        good = await admin.post("/api/v1/tokens", json={"name": "x", "role": "device"}, headers={HEADER: "k"})
    assert (bad.status_code, good.status_code) == (422, 201)


async def test_a_key_is_its_callers_own_and_lasts_a_day(desk: Desk, clock: ManualClock) -> None:
    said = {"state": "hold"}
    async with desk.client("admin") as admin, desk.client("sro") as sro, desk.client() as nobody:
        path = "/api/v1/campuses/lincoln/state"
        assert (await admin.post(path, json=said, headers={HEADER: "k"})).status_code == 200
        mine = await sro.post(path, json=said, headers={HEADER: "k"})
        assert "Idempotent-Replayed" not in mine.headers
        assert (await nobody.post(path, json=said, headers={HEADER: "k"})).status_code == 401
        clock.jump(timedelta(hours=24, seconds=1))
        later = await admin.post(path, json=said, headers={HEADER: "k"})
        assert "Idempotent-Replayed" not in later.headers
        for bad in ("", "x" * 201):
            assert (await admin.post(path, json=said, headers={HEADER: bad})).status_code == 422


async def test_a_caller_who_asks_too_fast_is_told_to_wait(small_desk: Desk, clock: ManualClock) -> None:
    rates = Rates(a_second=2)
    object.__setattr__(small_desk.house, "rates", rates)
    async with small_desk.client("viewer") as viewer, small_desk.client("sro") as sro:
        said = [(await viewer.get("/api/v1/me")).status_code for _ in range(41)]
        assert said == [200] * 40 + [429]
        assert (await viewer.get("/api/v1/me")).headers["Retry-After"] == "1"
        assert (await sro.get("/api/v1/me")).status_code == 200
        clock.jump(1)
        assert [(await viewer.get("/api/v1/me")).status_code for _ in range(3)] == [200, 200, 429]


async def test_an_alert_of_another_campus_is_not_there_to_be_answered(desk: Desk) -> None:
    mine, other = await find(desk), await find(desk, campus="washington", key="planted-east")
    headers = await scoped(desk, "sro", "lincoln")
    async with desk.client() as client:
        client.headers.update(headers)
        listed = (await client.get("/api/v1/alerts")).json()["items"]
        assert [each["id"] for each in listed] == [mine]
        assert (await client.get(f"/api/v1/alerts/{other}")).status_code == 404
        for answer in ("ack", "on-scene"):
            assert (await client.post(f"/api/v1/alerts/{other}/{answer}")).status_code == 404
        assert (await client.post(f"/api/v1/alerts/{other}/note", json={"text": "x"})).status_code == 404
        said = {"disposition": "real", "note": "x"}
        assert (await client.post(f"/api/v1/alerts/{other}/resolve", json=said)).status_code == 404
        assert (await client.post(f"/api/v1/alerts/{mine}/ack")).status_code == 200
