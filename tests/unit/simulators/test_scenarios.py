"""Scenario files: what they mean, what ships, and what a writer is told when something is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import BadInput
from simulators.faults import GARBAGE
from simulators.play import record
from simulators.scenarios import Scenario, find_scenario, library, parse_scenario, read_scenario, scenario_schema
from tests.unit.simulators.streams import body, in_order, understood, written

HEAD = 'scenario: s\ncampus: campuses/always-open.yaml\nstart: "2026-11-24T10:00"\n'
TEN = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)


def scenario(text: str) -> Scenario:
    return parse_scenario(HEAD + "reports: false\n" + text, file="s.yaml")


def told(text: str) -> list[tuple[float, str, dict[str, Any]]]:
    """Return seconds after the start, topic behind the campus, and payload of everything that is said."""
    return [
        ((each.sent_at - TEN).total_seconds(), each.topic.split("/", 2)[2], body(each, exercise="live"))
        for each in scenario(text).stream()
    ]


def problems(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse_scenario(text, file="s.yaml")
    return [str(problem) for problem in caught.value.problems]


# ---------------------------------------------------------------------------------------------- what it means
def test_a_door_opens_for_so_long() -> None:
    said = told("script: [{at: 10s, door: gym-east, opens: {for: 6m}}]")
    assert [(at, topic, payload["position"]) for at, topic, payload in said] == [
        (10, "door/gym-east", "open"),
        (370, "door/gym-east", "closed"),
    ]


def test_times_are_after_the_start_or_on_the_campuss_clock() -> None:
    said = told('script: [{at: "10:05", door: main, say: {lock: locked}}, {at: 1m, door: main, say: {lock: unlocked}}]')
    assert [(at, payload["lock"]) for at, _, payload in said] == [(60, "unlocked"), (300, "locked")]


@pytest.mark.parametrize(
    ("subject", "says", "topic"),
    [
        ("door: main", "access: denied, credential: c-9", "door/main"),
        ("station: lobby", "action: id_refused, visit: v-1", "visitor/lobby"),
        ("gathering: play", "mode: absolute, count: 12", "attendance/play"),
        ("device: main", "kind: tamper", "device/main"),
        ("campus: state", "state: secure, by: reyes", "campus/state"),
        ("campus: sweep", "sweep: done, unlocked: 1", "campus/sweep"),
    ],
)
def test_say_says_what_the_devices_own_topic_carries(subject: str, says: str, topic: str) -> None:
    ((at, heard_on, payload),) = told(f"script: [{{at: 5s, {subject}, say: {{{says}}}}}]")
    assert (at, heard_on) == (5, topic)
    assert set(payload) == {"id", "at", *(each.split(":")[0] for each in says.split(", "))}


def test_a_line_may_happen_again_and_again() -> None:
    said = told("script: [{at: 0s, every: 10s, times: 3, door: main, opens: {for: 15s}}]")
    assert [(at, payload["position"]) for at, _, payload in said] == [
        (0, "open"),
        (10, "open"),
        (15, "closed"),
        (20, "open"),
        (25, "closed"),
        (35, "closed"),
    ]


def test_visits_that_repeat_are_different_visits() -> None:
    said = told("script: [{at: 0s, every: 10m, times: 2, visit: {id: v-1, stays: 5m, screening: null}}]")
    assert [payload["visit"] for _, _, payload in said] == ["v-1", "v-1", "v-1-2", "v-1-2"]


def test_what_is_sent_late_keeps_its_own_time() -> None:
    ((at, _, payload),) = told("script: [{at: 10s, delay: 4s, door: gym-east, say: {exit_request: true}}]")
    assert at == 14
    assert payload["at"] == "2026-11-24T16:00:10.000Z"


def test_a_time_that_the_script_gives_stands() -> None:
    ((_, _, payload),) = told('script: [{at: 1s, door: main, say: {position: open, at: "2031-01-01T00:00:00Z"}}]')
    assert payload["at"] == "2031-01-01T00:00:00Z"


def test_send_sends_anything_anywhere() -> None:
    text = """script:
      - {at: 1s, send: {topic: "zigbee2mqtt/Gym East", payload: {contact: false}, retain: true, qos: 0}}
      - {at: 2s, send: {topic: "{prefix}/always-open/device/main", payload: offline}}
      - {at: 3s, send: {topic: "{prefix}/always-open/door/main", hex: "fffe"}}
    """
    first, second, third = scenario(text).stream(prefix="trial/campus")
    assert (first.topic, first.payload, first.retain, first.qos) == (
        "zigbee2mqtt/Gym East",
        {"contact": False},
        True,
        0,
    )
    assert (second.topic, second.payload) == ("trial/campus/always-open/device/main", "offline")
    assert third.payload == b"\xff\xfe"


def test_every_door_reports_itself_closed_at_the_start_unless_told_not_to() -> None:
    said = [body(each) for each in parse_scenario(HEAD).stream()]
    assert len(said) == 7
    assert all(each["position"] == "closed" and each["initial"] for each in said)
    assert list(scenario("").stream()) == []


def test_a_scenario_lasts_until_its_last_word_or_expectation_or_as_long_as_it_says() -> None:
    line = "script: [{at: 20s, door: main, say: {lock: locked}}]\n"
    late = "expect: [{rule: r, key: main, at: 5m, within: 30s}]\n"
    assert scenario(line).end == TEN + timedelta(seconds=30)
    assert scenario(line + late).end == TEN + timedelta(minutes=5, seconds=40)
    assert scenario(line + "length: 1h").end == TEN + timedelta(hours=1)
    assert list(scenario(line + "length: 10s").stream()) == []


def test_a_loop_goes_on_without_end_after_the_script_and_its_visits_are_new_ones() -> None:
    text = """script: [{at: 60s, door: main, say: {lock: locked}}]
