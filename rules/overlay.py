"""An exercise under way: what a drill or a test says, laid over what is really true.

It has a judge of its own, which begins as a copy of the live one and from then on hears every live message and those
of its own kind. So a rehearsed lockdown finds the door that is really open, and nothing rehearsed touches what is
live. Only what the live judge does not find too is said, marked as the exercise it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from msgspec.structs import replace

from core.campus import write_duration
from core.messages import Exercise, Message
from rules.judge import Judge
from rules.saved import Changes, Saved

QUIET: Final = timedelta(hours=2)
"""So long after its last message an exercise is over: nobody has to remember to end it."""
LONGEST: Final = timedelta(hours=12)
"""And so long after its first one at the latest; what is said then begins a new one, over what is true by then."""

IsLive = Callable[[str, str], bool]
"""Whether a rule has found a key live, too."""


@dataclass(slots=True)
class Overlay:
    """One exercise of one campus."""

    kind: Exercise
    judge: Judge
    heard_at: datetime
    """When it was last spoken to."""
    is_new: bool = False
    """Nothing of it has been written down."""

    @classmethod
    def begin(cls, live: Judge, message: Message, *, is_live: IsLive) -> Self:
        """Return the exercise that a message begins, as things are now."""
        now = message.received_at
        saved = live.snapshot(now)
        started = replace(saved, position=replace(saved.position, started=now))
        overlay = cls.restore(live, message.exercise, started, live.pending, is_live=is_live)
        overlay.is_new = True
        return overlay

    @classmethod
    def restore(cls, live: Judge, kind: Exercise, saved: Saved, pending: Iterable[Message], *, is_live: IsLive) -> Self:
        """Return the exercise that wrote `saved` down, beside the live judge of its campus."""
        position = saved.position
        judge = Judge(live.campus, live.rules, started=position.watermark, exercise=kind, is_live=is_live)
        judge.restore(saved, [each for each in pending if each.exercise in ("live", kind)])
        return cls(kind, judge, position.alive_at)

    @property
    def ends_at(self) -> datetime:
        """When it is over, if it is not spoken to before."""
        return min(self.heard_at + QUIET, self.judge.started + LONGEST)

    @property
    def why_it_ends(self) -> str:
        """Why it is over then."""
        if self.heard_at + QUIET <= self.judge.started + LONGEST:
            return f"the {self.kind} is over: nothing was heard of it for {write_duration(QUIET)}"
        return f"the {self.kind} is over: it began {write_duration(LONGEST)} ago"

    def changes(self) -> Changes:
        """Return what has changed since this was last asked for; the first time all there is."""
        changes = self.judge.changes(self.heard_at)
        if not self.is_new:
            return changes
        self.is_new = False
        whole = self.judge.snapshot(self.heard_at)
        return Changes(position=whole.position, states=whole.states, settled=whole.settled)
