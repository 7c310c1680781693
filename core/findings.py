"""What a rule found: it began to hold for one key, or stopped holding. The word that `rules` hands to `alerts`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

Severity = Literal["minor", "moderate", "severe", "extreme"]
Srp = Literal["hold", "secure", "lockdown", "evacuate", "shelter"]
"""The actions of the Standard Response Protocol."""
SEVERITIES: tuple[Severity, ...] = ("minor", "moderate", "severe", "extreme")
"""From the least to the most urgent (the words of CAP 1.2)."""


class Advice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the rule asks of whoever handles its findings."""

    policy: str | None = None
    """The policy that decides who is told; None: the default of the severity."""
    do: tuple[str, ...] = ()
    """What to do, a short checklist in plain words."""
    cooldown_s: float = 0.0
    """Seconds after a notice in which a new opening is recorded, and tells nobody again."""
    group: str | None = None
    latch: bool = False
    """Only a person may close the alert."""
    srp: Srp | None = None
    """The action that this may call for: a suggestion, a person decides."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule began (`firing`) or stopped (`resolved`) holding for one key, at one instant of event time.

    A ladder step is `firing` again with a higher severity. A momentary finding is followed by its `resolved` at
    the same instant.
    """

    campus: str
    rule: str
    version: int = 1
    key: str
    entity: str
    """What `key` names: door, visit, gathering, zone, device or campus."""
    state: Literal["firing", "resolved"]
    at: datetime
    """The instant the rule became true, or false, in event time."""
    severity: Severity
    mode: Literal["live", "shadow"] = "live"
    exercise: Literal["live", "drill", "test"] = "live"
    late: bool = False
    late_by_s: float = 0.0
    """Seconds between `at` and the moment we could know; only where it is more than the service ever waits."""
    title: str
    """The rule's short sentence."""
    text: str
    """What happened here, in staff words."""
    because: dict[str, Any]
    """Rule version, parameters after overrides, the messages and values that decided; JSON values only."""
    advice: Advice = Advice()
