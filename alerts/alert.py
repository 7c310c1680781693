"""An alert: somebody must know. Its axes are independent, and every move returns a new value.

"Acknowledged" is not "over", and "silenced" is not "acknowledged": whether the condition is still true, who has taken
it, why nobody is told and how it ended are kept apart, so that none of them can hide another.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec.structs import replace

from core.errors import BadInput, Conflict, Problem
from core.findings import SEVERITIES, Finding, Severity, Srp

Condition = Literal["active", "cleared"]
Exercise = Literal["live", "drill", "test"]
Disposition = Literal["real", "nuisance", "false", "drill", "test", "unknown"]
DISPOSITIONS: Final[tuple[str, ...]] = get_args(Disposition)
SERVICE: Final = "hallwatch"
"""Who acts where no person does."""
CHATTER: Final = 3
"""So many openings of one thing within `CHATTER_SPAN` are chatter (ISA-18.2)."""
CHATTER_SPAN: Final = timedelta(minutes=1)
STALE: Final = timedelta(hours=24)
"""What has been true for longer is stale (ISA-18.2): nobody sees it any more."""
_SERIOUS: Final[dict[str, int]] = {"test": 0, "drill": 1, "live": 2}
_CAP_STATUS: Final[dict[str, str]] = {"live": "Actual", "drill": "Exercise", "test": "Test"}
_CAP_URGENCY: Final[dict[str, str]] = {
    "extreme": "Immediate",
    "severe": "Immediate",
    "moderate": "Expected",
    "minor": "Future",
}
_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ"  # I, O and Q sound or look like something else


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody must know about, from its opening to its close."""

    id: int = 0
    """Its number; 0 until it is stored."""
    campus: str
    rule: str
    rule_version: int = 1
    key: str
    entity: str
    code: str = ""
    """Short and sayable (`K7-42`), unique among the open ones."""
    severity: Severity
    exercise: Exercise = "live"
    title: str
    """The rule's short sentence."""
    text: str
    """What happened here, in staff words."""
    do: list[str] = []
    srp: Srp | None = None
    """The action of the Standard Response Protocol that it may call for."""
    group: str | None = None
    because: dict[str, Any] = {}
    late: bool = False

    condition: Condition = "active"
    momentary: bool = False
    """It began and ended at one instant: there is no condition to wait for."""
    latched: bool = False
    """Only a person may close it."""
    began_at: datetime
    """Event time at which the condition became true, in its latest opening."""
    opened_at: datetime
    """When we opened the alert."""
    heard_at: datetime
    """When the rule last spoke about it."""
    cleared_at: datetime | None = None
    """Event time at which the condition ended; None while it holds."""
    count: int = 1
    """How often the rule found it, openings and repeats together."""
    opening: int = 1
    """Which opening this is: an acknowledgement binds to one."""
    previous: int | None = None
    """The alert of the same rule and key that was closed before this one opened."""
    openings: list[datetime] = []
    """When the rule began to hold here, the latest few times, those of the alerts before this one included."""
    stale: bool = False
    """It has been true for more than a day."""

    suppressed: str | None = None
    """Why nobody is told; None: people are told."""
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    acknowledgers: list[str] = []
    """Everybody who has taken this opening, the one who has it first; more than one where the policy asks for it."""
    on_scene_by: str | None = None
    on_scene_at: datetime | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None
    disposition: Disposition | None = None
    note: str = ""

    policy: dict[str, Any] = {}
    """The policy as it was when the alert opened."""
    generation: int = 0
    """Counts the rounds of notices; no endpoint is told the same step of one round twice."""
    first_generation: int = 1
    """The first round of the present opening."""
    noticed_at: datetime | None = None
    """When somebody was last told."""
    next_step_at: datetime | None = None

    urgency: str = "Immediate"
    certainty: str = "Observed"
    cap_status: str = "Actual"
    msg_type: str = "Alert"
    references: list[str] = []
    """CAP 1.2 identifiers of the messages that this one follows."""

    @property
    def is_open(self) -> bool:
        """Whether it is not closed yet."""
        return self.closed_at is None

    @property
    def since(self) -> datetime:
        """Since when it has been so: a door held open since it was opened, not since the patience ran out."""
        armed = self.because.get("armed_at")
        return min(datetime.fromisoformat(armed), self.began_at) if isinstance(armed, str) else self.began_at

    @property
    def is_active(self) -> bool:
        """Whether its condition still holds."""
        return self.condition == "active"

    @property
    def is_acknowledged(self) -> bool:
        """Whether somebody has taken this opening."""
        return self.acknowledged_by is not None

    @property
    def is_standing(self) -> bool:
        """Whether somebody must still be told: it is true, or only a person may close it."""
        return self.is_active or (self.latched and not self.momentary)

    @property
    def chatters(self) -> bool:
        """Whether its latest openings came so fast that they are chatter."""
        latest = self.openings[-CHATTER:]
        return len(latest) == CHATTER and latest[-1] - latest[0] <= CHATTER_SPAN

    @property
    def rank(self) -> int:
        """Its severity as a number: 0 is minor, 3 is extreme."""
        return rank(self.severity)

    @property
    def place(self) -> tuple[str, str, str]:
        """Campus, rule and key: there is one open alert for each."""
        return (self.campus, self.rule, self.key)


