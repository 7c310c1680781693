"""What is true on a campus after its messages: edges, repeats, older news, recounts, sign-outs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.campus import Campus
from core.facts import CampusFacts, DeviceFacts, DoorFacts, Facts, GatheringFacts, VisitFacts
from core.messages import (
    MAX_COUNTERS,
    AttendanceCounted,
    AttendanceEntered,
    AttendanceLeft,
    CampusStateChanged,
    DeviceBatteryLow,
    DeviceHeartbeat,
    DeviceOffline,
    DeviceOnline,
    DeviceRestored,
    DeviceTampered,
    DoorClosed,
    DoorLocked,
    DoorOpened,
    DoorUnlocked,
    ExitRequested,
    Message,
    SweepLogged,
    VisitorCheckedIn,
    VisitorCheckedOut,
    VisitorDenied,
    VisitorPreregistered,
    VisitorScreened,
)
from core.world import World
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.core.said import said


@pytest.fixture
def world(campus: Campus) -> World:
    return World(campus)


def door(world: World) -> DoorFacts:
    facts = world.get("door", "gym-east")
    assert isinstance(facts, DoorFacts)
    return facts


def visit(*messages: Message) -> VisitFacts:
    """Return the visit after the messages, in the order in which they came."""
    world = World(lincoln())
    for message in messages:
        world.apply(message)
    facts = world.get("visit", "v-7")
    assert isinstance(facts, VisitFacts)
    return facts


def gathering(*messages: Message) -> GatheringFacts:
    world = World(lincoln())
    for message in messages:
        world.apply(message)
    facts = world.get("gathering", "winter-concert")
    assert isinstance(facts, GatheringFacts)
    return facts


def device(*messages: Message) -> DeviceFacts:
    world = World(lincoln())
    for message in messages:
        world.apply(message)
    facts = world.get("device", "gym-east-contact")
    assert isinstance(facts, DeviceFacts)
    return facts


# -------------------------------------------------------------------------------------------------- edges
def test_the_first_word_of_a_door_is_an_edge_and_the_repeat_is_none(world: World) -> None:
    assert world.apply(said(DoorOpened, 0))
    assert not world.apply(said(DoorOpened, 5))
    assert world.apply(said(DoorClosed, 9))
    assert door(world).position == "closed"
    assert door(world).position_at == START + timedelta(seconds=9)


def test_open_since_is_the_edge_and_not_the_repeat(world: World) -> None:
    world.apply(said(DoorOpened, 0))
    world.apply(said(DoorOpened, 60))
    assert door(world).position_at == START
    assert door(world).position_heard_at == START + timedelta(seconds=60)
    assert door(world).heard_at == START + timedelta(seconds=60)


def test_state_that_is_reported_again_after_a_boot_is_no_edge(world: World) -> None:
    assert not world.apply(said(DoorOpened, 0, initial=True))
    assert door(world).position == "open"
    assert not world.apply(said(DoorOpened, 1))
    assert world.apply(said(DoorClosed, 2))


def test_older_news_is_no_edge_and_changes_nothing(world: World) -> None:
    world.apply(said(DoorClosed, 10))
    assert not world.apply(said(DoorOpened, 5))
    assert door(world).position == "closed"
    assert door(world).position_at == START + timedelta(seconds=10)
    assert door(world).heard_at == START + timedelta(seconds=10)


def test_lock_and_position_do_not_age_each_other(world: World) -> None:
    world.apply(said(DoorLocked, 10))
    assert world.apply(said(DoorOpened, 5))
    assert (door(world).lock, door(world).position) == ("locked", "open")


def test_an_event_is_an_edge_every_time(world: World) -> None:
    assert world.apply(said(ExitRequested, 0))
    assert world.apply(said(ExitRequested, 0))
    assert world.apply(said(SweepLogged, 0))
    assert not world.apply(said(ExitRequested, 0, initial=True))


def test_what_nobody_has_spoken_of_is_unknown(world: World) -> None:
    assert world.get("door", "gym-east") is None
    world.apply(said(DoorLocked, 0))
    assert door(world).position is None


def test_the_health_of_the_device_comes_with_the_doors_word(world: World) -> None:
    world.apply(said(DoorOpened, 0, device="gym-east-contact", battery_pct=80, battery_low=False, tamper=False))
    facts = world.get("device", "gym-east-contact")
    assert isinstance(facts, DeviceFacts)
    assert (facts.online, facts.battery_pct, facts.battery_low, facts.tampered) == (True, 80, False, False)


def test_a_low_battery_and_a_tampered_device_are_edges_of_their_own_messages(world: World) -> None:
    world.apply(said(DoorOpened, 0, device="gym-east-contact", battery_low=True, tamper=True))
    assert world.apply(said(DeviceBatteryLow, 0))
    assert world.apply(said(DeviceTampered, 0))
    assert not world.apply(said(DeviceTampered, 1))


def test_a_message_of_ours_changes_nothing_on_the_campus(world: World) -> None:
    from core.messages import AlertOpened

    assert world.apply(said(AlertOpened, 0, subject="gym-east", rule="door-held-open", severity="severe"))
    assert world.take_changes() == []


# ------------------------------------------------------------------------------------------------ devices
def test_whoever_speaks_is_online_and_a_last_will_is_no_word_of_the_device() -> None:
    facts = device(said(DeviceHeartbeat, 0), said(DeviceOffline, 5))
    assert facts.online is False
    assert facts.heard_at == START
    assert device(said(DeviceOffline, 5), said(DeviceHeartbeat, 6)).online is True


def test_an_old_last_will_does_not_take_a_device_down() -> None:
    assert device(said(DeviceOnline, 10), said(DeviceOffline, 5)).online is True


def test_a_tampered_device_stays_so_until_it_is_restored() -> None:
    tampered = (said(DeviceTampered, 0), said(DeviceHeartbeat, 5))
    assert device(*tampered).tampered is True
    assert device(*tampered, said(DeviceRestored, 9)).tampered is False
    assert device(*tampered, said(DeviceRestored, -1)).tampered is True


def test_an_older_word_about_the_battery_changes_nothing() -> None:
    facts = device(said(DeviceBatteryLow, 10, battery_pct=8), said(DeviceHeartbeat, 0, battery_pct=100))
    assert (facts.battery_low, facts.battery_pct) == (True, 8)


def test_messages_whose_time_could_not_be_believed_are_counted() -> None:
    assert (
        device(
            said(DeviceHeartbeat, 0, skewed=True), said(DeviceHeartbeat, 1), said(DeviceHeartbeat, 2, skewed=True)
        ).skewed
        == 2
    )


# ----------------------------------------------------------------------------------------------- visitors
def test_a_visitor_signs_in_and_out() -> None:
    facts = visit(
        said(VisitorPreregistered, 0, name="Pat Doe", type="volunteer"),
        said(VisitorCheckedIn, 10, host="Ms. Ito"),
        said(VisitorCheckedOut, 100),
    )
    assert (facts.state, facts.name, facts.type, facts.host) == ("out", "Pat Doe", "volunteer", "Ms. Ito")
    assert facts.checked_out_by == "station"
    assert facts.state_at == START + timedelta(seconds=100)


@pytest.mark.parametrize("screening", ["possible", "confirmed", "error"])
def test_a_visitor_whose_screening_is_not_clear_is_held_and_not_in(screening: Any) -> None:
    held = said(VisitorCheckedIn, 0, screening=screening)
    assert visit(held).state == "held"
    assert visit(held, said(VisitorScreened, 9, screening="clear")).state == "in"
    assert visit(held, said(VisitorDenied, 9)).state == "denied"


@pytest.mark.parametrize("screening", ["clear", "not_run", None])
def test_any_other_visitor_is_in(screening: Any) -> None:
    assert visit(said(VisitorCheckedIn, 0, screening=screening)).state == "in"


def test_a_match_that_comes_after_the_check_in_holds_the_visitor() -> None:
    assert visit(said(VisitorCheckedIn, 0), said(VisitorScreened, 5, screening="confirmed")).state == "held"


def test_a_match_that_arrives_before_its_check_in_holds_the_visitor_too() -> None:
    assert visit(said(VisitorScreened, 5, screening="confirmed"), said(VisitorCheckedIn, 0)).state == "held"


def test_an_announcement_that_arrives_after_the_visitor_changes_nothing_but_what_was_not_known() -> None:
    facts = visit(
        said(VisitorCheckedIn, 10, name="Pat"), said(VisitorPreregistered, 0, name="Patricia", purpose="tour")
    )
    assert (facts.state, facts.name, facts.purpose) == ("in", "Pat", "tour")


def test_a_sign_in_that_arrives_after_its_sign_out_changes_nothing() -> None:
    assert visit(said(VisitorCheckedOut, 10, method="person"), said(VisitorCheckedIn, 0)).state == "out"


def test_two_visitors_of_one_name_are_two_visits() -> None:
    world = World(lincoln())
    world.apply(said(VisitorCheckedIn, 0, visit="v-1", name="Pat Doe"))
    world.apply(said(VisitorCheckedIn, 0, visit="v-2", name="Pat Doe"))
    world.apply(said(VisitorCheckedOut, 5, visit="v-1"))
    assert {facts.id: facts.state for facts in world.of("visit") if isinstance(facts, VisitFacts)} == {
        "v-1": "out",
        "v-2": "in",
    }


@pytest.mark.parametrize("person_first", [True, False])
@pytest.mark.parametrize("person_arrives_first", [True, False])
def test_a_sign_out_that_a_person_saw_is_never_undone_by_an_automatic_one(
    person_first: bool, person_arrives_first: bool
) -> None:
    person = said(VisitorCheckedOut, 10 if person_first else 20, method="person")
    auto = said(VisitorCheckedOut, 20 if person_first else 10, method="auto")
    order = (person, auto) if person_arrives_first else (auto, person)
    facts = visit(said(VisitorCheckedIn, 0), *order)
    assert (facts.state, facts.checked_out_by) == ("out", "person")


def test_an_automatic_sign_out_alone_stays_unverified() -> None:
    assert visit(said(VisitorCheckedIn, 0), said(VisitorCheckedOut, 9, method="auto")).checked_out_by == "auto"


def test_who_comes_in_again_must_be_seen_out_again() -> None:
    facts = visit(
        said(VisitorCheckedIn, 0),
        said(VisitorCheckedOut, 10, method="person"),
        said(VisitorCheckedIn, 20),
        said(VisitorCheckedOut, 30, method="auto"),
    )
    assert (facts.state, facts.checked_out_by) == ("out", "auto")


def test_who_is_in_has_not_been_seen_out() -> None:
    facts = visit(said(VisitorCheckedOut, 10, method="person"), said(VisitorCheckedIn, 20))
    assert (facts.state, facts.checked_out_by) == ("in", None)


# --------------------------------------------------------------------------------------------- gatherings
def test_heads_are_counted_by_role() -> None:
    facts = gathering(
        said(AttendanceEntered, 0, count=10),
        said(AttendanceEntered, 1, role="crowd_manager"),
        said(AttendanceLeft, 2, count=3),
    )
    assert facts.counts == {"spectator": 7, "crowd_manager": 1}
    assert facts.count == 8


def test_the_room_is_never_less_than_empty_but_the_drift_is_kept() -> None:
    facts = gathering(said(AttendanceLeft, 0, count=5), said(AttendanceEntered, 1, count=2))
    assert facts.count == 0
    assert facts.counts == {"spectator": -3}


def test_a_recount_is_a_new_baseline_for_all() -> None:
    facts = gathering(
        said(AttendanceEntered, 0, count=100),
        said(AttendanceEntered, 0, count=2, role="staff"),
        said(AttendanceCounted, 10, count=90),
        said(AttendanceEntered, 11),
    )
    assert facts.count == 91
    assert facts.counts["staff"] == 2


def test_a_recount_of_one_role_leaves_the_others() -> None:
    facts = gathering(said(AttendanceEntered, 0, count=100), said(AttendanceCounted, 1, count=4, role="crowd_manager"))
    assert facts.counts == {"spectator": 100, "crowd_manager": 4}


def test_what_went_in_before_the_recount_but_arrives_after_it_no_longer_counts() -> None:
    facts = gathering(said(AttendanceCounted, 10, count=90), said(AttendanceEntered, 9, count=50))
    assert facts.count == 90
    assert facts.baseline_at == START + timedelta(seconds=10)


def test_an_older_recount_changes_nothing() -> None:
    assert gathering(said(AttendanceCounted, 10, count=90), said(AttendanceCounted, 5, count=10)).count == 90


# ------------------------------------------------------------------------------------------------- campus
def test_the_campus_has_the_state_that_was_said_last(world: World) -> None:
    assert world.state == "normal"
    assert world.apply(said(CampusStateChanged, 10, state="lockdown", by="okafor"))
    assert not world.apply(said(CampusStateChanged, 5, state="secure"))
    assert not world.apply(said(CampusStateChanged, 20, state="lockdown", by="reyes"))
    facts = world.get("campus", "lincoln")
    assert isinstance(facts, CampusFacts)
    assert (world.state, facts.by, facts.state_at) == ("lockdown", "reyes", START + timedelta(seconds=10))


def test_before_anybody_has_spoken_the_campus_is_as_its_file_says() -> None:
    campus = {"id": "lincoln", "name": "Lincoln", "timezone": "UTC", "state": "secure"}
    assert World(lincoln(campus=campus)).state == "secure"


# ------------------------------------------------------------------------------------- changes and memory
def test_the_changes_are_told_once(world: World) -> None:
    world.apply(said(DoorOpened, 0))
    world.apply(said(DoorOpened, 1))
    world.apply(said(DoorOpened, 2, door="main"))
    assert {facts.id for facts in world.take_changes()} == {"gym-east", "main"}
    assert world.take_changes() == []
    world.apply(said(DoorOpened, -5))
    assert world.take_changes() == []


def test_what_is_restored_is_no_change_and_goes_on_from_there(world: World) -> None:
    world.restore([DoorFacts(id="gym-east", position="open", position_at=START, position_heard_at=START)])
    assert world.take_changes() == []
    assert not world.apply(said(DoorOpened, 1))
    assert door(world).position_at == START


def test_what_is_forgotten_is_unknown_again(world: World) -> None:
    world.apply(said(DoorOpened, 0))
    world.forget("door", "gym-east")
    world.forget("door", "never-heard-of")
    assert world.get("door", "gym-east") is None
    assert world.take_changes() == []


# ------------------------------------------------------------------------------ repeats and reorderings
LEVELS = [
    DoorOpened, DoorClosed, DoorLocked, DoorUnlocked, DeviceOnline, DeviceOffline, DeviceTampered, DeviceRestored,
]  # fmt: skip
SIGNS = [VisitorCheckedIn, VisitorCheckedOut, VisitorDenied]


def _words(kinds: list[type[Message]]) -> st.SearchStrategy[list[Message]]:
    pairs = st.tuples(st.integers(0, 1000), st.sampled_from(kinds))
    return st.lists(pairs, unique_by=lambda pair: pair[0], min_size=1, max_size=12).map(
        lambda drawn: [said(kind, at) for at, kind in drawn]
    )


def _levels(world: World) -> dict[tuple[str, str], dict[str, Any]]:
    since = {"position_at", "lock_at", "tampered_at", "state_at", "online_at"}  # what only the right order can tell
    return {
        (facts.entity, facts.id): {name: getattr(facts, name) for name in facts.__struct_fields__ if name not in since}
        for entity in ("door", "device", "visit")
        for facts in world.of(entity)
    }


def _after(messages: list[Message]) -> World:
    world = World(lincoln())
    for message in messages:
        world.apply(message)
    return world


@given(messages=_words(LEVELS), data=st.data())
def test_repeats_and_reorderings_end_in_the_same_levels(messages: list[Message], data: st.DataObject) -> None:
    in_order = sorted(messages, key=lambda message: message.at)
    shuffled = data.draw(st.permutations(messages))
    repeated = shuffled + data.draw(st.lists(st.sampled_from(messages), max_size=5))
    assert _levels(_after(repeated)) == _levels(_after(in_order))


@given(messages=_words(LEVELS), data=st.data())
def test_repeats_in_order_change_nothing_at_all(messages: list[Message], data: st.DataObject) -> None:
    in_order = sorted(messages, key=lambda message: message.at)
    doubled = [message for message in in_order for _ in range(data.draw(st.integers(1, 3)))]
    assert _facts(_after(doubled)) == _facts(_after(in_order))


@given(messages=_words(SIGNS), data=st.data())
def test_a_visit_ends_where_its_latest_word_says_in_whatever_order_the_words_come(
    messages: list[Message], data: st.DataObject
) -> None:
    last = max(messages, key=lambda message: message.at)
    facts = _after(data.draw(st.permutations(messages))).get("visit", "v-7")
    assert isinstance(facts, VisitFacts)
    expected = {VisitorCheckedIn: "in", VisitorCheckedOut: "out", VisitorDenied: "denied"}
    assert facts.state == expected[type(last)]


def _facts(world: World) -> dict[tuple[str, str], Facts]:
    return {(facts.entity, facts.id): facts for entity in ("door", "device") for facts in world.of(entity)}


# ------------------------------------------------------------------------------------- counters that only count up
def totals(*readings: tuple[float, int], kind: type[Message] = AttendanceEntered, **fields: Any) -> list[Message]:
    return [said(kind, at, total=total, **fields) for at, total in readings]


def test_of_a_running_total_only_the_growth_counts_and_the_first_reading_tells_where_it_stands() -> None:
    assert gathering(*totals((0, 72))).count == 0
    assert gathering(*totals((0, 72), (60, 75))).count == 3
    assert gathering(*totals((0, 72), (60, 75)), *totals((0, 10), (60, 12), kind=AttendanceLeft)).count == 1


def test_a_total_that_is_lost_or_heard_twice_costs_no_head_and_makes_none() -> None:
    every = totals((0, 72), (60, 75), (120, 90))
    assert gathering(*every).count == gathering(every[0], every[2]).count == 18
    assert gathering(*every, *every, every[2]).count == 18


def test_an_older_total_that_arrives_late_counts_nothing() -> None:
    first, second, third = totals((0, 72), (60, 75), (120, 90))
    assert gathering(first, third, second).count == 18


def test_a_total_that_has_become_less_was_set_to_nought() -> None:
    assert gathering(*totals((0, 500), (60, 3))).count == 3


def test_a_total_goes_around_at_its_bound() -> None:
    assert gathering(*totals((0, 2**24 - 2), (60, 3), wraps_at=2**24)).count == 5
    assert gathering(*totals((0, 9000), (60, 3), wraps_at=2**24)).count == 3, "far from its bound it was set to 0"


def test_a_total_that_leaps_beyond_any_crowd_is_not_believed_and_counting_goes_on_from_there() -> None:
    assert gathering(*totals((0, 5), (60, 2**40), (120, 2**40 + 4))).count == 4


def test_each_gate_has_its_own_total() -> None:
    west, east = totals((0, 10), (60, 12), gate="west"), totals((0, 300), (60, 304), gate="east")
    assert gathering(west[0], east[0], west[1], east[1]).count == 6


def test_a_total_from_before_a_recount_is_in_it_already() -> None:
    recount = said(AttendanceCounted, 90, count=200)
    assert gathering(*totals((0, 72), (60, 75)), recount, *totals((120, 80))).count == 205
    assert gathering(*totals((0, 72)), recount, *totals((60, 75), (120, 80))).count == 205


def test_a_kept_copy_of_a_total_counts_and_one_of_heads_does_not() -> None:
    assert gathering(*totals((0, 72), (60, 75), initial=True)).count == 3
    assert gathering(said(AttendanceEntered, 0, count=4, initial=True)).count == 0


def test_no_more_counters_are_remembered_than_a_gathering_can_have() -> None:
    facts = gathering(*(said(AttendanceEntered, n, total=n, gate=f"gate-{n}") for n in range(MAX_COUNTERS + 50)))
    assert len(facts.totals) == MAX_COUNTERS


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), max_size=30))
def test_whatever_is_lost_or_doubled_the_heads_are_those_of_the_last_total(steps: list[tuple[int, bool, bool]]) -> None:
    shown, messages = 1000, list(totals((0, 1000)))
    for number, (heads, lost, doubled) in enumerate(steps):
        shown += heads
        message = said(AttendanceEntered, number + 1, total=shown)
        messages += [] if lost else [message, message] if doubled else [message]
    last = messages[-1]
    assert isinstance(last, AttendanceEntered)
    assert last.total is not None
    assert gathering(*messages).count == last.total - 1000


def test_what_another_world_was_told_is_taken_over_only_where_both_knew_the_same() -> None:
    one, other = World(lincoln()), World(lincoln())
    opening, closing = said(DoorOpened, 0), said(DoorClosed, 9)
    for world in (one, other):
        world.apply(opening)
    other.restore(one.all())
    edge, told = one.take_in(closing)
    assert other.take_in(closing, told) == (edge, told)
    assert door(other) is door(one)
    # This one has heard of the lock, too: it works out for itself what the door is like.
    third = World(lincoln())
    third.restore([told[0][1]])
    third.apply(said(DoorUnlocked, 5))
    assert third.take_in(closing, told)[0]
    assert (door(third).position, door(third).lock) == ("closed", "unlocked")


def test_the_open_doors_that_lead_outside_are_kept_through_messages_and_a_change_of_the_campus(world: World) -> None:
    def hear(kind: type[Message], door: str) -> None:
        world.apply(said(kind, door=door))

    assert world.open_exterior_doors == set()
    for name in ("main", "gym-east", "office"):
        hear(DoorOpened, name)
    assert world.open_exterior_doors == {"main", "gym-east"}
    world.forget("door", "main")
    assert world.open_exterior_doors == {"gym-east"}
    other = [each.model_copy(update={"exterior": each.id == "office"}) for each in world.campus.doors]
    world.campus = world.campus.model_copy(update={"doors": tuple(other)})
    vars(world.campus).pop("exterior_doors", None)
    assert world.open_exterior_doors == {"office"}
