"""A small campus made for the tests of one rule: what their messages name exists, and is in the rule's scope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from core.campus import Campus, problems_of
from core.errors import BadInput, Problem
from rules.document import Scenario
from rules.language.roots import ROOTS
from rules.runnable import Rule

_USUAL: Final[dict[str, Any]] = {
    "campus": {"id": "test", "name": "Test School", "timezone": "America/Chicago"},
    "calendar": {
        "week": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "regular"),
        "day_types": {
            "regular": {"staffed": "06:30-18:00", "school": "07:50-15:10", "class_time": ["08:00-15:00"]},
            "closed": {},
        },
    },
}
_TABLES: Final = {"door": "doors", "zone": "zones", "device": "devices", "gathering": "gatherings"}
_GATHERING: Final = {"start": "2026-11-24T09:00", "end": "2026-11-24T12:00"}


def campus_for(rule: Rule, scenario: Scenario, where: str) -> Campus:
    """Return the campus of a test: a usual one, what is sent about, and over it what the test says itself.

    Raises BadInput where that does not make a campus.
    """
    problems = list(_malformed(scenario.campus, where))
    if problems:
        raise BadInput(problems)
    plain: dict[str, Any] = {**_USUAL, **{table: [] for table in _TABLES.values()}}
    for entity, table in _TABLES.items():
        said = (step.send.get(entity) for step in scenario.steps if step.send is not None)
        named = dict.fromkeys(each for each in said if isinstance(each, str))
        sent = [{"id": each} | _in_scope(rule, entity) for each in named]
        plain[table] = [_named(entity, each) for each in _joined(sent, scenario.campus.get(table, ()))]
    merged = _merged(plain, {n: value for n, value in scenario.campus.items() if n not in _TABLES.values()})
    _add_what_is_referred_to(merged)
    try:
        return Campus.model_validate(merged)
    except ValidationError as error:
        raise BadInput(Problem(each.message, where=f"{where}.{each.where}") for each in problems_of(error)) from None


def _malformed(campus: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for table in _TABLES.values():
        things = campus.get(table, [])
        if not isinstance(things, list):
            yield Problem("must be a list", where=f"{where}.{table}")
            continue
        for number, thing in enumerate(things):
            if not isinstance(thing, dict) or not isinstance(thing.get("id"), str):
                yield Problem("must be an object with an id", where=f"{where}.{table}[{number}]")


def _in_scope(rule: Rule, entity: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for wanted in rule.scope.wanted:
        if wanted.root == entity and wanted.field != "id":
            several = ROOTS[entity][wanted.field].type.name == "list"
            found[wanted.field] = list(wanted.values) if several else wanted.values[0]
    return found


def _joined(things: Iterable[dict[str, Any]], over: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    by_id = {each["id"]: each for each in things}
    for each in over:
        by_id[each["id"]] = by_id.get(each["id"], {}) | each
    return list(by_id.values())


def _named(entity: str, thing: dict[str, Any]) -> dict[str, Any]:
    name = {} if entity == "device" else {"name": thing["id"].replace("-", " ").capitalize()}
    return name | (_GATHERING if entity == "gathering" else {}) | thing


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        before = merged.get(name)
        both = isinstance(before, dict) and isinstance(value, dict)
        merged[name] = _merged(before or {}, value) if both else value
    return merged


def _add_what_is_referred_to(campus: dict[str, Any]) -> None:
    _add(campus, "door", (each.get("door") for each in campus["devices"]))
    for gathering in campus["gatherings"]:
        doors = gathering.get("doors")
        _add(campus, "door", doors if isinstance(doors, list) else ())
    _add(campus, "zone", (each.get("zone") for table in ("doors", "gatherings") for each in campus[table]))


def _add(campus: dict[str, Any], entity: str, ids: Iterable[Any]) -> None:
    there = {each["id"] for each in campus[_TABLES[entity]]}
    missing = dict.fromkeys(each for each in ids if isinstance(each, str) and each and each not in there)
    campus[_TABLES[entity]] += [_named(entity, {"id": each}) for each in missing]