def is_chattering(alert: Alert, now: datetime) -> bool:
    """Return whether an alert has opened so often just now that one more opening says nothing new."""
    return alert.chatters and now - alert.openings[-1] <= CHATTER_SPAN


def rank(severity: Severity) -> int:
    """Return a severity as a number: 0 is minor, 3 is extreme."""
    return SEVERITIES.index(severity)


def opened(finding: Finding, *, now: datetime, policy: dict[str, Any], previous: Alert | None = None) -> Alert:
    """Return the alert that a finding opens. `previous` is the one of the same place that was closed last."""
    return Alert(
        campus=finding.campus,
        rule=finding.rule,
        rule_version=finding.version,
        key=finding.key,
        entity=finding.entity,
        severity=finding.severity,
        exercise=finding.exercise,
        title=finding.title,
        text=finding.text,
        do=list(finding.advice.do),
        srp=finding.advice.srp,
        group=finding.advice.group,
        because=finding.because,
        late=finding.late,
        latched=finding.advice.latch or finding.severity == "extreme",
        began_at=finding.at,
        opened_at=now,
        heard_at=now,
        previous=previous.id if previous else None,
        references=[f"{previous.code}-{previous.generation}"] if previous else [],
        openings=_openings(previous, finding.at),
        suppressed="exercise" if finding.exercise == "test" else None,
        policy=policy,
        urgency=_CAP_URGENCY[finding.severity],
        cap_status=_CAP_STATUS[finding.exercise],
    )


def repeated(alert: Alert, finding: Finding, *, now: datetime) -> Alert:
    """Return the alert after the rule found it again. If it had cleared, that is a new opening: nobody has it yet."""
    _require_open(alert, "found again")
    found = replace(
        alert,
        count=alert.count + 1,
        heard_at=now,
        text=finding.text,
        because=finding.because,
        latched=alert.latched or finding.advice.latch,
    )
    if alert.is_active:
        return found
    return replace(
        _untaken(found),
        condition="active",
        momentary=False,
        began_at=finding.at,
        cleared_at=None,
        opening=alert.opening + 1,
        openings=_openings(alert, finding.at),
        stale=False,
    )


def raised(alert: Alert, finding: Finding, *, now: datetime, policy: dict[str, Any]) -> Alert:
    """Return the alert at the higher severity of a finding. Who had taken the lesser one is asked again."""
    if rank(finding.severity) <= alert.rank:
        raise Conflict(f"{alert.code} is {alert.severity} already; {finding.severity} would not raise it")
    found = repeated(alert, finding, now=now)
    return replace(
        _untaken(found),
        severity=finding.severity,
        latched=found.latched or finding.severity == "extreme",
        policy=policy,
        urgency=_CAP_URGENCY[finding.severity],
        msg_type="Update",
    )


def cleared(alert: Alert, *, at: datetime, now: datetime) -> Alert:
    """Return the alert once its condition has ended; cleared before, it stays as it is."""
    if not alert.is_active:
        return alert
    # What ended at the instant it began was an event, not a state: nothing is over because of that.
    return replace(alert, condition="cleared", cleared_at=at, heard_at=now, momentary=at <= alert.began_at)


def reopened(alert: Alert, *, now: datetime, policy: dict[str, Any]) -> Alert:
    """Return the alert that takes the place of a closed one which a person wants open again; a person closes it, too.

    It stands as the closed one stood: what has cleared since is not true again because somebody looks at it.
    """
    if alert.is_open:
        raise Conflict(f"{alert.code} is open")
    fresh = replace(
        _untaken(alert),
        id=0,
        code="",
        latched=True,
        opened_at=now,
        heard_at=now,
        opening=1,
        previous=alert.id,
        references=[f"{alert.code}-{alert.generation}"],
        suppressed="exercise" if alert.exercise == "test" else None,
        closed_by=None,
        closed_at=None,
        disposition=None,
        note="",
        policy=policy,
        generation=0,
        noticed_at=None,
        msg_type="Alert",
    )
    return replace(fresh, first_generation=1)


def acknowledged(alert: Alert, *, who: str, now: datetime) -> Alert:
    """Return the alert as taken by `who`. Taken already, it stays as it is: the first one has it."""
    _require_open(alert, "acknowledged")
    if alert.is_acknowledged:
        return alert
    return replace(alert, acknowledged_by=who, acknowledged_at=now, acknowledgers=[who])


