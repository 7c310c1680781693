"""Scenario files: a campus, a clock, a script, and what must come of it. The tester's language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError, field_validator

from core.calendar import Strict
from core.campus import Campus, Duration, Id, Moment, problems_of
from core.documents import Document, parse, read
from core.errors import BadInput, Problem
from simulators.day import first_reports, ordinary_days
from simulators.faults import afflict, check_rates
from simulators.script import Entry, instant
from simulators.sensors import Place
from simulators.utterance import Utterance, merge
from simulators.verdict import Expectation, Pattern, Wanted

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


class ScenarioFile(Strict):
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
    faults: dict[str, float] = {}
    script: tuple[Entry, ...] = ()
    loop: Loop | None = None
    expect: tuple[Expectation, ...] = ()
    forbid: tuple[Pattern, ...] = ()
    """Findings that must not come. (Whatever is not expected must not; this says which ones it is about.)"""
    allow: tuple[Pattern, ...] = ()
    """Findings that may come or not."""

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
            yield from first_reports(self.campus, place, self.start)

    def _script(self, place: Place) -> Iterator[Utterance]:
        return merge(*(entry.utter(place, self.start, self.campus) for entry in self.file.script))

    def _background(self, place: Place) -> Iterator[Utterance]:
        if self.file.day and self.end is not None:
            yield from ordinary_days(self.campus, place, self.start, self.end)

    def _laps(self, place: Place) -> Iterator[Utterance]:
        loop = self.file.loop
        if loop is None:
            return
        first = self._last_moment()
        for lap in count():
            begins = first + lap * loop.every
            yield from merge(*(entry.utter(place, begins, self.campus, lap=lap) for entry in loop.script))

    def wanted(self, *, started: datetime | None = None) -> list[Wanted]:
        """Return what must be found and when, if the scenario is played from `started` on (at speed 1)."""
        shift = (started or self.start) - self.start
        return [Wanted(expectation=each, at=self._instant(each.at) + shift) for each in self.file.expect]

    def _instant(self, mark: Any) -> datetime:
        return instant(mark, self.start, self.campus)

    def on(self, campus: Campus, start: datetime) -> Scenario:
        """Return the same scenario on another campus and from another moment; BadInput where it does not fit."""
        moved = replace(self, campus=campus, start=start)
        problems = list(_misfits(moved))
        if problems:
            raise BadInput(problems)
        return moved


def read_scenario(path: Path) -> Scenario:
    """Return the scenario in a file; BadInput names file, line and field of everything wrong."""
    documents = read(path)
    if len(documents) != 1:
        raise BadInput([Problem("must hold one scenario", file=str(path))])
    return _scenario(documents[0], path.parent)


def parse_scenario(text: str, *, folder: Path = LIBRARY, file: str = "") -> Scenario:
    """Return the scenario in a text; its campus file is looked for in `folder`."""
    documents = parse(text, file=file)
    if len(documents) != 1:
        raise BadInput([Problem("must hold one scenario", file=file)])
    return _scenario(documents[0], folder)


def library() -> list[Path]:
    """Return the scenario files that ship, in a steady order."""
    campuses = LIBRARY / "campuses"
    return sorted(path for path in LIBRARY.rglob("*.yaml") if campuses not in path.parents)


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
    """Return the JSON Schema of a scenario file."""
    return ScenarioFile.model_json_schema()


def _scenario(document: Document, folder: Path) -> Scenario:
    try:
        file = ScenarioFile.model_validate(document.data)
    except ValidationError as error:
        raise BadInput(document.locate(problems_of(error))) from None
    campus = _campus(file, document, folder)
    scenario = Scenario(file, campus, campus.instant(file.start))
    problems = list(_misfits(scenario))
    if problems:
        raise BadInput(document.locate(problems))
    return scenario


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


def _misfits(scenario: Scenario) -> Iterator[Problem]:
    loop = scenario.file.loop
    for place, entries in (("script", scenario.file.script), ("loop.script", loop.script if loop else ())):
        for number, entry in enumerate(entries):
            for problem in entry.problems(scenario.campus, scenario.start):
                yield replace(problem, where=f"{place}[{number}].{problem.where}")
    if loop and scenario.file.day:
        yield Problem("an endless loop has no ordinary day in the background", where="day")
