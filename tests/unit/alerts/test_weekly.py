"""When the report of the week is due, and how it reads where there is little room."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from alerts.notices import SMS_LENGTH, word_report
from alerts.policies import WEEKLY_REPORT, Policy, WeekTime, default_policies, to_plain
from alerts.weekly import last_due
from tests.campuses import lincoln


def policy(when: str | None) -> Policy:
    return Policy.model_validate({"id": WEEKLY_REPORT, "steps": [{"notify": ["role:admin"]}], "weekly": when})


def time(when: str) -> WeekTime:
    found = policy(when).weekly
    assert found is not None
    return found


@pytest.mark.parametrize("when", ["mon 07:00", "sun 23:59", "wed 00:00"])
def test_a_time_of_the_week_is_written_as_it_was_read(when: str) -> None:
    assert to_plain(policy(when))["weekly"] == when


@pytest.mark.parametrize("when", ["monday 07:00", "mon 7:00", "mon 24:00", "mon", "07:00", "abc 07:00", 7])
def test_anything_else_is_refused_with_an_example(when: str) -> None:
    with pytest.raises(ValidationError, match="write it like"):
        policy(when)


def test_no_other_policy_has_one() -> None:
    with pytest.raises(ValidationError, match="for the policy 'weekly-report' alone"):
        Policy.model_validate({"id": "minor", "steps": [{"notify": ["role:admin"]}], "weekly": "mon 07:00"})


def test_it_was_last_at_that_hour_of_the_local_clock() -> None:
    zone = lincoln().zone_info
    before = time("mon 07:00").before
    assert before(datetime(2026, 11, 30, 13, 0, tzinfo=UTC), zone) == (
        date(2026, 11, 30),
        datetime(2026, 11, 30, 13, 0, tzinfo=UTC),
    )
    assert before(datetime(2026, 11, 30, 12, 59, tzinfo=UTC), zone)[0] == date(2026, 11, 23)
    assert before(datetime(2026, 11, 29, 23, 0, tzinfo=UTC), zone)[0] == date(2026, 11, 23)


def test_the_hour_is_the_same_before_and_after_the_clocks_change() -> None:
    zone, before = lincoln().zone_info, time("mon 07:00").before
    assert before(datetime(2026, 11, 1, 18, tzinfo=UTC), zone)[1] == datetime(2026, 10, 26, 12, tzinfo=UTC)
    assert before(datetime(2026, 11, 2, 18, tzinfo=UTC), zone)[1] == datetime(2026, 11, 2, 13, tzinfo=UTC)


def test_an_hour_that_does_not_exist_is_the_next_that_does_and_one_that_is_there_twice_counts_once() -> None:
    zone, before = lincoln().zone_info, time("sun 02:30").before
    assert before(datetime(2026, 3, 8, 20, tzinfo=UTC), zone)[1] == datetime(2026, 3, 8, 8, tzinfo=UTC)
    twice = time("sun 01:30").before
    assert twice(datetime(2026, 11, 1, 7, 45, tzinfo=UTC), zone)[1] == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_the_report_is_that_of_the_last_whole_week() -> None:
    due = last_due(lincoln(), datetime(2026, 12, 2, 12, tzinfo=UTC))
    assert due is not None
    assert (due.monday, due.at) == (date(2026, 11, 23), datetime(2026, 11, 30, 13, tzinfo=UTC))
    assert last_due(lincoln(policies=[to_plain(policy(None))]), due.at) is None


def test_policies_that_cannot_be_read_do_not_stop_it() -> None:
    broken = lincoln(policies=[{"id": "extreme", "steps": []}])
    due = last_due(broken, datetime(2026, 12, 2, 12, tzinfo=UTC))
    assert due is not None
    assert due.policy == default_policies()[WEEKLY_REPORT]


def test_a_text_message_holds_the_beginning_of_it() -> None:
    notice = word_report("Weekly report · Lincoln · 23 Nov to 29 Nov\n" + "Alerts: 5 (4)\n" * 40, via="sms")
    assert len(notice.title) + 2 + len(notice.body) <= SMS_LENGTH
    assert notice.body.startswith("Alerts: 5 (4); Alerts")
