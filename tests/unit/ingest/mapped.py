"""Mappings for the tests, from text as people write it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from core.campus import Campus
from core.documents import parse
from core.messages import DeviceClockAdjusted, Heard, Message
from core.wire import Refused
from ingest.decode import Decoder
from ingest.mapping import Mapping, read_mappings, shipped
from tests.campuses import lincoln
from tests.conftest import START

KEY = b"a key that only the tests know"
CONTACT = """
id: contact
match: {topic: "sensors/{device}"}
source: sensors/{device}
emit: door.position
value: {path: open, map: {true: open, false: closed}, missing: skip}
side: {battery_pct: battery, battery_low: low, tamper: tamper}
time: {path: time, formats: [iso, epoch_ms]}
examples:
  - {topic: sensors/x, payload: {open: true}, gives: {kind: door.opened}}
"""


def mappings(*texts: str) -> list[Mapping]:
    return read_mappings(document for text in texts for document in parse(text, file="site.yaml"))


def sourced(*sources: str, device: str | None = None) -> Campus:
    """Return the campus with a door for every source, `door-0` and so on; perhaps a device with one, `node`."""
    doors = [{"id": f"door-{n}", "name": f"Door {n}", "source": source} for n, source in enumerate(sources)]
    devices = [{"id": "node", "door": None, "kind": "gateway", "source": device}] if device else []
    return lincoln(doors=doors, devices=devices, gatherings=[], calendar={})


def decoder(campuses: Sequence[Campus], found: Sequence[Mapping] | None = None) -> Decoder:
    read = shipped() if found is None else found
    return Decoder(campuses, read, prefix="campus", lateness=timedelta(seconds=1), pseudonym_key=KEY)


def hear(reader: Decoder, topic: str, payload: bytes | str, **heard: Any) -> list[Message]:
    """Return what is read, but for what samples of long ago say about the clock."""
    raw = payload.encode() if isinstance(payload, str) else payload
    read = reader.decode(Heard(topic, raw, **heard), START)
    return [message for message in read if message.kind != DeviceClockAdjusted.kind]


def refusal(reader: Decoder, topic: str, payload: bytes | str, **heard: Any) -> str:
    try:
        found = hear(reader, topic, payload, **heard)
    except Refused as refused:
        return refused.reason
    raise AssertionError(f"was read as {found}")


def told(messages: list[Message]) -> list[tuple[str, str]]:
    return [(message.kind, message.key) for message in messages]
