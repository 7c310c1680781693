"""The redacted copy names nobody."""

from __future__ import annotations

import re
from typing import Any

import pytest

from alerts.redaction import WITHHELD, redact
from tests.campuses import lincoln

DATA: dict[str, Any] = {
    "alert": {
        "title": "A visitor matches",
        "text": "Ms. Diaz saw Alex Planted Secret at door 7",
        "acknowledged_by": "person:reyes",
        "note": "he was calm",
        "because": {"values": {"visit.name": "Robin Free", "door.position": "open"}},
    },
    "rule": {"id": "r", "alert": {"text": "{door} is open"}},
    "messages": [{"kind": "visitor.checked_in", "body": {"name": "Robin Free"}}],
    "timeline": [
        {
            "event": "notify",
            "who": "hallwatch",
            "text": "Step 1 tells reyes, diaz",
            "data": {"people": ["reyes", "diaz"]},
        },
        {"event": "note", "who": "user:Pat Jones", "text": "Robin Free left", "data": {}},
        {"event": "something-new", "who": "person:diaz", "text": "by hand", "data": {}},
    ],
    "deliveries": [{"person": "reyes", "endpoint": "reyes-phone", "reason": "diaz has it"}],
    "reach": [{"person": "reyes", "name": "Officer Reyes", "words": "NOT REACHED: call 555-0100"}],
    "audit": [{"actor": "user:Pat Jones", "action": "alert.note", "detail": {"text": "Robin Free left"}, "hash": "ab"}],
}


def test_nobody_is_named_and_what_was_written_freely_is_withheld() -> None:
    told = repr(redact(DATA, lincoln()))
    for secret in (
        "reyes",
        "Reyes",
        "diaz",
        "Diaz",
        "Pat Jones",
        "Planted",
        "Robin Free",
        "calm",
        "by hand",
        "555-0100",
    ):
        assert secret not in told


def test_the_same_person_is_the_same_number_throughout() -> None:
    clean = redact(DATA, lincoln())
    reyes = clean["alert"]["acknowledged_by"].removeprefix("person:")
    assert reyes.startswith("person ")
    assert clean["deliveries"][0]["person"] == clean["reach"][0]["name"] == reyes
    assert reyes in clean["timeline"][0]["text"]


def test_what_names_nobody_stays() -> None:
    clean = redact(DATA, lincoln())
    assert clean["alert"]["because"]["values"] == {"door.position": "open"}
    assert clean["rule"]["alert"]["text"] == "{door} is open"
    assert clean["audit"][0]["hash"] == "ab"
    assert clean["timeline"][1]["text"] == WITHHELD
    assert clean["timeline"][0]["who"] == "hallwatch"


def line(event: str, text: str, **data: Any) -> dict[str, Any]:
    return {"event": event, "who": "person:diaz", "text": text, "data": data}


def redacted(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return redact({"timeline": list(lines), **more}, lincoln())


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ("handover", "diaz handed it over to Officer Reyes"),
        ("unsuppressed", "Nothing keeps it quiet any more, and it still stands"),
        ("stale", "It has been true for more than a day"),
        ("flood", "More than 10 alerts in ten minutes: reyes gets what is not grave in digests"),
        ("digest", "In a flood: reyes get it in a digest"),
        ("exercise", "A drill said the rule is firing; this alert is live"),
        ("coverage_gap", "Step 1 reaches nobody (role:sro): nobody of them can be reached now"),
    ],
)
def test_what_the_desk_says_by_itself_is_kept_without_names(event: str, text: str) -> None:
    [said] = redacted(line(event, text, person="reyes", reason="shelved"))["timeline"]
    names = {"diaz": "", "Officer Reyes": "", "reyes": ""}
    for piece in re.split("|".join(names), text):
        assert piece in said["text"]
    assert not any(name in repr(said) for name in names)
    assert said["data"]["reason"] == "shelved"


@pytest.mark.parametrize(
    ("event", "before"),
    [
        ("suppressed", "diaz keeps it quiet until 12:00"),
        ("closed", "diaz closed it as real"),
        ("reopened", "diaz opened it again"),
        ("opened", "diaz opened K7-42 again"),
    ],
)
def test_a_line_that_quotes_somebody_keeps_what_happened_and_withholds_the_quote(event: str, before: str) -> None:
    free = "Robin Free is in the office"
    waiting = {"endpoint": "reyes-phone", "person": "reyes", "reason": f"{before}: {free}"}
    reach = {"person": "reyes", "name": "Officer Reyes", "words": f"not told: {before}: {free}"}
    clean = redacted(line(event, f"{before}: {free}", said=free, by=3), deliveries=[waiting], reach=[reach])
    [said] = clean["timeline"]
    assert said["text"] == f"{before.replace('diaz', said['who'].removeprefix('person:'))}: {WITHHELD}"
    assert said["data"] == {"said": WITHHELD, "by": 3}
    assert clean["deliveries"][0]["reason"] == said["text"]
    assert clean["reach"][0]["words"] == f"not told: {said['text']}"
    assert "Robin" not in repr(clean)


def test_a_quote_that_is_not_marked_is_withheld_with_all_around_it() -> None:
    [said] = redacted(line("closed", "diaz closed it as real: Robin Free"))["timeline"]
    assert said["text"] == WITHHELD
