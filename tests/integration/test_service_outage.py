"""What the service stands on goes away, and comes back: readiness tells it, nothing is lost, work goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from benchmarks import outage
from tests import servers

pytestmark = [
    pytest.mark.skipif(not servers.MOSQUITTO, reason="mosquitto is not installed (apt-get install mosquitto)"),
    pytest.mark.timeout(180),
]


@pytest.mark.parametrize("of", ["broker", "database"])
async def test_nothing_is_lost_while_it_is_away(tmp_path: Path, of: Literal["broker", "database"]) -> None:
    found = await outage.run(tmp_path, of, seconds=6.0)
    assert found.holds, found
