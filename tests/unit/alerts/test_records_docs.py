"""The pages about delivery and records say what the code does."""

from __future__ import annotations

import re
from typing import get_args

from msgspec.structs import replace

from alerts import alert as moves
from alerts import cap, channels, courier, preflight, presses, week
from alerts.buttons import LABELS
from alerts.cap_check import check
from alerts.outbox import NoticeKind
from alerts.reach import How
from alerts.week_report import Report
from api.record_schemas import Figures
from tests.campuses import lincoln
from tests.servers import ROOT
from tests.unit.alerts.making import finding, later

DELIVERY = (ROOT / "docs" / "delivery.md").read_text("utf-8")
RECORDS = (ROOT / "docs" / "records.md").read_text("utf-8")


def words(page: str, heading: str) -> set[str]:
    """The words in the first column of the table under a heading."""
    table = page.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return {word for line in table.splitlines()[2:] for word in re.findall(r"`([a-z_-]+)`", line.split("|")[1])}


def test_the_example_of_cap_is_what_we_write() -> None:
    [example] = re.findall(r"```xml\n(.*?)```", RECORDS, re.DOTALL)
    alert = replace(moves.opened(finding(), now=later(), policy={}), id=17, code="K7-42")
    life = [
        cap.Line(later(), "opened", "hallwatch", "Door 7 is open", {"severity": "severe"}),
        cap.Line(later(70), "acknowledged", "person:reyes", "reyes has it", {}),
    ]
    series = cap.series(alert, life)
    assert cap.write(alert, series[1], series[:1], lincoln()).decode() == example
    assert check(example.encode()) == []


def test_every_kind_button_reach_and_figure_is_told() -> None:
    assert words(DELIVERY, "kind") == set(get_args(NoticeKind))
    assert set(re.findall(r"^\| \*\*(.*?)\*\* \|", DELIVERY, re.MULTILINE)) == set(LABELS.values())
    assert words(RECORDS, "how") == set(get_args(How))
    assert words(RECORDS, "figure") == set(Figures.model_fields) - {"since", "until", "campus", "alerts", "exercises"}


def test_every_figure_of_the_week_is_told() -> None:
    what = {"campus", "name", "monday", "sunday", "begins_at", "ends_at", "is_over"}
    assert words(RECORDS, "figure of a week") == set(Report.__dataclass_fields__) - what
    assert all(f"`{rule}`" in RECORDS for rule in (*week.PROPPED, *week.OVERSTAYS))


def test_the_lanes_and_times_are_those_of_the_page() -> None:
    lanes = dict(re.findall(r"^\| `([a-z-]+)` \| .* \| (\d+) \|$", DELIVERY, re.MULTILINE))
    assert {lane: int(size) for lane, size in lanes.items()} == dict(channels.LANES)
    assert f"leased for {courier.LEASE.seconds} seconds" in DELIVERY
    assert f"renewed every {courier.RENEW.seconds} seconds" in DELIVERY
    assert f"no answer within {channels.READ_S:.0f} s" in DELIVERY
    assert f"from {preflight.NIGHT:%-H:%M}" in DELIVERY
    assert f"{preflight.PATIENCE.seconds // 60} minutes a `shift-unanswered`" in DELIVERY
    assert presses.AGAIN.seconds == 120
