"""An alert's timeline as a scenario expects it: every step of its life, each at its moment."""

from __future__ import annotations

from typing import Any

from app.sightings import sightings

ALERT: dict[str, Any] = {
    "rule": "visitor-overstay",
    "key": "v-1",
    "began_at": "2026-11-24T14:00:00Z",
    "cleared_at": "2026-11-24T15:00:00Z",
}


def line(at: str, event: str, **data: Any) -> dict[str, Any]:
    return {"at": f"2026-11-24T{at}Z", "event": event, "who": "", "text": "", "data": data}


TIMELINE = [
    line("14:00:01", "opened", severity="moderate"),
    line("14:00:01", "policy", policy="moderate"),
    line("14:00:01", "notify", people=["reyes"], to=["reyes-push"]),
    line("14:00:09", "escalated", was="moderate", severity="severe"),
    line("14:20:00", "acknowledged"),
    line("15:00:02", "cleared"),
    line("15:00:02", "closed", disposition="real"),
]


def test_every_step_is_seen_with_the_severity_it_had_then() -> None:
    found = list(sightings(ALERT, TIMELINE))
    assert [(f"{each.at:%T}", each.state, each.severity) for each in found] == [
        ("14:00:00", "firing", "moderate"),
        ("14:00:01", "told", "moderate"),
        ("14:00:09", "firing", "severe"),
        ("14:20:00", "acknowledged", "severe"),
        ("15:00:00", "resolved", "severe"),
        ("15:00:02", "closed", "severe"),
    ]
    assert {(each.rule, each.key) for each in found} == {("visitor-overstay", "v-1")}


def test_a_notice_names_its_people_and_a_beginning_all_who_were_ever_told() -> None:
    opened, told, *_ = sightings(ALERT, TIMELINE, frozenset({"reyes", "diaz"}))
    assert (opened.told, told.told) == ({"reyes", "diaz"}, {"reyes"})


def test_what_is_kept_back_says_why() -> None:
    (quiet,) = sightings(ALERT, [line("14:00:01", "suppressed", reason="cooldown", until=None)])
    assert (quiet.state, quiet.why) == ("quiet", "cooldown")


def test_of_an_earlier_opening_only_the_line_is_known() -> None:
    first, again = sightings(ALERT, [line("13:00:01", "opened", severity="minor"), line("14:00:01", "repeated")])
    assert (f"{first.at:%T}", f"{again.at:%T}") == ("13:00:01", "14:00:00")
