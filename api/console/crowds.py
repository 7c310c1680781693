"""What a gathering's page line says: how many are there and how sure that is, and who looks after them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from api.console import standing
from api.console.truth import mark
from core import state
from core.campus import Campus, Gathering
from core.errors import BadInput, NotFound
from core.facts import GatheringFacts
from core.state import Standing
from rules import store as rules
from rules.runnable import Rule
from rules.staffing import fewest

ROLES: Final = {
    "spectator": ("spectator", "spectators"),
    "student": ("student", "students"),
    "participant": ("participant", "participants"),
    "staff": ("of the staff", "of the staff"),
    "chaperone": ("chaperone", "chaperones"),
    "crowd_manager": ("crowd manager", "crowd managers"),
    "officer": ("officer", "officers"),
    "supervisor": ("person in charge", "persons in charge"),
}
"""What people of a role are called: one of them, several."""
ASKED_BY: Final = {
    "crowd_manager": "crowd-managers-short",
    "chaperone": "chaperones-short",
    "supervisor": "no-supervisor",
}
"""The rule that asks for people of a role."""
SOON: Final = timedelta(hours=18)
LATER: Final = timedelta(days=60)
LATER_SHOWN: Final = 20
LATELY: Final = timedelta(hours=3)
QUIET: Final = timedelta(minutes=15)
"""A counter that has not spoken for so long, while the gathering is on, is worth a word."""


@dataclass(frozen=True, slots=True)
class Need:
    """People of one role: how many there are, and how many there ought to be."""

    role: str
    words: str
    have: int | None
    wanted: int | None
    """None: no number would do."""
    why: str

    @property
    def short(self) -> bool:
        """Whether there are too few, as far as is known."""
        return self.wanted is None or (self.have or 0) < self.wanted


@dataclass(frozen=True, slots=True)
class Crowd:
    """One gathering."""

    id: str
    name: str
    place: str
    starts_at: datetime
    ends_at: datetime
    when: str
    """`on`, `soon`, `over`."""
    count: int | None
    load: int | None
    expected: int | None
    roles: Sequence[str]
    counted_at: datetime | None
    """When the room was counted by hand last."""
    heard_at: datetime | None
    doubts: Sequence[str]
    needs: Sequence[Need]
    mark: str

    @property
    def full(self) -> int | None:
        """How full it is, in percent of the load; None: not known."""
        return None if self.count is None or not self.load else round(100 * self.count / self.load)

    @property
    def tone(self) -> str:
        """The colour of that."""
        return standing.tone_of(self.full)


@dataclass(frozen=True, slots=True)
class Later:
    """A gathering that is still some days away."""

    id: str
    name: str
    place: str
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Crowds:
    """The gatherings of a campus by when they are."""

    crowds: Sequence[Crowd]
    later: Sequence[Later]

    def of(self, when: str) -> Sequence[Crowd]:
        """Return those that are `on`, `soon` or `over`."""
        return [each for each in self.crowds if each.when == when]


async def read(session: AsyncSession, campus: Campus, now: datetime) -> Crowds:
    """Return the gatherings that are on, come soon, or have been lately; and what comes later."""
    near = {each.id: when for each in campus.gatherings if (when := _when(campus, each, now))}
    facts = {each.id: each for each in await state.some(session, campus.id, "gathering", list(near))}
    counters = {each.id for each in campus.devices if each.kind != "door"} if near else ()
    devices = {each.id: each for each in await state.standings(session, [campus.id], "device", ids=counters)}
    asking = await _asking(session) if near else {}
    found = []
    for gathering in campus.gatherings:
        if gathering.id in near:
            told = facts.get(gathering.id)
            known = told if isinstance(told, GatheringFacts) else None
            found.append(_crowd(campus, gathering, near[gathering.id], known, devices, asking, now))
    return Crowds(sorted(found, key=lambda each: each.starts_at), _later(campus, near, now))


async def facts_of(session: AsyncSession, campus: Campus, key: str) -> GatheringFacts:
    """Return what is known of a gathering; NotFound if the campus has none of that id."""
    if key not in campus.gatherings_by_id:
        raise NotFound(f"no gathering {key!r} on campus {campus.id!r}")
    facts = await state.get(session, campus.id, "gathering", key)
    return facts if isinstance(facts, GatheringFacts) else GatheringFacts(id=key)


def so_many(number: int, role: str = "") -> str:
    """Return a number of people, or of people of one role, in words."""
    one, several = ROLES.get(role, ("person", "people"))
    return f"{number} {one if number == 1 else several}"


def _when(campus: Campus, gathering: Gathering, now: datetime) -> str:
    start, end = campus.gathering_spans[gathering.id]
    if start <= now < end:
        return "on"
    if now < start <= now + SOON:
        return "soon"
    return "over" if end <= now < end + LATELY else ""


def _later(campus: Campus, near: Mapping[str, str], now: datetime) -> list[Later]:
    found = [
        Later(each.id, each.name, _place(campus, each), campus.instant(each.start))
        for each in campus.gatherings
        if each.id not in near and now < campus.instant(each.start) <= now + LATER
    ]
    return sorted(found, key=lambda each: each.starts_at)[:LATER_SHOWN]


async def _asking(session: AsyncSession) -> dict[str, Rule]:
    """Return the rules that ask for people, by role; one that is gone asks for nobody."""
    found = {}
    for role, rule in ASKED_BY.items():
        try:
            found[role] = await rules.load_rule(session, rule)
        except (NotFound, BadInput):
            continue
    return found


def _crowd(
    campus: Campus,
    gathering: Gathering,
    when: str,
    facts: GatheringFacts | None,
    devices: Mapping[str, Standing],
    asking: Mapping[str, Rule],
    now: datetime,
) -> Crowd:
    load = standing.load_of(campus, gathering)
    doubts = list(_doubts(campus, gathering, facts, devices, now)) if when == "on" else []
    needs = list(_needs(campus, gathering, facts, asking, now))
    counts = facts.counts if facts else {}
    return Crowd(
        id=gathering.id,
        name=gathering.name,
        place=_place(campus, gathering),
        starts_at=campus.instant(gathering.start),
        ends_at=campus.instant(gathering.end),
        when=when,
        count=facts.count if facts else None,
        load=load,
        expected=gathering.expected,
        roles=[so_many(counts[role], role) for role in ROLES if counts.get(role)],
        counted_at=facts.baseline_at if facts else None,
        heard_at=facts.heard_at if facts else None,
        doubts=doubts,
        needs=needs,
        mark=mark(str(facts), when, load, gathering.expected, doubts, [str(each) for each in needs]),
    )


def _place(campus: Campus, gathering: Gathering) -> str:
    zone = campus.zones_by_id.get(gathering.zone or "")
    return zone.name if zone else ""


# -------------------------------------------------------------------------------------------- how sure it is
def _doubts(
    campus: Campus,
    gathering: Gathering,
    facts: GatheringFacts | None,
    devices: Mapping[str, Standing],
    now: datetime,
) -> Iterator[str]:
    def clock(at: datetime) -> str:
        return f"{at.astimezone(campus.zone_info):%H:%M}"

    for device in campus.devices:
        if device.kind != "door" and device.door in gathering.doors and standing.is_silent(device, devices, now):
            yield f"The counter {device.id} is silent: whoever passes it is not counted"
    if facts is None:
        return
    for role in ROLES:
        if (heads := facts.counts.get(role, 0)) < 0:
            yield f"More people have gone out than came in, by {so_many(-heads, role)}: count the room"
    if facts.heard_at and now - facts.heard_at > QUIET:
        yield f"Nothing has been counted since {clock(facts.heard_at)}"
        return
    for counter, total in facts.totals.items():
        gate = counter.partition(" ")[2].rsplit(" ", 2)[0]
        if gate and now - total.at > QUIET:
            yield f"Gate {gate} was last heard at {clock(total.at)}"


# ----------------------------------------------------------------------------------------- who looks after it
def _needs(
    campus: Campus,
    gathering: Gathering,
    facts: GatheringFacts | None,
    asking: Mapping[str, Rule],
    now: datetime,
) -> Iterator[Need]:
    present = facts or GatheringFacts(id=gathering.id)
    planned = max(present.count, gathering.expected or 0)
    supposed = replace(present, counts={**present.counts, "spectator": planned}) if planned > present.count else present
    for role, (_, words) in ROLES.items():
        rule = asking.get(role)
        now_wanted = fewest(rule, campus, present, role, now) if rule and facts else 0
        in_plan = gathering.roles.get(role, 0)
        full = fewest(rule, campus, supposed, role, now) if rule else 0
        have = present.counts.get(role, 0)
        wanted = None if now_wanted is None else max(now_wanted, in_plan)
        if not (wanted is None or wanted or have or full) or (role not in ASKED_BY and not in_plan):
            continue
        reasons = [f"{in_plan} in the plan"] if in_plan else []
        reasons += [f"{now_wanted} by the rule for {so_many(present.count)}"] if rule and facts and now_wanted else []
        reasons += [f"{full} for the {planned} expected"] if full and full != now_wanted else []
        yield Need(role, words, have if facts else None, wanted, ", ".join(reasons) or "nobody asks for any")
