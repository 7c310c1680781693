"""How a mapping is written: strict, with every key explained. A file holds one mapping or a list of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from core.calendar import Strict
from core.campus import Id, Text
from ingest.mapping import paths
from ingest.mapping.topics import Pattern
from ingest.mapping.values import Kind, TimeFormat


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("must be a word, a number, true or false")
    return value


Scalar = Annotated[Any, AfterValidator(_scalar), WithJsonSchema({"type": ["boolean", "number", "string"]})]
OptionalScalar = Annotated[Any, AfterValidator(lambda value: None if value is None else _scalar(value))]
Wiring = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_=-]*$")]
Name = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _known_topic(text: str) -> str:
    if Pattern(text).filters[0] in ("#", "+"):
        raise ValueError("fits every topic; name at least one level of it")
    return text


def _known_pattern(text: str) -> str:
    Pattern(text)
    return text


def _known_path(text: str) -> str:
    paths.getter(text)
    return text


def _known_fan(text: str) -> str:
    paths.walker(text)
    return text


Topic = Annotated[str, AfterValidator(_known_topic)]
TopicPattern = Annotated[str, AfterValidator(_known_pattern)]
Path = Annotated[str, AfterValidator(_known_path)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_as_list), Field(min_length=1)]
Scalars = Annotated[tuple[Scalar, ...], BeforeValidator(_as_list), Field(min_length=1)]


class Match(Strict):
    """Which messages the mapping speaks of. The first mapping that fits reads the message."""

    topic: Annotated[tuple[Topic, ...], BeforeValidator(_as_list), Field(min_length=1)]
    """One pattern or several; each takes the same names."""
    exclude: Annotated[tuple[TopicPattern, ...], Field(alias="not")] = ()
    """Topics that it does not speak of although they fit."""
    require: tuple[Path, ...] = ()
    """What the payload must hold."""
    where: dict[Path, Scalars] = {}
    """Values that the payload must hold: one of those listed, for each path."""


class Picked(Strict):
    """A value of the payload: where it stands, and what it means. In short form just the path."""

    path: Paths
    """Where it stands; of several paths the first that is there counts."""
    coerce: Annotated[Kind | None, Field(alias="as")] = None
    """What it is made to be before the table is looked up."""
    scale: float = 1.0
    """What a number is multiplied by."""
    map: dict[str, Scalar] | None = None
    """What each value means; without a table it means itself."""


def _read_picked(value: Any) -> Any:
    return {"path": value} if isinstance(value, str | list) else value


Pick = Annotated[Picked, BeforeValidator(_read_picked)]


class Value(Strict):
    """The reading itself."""

    path: Paths = (".",)
    coerce: Annotated[Kind | None, Field(alias="as")] = None
    map: dict[str, Scalar] | None = None
    """What each value means; a value that is not in the table is never guessed at."""
    wiring: dict[Wiring, dict[str, Scalar]] = {}
    """Tables by the way a contact is wired: `on=open`. The campus file says which, behind a `?` of the source."""
    always: OptionalScalar = None
    """What is meant whatever the payload holds."""
    missing: Literal["skip", "reject", "means"] = "reject"
    """Nothing at the path: the device is alive and says no more (`skip`), it is an error, or it means `default`."""
    default: OptionalScalar = None
    unlisted: Literal["skip", "reject"] = "reject"
    """A value that is not in the table: the device is alive and says no more, or an error."""


class Time(Strict):
    """The device's own time. One that cannot be read counts as none: the time of receipt is used."""

    path: Paths
    formats: Annotated[tuple[TimeFormat, ...], BeforeValidator(_as_list), Field(min_length=1)] = ("iso",)
    zone: Annotated[str, Field(pattern=r"^(campus|[A-Za-z][A-Za-z0-9_+/-]*)$")] = "campus"
    """Where a time without an offset is meant: `campus`, or a zone like `UTC`."""


class Dedupe(Strict):
    """What tells one message of a device from the next; without it, its topic, time and words do."""

    keys: Annotated[tuple[Path, ...], Field(min_length=1)]


class Example(Strict):
    """A real message and what must come of it; `hallwatch check` runs it."""

    note: Text = ""
    topic: str
    payload: Any
    """Text as it is sent, or a value that is sent as JSON."""
    retained: bool = False
    wiring: str | None = None
    gives: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_as_list)] = ()
    """The messages, each with its `kind`, its fields, and `source`, `at` or `id` where they matter."""
    refused: str | None = None
    """How the reason begins, if it must be refused."""


class MappingDocument(Strict):
    """What one family of devices says, and what we make of it."""

    id: Id
    title: Text = ""
    match: Match
    decode: Literal["json", "text", "number", "json_or_text"] = "json"
    each: Annotated[str, AfterValidator(_known_fan)] | None = None
    """One payload holds many devices or readings: over what to fan out. Paths then start at the element."""
    where: dict[Path, Scalars] = {}
    """Which elements count; the others are left out."""
    capture: dict[Name, Path] = {}
    """Names for `source` that are taken from the payload."""
    source: str | None = None
    """The device's name in the campus file, put together from the names taken: `zigbee2mqtt/{device}`."""
    below: bool = False
    """It speaks for every source below it too: a node, for all the contacts wired to it."""
    unbound: Literal["refuse", "ignore"] = "refuse"
    """What happens if no campus names the source: quarantine, or nothing (for mere signs of life)."""
    emit: str
    """What it tells: `door.position`, `device.kind`, …; `nothing` for topics that are known and hold nothing for us."""
    value: Value = Value()
    side: dict[Name, Pick] = {}
    """Fields that ride along. One that cannot be read is left out: it must not cost us the door."""
    time: Time | None = None
    dedupe: Dedupe | None = None
    examples: tuple[Example, ...] = ()
