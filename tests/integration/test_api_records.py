"""The records through the API: evidence, CAP, reach, figures, audit, endpoints, self-test."""

from __future__ import annotations

import csv
import dataclasses
import io
import zipfile
from collections.abc import AsyncIterator

import pytest

from alerts.cap_check import check
from alerts.channels import Channels
from alerts.courier import Courier
from api.server import create_api
from core import audit
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.campuses import with_phones
from tests.conftest import START
from tests.integration.test_api_alerts import find
from tests.servers import Receiver
from tests.unit.api.house import Desk, build_house, open_desk


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, receiver: Receiver) -> AsyncIterator[Desk]:
    campus = with_phones(receiver.port)
    house, corridor = build_house(database, clock, vault, campus)
    channels = Channels(allow_private=True)
    courier = Courier(database, clock, channels, lambda: {campus.id: campus})
    house = dataclasses.replace(house, try_out=courier.try_out)
    found = await open_desk(house, corridor)
    yield dataclasses.replace(found, app=create_api(house))
    channels.close()


async def test_the_evidence_is_a_file_and_taking_it_is_on_record(desk: Desk) -> None:
    alert = await find(desk)
    async with desk.client("sro") as client:
        answer = await client.get(f"/api/v1/alerts/{alert}/evidence")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert f'filename="alert-{alert}.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
    async with desk.house.database.reading() as session:
        [row, *_] = await audit.find(session, subject=f"alert:{alert}")
    assert (row.actor, row.action) == ("token:the sro", "evidence.export")


@pytest.mark.parametrize("role", ["viewer", "tester"])
async def test_who_may_not_answer_gets_the_redacted_copy_alone(desk: Desk, role: str) -> None:
    alert = await find(desk)
    async with desk.client(role) as client:
        whole = await client.get(f"/api/v1/alerts/{alert}/evidence")
        redacted = await client.get(f"/api/v1/alerts/{alert}/evidence", params={"redacted": True})
        none = await client.get("/api/v1/alerts/999/evidence", params={"redacted": True})
    assert (whole.status_code, redacted.status_code, none.status_code) == (403, 200, 404)
    assert "redacted=true" in whole.json()["detail"]


async def test_cap_is_valid_and_its_series_can_be_walked(desk: Desk) -> None:
    alert = await find(desk)
    async with desk.client("sro") as client:
        await client.post(f"/api/v1/alerts/{alert}/ack")
        await client.post(f"/api/v1/alerts/{alert}/resolve", json={"disposition": "real"})
        last = await client.get(f"/api/v1/alerts/{alert}/cap")
        each = [await client.get(f"/api/v1/alerts/{alert}/cap", params={"message": n}) for n in (1, 2, 3, 4)]
    assert last.headers["content-type"].startswith("application/cap+xml")
    assert b"<msgType>Cancel</msgType>" in last.content
    assert [check(answer.content) for answer in each[:3]] == [[], [], []]
    assert each[3].status_code == 404
    assert "there is no message 4" in each[3].json()["detail"]


async def test_the_reach_board_has_a_line_for_each_person(desk: Desk) -> None:
    alert = await find(desk)
    async with desk.client("viewer") as client:
        [line] = (await client.get(f"/api/v1/alerts/{alert}/reach")).json()["items"]
    assert (line["person"], line["how"], line["told_at"]) == ("reyes", "waiting", None)


async def test_the_figures_come_as_json_or_as_a_table(desk: Desk) -> None:
    await find(desk)
    span = {"from": "2026-11-24T00:00:00Z", "to": "2026-11-25T00:00:00Z", "campus": "lincoln"}
    async with desk.client("viewer") as client:
        whole = (await client.get("/api/v1/reports/kpi", params=span)).json()
        table = await client.get("/api/v1/reports/kpi", params=span, headers={"Accept": "text/csv"})
        same = await client.get("/api/v1/reports/kpi", params={**span, "format": "csv"})
        usual = (await client.get("/api/v1/reports/kpi")).json()
        wrong = await client.get("/api/v1/reports/kpi", params={"from": span["to"], "to": span["from"]})
    assert (whole["alerts"], whole["from"]) == (1, "2026-11-24T00:00:00Z")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text == same.text
    assert ["mix", "lincoln", "severe", "alerts", "1"] in list(csv.reader(io.StringIO(table.text)))
    assert usual["from"] == "2026-10-25T14:00:00Z"
    assert wrong.status_code == 422


