"""Reads rule documents: every expression checked, everything that is wrong said at once.

A problem names the field, the column inside of an expression, and what would be right.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final, cast

from pydantic import Field, ValidationError, create_model

from core.campus import Campus, nearest, problems_of
from core.documents import Document, parse
from core.errors import BadInput, Problem
from rules.activity import read_activity
from rules.document import Override, Quiet, RuleDocument, Rung, Variant
from rules.language.scene import Value
from rules.operators import OPERATORS
from rules.operators.base import Operator
from rules.operators.moment import Frame
from rules.operators.site import Site
from rules.runnable import Exemption, Rule
from rules.scope import read_scope
from rules.wording import Template, read_template

__all__ = ["Rule", "problems_on", "read_rule", "read_rules", "rule_schema", "shipped", "with_params"]


@cache
def document_model() -> type[RuleDocument]:
    """Return the model of a whole rule document, one key for each operator."""
    fields: dict[str, Any] = {
        name: (operator.Fields | None, Field(default=None, description=operator.__doc__))
        for name, operator in OPERATORS.items()
    }
    return cast("type[RuleDocument]", create_model("Rule", __base__=RuleDocument, **fields))


def rule_schema() -> dict[str, Any]:
    """Return the JSON Schema of a rule document."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | document_model().model_json_schema()


