"""The redacted copy names nobody."""

from __future__ import annotations

from typing import Any

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
