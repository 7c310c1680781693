"""The wording of notices."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from alerts import alert as moves
from alerts.alert import Alert
from alerts.notices import SMS_LENGTH, Setting, duration, word, word_check, word_test, word_together
from alerts.srp import CHECKLIST, suggestion
from core.findings import Srp
from tests.conftest import START
from tests.unit.alerts.making import advice, finding, later

LINK = "https://hallwatch.example.org/a/" + "x" * 43
ZONE = ZoneInfo("America/Chicago")


def setting(seconds: float = 64) -> Setting:
    return Setting("Lincoln High School", ZONE, later(seconds))


def alert(**changes: Any) -> Alert:
    return replace(moves.opened(finding(**changes), now=START, policy={}), code="K7-42")


def test_a_push_says_how_grave_what_how_long_and_its_code() -> None:
    notice = word(alert(), setting(), link=LINK)
    assert notice.title == "SEVERE · Door 7 (Gym east) is open · for 1:04 · K7-42"
    assert notice.body.splitlines() == [
        "Door 7 (Gym east) is open",
        "Since 08:00 · for 1:04, still true",
        "K7-42 · Lincoln High School",
        LINK,
    ]


def test_without_a_link_the_body_ends_with_code_and_campus() -> None:
    assert word(alert(), setting()).body.endswith("K7-42 · Lincoln High School")


def test_what_is_over_says_so() -> None:
    gone = moves.cleared(alert(), at=later(30), now=later(31))
    notice = word(gone, setting(300))
    assert "over after 0:30" in notice.title
    assert "still true" not in notice.body


def test_what_was_one_instant_has_no_duration() -> None:
    instant = moves.cleared(alert(text="Door 7 (Gym east) was forced"), at=START, now=START)
    assert word(instant, setting()).title == "SEVERE · Door 7 (Gym east) was forced · K7-42"
    assert "At 08:00" in word(instant, setting()).body


def test_the_checklist_and_who_has_it_stand_in_the_body() -> None:
    taken = moves.acknowledged(
        alert(advice=advice(do=("Look at the door", "Close it"))), who="person:reyes", now=later(9)
    )
    body = word(taken, setting()).body
    assert "- Look at the door\n- Close it" in body
    assert "Taken by reyes" in body


@pytest.mark.parametrize("via", ["push", "email", "sms"])
@pytest.mark.parametrize(("exercise", "mark"), [("drill", "DRILL"), ("test", "TEST")])
def test_an_exercise_is_marked_in_title_and_body_or_the_one_line_of_a_text(exercise: str, mark: str, via: str) -> None:
    notice = word(alert(exercise=exercise), setting(), via=via)
    assert notice.title.startswith(mark)
    if via != "sms":
        assert notice.body.startswith(mark)


@pytest.mark.parametrize("via", ["push", "email", "sms"])
@pytest.mark.parametrize("kind", ["alert", "reminder", "cancel", "correction"])
def test_title_and_body_carry_the_code_and_the_body_ends_with_the_link(kind: str, via: str) -> None:
    notice = word(alert(), setting(), kind=kind, via=via, text="it was door 8", link=LINK)
    assert "K7-42" in notice.title
    assert "K7-42" in notice.body
    assert notice.body.endswith(LINK)


def test_a_correction_says_the_right_thing_and_a_cancellation_how_it_ended() -> None:
    assert (
        "CORRECTION · SEVERE · it was door 8" in word(alert(), setting(), kind="correction", text="it was door 8").title
    )
    done = moves.resolved(alert(), who="person:reyes", disposition="false", note="wind", now=later(70))
    notice = word(done, setting(), kind="cancel")
    assert notice.title.startswith("CANCELLED · ")
    assert "Closed as false by reyes: wind" in notice.body


@pytest.mark.parametrize("kind", ["alert", "reminder", "cancel", "correction"])
@pytest.mark.parametrize("link", [None, LINK])
def test_a_text_message_fits_into_one(kind: str, link: str | None) -> None:
    long = alert(text="Door 7 (Gym east) behind the old swimming hall has been standing open " * 3, exercise="drill")
    notice = word(long, setting(), via="sms", kind=kind, text="again " * 60, link=link)
    assert len(notice.title) + 2 + len(notice.body) <= SMS_LENGTH


def test_a_text_message_uses_letters_that_do_not_halve_it() -> None:
    notice = word(alert(text="Door 3 — “Café Škoda” · 开"), setting(), via="sms")
    assert notice.body.startswith('K7-42 Door 3 - "Café Skoda" - ?')


def test_a_link_longer_than_a_text_message_still_comes_whole() -> None:
    link = "https://" + "a" * 180
    notice = word(alert(), setting(), via="sms", link=link)
    assert notice.body.endswith(link)
    assert notice.body.startswith("K7-42 Door")


def test_notices_never_show_the_messages_that_decided() -> None:
    secret = alert(because={"messages": [{"name": "Alex Planted Secret"}]})
    for via in ("push", "email", "sms"):
        notice = word(secret, setting(), via=via)
        assert "Planted" not in notice.title + notice.body


def test_several_alerts_come_as_one_notice_with_every_code() -> None:
    other = replace(alert(key="gym-west", rule="r", text="Door 8 is open", severity="extreme"), code="B1-07")
    notice = word_together([(alert(), LINK), (other, LINK + "2")], setting())
    assert notice.title == "2 alerts · Lincoln High School · K7-42 B1-07"
    assert notice.severity == "extreme"
    assert notice.body.splitlines() == [
        "B1-07 · EXTREME · Door 8 is open · for 1:04",
        LINK + "2",
        "K7-42 · SEVERE · Door 7 (Gym east) is open · for 1:04",
        LINK,
    ]
    short = word_together([(alert(), LINK), (other, None)], setting(), via="sms")
    assert len(short.title) + 2 + len(short.body) <= SMS_LENGTH


def several(*places: tuple[str, str]) -> tuple[list[tuple[Alert, str | None]], dict[int, str]]:
    """Alerts of these rules in these zones, numbered."""
    said: list[tuple[Alert, str | None]] = []
    for number, (rule, _) in enumerate(places, 1):
        one = alert(rule=rule, key=f"d{number}", title=f"Rule {rule}", text=f"Door {number}", severity="moderate")
        said.append((replace(one, id=number, code=f"A0-0{number}"), None))
    return said, {number: zone for number, (_, zone) in enumerate(places, 1)}


def test_those_of_one_rule_in_one_zone_stand_together_under_their_name() -> None:
    said, zones = several(("held", "Gym"), ("silent", "Gym"), ("held", "Lobby"), ("held", "Gym"))
    notice = word_together(said, setting(), zones=zones)
    assert notice.title == "4 alerts · Lincoln High School · A0-01 A0-02 A0-03 A0-04"
    assert [line.removesuffix(" · for 1:04") for line in notice.body.splitlines()] == [
        "2 alerts: Rule held · Gym",
        "A0-01 · MODERATE · Door 1",
        "A0-04 · MODERATE · Door 4",
        "A0-02 · MODERATE · Door 2",
        "A0-03 · MODERATE · Door 3",
    ]


def test_where_all_are_of_one_rule_in_one_zone_the_title_says_so() -> None:
    said, zones = several(("held", "Gym"), ("held", "Gym"), ("held", "Gym"))
    notice = word_together(said, setting(), zones=zones)
    assert notice.title == "3 alerts: Rule held · Gym · Lincoln High School · A0-01 A0-02 A0-03"
    assert len(notice.body.splitlines()) == 3


def test_rules_that_name_the_same_group_stand_together() -> None:
    said, _ = several(("held", ""), ("propped", ""))
    grouped = [(replace(each, group="doors"), link) for each, link in said]
    assert word_together(grouped, setting()).title.startswith("2 alerts: ")


def test_the_action_that_a_rule_suggests_stands_there_as_words_and_a_checklist() -> None:
    forced = alert(severity="extreme", advice=advice(do=("Go to the door.",), srp="secure"))
    for via in ("push", "email"):
        lines = word(forced, setting(), via=via).body.splitlines()
        first = lines.index("Consider Secure: everybody inside, outside doors locked. You decide.")
        assert lines[first - 1] == "- Go to the door."
        assert lines[first + 1 : first + 4] == [f"- {each}" for each in CHECKLIST["secure"]]
    assert word(forced, setting(), via="sms").body.endswith("for 1:04. Consider SECURE")


def test_a_suggestion_that_is_followed_already_or_has_no_room_is_left_out() -> None:
    forced = alert(severity="extreme", advice=advice(srp="secure"))
    secured = dataclasses.replace(setting(), state="secure")
    for via in ("push", "sms", "email"):
        assert "onsider" not in word(forced, secured, via=via).body
    long = replace(forced, text="Door 7 " * 18)
    assert "onsider" not in word(long, setting(), via="sms").body


def test_every_action_has_words_and_a_short_checklist() -> None:
    for action in get_args(Srp):
        words, *checklist = suggestion(action)
        assert words.startswith("Consider ")
        assert words.endswith("You decide.")
        assert 2 <= len(checklist) <= 4
    assert suggestion(None) == []


def test_trying_an_endpoint_out_says_that_nothing_has_happened() -> None:
    notice = word_test("Lincoln High School", "reyes-phone")
    assert notice.title.startswith("TEST")
    assert "Nothing has happened" in notice.body


def test_a_very_long_title_is_cut_and_keeps_its_code() -> None:
    notice = word(alert(text="open " * 100), setting())
    assert len(notice.title) < 220
    assert notice.title.endswith("… · K7-42")


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3, "0:00"), (4, "0:04"), (64, "1:04"), (3725, "1:02:05"), (90000, "1 d 1 h")]
)
def test_durations_read_like_a_stopwatch(seconds: int, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_an_old_alert_names_its_day() -> None:
    assert "Since Tue 24 Nov 08:00" in word(alert(), setting(3 * 86400)).body


def test_how_long_is_told_from_the_opening_of_the_door_not_from_the_end_of_the_patience() -> None:
    held = alert(because={"armed_at": later(-60).isoformat()})
    assert held.since == later(-60)
    assert "for 1:04" in word(held, setting(4)).title


def test_a_call_for_help_says_who_asks_and_where() -> None:
    notice = word(alert(), setting(), kind="help", text="reyes asks for help", link=LINK)
    assert notice.title.startswith("HELP · SEVERE · reyes asks for help · Door 7 (Gym east) is open")
    short = word(alert(), setting(), via="sms", kind="help", text="reyes asks for help", link=LINK)
    assert "HELP" in short.title
    assert "reyes asks for help" in short.body


def test_the_state_of_the_campus_stands_in_the_body() -> None:
    locked = dataclasses.replace(setting(), state="lockdown")
    assert "The campus is in LOCKDOWN" in word(alert(), locked).body
    assert "campus is in" not in word(alert(), setting()).body


def test_the_buttons_fit_how_the_alert_stands() -> None:
    def offered(given: Alert, kind: str = "alert") -> list[str]:
        return [each.label for each in word(given, setting(), kind=kind, link=LINK).buttons]

    taken = moves.acknowledged(alert(), who="person:reyes", now=later(9))
    there = moves.on_scene(taken, who="person:reyes", now=later(20))
    assert offered(alert()) == ["On it", "Known", "Send help"]
    assert offered(taken, "reminder") == ["On scene", "Send help"]
    assert offered(there, "reminder") == ["Send help"]
    assert offered(alert(), "cancel") == []
    assert offered(alert(exercise="test"), "test") == ["On it"], "a test calls nobody"
    assert word(alert(), setting()).buttons == (), "no address, no buttons"


def test_a_letter_says_what_decided_and_a_push_does_not() -> None:
    because = {
        "params": {"hold": "60s"},
        "values": {"door.position": "open", "visit.name": "Alex Planted Secret", "door.tags": ["ada"]},
        "messages": [{"kind": "door.opened", "key": "gym-east", "at": later(-60).isoformat(), "message_id": "m1"}],
    }
    letter = word(alert(because=because), setting(), via="email", link=LINK, picture=b"png")
    for said in ("Rule door-held-open, version 1", "hold = 60s", "door.position = open", "07:59:00 door.opened"):
        assert said in letter.body
    assert "Planted" not in letter.body
    assert letter.body.endswith(LINK)
    assert letter.picture == b"png"
    assert "What decided" not in word(alert(because=because), setting()).body


@pytest.mark.parametrize("kind", ["shift", "nightly"])
def test_a_check_says_that_nothing_has_happened_or_asks_for_one_press(kind: str) -> None:
    notice = word_check("Lincoln High School", "Officer Reyes", kind, LINK if kind == "shift" else None)
    assert notice.severity == "minor"
    assert ("Nothing has happened" in notice.body) == (kind == "nightly")
    assert notice.body.endswith(LINK) == (kind == "shift")
