"""Which devices of a campus are silent, kept up as they speak instead of counted anew at every question.

Of what has not spoken, time alone makes something silent: `_until` is the first instant at which it may.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Final

from core.campus import Campus
from core.facts import DeviceFacts, Facts

MISSED_BEATS: Final = 3
"""So many heartbeats a device may miss before it counts as silent."""
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_EVER: Final = datetime.min.replace(tzinfo=UTC)


class Silence:
    """The silent devices of one world: those that said that they are offline, or missed their heartbeats."""

    def __init__(self) -> None:
        self._campus: Campus | None = None
        self._since = self._from = self._until = _NEVER
        self._silent: set[str] = set()
        self._news: set[str] = set()

    def heard(self, device: str) -> None:
        """Note that the facts of a device have changed."""
        self._news.add(device)

    def at(self, at: datetime, campus: Campus, facts: Mapping[str, Facts], *, since: datetime) -> AbstractSet[str]:
        """Return the ids of the devices that are silent at an instant, having been listened to since another one."""
        devices: AbstractSet[str] = self._news
        # Between the last beat that was missed and the next that will be, time makes no difference, back nor forth.
        if campus is not self._campus or since != self._since or not self._from < at <= self._until:
            self._campus, self._since, self._from, self._until = campus, since, _EVER, _NEVER
            self._silent.clear()
            devices = campus.devices_by_id.keys()
        for device in devices:
            self._look(device, at, campus, facts.get(device))
        self._news.clear()
        return self._silent

    def _look(self, device: str, at: datetime, campus: Campus, facts: Facts | None) -> None:
        listed = campus.devices_by_id.get(device)
        if listed is None:
            return
        if isinstance(facts, DeviceFacts) and facts.online is False:
            self._silent.add(device)
            return
        self._silent.discard(device)
        if listed.heartbeat is None:
            return
        heard = facts.heard_at if facts is not None else None
        until = max(heard or self._since, self._since) + listed.heartbeat * MISSED_BEATS
        if at > until:
            self._silent.add(device)
            self._from = max(self._from, until)
        else:
            self._until = min(self._until, until)