async def test_the_audit_is_read_by_administrators_and_verified_as_a_whole(desk: Desk) -> None:
    alert = await find(desk)
    async with desk.client("admin") as client:
        await client.post(f"/api/v1/alerts/{alert}/ack")
        page = (await client.get("/api/v1/audit", params={"subject": f"alert:{alert}", "limit": 1})).json()
        rest = (await client.get("/api/v1/audit", params={"cursor": page["next"], "subject": f"alert:{alert}"})).json()
        well = (await client.get("/api/v1/audit/verify")).json()
        async with desk.house.database.transaction() as session:
            [row] = await audit.find(session, limit=1)
            row.detail = "{}"
        broken = (await client.get("/api/v1/audit/verify")).json()
    assert [each["action"] for each in (*page["items"], *rest["items"])] == ["alert.acknowledge", "alert.open"]
    assert page["items"][0]["previous"] == rest["items"][0]["hash"]
    assert well == {"whole": True, "broken_at": None, "words": "the chain is whole"}
    assert (broken["whole"], broken["broken_at"]) == (False, row.id)
    async with desk.client("sro") as client:
        assert (await client.get("/api/v1/audit")).status_code == 403


async def test_an_endpoint_is_verified_by_a_test_that_its_provider_takes(desk: Desk, receiver: Receiver) -> None:
    path = "/api/v1/campuses/lincoln/endpoints"
    receiver.behaviour = {"/diaz": (410, 0.0)}
    async with desk.client("admin") as client:
        before = {each["id"]: each["state"] for each in (await client.get(path)).json()["items"]}
        well = (await client.post(f"{path}/reyes-phone/verify")).json()
        bad = (await client.post(f"{path}/diaz-phone/verify")).json()
        none = await client.post(f"{path}/nobody/verify")
        text = (await client.get(path)).text
        after = {each["id"]: each["state"] for each in (await client.get(path)).json()["items"]}
    assert set(before.values()) == {"unverified"}
    assert (well["verified"], bad["verified"], bad["detail"]) == (True, False, "answered 410 Gone")
    assert none.status_code == 404
    assert (after["reyes-phone"], after["diaz-phone"], after["okafor-phone"]) == ("ok", "red", "unverified")
    assert "json://" not in text
    async with desk.client("sro") as client:
        assert (await client.post(f"{path}/reyes-phone/verify")).status_code == 403


async def test_a_self_test_can_be_begun_and_followed(desk: Desk) -> None:
    path = "/api/v1/campuses/lincoln/self-tests"
    async with desk.client("admin") as client:
        begun = await client.post(path, json={"endpoint": "reyes-phone"})
        none = await client.post(path, json={"endpoint": "nobody"})
        [found] = (await client.get(path)).json()["items"]
    assert (begun.status_code, none.status_code) == (202, 404)
    assert (found["alert"], found["endpoint"], found["passed"]) == (begun.json()["alert"], "reyes-phone", False)
    assert desk.corridor.heard[0].trial_only, "the message of a self-test can be no live one"


async def test_the_checks_are_listed(desk: Desk) -> None:
    async with desk.client("viewer") as client:
        answer = await client.get("/api/v1/campuses/lincoln/checks", params={"kind": "nightly"})
        wrong = await client.get("/api/v1/campuses/lincoln/checks", params={"kind": "daily"})
    assert answer.json() == {"items": [], "next": None}
    assert wrong.status_code == 422
    assert desk.house.clock.now() == START


async def test_the_week_is_told_as_json_or_as_a_sheet(desk: Desk) -> None:
    await find(desk)
    path, usual = "/api/v1/campuses/lincoln/reports/week", {"of": "2026-11-25"}
    async with desk.client("viewer") as client:
        whole = (await client.get(path, params=usual)).json()
        table = await client.get(path, params=usual, headers={"Accept": "text/csv"})
        last = (await client.get(path)).json()
        wrong = [(await client.get(path, params={"of": day})).status_code for day in ("2030-01-01", "0001-01-01", "x")]
        nowhere = await client.get("/api/v1/campuses/nowhere/reports/week")
    assert (whole["monday"], whole["alerts"], whole["is_over"]) == ("2026-11-23", {"week": 1, "before": 0}, False)
    assert whole["doors"] == [{"door": "gym-east", "name": "Door 7 (Gym east)", "alerts": {"week": 1, "before": 0}}]
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))))
    assert {"section": "week", "subject": "", "figure": "alerts", "week": "1", "before": "0"} in rows
    assert (last["monday"], last["is_over"]) == ("2026-11-16", True)
    assert (wrong, nowhere.status_code) == ([422, 422, 422], 404)
