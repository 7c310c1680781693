"""CAP 1.2: what we write is what the standard asks for, and the checker would notice if it were not."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from alerts import alert as moves
from alerts import cap
from alerts.alert import Alert
from alerts.cap import NAMESPACE, Line
from alerts.cap_check import check
from tests.campuses import lincoln
from tests.unit.alerts.making import advice, finding, later


def line(seconds: float, event: str, text: str = "", who: str = "hallwatch", **data: Any) -> Line:
    return Line(later(seconds), event, who, text or event, data)


LIFE = (
    line(0, "opened", "Door 7 (Gym east) is open", severity="severe"),
    line(0, "notify", to=["reyes-phone"]),
    line(30, "repeated", opening=1),
    line(60, "escalated", "Door 7 is propped", was="severe", severity="extreme"),
    line(70, "acknowledged", who="person:reyes"),
    line(80, "on_scene", "reyes is on scene", who="person:reyes"),
    line(90, "cleared", "It is over"),
    line(95, "repeated", "Again: Door 7 is open", opening=2),
    line(300, "closed", "reyes closed it as real", who="person:reyes", disposition="real"),
)


def made(**changes: Any) -> Alert:
    alert = replace(moves.opened(finding(**changes), now=later(), policy={}), id=17, code="K7-42")
    return replace(alert, severity="extreme")


def written(alert: Alert | None = None, life: tuple[Line, ...] = LIFE) -> list[bytes]:
    alert = alert or made(advice=advice(do=("Go to the door", "Close it")))
    series = cap.series(alert, life)
    return [cap.write(alert, each, series[: each.number - 1], lincoln()) for each in series]


def value(message: bytes, name: str) -> str | None:
    return ElementTree.fromstring(message).findtext(f".//{{{NAMESPACE}}}{name}")


def test_a_life_is_a_series_and_every_message_of_it_is_cap() -> None:
    messages = written()
    assert [value(each, "msgType") for each in messages] == [
        "Alert",
        "Update",
        "Ack",
        "Update",
        "Update",
        "Update",
        "Cancel",
    ]
    assert [check(each) for each in messages] == [[]] * 7


def test_every_message_names_those_it_follows() -> None:
    messages = written()
    assert value(messages[0], "references") is None
    assert value(messages[2], "references") == (
        "hallwatch@lincoln,lincoln.17.1,2026-11-24T08:00:00-06:00 "
        "hallwatch@lincoln,lincoln.17.2,2026-11-24T08:01:00-06:00"
    )
    assert len({value(each, "identifier") for each in messages}) == 7


def test_the_severity_is_that_of_the_moment() -> None:
    messages = written()
    assert [value(each, "severity") for each in messages] == [
        "Severe",
        "Extreme",
        None,
        "Extreme",
        "Extreme",
        "Extreme",
        "Extreme",
    ]
    assert value(messages[2], "note") == "reyes has it"
    assert value(messages[-1], "responseType") == "AllClear"


@pytest.mark.parametrize(("exercise", "status"), [("live", "Actual"), ("drill", "Exercise"), ("test", "Test")])
def test_an_exercise_is_no_actual_message(exercise: str, status: str) -> None:
    [first, *_] = written(made(exercise=exercise))
    assert value(first, "status") == status
    assert check(first) == []
    assert ("nothing has happened" in (value(first, "note") or "")) == (exercise != "live")


def test_what_people_write_does_no_harm_to_the_xml() -> None:
    text = "Door <7> & \x00 \x0b co ]]> \N{SNOWMAN}"
    alert = made(text=text, title=text)
    [message] = written(alert, (line(0, "opened", text),))
    assert check(message) == []
    assert "Door <7> &" in (value(message, "headline") or "")


def test_utc_is_written_as_the_standard_wants_it() -> None:
    assert cap.moment(datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), ZoneInfo("UTC")) == "2026-01-02T03:04:05-00:00"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("<status>Actual</status>", "<status>Real</status>", "status: says 'Real'; it must be one of"),
        ("<status>Actual</status>", "", "alert/status: is missing"),
        ("<scope>Restricted</scope>", "<scope>Private</scope>", "alert/addresses: are needed"),
        (r"<restriction>.*</restriction>", "", "alert/restriction: is needed"),
        (r"<references>.*</references>", "", "alert/references: are needed"),
        (r"-06:00</sent>", "Z</sent>", "alert/sent: says '2026-11-24T08:01:00Z', which is not of its form"),
        (r"lincoln\.17\.2", "lincoln 17", "alert/identifier: says 'lincoln 17'"),
        ("<sender>", "<sender/><sender>", "alert/sender: stands there 2 times"),
        ("<urgency>Immediate</urgency>", "<urgency>Now</urgency>", "alert/info/urgency: says 'Now'"),
        ("<areaDesc>.*</areaDesc>", "", "alert/info/area/areaDesc: is missing"),
        ("<event>", "<colour>red</colour><event>", "alert/info/colour: is not known here"),
        ("<source>", "<note>early</note><source>", "another order"),
        ("1.2", "1.1", "the root is"),
        ("</alert>", "", "is no XML"),
    ],
)
def test_the_checker_notices(old: str, new: str, words: str) -> None:
    broken = re.sub(old, new, written()[1].decode(), count=1)
    assert words in "\n".join(map(str, check(broken.encode())))


def test_the_checker_wants_to_know_what_is_exercised() -> None:
    [first, *_] = written(made(exercise="drill"))
    broken = re.sub("<note>.*</note>", "", first.decode())
    assert "alert/note: is needed" in "\n".join(map(str, check(broken.encode())))
