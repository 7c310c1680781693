"""The page about rules is true: its examples pass, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rules.document import RuleDocument
from rules.language.roots import ROOTS
from rules.operators import OPERATORS
from rules.trial import run_tests
from tests.unit.rules.talk import rule_from

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n")[0])
def test_every_example_passes_its_own_tests(example: str) -> None:
    rule = rule_from(example)
    assert rule.tests
    assert run_tests(rule) == []


def test_every_operator_has_its_section_and_example() -> None:
    shown = {rule_from(example).operator.name for example in EXAMPLES}
    assert shown == set(OPERATORS)
    assert all(f"### {name}:" in PAGE for name in OPERATORS)


@pytest.mark.parametrize("root", ROOTS)
def test_every_field_is_named(root: str) -> None:
    (line,) = re.findall(rf"^\| `{root}` \| (.*) \|$", PAGE, re.MULTILINE)
    assert set(re.findall(r"\b[a-z_]+\b", line.replace('in("calendar")', ""))) == set(ROOTS[root])


def test_every_key_of_a_document_is_named() -> None:
    table = PAGE.split("## Conditions")[0]
    assert all(f"`{key}`" in table or f"{key}:" in table for key in RuleDocument.model_fields)
