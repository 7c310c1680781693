"""The containers: what must be there is there, nothing secret stands in a file, and it is the broker of the tests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.campus import Campus
from core.settings import PREFIX, Settings

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "hallwatch"]
DEMO = {"phone", "demo-campus", "simulator"}


def environment(service: dict[str, Any]) -> dict[str, str]:
    found = service.get("environment", {})
    assert isinstance(found, dict)
    return found


def test_the_service_its_broker_and_its_database_are_there_and_the_demo_only_when_asked_for() -> None:
    assert {"broker", "postgres", "hallwatch"} <= set(SERVICES)
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["demo"]} == DEMO


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_stands_in_the_file(name: str) -> None:
    for key, value in environment(SERVICES[name]).items():
        if re.search(r"PASSWORD|SECRET|DATABASE_URL|MQTT_URL", key):
            assert key.endswith("_FILE"), key
            assert str(value).startswith("/run/secrets/"), key
    assert not re.search(r"://[^/\s]+:[^/\s{]+@", (ROOT / "docker-compose.yml").read_text("utf-8"))


@pytest.mark.parametrize("name", SERVICES)
def test_every_secret_a_service_reads_is_mounted_into_it_and_no_other(name: str) -> None:
    service = SERVICES[name]
    read = {str(value).rsplit("/", 1)[1] for value in environment(service).values() if "/run/secrets/" in str(value)}
    if name == "broker-setup":
        script = (ROOT / "deploy/compose/broker-setup").read_text("utf-8")
        read = {f"mqtt_{account}" for account in re.findall(r"for account in (.*);", script)[0].split()}
    assert set(service.get("secrets", ())) == read


def test_every_secret_is_made_by_the_script_in_a_folder_that_git_does_not_see() -> None:
    made = set(re.findall(r"^keep (\w+)", (ROOT / "deploy/compose/make-secrets").read_text("utf-8"), re.MULTILINE))
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./deploy/compose/secrets/{name}"}
        assert name in made
    assert "secrets/" in (ROOT / "deploy/compose/.gitignore").read_text("utf-8").split()


@pytest.mark.parametrize("name", OURS)
def test_hallwatch_knows_every_setting_it_is_given(name: str) -> None:
    for key in environment(SERVICES[name]):
        assert key.startswith(PREFIX)
        setting = key.removeprefix(PREFIX).lower()
        assert {setting, setting.removesuffix("_file")} & Settings.model_fields.keys(), key


@pytest.mark.parametrize("name", OURS)
def test_hallwatch_runs_with_as_few_rights_as_it_can(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service


def test_the_broker_is_that_of_the_tests() -> None:
    mounts = {mount.split(":")[1]: mount.split(":")[0] for mount in SERVICES["broker-setup"]["volumes"]}
    assert mounts["/setup/mosquitto"] == "./deploy/mosquitto"
    assert mounts["/setup/broker-setup"] == "./deploy/compose/broker-setup"
    assert SERVICES["broker"]["working_dir"] == "/broker"
    assert "broker:/broker" in SERVICES["broker"]["volumes"]
    assert (ROOT / "deploy/mosquitto/mosquitto.conf").is_file()
    assert (ROOT / "deploy/mosquitto/acl").is_file()


def test_what_is_mounted_from_here_exists_and_is_read_only() -> None:
    for name, service in SERVICES.items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), (name, source)
                assert mount.endswith(":ro"), (name, source)
            else:
                assert source in COMPOSE["volumes"], (name, source)


def test_what_must_outlive_a_container_is_in_a_volume() -> None:
    targets = {mount.split(":")[1] for service in SERVICES.values() for mount in service.get("volumes", ())}
    assert {"/broker", "/var/lib/postgresql/data", "/var/lib/hallwatch"} <= targets


def test_hallwatch_waits_until_its_broker_and_database_answer() -> None:
    needs = SERVICES["hallwatch"]["depends_on"]
    assert {name: need["condition"] for name, need in needs.items()} == {
        "broker": "service_healthy",
        "postgres": "service_healthy",
    }
    assert all("healthcheck" in SERVICES[name] for name in needs)


def test_the_image_installs_by_hash_and_runs_without_rights_and_is_looked_after() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    last = text[text.rindex("FROM ") :]
    assert "--require-hashes -r requirements.lock" in text
    assert re.search(r"^USER (?!root|0)", last, re.MULTILINE)
    assert re.search(r'^CMD \["hallwatch", "serve"\]', last, re.MULTILINE)
    assert "/healthz" in last[last.index("HEALTHCHECK") :]
    assert "pip install" not in last


def test_the_image_is_given_every_package_and_what_it_is_built_from_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    packages = set(re.findall(r'"(\w+)\*"', (ROOT / "pyproject.toml").read_text("utf-8")))
    assert "*" in lines
    assert packages
    assert kept == packages | {"pyproject.toml", "requirements.lock", "README.md", "LICENSE"}


def test_the_demos_school_is_a_campus_whose_people_carry_the_phone_of_the_demo() -> None:
    script = ROOT / "deploy/compose/demo.py"
    done = subprocess.run([sys.executable, script, "campus"], cwd=ROOT, capture_output=True, check=True)
    campus = Campus.model_validate_json(done.stdout)
    urls = [endpoint.url for person in campus.people for endpoint in person.endpoints]
    assert urls
    assert all(url.startswith("json://phone:8090/") for url in urls)
    assert "phone" in SERVICES
    assert SERVICES["phone"]["ports"] == ["127.0.0.1:8090:8090"]
