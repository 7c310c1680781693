"""What the system page says: what works, what does not and since when, and what to do then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import outbox, preflight, selftest
from alerts.outbox import Depth, EndpointRow
from alerts.preflight import CheckRow
from alerts.selftest import Timings
from api.console.frame import Frame
from api.console.truth import mark
from api.deps import House, Part, Working
from core import database
from core.campus import Campus

SILENT: Final = timedelta(seconds=30)
"""A courier that has not looked into the outbox for so long, or a heartbeat so much overdue, has stopped."""
OVERDUE: Final = timedelta(seconds=10)
SELF_TESTS: Final = 8
CHECKS: Final = 500
_TONES: Final = {"works": "good", "degraded": "doubtful", "down": "bad", "not set": "", "not here": ""}
_TO_DO: Final = {
    "broker": "Is the broker running, and does this machine reach it? `hallwatch doctor` says what it answers. "
    "Meanwhile no sensor is heard.",
    "database": "Is its server up, and is there room on the disk? Until it answers nothing is recorded or told.",
    "auditor": "Alerts may be told too late. Look at the outbox below; if it grows, start the service again.",
    "outbox": "Look which way is red under People; call those who were not reached.",
    "heartbeat": "Look at the address outside: while it hears nothing it should be telling you that we are down.",
    "rules": "Open the rule: its page says what it lacks. Until then it tells nobody.",
    "endpoints": "Try them out under People. Until one works, its person is told by their other ways alone.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """How one part is."""

    key: str
    name: str
    word: str
    words: str
    since: datetime | None = None
    todo: str = ""

    @property
    def tone(self) -> str:
        """How the word is coloured."""
        return _TONES[self.word]

    @property
    def mark(self) -> str:
        """What changes when the line does."""
        return mark(self.word, self.words, self.since, self.todo)


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the way of a self-test."""

    name: str
    seconds: float | None
    waits: str

    @property
    def words(self) -> str:
        """How long it took, or what it waits for."""
        return self.waits if self.seconds is None else f"{self.seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class SelfTest:
    """One self-test, step by step."""

    key: int
    endpoint: str
    at: datetime
    steps: Sequence[Step]
    passed: bool

    @property
    def mark(self) -> str:
        """What changes when it has got further."""
        return mark([step.words for step in self.steps], self.passed)


@dataclass(frozen=True, slots=True)
class Night:
    """What the last nightly check of the endpoints found."""

    at: datetime
    tried: int
    bad: Sequence[CheckRow]
    """Those that did not work."""


@dataclass(frozen=True, slots=True)
class System:
    """The page."""

    lines: Sequence[Line]
    facts: Sequence[tuple[str, str]]
    campus: Campus | None = None
    """Whose people are meant; None while there is none."""
    endpoints: Sequence[tuple[str, str]] = ()
    """Its ways to people: id, and what people know it by."""
    self_tests: Sequence[SelfTest] = ()
    night: Night | None = None

    @property
    def truth(self) -> str:
        """All of it in one sentence."""
        bad = [line.name for line in self.lines if line.word in ("degraded", "down")]
        if not bad:
            return "Everything works."
        return f"{len(bad)} of {len(self.lines)} parts need somebody: {', '.join(bad)}."


async def read(session: AsyncSession, house: House, frame: Frame) -> System:
    """Return how the service is, and how people of the campus can be reached."""
    campus = frame.chosen or next(iter(frame.campuses), None)
    health, working, now = house.health(), house.working(), frame.now
    lines = [
        *(_part(name, getattr(health, name)) for name in ("broker", "database", "auditor")),
        courier(working, await outbox.depth(session, now), now),
        _heartbeat(working, now, is_set=house.settings.heartbeat_url is not None),
        _rules(house.rule_health()),
    ]
    facts = await _facts(session, house, working, frame)
    if campus is None:
        return System(lines, facts)
    tests = await selftest.timings(session, campus.id, SELF_TESTS)
    return System(
        lines=[*lines, _endpoints(campus, await outbox.endpoints(session, campus.id))],
        facts=facts,
        campus=campus,
        endpoints=_choices(campus),
        self_tests=[_self_test(each) for each in tests],
        night=_night(await preflight.find(session, campus=campus.id, kind="nightly", limit=CHECKS)),
    )


def _part(name: str, part: Part) -> Line:
    todo = "" if part.ok else _TO_DO[name]
    # While all is well, the auditor's moment is that of its last round.
    since = None if part.ok and name == "auditor" else part.since
    return Line(name, name.capitalize(), "works" if part.ok else "down", part.words, since, todo)


