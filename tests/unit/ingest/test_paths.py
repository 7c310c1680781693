"""Paths into payloads."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.mapping.paths import MISSING, captures, editor, getter, walker

PAYLOAD: dict[str, Any] = {
    "a": {"b": 1, "none": None, "x.y": 2, "with-dash": 3, "input:3": {"state": True}},
    "list": [{"name": "bw", "value": 4}, {"name": "fw", "value": 5}],
    "zero": 0,
    "false": False,
    "empty": "",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b", 1),
        ('a."x.y"', 2),
        ("a.with-dash", 3),
        ("a.input:3.state", True),
        ("list[0].value", 4),
        ("list[name=fw].value", 5),
        ("zero", 0),
        ("false", False),
        ("empty", ""),
        (".", PAYLOAD),
    ],
)
def test_a_path_finds_its_value(path: str, value: Any) -> None:
    assert getter(path)(PAYLOAD, (PAYLOAD,)) == value


@pytest.mark.parametrize(
    "path", ["a.nothing", "a.b.c", "a.none", "list[7]", "list[name=up]", "a[0]", "list.name", "zero.x"]
)
def test_a_path_to_nothing_or_null_finds_nothing(path: str) -> None:
    assert getter(path)(PAYLOAD, (PAYLOAD,)) is MISSING


@pytest.mark.parametrize("payload", [None, 1, "text", [], [1], {}])
def test_a_path_into_something_else_finds_nothing(payload: Any) -> None:
    assert getter("a.b")(payload, (payload,)) is MISSING


def test_a_path_from_the_root_leaves_the_element() -> None:
    assert getter("$.a.b")({"a": {"b": "element"}}, (PAYLOAD,)) == 1
    assert getter("$")("element", (PAYLOAD,)) is PAYLOAD


@pytest.mark.parametrize("path", ["", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a.$"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        getter(path)


@pytest.mark.parametrize("path", ["a[*]", "a.{x:*}"])
def test_one_value_cannot_come_from_many(path: str) -> None:
    with pytest.raises(ValueError, match="names many values"):
        getter(path)


def test_many_elements_cannot_come_from_one_value() -> None:
    with pytest.raises(ValueError, match="names one value"):
        walker("a.b")


@pytest.mark.parametrize(
    ("path", "payload", "found"),
    [
        ("a[*]", {"a": [1, 2]}, [({}, 1), ({}, 2)]),
        ("[*]", [1, 2], [({}, 1), ({}, 2)]),
        ("a.{key:*}", {"a": {"x": 1, "y": 2}}, [({"key": "x"}, 1), ({"key": "y"}, 2)]),
        ("{s:Switch*}", {"Time": 0, "Switch1": "ON"}, [({"s": "Switch1"}, "ON")]),
        ("a.{i:input:*}", {"a": {"input:3": 1, "inputs": 2}}, [({"i": "input:3"}, 1)]),
        ("a[*].b[*]", {"a": [{"b": [1]}, {"b": [2, 3]}, {}]}, [({}, 1), ({}, 2), ({}, 3)]),
        ("a[*]", {"a": {"not": "a list"}}, []),
        ("a[*]", {}, []),
        ("a.{k:*}", {"a": {"x": None}}, []),
    ],
)
def test_a_fan_out_yields_every_element(path: str, payload: Any, found: list[Any]) -> None:
    assert [(taken, element) for taken, element, _ in walker(path)(payload)] == found


def test_a_fan_out_says_what_it_takes() -> None:
    assert captures("a.{key:*}.b[*]") == {"key"}


def test_a_part_of_a_key_can_be_taken() -> None:
    payload = {"line_1_total_in": 72, "line_1_total_out": 200, "line_1_period_in": 5, "battery": 100}
    found = [(taken, element) for taken, element, _ in walker("line_{line:*}_total_{way:*}")(payload)]
    assert found == [({"line": "1", "way": "in"}, 72), ({"line": "1", "way": "out"}, 200)]


def test_a_key_that_no_device_would_have_is_no_name() -> None:
    assert list(walker("{key:*}")({"x" * 300: 1})) == []


def test_an_element_knows_what_encloses_it() -> None:
    payload = {"name": "top", "a": [{"name": "first", "b": [{"n": 1}, {"n": 2}]}, {"name": "second", "b": [{"n": 3}]}]}
    found = [
        (getter("n")(element, above), getter("^.name")(element, above), getter("^^.name")(element, above))
        for _, element, above in walker("a[*].b[*]")(payload)
    ]
    assert found == [(1, "first", "top"), (2, "first", "top"), (3, "second", "top")]


def test_beyond_the_payload_there_is_nothing() -> None:
    assert getter("^^.a")({}, ({"a": 1},)) is MISSING
    assert getter("^.a")({}, ({"a": 1},)) == 1


@pytest.mark.parametrize("path", ["^a", "a.^", "$^", "a^b"])
def test_a_way_out_stands_at_the_beginning(path: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        getter(path)


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("a.b", {"a": {"c": 2}, "l": [{"b": 3}, {"b": 4}]}),
        ("l[*].b", {"a": {"b": 1, "c": 2}, "l": [{}, {}]}),
        ("l[1].b", {"a": {"b": 1, "c": 2}, "l": [{"b": 3}, {}]}),
        ('a."c"', {"a": {"b": 1}, "l": [{"b": 3}, {"b": 4}]}),
        ("x.y", {"a": {"b": 1, "c": 2}, "l": [{"b": 3}, {"b": 4}]}),
    ],
)
def test_what_a_path_names_can_be_taken_away(path: str, left: Any) -> None:
    payload = {"a": {"b": 1, "c": 2}, "l": [{"b": 3}, {"b": 4}]}
    editor(path)(payload, lambda _: MISSING)
    assert payload == left


@pytest.mark.parametrize("path", ["a[0]", ".", "$.a", "^.a", "a.{x:*}"])
def test_what_has_no_key_cannot(path: str) -> None:
    with pytest.raises(ValueError, match="does not end in a key"):
        editor(path)
