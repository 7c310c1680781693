"""The figures of a service, and what is drawn and alarmed from them: every name exists, and none stands still."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.wiring import Service, build
from core import registry
from core.campus import Campus
from core.clock import ManualClock
from core.messages import Heard
from core.settings import Settings
from tests.servers import ROOT, SECRET_KEY

NAME = re.compile(r"\bhallwatch_\w+")


@pytest.fixture
async def service(database_url: str, clock: ManualClock, campus: Campus) -> AsyncIterator[Service]:
    found = build(Settings(database_url=database_url, secret_key=SECRET_KEY), clock, listen=False)
    await found.prepare()
    async with found.database.transaction() as session:
        await registry.save(session, found.vault, campus, now=clock.now(), by="the test")
    await found.pipeline.refresh()
    found.pipeline.catching_up = False
    yield found
    await found.close()


def samples(service: Service) -> dict[str, float]:
    """The figures as Prometheus reads them: `name{label="…"}` without the labels' names."""
    text = generate_latest(service.metrics.registry).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            labels = ",".join(each.labels.values())
            found[f"{each.name}{{{labels}}}" if labels else each.name] = each.value
    return found


async def hear(service: Service, topic: str, payload: str) -> None:
    await service.pipeline.on_messages([Heard(f"campus/lincoln/{topic}", payload.encode())])


async def test_the_figures_follow_what_happens(service: Service, clock: ManualClock) -> None:
    await service.gauges.look()
    before = samples(service)
    assert before["hallwatch_alerts_open{extreme}"] == 0
    await hear(service, "door/gym-east", '{"position": "closed"}')
    await hear(service, "campus/state", '{"state": "lockdown", "by": "okafor"}')
    await hear(service, "door/gym-east", '{"position": "open"}')
    await hear(service, "door/nowhere", '{"position": "open"}')
    for _ in range(90):
        clock.jump(2)
        await service.pipeline.on_tick()
    await service.gauges.look()
    after = samples(service)
    opened = sum(value for name, value in after.items() if name.startswith("hallwatch_alerts_opened_total"))
    is_open = sum(value for name, value in after.items() if name.startswith("hallwatch_alerts_open{"))
    assert opened > 0
    assert opened == is_open
    assert after["hallwatch_messages_total{door.opened}"] == 1
    assert after["hallwatch_rule_messages_total{lincoln}"] == 3
    assert after["hallwatch_rule_evaluations_total{door-open-in-secure}"] >= 3
    assert after["hallwatch_rule_errors_total{door-open-in-secure}"] == 0
    assert after["hallwatch_quarantined_total{unknown_entity}"] == 1
    assert after["hallwatch_outbox_depth"] > 0
    assert after["hallwatch_outbox_oldest_seconds"] > 0
    assert 0 <= after["hallwatch_watermark_lag_seconds"] < 10
    assert any(name.startswith("hallwatch_findings_total") for name in after)
    await service.courier.send_due(clock.now())


async def test_every_figure_that_is_drawn_or_alarmed_exists(service: Service) -> None:
    await hear(service, "door/nowhere", "{}")
    text = generate_latest(service.metrics.registry).decode()
    known = set(re.findall(r"^# TYPE (hallwatch_\w+)", text, re.MULTILINE))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "sum", "count")}
    drawn = (ROOT / "deploy/grafana/hallwatch.json").read_text("utf-8")
    alarmed = (ROOT / "deploy/prometheus/hallwatch.rules.yaml").read_text("utf-8")
    told = (ROOT / "docs/operations.md").read_text("utf-8")
    for where, said in (("drawn", drawn), ("alarmed", alarmed), ("told", told)):
        assert set(NAME.findall(said)) - known == set(), where
    figures = {name for name in known if not name.endswith(("_created", "_bucket", "_sum", "_count"))}
    assert {name for name in figures if name not in drawn} == set(), "not on the dashboard"


def test_dashboard_and_alarms_are_whole() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/hallwatch.json").read_text("utf-8"))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    rules = yaml.safe_load((ROOT / "deploy/prometheus/hallwatch.rules.yaml").read_text("utf-8"))
    for group in rules["groups"]:
        for each in group["rules"]:
            assert {"alert", "expr", "labels", "annotations"} <= each.keys()
            assert {"summary", "action"} <= each["annotations"].keys()


async def test_names_follow_the_convention(service: Service) -> None:
    text = generate_latest(service.metrics.registry).decode()
    for name, kind in re.findall(r"^# TYPE (\S+) (\w+)", text, re.MULTILINE):
        assert name.startswith("hallwatch_")
        assert name == name.lower()
        if kind == "counter":
            assert name.endswith("_total"), name
        if "seconds" in name and kind == "gauge" and not name.endswith("_created"):
            assert name.endswith("_seconds"), name
