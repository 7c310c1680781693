"""What came of a run: whoever could not do their part is named wherever the outcome is."""

from __future__ import annotations

from xml.etree import ElementTree

from app.outcome import Outcome
from simulators.verdict import Verdict
from tests.conftest import START


def test_what_people_could_not_do_falls_short_in_words_json_and_junit() -> None:
    words = 'diaz: acknowledge door-forced "main": there is none'
    outcome = Outcome(scenario="s", started=START, verdict=Verdict(met=()), undone=(words,))
    assert not outcome.passed
    assert outcome.summary().startswith("FELL SHORT")
    assert outcome.summary().endswith(", 1 not done")
    assert outcome.plain()["not_done"] == [words]
    suite = ElementTree.fromstring(outcome.junit())
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert [case.get("name") for case in suite] == [words]


def test_where_everybody_did_their_part_nothing_is_said_of_it() -> None:
    outcome = Outcome(scenario="s", started=START, verdict=Verdict(met=()))
    assert outcome.passed
    assert "not done" not in outcome.summary()
    assert 'failures="0"' in outcome.junit()
