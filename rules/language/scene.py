"""What a condition looks at: one thing on one campus, at one instant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from core.campus import Campus
from core.messages import Message
from core.world import World

Value = Any
"""bool, int, float, str, timedelta, datetime, a tuple of them, or None where it is not known."""


def _ignore(_reason: str) -> None:
    """Whoever needs to know of bad arithmetic sets `Scene.trouble`."""


class Scene(msgspec.Struct):
    """The subject (`entity`, `key`) and everything that can be seen from it at the instant `at`."""

    campus: Campus
    world: World
    at: datetime
    entity: str
    key: str
    params: Mapping[str, Value]
    since: datetime
    """Since when we have been listening without a gap."""
    message: Message | None = None
    bound: Mapping[str, Message] | None = None
    """Messages that earlier steps of a sequence have named."""
    span: tuple[datetime, datetime] | None = None
    """The stretch that `calendar.NAME.start` and `.end` speak of, where they may be read."""
    trouble: Callable[[str], None] = _ignore
    """Told of a division by zero or an overflow; the value is then unknown."""
