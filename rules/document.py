"""The rule document as people write it: every key, its form and its limits. What it means is `rules.rule`'s."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from core.calendar import Strict
from core.campus import Duration, Moment, read_duration
from core.facts import CampusState
from core.findings import SEVERITIES, Severity, Srp
from rules.language.types import BOOL, DURATION, INT, STRING, Type

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,31}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Prose = Annotated[str, StringConstraints(max_length=2000)]
Mode = Literal["live", "shadow", "disabled"]
Key = Literal["door.id", "zone.id", "visit.id", "gathering.id", "device.id", "campus.id"]


def _read_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Text = Annotated[str, BeforeValidator(_read_text), WithJsonSchema({"type": ["string", "integer", "boolean"]})]
"""An expression of the language; a bare number or truth is one too."""
OneOrMore = BeforeValidator(_listed)
MAX_LENGTH: Final = timedelta(days=366)
"""No time in a rule is longer than a year."""
MAX_TEST: Final = timedelta(days=35)
"""No test of a rule goes on for longer; they are run whenever the rule is saved."""
Length = Annotated[Duration, Field(le=MAX_LENGTH)]


class Document(Strict):
    """A part of a rule document: frozen, strict, refusing keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, populate_by_name=True)


class Heard(Document):
    """Messages that an operator listens for: a kind (`door.opened`), a family (`door.*`), and a condition."""

    of: Annotated[tuple[str, ...], OneOrMore]
    condition: Text | None = Field(default=None, alias="if")


def _read_heard(value: Any) -> Any:
    return [{"of": each} if isinstance(each, str) else each for each in _listed(value)]


_HEARD_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"of": {}, "if": {"type": "string"}}, "required": ["of"]},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}},
    ]
}
HeardList = Annotated[
    tuple[Heard, ...], BeforeValidator(_read_heard), Field(min_length=1), WithJsonSchema(_HEARD_SCHEMA)
]

_TYPES: dict[str, tuple[type, Type]] = {
    "duration": (timedelta, DURATION),
    "int": (int, INT),
    "bool": (bool, BOOL),
    "string": (str, STRING),
}


class Param(Document):
    """One number, time or word that an administrator may tune, and how far."""

    type: Literal["duration", "int", "bool", "string"]
    default: Annotated[Any, WithJsonSchema({"type": ["string", "integer", "boolean"]})]
    min: Annotated[Any, WithJsonSchema({"type": ["string", "integer"]})] = None
    max: Annotated[Any, WithJsonSchema({"type": ["string", "integer"]})] = None
    unit: Line | None = None
    help: Prose | None = None

    @model_validator(mode="after")
    def _bounds_fit(self) -> Param:
        for name in ("min", "max"):
            bound = getattr(self, name)
            if bound is not None and self.type not in ("duration", "int"):
                raise ValueError(f"{name}: a {self.type} has no bounds")
            if bound is not None:
                self._typed(bound, name)
        self.read(self.default, "default")
        return self

    def _typed(self, value: Any, name: str) -> Any:
        if self.type == "duration":
            try:
                return read_duration(value)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        if type(value) is not _TYPES[self.type][0]:
            raise ValueError(f"{name}: {value!r} is no {self.type}")
        return value

    def read(self, value: Any, name: str) -> Any:
        """Return a value for this parameter; ValueError where its type is wrong or it is out of bounds."""
        found = self._typed(value, name)
        if self.min is not None and found < self._typed(self.min, "min"):
            raise ValueError(f"{name}: {value} is below the minimum of {self.min}")
        if self.max is not None and found > self._typed(self.max, "max"):
            raise ValueError(f"{name}: {value} is above the maximum of {self.max}")
        return found

    @property
    def language_type(self) -> Type:
        """Its type in conditions."""
        return _TYPES[self.type][1]


class Active(Document):
    """When the rule may begin to hold: all of what is said here must be so."""

    calendar: Line | None = None
    invert: bool = False
    """Outside of the calendar instead of inside."""
    during: Literal["gathering"] | None = None
    campus_state: Annotated[tuple[CampusState, ...], OneOrMore] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Active:
        if self.calendar is None and self.during is None and not self.campus_state:
            raise ValueError("say one of calendar, during, campus_state")
        if self.invert and self.calendar is None:
            raise ValueError("invert: goes with calendar")
        return self


class Quiet(Document):
    """The finding ends when nothing more was heard for a while."""

    quiet: Text


class Rung(Document):
    """One step of a ladder: so long after it began, this severe."""

    after: Length
    severity: Severity


