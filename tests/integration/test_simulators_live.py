"""Ten scenarios of the library against a running service, through Mosquitto, in real time; and the load mode."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from rich.console import Console

from app import deeds, load, simulation
from app.asking import Api
from simulators.load import Load
from simulators.play import BrokerAddress
from simulators.scenarios import LIBRARY, read_campus
from tests import servers

pytestmark = [
    pytest.mark.skipif(
        not (servers.MOSQUITTO and servers.MOSQUITTO_PASSWD),
        reason="mosquitto is not installed (apt-get install mosquitto mosquitto-clients)",
    ),
    pytest.mark.timeout(180),
]
QUICK = sorted(path.stem for path in (LIBRARY / "quick").glob("*.yaml"))
ALWAYS = "always-open"
OWN = ("short", "steps")
"""Campuses for what is not in the library."""
LADDER = {
    "title": "A door of this campus is open, and open",
    "scope": {"door": {}},
    "key": "door.id",
    "hold": {"while": 'door.position == "open" && campus.id == "steps"', "for": "1s"},
    "ladder": [{"after": "0s", "severity": "minor"}, {"after": "3s", "severity": "severe"}],
    "alert": {"text": "{door} is open"},
}
STEPS = """scenario: steps
campus: ../campuses/steps.yaml
start: "2026-11-24T10:00"
script:
  - {at: 2s, door: main, opens: {for: 7s, granted: true}}
expect:
  - {rule: open-and-open, key: main, at: 3s, severity: minor}
  # It is known of once the service says it: a second behind the clock, and more on a busy machine.
  - {rule: open-and-open, key: main, at: 6s, severity: severe, within: 4s}
  - {rule: open-and-open, key: main, at: 9s, state: resolved}
"""
DRILLED = """scenario: drilled
campus: ../campuses/steps.yaml
start: "2026-11-24T10:00"
script:
  - {at: 1s, station: lobby, say: {action: pickup_request, visit: v-15, watch: custody}}
people:
  - {at: 6s, person: diaz, acknowledge: {rule: restricted-pickup, key: v-15}}
  - {at: 8s, person: diaz, resolve: {rule: restricted-pickup, key: v-15, as: drill}}
expect:
  - {rule: restricted-pickup, key: v-15, at: 1s, told: [diaz]}
  - {rule: restricted-pickup, key: v-15, at: 1s, within: 4s, state: told, told: [diaz]}
  - {rule: restricted-pickup, key: v-15, at: 6s, state: acknowledged}
  - {rule: restricted-pickup, key: v-15, at: 8s, state: closed}