def courier(working: Working, depth: Depth, now: datetime) -> Line:
    """Return how the one who tells people is, by how it stands and by what waits for it."""
    waiting = f"{depth.waiting} waiting, {depth.overdue} overdue" if depth.waiting else "nothing waits"
    if working.trouble:
        return Line("outbox", "Courier", "down", f"{waiting}; {working.trouble}", working.looked_at, _TO_DO["outbox"])
    oldest = depth.oldest_due_at
    if oldest is not None and now - oldest > OVERDUE:
        return Line("outbox", "Courier", "degraded", f"{waiting}; the oldest is overdue", oldest, _TO_DO["outbox"])
    if "courier" in working.roles and (working.looked_at is None or now - working.looked_at > SILENT):
        return Line("outbox", "Courier", "down", f"{waiting}; it stands still", working.looked_at, _TO_DO["outbox"])
    if "courier" not in working.roles:
        return Line("outbox", "Courier", "works" if depth.waiting == 0 else "not here", f"{waiting}; it runs elsewhere")
    again = f"; {working.restarted} alerts were taken up again since the start" if working.restarted else ""
    return Line("outbox", "Courier", "works", waiting + again)


def _heartbeat(working: Working, now: datetime, *, is_set: bool) -> Line:
    if not is_set:
        words = "no address outside is told that we are alive, so nobody notices if all of this stops"
        todo = "Set `HEARTBEAT_URL` to one that raises the alarm when it hears nothing."
        return Line("heartbeat", "Heartbeat", "not set", words, todo=todo)
    if "courier" not in working.roles:
        return Line("heartbeat", "Heartbeat", "not here", "the process that sends it runs elsewhere")
    if working.beat_at is None or now - working.beat_at > 4 * SILENT:
        words = "the address outside does not take it"
        return Line("heartbeat", "Heartbeat", "degraded", words, working.beat_at, _TO_DO["heartbeat"])
    return Line("heartbeat", "Heartbeat", "works", "the address outside hears that we are alive")


def _rules(wrong: Mapping[str, str]) -> Line:
    if not wrong:
        return Line("rules", "Rules", "works", "every rule can be judged")
    words = "; ".join(f"{rule}: {why}" for rule, why in sorted(wrong.items())[:10])
    return Line("rules", "Rules", "degraded", words, todo=_TO_DO["rules"])


def _endpoints(campus: Campus, ways: Sequence[EndpointRow]) -> Line:
    told = {(way.person, way.endpoint): way for way in ways}
    known = [told.get((person.id, each.id)) for person in campus.people for each in person.endpoints]
    red = [way.endpoint for way in known if way is not None and way.state != "ok"]
    untried = sum(way is None for way in known)
    if not known:
        todo = "Give people an endpoint under People."
        return Line("endpoints", "Ways to people", "down", "nobody has one: nobody can be told", todo=todo)
    tried = f"{untried} of {len(known)} not tried yet" if untried else f"all {len(known)} have worked"
    if red:
        words = f"do not work: {', '.join(red[:10])}; {tried}" if untried else f"do not work: {', '.join(red[:10])}"
        return Line("endpoints", "Ways to people", "degraded", words, todo=_TO_DO["endpoints"])
    return Line("endpoints", "Ways to people", "works", tried)


async def _facts(session: AsyncSession, house: House, working: Working, frame: Frame) -> list[tuple[str, str]]:
    kind = "SQLite" if house.database.is_sqlite else "PostgreSQL"
    took = await database.size(session)
    here = ", ".join(sorted(working.roles)) or "unknown"
    local = frame.now.astimezone(frame.zone)
    return [
        ("Version", version("hallwatch")),
        ("This process does", here),
        ("Database", f"{kind}, {took / 1024**2:.0f} MiB"),
        ("Clock of the service", f"{local:%A, %d %B %Y, %H:%M:%S} {local.tzname()}"),
    ]


def _choices(campus: Campus) -> list[tuple[str, str]]:
    return [(way.id, f"{person.name}, {way.via} ({way.id})") for person in campus.people for way in person.endpoints]


def _self_test(found: Timings) -> SelfTest:
    steps = (
        Step("Sensor's message to alert", found.known_s, "waits"),
        Step("Alert to phone", found.accepted_s, "on its way"),
        Step("Phone to button", found.answered_s, "waits for a thumb"),
    )
    return SelfTest(found.alert, found.endpoint, found.at, steps, found.passed)


def _night(rows: Sequence[CheckRow]) -> Night | None:
    """Return the latest round of those that are given, the newest first."""
    if not rows:
        return None
    last = [row for row in rows if row.at == rows[0].at]
    return Night(last[0].at, len(last), [row for row in last if row.outcome != "accepted"])