def read_rules(documents: Iterable[Document]) -> list[Rule]:
    """Return the rules of some files; raises BadInput with every problem in them, each with file and line."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for document in documents:
        try:
            rule = read_rule(document.data)
        except BadInput as error:
            problems += document.locate(error.problems)
            continue
        if rule.id in seen:
            where = f" (it is also in {seen[rule.id]})" if seen[rule.id] != document.file else ""
            problems += document.locate([Problem(f"there is another rule {rule.id!r}{where}", where="id")])
        seen[rule.id] = document.file
        rules.append(rule)
    if problems:
        raise BadInput(problems)
    return rules


@cache
def shipped() -> tuple[Rule, ...]:
    """Return the rules that come with the house, in order of their ids."""
    folder = importlib.resources.files("rules") / "protocols"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
    return tuple(read_rules(found for file in files for found in parse(file.read_bytes(), file=file.name)))


def read_rule(data: Any) -> Rule:
    """Return the rule that a document describes; raises BadInput with every problem in it."""
    if not isinstance(data, dict):
        raise BadInput([Problem("a rule is an object with id, title, key, an operator and a severity")])
    try:
        document = document_model().model_validate(data)
    except ValidationError as error:
        raise BadInput(_untangled(problems_of(error))) from None
    return _Reader(document, data).rule()


_IN_OUR_WORDS: Final = (
    (re.compile(r"Input should be a valid dictionary or instance of \w+"), "must be an object, key: value"),
    (re.compile(r"Input should be a valid dictionary"), "must be an object, key: value"),
    (re.compile(r"Input should be a valid (tuple|list)"), "must be a list"),
    (re.compile(r"Input should be a valid string"), "must be text"),
    (re.compile(r"(Tuple|Value) should have at least 1 item after validation, not 0"), "must not be empty"),
    (re.compile(r"^Input should be "), "must be "),
)


def _untangled(problems: list[Problem]) -> list[Problem]:
    found: dict[Problem, None] = {}
    for each in problems:
        message = each.message
        # pydantic names the form it tried, which is no key of the document.
        where = "clear" if each.where.startswith("clear.function-") else each.where.replace("clear.Quiet", "clear")
        if where == "clear":
            message = "must be a condition, or {quiet: 10m}"
        for pattern, words in _IN_OUR_WORDS:
            message = pattern.sub(words, message)
        found[replace(each, where=where, message=message)] = None
    inside = any(each.where.startswith("clear.") for each in found)
    return [each for each in found if not (inside and each.where == "clear")]


class _Reader:
    def __init__(self, document: RuleDocument, data: Mapping[str, Any]) -> None:
        self._document = document
        self._data = data
        self._entity = document.key.removesuffix(".id")
        types = {name: param.language_type for name, param in document.params.items()}
        self._params = {name: param.read(param.default, "default") for name, param in document.params.items()}
        self._site = Site(self._entity, types, self._params)
        self._problems = self._site.problems

    def rule(self) -> Rule:
        document = self._document
        operator = self._operator()
        frame = self._frame(operator)
        ladder = document.ladder
        if document.severity is not None:
            ladder = (Rung.model_validate({"after": "0s", "severity": document.severity}),)
        scope = read_scope(document.scope, self._entity, "scope", self._problems)
        exemptions = tuple(
            self._exemption(each, f"{name}[{number}]")
            for name in ("variants", "overrides")
            for number, each in enumerate(getattr(document, name))
        )
        text = self._text()
        if self._problems or operator is None:
            raise BadInput(self._problems)
        return Rule(
            id=document.id,
            title=document.title,
            why=document.why,
            mode=document.mode,
            entity=self._entity,
            operator=operator,
            frame=frame,
            ladder=ladder,
            scope=scope,
            params=self._params,
            exemptions=exemptions,
            active=document.active,
            alert=document.alert,
            text=text,
            tests=document.tests,
            document=self._data,
        )

    def _operator(self) -> Operator[Any] | None:
        said = [name for name in OPERATORS if getattr(self._document, name) is not None]
        if len(said) != 1:
            which = f"there are {', '.join(said)}" if said else f"one of {', '.join(sorted(OPERATORS))} is required"
            self._problems.append(Problem(f"a rule has one operator; {which}"))
            return None
        found: Operator[Any] = OPERATORS[said[0]].read(getattr(self._document, said[0]), self._site)
        return found

    def _frame(self, operator: Operator[Any] | None) -> Frame:
        document, site = self._document, self._site
        clear = site.state(document.clear, "clear") if isinstance(document.clear, str) else None
        quiet = site.duration(document.clear.quiet, "clear.quiet") if isinstance(document.clear, Quiet) else None
        keep = site.duration(document.keep, "keep") if document.keep is not None else None
        if quiet is not None and operator is not None and not operator.takes_quiet:
            message = f"quiet counts from the last message; with {operator.name} say an expression, or use keep"
            self._problems.append(Problem(message, where="clear.quiet"))
        return Frame(read_activity(document.active, self._entity), clear, quiet, keep)

    def _exemption(self, override: Override | Variant, place: str) -> Exemption:
        params: dict[str, Value] = {}
        for name, value in override.params.items():
            declared = self._document.params.get(name)
            where = f"{place}.params.{name}"
            if declared is None:
                hint = nearest(name, set(self._document.params))
                self._problems.append(Problem(f"no such parameter{hint}", where=where))
                continue
            try:
                params[name] = declared.read(value, name)
            except ValueError as error:
                self._problems.append(Problem(str(error).partition(": ")[2], where=where))
        scope = read_scope(override.scope, self._entity, f"{place}.scope", self._problems)
        mode = None if isinstance(override, Variant) else override.mode
        return Exemption(scope, params, mode, override)

    def _text(self) -> Template:
        written = self._document.alert.text
        environment = self._site.state_environment
        if written is None:
            return read_template(f"{_escaped(self._document.title)}: {{{self._entity}}}", environment, self._problems)
        return read_template(written, environment, self._problems)


def _escaped(title: str) -> str:
    return title.replace("{", "(").replace("}", ")")


def problems_on(rule: Rule, campus: Campus) -> list[Problem]:
    """Return what a rule names that this campus does not have; the rule runs, and may never say anything."""
    known = campus.local_calendar.calendar.names
    named = set().union(*(each.calendars for each in rule.watches))
    if rule.active is not None and rule.active.calendar is not None:
        named.add(rule.active.calendar)
    found = [
        Problem(f"no calendar or window {name!r} on this campus{nearest(name, known)}", where=rule.id)
        for name in sorted(named - known)
    ]
    missing = rule.scope.missing_from(campus)
    return found + [
        Problem(f"no {root} {key!r} on this campus", where=f"{rule.id}.scope.{root}.id") for root, key in missing
    ]


def with_params(rule: Rule, values: Mapping[str, Any]) -> Rule:
    """Return the rule with other defaults for some parameters (as written: `90s`); raises BadInput."""
    declared = dict(rule.document.get("params", {}))
    unknown = [name for name in values if name not in declared]
    if unknown:
        raise BadInput(Problem(f"no such parameter{nearest(name, set(declared))}", where=name) for name in unknown)
    changed = {name: {**declared[name], "default": value} for name, value in values.items()}
    return replace(read_rule({**rule.document, "params": {**declared, **changed}}), version=rule.version)
