"""How the listener is, for health pages and for the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the connection, and what went through since the listener was made."""

    connected: bool
    """Subscribed, and hearing."""
    since: datetime
    """Since when it is connected, or is not."""
    reason: str
    """Why it is not connected, or what is wrong although it is; empty if all is well."""
    waiting: int = 0
    """Messages taken in whose effects are not stored yet."""
    received: int = 0
    acknowledged: int = 0
    dropped_qos0: int = 0
    """Messages that the sender did not ask to be kept (QoS 0), left out because too much was waiting."""
    redelivered: int = 0
