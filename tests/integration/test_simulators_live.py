"""Ten scenarios of the library against a running service, through Mosquitto, in real time; and the load mode."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from app import load, simulation
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


def copy_library(folder: Path) -> None:
    """Lay the quick scenarios out with a campus of its own for each, so that all can be played at once."""
    shutil.copytree(LIBRARY / "parts", folder / "parts")
    for name in (*QUICK, "press", "short"):
        plain = yaml.safe_load((LIBRARY / "campuses" / f"{ALWAYS}.yaml").read_text())
        plain["campus"]["id"] = name
        (folder / "campuses").mkdir(exist_ok=True)
        (folder / "campuses" / f"{name}.yaml").write_text(yaml.safe_dump(plain))
    (folder / "quick").mkdir()
    for name in QUICK:
        text = (LIBRARY / "quick" / f"{name}.yaml").read_text()
        (folder / "quick" / f"{name}.yaml").write_text(text.replace(ALWAYS, name))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[servers.Service, servers.Mosquitto, Path, str]]:
    folder = tmp_path_factory.mktemp("live")
    copy_library(folder)
    with servers.mosquitto(folder / "mosquitto") as broker:
        settings = {"HALLWATCH_MQTT_URL": broker.url(), "HALLWATCH_CONFIG_DIR": str(folder / "campuses")}
        service = servers.Service(folder, settings)
        service.start()
        token = service.command("token", "create", "--name", "simulations", "--role", "tester").stdout.strip()
        yield service, broker, folder, token
        service.stop()


def order(stage: tuple[servers.Service, servers.Mosquitto, Path, str], scenario: str, **how: Any) -> simulation.Order:
    service, broker, folder, token = stage
    expect = simulation.Expect(service.url, token)
    file = folder / "quick" / f"{scenario}.yaml"
    return simulation.Order(scenario=str(file), broker=broker.url("tester"), expect=expect, **how)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


async def test_ten_scenarios_of_the_library_come_out_as_expected_live(
    stage: tuple[servers.Service, servers.Mosquitto, Path, str],
) -> None:
    assert len(QUICK) >= 10
    consoles = [quiet() for _ in QUICK]
    orders = [order(stage, name) for name in QUICK]
    found = await asyncio.gather(*(simulation.run(each, out=out) for each, out in zip(orders, consoles, strict=True)))
    told = {
        name: out.file.getvalue()  # type: ignore[attr-defined] # a StringIO
        for name, out, status in zip(QUICK, consoles, found, strict=True)
        if status
    }
    assert not told, "\n".join(told.values())
    said = consoles[0].file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "T E S T" in said
    assert "Nobody will be told" in said


async def test_what_falls_short_is_told_by_status_table_junit_and_json(
    stage: tuple[servers.Service, servers.Mosquitto, Path, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
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


async def test_a_load_is_acknowledged_journalled_and_alerted(
    stage: tuple[servers.Service, servers.Mosquitto, Path, str], tmp_path: Path
) -> None:
    service, broker, folder, token = stage
    campus = read_campus(folder / "campuses" / "press.yaml")
    async with Api.at(service.url, token) as api:
        found = await load.measure(campus, Load(rate=100, seconds=5), BrokerAddress.parse(broker.url("tester")), api)
    assert (found.sent.sent, found.sent.acknowledged) == (500, 500)
    assert (found.journalled, found.alerted) == (500, found.sent.alerts_due) == (500, 10)
    assert found.complete
    assert set(found.plain()["latency_ms"]) == {"acknowledged", "received", "alerted"}
    assert found.picture().startswith("<svg ")


async def test_a_token_that_is_not_taken_is_told_before_anything_is_sent(
    stage: tuple[servers.Service, servers.Mosquitto, Path, str],
) -> None:
    wrong = order(stage, QUICK[0])
    with pytest.raises(simulation.BadInput, match="401"):
        await simulation.run(
            simulation.Order(
                scenario=wrong.scenario, broker=wrong.broker, expect=simulation.Expect(stage[0].url, "no")
            ),
            out=quiet(),
        )
