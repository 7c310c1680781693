"""A rule that was read and can be run; whoever has one need not ask whether it is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from core.campus import Campus
from rules.document import Active, Advice, Mode, Override, Rung, Scenario, Variant
from rules.language.expression import Expression
from rules.language.roots import PACES, Pace
from rules.language.scene import Scene, Value
from rules.operators.base import Operator
from rules.operators.moment import Frame
from rules.scope import Scope
from rules.wording import Template

Params = Mapping[str, Value]


@dataclass(frozen=True)
class Exemption:
    """A variant or an override, read."""

    scope: Scope
    params: Params
    mode: Mode | None
    document: Override | Variant

    def spans(self, campus: Campus) -> tuple[datetime | None, datetime | None]:
        """Return from when, and until when, it holds; None: since ever, and for good."""
        if isinstance(self.document, Variant):
            return None, None
        start = self.document.start
        return None if start is None else campus.instant(start), campus.instant(self.document.until)

    def holds(self, scene: Scene) -> bool:
        """Return whether it holds for the scene's subject at its instant."""
        start, end = self.spans(scene.campus)
        begun = start is None or start <= scene.at
        return begun and (end is None or scene.at < end) and self.scope.fits(scene)


@dataclass(frozen=True)
class Rule:
    """A rule that can be run. `document` is what was written, `version` is set by the store."""

    id: str
    title: str
    why: str
    mode: Mode
    entity: str
    """What it is about: door, zone, visit, gathering, device or campus."""
    operator: Operator[Any] = field(repr=False)
    frame: Frame = field(repr=False)
    ladder: tuple[Rung, ...]
    scope: Scope = field(default_factory=Scope)
    params: Params = field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()
    active: Active | None = None
    alert: Advice = field(default_factory=Advice)
    text: Template = field(default_factory=lambda: Template(()), repr=False)
    tests: tuple[Scenario, ...] = field(default=(), repr=False)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    version: int = 1

    def settings(self, scene: Scene, exemptions: tuple[Exemption, ...] | None = None) -> tuple[Params, Mode]:
        """Return the parameters and the mode for the subject at its instant: variants, then overrides.

        `exemptions` are those that can concern the subject, where that is known.
        """
        params, mode = self.params, self.mode
        for each in self.exemptions if exemptions is None else exemptions:
            if each.holds(scene):
                params = {**params, **each.params}
                mode = each.mode or mode
        return params, mode

    @cached_property
    def watches(self) -> tuple[Expression, ...]:
        """Every expression whose change concerns the rule."""
        clear = (self.frame.clear,) if self.frame.clear else ()
        return (*self.operator.watches, *clear)

    @cached_property
    def pace(self) -> Pace:
        """How often the rule must be judged again though nothing was heard."""
        timed = self.active is not None and (self.active.calendar is not None or self.active.during is not None)
        own: Pace = "calendar" if timed else ""
        return max([own, *(each.pace for each in self.watches)], key=PACES.index)

    @cached_property
    def shape(self) -> str:
        """Rules of one shape may go on with each other's memory: same operator, same key, same condition."""
        clear = self.frame.clear.source if self.frame.clear else "quiet" if self.frame.quiet else ""
        return "|".join((self.operator.name, self.entity, self.operator.shape, clear))


def entity_of(shape: str) -> str:
    """Return what rules of a shape are about."""
    return shape.split("|")[1]
