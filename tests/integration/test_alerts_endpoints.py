"""Endpoints are looked at when a campus is checked, loaded, saved and when a database is filled, not in the alarm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app import wiring
from core import registry
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.settings import Settings
from core.vault import Vault
from tests import servers
from tests.campuses import LINCOLN
from tests.unit.api.house import Desk, build_house, open_desk

WRONG = {
    "pigeon://planted-secret": "is not a URL that Apprise can use; write it like ntfys://ntfy.example.org/topic",
    "json://planted-secret.example.org/x?retry=3": "must not set retry=: we do that ourselves; leave it out",
    "json://planted-secret.example.org/x?wait=3": "must not set wait=: we do that ourselves; leave it out",
    "json://planted-secret.example.org/x?optional=yes": "must not set optional=: we do that ourselves; leave it out",
    "ntfy://planted-secret.example.org/one/two": "names several targets; give each its own endpoint",
    "json://127.0.0.1:8080/planted-secret": "leads to a private address; for a server of your own set "
    "ALLOW_PRIVATE_ENDPOINTS=true",
    "json://[planted-secret/x": "is not a URL that Apprise can use",
}
"""What is wrong with endpoints, and what is said about it."""


def campus_file(folder: Path, *urls: str) -> Path:
    """Write a campus file with these endpoints, each on a line of its own from line 4 on."""
    path = folder / "campus.yaml"
    endpoints = "".join(f"    {{id: e{number}, url: '{url}', via: push}},\n" for number, url in enumerate(urls))
    path.write_text(
        "campus: {id: lincoln, name: Lincoln, timezone: America/Chicago}\n"
        "people:\n"
        "- {id: reyes, name: Officer Reyes, role: sro, endpoints: [\n"
        f"{endpoints}  ]}}\n"
    )
    return path


@pytest.mark.parametrize("command", ["check", "load"])
def test_what_is_wrong_is_said_with_file_line_field_and_what_would_be_right(tmp_path: Path, command: str) -> None:
    service = servers.Service(tmp_path, {"HALLWATCH_ALLOW_PRIVATE_ENDPOINTS": "false"})
    path = campus_file(tmp_path, *WRONG)
    said = service.command(command, str(path), check=False)
    assert (said.returncode, said.stdout) == (2, "")
    lines = [each for each in said.stderr.splitlines() if not each.startswith("warning")]
    # Which addresses are private, only the service that will send can tell.
    told = {n: words for n, words in enumerate(WRONG.values()) if command == "load" or "private" not in words}
    for number, words in told.items():
        assert any(
            each.startswith(f"{path}:{number + 4}: people[0].endpoints[{number}].url: {words}") for each in lines
        ), (words, said.stderr)
    assert len(lines) == len(told)
    assert "planted-secret" not in said.stderr


def test_private_endpoints_are_fine_where_they_are_allowed(tmp_path: Path) -> None:
    service = servers.Service(tmp_path)
    path = campus_file(tmp_path, "json://127.0.0.1:8080/reyes", "ntfys://ntfy.example.org/reyes")
    assert service.command("check", str(path)).stdout.startswith("fine")
    service.command("load", str(path))


async def test_a_service_starts_with_an_endpoint_that_cannot_be_used_and_says_so(
    sqlite_database: Database, vault: Vault, clock: ManualClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campus_file(tmp_path, "json://10.0.0.4/x")
    await wiring.seed(sqlite_database, vault, clock.now(), Settings(config_dir=tmp_path))
    async with sqlite_database.reading() as session:
        assert await registry.campus_ids(session) == ["lincoln"]
    said = capsys.readouterr().out
    assert "people[0].endpoints[0].url: leads to a private address" in said
    assert "10.0.0.4" not in said


@pytest.fixture
async def desk(database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    async with database.transaction() as session:
        await registry.save(session, vault, campus, now=clock.now(), by="test")
    return await open_desk(*build_house(database, clock, vault, campus))


def reyes(*urls: str) -> dict[str, Any]:
    endpoints = [{"id": f"e{number}", "url": url, "via": "push"} for number, url in enumerate(urls)]
    return {**LINCOLN["people"][0], "endpoints": endpoints}


async def test_a_person_is_not_saved_with_an_endpoint_that_cannot_be_used(desk: Desk) -> None:
    async with desk.client("admin") as client:
        for url, words in WRONG.items():
            answer = await client.put("/api/v1/campuses/lincoln/people/reyes", json=reyes(url))
            assert answer.status_code == 422, url
            assert words in answer.text
            assert "people[0].endpoints[0].url" in answer.text
            assert "planted-secret" not in answer.text
        fine = await client.put("/api/v1/campuses/lincoln/people/reyes", json=reyes("ntfys://ntfy.example.org/reyes"))
    assert fine.status_code == 200, fine.text


async def test_neither_is_a_campus(desk: Desk) -> None:
    async with desk.client("admin") as client:
        campus = (await client.get("/api/v1/campuses/lincoln")).json()
        campus["people"][0]["endpoints"] = reyes("json://10.0.0.4/planted-secret")["endpoints"]
        answer = await client.put("/api/v1/campuses/lincoln", json=campus)
    assert answer.status_code == 422
    assert "people[0].endpoints[0].url" in answer.text
    assert "leads to a private address" in answer.text
    assert "planted-secret" not in answer.text


async def test_what_is_stored_already_holds_up_no_other_change(desk: Desk) -> None:
    # The campus of the tests leads to this machine, which is not allowed here.
    async with desk.client("admin") as client:
        person = {**LINCOLN["people"][2], "name": "Mrs. Diaz"}
        answer = await client.put("/api/v1/campuses/lincoln/people/diaz", json=person)
    assert answer.status_code == 200, answer.text
