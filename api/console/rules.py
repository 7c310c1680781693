"""What the pages about rules show: the list, one rule with what may be tuned, and what it watches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import store as alerts
from alerts.alert import Alert
from api.access import Caller
from api.console import attention, prices
from api.console.attention import Attention
from api.console.frame import Frame
from core.campus import Campus
from core.world import World
from rules import store
from rules.document import Override, Param
from rules.language.roots import ids_of, label
from rules.language.scene import Scene
from rules.rule import Rule
from rules.sentence import sentence
from rules.store import Version

OPEN_SHOWN: Final = 10
KEYS_SHOWN: Final = 200
"""So many things are offered to choose from; any other may be typed."""


# ------------------------------------------------------------------------------------------------------ the list
@dataclass(frozen=True, slots=True)
class Listed:
    """A rule in the list. Where it can no longer be read, `sentence` says so and `mode` is empty."""

    id: str
    title: str
    mode: str
    severities: Sequence[str]
    sentence: str
    health: str
    version: int
    changed_at: datetime
    changed_by: str
    attention: Attention


async def listed(session: AsyncSession, frame: Frame, health: Mapping[str, str], word: str) -> list[Listed]:
    """Return the rules in which a word stands: those that need somebody first, then in the order of their ids."""
    rules = {rule.id: rule for rule in await store.load_rules(session)}
    cost = await attention.read(session, frame.now, frame.chosen.id if frame.chosen else None)
    found: list[Listed] = []
    for row in await store.latest(session):
        rule = rules.get(row.id)
        if word and word.lower() not in _words_of(row.id, rule):
            continue
        found.append(
            Listed(
                id=row.id,
                title=rule.title if rule else row.id,
                mode=rule.mode if rule else "",
                severities=severities(rule) if rule else (),
                sentence=_without_title(rule)
                if rule
                else "It can no longer be read, and is not judged. Mend its document.",
                health=health.get(row.id, ""),
                version=row.version,
                changed_at=row.created_at,
                changed_by=row.created_by,
                attention=cost.get(row.id, Attention()),
            )
        )
    return sorted(found, key=lambda each: (bool(each.mode) and not each.health, -each.attention.open, each.id))


def _without_title(rule: Rule) -> str:
    said = sentence(rule).removeprefix(f"{rule.title}: ")
    return said[:1].upper() + said[1:]


def _words_of(name: str, rule: Rule | None) -> str:
    return " ".join((name, rule.title, rule.mode, *severities(rule), sentence(rule)) if rule else (name,)).lower()


def severities(rule: Rule) -> list[str]:
    """Return how severe a rule's findings may be, in the order of its ladder."""
    return [rung.severity for rung in rule.ladder]


def may_edit(caller: Caller) -> bool:
    """Return whether somebody may change rules: they hold on all campuses."""
    return caller.may("administer") and caller.campuses is None


# ------------------------------------------------------------------------------------------------------- one rule
@dataclass(frozen=True, slots=True)
class Knob:
    """A parameter that may be tuned; `stops` are the values its slider stops at."""

    name: str
    help: str
    kind: str
    value: str
    unit: str
    bounds: str
    stops: Sequence[str]

    @property
    def place(self) -> int:
        """Which of the stops is the value in force."""
        return self.stops.index(self.value)

    @property
    def has_slider(self) -> bool:
        """Whether its values have an order and a price each."""
        return self.kind in ("duration", "int")


@dataclass(frozen=True, slots=True)
class Exempted:
    """An override: what holds, for what, until when, why, by whom; `number` is its place in the document."""

    number: int
    what: str
    scope: str
    start: datetime | None
    until: datetime
    reason: str
    by: str
    state: str
    """`now`, `later` or `over`."""


@dataclass(frozen=True, slots=True)
class RulePage:
    """One rule, as its first page shows it."""

    rule: Rule
    version: int
    written: Version
    sentence: str
    health: str
    attention: Attention
    open: Sequence[Alert]
    knobs: Sequence[Knob]
    overrides: Sequence[Exempted]
    watched: int | None
    """How many things of the campus it watches; None: they come and go."""

    @property
    def is_life_safety(self) -> bool:
        """Whether it can only be switched off for a while."""
        return "extreme" in severities(self.rule)

    @property
    def first_knob(self) -> str | None:
        """The parameter to look at first where a rule tires people."""
        return next((knob.name for knob in self.knobs if knob.has_slider), None)


