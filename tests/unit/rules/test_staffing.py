"""How many people a rule asks for, by its own condition."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.facts import GatheringFacts
from rules.rule import read_rule, shipped
from rules.runnable import Rule
from rules.staffing import fewest
from tests.campuses import lincoln

AT = datetime(2026, 11, 24, 15, tzinfo=UTC)
RULES = {rule.id: rule for rule in shipped()}


def asked(rule: Rule, counts: dict[str, int], role: str, **changes: Any) -> int | None:
    gathering = {"id": "game", "name": "Game", "start": "2026-11-24T08:30", "end": "2026-11-24T10:00"}
    campus = lincoln(gatherings=[gathering | changes])
    return fewest(rule, campus, GatheringFacts(id="game", counts=counts), role, AT)


@pytest.mark.parametrize(("heads", "wanted"), [(0, 0), (49, 0), (50, 1), (249, 1), (250, 2), (600, 3)])
def test_one_crowd_manager_for_every_250_they_themselves_included(heads: int, wanted: int) -> None:
    assert asked(RULES["crowd-managers-short"], {"spectator": heads}, "crowd_manager") == wanted


def test_how_many_are_there_already_changes_nothing() -> None:
    assert asked(RULES["crowd-managers-short"], {"spectator": 480, "crowd_manager": 9}, "crowd_manager") == 2


def test_what_a_rule_exempts_is_asked_for_nothing() -> None:
    assert asked(RULES["crowd-managers-short"], {"spectator": 600}, "crowd_manager", tags=["waiver"]) == 0
    assert asked(RULES["chaperones-short"], {"student": 120}, "chaperone") == 0
    assert asked(RULES["chaperones-short"], {"student": 120}, "chaperone", tags=["dance"]) == 5
    assert asked(RULES["no-supervisor"], {"spectator": 1}, "supervisor") == 1


def test_a_variant_counts_and_a_rule_that_is_off_asks_for_nobody() -> None:
    document = dict(RULES["crowd-managers-short"].document)
    tuned = read_rule(
        document | {"variants": [{"scope": {"gathering": {"id": "game"}}, "params": {"per": 100}, "reason": "youth"}]}
    )
    assert asked(tuned, {"spectator": 480}, "crowd_manager") == 5
    assert asked(read_rule(document | {"mode": "disabled"}), {"spectator": 480}, "crowd_manager") == 0


def test_where_no_number_would_do_it_is_not_known() -> None:
    document = dict(RULES["crowd-managers-short"].document)
    never = read_rule(document | {"hold": {"while": "gathering.count >= p.from", "for": "2m"}, "tests": []})
    assert asked(never, {"spectator": 480}, "crowd_manager") is None


def test_only_a_condition_that_lasts_can_ask_for_people() -> None:
    assert asked(RULES["gathering-overrun"], {"spectator": 480}, "staff") == 0
