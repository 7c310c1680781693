"""What goes in and out, as OpenAPI describes it. Each example is what the documentation shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.access import Role
from api.listing import Instant, Words
from core.facts import CampusState
from core.findings import Severity, Srp
from core.messages import Exercise

Disposition = Literal["real", "nuisance", "false", "drill", "test", "unknown"]


class Shown(BaseModel):
    """The base of what we show; more fields may stand beside those that are named."""

    model_config = ConfigDict(extra="allow")


class Said(BaseModel):
    """The base of what callers say; a key we do not know is refused."""

    model_config = ConfigDict(extra="forbid")


class ProblemShown(BaseModel):
    """One thing wrong with what was sent."""

    where: str = Field(description="The field, like `doors[3].zone`.")
    message: str
    line: int | None = None


class ProblemDetails(BaseModel):
    """An error (RFC 9457), as `application/problem+json`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:hallwatch:problem:conflict",
                "title": "Not possible now",
                "status": 409,
                "detail": "already taken by Officer Reyes",
            }
        }
    )
    type: str
    title: str
    status: int
    detail: str
    problems: list[ProblemShown] = []


class Unread(BaseModel):
    """One message that could not be read, by its place in what was sent."""

    index: int
    reason: str
    detail: str = ""


class ReceiptShown(BaseModel):
    """What became of the messages."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "accepted": 1,
                "duplicates": 0,
                "quarantined": [
                    {"index": 1, "reason": "unknown_entity", "detail": "no door 'gym-est' on campus 'lincoln'"}
                ],
            }
        }
    )
    accepted: int = Field(description="Payloads that were read.")
    duplicates: int = Field(description="Readings in them that were known already.")
    quarantined: list[Unread]


class MessageShown(Shown):
    """A message as it was heard. `message_id` is the sender's; one payload may hold several readings."""

    id: int
    message_id: str
    campus: str
    kind: str
    key: str
    at: datetime
    received_at: datetime
    exercise: Exercise
    late: bool
    body: dict[str, Any]


class QuarantinedShown(Shown):
    """A payload that could not be read; personal values in it are masked."""

    id: int
    campus: str | None
    topic: str
    reason: str
    detail: str
    received_at: datetime
    payload: str
    size: int = Field(description="Bytes as they came; of a large payload only the beginning is kept.")
    replayed_at: datetime | None


class ReplaySaid(Said):
    """Which payloads to read again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"reason": "unknown_entity"}})
    reason: Words = Field(min_length=1, max_length=100, description="The word before the colon, or all of it.")
    campus: Words | None = None


class ReplayedShown(BaseModel):
    """What became of payloads that were read again, in numbers."""

    replayed: int
    accepted: int
    duplicates: int
    quarantined: int = Field(description="What still cannot be read: it is in quarantine anew.")
    left: int = Field(description="What was not tried yet: ask again.")


class AlertShown(Shown):
    """An alert: its condition, its acknowledgement and its end are told apart."""

    id: int
    code: str
    campus: str
    rule: str
    key: str
    title: str
    severity: Severity
    state: Literal["open", "closed"]
    condition: Literal["active", "cleared"]
    acknowledged_by: str | None
    acknowledgers: list[str] = Field(description="Everybody who has taken this opening; the first one has it.")
    on_scene_by: str | None
    suppressed: str | None
    stale: bool = Field(description="True for more than 24 hours.")
    chattering: bool = Field(description="Its latest three openings came within a minute.")
    srp: Srp | None = Field(description="The action of the Standard Response Protocol that its rule suggests.")
    disposition: Disposition | None
    exercise: Exercise
    opened_at: datetime
    cleared_at: datetime | None
    closed_at: datetime | None
    count: int
    next_step_at: datetime | None
    because: dict[str, Any]


class Attempt(Shown):
    """One try to deliver."""

    at: datetime
    outcome: str
    detail: str | None


class DeliveryShown(Shown):
    """One word to one endpoint of one person."""

    id: int
    alert: int
    step: int
    person: str | None
    endpoint: str
    state: str
    attempts: list[Attempt]


class AlertDetail(AlertShown):
    """An alert with all that belongs to it."""

    timeline: list[dict[str, Any]]
    deliveries: list[DeliveryShown]


class Answered(BaseModel):
    """What an answer did."""

    alert: AlertShown
    changed: bool = Field(description="False: it was so already, and nothing was written.")
    words: str


class Resolution(Said):
    """How an alert ended."""

    disposition: Disposition
    note: Words = Field(default="", max_length=2000)


class Note(Said):
    """Something worth keeping with an alert."""

    text: Words = Field(min_length=1, max_length=2000)


class CampusShown(Shown):
    """A campus in a list."""

    id: str
    name: str
    timezone: str
    state: CampusState


class StateShown(Shown):
    """The Standard Response Protocol state of a campus."""

    campus: str
    state: CampusState
    since: datetime | None
    by: str | None


class StateSaid(Said):
    """A state to go into. `reason` is kept in the audit record."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"state": "secure", "reason": "police activity on Elm Street"}}
    )
    state: CampusState
    reason: Words = Field(default="", max_length=500)
    exercise: Exercise = "live"


