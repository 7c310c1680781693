"""Suppressions, policies and duty through the API."""

from __future__ import annotations

from typing import Any

import pytest

from alerts import desk as alerts_desk
from core import audit, registry
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from rules import rule, store
from tests.unit.alerts.making import extreme, finding, later
from tests.unit.api.house import Desk, build_house, open_desk

API = "/api/v1"


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    async with database.transaction() as session:
        await registry.save(session, vault, campus, now=clock.now(), by="test")
    return await open_desk(*build_house(database, clock, vault, campus))


async def find(desk: Desk, **changes: Any) -> int:
    severity = changes.get("severity")
    found = extreme(**changes) if severity == "extreme" else finding(**changes)
    async with desk.house.database.transaction() as session:
        [alert] = await alerts_desk.handle_all(session, [found], desk.house.campuses(), now=desk.house.clock.now())
    assert alert is not None
    return alert.id


def asked(**changes: Any) -> dict[str, Any]:
    until = later(minutes=60).isoformat()
    return {"campus": "lincoln", "keys": ["gym-east"], "until": until, "reason": "painters"} | changes


async def test_an_alert_is_shelved_with_a_reason_until_a_moment(desk: Desk) -> None:
    number = await find(desk)
    async with desk.client("sro") as client:
        path = f"{API}/alerts/{number}/shelve"
        answer = await client.post(path, json={"until": "2026-11-24T15:00:00Z", "reason": "painters"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "in force"
        alert = (await client.get(f"{API}/alerts/{number}")).json()
        [listed] = (await client.get(f"{API}/suppressions")).json()["items"]
        for wrong in ({}, {"until": "2026-11-24T15:00:00Z"}, {"until": "2026-11-26T15:00:00Z", "reason": "x"}):
            assert (await client.post(path, json=wrong)).status_code == 422
    assert (alert["suppressed"], alert["next_step_at"]) == ("shelved", "2026-11-24T15:00:00Z")
    assert (listed["author"], listed["reason"], listed["until"]) == (
        "token:the sro",
        "painters",
        "2026-11-24T15:00:00Z",
    )


async def test_what_is_extreme_takes_two_people(desk: Desk) -> None:
    number = await find(desk, severity="extreme")
    async with desk.client("sro") as sro, desk.client("admin") as admin:
        alone = await sro.post(
            f"{API}/alerts/{number}/shelve", json={"until": "2026-11-24T15:00:00Z", "reason": "painters"}
        )
        assert alone.status_code == 409
        assert "takes two people" in alone.json()["detail"]
        kept = (await sro.post(f"{API}/suppressions", json=asked())).json()
        assert kept["mutes_extreme"] is False
        second = f"{API}/suppressions/{kept['id']}/second"
        assert (await sro.post(second)).status_code == 409
        assert (await sro.get(f"{API}/alerts/{number}")).json()["suppressed"] is None
        assert (await admin.post(second)).json()["seconded_by"] == "token:the admin"
        assert (await sro.get(f"{API}/alerts/{number}")).json()["suppressed"] == "shelved"
        assert (await sro.delete(f"{API}/suppressions/{kept['id']}")).json()["state"] == "over"
        assert (await sro.get(f"{API}/alerts/{number}")).json()["suppressed"] is None
        assert (await sro.delete(f"{API}/suppressions/{kept['id']}")).status_code == 409
        assert (await sro.delete(f"{API}/suppressions/999")).status_code == 404


async def test_a_suppression_without_an_end_a_reason_or_a_scope_is_refused(desk: Desk) -> None:
    async with desk.client("sro") as client:
        for wrong, where in (
            (asked(until=None), "until"),
            (asked(reason=" "), "reason"),
            (asked(keys=[]), "rules"),
            (asked(until=later(minutes=721).isoformat()), "until"),
            (asked(zones=["gim"]), "zones"),
            (asked(kind="supervised", until=None), "window"),
        ):
            answer = await client.post(f"{API}/suppressions", json=wrong)
            assert answer.status_code == 422, answer.text
            assert where in {problem["where"] for problem in answer.json()["problems"]}
        assert (await client.post(f"{API}/suppressions", json=asked(campus="nowhere"))).status_code == 404
    async with desk.client("viewer") as client:
        assert (await client.post(f"{API}/suppressions", json=asked())).status_code == 403


async def test_a_door_is_supervised_during_a_bell_window(desk: Desk) -> None:
    said = asked(kind="supervised", until=None, window="arrival", monitor="diaz", keys=["main"])
    async with desk.client("sro") as client:
        kept = (await client.post(f"{API}/suppressions", json=said)).json()
    assert (kept["starts_at"], kept["until"]) == ("2026-11-24T14:00:00Z", "2026-11-24T14:05:00Z")


async def test_an_exercise_is_announced_and_ended(desk: Desk) -> None:
    said = {"campus": "lincoln", "until": "2026-11-24T15:00:00Z", "reason": "fire drill", "rules": ["door-held-open"]}
    async with desk.client("tester") as tester, desk.client("viewer") as viewer:
        begun = await tester.post(f"{API}/exercises", json=said)
        assert begun.status_code == 201, begun.text
        number = await find(desk)
        assert (await viewer.get(f"{API}/alerts/{number}")).json()["suppressed"] == "exercise"
        assert len((await viewer.get(f"{API}/exercises")).json()["items"]) == 1
        assert (await tester.delete(f"{API}/exercises/{begun.json()['id']}")).json()["state"] == "over"
        assert (await viewer.get(f"{API}/alerts/{number}")).json()["suppressed"] is None


async def test_a_closed_alert_is_corrected_and_reopened_and_handed_over(desk: Desk) -> None:
    number = await find(desk)
    async with desk.client("sro") as client:
        path = f"{API}/alerts/{number}"
        assert (await client.post(f"{path}/correct", json={"text": "It was door 8"})).json()["changed"] is True
        assert (await client.post(f"{path}/hand-over", json={"to": "diaz"})).status_code == 409
        assert (await client.post(f"{path}/reopen", json={"reason": "x"})).status_code == 409
        await client.post(f"{path}/resolve", json={"disposition": "false"})
        again = (await client.post(f"{path}/reopen", json={"reason": "it is still open"})).json()["alert"]
        assert again["previous"] == number
        await client.post(f"{API}/alerts/{again['id']}/ack")
        given = await client.post(f"{API}/alerts/{again['id']}/hand-over", json={"to": "diaz"})
    assert given.json()["alert"]["acknowledged_by"] == "person:diaz"


async def test_a_policy_is_changed_under_a_new_version_that_is_on_record(desk: Desk) -> None:
    path = f"{API}/policies/severe"
    document = {"steps": [{"notify": ["person:okafor"]}]}
    async with desk.client("admin") as client:
        shipped = await client.get(path)
        assert (shipped.json()["version"], shipped.json()["origin"]) == (1, "shipped")
        changed = await client.put(path, json=document, headers={"If-Match": '"1"'})
        assert changed.status_code == 200, changed.text
        assert (changed.json()["version"], changed.json()["origin"]) == (2, "site")
        assert (await client.put(path, json=document)).json()["version"] == 2, "the same again changes nothing"
        stale = await client.put(path, json={"steps": [{"notify": ["on_call"]}]}, headers={"If-Match": '"1"'})
        assert stale.status_code == 412
        [version] = (await client.get(f"{path}/versions")).json()["items"]
        assert (version["version"], version["by"]) == (2, "token:the admin")
        for wrong in ({}, {"steps": []}, {"steps": [{"notify": ["person:nobody"]}]}, {**document, "id": "other"}):
            assert (await client.put(path, json=wrong)).status_code == 422
        assert (await client.get(f"{API}/policies/sever")).status_code == 404
        assert len((await client.get(f"{API}/policies")).json()["items"]) == 7
    async with desk.client("sro") as client:
        assert (await client.put(path, json=document)).status_code == 403
    async with desk.house.database.reading() as session:
        assert await audit.verify(session) is None


async def test_the_preview_says_who_would_be_told_at_any_moment(desk: Desk) -> None:
    async with desk.house.database.transaction() as session:
        await store.seed(session, rule.shipped(), now=later(0), by="shipped")
    said = {"rule": "door-held-open", "at": "2026-11-28T14:40:00-06:00"}
    async with desk.client("viewer") as client:
        found = (await client.post(f"{API}/policies/preview", json=said)).json()
        noon = (await client.post(f"{API}/policies/preview", json={"rule": "door-held-open"})).json()
        assert (await client.post(f"{API}/policies/preview", json={"rule": "door-open"})).status_code == 404
    assert (found["policy"], found["severity"]) == ("severe", "severe")
    assert found["steps"][0]["recipients"] == ["okafor-phone"], "the campus is closed: who is on call is on duty"
    assert found["words"] == "door-held-open on Saturday 14:40 would reach 3 people"
    assert noon["steps"][0]["recipients"] == ["reyes-phone"]


async def test_duty_people_and_shifts(desk: Desk) -> None:
    base = f"{API}/campuses/lincoln"
    async with desk.client("admin") as admin:
        assert (await admin.get(f"{base}/duty")).json()["on_duty"] == ["reyes"]
        lunch = await admin.get(f"{base}/duty", params={"at": "2026-11-24T17:40:00Z"})
        assert lunch.json()["on_duty"] == ["diaz"]
        off = await admin.post(f"{base}/duty/off", json={"person": "reyes", "to": "diaz", "reason": "in court"})
        assert off.json()["on_duty"] == ["diaz"]
        assert len((await admin.get(f"{base}/shifts")).json()["overrides"]) == 1
        people = (await admin.get(f"{base}/people")).json()["items"]
        reyes = next(each for each in people if each["id"] == "reyes")
        assert all(each["url"].endswith("•••") for each in reyes["endpoints"])
        renamed = await admin.put(f"{base}/people/reyes", json={**reyes, "name": "Sergeant Reyes"})
        assert renamed.json()["name"] == "Sergeant Reyes"
        broken = {**reyes, "endpoints": [{"id": "new", "url": "ntfy://•••"}]}
        assert (await admin.put(f"{base}/people/reyes", json=broken)).status_code == 422
        assert (await admin.delete(f"{base}/people/reyes")).status_code == 422, "a shift names them"
        assert (await admin.put(f"{base}/shifts", json=[{"person": "diaz", "at": "07:00-15:00"}])).status_code == 200
        assert (await admin.put(f"{base}/shifts", json=[{"person": "dias", "at": "07:00-15:00"}])).status_code == 422
    async with desk.house.database.reading() as session:
        stored = await registry.load(session, desk.house.vault, "lincoln")
    assert stored is not None
    assert stored.people_by_id["reyes"].endpoints[0].url == "json://127.0.0.1:9/reyes"
    assert stored.shifts[0].person == "diaz"


async def test_nobody_goes_off_with_an_extreme_alert_in_hand(desk: Desk) -> None:
    number = await find(desk, severity="extreme")
    async with desk.house.database.transaction() as session:
        await alerts_desk.acknowledge(session, number, who="person:reyes", now=later(1))
    path = f"{API}/campuses/lincoln/duty/off"
    async with desk.client("sro") as client:
        refused = await client.post(path, json={"person": "reyes"})
        assert refused.status_code == 409
        assert "extreme and open" in refused.json()["detail"]
        assert (await client.post(path, json={"person": "reyes", "to": "diaz"})).status_code == 200
        alert = (await client.get(f"{API}/alerts/{number}")).json()
    assert alert["acknowledged_by"] == "person:diaz"
