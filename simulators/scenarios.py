"""Scenario files: a campus, a clock, a script, and what must come of it. The tester's language."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, takewhile
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError, field_validator

from core.calendar import Strict
from core.campus import Campus, Duration, Id, Moment, problems_of
from core.documents import Document, parse, read
from core.errors import BadInput, Problem
from simulators.box import Size, grown, school_ids
from simulators.day import first_reports, ordinary_days
from simulators.deeds import Deed
from simulators.faults import afflict, check_rates
from simulators.habits import Habits
from simulators.life import lived_days, truths_of
from simulators.parts import Part, filled, pieces
from simulators.script import Entry, instant
from simulators.sensors import Place
from simulators.truth import Truth
from simulators.utterance import Utterance, merge
from simulators.verdict import FOUND, State, Wanted

LIBRARY: Final = Path(__file__).parent / "scenarios"
"""The scenarios that ship."""
AFTERWARDS: Final = timedelta(seconds=10)
"""Where no length is given: so long after the last word and the last expectation the scenario ends."""


class Loop(Strict):
    """What goes on, again and again, once the script is over."""

    every: Duration
    script: tuple[Entry, ...] = Field(min_length=1)

    @field_validator("every")
    @classmethod
    def _takes_time(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=1):
            raise ValueError("must be 1s or more")
        return value


class ScenarioFile(Part):
    """A scenario as it is written."""

    scenario: Id
    about: str = ""
    campus: str | dict[str, Any]
    """A campus file beside this one, or the campus itself."""
    start: Moment
    """Without an offset: the campus's own clock."""
    length: Duration | None = None
    seed: int = 0
    reports: bool = True
    """At the start every door reports that it is closed; without it nobody knows."""
    day: bool = False
    """An ordinary day goes on in the background."""
    life: Habits | None = None
    """The whole life of a school goes on in the background, with as many incidents as it says."""
    size: Size = Size()
    """The campus with more doors than its file has, and as many schools like it as it says."""
    faults: dict[str, float] = {}
    loop: Loop | None = None

    @field_validator("faults")
    @classmethod
    def _faults_exist(cls, value: dict[str, float]) -> dict[str, float]:
        try:
            check_rates(value)
        except BadInput as error:
            raise ValueError("\n".join(problem.message for problem in error.problems)) from None
        return value


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario on its campus."""

    file: ScenarioFile
    campus: Campus
    start: datetime

    @property
    def id(self) -> str:
        """Its name."""
        return self.file.scenario

    @property
    def end(self) -> datetime | None:
        """When it is over; None: it goes on until it is stopped."""
        if self.file.loop:
            return None
        if self.file.length is not None:
            return self.start + self.file.length
        return self._last_moment() + AFTERWARDS

    def _last_moment(self) -> datetime:
        last = self.start
        for each in self._script(Place(self.campus.id)):
            last = max(last, each.sent_at)
        last = max([last, *(self._instant(each.at) for each in self.file.people)])
        return max([last, *(self._instant(each.at) + each.within for each in self.file.expect)])

    def stream(
        self, *, prefix: str = "campus", seed: int | None = None, faults: Mapping[str, float] | None = None
    ) -> Iterator[Utterance]:
        """Return what the sensors say, in order of sending; the same for the same seed. `faults` replace the file's."""
        chosen = self.file.seed if seed is None else seed
        place = Place(self.campus.id, prefix, chosen)
        stream = merge(self._reports(place), self._background(place), self._script(place), self._laps(place))
        end = self.end
        if end is not None:
            stream = takewhile(lambda each: each.sent_at < end, stream)
        return afflict(stream, self.file.faults if faults is None else faults, seed=chosen)

    def _reports(self, place: Place) -> Iterator[Utterance]:
        if self.file.reports:
            places = (replace(place, campus=name) for name in self.schools)
            yield from merge(*(first_reports(self.campus, each, self.start) for each in places))

    def _script(self, place: Place) -> Iterator[Utterance]:
        return merge(*(entry.utter(place, self.start, self.campus) for entry in self.file.script))

    def _background(self, place: Place) -> Iterator[Utterance]:
        end = self.end
        if end is None:
            return
        habits = self.file.life
        if self.file.day:
            yield from ordinary_days(self.campus, place, self.start, end)
        if habits is not None:
            places = [replace(place, campus=name) for name in self.schools]
            yield from merge(*(lived_days(self.campus, each, self.start, end, habits) for each in places))

    @property
    def schools(self) -> list[str]:
        """The ids of the schools it plays: that of its campus, or one for each where there are many."""
        return school_ids(self.campus.id, self.file.size)

    def truths(self, *, seed: int | None = None) -> Iterator[Truth]:
        """Yield what the life in the background truly holds, which every rule should find and no rule should add to."""
        habits, end = self.file.life, self.end
        if habits is None or end is None:
            return
        for name in self.schools:
            place = Place(name, seed=self.file.seed if seed is None else seed)
            yield from truths_of(self.campus, place, self.start, end, habits)

    def _laps(self, place: Place) -> Iterator[Utterance]:
        loop = self.file.loop
        if loop is None:
            return
        first = self._last_moment()
        for lap in count():
            begins = first + lap * loop.every
            yield from merge(*(entry.utter(place, begins, self.campus, lap=lap) for entry in loop.script))

    def wanted(self, *, started: datetime | None = None, states: Collection[State] = FOUND) -> list[Wanted]:
        """Return what must be seen and when, if the scenario is played from `started` on (at speed 1).

        Only such of these `states`: whoever sees no alerts cannot say who was told of them.
        """
        shift = (started or self.start) - self.start
        asked = (each for each in self.file.expect if each.state in states)
        return [Wanted(expectation=each, at=self._instant(each.at) + shift) for each in asked]

    def deeds(self) -> list[tuple[datetime, Deed]]:
        """Return what people do and when, in order of time."""
        found = ((self._instant(each.at), each) for each in self.file.people)
        return sorted(found, key=itemgetter(0))

    def _instant(self, mark: Any) -> datetime:
        return instant(mark, self.start, self.campus)

    def on(self, campus: Campus, start: datetime) -> Scenario:
        """Return the same scenario on another campus and from another moment; BadInput where it does not fit."""
        moved = replace(self, campus=campus, start=start)
        problems = list(_misfits(moved))
        if problems:
            raise BadInput(problems)
        return moved


