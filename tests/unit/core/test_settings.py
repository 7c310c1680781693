"""Settings: read once, from the environment, files and `hallwatch.toml`; what is wrong or unknown is said by name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import BadInput
from core.settings import Settings, load
from tests.servers import SECRET_KEY as SECRET

NOWHERE = Path("/nonexistent/hallwatch.toml")


def test_without_any_word_the_defaults_hold() -> None:
    settings = load({}, toml=NOWHERE)
    assert settings.database_url == "sqlite:///hallwatch.db"
    assert settings.http_host == "127.0.0.1"
    assert settings.lateness == timedelta(seconds=1)
    assert settings.retention_messages == timedelta(days=90)
    assert settings.allow_private_endpoints is False


def test_other_peoples_variables_are_none_of_our_business() -> None:
    assert load({"PATH": "/bin", "hallwatch_http_port": "1"}, toml=NOWHERE) == load({}, toml=NOWHERE)


def test_values_become_what_they_mean() -> None:
    settings = load(
        {
            "HALLWATCH_HTTP_PORT": "9090",
            "HALLWATCH_LATENESS": "1m30s",
            "HALLWATCH_CONFIG_DIR": "/etc/hallwatch",
            "HALLWATCH_ALLOW_PRIVATE_ENDPOINTS": "true",
            "HALLWATCH_LOG_LEVEL": "DEBUG",
        },
        toml=NOWHERE,
    )
    assert settings.http_port == 9090
    assert settings.lateness == timedelta(seconds=90)
    assert settings.config_dir == Path("/etc/hallwatch")
    assert settings.allow_private_endpoints is True


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    toml = tmp_path / "hallwatch.toml"
    toml.write_text('http_port = 1\nMQTT_PREFIX = "school"\nlateness = "3s"\n')
    settings = load({"HALLWATCH_HTTP_PORT": "2"}, toml=toml)
    assert (settings.http_port, settings.mqtt_prefix, settings.lateness) == (2, "school", timedelta(seconds=3))


def test_a_value_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    assert load({"HALLWATCH_SECRET_KEY_FILE": str(secret)}, toml=NOWHERE).require_secret() == SECRET


@pytest.mark.parametrize("order", [1, -1])
def test_a_plain_value_wins_over_its_file(tmp_path: Path, order: int) -> None:
    (tmp_path / "port").write_text("1")
    said = [("HALLWATCH_HTTP_PORT_FILE", str(tmp_path / "port")), ("HALLWATCH_HTTP_PORT", "2")][::order]
    assert load(dict(said), toml=NOWHERE).http_port == 2


def test_a_setting_whose_name_ends_in_file_is_itself() -> None:
    assert load({"HALLWATCH_MQTT_CA_FILE": "/etc/ca.pem"}, toml=NOWHERE).mqtt_ca_file == Path("/etc/ca.pem")


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(BadInput, match="HALLWATCH_SECRET_KEY_FILE: cannot be read"):
        load({"HALLWATCH_SECRET_KEY_FILE": "/nonexistent/secret"}, toml=NOWHERE)


def test_every_wrong_setting_is_named_at_once(tmp_path: Path) -> None:
    toml = tmp_path / "hallwatch.toml"
    toml.write_text('colour = "blue"\n')
    with pytest.raises(BadInput) as error:
        load({"HALLWATCH_HTP_PORT": "1", "HALLWATCH_HTTP_PORT": "many", "HALLWATCH_LATENESS": "soon"}, toml=toml)
    said = {problem.where: problem for problem in error.value.problems}
    assert said["colour"].file == str(toml)
    assert said["HALLWATCH_HTP_PORT"].message == "no such setting"
    assert "HALLWATCH_HTTP_PORT" in said
    assert "write it like 90s" in said["HALLWATCH_LATENESS"].message


def test_a_broken_settings_file_is_named(tmp_path: Path) -> None:
    toml = tmp_path / "hallwatch.toml"
    toml.write_text("http_port = \n")
    with pytest.raises(BadInput, match="cannot be read") as error:
        load({}, toml=toml)
    assert error.value.problems[0].file == str(toml)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("DATABASE_URL", "mysql://host/db", "postgresql://user:pass@host/db"),
        ("DATABASE_URL", "hallwatch.db", "sqlite:///hallwatch.db"),
        ("MQTT_URL", "http://host", "mqtts://user:pass@host:8883"),
        ("MQTT_PREFIX", "campus/#", ""),
        ("PUBLIC_URL", "hallwatch.example.org", ""),
        ("HTTP_PORT", "70000", ""),
        ("RETENTION_VISITS", "-1d", "write it like"),
        ("LOG_LEVEL", "chatty", ""),
    ],
)
def test_a_value_that_cannot_work_is_refused_with_what_would(name: str, value: str, hint: str) -> None:
    with pytest.raises(BadInput) as error:
        load({f"HALLWATCH_{name}": value}, toml=NOWHERE)
    assert [problem.where for problem in error.value.problems] == [f"HALLWATCH_{name}"]
    assert hint in error.value.problems[0].message


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(BadInput, match="must not be negative"):
        load({}, toml=NOWHERE, lateness=timedelta(seconds=-1))


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (None, "is required"),
        ("", "is required"),
        ("q8Jw2-vXz7", "shorter than 32"),
        ("a" * 64, "easy to guess"),
        ("changeme-changeme-changeme-changeme", "easy to guess"),
        ("My-Hallwatch-Secret-Key-For-2026-99", "easy to guess"),
    ],
)
def test_a_secret_that_protects_nothing_is_refused_and_the_error_says_how_to_make_one(
    key: str | None, why: str
) -> None:
    settings = load({}, toml=NOWHERE, secret_key=key)
    with pytest.raises(BadInput, match=why) as error:
        settings.require_secret()
    assert "token_urlsafe" in str(error.value)
    assert not key or key not in str(error.value)


def test_a_good_secret_is_taken_and_never_shown() -> None:
    settings = load({"HALLWATCH_SECRET_KEY": SECRET, "HALLWATCH_HEARTBEAT_URL": "https://hc.example.org/abc"})
    assert settings.require_secret() == SECRET
    assert SECRET not in repr(settings)
    assert "hc.example.org" not in repr(settings)


def test_settings_never_change_after_they_were_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load({}, toml=NOWHERE).http_port = 1  # type: ignore[misc]  # that it is refused is the test


def test_every_setting_has_a_name_that_works_in_the_environment() -> None:
    assert all(name == name.lower() and name.isascii() for name in Settings.model_fields)
