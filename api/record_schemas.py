"""What goes in and out about records and endpoints, as OpenAPI describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.listing import Words
from api.schemas import Said, Shown


class ReachShown(Shown):
    """How far one person has been reached."""

    person: str
    name: str
    how: Literal["on_scene", "acknowledged", "opened", "told", "perhaps", "waiting", "not_reached"]
    told_at: datetime | None = Field(description="When a provider first took a notice.")
    via: list[str]
    opened_at: datetime | None = Field(description="When a link was opened first; a mail scanner may have done it.")
    acknowledged_at: datetime | None
    on_scene_at: datetime | None
    words: str


class Figures(BaseModel):
    """The figures of a stretch of time; live alerts alone, exercises are counted apart."""

    model_config = ConfigDict(populate_by_name=True)
    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    campus: str | None
    alerts: int
    exercises: dict[str, int]
    mix: list[dict[str, Any]] = Field(description="By severity; about 80/15/5 is sound.")
    people: list[dict[str, Any]] = Field(description="Alerts per person; about 1 in 10 minutes can be handled.")
    floods: list[dict[str, Any]] = Field(description="More than 10 in 10 minutes, until fewer than 5.")
    top_sources: list[dict[str, Any]]
    chattering: list[dict[str, Any]] = Field(description="Three or more times active within a minute.")
    stale: list[dict[str, Any]] = Field(description="Active for more than 24 hours.")
    acknowledgement: list[dict[str, Any]]
    delivery: list[dict[str, Any]] = Field(description="Attempts by channel.")
    nuisance: dict[str, list[dict[str, Any]]] = Field(description="Of those that somebody has judged.")


class AuditShown(Shown):
    """One deed of one actor. The hash is made of all the other fields but `id`."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: str
    hash: str


class VerifiedShown(BaseModel):
    """Whether the record is as it was written."""

    whole: bool
    broken_at: int | None = Field(description="The first row that does not fit.")
    words: str


class EndpointShown(Shown):
    """One way to reach a person; its URL is never shown."""

    id: str
    person: str
    name: str
    via: str
    state: Literal["ok", "red", "unverified"]
    since: datetime | None
    detail: str


class TriedShown(BaseModel):
    """What became of a test."""

    endpoint: str
    person: str
    verified: bool
    outcome: str
    detail: str


class CheckShown(Shown):
    """One check of one endpoint."""

    id: int
    kind: Literal["nightly", "shift"]
    person: str
    endpoint: str
    at: datetime
    outcome: str | None
    detail: str
    state: Literal["sent", "waiting", "unanswered", "answered"]
    answered_at: datetime | None


class SelfTestSaid(Said):
    """Which endpoint the self-test is for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"endpoint": "reyes-phone"}})
    endpoint: Words = Field(min_length=1, max_length=100)


class SelfTestBegun(BaseModel):
    """The alert that the self-test is."""

    alert: int
    code: str


class SelfTestShown(Shown):
    """How long each part of a self-test took, in seconds."""

    alert: int
    endpoint: str
    at: datetime
    known_s: float | None = Field(description="From the message's receipt to the stored alert.")
    accepted_s: float | None = Field(description="From there to the provider's having the notice.")
    answered_s: float | None = Field(description="From there to the pressed button.")
    passed: bool
