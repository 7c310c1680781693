"""Messages that an operator keeps for a moment, because something that comes late may still explain them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from core.messages import KINDS, Message
from rules.operators.moment import Began, Evidence, Moment


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A whole message, kept as it was."""

    kind: str
    data: str

    @classmethod
    def of(cls, message: Message) -> Kept:
        """Return a message for keeping."""
        return cls(message.kind, msgspec.json.encode(message).decode())

    def message(self) -> Message:
        """Return it as it was."""
        return msgspec.json.decode(self.data, type=KINDS[self.kind])


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A message that waits, and until when."""

    at: datetime
    due: datetime
    evidence: Evidence
    wait_s: float = 0.0
    kept: Kept | None = None
    over_since: datetime | None = None
    """What ends the finding has already become true, at this instant."""
    over_until: datetime | None = None
    """From then on it counts as ended, even if it is true again."""
    values: dict[str, Any] = {}

    def began(self, values: dict[str, Any]) -> Began:
        """Return what it becomes when nothing has explained it."""
        return Began(
            self.at,
            (self.evidence,),
            values,
            wait=timedelta(seconds=self.wait_s),
            over_since=self.over_since,
        )


def sift(waiting: tuple[Waiting, ...], now: datetime) -> tuple[list[Waiting], tuple[Waiting, ...]]:
    """Return those whose wait is over, in order of their time, and the rest."""
    ready = sorted((each for each in waiting if each.due <= now), key=lambda each: each.at)
    return ready, tuple(each for each in waiting if each.due > now)


def watch_the_end(waiting: tuple[Waiting, ...], moment: Moment) -> tuple[Waiting, ...]:
    """Return the waiting with the instant at which each one's end came, if `clear` says so by now."""
    clear = moment.frame.clear
    if clear is None or not waiting:
        return waiting
    over = clear.run(moment.scene)
    return tuple(_noted(each, over, moment) for each in waiting)


def _noted(each: Waiting, over: bool | None, moment: Moment) -> Waiting:
    if over is True and each.over_since is None:
        return replace(each, over_since=moment.at, over_until=moment.at + moment.keep)
    if over is False and each.over_until is not None and moment.at < each.over_until:
        return replace(each, over_since=None, over_until=None)
    return each
