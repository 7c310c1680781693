"""What the simulators' tests share: the bytes of a stream, and whether it is in order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec

from core.campus import Campus
from core.messages import Heard, Message
from core.wire import Envelope, Refused, read_json, readings, unwrap
from simulators.play import record
from simulators.utterance import Utterance, spell


def written(stream: Iterable[Utterance]) -> bytes:
    return b"".join(record(stream))


def in_order(stream: Iterable[Utterance]) -> bool:
    times = [each.sent_at for each in stream]
    return times == sorted(times)


def body(utterance: Utterance, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(spell(utterance, **how))
    return found


def understood(utterance: Utterance, campus: Campus) -> list[Message]:
    """Return the messages that the service reads out of an utterance on our own topics; none where it cannot."""
    try:
        return read(utterance, campus)
    except Refused:
        return []


def read(utterance: Utterance, campus: Campus) -> list[Message]:
    """Return the messages that the service reads out of an utterance on our own topics; Refused if it cannot."""
    prefix, campus_id, family, name = utterance.topic.split("/", 3)
    assert (prefix, campus_id) == ("campus", campus.id)
    heard = Heard(utterance.topic, spell(utterance), retained=utterance.retain)
    envelope = Envelope(campus.id, f"{family}/{name}", utterance.sent_at, timedelta(seconds=1))
    return readings(family, name, unwrap(read_json(heard.payload)), heard, envelope, campus)
