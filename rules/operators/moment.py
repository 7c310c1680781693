"""What passes between the engine and an operator: one instant of one key, and what the operator makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from core.messages import Exercise, Message
from rules.language.expression import Expression
from rules.language.scene import Scene

M = TypeVar("M", bound=msgspec.Struct)


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A message that decided something, as far as a finding shows it."""

    kind: str
    key: str
    at: datetime
    message_id: str
    exercise: Exercise = "live"

    @classmethod
    def of(cls, message: Message) -> Evidence:
        """Return what is kept of a message."""
        return cls(message.kind, message.key, message.at, message.message_id, message.exercise)


class News(msgspec.Struct, frozen=True, gc=False):
    """Why keys are looked at: a message, or, without one, that it is time. One for every key that it wakes."""

    at: datetime
    known: datetime
    """When we could know of it: later than `at` for late news and after a gap."""
    message: Message | None = None
    edge: bool = False
    evidence: tuple[Evidence, ...] = ()
    """The message, as far as a finding shows it."""

    @classmethod
    def of(cls, message: Message, known: datetime, *, edge: bool) -> News:
        """Return the news that a message is."""
        return cls(message.at, known, message, edge, (Evidence.of(message),))


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds the operator of a rule: when it may begin, and what ends it."""

    is_active: Callable[[Scene], bool]
    clear: Expression | None = None
    quiet: Expression | None = None
    keep: Expression | None = None

    @property
    def momentary(self) -> bool:
        """Nothing is said about an end."""
        return self.clear is None and self.quiet is None


class Moment(msgspec.Struct, gc=False):
    """One instant at which one key of one rule is looked at."""

    at: datetime
    known: datetime
    """When we could know of it: later than `at` for late news and after a gap."""
    scene: Scene
    """With the rule's key as its subject."""
    frame: Frame
    mode: str = "live"
    message: Message | None = None
    edge: bool = False
    evidence: tuple[Evidence, ...] = ()
    """The message that is told now, else the latest one about the key, if any."""
    exercise: Exercise = "live"
    """What it is that begins now."""

    @property
    def active(self) -> bool:
        """The rule may begin to hold now."""
        return self.mode != "disabled" and self.frame.is_active(self.scene)

    @property
    def keep(self) -> timedelta:
        """How long false must last to count."""
        found = self.frame.keep.run(self.scene) if self.frame.keep else None
        return found if isinstance(found, timedelta) else timedelta(0)

    def heard(self, bound: Mapping[str, Message] | None = None) -> Scene:
        """Return the scene as the message sees it."""
        assert self.message is not None
        scene = self.scene
        return Scene(
            scene.campus,
            scene.world,
            scene.at,
            self.message.about,
            self.message.key,
            scene.params,
            scene.since,
            self.message,
            bound,
            trouble=scene.trouble,
        )


class Began(msgspec.Struct, frozen=True, gc=False):
    """The rule became true."""

    at: datetime
    evidence: tuple[Evidence, ...]
    values: dict[str, Any]
    wait: timedelta = timedelta(0)
    """How long the operator always waits before it says so; only what is later than that is late."""
    over_since: datetime | None = None
    """It has already ended again, at this instant."""
    more: dict[str, Any] = {}
    """Further things worth knowing: when it was armed, when it was due."""


class Ended(msgspec.Struct, frozen=True):
    """The operator knows by itself that the open finding is over."""

    at: datetime
    evidence: tuple[Evidence, ...]
    note: str


class Turn(msgspec.Struct, Generic[M], frozen=True, gc=False):
    """What an operator answers: what it remembers from now on, and what began or ended."""

    memo: M | None
    began: tuple[Began, ...] = ()
    ended: Ended | None = None
