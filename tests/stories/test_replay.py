"""A recording run through `replay --alerts`, and the same messages heard by the live service: one and the same log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app import recordings, rehearsal
from core.clock import ManualClock
from rules.rule import shipped
from simulators.play import record
from simulators.scenarios import library, read_scenario
from tests.stories.duty import Duty, duty

LONG = {"situations", "days"}
"""Hours and days: `tests/integration/test_simulators_library.py` replays them."""
SCENARIOS = [path for path in library() if path.parent.name not in LONG and read_scenario(path).file.expect]
PATIENT = {
    "id": "extreme",
    "steps": [
        {"notify": ["shift:on_duty", "role:admin"]},
        {"after": 60, "notify": ["role:sro", "role:admin", "on_call"]},
        {"after": 120, "notify": ["role:sro", "role:admin"], "repeat": "15m"},
    ],
}
"""Nobody answers in a recording: to ring every minute for nine hours would show nothing more."""


async def live_log(watch: Duty, lines: list[recordings.Line]) -> list[dict[str, Any]]:
    for line in lines:
        await watch.wait(line.rx - watch.now)
        if line.heard is not None:
            await watch.hear_raw(line.heard.topic, line.heard.payload, retained=line.heard.retained)
    async with watch.service.database.reading() as session:
        return await rehearsal.timeline(session)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_replay_tells_what_happened_live(tmp_path: Path, path: Path) -> None:
    scenario = read_scenario(path)
    recording = tmp_path / "messages.jsonl"
    assert scenario.end is not None
    faults = {"duplicate": 0.1, "reorder": 0.1}
    stream = scenario.stream(faults=faults)
    recording.write_bytes(b"".join(record(stream, until=scenario.end, exercise="live")))
    lines = recordings.read(recording)
    # A replay knows nothing from before its first line; the watch begins at the same instant of event time.
    campus = scenario.campus.model_copy(update={"policies": (*scenario.campus.policies, PATIENT)})
    async with duty(tmp_path, ManualClock(lines[0].rx - rehearsal.LATENESS), campus) as watch:
        live = await live_log(watch, lines)
    replayed = await rehearsal.alerts_of(campus, shipped(), lines, [])
    assert replayed == live
    assert any(line["event"] == "opened" for line in live)
