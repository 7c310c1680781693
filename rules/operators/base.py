"""What every operator is: fields in the document, a memory for each key, and three ways to be told something.

An operator is a value made from the document. What it has to remember of one key is its `Memo`, a frozen value
that is handed in and comes back changed; the engine keeps it, writes it down and gives it back. Subclassing
registers the operator: there is no second list.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Generic, Self

import msgspec

from core.campus import Campus
from rules.document import Document
from rules.language.expression import Expression
from rules.language.scene import Scene, Value
from rules.operators.moment import M, Moment, Turn
from rules.operators.site import Site

MAX_ENTRIES: Final = 10_000
"""So many messages one window may hold; beyond it the oldest goes, and the rule's health says so."""


class Operator(ABC, Generic[M]):
    """The base of the operators; a subclass brings a docstring and a worked example."""

    name: ClassVar[str] = ""
    example: ClassVar[str] = ""
    """A whole rule in YAML, its tests included; the documentation shows it and the tests run it."""
    Fields: ClassVar[type[Document]]
    Memo: ClassVar[type[msgspec.Struct]]
    repeats: ClassVar[bool] = False
    """It also wants messages that are no edges: repeats of what was known, state reported after a boot."""
    momentary: ClassVar[bool] = False
    """What it finds is over at once, unless the rule says what ends it."""

    lapses: ClassVar[bool] = False
    """What it remembers may come to mean nothing by the mere passing of time (see `lapses_at`)."""
    takes_quiet: ClassVar[bool] = False
    """Its findings may end when nothing more is heard (`clear: {quiet: …}`)."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not cls.__doc__ or not cls.example or not cls.name:
            raise TypeError(f"operator {cls.__name__}: a name, a docstring and an example are required")
        OPERATORS[cls.name] = cls

    @classmethod
    @abstractmethod
    def read(cls, fields: Any, site: Site) -> Self:
        """Return the operator that the document's fields describe; problems are left at the site."""

    @abstractmethod
    def say(self, params: Mapping[str, Value]) -> str:
        """Return what it waits for as an English clause."""

    @property
    def kinds(self) -> frozenset[str]:
        """The message kinds it wants to be told of."""
        return frozenset()

    @property
    def beginnings(self) -> frozenset[str]:
        """Those of its kinds that can change anything where nothing is remembered."""
        return self.kinds

    @property
    def watches(self) -> tuple[Expression, ...]:
        """The expressions whose change it wants to be told of."""
        return ()

    @property
    def on_arrival(self) -> bool:
        """It judges each message as it comes in, without waiting for its turn in event time."""
        return False

    @property
    @abstractmethod
    def shape(self) -> str:
        """What the memory depends on: rules of the same shape may go on with each other's."""

    def accept(self, memo: M | None, _moment: Moment) -> Turn[M]:
        """Take in a message of one of its kinds."""
        return Turn(memo)

    def judge(self, memo: M | None, _moment: Moment) -> Turn[M]:
        """Look again: something it watches may have changed."""
        return Turn(memo)

    @property
    def by_time_alone(self) -> bool:
        """No message makes `judge` change anything where nothing is remembered: only the calendar does."""
        return False

    def is_idle(self, _scene: Scene) -> bool:
        """Return whether `judge` is sure to change nothing where nothing is remembered; it is asked first."""
        return False

    def due(self, _memo: M) -> datetime | None:
        """Return when it wants to be woken for this key."""
        return None

    def lapses_at(self, _memo: M) -> datetime | None:
        """Return the instant after which the memory means nothing; None: it means something for now.

        Forgetting needs no timer of its own: what has lapsed is not handed in any more.
        """
        return None

    def wake(self, memo: M | None, _moment: Moment) -> Turn[M]:
        """Its time has come."""
        return Turn(memo)

    def over(self, _memo: M | None, _moment: Moment) -> bool | None:
        """Return whether an open finding is over where the rule does not say what ends it; None: not known."""
        return None

    def ended(self, memo: M | None, _moment: Moment) -> M | None:
        """Return what to remember once the finding of a key has ended."""
        return memo

    def readings(self, _moment: Moment) -> dict[str, Any]:
        """Return the values behind its judgement of the state, for the record."""
        return {}

    def blinded(self, memo: M | None, _gap: timedelta) -> M | None:
        """Return the memory after a time in which nothing could be heard."""
        return memo

    def next_instant(self, _campus: Campus, _params: Mapping[str, Value], _after: datetime) -> datetime | None:
        """Return the next instant of the calendar at which every key must be judged."""
        return None


OPERATORS: Final[dict[str, type[Operator[Any]]]] = {}
"""Every operator by its name."""
