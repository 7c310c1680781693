"""Traces: what a collector gets of a message's way, what it never gets, and that nothing is there where nobody asks."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api import access
from app import telemetry
from app.telemetry import Telemetry
from benchmarks.stage import Stage, stage
from core.clock import SystemClock, stopwatch
from core.database import Database
from core.errors import BadInput
from core.spans import SILENT
from tests import servers

PAGE = servers.ROOT / "docs" / "operations.md"
VISITOR = "Alex Planted Secret"


def variables_of_the_page(port: int) -> dict[str, str]:
    """Return the variables that the page shows, leading to our own collector, and sent without waiting."""
    shown = dict(re.findall(r"^(OTEL_\w+)=(\S+)$", PAGE.read_text(), re.MULTILINE))
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in shown
    return shown | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_BSP_SCHEDULE_DELAY": "100"}


@asynccontextmanager
async def traced(folder: Path, collector: servers.Receiver) -> AsyncIterator[Stage]:
    if not servers.MOSQUITTO or not servers.MOSQUITTO_PASSWD:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto mosquitto-clients)")
    async with stage(folder, settings=variables_of_the_page(collector.port)) as here:
        here.service.start(wait=False)
        await asyncio.to_thread(here.service.wait_ready, 90.0)
        yield here


def spans(collector: servers.Receiver) -> list[dict[str, Any]]:
    """Return the spans that have been collected, as plain values."""
    found = []
    for request in collector.received:
        assert request.path == "/v1/traces"
        for of_one in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            about = {each.key: each.value.string_value for each in of_one.resource.attributes}
            for span in (each for scope in of_one.scope_spans for each in scope.spans):
                facts = {each.key: str(each.value).strip() for each in span.attributes}
                ids = {"trace": span.trace_id.hex(), "span": span.span_id.hex(), "parent": span.parent_span_id.hex()}
                found.append({"name": span.name, "facts": facts, "service": about["service.name"], **ids})
    return found


async def wait_for(collector: servers.Receiver, *names: str) -> dict[str, dict[str, Any]]:
    """Return the first span of each name, once all are there. Of batches, the one that moved an alert."""
    async with asyncio.timeout(40):
        while True:
            all_of_them = [
                each for each in spans(collector) if each["name"] != "batch" or "hallwatch.alerts" in each["facts"]
            ]
            found = {each["name"]: each for each in reversed(all_of_them)}
            if set(names) <= found.keys():
                return found
            await asyncio.sleep(0.05)


async def token_of(here: Stage) -> str:
    database = Database(here.database_url)
    async with database.transaction() as session:
        token = await access.create_token(session, name="sender", role="admin", now=SystemClock().now())
    await database.close()
    return token


def log_lines(here: Stage, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in here.service.log_text().splitlines() if line.startswith("{")]
    return [each for each in lines if each["event"] == event]


async def test_the_way_of_a_message_is_traced_and_the_log_has_the_same_ids(tmp_path: Path) -> None:
    async with servers.receiver() as collector, traced(tmp_path, collector) as here:
        token = await token_of(here)
        said = {"action": "escort", "visit": "v-1", "name": VISITOR}
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=20) as client:
            body = {"topic": "campus/lincoln/visitor/lobby", "payload": said}
            answer = await client.post(f"{here.service.url}/api/v1/messages?private=query", json=body)
        assert answer.status_code == 202
        found = await wait_for(collector, "POST /api/v1/messages", "batch", "deliver")
        request, batch, delivery = found["POST /api/v1/messages"], found["batch"], found["deliver"]
        # One trace from the request to the commit; the delivery comes later, and names the same alert.
        assert (batch["trace"], batch["parent"]) == (request["trace"], request["span"])
        assert delivery["facts"]["hallwatch.alerts"] == batch["facts"]["hallwatch.alerts"]
        assert 'string_value: "accepted"' in delivery["facts"]["hallwatch.outcome"]
        assert "202" in request["facts"]["http.response.status_code"]
        assert {each["service"] for each in found.values()} == {"hallwatch-north"}  # as the page says
        (moved,) = log_lines(here, "alerts moved")
        (attempted,) = log_lines(here, "delivery attempted")
        assert (moved["trace"], moved["span"]) == (batch["trace"], batch["span"])
        assert moved["request"] == answer.headers["X-Request-Id"]
        assert (attempted["trace"], attempted["span"]) == (delivery["trace"], delivery["span"])
        private = (VISITOR, "reyes", "127.0.0.1", "json:", "private=query", token, "lobby")
        for word in private:
            assert word not in str([(each["name"], each["facts"]) for each in spans(collector)]), word


async def test_a_collector_that_is_away_holds_nothing_up(tmp_path: Path) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{servers.free_port()}"}
    found = telemetry.configured(variables)
    began = stopwatch()
    for _ in range(100):
        with found.span("batch"):
            pass
    assert stopwatch() - began < 1
    await asyncio.to_thread(found.close)
    assert stopwatch() - began < 8


def test_without_an_endpoint_nothing_of_it_is_imported() -> None:
    asked = (
        "import sys; from app import telemetry; from core.spans import SILENT; "
        "assert telemetry.configured({}) is SILENT; "
        "print([n for n in sys.modules "
        "if n.startswith(('opentelemetry.sdk', 'opentelemetry.exporter', 'opentelemetry.proto'))])"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=servers.ROOT)
    assert said.stdout.strip() == "[]"


def test_a_span_that_nobody_collects_is_nothing() -> None:
    with SILENT.span("batch", messages=3) as span:
        span.note(accepted=3)
    with SILENT.span("another") as other:
        assert other is span


@pytest.mark.parametrize("more", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_it_can_be_switched_off(more: dict[str, str]) -> None:
    assert telemetry.configured({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", **more}) is SILENT


def test_a_missing_extra_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(BadInput, match=r"OTEL_EXPORTER_OTLP_ENDPOINT.*hallwatch\[telemetry\]"):
        telemetry.configured({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})


def test_another_protocol_is_refused() -> None:
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(BadInput, match=r"OTEL_EXPORTER_OTLP_PROTOCOL.*http/protobuf"):
        telemetry.configured(asked)


def test_what_goes_wrong_is_told_by_its_type_alone() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with pytest.raises(ValueError, match=VISITOR), Telemetry(provider).span("batch"):
        raise ValueError(f"no door for {VISITOR}")
    (span,) = kept.get_finished_spans()
    assert (span.status.is_ok, span.status.description, span.events) == (False, "ValueError", ())
