"""The weekly report as values: every figure of a campus's week, and beside it that of the week before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from core.findings import Severity


@dataclass(frozen=True, slots=True)
class Count:
    """How many there were in the week, and in the week before."""

    week: int
    before: int


@dataclass(frozen=True, slots=True)
class Value:
    """A figure of the week and of the week before: seconds, or a share of 1. None: there was nothing to measure."""

    week: float | None
    before: float | None


@dataclass(frozen=True, slots=True)
class RuleLine:
    """How often a rule has alerted, in one severity."""

    rule: str
    title: str
    severity: Severity
    alerts: Count


@dataclass(frozen=True, slots=True)
class Response:
    """How fast alerts of one severity were answered. Shares are of all alerts that have such a target."""

    severity: Severity
    alerts: Count
    acknowledged: Count
    median_s: Value
    p90_s: Value
    target_s: float
    """That of the campus's policy for this severity today; each alert is measured by its own."""
    in_target: Value
    on_scene: Count
    on_scene_median_s: Value
    on_scene_p90_s: Value
    on_scene_target_s: float | None
    """None: the policy asks for nobody on scene."""
    on_scene_in_target: Value


@dataclass(frozen=True, slots=True)
class Propped:
    """Doors that were propped open, and how long it took until they were closed."""

    times: Count
    still_open: Count
    median_s: Value
    p90_s: Value


@dataclass(frozen=True, slots=True)
class DoorLine:
    """How many alerts a door has made."""

    door: str
    name: str
    alerts: Count


@dataclass(frozen=True, slots=True)
class DispositionLine:
    """As what alerts were closed; `open` where they are not."""

    disposition: str
    alerts: Count


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill of the Standard Response Protocol, or an exercise that was announced."""

    at: datetime
    what: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """A minor alert that nobody has closed."""

    alert: int
    code: str
    rule: str
    title: str
    text: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Flood:
    """When one person was told too much: more than ten alerts in ten minutes."""

    person: str
    began_at: datetime
    ended_at: datetime | None
    most_in_10_min: int


@dataclass(frozen=True, slots=True)
class Gap:
    """When nobody could be told."""

    code: str
    text: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailedLine:
    """Notices that never got through to an endpoint."""

    person: str
    endpoint: str
    via: str
    notices: Count
    reason: str
    """Why, of one of them."""


@dataclass(frozen=True, slots=True)
class Report:
    """The week of a campus, each figure beside that of the week before."""

    campus: str
    name: str
    monday: date
    sunday: date
    begins_at: datetime
    ends_at: datetime
    is_over: bool
    """Whether the week had ended when this was worked out."""
    alerts: Count
    rules: tuple[RuleLine, ...]
    responses: tuple[Response, ...]
    propped: Propped
    doors: tuple[DoorLine, ...]
    """The ten with the most alerts."""
    overstays: Count
    dispositions: tuple[DispositionLine, ...]
    judged: Count
    """Alerts of which somebody has said what they were: real, nuisance or false."""
    nuisance: Value
    """The share of those that were nuisance or false."""
    drills: tuple[Drill, ...]
    drills_done: Count
    exercise_alerts: Count
    """Alerts of drills and tests; counted nowhere else."""
    minor_open: tuple[OpenAlert, ...]
    minors_open: Count
    """How many minor alerts were open when the week ended."""
    floods: tuple[Flood, ...]
    floods_begun: Count
    gaps: tuple[Gap, ...]
    gaps_begun: Count
    failed: tuple[FailedLine, ...]
    notices_failed: Count
