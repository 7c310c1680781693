"""What goes in and out about keeping alerts quiet, about policies, and about who is on duty."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from api.listing import LARGEST, Instant, Words
from api.schemas import Said, Shown
from core.findings import Severity

Reason = Words


def _is_near(at: datetime) -> datetime:
    if not 2000 <= at.year < 2200:  # beyond, the days before and after would not exist
        raise ValueError("is no moment for a calendar of this age")
    return at


NearInstant = Annotated[Instant, AfterValidator(_is_near)]
"""A time for which a calendar may be asked."""
_UNTIL = "When it ends at the latest: twelve hours from now at most."


class Shelving(Said):
    """One alert to keep quiet."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"until": "2026-11-24T15:00:00Z", "reason": "painters at work"}}
    )
    until: Instant = Field(description=_UNTIL)
    reason: Reason = Field(min_length=1, max_length=500)


class SuppressionSaid(Said):
    """What to keep quiet: the more is named, the less falls silent."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "campus": "lincoln",
                "kind": "maintenance",
                "keys": ["gym-east"],
                "until": "2026-11-24T17:00:00Z",
                "reason": "the door closer is replaced",
            }
        },
    )
    campus: Words
    kind: Literal["shelf", "maintenance", "snooze", "supervised"] = "shelf"
    rules: list[Words] = Field(default=[], max_length=50)
    keys: list[Words] = Field(default=[], max_length=50, description="Doors, visits, gatherings, devices.")
    zones: list[Words] = Field(default=[], max_length=50)
    alert: int | None = Field(default=None, ge=1, le=LARGEST)
    until: Instant | None = Field(default=None, description=f"{_UNTIL} A supervised one ends with its window.")
    reason: Reason = Field(min_length=1, max_length=500)
    monitor: Words | None = Field(default=None, description="Supervised: the adult who watches the door.")
    window: Words | None = Field(default=None, description="Supervised: the bell window during which they do.")


class ExerciseSaid(Said):
    """An exercise to announce. What it sets off is named by rule, door or zone; nothing else falls silent."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "campus": "lincoln",
                "rules": ["door-held-open"],
                "until": "2026-11-24T15:00:00Z",
                "reason": "fire drill",
            }
        },
    )
    campus: Words
    rules: list[Words] = Field(default=[], max_length=50)
    keys: list[Words] = Field(default=[], max_length=50)
    zones: list[Words] = Field(default=[], max_length=50)
    until: Instant = Field(description=_UNTIL)
    reason: Reason = Field(min_length=1, max_length=500)


class SuppressionShown(Shown):
    """What is kept quiet. `mutes_extreme`: a second person stands behind it, so that extreme alerts are muted, too."""

    id: int
    campus: str
    kind: Literal["shelf", "maintenance", "snooze", "supervised", "exercise", "backlog"]
    state: Literal["to come", "in force", "over"]
    rules: list[str]
    keys: list[str]
    zones: list[str]
    alert: int | None
    author: str
    reason: str
    monitor: str | None
    window: str | None
    starts_at: datetime
    until: datetime
    mutes_extreme: bool
    seconded_by: str | None
    lifted_by: str | None
    lifted_at: datetime | None


class Correction(Said):
    """What was wrong in a notice."""

    text: Words = Field(min_length=1, max_length=2000)


class Reopening(Said):
    """Why a closed alert is opened again."""

    reason: Reason = Field(min_length=1, max_length=2000)


class HandOver(Said):
    """Who has the alert from now on."""

    to: Words = Field(min_length=1, max_length=100, description="The id of a person of the campus.")


class PolicyShown(Shown):
    """A policy in force. `origin` says whether it ships or is the campus's own."""

    campus: str
    id: str
    version: int
    origin: Literal["site", "shipped"]
    document: dict[str, Any]


class PolicyVersion(Shown):
    """One change of a policy, from the audit record."""

    version: int
    at: datetime
    by: str
    document: dict[str, Any]


class PreviewSaid(Said):
    """A rule, and the moment at which it would find something; now where no moment is named."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"rule": "door-held-open", "at": "2026-11-29T02:40:00Z"}}
    )
    rule: Words
    at: NearInstant | None = None
    campus: Words | None = Field(default=None, description="May be left out where there is only one.")
    severity: Severity | None = Field(
        default=None, description="For a rule with a ladder; else that of its first step."
    )


class PreviewStep(Shown):
    """Whom one step would reach."""

    step: int
    at: datetime
    people: list[str] = Field(description="Whom the step means, reachable or not.")
    recipients: list[str] = Field(description="The endpoints used at once.")
    until: str


class PreviewShown(Shown):
    """Who would be told, and when, if nobody answered."""

    rule: str
    campus: str
    severity: Severity
    policy: str
    at: datetime
    reaches: int = Field(description="How many people would be reached.")
    words: str
    steps: list[PreviewStep]


class DutyShown(Shown):
    """Who is on duty at a moment."""

    campus: str
    at: datetime
    staffed: bool
    on_duty: list[str]
    on_call: list[str]


class GoingOff(Said):
    """Who goes off shift, until when, and who takes over."""

    person: Words
    until: NearInstant | None = Field(default=None, description="Default: the end of their shift.")
    to: Words | None = Field(default=None, description="Who takes over; required where they have an extreme alert.")
    reason: Words = Field(default="", max_length=300)