class DeviceShown(Shown):
    """The health of a device; null where nobody has told us."""

    id: str
    online: bool | None
    battery_pct: int | None
    battery_low: bool | None
    tampered: bool | None
    heard_at: datetime | None


class DeviceHealthShown(DeviceShown):
    """A device and how well it is heard, since it was first heard."""

    door: str | None
    device_kind: str = Field(serialization_alias="kind")
    source: str | None = Field(description="The name under which another maker's device speaks for it.")
    heartbeat: str | None = Field(description="How often it should speak when nothing happens, like `1h`.")
    last_seen: datetime | None = Field(description="When we last received anything of it.")
    clock_offset: float | None = Field(
        description="Seconds by which its clock is ahead of ours (behind: below 0), the way to us included; the median "
        "of the latest nine. Null: it tells no time."
    )
    messages: int
    duplicates: int = Field(description="Repeats that were left out.")
    late: int = Field(description="Messages that came later than the service waits for.")
    skewed: int = Field(description="Messages whose time could not be believed; the time of receipt was used.")
    lost: int = Field(description="Messages that never came, by the gaps in its numbers (`seq`).")


class ProposalShown(Shown):
    """A contact sensor that announced itself, with what to write so that it is heard."""

    topic: str
    name: str
    device_class: str
    maker: str
    state_topic: str
    heard_at: datetime
    source: str | None = Field(description="To be written as the `source:` of its door in the campus file.")
    mapping: dict[str, Any] | None = Field(description="The mapping to add first, where none in force reads it.")
    trouble: str | None = Field(description="Why nothing can be proposed.")


class ProposalsShown(BaseModel):
    """One piece of the list of proposals."""

    items: list[ProposalShown]
    next: str | None
    words: str


class MappingShown(Shown):
    """A mapping in force. `version` counts those of this site; null for one that ships."""

    id: str
    title: str
    origin: Literal["site", "shipped"]
    version: int | None
    topics: list[str]
    source: str | None
    emit: str


class MappingDetail(MappingShown):
    """A mapping with what was written."""

    document: dict[str, Any]


class HookShown(Shown):
    """A webhook. It takes messages if a mapping speaks of it and its secret is set."""

    name: str
    mapped: bool
    has_secret: bool
    changed_at: datetime | None
    changed_by: str | None


class SecretSaid(Said):
    """The secret of a webhook, as its sender shows it (`user:password` where it sends those)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"secret": "the-signing-key-of-the-sender"}}
    )
    secret: Words = Field(min_length=1, max_length=500)


class DoorShown(Shown):
    """A door and what is true of it; null is unknown: neither open nor closed."""

    id: str
    name: str
    number: str
    zone: str | None
    exterior: bool
    door_class: str = Field(serialization_alias="class", validation_alias="class")
    position: Literal["open", "closed"] | None
    position_at: datetime | None
    lock: Literal["locked", "unlocked"] | None
    lock_at: datetime | None
    heard_at: datetime | None
    device: DeviceShown | None


class VisitShown(Shown):
    """One visit of one person."""

    id: str
    state: Literal["expected", "held", "in", "out", "denied"] | None
    state_at: datetime | None
    name: str | None
    type: str | None
    host: str | None
    zone: str | None
    badge: str | None
    expected_out: datetime | None
    checked_out_by: str | None


class RuleShown(Shown):
    """A rule. `severity` is that of its first step; `document` is what was written."""

    id: str
    version: int
    title: str
    mode: Literal["live", "shadow", "disabled"]
    severity: Severity
    sentence: str
    document: dict[str, Any]


class TokenShown(BaseModel):
    """A token; its text is never shown again. `campuses` null: it is good for all of them."""

    id: int
    name: str
    role: Role
    campuses: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class TokenMade(TokenShown):
    """A new token with its text, this once."""

    token: str


class TokenSaid(Said):
    """A token to make."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Officer Reyes", "role": "sro"}})
    name: Words = Field(min_length=1, max_length=100)
    role: Role
    expires_at: Instant | None = None
    campuses: list[Words] | None = Field(
        default=None, min_length=1, max_length=1000, description="Only these; left out: all of them."
    )


class PartShown(BaseModel):
    """How one thing is that the service stands on."""

    ok: bool
    since: datetime | None
    words: str


class Readiness(BaseModel):
    """Whether the service may be relied on, and if not, why."""

    ready: bool
    parts: dict[str, PartShown]
