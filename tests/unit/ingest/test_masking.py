"""Payloads for showing: what is personal is not shown, whatever the payload looks like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import stopwatch
from ingest.quarantine import masked

SECRET = "Planted Person"


@pytest.mark.parametrize(
    "payload",
    [
        {"name": SECRET},
        {"full-name": SECRET, "position": "open"},
        {"Guest": {"first": SECRET, "list": [SECRET]}},
        {"data": [{"cardNumber": SECRET}]},
        {"badge": SECRET, "phone": SECRET, "e-mail": SECRET, "dob": SECRET, "host": SECRET},
        {"note": "write to planted.person@example.org"},
    ],
)
def test_personal_values_are_masked(payload: dict[str, Any]) -> None:
    shown = masked(json.dumps(payload).encode())
    assert "lanted" not in shown
    assert list(json.loads(shown)) == list(payload)


def test_numbers_are_masked_too_and_what_is_technical_is_shown() -> None:
    shown = json.loads(masked(b'{"card": 8165538, "deviceName": "LDS02", "friendly_name": "Gym", "contact": false}'))
    assert shown == {"card": "•••", "deviceName": "LDS02", "friendly_name": "Gym", "contact": False}


@pytest.mark.parametrize(
    "payload",
    [
        b'{"name": "Planted Person"',
        b'{"names": ["x", "Planted Person", ',
        b"{name: Planted Person}",
        b"name=Planted Person;door=7",
        b'{"visit": {"who": "Planted Person"}, oops',
        b"name: Planted Person\nposition: open",
    ],
)
def test_broken_payloads_are_masked_rather_too_much(payload: bytes) -> None:
    assert SECRET not in masked(payload)


@pytest.mark.parametrize(
    ("payload", "shown"), [(b"ON", "ON"), (b"", ""), (b"\xff", "�"), (b"door=7;open=1", "door=7;open=1")]
)
def test_plain_text_is_shown(payload: bytes, shown: str) -> None:
    assert masked(payload) == shown


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_can_be_shown(payload: bytes) -> None:
    assert isinstance(masked(payload), str)


@pytest.mark.parametrize("unit", [b"a", b'"', b"a=", b"a@", b" ", b'{"', b"[", b'{"a":', b"a.b@c."])
def test_no_payload_makes_it_slow(unit: bytes) -> None:
    started = stopwatch()
    masked((unit * 65536)[:65536])
    masked(b"{" + (unit * 65536)[:65535])
    assert stopwatch() - started < 5


def test_json_in_another_encoding_is_shown_as_text() -> None:
    assert "position" in masked('{"position": "geöffnet"}'.encode("latin-1"))
