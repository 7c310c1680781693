"""Settings: read once at the start, from the environment (`HALLWATCH_*`, or a file each) and `hallwatch.toml`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from core.campus import Duration, problems_of, read_duration
from core.errors import BadInput, Problem

PREFIX = "HALLWATCH_"
TOML = Path("hallwatch.toml")
SECRET_BYTES = 32
_WELL_KNOWN = ("secret", "changeme", "change-me", "password", "default", "hallwatch", "insecure", "example")
HOW_TO_MAKE_ONE = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'


class Settings(BaseSettings):
    """What an operator may set. The environment wins over the file; unknown keys are refused."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(extra="forbid", frozen=True)

    database_url: str = "sqlite:///hallwatch.db"
    mqtt_url: str = "mqtt://127.0.0.1:1883"
    mqtt_ca_file: Path | None = None
    mqtt_cert_file: Path | None = None
    mqtt_key_file: Path | None = None
    mqtt_embedded_port: int = Field(default=1883, ge=1, le=65535)
    mqtt_prefix: str = Field(default="campus", pattern=r"^[^/#+\s]+(/[^/#+\s]+)*$")
    mqtt_client_id: str = Field(default="hallwatch", min_length=1, max_length=100)
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    public_url: str | None = Field(default=None, pattern=r"^https?://")
    secret_key: str | None = Field(default=None, repr=False)
    oidc_issuer: str | None = Field(default=None, pattern=r"^https?://")
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = Field(default=None, repr=False)
    oidc_claim: str = Field(default="email", min_length=1, max_length=100)
    oidc_name: str = Field(default="your district account", min_length=1, max_length=100)
    config_dir: Path | None = None
    heartbeat_url: str | None = Field(default=None, repr=False)
    lateness: Annotated[Duration, NoDecode] = timedelta(seconds=1)
    allow_private_endpoints: bool = False
    retention_messages: Annotated[Duration, NoDecode] = timedelta(days=90)
    retention_visits: Annotated[Duration, NoDecode] = timedelta(days=400)
    retention_alerts: Annotated[Duration, NoDecode] = timedelta(days=2192)
    log_level: str = Field(default="info", pattern=r"(?i)^(debug|info|warning|error)$")

    @field_validator("lateness", "retention_messages", "retention_visits", "retention_alerts", mode="before")
    @classmethod
    def _durations(cls, value: Any) -> timedelta:
        found = read_duration(value)
        if found < timedelta(0):
            raise ValueError("must not be negative")
        return found

    @model_validator(mode="after")
    def _whole_provider(self) -> Settings:
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            raise ValueError("OIDC_ISSUER and OIDC_CLIENT_ID belong together; set both or neither")
        if self.oidc_issuer is not None and self.public_url is None:
            raise ValueError("OIDC_ISSUER needs PUBLIC_URL: the provider sends people back there")
        return self

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite:", "postgresql:", "postgres:")):
            raise ValueError("write it like sqlite:///hallwatch.db or postgresql://user:pass@host/db")
        return value

    @field_validator("mqtt_url")
    @classmethod
    def _known_broker(cls, value: str) -> str:
        if value != "embedded" and not value.startswith(("mqtt://", "mqtts://")):
            raise ValueError("write it like mqtt://host:1883, mqtts://user:pass@host:8883, or embedded")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what `load` hands over: it has read the environment and the file."""
        return (init_settings,)

    def require_secret(self) -> str:
        """Return the secret key; BadInput, saying how to make one, where it is missing, short or well known."""
        key = self.secret_key or ""
        if not key:
            raise BadInput([Problem(f"is required; {HOW_TO_MAKE_ONE}", where=f"{PREFIX}SECRET_KEY")])
        if len(key) < SECRET_BYTES:
            raise BadInput(
                [Problem(f"is shorter than {SECRET_BYTES} characters; {HOW_TO_MAKE_ONE}", where=f"{PREFIX}SECRET_KEY")]
            )
        if len(set(key)) < 8 or any(word in key.lower() for word in _WELL_KNOWN):
            raise BadInput([Problem(f"is easy to guess; {HOW_TO_MAKE_ONE}", where=f"{PREFIX}SECRET_KEY")])
        return key


def load(environment: Mapping[str, str] | None = None, *, toml: Path = TOML, **overrides: Any) -> Settings:
    """Return the settings; BadInput with one problem per setting that is wrong or unknown."""
    environment = os.environ if environment is None else environment
    said, problems = _from_toml(toml)
    from_env, more = _from_environment(environment)
    problems += more
    unknown = [name for name in said if name not in Settings.model_fields]
    problems += [Problem("no such setting", where=name, file=str(toml)) for name in unknown]
    try:
        settings = Settings(**({k: v for k, v in said.items() if k not in unknown} | from_env | overrides))
    except ValidationError as error:
        wrong = [Problem(p.message, where=f"{PREFIX}{p.where.upper()}") for p in problems_of(error)]
        raise BadInput([*problems, *wrong]) from None
    if problems:
        raise BadInput(problems)
    return settings


def _from_toml(path: Path) -> tuple[dict[str, Any], list[Problem]]:
    if not path.exists():
        return {}, []
    try:
        return {k.lower(): v for k, v in tomllib.loads(path.read_text("utf-8")).items()}, []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return {}, [Problem(f"cannot be read: {error}", file=str(path))]


def _from_environment(environment: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    said: dict[str, str] = {}
    problems: list[Problem] = []
    for name, value in environment.items():
        if not name.startswith(PREFIX):
            continue
        key = name.removeprefix(PREFIX).lower()
        if key in Settings.model_fields:
            said[key] = value
        elif key.endswith("_file") and key.removesuffix("_file") in Settings.model_fields:
            try:
                said.setdefault(key.removesuffix("_file"), Path(value).read_text("utf-8").strip())
            except (OSError, UnicodeDecodeError) as error:
                problems.append(Problem(f"cannot be read: {error}", where=name))
        else:
            problems.append(Problem("no such setting", where=name))
    return said, problems
