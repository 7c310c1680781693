from __future__ import annotations

from app.differences import MOST, told
from core.registry import Change


def test_a_change_is_told_leaf_by_leaf() -> None:
    before = {"id": "r", "params": {"hold": {"default": "60s", "max": "30m"}}, "severity": "severe", "text": "old"}
    after = {"id": "r", "params": {"hold": {"default": "90s", "max": "30m"}}, "severity": "extreme", "do": ["Go."]}
    assert told(Change("changed", "rule", "r", before, after)).splitlines() == [
        "~ rule r",
        "    params.hold.default: 60s -> 90s",
        "    severity: severe -> extreme",
        "    - text: old",
        "    + do: [Go.]",
    ]


def test_what_is_new_or_gone_is_one_line() -> None:
    assert told(Change("added", "doors", "x", None, {"id": "x"})) == "+ doors x"
    assert told(Change("removed", "doors", "x", {"id": "x"})) == "- doors x"


def test_members_of_a_list_go_by_their_ids() -> None:
    before = {"steps": [{"id": "a", "n": 1}, {"id": "b", "n": 2}]}
    after = {"steps": [{"id": "b", "n": 3}, {"id": "a", "n": 1}]}
    assert told(Change("changed", "policies", "p", before, after)).splitlines()[1:] == ["    steps[b].n: 2 -> 3"]


def test_secrets_are_never_told() -> None:
    person = {"id": "reyes", "endpoints": [{"id": "p", "url": "ntfy://planted"}]}
    more = {"id": "reyes", "endpoints": [{"id": "p", "url": "ntfy://planted2"}, {"id": "q", "url": "ntfy://planted3"}]}
    entry, hook = {"id": "w", "name": "planted", "aliases": ["planted"]}, {"secret": "planted"}
    said = [
        told(Change("changed", "people", "reyes", person, more)),
        told(Change("changed", "people", "reyes", {"id": "reyes"}, more)),
        told(Change("changed", "watch_list", "w", entry, {"id": "w", "name": "planted2", "instruction": "planted"})),
        told(Change("changed", "hook", "h", hook, {"secret": "planted2"})),
    ]
    assert not any("planted" in each for each in said)
    assert "endpoints[p].url: (masked)" in said[0]
    assert "+ endpoints[q]" in said[0]


def test_a_long_difference_ends_somewhere() -> None:
    before, after = {str(n): n for n in range(50)}, {str(n): n + 1 for n in range(50)}
    lines = told(Change("changed", "rule", "r", before, after)).splitlines()
    assert len(lines) == MOST + 2
    assert lines[-1] == "    … and 30 more"
    assert len(told(Change("changed", "rule", "r", {"a": "x"}, {"a": "y" * 500}))) < 200
