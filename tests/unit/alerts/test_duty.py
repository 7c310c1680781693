"""Who is on duty, and how they are reached."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from alerts.duty import endpoints_of, on_duty, people, who
from core.campus import Campus
from tests.campuses import LINCOLN, lincoln

# Lincoln lies six hours behind UTC in winter.
IN_CLASS = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
LUNCH = datetime(2026, 11, 24, 17, 40, tzinfo=UTC)
AFTER_SHIFT = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
SATURDAY = datetime(2026, 11, 28, 16, 0, tzinfo=UTC)
THANKSGIVING = datetime(2026, 11, 26, 16, 0, tzinfo=UTC)


def names(campus: Campus, at: datetime) -> list[str]:
    return [person.id for person in on_duty(campus, at)]


def shift(**changes: Any) -> dict[str, Any]:
    return {**LINCOLN["shifts"][0], **changes}


def test_in_class_time_the_officer_is_on_duty() -> None:
    assert names(lincoln(), IN_CLASS) == ["reyes"]


def test_in_the_lunch_break_the_cover_is() -> None:
    assert names(lincoln(), LUNCH) == ["diaz"]


def test_a_break_without_cover_leaves_nobody() -> None:
    assert names(lincoln(shifts=[shift(cover=None)]), LUNCH) == []


def test_between_the_end_of_the_shift_and_the_close_of_the_campus_nobody_is() -> None:
    assert names(lincoln(), AFTER_SHIFT) == []


def test_while_the_campus_is_closed_those_on_call_are_the_shift() -> None:
    assert names(lincoln(), NIGHT) == ["okafor"]
    assert names(lincoln(), SATURDAY) == ["okafor"]


def test_a_shift_of_its_own_on_a_closed_day_counts_beside_the_on_call_list() -> None:
    game = lincoln(shifts=[shift(days=["sat"], at="09:00-17:00", breaks=[])])
    assert names(game, SATURDAY) == ["okafor", "reyes"]


def test_on_a_day_off_no_weekday_shift_holds() -> None:
    assert names(lincoln(), THANKSGIVING) == ["okafor"]


def test_a_shift_past_midnight_belongs_to_the_day_it_began() -> None:
    night = lincoln(shifts=[shift(days=["tue"], at="20:00-04:00", breaks=["00:30-01:00"], cover="diaz")])
    half_past_two = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
    pause = datetime(2026, 11, 25, 6, 45, tzinfo=UTC)
    assert names(night, half_past_two) == ["okafor", "reyes"]
    assert names(night, pause) == ["okafor", "diaz"]


def test_words_mean_roles_people_shifts_and_the_on_call_list() -> None:
    campus = lincoln()

    def meant(*words: str, at: datetime = IN_CLASS) -> list[str]:
        return [person.id for person in people(words, campus, at)]

    assert meant("role:admin") == ["diaz"]
    assert meant("person:okafor") == ["okafor"]
    assert meant("person:nobody") == []
    assert meant("on_call") == ["okafor"]
    assert meant("shift:sro") == ["reyes"]
    assert meant("shift:sro", at=LUNCH) == ["diaz"], "the cover stands in whatever their role"
    assert meant("shift:maintenance") == []
    assert meant("shift:on_duty", "role:sro", "role:admin") == ["reyes", "diaz"], "nobody twice"


def test_the_first_way_a_person_has_is_used_first_and_any_is_all_the_rest() -> None:
    reyes = lincoln().people_by_id["reyes"]
    tiers = [(each.endpoint, each.tier) for each in endpoints_of(reyes, ("push", "sms"))]
    assert tiers == [("reyes-phone", 0), ("reyes-sms", 1)]
    assert [(each.endpoint, each.tier) for each in endpoints_of(reyes, ("any",))] == [
        ("reyes-phone", 0),
        ("reyes-sms", 0),
    ]
    assert [(each.endpoint, each.tier) for each in endpoints_of(reyes, ("email", "sms", "any"))] == [
        ("reyes-sms", 0),
        ("reyes-phone", 1),
    ]
    assert endpoints_of(reyes, ("email",)) == []


def test_who_names_each_endpoint_once() -> None:
    found = who(["shift:on_duty", "role:sro"], lincoln(), IN_CLASS)
    assert [each.endpoint for each in found] == ["reyes-phone", "reyes-sms"]


def test_people_without_endpoints_are_not_reachable() -> None:
    mute = lincoln(people=[{**each, "endpoints": []} for each in LINCOLN["people"]])
    assert who(["role:sro"], mute, IN_CLASS) == ()