async def one(session: AsyncSession, frame: Frame, health: Mapping[str, str], name: str) -> RulePage:
    """Return one rule; NotFound if there is none."""
    rule = await store.load_rule(session, name)
    campus = frame.chosen.id if frame.chosen else None
    return RulePage(
        rule=rule,
        version=rule.version,
        written=(await store.versions(session, name))[0],
        sentence=sentence(rule),
        health=health.get(name, ""),
        attention=await attention.of_rule(session, name, frame.now, campus),
        open=await alerts.find(session, state="open", rule=name, campus=campus, limit=OPEN_SHOWN),
        knobs=knobs(rule),
        overrides=[*_overrides(rule, frame)],
        watched=_how_many(rule, frame.campus) if frame.campuses else 0,
    )


def knobs(rule: Rule) -> list[Knob]:
    """Return what may be tuned, in the order of the document."""
    found: list[Knob] = []
    for name, said in rule.document.get("params", {}).items():
        param = Param.model_validate(said)
        bounds = " to ".join(str(each) for each in (param.min, param.max) if each is not None)
        found.append(
            Knob(
                name=name,
                help=param.help or "",
                kind=param.type,
                value=prices.written(param.default),
                unit=param.unit or {"duration": "like 90s or 10m"}.get(param.type, ""),
                bounds=bounds,
                stops=[prices.written(each) for each in prices.stops(said)],
            )
        )
    return found


def _overrides(rule: Rule, frame: Frame) -> Iterator[Exempted]:
    for number, document in enumerate(each.document for each in rule.exemptions if isinstance(each.document, Override)):
        start, until = (_instant(moment, frame) for moment in (document.start, document.until))
        assert until is not None
        values = [f"{name} = {prices.written(value)}" for name, value in document.params.items()]
        state = "over" if until <= frame.now else "later" if start is not None and start > frame.now else "now"
        yield Exempted(
            number=number,
            what=", ".join([*([document.mode] if document.mode else []), *values]),
            scope=in_words(document.scope),
            start=start,
            until=until,
            reason=document.reason,
            by=document.by.partition(":")[2] or document.by,
            state=state,
        )


def _instant(moment: datetime | None, frame: Frame) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return frame.campus.instant(moment)


def in_words(scope: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a scope as one says it: `door: exterior, zone gym or lobby`."""
    parts = [
        f"{root}: {', '.join(_wanted(name, value) for name, value in said.items())}" for root, said in scope.items()
    ]
    return "; ".join(parts) or "everything"


def _wanted(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return name if value else f"not {name}"
    values = value if isinstance(value, list | tuple) else [value]
    return f"{name} {' or '.join(map(str, values))}"


# ------------------------------------------------------------------------------------------------ what it watches
def watched(rule: Rule, campus: Campus) -> Iterator[str] | None:
    """Return the ids of what a rule watches on a campus, one after the other; None: they come and go (visits)."""
    ids = ids_of(campus, rule.entity)
    if ids is None:
        return None
    anywhen = datetime.min.replace(tzinfo=campus.zone_info)
    scene = Scene(campus, World(campus), anywhen, rule.entity, "", rule.params, anywhen)
    return _fitting(rule, scene, ids)


def _fitting(rule: Rule, scene: Scene, ids: Sequence[str]) -> Iterator[str]:
    for scene.key in ids:
        if rule.scope.fits(scene):
            yield scene.key


def _how_many(rule: Rule, campus: Campus) -> int | None:
    found = watched(rule, campus)
    return None if found is None else sum(1 for _ in found)


async def offered(session: AsyncSession, rule: Rule, campus: Campus) -> list[tuple[str, str]]:
    """Return (id, name) of things to ask about: those it called about lately first, then what it watches."""
    lately = await alerts.find(session, rule=rule.id, campus=campus.id, limit=50)
    keys = dict.fromkeys(alert.key for alert in lately)
    keys |= dict.fromkeys(islice(watched(rule, campus) or (), KEYS_SHOWN))
    return [(key, label(campus, rule.entity, key)) for key in islice(keys, KEYS_SHOWN)]
