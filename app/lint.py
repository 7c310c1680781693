"""What is not wrong in the files people write, and will surprise; see `rules.lint` and `api.warnings`."""

from __future__ import annotations

from datetime import datetime

from api.warnings import of_campus
from app.documents import Files
from core.errors import Problem
from rules.rule import shipped


def warnings(files: Files, now: datetime) -> list[Problem]:
    """Return what whoever wrote the files would want to know; without rules among them, of those that ship."""
    rules = files.rules or shipped()
    return [problem for campus in files.campuses for problem in of_campus(campus, rules, now)]
