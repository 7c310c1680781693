"""The files people write: every field keeps its line, words stay words, and no file can bring the reader down."""

from __future__ import annotations

import contextlib
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import documents
from core.documents import Document
from core.errors import BadInput, Problem

CAMPUS = """\
# a comment
campus: {id: lincoln}
doors:
  - id: main
    name: Main entrance
  - id: gym-east
    zone: gym
"""


def one(text: str | bytes) -> Any:
    (found,) = documents.parse(text)
    return found.data


def problems(text: str | bytes, file: str = "x.yaml") -> list[str]:
    with pytest.raises(BadInput) as error:
        documents.parse(text, file=file)
    return [str(problem) for problem in error.value.problems]


# -------------------------------------------------------------------------------------------------- lines
@pytest.mark.parametrize(
    ("where", "line"),
    [("campus.id", 2), ("doors", 3), ("doors[0].name", 5), ("doors[1]", 6), ("doors[1].zone", 7)],
)
def test_every_field_knows_its_line(where: str, line: int) -> None:
    (document,) = documents.parse(CAMPUS)
    assert document.line_of(where) == line


def test_a_field_that_is_not_there_has_the_line_of_what_is_around_it() -> None:
    (document,) = documents.parse(CAMPUS)
    assert document.line_of("doors[1].heartbeat.every") == 6
    assert document.line_of("colour") == 2


def test_problems_get_the_file_and_line_of_their_field() -> None:
    (document,) = documents.parse(CAMPUS, file="campus.yaml")
    (located,) = document.locate([Problem("no zone 'gym'", "doors[1].zone")])
    assert str(located) == "campus.yaml:7: doors[1].zone: no zone 'gym'"


def test_a_file_may_hold_several_documents_each_with_its_own_lines() -> None:
    first, second = documents.parse("a: 1\n---\nb: 2\n")
    assert (first.data, second.data) == ({"a": 1}, {"b": 2})
    assert second.line_of("b") == 3


def test_the_members_of_a_list_are_documents_with_lines_of_their_own() -> None:
    (document,) = documents.parse("- id: a\n- id: b\n  on: c\n", file="rules.yaml")
    members = document.members()
    assert [member.data["id"] for member in members] == ["a", "b"]
    assert members[1].line_of("on") == 3
    assert Document({"id": "a"}).members() == [Document({"id": "a"})]


# ------------------------------------------------------------------------------------------------- values
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-11-26", "2026-11-26"),
        ("2026-12-04T18:00", "2026-12-04T18:00"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("!!str 12", "12"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: Any) -> None:
    found = one(f"key: {text}")["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("text", "value"), [("010", 10), ("08", 8)])
def test_a_number_with_a_leading_zero_is_decimal(text: str, value: int) -> None:
    assert one(f"number: {text}") == {"number": value}


def test_infinity_and_not_a_number_can_be_written() -> None:
    found = one("[.inf, -.INF, .nan]")
    assert found[:2] == [math.inf, -math.inf]
    assert math.isnan(found[2])


def test_keys_are_words_whatever_they_look_like() -> None:
    assert one("on: 1\n2026-11-26: 2\n7: 3\nnull: 4\n") == {"on": 1, "2026-11-26": 2, "7": 3, "null": 4}


def test_an_anchor_may_be_used_again() -> None:
    assert one("week: &day regular\nother: [*day, *day]\n") == {"week": "regular", "other": ["regular", "regular"]}


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert one(b"\xef\xbb\xbfa: 1") == {"a": 1}


def test_an_empty_text_has_no_document() -> None:
    assert documents.parse("") == []
    assert documents.parse("# nothing but a comment\n") == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="ascii")),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=4),
        max_leaves=20,
    )
)
def test_json_reads_as_itself(value: Any) -> None:
    assert one(json.dumps(value)) == value
    assert one(json.dumps(value, indent="\t")) == value


# ------------------------------------------------------------------------------------------- what is wrong
def test_a_key_that_stands_twice_is_refused_with_its_line() -> None:
    assert problems("a: 1\nb:\n  c: 1\n  c: 2\n") == ["x.yaml:4: b.c: stands twice"]