def read_scenario(path: Path, given: Mapping[str, Any] | None = None) -> Scenario:
    """Return the scenario in a file; BadInput names file, line and field of everything wrong.

    `given` are values for its parameters.
    """
    return _only(read(path), path.parent, str(path), given or {})


def parse_scenario(
    text: str, *, folder: Path = LIBRARY, file: str = "", given: Mapping[str, Any] | None = None
) -> Scenario:
    """Return the scenario in a text; its campus file is looked for in `folder`."""
    return _only(parse(text, file=file), folder, file, given or {})


def _only(documents: list[Document], folder: Path, file: str, given: Mapping[str, Any]) -> Scenario:
    if len(documents) != 1:
        raise BadInput([Problem("must hold one scenario", file=file)])
    return _scenario(filled(documents[0], given), folder)


def library() -> list[Path]:
    """Return the scenario files that ship, in a steady order."""
    others = {LIBRARY / "campuses", LIBRARY / "parts"}
    return sorted(path for path in LIBRARY.rglob("*.yaml") if others.isdisjoint(path.parents))


def find_scenario(name: str) -> Path:
    """Return the file a name means: a path, or one of the library without its ending; BadInput if there is none."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml", ".json") or path.exists():
        return path
    found = next((each for each in library() if each.stem == name), None)
    if found is None:
        names = ", ".join(each.stem for each in library())
        raise BadInput([Problem(f"no scenario {name!r}; give a file, or one of: {names}")])
    return found


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file. Wherever a value stands, a parameter may stand for it."""
    schema = ScenarioFile.model_json_schema()
    for kind in (schema, *schema["$defs"].values()):
        fields = kind.get("properties", {})
        kind["properties"] = {
            name: {**_about(field), "anyOf": [field, {"$ref": "#/$defs/Parameter"}]} for name, field in fields.items()
        }
    schema["$defs"]["Parameter"] = {
        "type": "string",
        "pattern": r"^\$\w+$",
        "description": "The value of one of the file's `parameters`.",
    }
    return schema


def _about(field: dict[str, Any]) -> dict[str, Any]:
    return {"title": field["title"]} if "title" in field else {}


def _scenario(document: Document, folder: Path) -> Scenario:
    try:
        file = ScenarioFile.model_validate(document.data)
    except ValidationError as error:
        raise BadInput(document.locate(problems_of(error))) from None
    campus = grown(_campus(file, document, folder), file.size)
    start = campus.instant(file.start)
    own, *others = pieces(file, document, folder)
    problems = [problem for piece in (own, *others) for problem in piece.problems(campus, start)]
    problems += document.locate(_misfits(Scenario(file, campus, start), script=False))
    if problems:
        raise BadInput(problems)
    return Scenario(_joined(file, [each.part for each in others]), campus, start)


def _joined(file: ScenarioFile, parts: list[Part]) -> ScenarioFile:
    if not parts:
        return file
    lists = ("script", "people", "expect", "forbid", "allow")
    joined = {name: tuple(each for part in (file, *parts) for each in getattr(part, name)) for name in lists}
    return file.model_copy(update=joined)


def _campus(file: ScenarioFile, document: Document, folder: Path) -> Campus:
    if isinstance(file.campus, dict):
        try:
            return Campus.model_validate(file.campus)
        except ValidationError as error:
            inside = (replace(each, where=f"campus.{each.where}") for each in problems_of(error))
            raise BadInput(document.locate(inside)) from None
    path = folder / file.campus
    if not path.is_file():
        raise BadInput(document.locate([Problem(f"no such file: {file.campus}", where="campus")]))
    return read_campus(path)


def read_campus(path: Path) -> Campus:
    """Return the campus in a file; BadInput names file, line and field of everything wrong."""
    documents = read(path)
    if len(documents) != 1:
        raise BadInput([Problem("must hold one campus", file=str(path))])
    try:
        return Campus.model_validate(documents[0].data)
    except ValidationError as error:
        raise BadInput(documents[0].locate(problems_of(error))) from None


def _misfits(scenario: Scenario, *, script: bool = True) -> Iterator[Problem]:
    file, loop = scenario.file, scenario.file.loop
    for place, entries in (("script", file.script if script else ()), ("loop.script", loop.script if loop else ())):
        for number, entry in enumerate(entries):
            for problem in entry.problems(scenario.campus, scenario.start):
                yield replace(problem, where=f"{place}[{number}].{problem.where}")
    for number, deed in enumerate(file.people if script else ()):
        for problem in deed.problems(scenario.campus):
            yield replace(problem, where=f"people[{number}].{problem.where}")
    if loop and (file.day or file.life):
        name = "day" if file.day else "life"
        yield Problem("an endless loop has no ordinary day in the background", where=name)
    if file.day and file.life:
        yield Problem("day and life are two backgrounds; one is enough", where="day")
    if file.life and file.length is None:
        yield Problem("length: is required where life goes on in the background", where="life")
