"""The rules over HTTP: looked at, changed within their bounds, and never made unsafe."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from core import audit
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from rules import store
from rules.document import MAX_TEST
from rules.rule import shipped
from tests.conftest import START
from tests.servers import ROOT
from tests.unit.api.house import Desk, build_house, open_desk
from tests.unit.rules.talk import rule_from

HELD: dict[str, Any] = {
    "id": "held",
    "title": "Held open",
    "scope": {"door": {"exterior": True}},
    "key": "door.id",
    "params": {"hold": {"type": "duration", "default": "60s", "min": "10s", "max": "30m"}},
    "hold": {"while": 'door.position == "open"', "for": "p.hold"},
    "severity": "severe",
    "tests": [
        {"at": "0s", "send": {"kind": "door.opened", "door": "d1"}},
        {"at": "1m1s", "expect": "firing"},
    ],
}
YAML = """
id: held
title: Held open
key: door.id
hold:
  while: door.positon == "open"
  for: 1m
severity: severe
"""


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


@pytest.fixture
async def admin(desk: Desk) -> Any:
    async with desk.client("admin", follow_redirects=False) as client:
        client.base_url = httpx.URL("http://hallwatch.test/api/v1/")
        yield client


async def put(admin: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    document = {**HELD, **changes}
    return await admin.put(f"rules/{document['id']}", json=document)


async def deeds(desk: Desk, rule: str = "held") -> list[tuple[str, str]]:
    async with desk.house.database.reading() as session:
        return [(row.actor, row.action) for row in reversed(await audit.find(session, subject=f"rule:{rule}"))]


# ----------------------------------------------------------------------------------------------------- looking
async def test_the_rules_are_listed_in_plain_english(
    database: Database, clock: ManualClock, vault: Vault, campus: Campus
) -> None:
    desk = await open_desk(*build_house(database, clock, vault, campus))
    async with desk.house.database.transaction() as session:
        await store.seed(session, shipped(), now=START)
    async with desk.client("viewer") as client:
        page = (await client.get("/api/v1/rules", params={"limit": 2})).json()
        rest = (await client.get("/api/v1/rules", params={"cursor": page["next"], "limit": 500})).json()
    ids = [rule["id"] for rule in page["items"] + rest["items"]]
    assert ids == sorted(rule.id for rule in shipped())
    assert rest["next"] is None
    for rule in page["items"]:
        assert rule["version"] == 1
        assert rule["mode"] in ("live", "shadow", "disabled")
        assert rule["title"] in rule["sentence"]
        assert rule["document"]["id"] == rule["id"]
        assert rule["health"] == ""


async def test_one_rule_shows_who_wrote_it_and_what_may_be_tuned(admin: httpx.AsyncClient) -> None:
    await put(admin)
    answer = await admin.get("rules/held")
    said = answer.json()
    assert answer.headers["ETag"] == '"1"'
    assert said["params"] == {"hold": "60s"}
    assert (said["created_by"], said["created_at"]) == ("token:the admin", "2026-11-24T14:00:00Z")
    assert (await admin.get("rules/nothing")).status_code == 404


async def test_a_rule_that_goes_wrong_says_so_in_the_list(desk: Desk, admin: httpx.AsyncClient) -> None:
    await put(admin)
    object.__setattr__(desk.house, "rule_health", lambda: {"held": "division by zero (3 times)"})
    (listed,) = (await admin.get("rules")).json()["items"]
    assert listed["health"] == (await admin.get("rules/held")).json()["health"] == "division by zero (3 times)"


async def test_viewers_look_and_do_not_touch(desk: Desk, admin: httpx.AsyncClient) -> None:
    await put(admin)
    async with desk.client("sro") as client:
        assert (await client.get("/api/v1/rules/held")).status_code == 200
        assert (await client.get("/api/v1/rules/lint")).status_code == 200
        for method, path in (
            ("PUT", "held"),
            ("DELETE", "held"),
            ("PATCH", "held/params"),
            ("POST", "held/mode"),
            ("POST", "held/rollback"),
            ("POST", "held/overrides"),
            ("DELETE", "held/overrides"),
            ("POST", "validate"),
            ("POST", "backtest"),
        ):
            answer = await client.request(method, f"/api/v1/rules/{path}", json={})
            assert answer.status_code == 403, path


# -------------------------------------------------------------------------------------------------------- saving
async def test_put_answers_version_sentence_and_warnings(desk: Desk, admin: httpx.AsyncClient) -> None:
    answer = await put(admin)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["version"] == 1
    assert said["sentence"] == "Held open: when the door is open, and stays so for 1m; severe."
    assert "heartbeat" in said["warnings"][0]["message"]
    assert answer.headers["ETag"] == '"1"'
    again = await put(admin)
    assert again.json()["version"] == 1, "the same again is no new version"
    assert await deeds(desk) == [("token:the admin", "rule.save")]
    assert (await put(admin, title="Held open for long")).json()["version"] == 2


async def test_a_refused_rule_names_field_and_column_and_leaves_the_old_one(admin: httpx.AsyncClient) -> None:
    await put(admin)
    wrong = {"while": 'door.position == "open" && door.colour == "red"', "for": "p.hodl"}
    answer = await put(admin, hold=wrong, severity="sever")
    assert answer.status_code == 422
    assert {each["where"] for each in answer.json()["problems"]} == {"severity"}
    problems = (await put(admin, hold=wrong)).json()["problems"]
    assert [(each["where"], each["message"][:9]) for each in problems] == [
        ("hold.while", "column 33"),
        ("hold.for", "column 3:"),
    ]
    assert (await admin.get("rules/held")).json()["version"] == 1


async def test_yaml_is_taken_too_and_problems_have_their_line(admin: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/yaml"}
    answer = await admin.put("rules/held", content=YAML, headers=headers)
    (problem,) = answer.json()["problems"]
    assert (problem["where"], problem["line"]) == ("hold.while", 6)
    assert "position" in problem["message"]
    answer = await admin.put("rules/held", content=YAML.replace("positon", "position"), headers=headers)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 422), (b"[]", 422), (b"", 422), (b"[" * 100_000, 422), (b'{"id": "other"}', 422)]
)
async def test_nonsense_is_refused(admin: httpx.AsyncClient, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    assert (await admin.put("rules/held", content=body, headers=headers)).status_code == status
    assert (await admin.put("rules/held", content=body, headers={"Content-Type": "text/yaml"})).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "rules/held/params", rb'{"hold": "\ud800"}'),
        ("PATCH", "rules/held/params", rb'{"\ud800": 1}'),
        ("PATCH", "rules/held/params", rb'{"params": {"hold": "90s"}, "reason": "\ud800"}'),
        ("POST", "rules/held/overrides", rb'{"scope": {"\ud800": {}}, "until": "2026-11-25T00:00:00Z", "reason": "x"}'),
        ("POST", "rules/backtest", rb'{"rule_id": "held", "sweep": {"hold": ["\ud800"]}}'),
        ("POST", "rules/backtest", rb'{"rule": {"id": "\ud800"}}'),
        ("PUT", "rules/held", rb'{"title": "\ud800"}'),
        ("GET", "rules/held?version=99999999999999999999", b""),
        ("GET", "rules/held/why?key=%00", b""),
    ],
)
async def test_characters_that_are_none_are_refused(
    admin: httpx.AsyncClient, method: str, path: str, body: bytes
) -> None:
    await put(admin)
    answer = await admin.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text


async def test_the_tests_of_a_rule_are_run_before_it_counts(admin: httpx.AsyncClient) -> None:
    tests = [*HELD["tests"][:1], {"at": "10s", "expect": "firing"}]
    answer = await put(admin, tests=tests)
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["where"] == "tests[1]"
    assert (await admin.get("rules/held")).status_code == 404


async def test_long_tests_are_run_aside_and_count_alike(admin: httpx.AsyncClient) -> None:
    days = [HELD["tests"][0], {"at": f"{MAX_TEST.days}d", "expect": "resolved"}]
    answer = await put(admin, tests=days)
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["where"] == "tests[1]"
    days[1]["expect"] = "firing"
    assert (await put(admin, tests=days)).status_code == 200


async def test_if_match_guards_an_edit(admin: httpx.AsyncClient) -> None:
    await put(admin)
    stale = {"If-Match": '"7"'}
    fresh = {"If-Match": '"1"'}
    assert (await admin.put("rules/held", json=HELD, headers=stale)).status_code == 412
    assert (await admin.patch("rules/held/params", json={"hold": "90s"}, headers=stale)).status_code == 412
    assert (await admin.delete("rules/held", headers=stale)).status_code == 412
    answer = await admin.patch("rules/held/params", json={"hold": "90s"}, headers=fresh)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert (await admin.put("rules/new", json={**HELD, "id": "new"}, headers={"If-Match": "*"})).status_code == 412


async def test_validate_says_the_same_and_saves_nothing(admin: httpx.AsyncClient) -> None:
    said = (await admin.post("rules/validate", json=HELD)).json()
    assert said["sentence"].startswith("Held open: when")
    answer = await admin.post("rules/validate", json={**HELD, "hold": {"while": "door.open", "for": "1m"}})
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["where"] == "hold.while"
    assert (await admin.get("rules/held")).status_code == 404


# --------------------------------------------------------------------------------------------- tuning and modes
async def test_parameters_are_tuned_within_their_bounds(desk: Desk, admin: httpx.AsyncClient) -> None:
    await put(admin)
    answer = await admin.patch("rules/held/params", json={"params": {"hold": "2m"}, "reason": "slow closer"})
    assert answer.json()["version"] == 2
    assert "2m" in answer.json()["sentence"]
    for values, words in (({"hold": "2h"}, "above the maximum of 30m"), ({"hodl": "2m"}, "did you mean 'hold'")):
        refused = await admin.patch("rules/held/params", json=values)
        assert refused.status_code == 422
        assert words in refused.json()["problems"][0]["message"]
    assert (await admin.patch("rules/nothing/params", json={"hold": "2m"})).status_code == 404
    async with desk.house.database.reading() as session:
        (row, *_) = await audit.find(session, subject="rule:held")
    assert row.action == "rule.params"
    assert "slow closer" in row.detail


async def test_a_rule_goes_into_shadow_and_back(desk: Desk, admin: httpx.AsyncClient) -> None:
    await put(admin)
    assert (await admin.post("rules/held/mode", json={"mode": "shadow"})).json()["version"] == 2
    assert (await admin.get("rules/held")).json()["mode"] == "shadow"
    assert (await admin.post("rules/held/mode", json={"mode": "off"})).status_code == 422
    await admin.post("rules/held/mode", json={"mode": "live", "reason": "quiet now"})
    assert (await admin.get("rules/held")).json()["mode"] == "live"
    assert [action for _, action in await deeds(desk)] == ["rule.save", "rule.mode", "rule.mode"]


async def test_a_life_safety_rule_is_never_off_without_an_end(admin: httpx.AsyncClient) -> None:
    await put(admin, severity="extreme")
    for mode in ("disabled", "shadow"):
        answer = await admin.post("rules/held/mode", json={"mode": mode})
        assert answer.status_code == 409
        assert "life-safety" in answer.json()["detail"]
        assert (await put(admin, severity="minor", mode=mode)).status_code == 409
    assert (await admin.delete("rules/held")).status_code == 409
    until = (START + timedelta(hours=2)).isoformat()
    assert (await admin.post("rules/held/mode", json={"mode": "disabled", "until": until})).status_code == 422
    off = {"mode": "disabled", "until": until, "reason": "the lock is being replaced"}
    assert (await admin.post("rules/held/mode", json=off)).status_code == 200
    said = (await admin.get("rules/held")).json()
    assert said["mode"] == "live"
    assert said["overrides"] == [
        {
            "mode": "disabled",
            "from": "2026-11-24T14:00:00Z",
            "until": "2026-11-24T16:00:00Z",
            "reason": "the lock is being replaced",
            "by": "token:the admin",
        }
    ]
    for_good = {**off, "until": (START + timedelta(days=60)).isoformat()}
    answer = await admin.post("rules/held/mode", json=for_good)
    assert answer.status_code == 422
    assert "31 days at most" in answer.json()["problems"][0]["message"]


async def test_a_ladder_that_ends_extreme_is_life_safety_too(admin: httpx.AsyncClient) -> None:
    ladder = [{"after": "0s", "severity": "severe"}, {"after": "5m", "severity": "extreme"}]
    document = {name: value for name, value in HELD.items() if name != "severity"}
    assert (await admin.put("rules/held", json={**document, "ladder": ladder})).status_code == 200
    assert (await admin.post("rules/held/mode", json={"mode": "disabled"})).status_code == 409


async def test_a_draft_of_a_life_safety_rule_may_start_in_shadow_and_go(admin: httpx.AsyncClient) -> None:
    assert (await put(admin, severity="extreme", mode="shadow")).status_code == 200
    assert (await admin.delete("rules/held")).status_code == 204


# ------------------------------------------------------------------------------------ overrides and versions
async def test_overrides_have_an_end_a_reason_and_an_author(admin: httpx.AsyncClient) -> None:
    await put(admin)
    said = {"scope": {"door": {"zone": "gym"}}, "params": {"hold": "10m"}, "until": "2026-12-04T22:30:00-06:00"}
    assert (await admin.post("rules/held/overrides", json=said)).status_code == 422, "no reason"
    answer = await admin.post("rules/held/overrides", json={**said, "reason": "winter concert"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["overrides"] == [
        {
            "scope": {"door": {"zone": "gym"}},
            "params": {"hold": "10m"},
            "from": "2026-11-24T14:00:00Z",
            "until": "2026-12-05T04:30:00Z",
            "reason": "winter concert",
            "by": "token:the admin",
        }
    ]
    for change, where in (
        ({"until": "2026-11-20T00:00:00Z"}, "until"),
        ({"until": "2029-11-20T00:00:00Z"}, "overrides[1].until"),
        ({"params": {"hold": "5h"}}, "overrides[1].params.hold"),
        ({"scope": {"door": {"colour": "red"}}}, "overrides[1].scope.door.colour"),
    ):
        refused = await admin.post("rules/held/overrides", json={**said, "reason": "x", **change})
        assert refused.status_code == 422
        assert refused.json()["problems"][0]["where"] == where


async def test_overrides_end_one_by_one_or_all(admin: httpx.AsyncClient, clock: ManualClock) -> None:
    await put(admin)
    for hours in (1, 2, 3):
        said = {"params": {"hold": "10m"}, "until": (START + timedelta(hours=hours)).isoformat(), "reason": f"r{hours}"}
        await admin.post("rules/held/overrides", json=said)
    left = (await admin.delete("rules/held/overrides", params={"number": 1})).json()
    assert [each["reason"] for each in left["overrides"]] == ["r1", "r3"]
    assert (await admin.delete("rules/held/overrides", params={"number": 5})).status_code == 404
    clock.jump(timedelta(hours=2))
    said = {"params": {"hold": "10m"}, "until": (START + timedelta(hours=9)).isoformat(), "reason": "r9"}
    found = (await admin.post("rules/held/overrides", json=said)).json()
    assert [each["reason"] for each in found["overrides"]] == ["r3", "r9"], "what is over is dropped"
    assert (await admin.delete("rules/held/overrides")).json()["overrides"] == []


async def test_versions_say_what_changed_and_a_rollback_is_a_new_one(desk: Desk, admin: httpx.AsyncClient) -> None:
    await put(admin)
    await admin.patch("rules/held/params", json={"hold": "2m"})
    assert (await admin.delete("rules/held")).status_code == 204
    assert (await admin.get("rules/held")).status_code == 404
    page = (await admin.get("rules/held/versions", params={"limit": 2})).json()
    assert [(each["version"], each["document"] is None) for each in page["items"]] == [(3, True), (2, False)]
    assert page["items"][1]["changed"] == ["params", "tests"], "its tests go on by the value they were written for"
    rest = (await admin.get("rules/held/versions", params={"cursor": page["next"]})).json()
    assert [each["version"] for each in rest["items"]] == [1]
    answer = await admin.post("rules/held/rollback", json={"version": 1, "reason": "it was needed"})
    assert answer.json()["version"] == 4
    assert (await admin.get("rules/held")).json()["params"] == {"hold": "60s"}
    assert (await admin.post("rules/held/rollback", json={"version": 9})).status_code == 404
    assert [action for _, action in await deeds(desk)] == ["rule.save", "rule.params", "rule.delete", "rule.rollback"]
    assert (await admin.get("rules/never/versions")).status_code == 404


async def test_a_rule_that_can_no_longer_be_read_can_be_mended(desk: Desk, admin: httpx.AsyncClient) -> None:
    async with desk.house.database.transaction() as session:
        broken = rule_from("id: held\ntitle: T\nkey: door.id\nmatch: {of: door.opened}\nseverity: minor\n")
        object.__setattr__(broken, "document", {"id": "held", "was": "written by an older house"})
        await store.save_rule(session, broken, now=START, by="older")
    answer = await put(admin)
    assert (answer.status_code, answer.json()["version"]) == (200, 2)


async def test_lint_tells_what_is_surprising(desk: Desk, admin: httpx.AsyncClient) -> None:
    await put(admin, scope={"door": {"id": "main"}})
    found = (await admin.get("rules/lint")).json()["warnings"]
    assert {
        "where": "lincoln.doors.gym-east",
        "message": "is an exterior door that no rule covers",
        "line": None,
    } in found


async def test_the_trail_of_a_change_is_in_the_chain(desk: Desk, admin: httpx.AsyncClient) -> None:
    await put(admin)
    await admin.patch("rules/held/params", json={"hold": "2m"})
    async with desk.house.database.reading() as session:
        assert await audit.verify(session) is None


async def test_saving_many_rules_in_a_row_stays_quick(admin: httpx.AsyncClient) -> None:
    started = datetime.now(tz=START.tzinfo)
    for number in range(30):
        assert (await put(admin, id=f"held-{number}")).status_code == 200
    assert datetime.now(tz=START.tzinfo) - started < timedelta(seconds=15)


# --------------------------------------------------------------------------------------------- the documentation
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
EXAMPLES = re.findall(r"```rest\n(\w+) (\S+)\n(.*?)```(?:\n\n```json\n(.*?)```)?", PAGE, re.DOTALL)


async def test_every_example_of_the_page_works(admin: httpx.AsyncClient) -> None:
    assert len(EXAMPLES) == PAGE.count("```rest") >= 3
    for method, path, body, expected in EXAMPLES:
        answer = await admin.request(method, path.removeprefix("/api/v1/"), json=json.loads(body))
        assert answer.status_code < 300, (path, answer.text)
        if expected:
            assert answer.json() == json.loads(expected)


async def test_a_hundred_editors_of_one_rule_lose_nothing(desk: Desk, admin: httpx.AsyncClient) -> None:
    path = "rules/held"
    await put(admin)
    before = await admin.get(path)
    version, tag = before.json()["version"], before.headers["ETag"]
    first = await asyncio.gather(
        *(
            admin.patch(f"{path}/params", json={"hold": f"{61 + number}s"}, headers={"If-Match": tag})
            for number in range(100)
        )
    )
    statuses = sorted(answer.status_code for answer in first)
    applied = [answer for answer in first if answer.status_code == 200]
    assert statuses == [200] + [412] * 99
    assert [answer.json()["version"] for answer in applied] == [version + 1]
    now = await admin.get(path)
    assert now.json()["version"] == version + 1
    assert len((await admin.get(f"{path}/versions")).json()["items"]) == version + 1
