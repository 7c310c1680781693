"""Counters of people: nobody is lost and nobody counts twice, whatever is lost or said twice on the way."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.campus import Campus
from core.facts import GatheringFacts
from core.messages import Heard
from core.world import World
from ingest.mapping import Mapping, shipped
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.ingest.mapped import decoder, hear, mappings, refusal, told

TOTALS = """
id: totals
match: {topic: "count/{device}"}
source: count/{device}
emit: attendance.count
counter: {kind: cumulative, direction: {in: up, out: down}, wrap: 1000}
sequence: n
"""
PERIODS = """
id: periods
match: {topic: "count/{device}"}
source: count/{device}
emit: attendance.count
counter:
  kind: period
  wiring: {fw=in: {in: fw, out: bw}, fw=out: {in: bw, out: fw}}
  role: student
time: {interval: {from: from, to: to}, formats: [epoch_s]}
"""
GAUGE = """
id: gauge
match: {topic: "count/{device}"}
source: count/{device}
emit: attendance.count
counter: {kind: gauge, count: occupancy.Human, zero_when: empty}
"""
NOW = int(START.timestamp())


def concert(source: str | None, **more: Any) -> Campus:
    """Return the campus with a concert on in the gym, counted by a source."""
    on = {"id": "concert", "name": "Concert", "zone": "gym", "start": "2026-11-24T07:00", "end": "2026-11-24T12:00"}
    return lincoln(gatherings=[on | ({"source": source} if source else {}) | more], calendar={})


def present(campus: Campus, found: list[Mapping], payloads: list[dict[str, Any]], *, forgetful: bool = False) -> int:
    """Return how many are there after the payloads, a second apart. `forgetful`: with a new decoder for each."""
    world, reader = World(campus), decoder([campus], found)
    for number, payload in enumerate(payloads):
        if forgetful:
            reader = decoder([campus], found)
        heard = Heard("count/door", json.dumps(payload).encode())
        for message in reader.decode(heard, START + timedelta(seconds=number)):
            world.apply(message)
    facts = world.get("gathering", "concert")
    return facts.count if isinstance(facts, GatheringFacts) else 0


class TestTotals:
    CAMPUS = concert("count/door")
    MAPPINGS = mappings(TOTALS)

    def test_the_growth_of_both_directions_counts(self) -> None:
        said = [{"up": 10, "down": 3}, {"up": 15, "down": 4}, {"up": 20, "down": 4}]
        assert present(self.CAMPUS, self.MAPPINGS, said) == 9

    def test_a_decoder_that_forgets_everything_loses_and_doubles_nobody(self) -> None:
        said = [{"up": 10, "down": 3}, {"up": 15, "down": 4}, {"up": 15, "down": 4}, {"up": 20, "down": 4}]
        assert present(self.CAMPUS, self.MAPPINGS, said, forgetful=True) == 9

    def test_a_total_goes_around_and_one_that_was_reset_starts_at_nought(self) -> None:
        assert present(self.CAMPUS, self.MAPPINGS, [{"up": 998}, {"up": 3}]) == 5
        assert present(self.CAMPUS, self.MAPPINGS, [{"up": 400}, {"up": 3}]) == 3

    def test_the_messages_carry_the_total_and_their_number(self) -> None:
        entered, left = hear(decoder([self.CAMPUS], self.MAPPINGS), "count/door", '{"up": "10", "down": 3.0, "n": 7}')
        assert (entered.body()["total"], entered.body()["wraps_at"], entered.seq) == (10, 1000, 7)
        assert (left.kind, left.body()["total"], left.part) == ("attendance.left", 3, 1)

    @pytest.mark.parametrize("value", ["-1", "1.5", '"many"', "[]", "1e300", "true1"])
    def test_what_is_no_number_of_heads_is_refused(self, value: str) -> None:
        said = refusal(decoder([self.CAMPUS], self.MAPPINGS), "count/door", f'{{"up": {value}}}')
        assert said.startswith(("invalid_field: up", "bad_json"))

    @given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from(["keep", "lose", "double"]))))
    @settings(deadline=None, max_examples=60)
    def test_whatever_is_lost_or_doubled_the_last_total_is_right(self, steps: list[tuple[int, int, str]]) -> None:
        up = down = 100
        said = [{"up": up, "down": down}]
        for ins, outs, fate in steps:
            up, down = up + ins, down + outs
            said += [] if fate == "lose" else [{"up": up, "down": down}] * (2 if fate == "double" else 1)
        wide = mappings(TOTALS.replace(", wrap: 1000", ""))
        last = said[-1]
        assert present(self.CAMPUS, wide, said, forgetful=True) == max(0, last["up"] - last["down"])


class TestPeriods:
    MAPPINGS = mappings(PERIODS)

    def test_which_way_is_in_the_source_says(self) -> None:
        payload = json.dumps({"from": NOW - 60, "to": NOW, "fw": 5, "bw": 2})
        one, other = concert("count/door?fw=in"), concert("count/door?fw=out")
        found = hear(decoder([one], self.MAPPINGS), "count/door", payload)
        assert [(each.kind, each.body()["count"], each.body()["role"]) for each in found] == [
            ("attendance.entered", 5, "student"),
            ("attendance.left", 2, "student"),
        ]
        found = hear(decoder([other], self.MAPPINGS), "count/door", payload)
        assert [each.kind for each in found if each.body()["count"] == 5] == ["attendance.left"]
        said = refusal(decoder([concert("count/door")], self.MAPPINGS), "count/door", payload)
        assert "write its source as count/door?fw=in or count/door?fw=out" in said

    def test_the_while_tells_one_from_the_next_and_its_end_is_the_time(self) -> None:
        reader = decoder([concert("count/door?fw=in")], self.MAPPINGS)
        (first,) = hear(reader, "count/door", json.dumps({"from": NOW - 120, "to": NOW - 60, "fw": 5, "bw": 0}))
        (again,) = hear(reader, "count/door", json.dumps({"from": NOW - 120, "to": NOW - 60, "fw": 5, "bw": 0, "x": 1}))
        assert first.message_id == again.message_id == f"{NOW - 120}|{NOW - 60}"
        assert first.at == START - timedelta(seconds=60)

    def test_an_empty_while_says_nothing(self) -> None:
        reader = decoder([concert("count/door?fw=in")], self.MAPPINGS)
        assert hear(reader, "count/door", json.dumps({"from": NOW - 60, "to": NOW, "fw": 0, "bw": 0})) == []


class TestGauges:
    CAMPUS = concert("count/door")
    MAPPINGS = mappings(GAUGE)

    def test_each_number_is_a_recount(self) -> None:
        said = [{"occupancy": {"Human": 3}}, {"occupancy": {"Human": 7}}, {"occupancy": {"Human": 4}}]
        assert present(self.CAMPUS, self.MAPPINGS, said) == 4

    def test_an_empty_scene_is_nobody_and_a_missing_one_is_not_known(self) -> None:
        assert present(self.CAMPUS, self.MAPPINGS, [{"occupancy": {"Human": 3}}, {"occupancy": {}}]) == 0
        assert present(self.CAMPUS, self.MAPPINGS, [{"occupancy": {"Human": 3}}, {"battery": 9}]) == 3
        assert present(self.CAMPUS, self.MAPPINGS, [{"occupancy": {"Human": 3}}, {"occupancy": None}]) == 3


class TestCountersAtDoors:
    """A counter that is a device at a door counts for whatever uses the door at the time."""

    def campus(self, **more: Any) -> Campus:
        counter = {"id": "counter", "door": "gym-east", "kind": "counter", "source": "count/door"}
        return concert(None, doors=["gym-east"], **more).model_validate(
            concert(None, doors=["gym-east"], **more).model_dump(by_alias=True) | {"devices": [counter]}
        )

    def test_heads_go_to_the_gathering_and_the_counter_is_alive(self) -> None:
        found = hear(decoder([self.campus()], mappings(GAUGE)), "count/door", '{"occupancy": {"Human": 3}}')
        assert told(found) == [("attendance.counted", "concert"), ("device.heartbeat", "counter")]

    def test_while_nothing_is_on_the_counter_is_alive_and_counts_for_nobody(self) -> None:
        later = self.campus(start="2026-11-24T18:00", end="2026-11-24T20:00")
        found = hear(decoder([later], mappings(GAUGE)), "count/door", '{"occupancy": {"Human": 3}}')
        assert told(found) == [("device.heartbeat", "counter")]

    def test_a_counter_without_a_door_is_told_so(self) -> None:
        campus = lincoln(devices=[{"id": "counter", "kind": "counter", "source": "count/door"}])
        said = refusal(decoder([campus], mappings(GAUGE)), "count/door", '{"occupancy": {"Human": 3}}')
        assert said == "unknown_entity: 'count/door' counts heads, and the campus file gives it no door"


def test_a_line_that_is_counted_by_totals_is_not_counted_by_its_periods_too() -> None:
    campus = concert("ttn/school/vs133/line_1")
    reader = decoder([campus], shipped())
    topic = "v3/school/devices/vs133/up"
    total = {"line_1_total_in": 9374, "line_1_total_out": 9374, "line_1_period_in": 4, "line_1_period_out": 0}
    period = {"line_1_period_in": 4, "line_1_period_out": 0}
    both = hear(reader, topic, json.dumps({"uplink_message": {"decoded_payload": total}}))
    assert [each.body()["total"] for each in both] == [9374, 9374]
    assert hear(reader, topic, json.dumps({"uplink_message": {"decoded_payload": period}})) == []
