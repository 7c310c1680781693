"""The pieces of the board, as its template takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

ALERTS_SHOWN: Final = 500
"""More open alerts than anybody can read; the gravest come first."""
CARDS_SHOWN: Final = 20
"""So many stand there whole, with their buttons; the rest as one line each, which leads to its page."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far one person knows of an alert, in a word."""

    name: str
    how: str
    words: str


@dataclass(frozen=True, slots=True)
class Card:
    """An open alert, as the page shows it."""

    id: int
    code: str
    severity: str
    exercise: str
    title: str
    text: str
    site: str
    zone: ZoneInfo
    began_at: datetime
    cleared_at: datetime | None
    momentary: bool
    count: int
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    on_scene_by: str | None
    suppressed: str | None
    stale: bool
    chattering: bool
    told: Sequence[Reached]
    do: Sequence[str]
    suggested: Sequence[str]
    dispositions: Sequence[tuple[str, str]]
    rank: int
    mark: str

    @property
    def taken(self) -> bool:
        """Whether somebody has it."""
        return self.acknowledged_by is not None


@dataclass(frozen=True, slots=True)
class Tile:
    """A door, as the page shows it."""

    campus: str
    id: str
    name: str
    number: str
    position: str | None
    since: datetime | None
    lock: str | None
    mark: str


@dataclass(frozen=True, slots=True)
class Line:
    """A delivery, as the page shows it."""

    id: int
    code: str
    to: str
    at: datetime
    zone: ZoneInfo
    state: str
    words: str
    mark: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """Something that is kept quiet, or that is told too much: who, why, until when."""

    key: str
    kind: str
    what: str
    who: str
    why: str
    until: datetime | None
    since: datetime | None
    zone: ZoneInfo
    extreme: str
    mark: str


@dataclass(frozen=True, slots=True)
class Site:
    """One campus: the truth about its doors in one line, and the doors that are not plainly shut."""

    id: str
    name: str
    well: bool
    truth: str
    doors: Sequence[Tile]
    more: int
    """How many further doors are open or unknown; the map has them all."""


@dataclass(frozen=True, slots=True)
class Board:
    """Everything on the board, as of one instant."""

    cards: Sequence[Card]
    quiets: Sequence[Quiet]
    sites: Sequence[Site]
    deliveries: Sequence[Line]

    @property
    def whole(self) -> Sequence[Card]:
        """The alerts that stand there with their buttons."""
        return self.cards[:CARDS_SHOWN]

    @property
    def rest(self) -> Sequence[Card]:
        """The others, a line each."""
        return self.cards[CARDS_SHOWN:]

    @property
    def counts(self) -> str:
        """How much is open, in one line."""
        kept = sum(quiet.kind not in ("Exercise", "Flood") for quiet in self.quiets)
        hushed = f"; {kept} kept quiet" if kept else ""
        if not self.cards:
            return f"none{hushed}"
        waiting = sum(not card.taken for card in self.cards)
        shown = f"{len(self.cards)}{'+' if len(self.cards) == ALERTS_SHOWN else ''} open"
        return f"{shown}, {f'{waiting} with nobody on it' if waiting else 'all taken'}{hushed}"

    @property
    def title(self) -> str:
        """The title of the window: how many alerts nobody has comes first."""
        waiting = sum(not card.taken for card in self.cards)
        name = self.sites[0].name if len(self.sites) == 1 else "Hallwatch"
        return f"({waiting}) {name}" if waiting else name