def acknowledged_too(alert: Alert, *, who: str) -> Alert:
    """Return the alert with one more person who has seen it; it stays with the first one."""
    _require_open(alert, "acknowledged")
    return alert if who in alert.acknowledgers else replace(alert, acknowledgers=[*alert.acknowledgers, who])


def handed_over(alert: Alert, *, to: str, now: datetime) -> Alert:
    """Return the alert in the hands of another: whoever has it from now on has yet to arrive."""
    _require_open(alert, "handed over")
    if not alert.is_acknowledged:
        raise Conflict(f"{alert.code} is nobody's: take it instead")
    if alert.acknowledged_by == to:
        raise Conflict(f"{alert.code} is theirs already")
    return replace(
        alert, acknowledged_by=to, acknowledged_at=now, acknowledgers=[to], on_scene_by=None, on_scene_at=None
    )


def lapsed(alert: Alert) -> Alert:
    """Return the alert as nobody's again: whoever had it has gone."""
    _require_open(alert, "taken from anybody")
    return _untaken(alert)


def on_scene(alert: Alert, *, who: str, now: datetime) -> Alert:
    """Return the alert with somebody on the spot, which takes it too where nobody had."""
    _require_open(alert, "marked as on scene")
    if alert.on_scene_by is not None:
        return alert
    return replace(acknowledged(alert, who=who, now=now), on_scene_by=who, on_scene_at=now)


def resolved(alert: Alert, *, who: str, disposition: str, note: str, now: datetime) -> Alert:
    """Return the alert closed by a person, who says what it was."""
    if disposition not in DISPOSITIONS:
        choices = ", ".join(DISPOSITIONS)
        raise BadInput([Problem(f"{disposition!r} is none; say one of {choices}", where="disposition")])
    _require_open(alert, "resolved")
    if disposition in ("drill", "test") and alert.exercise == "live":
        raise Conflict(f"{alert.code} is live; say real, nuisance, false or unknown")
    return _closed(alert, by=who, disposition=disposition, note=note, now=now)


def closes_by_itself(alert: Alert) -> bool:
    """Return whether nothing is left to wait for: the condition is over, and whoever must have seen it has.

    Extreme and latched ones never do. Severe ones, and those that were one instant, wait for an acknowledgement.
    """
    if alert.latched or alert.is_active or not alert.is_open or alert.severity == "extreme":
        return False
    if alert.severity == "severe" or alert.momentary:
        return alert.is_acknowledged
    return True


def closed_by_itself(alert: Alert, *, now: datetime, note: str = "") -> Alert:
    """Return the alert closed without a person: what it was, nobody has said."""
    _require_open(alert, "closed")
    disposition = "unknown" if alert.exercise == "live" else alert.exercise
    return _closed(alert, by=SERVICE, disposition=disposition, note=note, now=now)


def suppressed(alert: Alert, reason: str | None) -> Alert:
    """Return the alert with the reason why nobody is told; None: people are told again."""
    return replace(alert, suppressed=reason)


def stale(alert: Alert) -> Alert:
    """Return the alert marked as true for too long."""
    return replace(alert, stale=True)


def outranks(finding: Finding, alert: Alert) -> int:
    """Return 1 where the finding is meant more seriously than the alert, -1 where less: live over drill over test."""
    mine, other = _SERIOUS[finding.exercise], _SERIOUS[alert.exercise]
    return (mine > other) - (mine < other)


def code_of(number: int) -> str:
    """Return the code that a number stands for; numbers from 0 up to 22,999 have different ones."""
    letter, rest = divmod(number % (len(_LETTERS) * 1000), 1000)
    return f"{_LETTERS[letter]}{rest // 100}-{rest % 100:02}"


def _openings(before: Alert | None, at: datetime) -> list[datetime]:
    return [*(before.openings if before else []), at][-CHATTER:]


def _closed(alert: Alert, *, by: str, disposition: str, note: str, now: datetime) -> Alert:
    return replace(
        alert,
        closed_at=now,
        closed_by=by,
        disposition=disposition,
        note=note,
        next_step_at=None,
        msg_type="Cancel",
    )


def _untaken(alert: Alert) -> Alert:
    return replace(
        alert,
        acknowledged_by=None,
        acknowledged_at=None,
        acknowledgers=[],
        on_scene_by=None,
        on_scene_at=None,
        first_generation=alert.generation + 1,
    )


def _require_open(alert: Alert, verb: str) -> None:
    if alert.closed_at is not None:
        what = f" as {alert.disposition}" if alert.disposition else ""
        when = alert.closed_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        raise Conflict(f"{alert.code} cannot be {verb}: {alert.closed_by} closed it{what} at {when}")