loop: {every: 10m, script: [{at: 5s, visit: {id: v-9, screening: null}}]}
"""
    endless = scenario(text)
    assert endless.end is None
    said = list(islice(endless.stream(), 4))
    assert [(each.at - TEN).total_seconds() for each in said] == [60, 65, 665, 1265]
    assert [each.payload.get("visit") for each in said] == [None, "v-9", "v-9-2", "v-9-3"]


def test_faults_come_from_the_file_or_in_its_place() -> None:
    text = "faults: {drop: 1.0}\nscript: [{at: 1s, door: main, say: {lock: locked}}]"
    assert list(scenario(text).stream()) == []
    assert len(list(scenario(text).stream(faults={}))) == 1
    assert len(list(scenario(text).stream(faults={"duplicate": 1.0, "drop": 0}))) == 2


def test_expectations_move_with_the_moment_of_the_start() -> None:
    found = scenario("expect: [{rule: door-held-open, key: main, at: 70s}]")
    assert found.wanted()[0].at == TEN + timedelta(seconds=70)
    started = TEN + timedelta(days=2)
    assert found.wanted(started=started)[0].at == started + timedelta(seconds=70)


# ------------------------------------------------------------------------------------------------ what ships
@pytest.mark.parametrize("path", library(), ids=lambda path: path.stem)
def test_a_shipped_scenario_is_in_order_understood_and_the_same_for_the_same_seed(path: Path) -> None:
    found = read_scenario(path)
    said = list(islice(found.stream(), 3000))
    assert found.id == path.stem
    assert found.file.about
    assert in_order(said)
    assert all(understood(each, found.campus) for each in said if each.payload not in GARBAGE)
    again = islice(read_scenario(path).stream(), 3000)
    assert written(said) == written(again)


@pytest.mark.parametrize(
    "path", [path for path in library() if path.parent.name == "rules"], ids=lambda path: path.stem
)
def test_a_rules_scenario_has_a_case_that_fires_and_one_that_does_not(path: Path) -> None:
    found = read_scenario(path).file
    assert any(each.rule == path.stem and each.state == "firing" for each in found.expect)
    assert any(each.rule == path.stem for each in found.forbid)


def test_a_scenario_is_found_by_its_name_or_its_file() -> None:
    assert read_scenario(find_scenario("door-propped")).id == "door-propped"
    assert find_scenario("my/own.yaml") == Path("my/own.yaml")
    with pytest.raises(BadInput, match=r"no scenario 'door-prop'.*door-propped"):
        find_scenario("door-prop")


def test_a_recording_has_one_line_for_each_word_and_runs_on_to_the_end() -> None:
    found = scenario('script: [{at: 1s, door: main, say: {lock: locked}}, {at: 2s, send: {topic: t, payload: "on"}}]')
    first, second, last = (msgspec.json.decode(line) for line in record(found.stream(), until=found.end))
    assert first["rx"] == "2026-11-24T16:00:01.000Z"
    assert first["topic"] == "campus/always-open/door/main"
    assert first["payload"]["lock"] == "locked"
    assert second == {"rx": "2026-11-24T16:00:02.000Z", "topic": "t", "payload": "on"}
    assert last == {"rx": "2026-11-24T16:00:12.000Z"}


def test_what_is_not_text_cannot_be_recorded_and_it_is_said_so() -> None:
    found = scenario('script: [{at: 1s, send: {topic: t, hex: "ff"}}]')
    with pytest.raises(BadInput, match="on t is not text"):
        list(record(found.stream()))


def test_the_schema_names_every_verb_and_subject() -> None:
    schema = scenario_schema()
    entry = schema["$defs"]["Entry"]["properties"]
    assert {"at", "door", "opens", "say", "visit", "crowd", "send"} <= set(entry)
    assert set(schema["required"]) == {"scenario", "campus", "start"}


# ------------------------------------------------------------------------------------------ what can be wrong
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "script: [{at: 1s, door: gim-east, opens: {}}]",
            "script[0].door: no door 'gim-east'; did you mean 'gym-east'?",
        ),
        (
            "script: [{at: soon, door: main, opens: {}}]",
            "script[0].at: not a duration; write it like 90s, 10m, 2h or 1d",
        ),
        ('script: [{at: "7:99", door: main, opens: {}}]', 'script[0].at: not a time of day; write it like "07:45"'),
        ("script: [{at: 1s, door: main}]", "script[0]: one of opens, say, visit, crowd, send is required"),
        (
            "script: [{at: 1s, door: main, opens: {}, say: {lock: locked}}]",
            "script[0]: one of opens, say, visit, crowd, send is required, not opens and say",
        ),
        ("script: [{at: 1s, opens: {}}]", "script[0]: opens: door is required"),
        ("script: [{at: 1s, door: main, crowd: {count: 1}}]", "script[0]: crowd: the subject must be gathering"),
        (
            "script: [{at: 1s, door: main, send: {topic: t}}]",
            "script[0]: send: the subject must be left out",
        ),
        (
            "script: [{at: 1s, times: 3, door: main, opens: {}}]",
            "script[0]: every: is required where times is more than 1",
        ),
        (
            "script: [{at: 1s, door: main, say: {position: ajar}}]",
            "script[0].say: position must be one of closed, open",
        ),
        ("script: [{at: 1s, door: main, opens: {fro: 6m}}]", "script[0].opens.fro: no such key"),
        ("faults: {dropp: 0.1}", "faults: no fault 'dropp'; did you mean 'drop'?"),
        ("loop: {every: 0s, script: [{at: 1s, door: main, opens: {}}]}", "loop.every: must be 1s or more"),
        (
            "day: true\nloop: {every: 9s, script: [{at: 1s, door: main, opens: {}}]}",
            "day: an endless loop has no ordinary day in the background",
        ),
        ("expect: [{rule: r, at: 1s}]", "expect[0].key: is required"),
        ("wind: strong", "wind: no such key"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(text: str, problem: str) -> None:
    assert problems(HEAD + text) == [f"s.yaml:4: {problem}"]


def test_every_mistake_is_told_at_once() -> None:
    found = problems(HEAD + "script:\n  - {at: 1s, door: x, opens: {}}\n  - {at: 1s, device: y, say: {kind: tamper}}\n")
    assert [each.split(" ")[0] for each in found] == ["s.yaml:5:", "s.yaml:6:"]


def test_a_campus_that_is_missing_or_wrong_is_told_where() -> None:
    head = 'scenario: s\nstart: "2026-11-24T10:00"\n'
    assert problems(head + "campus: nowhere.yaml") == ["s.yaml:3: campus: no such file: nowhere.yaml"]
    inline = "campus:\n  campus: {id: a, name: A, timezone: UTC}\n  doors: [{id: d, name: D, zone: z}]\n"
    assert problems(head + inline) == ["s.yaml:5: campus.doors[0].zone: no zone 'z'"]


@pytest.mark.parametrize("text", ["", "- 1\n", "just words", "a: [", HEAD + "---\n" + HEAD])
def test_what_is_no_scenario_is_refused_without_a_fuss(text: str) -> None:
    assert problems(text)
