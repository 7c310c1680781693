"""The programs of endurance count right: at their smallest all holds, and what is lost or doubled would be told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.endurance import garbage, kills
from benchmarks.endurance.count import Found, Said, compare
from tests import servers


def said() -> Said:
    return Said(ids={"a", "b", "c"}, due={"v1", "v2"}, over={"d9"}, doors={"main": "open"})


def found(**changes: object) -> Found:
    right: dict[str, object] = {
        "readings": Counter({("a", 0): 1, ("b", 0): 1, ("c", 0): 1}),
        "alerts": Counter({"v1": 1, "v2": 1}),
        "deliveries": Counter({"v1": 1, "v2": 1}),
        "pushes": Counter({"v1": 1, "v2": 1}),
        "doors": {"main": "open"},
    }
    return Found(**(right | changes))  # type: ignore[arg-type] # one of the fields, by name


def test_what_came_as_it_was_sent_holds() -> None:
    count = compare("x", said(), found())
    assert (count.sent, count.journalled, count.lost, count.duplicated, count.missing) == (3, 3, 0, 0, 0)
    assert count.holds


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"readings": Counter({("a", 0): 1, ("b", 0): 1})}, "lost"),
        ({"readings": Counter({("a", 0): 2, ("b", 0): 1, ("c", 0): 1})}, "duplicated"),
        ({"doors": {"main": "closed"}}, "lost"),
        ({"alerts": Counter({"v1": 2, "v2": 1})}, "duplicated"),
        ({"pushes": Counter({"v1": 1})}, "missing"),
        ({"pushes": Counter({"v1": 1, "v2": 1, "d9": 1})}, "unwanted"),
        ({"pushes": Counter({"v1": 2, "v2": 1})}, "twice"),
    ],
)
def test_what_is_lost_doubled_or_wrong_is_told(changes: dict[str, object], what: str) -> None:
    count = compare("x", said(), found(**changes))
    assert getattr(count, what) == 1
    assert not count.holds


@pytest.mark.skipif(not servers.MOSQUITTO, reason="mosquitto is not installed (apt-get install mosquitto)")
async def test_the_smallest_kill_and_the_smallest_rubbish_hold(tmp_path: Path) -> None:
    killed = await kills.run(tmp_path / "kills", seconds=2, rate=100)
    assert killed.count.sent == killed.count.journalled > 0
    assert killed.count.holds, killed
    rubbish = await garbage.run(tmp_path / "garbage", seconds=1, rate=1000)
    assert rubbish.count.holds, rubbish
