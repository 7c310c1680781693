"""How a mapping is written: strict, with every key explained. A file holds one mapping or a list of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from core.calendar import Strict
from core.campus import Duration, Id, Moment, Text
from core.messages import Role
from ingest.mapping.times import known_offset
from ingest.mapping.values import Kind
from ingest.mapping.words import (
    Ends,
    Fans,
    Format,
    Header,
    Name,
    OptionalScalar,
    Path,
    Paths,
    Scalar,
    Scalars,
    Topic,
    TopicPattern,
    Wiring,
    as_list,
    bounded,
)

HOOKS: Final = "hooks/"
"""Topics below it are webhooks: HTTP bodies whose sender has been verified. Over MQTT nobody can say them."""


class Match(Strict):
    """Which messages the mapping speaks of. The first mapping that fits reads the message."""

    topic: Annotated[tuple[Topic, ...], BeforeValidator(as_list), Field(min_length=1)]
    """One pattern or several; each takes the same names."""
    exclude: Annotated[tuple[TopicPattern, ...], Field(alias="not")] = ()
    """Topics that it does not speak of although they fit."""
    require: tuple[Path, ...] = ()
    """What the payload must hold."""
    where: dict[Path, Scalars] = {}
    """Values that the payload must hold: one of those listed, for each path."""
    unless: dict[Path, Scalars] = {}
    """Values that the payload must not hold: none of those listed, at any path."""


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
    anew: bool = False
    """Of a device that tells openings and never that the door is closed: each one is a new one."""
    missing: Literal["skip", "reject", "means"] = "reject"
    """Nothing at the path: the device is alive and says no more (`skip`), it is an error, or it means `default`."""
    default: OptionalScalar = None
    unlisted: Literal["skip", "reject"] = "reject"
    """A value that is not in the table: the device is alive and says no more, or an error."""


class Interval(Strict):
    """From when to when the reading was taken; its end is the time of the message."""

    start: Annotated[Paths, Field(alias="from")]
    end: Annotated[Paths, Field(alias="to")]


class Time(Strict):
    """The device's own time. One that cannot be read counts as none: the time of receipt is used."""

    path: Paths | None = None
    interval: Interval | None = None
    """In place of `path`, for counts of a while; where `dedupe` names no keys, the while tells one from the next."""
    formats: Annotated[tuple[Format, ...], BeforeValidator(as_list), Field(min_length=1)] = ("iso",)
    zone: Annotated[str, Field(pattern=r"^(campus|[A-Za-z][A-Za-z0-9_+/-]*)$")] = "campus"
    """Where a time without an offset is meant: `campus`, or a zone like `UTC`."""
    zones: dict[Annotated[str, Field(pattern=r"^[A-Z]{1,5}$")], Annotated[str, AfterValidator(known_offset)]] = {}
    """What abbreviations (`%Z`) mean, as offsets like `-07:00`; those of the zone and of the USA are known."""
    history_after: Duration | None = None
    """What happened longer ago is history that is being filled in: it is written down and is never news."""
    refuse_after: Duration | None = None
    """What happened longer ago is refused: somebody plays a recording back."""


class Dedupe(Strict):
    """What tells one message of a device from the next; without it, its topic, time and words do."""

    keys: tuple[Path, ...] = ()
    window: Annotated[
        Duration | None,
        bounded(timedelta(seconds=1), timedelta(hours=24), "write it from 1s to 24h; longer is not kept"),
    ] = None
    """For how long the keys are told apart; for keys that come again, as a number that goes around does."""
    unchanged: bool = False
    """State, not events: the same state once more is no news. So it is with every state; this only says so."""


class Heads(Strict):
    """Where the heads of each direction stand, or the one number and the captured name that tells its direction."""

    into: Annotated[Paths | None, Field(alias="in")] = None
    out: Paths | None = None
    by: Name | None = None
    """The captured name that says `in` or `out`; the number then is at `in`, or the element itself."""


class Counter(Strict):
    """How people are counted."""

    kind: Literal["cumulative", "period", "gauge"]
    """A total that only goes up, the heads of the last while, or how many are there now."""
    direction: Heads | None = None
    wiring: dict[Wiring, Heads] = {}
    """Directions by the way a counter hangs, `fw=in`: the campus file says which, behind a `?` of the source."""
    count: Paths = (".",)
    """Of a gauge: where the number stands."""
    wrap: Annotated[int | None, Field(ge=2, le=2**53)] = None
    """A cumulative total starts again at 0 after so many."""
    on_decrease: Literal["reset"] = "reset"
    """A cumulative total that has become less was set to 0."""
    zero_when: Literal["empty"] | None = None
    """A number that is missing from an object that is there means 0: the device leaves out what it does not see."""
    role: Role | None = None
    """Whom it counts; without it, anybody."""


