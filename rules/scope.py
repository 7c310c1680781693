"""Which things a rule, or an override, is about: `{door: {exterior: true, zone: [gym, lobby]}}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.campus import Campus, nearest
from core.errors import Problem
from rules.language.roots import ROOTS, Field, ids_of, locate, reachable
from rules.language.scene import Scene, Value
from rules.language.types import Type


@dataclass(frozen=True, slots=True)
class Wanted:
    """One field and the values it may have."""

    root: str
    field: str
    values: tuple[Any, ...]

    def fits(self, scene: Scene) -> bool:
        """Return whether the scene's subject is one of those; what is not known does not fit."""
        key = locate(scene, self.root)
        found: Value = None if key is None else ROOTS[self.root][self.field].read(scene, key)
        if isinstance(found, tuple):
            return any(each in self.values for each in found)
        return found in self.values


@dataclass(frozen=True, slots=True)
class Scope:
    """All of it must fit; an empty one fits everything."""

    wanted: tuple[Wanted, ...] = ()

    def fits(self, scene: Scene) -> bool:
        """Return whether the scene's subject is in the scope."""
        return all(each.fits(scene) for each in self.wanted)

    def missing_from(self, campus: Campus) -> list[tuple[str, str]]:
        """Return the (root, id) it names that the campus does not have."""
        known = {root: set(ids_of(campus, root) or ()) for root in ("door", "zone", "device", "gathering")}
        return [
            (each.root, str(value))
            for each in self.wanted
            if each.field == "id" and each.root in known
            for value in each.values
            if value not in known[each.root]
        ]


def read_scope(document: Mapping[str, Mapping[str, Any]], entity: str, where: str, problems: list[Problem]) -> Scope:
    """Return the scope that a document describes; what is wrong goes to `problems`."""
    wanted: list[Wanted] = []
    roots = reachable(entity)
    for root, fields in document.items():
        if root not in roots:
            can = ", ".join(sorted(roots))
            problems.append(Problem(f"a {entity} has no {root!r}; there are {can}", where=f"{where}.{root}"))
            continue
        for name, value in fields.items():
            place = f"{where}.{root}.{name}"
            field = ROOTS[root].get(name)
            values = tuple(value) if isinstance(value, list | tuple) else (value,)
            trouble = _trouble(root, name, field, values)
            problems += [Problem(trouble, where=place)] if trouble else []
            wanted += [Wanted(root, name, values)] if not trouble else []
    return Scope(tuple(wanted))


def _trouble(root: str, name: str, field: Field | None, values: tuple[Any, ...]) -> str:
    if field is None:
        return f"no such field{nearest(name, set(ROOTS[root]))}"
    # What a visit is comes with its messages; everything else that messages change is a state.
    if root != "visit" and not field.is_fixed:
        return "this changes under way; a scope says what a thing is, put this into the condition"
    if not values:
        return "names no value, so that nothing is in the scope"
    kind = field.type.item or field.type
    for value in values:
        if not _is_of(value, kind):
            return f"{value!r} is no {kind}"
        if kind.values and value not in kind.values:
            return f"it is never {value!r}{nearest(str(value), list(kind.values))}"
    return ""


def _is_of(value: Any, kind: Type) -> bool:
    wanted: dict[str, type] = {"bool": bool, "int": int, "string": str}
    return type(value) is wanted.get(kind.name)
