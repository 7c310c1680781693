"""The form for simple edits of a rule. It follows from the document's own model: what a rule may say, a form can."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from api.console import rule_text
from core.errors import BadInput, Problem
from rules.operators import OPERATORS
from rules.rule import Rule, document_model

Kind = Literal["line", "prose", "choice", "truth", "lines", "structure"]
_ELSEWHERE: Final = ("id", "mode", "params", "tests", "variants", "overrides", "key")
"""What has a form of its own, or cannot be changed in passing."""
_LONG: Final = 70
_HINTS: Final = {"lines": "One a line.", "structure": "Written as in the document."}


@dataclass(frozen=True, slots=True)
class Entry:
    """One field; `name` is the place in the document, so that a problem finds it."""

    name: str
    label: str
    kind: Kind
    value: str
    choices: tuple[str, ...] = ()
    hint: str = ""
    required: bool = False

    @property
    def rows(self) -> int:
        """How many lines it is shown with."""
        return min(12, max(2, self.value.count("\n") + 1, len(self.value) // _LONG + 1))


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together."""

    title: str
    hint: str
    entries: tuple[Entry, ...]


def groups_of(rule: Rule) -> list[Group]:
    """Return the form of a rule, filled in with what it says."""
    document, operator = rule.document, rule.operator.name
    asked = "ladder" if "ladder" in document else "severity"
    own = [
        name
        for name in _schema()["properties"]
        if name not in (*_ELSEWHERE, *OPERATORS, "alert", *{"ladder", "severity"} - {asked})
    ]
    advice = _resolved(_schema()["properties"]["alert"])
    doc = inspect.cleandoc(OPERATORS[operator].__doc__ or "")
    return [
        Group("The rule", "", tuple(_entries(_schema(), document, "", own))),
        Group(
            f"When it holds: {operator}",
            " ".join(doc.replace("`", "").split()),
            tuple(_entries(_resolved(_schema()["properties"][operator]), document.get(operator, {}), f"{operator}.")),
        ),
        Group(
            "What is said and asked",
            str(advice["description"]),
            tuple(_entries(advice, document.get("alert", {}), "alert.")),
        ),
    ]


def taken_over(rule: Rule, said: Mapping[str, str]) -> dict[str, Any]:
    """Return the rule's document with what a form says otherwise; raises BadInput where a field cannot be read."""
    document = dict(rule.document)
    problems: list[Problem] = []
    for entry in (each for group in groups_of(rule) for each in group.entries):
        text = said.get(entry.name, "").replace("\r\n", "\n").strip()
        if text == entry.value:
            continue
        try:
            _put(document, entry.name, _value_of(entry, text))
        except BadInput as bad:
            problems += [Problem(each.message, entry.name) for each in bad.problems]
    if problems:
        raise BadInput(problems)
    return document


# -------------------------------------------------------------------------------------------------- the model read
@cache
def _schema() -> dict[str, Any]:
    return document_model().model_json_schema()


def _resolved(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schema means: references followed, `null` left out."""
    if "$ref" in schema:
        found: dict[str, Any] = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        return found
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return _resolved(options[0]) if len(options) == 1 else dict(schema)


def _entries(
    schema: Mapping[str, Any], said: Mapping[str, Any], place: str, names: list[str] | None = None
) -> Iterator[Entry]:
    for name in schema["properties"] if names is None else names:
        form = _resolved(schema["properties"][name])
        kind, choices = _kind_of(form)
        value = _shown(said.get(name), kind)
        long = len(value) > _LONG or "\n" in value
        yield Entry(
            name=f"{place}{name}",
            label=name.replace("_", " ").capitalize(),
            kind="prose" if kind == "line" and (long or form.get("maxLength", 0) > 1000) else kind,
            value=value,
            choices=choices,
            hint=" ".join(part for part in (schema["properties"][name].get("description"), _HINTS.get(kind)) if part),
            required=name in schema.get("required", ()),
        )


def _kind_of(form: Mapping[str, Any]) -> tuple[Kind, tuple[str, ...]]:
    if "enum" in form or "const" in form:
        return "choice", tuple(form.get("enum", ())) or (form["const"],)
    if form.get("type") == "boolean":
        return "truth", ()
    if form.get("type") == "array" and form.get("items", {}).get("type") == "string":
        return "lines", ()
    if form.get("type") == "string" or "string" in form.get("type", ()):
        return "line", ()
    return "structure", ()


def _shown(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if kind == "truth":
        return "yes" if value else ""
    if kind == "lines":
        return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    if kind == "structure":
        return rule_text.write_inline(value)
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _value_of(entry: Entry, text: str) -> Any:
    """Return what a text in a field means; None: nothing is said."""
    if entry.kind == "truth":
        return bool(text) or None
    if not text:
        return None
    if entry.kind == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if entry.kind == "structure":
        return rule_text.read_one(text).data
    return " ".join(text.split()) if entry.kind == "line" else text


def _put(document: dict[str, Any], name: str, value: Any) -> None:
    outer, _, inner = name.partition(".")
    if inner:
        within = dict(document.get(outer, {}))
        _put(within, inner, value)
        value = within or None
    if value is None:
        document.pop(outer, None)
    else:
        document[outer] = value
