"""What the paths about rules take in and give out, as OpenAPI describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import AfterValidator, ConfigDict, Field

from api.listing import Instant, Words
from api.schemas import ProblemShown, RuleShown, Said, Shown

LAST_VERSION: Final = 2**31 - 1
"""No version has a greater number; a database would not even compare with one."""


def _writable(value: dict[str, Any]) -> dict[str, Any]:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise ValueError("holds a character that is none (half of a pair)") from None
    return value


Values = Annotated[dict[str, Any], AfterValidator(_writable)]
"""Values by their names, of which every text is one."""
Mode = Literal["live", "shadow", "disabled"]
Reason = Annotated[Words, Field(min_length=1, max_length=2000)]
Slug = Annotated[Words, Field(max_length=64)]


class RuleListed(RuleShown):
    """A rule in the list. `health` is what goes wrong with it while it runs; empty: nothing."""

    health: str = ""


class RuleDetail(RuleListed):
    """One rule, with what may be tuned, what is overridden for now, and who wrote this version."""

    params: dict[str, Any]
    overrides: list[dict[str, Any]]
    created_at: datetime
    created_by: str


class SavedShown(Shown):
    """A rule was saved. The same document again keeps its version."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "version": 4,
                "sentence": "Door held open: when the door is open, and stays so for 90s; severe.",
                "warnings": [{"where": "lincoln: held", "message": "matches nothing on this campus", "line": None}],
            }
        },
    )
    version: int
    sentence: str
    warnings: list[ProblemShown]


class OverridesShown(SavedShown):
    """A rule was saved with other overrides."""

    overrides: list[dict[str, Any]]


class CheckedShown(Shown):
    """A rule could be saved as it is."""

    sentence: str
    warnings: list[ProblemShown]


class LintShown(Shown):
    """What is surprising about the campuses and their rules."""

    warnings: list[ProblemShown]


class VersionShown(Shown):
    """One version of a rule. `document` is null where the rule was deleted; `changed` names the keys that differ."""

    version: int
    mode: Mode
    created_at: datetime
    created_by: str
    changed: list[str]
    document: dict[str, Any] | None


class ModeSaid(Said):
    """Another mode: for good, or, with `until`, for a while."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"mode": "shadow", "reason": "too many false calls; being looked at"}},
    )
    mode: Mode
    until: Instant | None = None
    reason: Reason | None = None


class OverrideSaid(Said):
    """Other parameters, or another mode, for some things and for a while. Its author is who sends it."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={
            "example": {
                "scope": {"door": {"zone": "gym"}},
                "params": {"hold": "10m"},
                "until": "2026-12-04T22:30:00-06:00",
                "reason": "winter concert",
            }
        },
    )
    scope: Values = {}
    params: Values = {}
    mode: Mode | None = None
    start: Instant | None = Field(default=None, alias="from")
    until: Instant
    reason: Reason


class RollbackSaid(Said):
    """Which version is to be in force again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"version": 3}})
    version: int = Field(ge=1, le=LAST_VERSION)
    reason: Reason | None = None


class BacktestSaid(Said):
    """What to price: a stored rule, or a draft; with `params` set, and each of the values in `sweep`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"rule_id": "door-held-open", "sweep": {"hold": ["60s", "90s", "120s"]}}},
    )
    rule: Values | None = Field(default=None, description="A draft; its id says whose alerts it is held to.")
    rule_id: Slug | None = None
    params: Values = {}
    sweep: Annotated[dict[str, list[Any]], AfterValidator(_writable)] = {}
    since: Instant | None = Field(default=None, description="30 days before `until`, unless it is said.")
    until: Instant | None = Field(default=None, description="Now, unless it is said.")
    campus: Words | None = None


class AlertMissed(Shown):
    """A real alert that a value would have missed, or have found so much later."""

    id: int
    code: str
    campus: str
    key: str
    began_at: datetime
    later_by: str | None = None


class PriceShown(Shown):
    """What one value costs."""

    params: dict[str, Any]
    findings: int
    alerts_per_day: float
    missed_real: list[AlertMissed]
    missed_count: int
    delayed_real: list[AlertMissed]
    trouble: str


class BacktestShown(Shown):
    """What each value costs, in the order in which they were named."""

    rule: str
    version: int
    since: datetime
    until: datetime
    values: list[PriceShown]


class AccountShown(Shown):
    """Why, or why not: in words, and the data behind them."""

    rule: str
    version: int
    campus: str
    key: str
    at: datetime
    state: Literal["firing", "ending", "pending", "quiet", "not in scope", "unknown key"]
    words: list[str]
    mode: Mode
    active: bool
    params: dict[str, Any]
    overrides: list[dict[str, Any]]
    conditions: list[dict[str, Any]]
    timers: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    read: dict[str, Any] = Field(description="How much of the past was judged again: `since`, `until`, `messages`.")


class DifferenceShown(Shown):
    """A time in which one of the two held and the other did not."""

    campus: str
    key: str
    began_at: datetime
    ended_at: datetime | None


class AgainstShown(Shown):
    """What a draft is held against, and how: `replay` of an earlier version, or the `alerts` of another rule."""

    rule: str
    version: int | None
    by: Literal["replay", "alerts"]


class ShadowShown(Shown):
    """What a rule in shadow would have changed since it went into shadow."""

    rule: str
    version: int
    since: datetime
    against: AgainstShown | None
    gained: list[DifferenceShown]
    lost: list[DifferenceShown]
    both: int
