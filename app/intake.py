"""What the payloads of a batch hold: messages, announcements of sensors, or a reason why they cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from core.campus import Campus
from core.messages import Heard, Message
from core.wire import Refused
from ingest import discovery, hooks, quarantine
from ingest.decode import Decoder, PartlyRefused
from ingest.mapping import Mapping, filters
from ingest.mapping.topics import fewest


@dataclass
class Found:
    """What the payloads of a batch hold, each by its place in the batch."""

    messages: dict[int, list[Message]] = field(default_factory=dict)
    unread: dict[int, quarantine.Unread] = field(default_factory=dict)
    announced: discovery.News = field(default_factory=discovery.News)


class Intake:
    """Reads batches for some campuses and mappings; a change of either is a new intake."""

    def __init__(
        self, campuses: Iterable[Campus], mappings: Sequence[Mapping], *, prefix: str, lateness: timedelta, key: bytes
    ) -> None:
        self._lateness = lateness
        self._decoder = Decoder(campuses, mappings, prefix=prefix, lateness=lateness, pseudonym_key=key)
        self.topics = fewest([*filters(mappings), *discovery.FILTERS])
        """What to subscribe to beside our own topics."""

    def read(self, batch: Sequence[Heard], now: datetime) -> Found:
        """Return what the payloads hold; nothing that is in them raises."""
        found = Found()
        for place, heard in enumerate(batch):
            try:
                if discovery.is_announcement(heard.topic) and self._decoder.campus_of(heard.topic) is None:
                    found.announced.take(heard)
                    found.messages[place] = []
                else:
                    found.messages[place] = self._decode(heard, now)
            except Refused as refused:
                if isinstance(refused, PartlyRefused) and refused.messages:
                    found.messages[place] = self._as_old_as_it_is(refused.messages, heard, now)
                found.unread[place] = self.unread(heard, refused.reason)
        return found

    def unread(self, heard: Heard, reason: str) -> quarantine.Unread:
        """Return what was heard as it may be kept, with the reason why it could not be read."""
        return quarantine.Unread(self._decoder.presentable(heard), self._decoder.campus_of(heard.topic), reason)

    def _decode(self, heard: Heard, now: datetime) -> list[Message]:
        if not hooks.is_trusted(heard):
            raise Refused("unauthorized: webhooks come in by HTTP at /hooks, where their sender is verified")
        then = heard.received_at if isinstance(heard, quarantine.Again) else now
        return self._as_old_as_it_is(self._decoder.decode(heard, then), heard, now)

    def _as_old_as_it_is(self, messages: list[Message], heard: Heard, now: datetime) -> list[Message]:
        # What is read again must not override what was heard since, nor be taken for news.
        if not isinstance(heard, quarantine.Again):
            return messages
        late = heard.received_at < now - self._lateness
        return [msgspec.structs.replace(each, received_at=now, late=each.late or late) for each in messages]
