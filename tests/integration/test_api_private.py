"""What the watch list says of somebody is hidden in the reasons of alerts, too, wherever they are shown."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from alerts import desk as alert_desk
from api.private import HIDDEN
from api.veil import veiled
from core import audit, feed, journal
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.messages import PickupRequested
from core.vault import Vault
from rules import store
from rules.rule import shipped
from tests.conftest import START
from tests.unit.api.house import Desk, build_house, open_desk
from tests.unit.core.said import said
from tests.unit.rules.talk import run

PICKUP = said(PickupRequested, 0, visit="v-1", watch="custody")
FOR_A_PURPOSE = {"purpose": "the parent is at the desk"}


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    """A house in which somebody against whom there is a custody order has asked for a child: alert 1."""
    rule = next(each for each in shipped() if each.id == "restricted-pickup")
    findings = run(campus, [rule], PICKUP, until=1)
    async with sqlite_database.transaction() as session:
        await store.seed(session, [rule], now=START, by="shipped")
        await journal.append(session, [PICKUP])
        await alert_desk.handle_all(session, findings, {campus.id: campus}, now=START)
    clock.jump(60)
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def readings(desk: Desk) -> list[dict[str, Any]]:
    """Return what is on record of private details that were read."""
    async with desk.house.database.reading() as session:
        return [json.loads(each.detail) for each in await audit.find(session) if each.action == "private.read"]


def watch(alert: dict[str, Any]) -> Any:
    return alert["because"]["values"]["visit.watch"]


@pytest.mark.parametrize("role", ["viewer", "tester", "sro", "admin"])
async def test_the_reasons_of_an_alert_hide_it_from_every_role_without_a_purpose(desk: Desk, role: str) -> None:
    async with desk.client(role) as client:
        (listed,) = (await client.get("/api/v1/alerts")).json()["items"]
        one = await client.get("/api/v1/alerts/1")
        cap = await client.get("/api/v1/alerts/1/cap")
    assert watch(listed) == watch(one.json()) == HIDDEN
    assert "custody" not in one.text + cap.text
    assert await readings(desk) == []


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("tester", 403), ("sro", 200), ("admin", 200)])
async def test_a_purpose_shows_it_to_whoever_answers_and_is_on_record(desk: Desk, role: str, status: int) -> None:
    async with desk.client(role) as client:
        listed = await client.get("/api/v1/alerts", params=FOR_A_PURPOSE)
        one = await client.get("/api/v1/alerts/1", params=FOR_A_PURPOSE)
    assert (listed.status_code, one.status_code) == (status, status)
    if status == 200:
        assert watch(listed.json()["items"][0]) == watch(one.json()) == "custody"
        assert await readings(desk) == [{"ids": ["1"], "what": "alerts", **FOR_A_PURPOSE}] * 2


async def test_an_answer_to_an_alert_hides_it_too(desk: Desk) -> None:
    async with desk.client("sro") as client:
        answer = await client.post("/api/v1/alerts/1/ack")
    assert watch(answer.json()["alert"]) == HIDDEN


async def test_the_evidence_pack_holds_it_only_for_a_purpose(desk: Desk) -> None:
    async def record(role: str, **query: str) -> dict[str, Any]:
        async with desk.client(role) as client:
            answer = await client.get("/api/v1/alerts/1/evidence", params=query)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as pack:
            found: dict[str, Any] = json.loads(pack.read("record.json"))
            return found

    plain, redacted = await record("sro"), await record("viewer", redacted="true")
    assert watch(plain["alert"]) == HIDDEN
    assert plain["messages"][0]["body"]["watch"] is None
    assert "custody" not in json.dumps({**redacted, "rule": None})
    told = await record("sro", **FOR_A_PURPOSE)
    assert watch(told["alert"]) == "custody"
    assert told["messages"][0]["body"]["watch"] == "custody"
    async with desk.house.database.reading() as session:
        (latest, *_) = await audit.find(session)
    assert (latest.action, json.loads(latest.detail)) == ("evidence.export", {"redacted": False, **FOR_A_PURPOSE})


async def test_the_account_of_why_hides_what_was_read_and_what_it_came_to(desk: Desk) -> None:
    query = {"key": "v-1", "at": "2026-11-24T14:00:30Z"}
    path = "/api/v1/rules/restricted-pickup/why"
    async with desk.client("viewer") as viewer, desk.client("sro") as sro:
        plain = (await viewer.get(path, params=query)).json()
        told = (await sro.get(path, params=query | FOR_A_PURPOSE)).json()
    assert [each["values"]["visit.watch"] for each in plain["steps"] if each.get("values")] == [HIDDEN]
    assert [each["values"]["visit.watch"] for each in told["steps"] if each.get("values")] == ["custody"]
    assert "custody" in str(told)
    assert "= custody" not in str(plain)
    assert any(f"is {HIDDEN}" in each["words"] for each in plain["steps"])
    assert plain["state"] == told["state"]
    assert await readings(desk) == [{"ids": ["restricted-pickup v-1"], "what": "why", **FOR_A_PURPOSE}]


async def test_the_stream_never_holds_it(desk: Desk) -> None:
    async with desk.house.database.reading() as session:
        told = [each.data for each in await feed.after(session, 0) if each.topic == "alert"]
    assert told
    assert not [each for each in told if "custody" in each]


def test_a_condition_on_a_detail_does_not_tell_by_its_worth() -> None:
    condition = {
        "text": 'visit.watch == "custody"',
        "value": True,
        "readings": {"visit.watch": "custody"},
        "trace": [1],
    }
    other = {"text": 'visit.state == "in"', "value": True, "readings": {"visit.state": "in"}, "trace": [1]}
    words = ['visit.watch == "custody" is true (visit.watch = custody)', 'visit.state == "in" is true']
    found = veiled({"conditions": [condition, other], "words": words})
    assert found["conditions"][0] == {**condition, "value": HIDDEN, "readings": {"visit.watch": HIDDEN}, "trace": []}
    assert found["conditions"][1] == other
    assert found["words"] == [f'visit.watch == "custody" is {HIDDEN}', words[1]]


def test_what_says_nothing_is_not_hidden() -> None:
    values = {"visit.watch": "", "visit.screening": None, "door.position": "open"}
    assert veiled({"values": values}) == {"values": values}


async def test_a_rule_whose_words_show_it_is_warned_about(desk: Desk) -> None:
    document = next(each for each in shipped() if each.id == "restricted-pickup").document
    shows = {**document, "alert": {**document["alert"], "text": "On the list: {visit.watch}"}}
    async with desk.client("admin") as client:
        warned = (await client.put("/api/v1/rules/restricted-pickup", json=shows)).json()["warnings"]
        quiet = (await client.put("/api/v1/rules/restricted-pickup", json=dict(document))).json()["warnings"]
    assert "alert.text" in str(warned)
    assert "alert.text" not in str(quiet)
