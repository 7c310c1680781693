"""What people do in a scenario while its sensors speak: they take an alert, go there, close it, keep a door quiet.

And somebody may restart the service. A deed is no message: whoever runs the scenario does it, or says that it cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Literal

from pydantic import ConfigDict, Field, model_validator

from core.calendar import Strict
from core.campus import Campus, Duration, Id, Text, nearest
from core.errors import Problem
from simulators.script import Mark

ANSWERS: Final = ("acknowledge", "on_scene", "resolve")
VERBS: Final = (*ANSWERS, "suppress", "restart")
Disposition = Literal["real", "nuisance", "false", "drill", "test", "unknown"]


class Answer(Strict):
    """Which alert is answered: the open one of this rule and key."""

    rule: str = Field(min_length=1)
    key: str = Field(min_length=1)

    def __str__(self) -> str:
        return f"{self.rule} {self.key}"


class Close(Answer):
    """An alert is over, and what it was."""

    model_config = ConfigDict(populate_by_name=True)

    disposition: Disposition = Field(alias="as")
    note: Text = ""


class Hush(Strict):
    """Rules and doors of which nobody is told for a while, and why."""

    model_config = ConfigDict(populate_by_name=True)

    rules: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    lasts: Duration = Field(alias="for")
    kind: Literal["shelf", "maintenance"] = "maintenance"
    reason: Text = Field(min_length=1)

    @model_validator(mode="after")
    def _names_something(self) -> Hush:
        if not (self.rules or self.keys):
            raise ValueError("rules or keys are required: say what is kept quiet")
        return self

    def __str__(self) -> str:
        return f"keep {', '.join((*self.rules, *self.keys))} quiet"


class Restart(Strict):
    """The service dies, and another one starts on the same database."""

    model_config = ConfigDict(populate_by_name=True)

    away: Duration = Field(alias="for", default=timedelta(seconds=5))


class Deed(Strict):
    """One thing that a person does, at a moment."""

    at: Mark
    person: Id | None = None
    """Who does it. Against a running service it is done in the name of the token."""
    acknowledge: Answer | None = None
    on_scene: Answer | None = None
    resolve: Close | None = None
    suppress: Hush | None = None
    restart: Restart | None = None

    @model_validator(mode="after")
    def _one_verb_and_its_person(self) -> Deed:
        said = [verb for verb in VERBS if getattr(self, verb) is not None]
        if len(said) != 1:
            more = "" if not said else ", not " + " and ".join(said)
            raise ValueError(f"one of {', '.join(VERBS)} is required{more}")
        if (self.person is None) != (self.restart is not None):
            raise ValueError("person: nobody in particular restarts the service; all else is done by somebody")
        return self

    @property
    def answer(self) -> tuple[str, Answer] | None:
        """The answer to an alert and the alert it is for; None: it is something else."""
        found = ((verb, getattr(self, verb)) for verb in ANSWERS)
        return next(((verb, about) for verb, about in found if about is not None), None)

    def problems(self, campus: Campus) -> Iterator[Problem]:
        """Yield what does not fit the campus."""
        known = campus.people_by_id
        if self.person is not None and self.person not in known:
            yield Problem(f"no person {self.person!r}{nearest(self.person, list(known))}", where="person")

    def __str__(self) -> str:
        if self.restart is not None:
            return "restart the service"
        if self.answer is not None:
            verb, about = self.answer
            return f"{self.person}: {verb} {about}"
        return f"{self.person}: {self.suppress}"
