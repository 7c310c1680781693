"""`docs/api.md` says what is so: every path is in it, and its examples work."""

from __future__ import annotations

import json
import re

import pytest

from api import access
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests.servers import ROOT
from tests.unit.api.house import Desk, build_house, open_desk

TEXT = (ROOT / "docs" / "api.md").read_text("utf-8")
EXAMPLES = re.findall(r"```http\n(\w+) (\S+)\n(.*?)```(?:\n\n```json\n(.*?)```)?", TEXT, re.DOTALL)


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


async def test_every_example_works(desk: Desk) -> None:
    assert len(EXAMPLES) == TEXT.count("```http")
    async with desk.client("admin") as client:
        for method, path, body, expected in EXAMPLES:
            answer = await client.request(method, path, json=json.loads(body))
            assert answer.status_code < 300, (path, answer.text)
            if expected:
                said = answer.json()
                for reason in said["quarantined"]:
                    reason["reason"] = reason["reason"].partition(";")[0]
                assert said == json.loads(expected)


def test_every_path_is_told_and_none_that_is_not(desk: Desk) -> None:
    told = set(re.findall(r"\b(GET|POST|PUT|PATCH|DELETE) (/[^\s`]+)`", TEXT))
    paths = desk.app.openapi()["paths"]
    known = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    told |= {(method, re.sub(r"/lincoln\b", "/{c}", path)) for method, path, *_ in EXAMPLES}
    assert {(method, path) for method, path in known if (method, path) not in told} == set()
    assert told <= known


def test_every_role_is_told() -> None:
    assert {*re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)} == set(access.ROLES)