class Advice(Document):
    """What is said and asked when the rule fires."""

    text: Line | None = Field(default=None, description="What people read; {door} or {door.name} is filled in.")
    do: Annotated[tuple[Line, ...], OneOrMore] = Field(default=(), description="What they are asked to do.")
    policy: Line | None = Field(default=None, description="Who is told; otherwise the policy of the severity says.")
    cooldown: Length = Field(default=timedelta(0), description="So long nobody is told again; it is recorded.")
    group: Line | None = Field(default=None, description="What is told together has the same word here.")
    latch: bool = Field(default=False, description="It stays open until a person closes it.")
    srp: Srp | None = Field(default=None, description="The action it may call for; a person decides.")


class Variant(Document):
    """Other parameters for some, for good: they are part of the rule."""

    scope: dict[str, dict[str, Any]] = Field(min_length=1)
    params: dict[str, Any] = Field(min_length=1)
    reason: Prose


class Override(Document):
    """Another setting for some, for a while; it always ends."""

    scope: dict[str, dict[str, Any]] = {}
    params: dict[str, Any] = {}
    mode: Mode | None = None
    start: Moment | None = Field(default=None, alias="from")
    until: Moment
    reason: Prose
    by: Line

    @model_validator(mode="after")
    def _changes_something(self) -> Override:
        if not self.params and self.mode is None:
            raise ValueError("say params or mode; otherwise it overrides nothing")
        start, until = self.start, self.until
        if start is not None and (start.tzinfo is None) == (until.tzinfo is None) and start >= until:
            raise ValueError("until: must be later than from")
        return self


class Step(Document):
    """One step of a test: something is sent, or something is expected by then."""

    at: Annotated[Duration, Field(le=MAX_TEST)]
    send: dict[str, Any] | None = None
    expect: Literal["firing", "resolved", "nothing"] | None = None
    key: str | None = None
    severity: Severity | None = None

    @model_validator(mode="after")
    def _sends_or_expects(self) -> Step:
        if (self.send is None) == (self.expect is None):
            raise ValueError("a step says either send or expect")
        if self.send is not None and "kind" not in self.send:
            raise ValueError("send.kind: is required")
        return self


class Scenario(Document):
    """A test with a name, and its own campus, start and parameters where the usual ones do not do."""

    name: Line = "test"
    now: Moment | None = None
    campus: dict[str, Any] = {}
    params: dict[str, Any] = {}
    steps: tuple[Step, ...] = Field(min_length=1)


def _read_tests(value: Any) -> Any:
    # A bare list of steps is one test.
    steps = isinstance(value, list) and any(isinstance(each, dict) and "at" in each for each in value)
    return [{"steps": value}] if steps else value


class RuleDocument(Document):
    """A rule. Beside these keys it has one operator, `rules.rule` adds their fields."""

    id: Slug
    title: Line
    why: Prose = Field(default="", description="What the rule is for, with its source.")
    mode: Mode = "live"
    params: dict[Word, Param] = {}
    scope: dict[str, dict[str, Any]] = Field(default={}, description="Which things; empty: all of their kind.")
    key: Key
    active: Active | None = Field(default=None, description="When it may begin to hold; empty: at any time.")
    clear: Text | Quiet | None = Field(default=None, description="What ends it: a condition, or {quiet: 10m}.")
    keep: Text | None = Field(default=None, description="So long the condition must stay false to count as false.")
    severity: Severity | None = None
    ladder: tuple[Rung, ...] = Field(default=(), description="How it grows more severe the longer it lasts.")
    alert: Advice = Advice()
    tests: Annotated[tuple[Scenario, ...], BeforeValidator(_read_tests)] = ()
    variants: tuple[Variant, ...] = ()
    overrides: tuple[Override, ...] = ()

    @model_validator(mode="after")
    def _one_way_of_severity(self) -> RuleDocument:
        if (self.severity is None) == (not self.ladder):
            raise ValueError("severity: say either severity or ladder")
        if self.ladder and self.ladder[0].after:
            raise ValueError("ladder[0].after: the first step stands at 0s")
        for index, (lower, upper) in enumerate(zip(self.ladder, self.ladder[1:], strict=False), start=1):
            if upper.after <= lower.after:
                raise ValueError(f"ladder[{index}].after: must be later than the step before")
            if SEVERITIES.index(upper.severity) <= SEVERITIES.index(lower.severity):
                raise ValueError(f"ladder[{index}].severity: must be higher than in the step before")
        return self
