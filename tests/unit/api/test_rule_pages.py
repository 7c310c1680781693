"""Rule documents as forms and as text, the values a slider stops at, and work that outlasts a request."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api.console import prices, rule_form, rule_text
from api.console.rules import in_words, knobs
from api.console.workshop import KEPT, MOST, Workshop
from core.campus import read_duration
from core.errors import BadInput, Conflict, Problem, Unavailable
from rules.operators import OPERATORS
from rules.rule import Rule, document_model, shipped
from tests.conftest import START

RULES = {rule.id: rule for rule in shipped()}


# ----------------------------------------------------------------------------------------------- forms, documents
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_form_that_was_not_touched_changes_nothing(rule: Rule) -> None:
    said = {each.name: each.value.replace("\n", "\r\n") for each in _entries(rule)}
    assert rule_form.taken_over(rule, said) == rule.document


def test_the_form_has_every_key_of_the_model_that_has_no_form_of_its_own() -> None:
    asked = {each.name.partition(".")[0] for rule in shipped() for each in _entries(rule)}
    keys = set(document_model().model_json_schema()["properties"])
    assert keys - asked - set(OPERATORS) == {"id", "mode", "params", "tests", "variants", "overrides", "key"}


def _entries(rule: Rule) -> list[rule_form.Entry]:
    return [each for group in rule_form.groups_of(rule) for each in group.entries]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_document_that_is_written_is_read_as_the_same(rule: Rule) -> None:
    assert rule_text.read_one(rule_text.write(rule.document)).data == rule.document


@pytest.mark.parametrize(
    "text", ["08", "1e5", "-3", ".5", "off", "null", "true", "60s", "2026-11-24", "a: b", "", "# x"]
)
def test_text_stays_text(text: str) -> None:
    assert rule_text.read_one(rule_text.write({"a": text, "b": [text]})).data == {"a": text, "b": [text]}
    assert rule_text.read_one(rule_text.write_inline(text) or "''").data == text


def test_a_comparison_shows_what_changed_and_a_little_around_it() -> None:
    before = {name: [name] for name in "abcdefghijkl"}
    found = rule_text.differences(before, before | {"b": ["B"], "k": ["K"]})
    assert [(each.kind, each.text) for each in found] == [
        ("same", "a: [a]"),
        ("removed", "b: [b]"),
        ("added", "b: [B]"),
        ("same", "c: [c]"),
        ("same", "d: [d]"),
        ("gap", "…"),
        ("same", "i: [i]"),
        ("same", "j: [j]"),
        ("removed", "k: [k]"),
        ("added", "k: [K]"),
        ("same", "l: [l]"),
    ]
    assert rule_text.differences(None, None) == []
    assert {each.kind for each in rule_text.differences({"a": 1}, None)} == {"removed"}


def test_a_fault_is_marked_under_its_column() -> None:
    text = "hold:\n  while: door.positon\n  for: [1, x\n"
    (fault,) = rule_text.faults("a:\n  while: door.positon\n", [Problem("column 6: no", "a.while", line=2)])
    assert (fault.shown, fault.caret) == ("  while: door.positon", " " * 14 + "^")
    (fault,) = rule_text.faults(text, [Problem("column 6: no", "hold.while", line=99)])
    assert (fault.shown, fault.caret) == ("", "")


def test_several_documents_are_not_one() -> None:
    with pytest.raises(BadInput):
        rule_text.read_one("a: 1\n---\nb: 2\n")


def test_a_scope_is_said_in_words() -> None:
    scope = {"door": {"exterior": True, "has_rex": False, "class": ["main", "exit_only"]}, "zone": {"kind": "gym"}}
    assert in_words(scope) == "door: exterior, not has_rex, class main or exit_only; zone: kind gym"
    assert in_words({}) == "everything"


# ------------------------------------------------------------------------------------------------------- sliders
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_slider_stops_at_values_that_the_rule_takes_and_at_the_one_in_force(rule: Rule) -> None:
    for knob in knobs(rule):
        if not knob.has_slider:
            continue
        amounts = [prices.amount_of(each if knob.kind == "duration" else int(each)) for each in knob.stops]
        assert amounts == sorted(set(amounts)), knob
        assert knob.stops[knob.place] == knob.value
        assert 2 <= len(knob.stops) <= prices.MOST
        said = rule.document["params"][knob.name]
        ends = [prices.amount_of(said[name]) for name in ("min", "max") if name in said]
        assert set(ends) <= set(amounts)


def test_a_slider_stops_at_round_values() -> None:
    found = prices.stops({"type": "duration", "default": "60s", "min": "10s", "max": "30m"})
    assert (found[0], found[-1], "60s" in found) == ("10s", "30m", True)
    assert all(read_duration(each).total_seconds() in prices._SECONDS for each in found)
    assert prices.stops({"type": "int", "default": 250, "min": 50, "max": 500}) == [
        *(50, 100, 150, 200, 250),
        *(300, 350, 400, 450, 500),
    ]
    assert prices.stops({"type": "int", "default": 3}) == list(range(1, 17))
    assert prices.stops({"type": "bool", "default": True}) == [False, True]
    assert prices.stops({"type": "string", "default": "x"}) == []


# ------------------------------------------------------------------------------------------------------- the work
async def test_work_is_begun_once_and_its_answer_is_kept_for_a_while() -> None:
    workshop, begun = Workshop(), []

    async def work() -> str:
        begun.append(1)
        return "done"

    assert workshop.ask("x", work, START).is_under_way
    assert workshop.ask("x", work, START).is_under_way
    await asyncio.sleep(0)
    found = workshop.ask("x", work, START + KEPT)
    assert (found.answer, found.since, found.is_under_way) == ("done", START, False)
    assert workshop.ask("x", work, START + KEPT + timedelta(seconds=1)).is_under_way
    assert len(begun) == 1, "the second has not run yet"
    await asyncio.sleep(0)


async def test_a_page_that_only_looks_again_begins_nothing() -> None:
    workshop, begun = Workshop(), []

    async def work() -> int:
        begun.append(1)
        return 1

    assert "ask again" in workshop.ask("x", work, START, begins=False).trouble
    workshop.ask("x", work, START)
    await asyncio.sleep(0)
    assert workshop.ask("x", work, START, begins=False).answer == 1
    assert begun == [1]


async def test_no_more_than_so_many_answers_are_kept() -> None:
    workshop = Workshop()

    async def work() -> int:
        return 1

    for number in range(MOST + 20):
        workshop.ask(number, work, START)
        await asyncio.sleep(0)
    assert workshop.ask(MOST + 19, work, START).answer == 1
    assert workshop.ask(0, work, START).is_under_way
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("error", "words"), [(Unavailable("too many ask"), "too many ask"), (ZeroDivisionError(), "it was logged")]
)
async def test_trouble_is_said_once_and_the_next_one_begins_anew(error: Exception, words: str) -> None:
    workshop = Workshop()

    async def work() -> Any:
        raise error

    workshop.ask("x", work, START)
    await asyncio.sleep(0)
    found = workshop.ask("x", work, START)
    assert words in found.trouble
    assert not found.is_under_way
    assert workshop.ask("x", work, START).is_under_way
    await asyncio.sleep(0)


async def test_a_refusal_is_raised() -> None:
    workshop = Workshop()

    async def work() -> Any:
        raise Conflict("the rule is live")

    workshop.ask("x", work, START)
    await asyncio.sleep(0)
    with pytest.raises(Conflict):
        workshop.ask("x", work, START)
