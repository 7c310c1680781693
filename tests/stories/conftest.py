"""The watch that every story is about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.campus import Campus
from core.clock import ManualClock
from tests.campuses import lincoln
from tests.stories.duty import Duty, duty

MORNING = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
"""Tuesday, 10:00 in Chicago: somebody is on site, no window is open, Officer Reyes is on shift."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
async def watch(tmp_path: Path, clock: ManualClock, campus: Campus) -> AsyncIterator[Duty]:
    async with duty(tmp_path, clock, campus) as found:
        yield found


@pytest.fixture
def campus() -> Campus:
    """Its sensors speak when something happens; that one does not beat is no part of these stories."""
    return lincoln(devices=[{"id": "gym-east-contact", "door": "gym-east", "kind": "door"}])