"""
HUSH = """scenario: hush
campus: ../campuses/short.yaml
start: "2026-11-24T10:00"
people: [{at: 1s, person: diaz, suppress: {keys: [main], for: 1h, reason: repair}}]
"""


def copy_library(folder: Path) -> None:
    """Lay the quick scenarios out with a campus of its own for each, so that all can be played at once."""
    shutil.copytree(LIBRARY / "parts", folder / "parts")
    for name in (*QUICK, *OWN):
        plain = yaml.safe_load((LIBRARY / "campuses" / f"{ALWAYS}.yaml").read_text())
        plain["campus"]["id"] = name
        if name == "steps":
            plain["people"][1]["endpoints"] = [{"id": "diaz-push", "url": "json://phone.example/diaz", "via": "push"}]
        (folder / "campuses").mkdir(exist_ok=True)
        (folder / "campuses" / f"{name}.yaml").write_text(yaml.safe_dump(plain))
    (folder / "quick").mkdir()
    for name in QUICK:
        text = (LIBRARY / "quick" / f"{name}.yaml").read_text()
        (folder / "quick" / f"{name}.yaml").write_text(text.replace(ALWAYS, name))


def tokens(service: servers.Service) -> dict[str, str]:
    """Make a token of each role that plays; the administrator's own one teaches the service a rule of ours."""
    admin = service.command("token", "create", "--name", "admin", "--role", "admin").stdout.strip()
    with httpx.Client(base_url=f"{service.url}/api/v1", headers={"Authorization": f"Bearer {admin}"}) as api:
        api.put("/rules/open-and-open", json=LADDER).raise_for_status()
        made = {role: api.post("/tokens", json={"name": role, "role": role}).json() for role in ("tester", "sro")}
    return {role: each["token"] for role, each in made.items()}


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[servers.Service, servers.Mosquitto, Path, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("live")
    copy_library(folder)
    with servers.mosquitto(folder / "mosquitto") as broker:
        settings = {"HALLWATCH_MQTT_URL": broker.url(), "HALLWATCH_CONFIG_DIR": str(folder / "campuses")}
        service = servers.Service(folder, settings)
        service.start()
        yield service, broker, folder, tokens(service)
        service.stop()


def order(
    stage: tuple[servers.Service, servers.Mosquitto, Path, dict[str, str]],
    scenario: str,
    role: str = "tester",
    **how: Any,
) -> simulation.Order:
    service, broker, folder, known = stage
    expect = simulation.Expect(service.url, known[role])
    file = folder / "quick" / f"{scenario}.yaml"
    return simulation.Order(scenario=str(file), broker=broker.url("tester"), expect=expect, **how)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


async def test_ten_scenarios_of_the_library_come_out_as_expected_live(
    stage: tuple[servers.Service, servers.Mosquitto, Path, dict[str, str]],
) -> None:
    _, _, folder, _ = stage
    assert len(QUICK) >= 10
    # Two more at the same time: in one an alert rises, which is seen step by step; in a drill people are told.
    (folder / "quick" / "steps.yaml").write_text(STEPS)
    (folder / "quick" / "drilled.yaml").write_text(DRILLED)
    names = [*QUICK, "steps", "drilled"]
    consoles = [quiet() for _ in names]
    orders = [order(stage, name, "sro" if name == "quick-answer" else "tester") for name in names[:-1]]
    orders.append(order(stage, "drilled", "sro", exercise="drill"))
    found = await asyncio.gather(*(simulation.run(each, out=out) for each, out in zip(orders, consoles, strict=True)))
    told = {
        name: out.file.getvalue()  # type: ignore[attr-defined] # a StringIO
        for name, out, status in zip(names, consoles, found, strict=True)
        if status
    }
    assert not told, "\n".join(told.values())
    said = consoles[0].file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "T E S T" in said
    assert "Nobody will be told" in said


async def test_what_falls_short_is_told_by_status_table_junit_and_json(
    stage: tuple[servers.Service, servers.Mosquitto, Path, dict[str, str]],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    _, _, folder, _ = stage
    (folder / "quick" / "short.yaml").write_text(
        "scenario: short\ncampus: ../campuses/short.yaml\n"
        'start: "2026-11-24T10:00"\n'
        "script:\n"
        "  - {at: 1s, station: lobby, say: {action: id_refused, visit: v-1}}\n"
        "  - {at: 2s, station: lobby, say: {action: pickup_request, visit: v-2, watch: custody}}\n"
        "expect:\n"
        "  - {rule: id-refused, key: v-1, at: 1s}\n"
        "  - {rule: door-forced, key: main, at: 2s}\n"
    )
    junit = tmp_path / "junit.xml"
    assert await simulation.run(order(stage, "short", as_json=True, junit=junit), out=quiet()) == 1
    said = json.loads(capsys.readouterr().out)
    results = {(each["result"], each["rule"]) for each in said["results"]}
    assert results == {("ok", "id-refused"), ("missing", "door-forced"), ("unexpected", "restricted-pickup")}
    assert said["passed"] is False
    # The pick-up was said two seconds after the start, as was the end of what was waited for.
    assert "pickup_request" in said["first_diverging"] or "id_refused" in said["first_diverging"]
    written = junit.read_text()
    assert 'tests="3" failures="2"' in written
    assert '<failure type="missing"' in written


async def test_what_a_token_may_not_do_or_nobody_should_is_told_before_anything_is_sent(
    stage: tuple[servers.Service, servers.Mosquitto, Path, dict[str, str]],
) -> None:
    _, _, folder, _ = stage
    with pytest.raises(simulation.BadInput, match="people answer alerts in it; that takes a token of the role sro"):
        await simulation.run(order(stage, "quick-answer"), out=quiet())
    (folder / "quick" / "hush.yaml").write_text(HUSH)
    with pytest.raises(simulation.BadInput, match="real alerts would fall silent too: only with --live"):
        await simulation.run(order(stage, "hush", "sro"), out=quiet())


async def test_what_people_could_not_do_falls_short(
    stage: tuple[servers.Service, servers.Mosquitto, Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, folder, _ = stage
    monkeypatch.setattr(deeds, "PATIENCE_S", 0.5)
    monkeypatch.setattr(simulation, "SETTLE_S", 0.0)
    answer = "{at: 500ms, person: diaz, acknowledge: {rule: door-forced, key: main}}"
    text = HUSH.split("people:")[0].replace("hush", "nothing") + f"people: [{answer}, {{at: 1s, restart: {{}}}}]\n"
    (folder / "quick" / "nothing.yaml").write_text(text)
    out = quiet()
    assert await simulation.run(order(stage, "nothing", "sro"), out=out) == 1
    said = out.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "not done: diaz: acknowledge door-forced main: there is no such open alert of this run" in said
    assert "left out: nobody can restart the service from here" in said
    assert "1 not done" in said


async def test_a_load_is_acknowledged_journalled_and_alerted(
    stage: tuple[servers.Service, servers.Mosquitto, Path, dict[str, str]], tmp_path: Path
) -> None:
    service, broker, folder, known = stage
    campus = read_campus(folder / "campuses" / "short.yaml")
    async with Api.at(service.url, known["tester"]) as api:
        found = await load.measure(campus, Load(rate=100, seconds=5), BrokerAddress.parse(broker.url("tester")), api)
    assert (found.sent.sent, found.sent.acknowledged) == (500, 500)
    assert (found.journalled, found.alerted) == (500, found.sent.alerts_due) == (500, 10)
    assert found.complete
    assert set(found.plain()["latency_ms"]) == {"acknowledged", "received", "alerted"}
    assert found.picture().startswith("<svg ")


async def test_a_token_that_is_not_taken_is_told_before_anything_is_sent(
    stage: tuple[servers.Service, servers.Mosquitto, Path, dict[str, str]],
) -> None:
    wrong = order(stage, QUICK[0])
    with pytest.raises(simulation.BadInput, match="401"):
        await simulation.run(
            simulation.Order(
                scenario=wrong.scenario, broker=wrong.broker, expect=simulation.Expect(stage[0].url, "no")
            ),
            out=quiet(),
        )
