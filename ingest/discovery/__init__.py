"""What devices say of themselves: Home Assistant's discovery messages, collected as proposals.

"12 contact sensors found: which doors are they?" A gateway that announces its sensors to Home Assistant announces
them to us as well. An announcement binds nothing: a person says which sensor is on which door.
"""

from __future__ import annotations

from ingest.discovery.proposal import Proposal
from ingest.discovery.sensor import FILTERS, Sensor, is_announcement
from ingest.discovery.store import News, announced, keep, proposals, proposed

__all__ = [
    "FILTERS",
    "News",
    "Proposal",
    "Sensor",
    "announced",
    "is_announcement",
    "keep",
    "proposals",
    "proposed",
]
