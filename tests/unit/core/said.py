"""Messages for the tests, with as little as must be said."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from core.messages import Message
from tests.conftest import START

_numbers = count(1)


def said(kind: type[Message], at: float = 0.0, **fields: Any) -> Message:
    """Return a message of a kind, `at` seconds after the start, about the usual thing unless told otherwise."""
    when = START + timedelta(seconds=at)
    usual = {"door": "gym-east", "visit": "v-7", "gathering": "winter-concert", "device": "gym-east-contact"}
    about = {kind.key_field: usual[kind.key_field]} if kind.key_field in usual else {}
    envelope = {"campus": "lincoln", "source": "test", "message_id": f"m{next(_numbers)}"}
    return kind(**{**envelope, "at": when, "received_at": when, **about, **fields})
