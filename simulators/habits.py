"""How much goes on at a school: how many come, who visits, and how often something goes wrong."""

from __future__ import annotations

from pydantic import Field

from core.calendar import Strict


class Habits(Strict):
    """The life of a school on a day with lessons."""

    students: int = Field(default=600, ge=0, le=20_000)
    staff: int = Field(default=40, ge=0, le=2_000)
    visitors: int = Field(default=25, ge=0, le=1_000)
    incidents: int = Field(default=0, ge=0, le=14)
    """Things that go wrong on a school day, each of another kind; what they are is in the truth record."""
