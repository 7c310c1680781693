"""The command `hallwatch` as people type it: what it prints, where it refuses, with which status."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import update

from app import migrate
from core import audit, registry
from core.database import Database
from tests import servers
from tests.campuses import lincoln
from tests.conftest import START

SECRET_NAME = "Alex Planted Secret"


@pytest.fixture
def service(tmp_path: Path) -> servers.Service:
    return servers.Service(tmp_path)


@pytest.fixture
def campus_file(tmp_path: Path) -> Path:
    path = tmp_path / "campus.yaml"
    path.write_text(yaml.safe_dump(registry.to_plain(lincoln()), sort_keys=False))
    return path


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def test_help_names_every_command(service: servers.Service) -> None:
    said = service.command("--help").stdout
    for name in (
        "demo",
        "serve",
        "check",
        "load",
        "dump",
        "replay",
        "backtest",
        "simulate",
        "doctor",
        "db",
        "token",
        "user",
        "audit",
        "schema",
    ):
        assert f" {name} " in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("replay",), "hallwatch replay: Missing argument 'MESSAGES.jsonl'; see hallwatch replay --help"),
        (("chek",), "hallwatch: No such command 'chek'. Did you mean 'check', 'schema'?; see hallwatch --help"),
        (("check", "--foo", "."), "hallwatch check: No such option: --foo; see hallwatch check --help"),
    ],
)
def test_a_wrong_use_is_told_in_one_line(service: servers.Service, words: tuple[str, ...], said: str) -> None:
    answer = service.command(*words, check=False)
    assert answer.returncode == 2
    assert lines(answer.stderr) == [said]
    assert answer.stdout == ""


def test_check_says_fine_and_runs_what_is_inside(service: servers.Service, campus_file: Path) -> None:
    shipped = servers.ROOT / "rules" / "protocols"
    said = service.command("check", str(campus_file), str(shipped), str(servers.ROOT / "ingest" / "mappings"))
    assert said.stdout.startswith("fine: 1 campus")


def test_check_names_file_line_and_field_of_everything_wrong(service: servers.Service, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "campus: {id: a, name: A, timezone: America/Chicgo}\n"
        "doors:\n"
        "  - {id: d1, name: One, zone: gmy}\n"
        "  - {id: d1, name: Two, colour: red}\n"
    )
    rule = tmp_path / "rule.yaml"
    rule.write_text(
        "id: r\ntitle: R\nkey: door.id\nhold:\n  while: door.positon == 'open'\n  for: 10s\nseverity: severe\n"
    )
    said = service.command("check", str(bad), str(rule), check=False)
    assert said.returncode == 2
    assert said.stdout == ""
    text = said.stderr
    assert f"{bad}:1: campus.timezone: no time zone 'America/Chicgo'" in text
    assert f"{bad}:4: doors[1].colour: no such key" in text
    assert f"{rule}:5: hold.while" in text
    assert "position" in text
    assert "Traceback" not in text


def test_check_can_speak_json(service: servers.Service, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("what: is this\n")
    said = service.command("check", "--json", str(path), check=False)
    found: dict[str, Any] = json.loads(said.stdout)
    assert said.returncode == 2
    assert not found["ok"]
    assert found["problems"][0]["file"] == str(path)


@pytest.mark.parametrize(
    "text",
    ["", "a: [", "\tx: 1", "campus: {id: a}\ncampus: {id: b}", "- 1\n- 2", "&a [*a]", '{"campus": 5}', "\x00"],
)
def test_a_broken_file_is_refused_without_a_traceback(service: servers.Service, tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    said = service.command("check", str(path), check=False)
    assert said.returncode == 2
    assert str(path) in said.stderr
    assert "Traceback" not in said.stderr


def test_load_is_idempotent_prints_a_diff_and_dump_gives_it_back(
    service: servers.Service, campus_file: Path, tmp_path: Path
) -> None:
    dry = service.command("load", "--dry-run", str(campus_file)).stdout
    assert "+ doors gym-east" in dry
    assert lines(dry)[-1].endswith("would be made")
    first = service.command("load", str(campus_file)).stdout
    assert lines(first)[-1] == lines(dry)[-1].removesuffix(" would be made")
    assert lines(service.command("load", str(campus_file)).stdout) == ["nothing to change"]
    service.command("dump", str(tmp_path / "out"))
    assert lines(service.command("load", str(tmp_path / "out")).stdout) == ["nothing to change"]
    changed = registry.to_plain(lincoln())
    changed["doors"][1]["name"] = "Gym, the east one"
    campus_file.write_text(yaml.safe_dump(changed, sort_keys=False))
    said = service.command("load", str(campus_file)).stdout
    assert "~ doors gym-east" in said
    assert "Gym, the east one" in said


def test_nothing_is_half_loaded(service: servers.Service, campus_file: Path, tmp_path: Path) -> None:
    rule = tmp_path / "rule.yaml"
    rule.write_text("id: r\ntitle: R\nkey: door.id\nmatch: {of: door.opend}\nseverity: severe\n")
    said = service.command("load", str(campus_file), str(rule), check=False)
    assert said.returncode == 2
    assert "door.opened" in said.stderr
    said = service.command("load", "--dry-run", str(campus_file))
    assert "+ campus lincoln" in said.stdout


def test_secrets_are_not_printed_and_not_stored_in_the_clear(
    service: servers.Service, campus_file: Path, tmp_path: Path
) -> None:
    said = service.command("load", str(campus_file))
    assert SECRET_NAME not in said.stdout + said.stderr
    stored = (tmp_path / "hallwatch.db").read_bytes() + b"".join(
        path.read_bytes() for path in tmp_path.glob("hallwatch.db-*")
    )
    assert SECRET_NAME.encode() not in stored
    assert b"json://127.0.0.1:9/reyes" not in stored


def test_serve_without_a_good_secret_refuses_and_says_how_to_make_one(tmp_path: Path) -> None:
    for key in ("", "short", "changeme-changeme-changeme-changeme-changeme"):
        service = servers.Service(tmp_path, {"HALLWATCH_SECRET_KEY": key})
        said = service.command("serve", check=False)
        assert said.returncode == 2
        assert "HALLWATCH_SECRET_KEY" in said.stderr
        assert "secrets.token_urlsafe" in said.stderr
        assert "Traceback" not in said.stderr


def test_an_unknown_setting_and_an_unknown_role_are_refused(tmp_path: Path) -> None:
    said = servers.Service(tmp_path, {"HALLWATCH_MQTT_ULR": "x"}).command("serve", check=False)
    assert said.returncode == 2
    assert "HALLWATCH_MQTT_ULR" in said.stderr
    said = servers.Service(tmp_path).command("serve", "--only", "kitchen", check=False)
    assert said.returncode == 2
    assert "kitchen" in said.stderr


def test_a_token_is_printed_alone_and_never_stored(service: servers.Service, tmp_path: Path) -> None:
    made = service.command("token", "create", "--name", "bridge", "--role", "device").stdout.strip()
    assert made.startswith("hw_")
    assert len(lines(made)) == 1
    assert made.encode() not in (tmp_path / "hallwatch.db").read_bytes()
    said = service.command("token", "create", "--name", "x", "--role", "king", check=False)
    assert said.returncode == 2
    assert "viewer" in said.stderr


def test_the_database_is_brought_up_and_its_audit_verified(service: servers.Service) -> None:
    assert "was empty" in service.command("db", "upgrade").stdout
    assert "already" in service.command("db", "upgrade").stdout
    service.command("token", "create", "--name", "x", "--role", "viewer")
    assert "whole" in service.command("audit", "verify").stdout


async def test_audit_verify_names_the_row_that_was_edited(service: servers.Service) -> None:
    database = Database(service.environment["HALLWATCH_DATABASE_URL"])
    await migrate.upgrade(database)
    async with database.transaction() as session:
        for number in range(3):
            await audit.record(session, at=START, actor="person:reyes", action="note", subject=f"alert:{number}")
    async with database.transaction() as session:
        await session.execute(update(audit.AuditRow).where(audit.AuditRow.id == 2).values(actor="somebody else"))
    await database.close()
    said = await asyncio.to_thread(service.command, "audit", "verify", check=False)
    assert (said.returncode, said.stdout.strip()) == (1, "row 2 does not fit the chain")


@pytest.mark.parametrize("what", ["rule", "campus", "policy", "mapping", "message", "scenario"])
def test_every_schema_is_json(service: servers.Service, what: str) -> None:
    found: dict[str, Any] = json.loads(service.command("schema", what).stdout)
    assert found.get("properties") or found.get("oneOf") or found.get("$defs")


def recording(path: Path, *said: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in said))
    return path


DOOR = {"rx": "2026-11-24T16:00:00Z", "topic": "campus/lincoln/door/gym-west", "payload": {"position": "open"}}


def test_replay_prints_findings_one_line_each_and_the_same_again(
    service: servers.Service, campus_file: Path, tmp_path: Path
) -> None:
    path = recording(
        tmp_path / "m.jsonl",
        DOOR,
        {"rx": "2026-11-24T16:02:00Z"},
        {**DOOR, "rx": "2026-11-24T16:02:10Z", "payload": {"position": "closed"}},
        {"rx": "2026-11-24T16:03:00Z"},
    )
    said = service.command("replay", "--campus", str(campus_file), "--json", str(path))
    found = [json.loads(line) for line in lines(said.stdout)]
    assert [(each["rule"], each["state"], each["at"], each["mode"]) for each in found] == [
        ("door-left-open", "firing", "2026-11-24T16:00:30Z", "shadow"),
        ("door-held-open", "firing", "2026-11-24T16:01:00Z", "live"),
        ("door-held-open", "resolved", "2026-11-24T16:02:10Z", "live"),
        ("door-left-open", "resolved", "2026-11-24T16:02:10Z", "shadow"),
    ]
    assert set(found[0]) >= {"at", "rule", "key", "state", "severity", "late", "mode", "text", "because"}
    assert service.command("replay", "--campus", str(campus_file), "--json", str(path)).stdout == said.stdout


def test_replay_tells_the_alerts_that_would_come_of_it(
    service: servers.Service, campus_file: Path, tmp_path: Path
) -> None:
    path = recording(tmp_path / "m.jsonl", DOOR, {"rx": "2026-11-24T16:04:00Z"})
    said = service.command("replay", "--campus", str(campus_file), "--alerts", "--json", str(path))
    found = [json.loads(line) for line in lines(said.stdout)]
    assert [each["event"] for each in found][:2] == ["opened", "notify"]
    assert found[1]["to"] == ["reyes-phone"]
    assert {each["alert"] for each in found} == {found[0]["alert"]}
    assert (
        service.command("replay", "--campus", str(campus_file), "--alerts", "--json", str(path)).stdout == said.stdout
    )


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{", "JSON"),
        ('{"topic": "x"}', "rx"),
        ('{"rx": "yesterday"}', "rx"),
        ('{"rx": "2026-11-24T16:00:00"}', "rx"),
        ('{"rx": "2026-11-24T16:00:00Z", "topic": 5, "payload": {}}', "topic"),
        ('{"rx": "2026-11-24T16:00:00Z", "topic": "x"}', "payload"),
        ('{"rx": "2026-11-24T16:00:00Z", "payload": {}}', "topic"),
        ('{"rx": "2026-11-24T15:00:00Z"}', "back in time"),
    ],
)
def test_a_bad_line_is_named_before_anything_is_printed(
    service: servers.Service, campus_file: Path, tmp_path: Path, line: str, word: str
) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(DOOR) + "\n" + line + "\n")
    said = service.command("replay", "--campus", str(campus_file), "--json", str(path), check=False)
    assert said.returncode == 2
    assert said.stdout == ""
    assert f"{path}:2:" in said.stderr
    assert word in said.stderr


def test_what_cannot_be_read_in_a_recording_is_told_and_the_rest_goes_on(
    service: servers.Service, campus_file: Path, tmp_path: Path
) -> None:
    path = recording(
        tmp_path / "m.jsonl",
        {**DOOR, "topic": "campus/lincoln/door/nowhere"},
        DOOR,
        {"rx": "2026-11-24T16:02:00Z"},
    )
    said = service.command("replay", "--campus", str(campus_file), "--json", str(path))
    assert "unknown_entity" in said.stderr
    assert "door-held-open" in [json.loads(each)["rule"] for each in lines(said.stdout)]


def test_a_scenario_is_recorded_and_replayed(service: servers.Service, tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    service.command("simulate", "bouncing-contact", "--record", str(path))
    first = json.loads(lines(path.read_text())[0])
    assert {"rx", "topic", "payload"} <= set(first)
    again = tmp_path / "again.jsonl"
    service.command("simulate", "bouncing-contact", "--record", str(again))
    assert again.read_bytes() == path.read_bytes()


def test_doctor_says_what_does_not_work_and_what_to_do(service: servers.Service) -> None:
    port = servers.free_port()
    service.settings["HALLWATCH_MQTT_URL"] = f"mqtt://127.0.0.1:{port}"
    said = service.command("doctor", check=False)
    assert said.returncode == 1
    assert "hallwatch db upgrade" in said.stdout
    assert f"127.0.0.1:{port}" in said.stdout
    assert "Traceback" not in said.stdout + said.stderr


def test_load_keeps_device_mappings_and_a_second_load_changes_nothing(service: servers.Service) -> None:
    shipped = str(servers.ROOT / "ingest" / "mappings" / "zigbee2mqtt.yaml")
    first, second = service.command("load", shipped), service.command("load", shipped)
    assert "zigbee2mqtt-contact" in first.stdout
    assert "zigbee2mqtt-contact" not in second.stdout
    assert not first.stderr
    assert not second.stderr


def run_with(service: servers.Service, said: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *words],
        cwd=service.folder,
        env=service.environment,
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
def test_the_first_administrator_is_made_on_the_command_line(service: servers.Service) -> None:
    words = ("user", "add", "--name", "Okafor", "--role", "admin")
    weak = run_with(service, "password1234\n", *words)
    assert weak.returncode == 2
    assert lines(weak.stderr) == ["--password: is easy to guess; take four words that nobody would put together"]
    assert lines(run_with(service, "the tall grey heron\n", *words).stdout) == ["okafor may sign in as admin"]
    last = service.command("user", "disable", "okafor", check=False)
    assert last.returncode == 1
    assert "last administrator" in last.stderr
    reset = run_with(service, "seven lamps over the canal\n", "user", "password", "okafor")
    assert lines(reset.stdout) == ["okafor has another password; no code is asked for"]


@pytest.mark.timeout(300)
def test_a_user_of_the_provider_has_no_password_and_can_be_switched_off(service: servers.Service) -> None:
    reyes = ("--name", "reyes@district.example", "--role", "sro")
    service.command("user", "add", *reyes, "--campus", "a", "--no-password")
    assert lines(service.command("user", "list").stdout) == ["reyes@district.example  sro  only a  no password"]
    service.command("user", "disable", "reyes@district.example")
    assert "switched off" in service.command("user", "list").stdout
    assert lines(service.command("audit", "verify").stdout)[0].startswith("the chain is whole")


def test_a_token_has_an_end_and_its_campuses(service: servers.Service) -> None:
    words = ("token", "create", "--name", "Gate B", "--role", "device")
    made = service.command(*words, "--campus", "lincoln", "--expires", "30d").stdout
    assert made.startswith("hw_")
    wrong = service.command(*words, "--expires", "soon", check=False)
    assert wrong.returncode == 2
    assert lines(wrong.stderr) == ["--expires: write it like 30d or 2027-06-30T00:00:00Z"]
