"""The page about alerts says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from alerts import policies
from alerts.alert import DISPOSITIONS
from alerts.channels import validate
from alerts.duty import on_duty
from alerts.escalation import ASIDE
from alerts.outbox import State
from alerts.policies import Policy, Step
from alerts.srp import suggestion
from alerts.suppression import KINDS, WORDS
from core.campus import Campus
from core.documents import parse
from rules.rule import shipped
from tests.campuses import lincoln
from tests.conftest import START

PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def rows(heading: str) -> set[str]:
    """The words in the first column of the table under a heading."""
    table = PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return {word for line in table.splitlines()[2:] for word in re.findall(r"`([a-z_-]+)`", line.split("|")[1])}


def test_the_policies_that_ship_are_those_of_the_page() -> None:
    assert policies.read_policies(parse(EXAMPLES[1])) == policies.default_policies()


def test_the_example_is_a_policy_of_the_campus_and_reaches_people() -> None:
    campus = lincoln(policies=parse(EXAMPLES[2])[0].data["policies"])
    policy = policies.policies_of(campus)["game-night"]
    seen = [[each.endpoint for each in step.recipients] for step in policies.preview(policy, campus, START)]
    assert seen == [["okafor-phone"], ["reyes-phone", "reyes-sms"], ["diaz-phone"]]


def test_every_key_state_and_disposition_is_explained() -> None:
    assert rows("key of a step") == set(Step.model_fields)
    assert rows("key of a policy") == set(Policy.model_fields) - {"id", "title", "steps"}
    assert rows("state of a delivery") == set(get_args(State))
    assert all(f"`{each}`" in PAGE for each in DISPOSITIONS)


def test_the_override_of_the_page_is_one(campus: Campus) -> None:
    away = lincoln(overrides=parse(EXAMPLES[0])[0].data["overrides"])
    assert [person.id for person in on_duty(campus, START)] == ["reyes"]
    assert [person.id for person in on_duty(away, START)] == ["okafor"]


def test_every_kind_and_word_of_suppression_is_explained() -> None:
    assert rows("kind") == set(KINDS)
    assert all(f"`{each}`" in PAGE for each in (*WORDS.values(), *ASIDE, "inhibited"))


def test_what_is_suggested_reads_as_the_page_shows_it() -> None:
    words, *checklist = suggestion("secure")
    assert "\n".join(["```text", words, *(f"- {each}" for each in checklist), "```"]) in PAGE


def test_the_protocols_that_suggest_an_action_are_those_of_their_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "protocols.md").read_text("utf-8")
    [told] = re.findall(r"\*\*What to consider\.\*\*(.*?)A person decides", page, re.DOTALL)
    suggesting = {each.id: each.alert.srp for each in shipped() if each.alert.srp}
    assert set(re.findall(r"`([a-z-]+)`", told)) == set(suggesting)
    assert set(re.findall(r"\*([a-z]+)\*", told)) == set(suggesting.values())


def test_every_endpoint_of_the_page_is_refused_with_its_words() -> None:
    table = re.findall(r"^\| `([a-z]+://[^`]+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(table) == 6
    for url, words in table:
        assert [problem.message for problem in validate(url, allow_private=False)] == [words]
