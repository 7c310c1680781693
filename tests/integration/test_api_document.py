"""The API answers as its OpenAPI document says: asked with what that allows and with what it does not.

A real server, hundreds of requests made up from the document; the same ones at every run.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks, not_a_server_error

from api.access import TokenRow, digest
from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from rules import rule, store
from tests.unit.api.house import Desk, build_house, open_desk

TOKEN = "hw_" + "f" * 43
EXAMPLES = 3
LEFT_OUT = ("/api/v1/stream", "/api/v1/openapi.json")
"""A stream does not end, and the document is what this is about."""
WORDS = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")


@pytest.fixture
async def desk(sqlite_database: Database, clock: ManualClock, vault: Vault, campus: Campus) -> Desk:
    found = await open_desk(*build_house(sqlite_database, clock, vault, campus))
    async with sqlite_database.transaction() as session:
        await store.seed(session, rule.shipped(), now=clock.now(), by="shipped")
        # Far from the small numbers that are made up: no request may revoke the token of those that follow.
        session.add(TokenRow(id=987_654_321, name="fuzz", role="admin", hash=digest(TOKEN), created_at=clock.now()))
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "not signed in"])
async def test_the_api_answers_as_its_document_says(desk: Desk, signed_in: bool) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"} if signed_in else {}
    async with desk.served() as address:
        found = await asyncio.to_thread(lambda: list(_broken(address, headers, EXAMPLES if signed_in else 1)))
    assert not found, "\n\n".join(found)


def _broken(address: str, headers: dict[str, str], examples: int) -> Iterator[str]:
    """Yield what does not answer as it should."""
    schema = schemathesis.openapi.from_url(f"{address}/api/v1/openapi.json")
    load_all_checks()
    checks = [not_a_server_error, *CHECKS.get_by_names(list(WORDS))]
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in LEFT_OUT or operation.path.startswith(("/login", "/metrics")):
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                nonlocal asked
                asked += 1
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    case.call_and_validate(checks=checks, headers=headers, timeout=60)

            try:
                ask()
            except Unsatisfiable:
                continue  # nothing can be made up that the document does not allow
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - every operation is asked, whatever another answers
                yield f"{operation.label}: {str(error)[:1500]}"
    assert asked > 50
