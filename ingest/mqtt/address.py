"""Where the broker is, and as whom we come. Its text form never shows the password."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.errors import BadInput, Problem

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Address:
    """A broker."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(
        cls, url: str, *, ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
    ) -> Address:
        """Return the address that `mqtts://user:pass@host:8883` means; BadInput if it means none."""
        wrong = BadInput([Problem("write it like mqtt://host:1883 or mqtts://user:pass@host:8883", "MQTT_URL")])
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise wrong from None
        if not host:
            raise wrong
        files = {"MQTT_CA_FILE": ca_file, "MQTT_CERT_FILE": cert_file, "MQTT_KEY_FILE": key_file}
        missing = [name for name, path in files.items() if path is not None and not path.is_file()]
        if missing:
            raise BadInput([Problem("no such file", name) for name in missing])
        return cls(
            host=host,
            port=port,
            tls=parts.scheme == "mqtts",
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
        )