class Hmac(Strict):
    """A signature over the body, made with a secret that both sides know."""

    header: Header
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    """What stands before the signature: `sha256=`."""
    separator: str | None = None
    """What stands between the time of sending, in seconds since 1970, and the signature: `1597685622|b41406…`."""
    timestamp_header: Header | None = None
    """The header that holds the time of sending, where it has one of its own."""
    signed: Annotated[str, Field(pattern=r"^[^{}]*(\{(body|timestamp)\}[^{}]*)+$")] = "{body}"
    """What is signed: `{body}`, `{body}|{timestamp}`, `{timestamp}.{body}`."""
    tolerance: Annotated[Duration, bounded(timedelta(seconds=1), timedelta(hours=1), "write it from 1s to 1h")] = (
        timedelta(minutes=5)
    )
    """How far the time of sending may be from now; beyond it, somebody plays a recording back."""


class Token(Strict):
    """A secret that the sender sends along with every message, for senders that cannot sign."""

    header: Header = "Authorization"
    scheme: Literal["basic", "bearer", "plain"] = "bearer"
    """`basic`: the secret is `user:password`."""


class Auth(Strict):
    """How the sender of a webhook shows that it is the one."""

    hmac: Hmac | None = None
    token: Token | None = None


class Example(Strict):
    """A real message and what must come of it; `hallwatch check` runs it."""

    note: Text = ""
    topic: str
    payload: Any
    """Text as it is sent, or a value that is sent as JSON."""
    received: Moment | None = None
    """When it arrives, where that matters."""
    retained: bool = False
    wiring: str | None = None
    gives: Annotated[tuple[dict[str, Any], ...], BeforeValidator(as_list)] = ()
    """The messages, each with its `kind`, its fields, and `source`, `at` or `id` where they matter."""
    refused: str | None = None
    """How the reason begins, if it must be refused."""


class MappingDocument(Strict):
    """What one family of devices says, and what we make of it."""

    id: Id
    title: Text = ""
    match: Match
    auth: Auth | None = None
    """For topics below `hooks/`: how the sender is verified."""
    decode: Literal["json", "text", "number", "json_or_text"] = "json"
    drop: Ends = ()
    """Personal data that is taken away before anything is kept, quarantine included."""
    pseudonymise: Ends = ()
    """Personal data in whose place a pseudonym is kept: the same for the same person, and no way back."""
    each: Fans | None = None
    """One payload holds many devices or readings: over what to fan out. Paths then start at the element. Of several,
    the first that finds any counts."""
    where: dict[Path, Scalars] = {}
    """Which elements count; the others are left out."""
    capture: dict[Name, Path] = {}
    """Names for `source` that are taken from the payload."""
    source: str | None = None
    """The device's name in the campus file, put together from the names taken: `zigbee2mqtt/{device}`."""
    alias: dict[str, str] = {}
    """Other names for sources, where the device's own is not one to work with: `tasmota/zigbee/0x662E: gym-east`."""
    below: bool = False
    """It speaks for every source below it too: a node, for all the contacts wired to it."""
    gateway_of: str | None = None
    """A gateway: while it is offline nothing can be known of the sources below this name (`zigbee2mqtt`)."""
    silent_after: Duration | None = None
    """Such a device counts as gone after so much silence, where the campus file gives it no `heartbeat`."""
    unbound: Literal["refuse", "ignore"] = "refuse"
    """What happens if no campus names the source: quarantine, or nothing (for mere signs of life)."""
    emit: str
    """What it tells: `door.position`, `attendance.count`, …; `nothing` for topics that hold nothing for us."""
    value: Value = Value()
    counter: Counter | None = None
    """For `emit: attendance.count`."""
    side: dict[Name, Pick] = {}
    """Fields that ride along. One that cannot be read is left out: it must not cost us the door."""
    time: Time | None = None
    sequence: Path | None = None
    """A number that goes up by one with each message: a gap shows that some were lost."""
    dedupe: Dedupe | None = None
    retained: Literal["snapshot", "ignore"] = "snapshot"
    """A copy that the broker kept sets the state and is never news, or it is not read at all."""
    examples: tuple[Example, ...] = ()