def test_a_key_that_is_no_word_is_refused() -> None:
    assert problems("[1, 2]: x") == ["x.yaml:1: a key must be a word"]


def test_what_is_not_yaml_is_refused_with_the_line() -> None:
    (problem,) = problems("a: 1\nb: [1, 2\n")
    assert problem.startswith("x.yaml:3: not YAML: ")


def test_a_tab_that_indents_is_refused_with_the_line() -> None:
    (problem,) = problems("a:\n\tb: 1")
    assert problem.startswith("x.yaml:2: not YAML: ")


def test_what_is_not_text_is_refused() -> None:
    assert problems(b"a: \xff\xfe") == ["x.yaml: is not UTF-8 text (byte 3)"]
    assert problems("a: \x01")[0].startswith("x.yaml: not YAML")


def test_a_tag_that_would_make_an_object_makes_none() -> None:
    assert problems("a: !!python/name:os.system x")
    assert one("a: !!python/object/apply:os.system [ls]") == {"a": ["ls"]}


@pytest.mark.parametrize("scalar", ["!!timestamp soon", "!!bool maybe", "!!map x"])
def test_a_tag_of_yaml_1_1_is_refused_in_words(scalar: str) -> None:
    assert problems(f"a: 1\nb: {scalar}")[0].startswith("x.yaml:2: b: ")


def test_a_number_too_long_for_any_machine_is_refused() -> None:
    (problem,) = problems("a: " + "9" * 10_000)
    assert problem.startswith("x.yaml:1: a: ")
    assert problem.endswith("cannot be read")


# --------------------------------------------------------------------------------------------------- bombs
def test_a_text_that_is_too_large_is_refused() -> None:
    assert problems(b"#" * (documents.MAX_BYTES + 1)) == ["x.yaml: larger than 64 MiB"]


@pytest.mark.parametrize("text", ["[" * 500 + "]" * 500, "{a: " * 500 + "}" * 500])
def test_a_text_that_is_nested_too_deeply_is_refused(text: str) -> None:
    (problem,) = problems(text)
    assert problem.endswith("nested too deeply")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_a_text_that_is_nested_absurdly_deeply_is_refused(text: str) -> None:
    (problem,) = problems(text)
    assert problem.endswith("nested too deeply")


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: {c: *a}}"])
def test_a_text_that_contains_itself_is_refused(text: str) -> None:
    assert len(problems(text)) == 1


def test_an_alias_for_nothing_is_refused() -> None:
    assert len(problems("a: *nothing")) == 1


@pytest.mark.timeout(20)
def test_a_text_that_unfolds_without_end_is_refused() -> None:
    letters = "abcdefghijkl"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in pairwise(letters)]
    (problem,) = problems("\n".join(lines))
    assert problem.endswith("holds more than 1,000,000 values")


@given(st.text(st.sampled_from("ab:-[]{}!&*#|>'\"%@`,? \n\t01.~"), max_size=40) | st.text(max_size=40))
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadInput):
        assert {document.file for document in documents.parse(text, file="x.yaml")} <= {"x.yaml"}


# --------------------------------------------------------------------------------------------------- files
def test_a_file_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "campus.yaml"
    path.write_text(CAMPUS, "utf-8")
    (document,) = documents.read(path)
    assert document.file == str(path)
    assert document.data["campus"] == {"id": "lincoln"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file") as error:
        documents.read(tmp_path / "campus.yaml")
    assert error.value.problems[0].file == str(tmp_path / "campus.yaml")


def test_a_folder_is_searched_in_a_steady_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/z.yml", "a/b.json", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = documents.files_under([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a/b.json", "a/z.yml", "b.yaml"]


def test_a_file_named_by_itself_is_taken_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("{}")
    assert documents.files_under([path]) == [path]


def test_a_folder_without_anything_to_read_and_a_path_to_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no \.yaml"):
        documents.files_under([tmp_path])
    with pytest.raises(BadInput, match="no such file or folder"):
        documents.files_under([tmp_path / "nothing"])
