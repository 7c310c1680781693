"""The benchmarks of growth count what they say they count: each at its smallest, and what is wrong is told."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest

from benchmarks import picture
from benchmarks.growth import district as districts
from benchmarks.growth import journal_growth, judging, state
from benchmarks.growth.corridor import corridor, furnish
from benchmarks.growth.journal_growth import Journal, Length
from benchmarks.growth.judging import BELL, Engines, Judging, Point, Size
from benchmarks.growth.state import Held, Lived, Restored, State
from core.messages import Message
from rules.rule import shipped

SMALL = Size(messages=60, batch=20)


@pytest.fixture(autouse=True)
def _pictures_go_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "FOLDER", tmp_path / "pictures")


def read(place: districts.District, count: int) -> list[Message]:
    said = islice(districts.traffic(place, BELL, name="t"), count)
    return [message for each in said for message in place.read(each)]


def test_a_district_is_what_it_says_and_so_are_its_rules() -> None:
    place = districts.district(600)
    assert [(each.id, len(each.doors)) for each in place.campuses] == [("c0", 200), ("c1", 200), ("c2", 200)]
    messages = read(place, 2_000)
    assert {each.campus for each in messages} == {"c0", "c1", "c2"}
    assert [each.at for each in messages] == sorted(each.at for each in messages)
    assert len({each.message_id for each in messages}) == len(messages)
    rules = districts.rules(50, place)
    assert len({rule.id for rule in rules}) == 50
    assert [rule.id for rule in rules[:10]] == list(districts.GENERAL)
    assert all(rule.scope.wanted for rule in rules[10:])


def test_the_same_doors_speak_again() -> None:
    place = districts.district(40)
    first, again = ([each.heard.topic for each in islice(districts.traffic(place, BELL, name=n), 90)] for n in "ab")
    assert first == again


def test_a_point_is_measured_and_its_open_timers_are_counted() -> None:
    place = districts.district(40)
    point = judging.measure(40, place, shipped(), SMALL)
    assert point.us > 0
    assert point.looks > 1
    held = [rule for rule in shipped() if rule.id == "door-held-open"]
    assert Engines(place, held, BELL, open_doors=4).open_timers == 3, "one of the last four doors is no exterior one"
    with pytest.raises(RuntimeError, match="3 timers are open, not 4"):
        judging.measure(40, place, held, SMALL, open_doors=4, timers=4)


def test_rules_that_cannot_judge_are_told() -> None:
    engines = Engines(districts.district(20), shipped(), BELL)
    for engine in engines._by_campus.values():
        engine._live.max_keys = 5
    engines.hear(read(districts.district(20), 60), BELL + timedelta(days=1))
    with pytest.raises(RuntimeError, match="more than 5 keys"):
        engines.check()


def test_a_target_of_judging_is_missed_where_a_message_costs_too_much() -> None:
    def points(last: float) -> Judging:
        costs = ((10, 40.0), (1_000, last), (10_000, 400.0))
        return Judging({"rules": [Point(count, us, us, 4.0, 0.1, 1.0) for count, us in costs]})

    (held,), (missed,) = (list(judging.targets(points(last))) for last in (79.0, 81.0))
    assert (held.held, missed.held) == (True, False)
    assert "looks" in missed.why
    said = judging.section(Path(), points(79.0))
    assert "| 10,000 | 400 | 10.00 |" in "\n".join(said.lines)


async def test_what_is_taken_back_is_counted(tmp_path: Path) -> None:
    found = await state.restore(f"sqlite:///{tmp_path}/small.db", 500)
    assert (found.keys, found.timers) == (500, 100)
    assert found.seconds > 0


def test_a_month_is_weighed_after_each_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = state.live(tmp_path, weeks=0)
    assert found.messages == 0, "it stops at the end of the last week that is asked for"
    assert len(found.mib) == 1


def test_the_section_of_state_tells_what_is_missed() -> None:
    restored = [Restored("SQLite", 100_000, 20_000, 5.1, 4.0)]
    held = Held(20_000, 9.0, 250.0, 310.0, 9.0, 310.0, 150.0, 0)
    said = state.section(Path(), State(restored, held, Lived(10, (100.0, 101.0, 107.0))))
    assert [each.held for each in said.targets] == [False, False, False]
    better = State(
        [Restored("SQLite", 100_000, 20_000, 4.9, 4.0)],
        Held(20_000, 9.0, 250.0, 299.0, 9.0, 310.0, 150.0, 0),
        Lived(10, (100.0, 101.0, 103.0)),
    )
    assert [each.held for each in state.section(Path(), better).targets] == [True, True, True]


async def test_a_journal_is_filled_and_measured_and_its_rows_are_counted(tmp_path: Path) -> None:
    found = await journal_growth.on_sqlite(tmp_path, rows=300, batches=1)
    assert [each.rows for each in found.lengths] == [0, 300]
    assert all(each.worst_us >= each.us > 0 for each in found.lengths)


async def test_a_journal_of_another_length_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    await furnish(url, districts.district(20), BELL)
    await journal_growth.fill(url, 100, BELL)
    async with corridor(url, BELL) as here:
        await journal_growth._check(here, 100)
        with pytest.raises(RuntimeError, match="holds 100 messages, not 101"):
            await journal_growth._check(here, 101)


def test_the_section_of_the_journal_tells_what_is_missed() -> None:
    def journal(last: float) -> Journal:
        return Journal("SQLite", [Length(0, 0.0, 100.0, 200.0), Length(1_000, 1.0, last, 300.0)])

    held, missed = (journal_growth.section(Path(), 1_000, [journal(last)]).targets[0] for last in (149.0, 151.0))
    assert (held.held, missed.held) == (True, False)
