"""Mappings are changed while the service runs; what is wrong changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core import audit
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from ingest.mapping import shipped
from tests.servers import ROOT
from tests.unit.api.house import Desk, build_house, open_desk

ACME: dict[str, Any] = {
    "id": "acme",
    "title": "Acme",
    "match": {"topic": "acme/{device}/report"},
    "source": "acme/{device}",
    "emit": "door.position",
    "value": {"path": "reed", "map": {"SHUT": "closed", "AJAR": "open"}},
    "examples": [{"topic": "acme/7/report", "payload": {"reed": "AJAR"}, "gives": {"kind": "door.opened"}}],
}
PATH = "/api/v1/mappings/acme"


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(database, clock, vault, campus))


async def test_a_mapping_is_written_read_and_deleted(desk: Desk) -> None:
    async with desk.client("admin") as client:
        made = await client.put(PATH, json=ACME)
        again = await client.put(PATH, json=ACME)
        changed = await client.put(PATH, json=ACME | {"title": "Acme doors"})
        read = await client.get(PATH)
        gone = await client.delete(PATH)
        missing = await client.get(PATH)
        twice = await client.delete(PATH)
    shown = {
        "id": "acme",
        "title": "Acme",
        "origin": "site",
        "version": 1,
        "topics": ["acme/{device}/report"],
        "source": "acme/{device}",
        "emit": "door.position",
        "document": ACME,
    }
    assert made.json() == again.json() == shown
    assert (made.headers["etag"], changed.headers["etag"]) == ('"1"', '"2"')
    assert (
        read.json()
        == changed.json()
        == shown | {"title": "Acme doors", "version": 2, "document": read.json()["document"]}
    )
    assert (gone.status_code, missing.status_code, twice.status_code) == (204, 404, 404)
    async with desk.house.database.reading() as session:
        deeds = [each.action for each in await audit.find(session, subject="mapping:acme")]
    assert deeds == ["mapping.delete", "mapping.save", "mapping.save"]


async def test_the_list_is_in_the_order_in_which_they_are_asked(desk: Desk) -> None:
    async with desk.client("admin") as client:
        await client.put(PATH, json=ACME)
        await client.put("/api/v1/mappings/beta", json=ACME | {"id": "beta", "examples": []})
    listed: list[dict[str, Any]] = []
    async with desk.client("viewer") as client:
        cursor: str | None = ""
        while cursor is not None:
            page = (
                await client.get("/api/v1/mappings", params={"limit": 7} | ({"cursor": cursor} if cursor else {}))
            ).json()
            listed += page["items"]
            cursor = page["next"]
    assert [each["id"] for each in listed] == ["acme", "beta", *(each.id for each in shipped())]
    assert [each["origin"] for each in listed[:3]] == ["site", "site", "shipped"]
    assert [each["version"] for each in listed[:3]] == [1, 1, None]


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        ({"emit": "door.positon"}, "emit", "did you mean 'door.position'"),
        ({"value": {"path": "reed", "map": {"SHUT": "shut"}}}, "value.map.SHUT", "cannot be 'shut'"),
        ({"colour": "red"}, "colour", ""),
        ({"source": "acme/{gadget}"}, "source", "nothing takes the name 'gadget'"),
        (
            {"examples": [{"topic": "acme/7/report", "payload": {"reed": "AJAR"}, "gives": {"kind": "door.closed"}}]},
            "examples[0]",
            "door.opened",
        ),
        ({"id": "other"}, "id", "the address says 'acme'"),
        ({"match": {"topic": "hooks/envoy"}, "source": "x", "auth": {"token": {}}, "examples": []}, "auth", "envoy"),
    ],
)
async def test_what_is_wrong_is_said_by_its_field_and_the_old_version_stays(
    desk: Desk, change: dict[str, Any], where: str, words: str
) -> None:
    async with desk.client("admin") as client:
        await client.put(PATH, json=ACME)
        refused = await client.put(PATH, json=ACME | change)
        kept = (await client.get(PATH)).json()
    assert refused.status_code == 422, refused.text
    (problem, *_) = refused.json()["problems"]
    assert problem["where"] == where
    assert words in problem["message"]
    assert (kept["version"], kept["document"]) == (1, ACME)


async def test_an_edit_of_what_has_changed_meanwhile_is_refused(desk: Desk) -> None:
    async with desk.client("admin") as client:
        await client.put(PATH, json=ACME, headers={"If-Match": '"0"'})
        refused = await client.put(PATH, json=ACME | {"title": "x"}, headers={"If-Match": '"0"'})
        also = await client.delete(PATH, headers={"If-Match": '"7"'})
        done = await client.delete(PATH, headers={"If-Match": '"1"'})
    assert (refused.status_code, also.status_code, done.status_code) == (412, 412, 204)


async def test_one_that_ships_is_replaced_and_comes_back(desk: Desk) -> None:
    name = shipped()[0].id
    async with desk.client("admin") as client:
        refused = await client.delete(f"/api/v1/mappings/{name}")
        await client.put(f"/api/v1/mappings/{name}", json=ACME | {"id": name})
        ours = (await client.get(f"/api/v1/mappings/{name}")).json()
        await client.delete(f"/api/v1/mappings/{name}")
        theirs = (await client.get(f"/api/v1/mappings/{name}")).json()
    assert refused.status_code == 409
    assert "ships with the service" in refused.json()["detail"]
    assert (ours["origin"], theirs["origin"]) == ("site", "shipped")


async def test_the_mapping_on_the_page_is_one(desk: Desk) -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8").partition("## Mappings")[2]
    document = json.loads(page.partition("```json\n")[2].partition("```")[0])
    async with desk.client("admin") as client:
        answer = await client.put(PATH, json=document)
    assert answer.status_code == 200, answer.text
    assert answer.json()["document"] == {"id": "acme"} | document


async def test_only_an_administrator_changes_mappings(desk: Desk) -> None:
    for role in ("viewer", "sro", "tester", "device"):
        async with desk.client(role) as client:
            assert (await client.put(PATH, json=ACME)).status_code == 403
            assert (await client.delete(PATH)).status_code == 403
    async with desk.client() as client:
        assert (await client.get("/api/v1/mappings")).status_code == 401
