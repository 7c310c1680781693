from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.campus import Campus
from core.messages import KINDS, Message
from core.world import World
from rules.language.check import Environment
from rules.language.expression import Expression, read_expression
from rules.language.nodes import Wrong
from rules.language.parse import parse
from rules.language.roots import ROOTS, message_fields, reachable
from rules.language.scene import Scene
from rules.language.types import BOOL, DURATION, INT, STRING
from tests.campuses import lincoln
from tests.unit.rules.talk import at, opened, say

PARAMS = {"n": INT, "hold": DURATION, "word": STRING, "on": BOOL}
VALUES = {"n": 5, "hold": timedelta(seconds=90), "word": "gym", "on": True}


def environment(entity: str = "door", *kinds: str) -> Environment:
    return Environment(reachable(entity) | {"now"}, PARAMS, kinds)


def read(text: str, entity: str = "door", *kinds: str, want: str = "bool") -> Expression:
    return read_expression(text, environment(entity, *kinds), want)


def scene(
    entity: str = "door", key: str = "main", *told: Message, when: datetime | None = None, campus: Campus | None = None
) -> Scene:
    campus = campus or lincoln()
    world = World(campus)
    for message in told:
        world.apply(message)
    return Scene(campus, world, when or at(0), entity, key, VALUES, at(-60), told[-1] if told else None)


def ask(text: str, entity: str = "door", key: str = "main", *told: Message, **where: Any) -> Any:
    return read(text, entity)(scene(entity, key, *told, **where))


# ----------------------------------------------------------------------------------------------------- the reading
@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "the condition is empty"),
        ("door.exterior &&", 17, "the condition ends here; expected a value"),
        ("(door.exterior", 1, "'(' is never closed"),
        ("door.exterior)", 14, "')' does not fit here"),
        ("door.exterior and p.on", 15, "write && for and"),
        ("not door.exterior", 1, "write ! for not"),
        ("door.zone = 'gym'", 11, "write == to compare"),
        ("door.exterior & p.on", 15, "write && for and"),
        ("door.exterior ? p.on : p.on", 15, "there is no choice"),
        ("door.zone == null", 14, "there is no null"),
        ("door.zone == 'gym", 14, "the text is never closed"),
        ("p.n > 5m3", 7, "'5m3' is no number or duration"),
        ("p.n > 99999999999999999999", 7, "outside of 64 bits"),
        ("door.zone == 'a\\qb'", 16, "\\q means nothing"),
        ("door", 1, "door has fields; write door.name"),
        ("dor.name == 'x'", 1, "did you mean 'door'?"),
        ("door.positon == 'open'", 6, "did you mean 'position'?"),
        ("door.name.first == 'x'", 1, "a field has no fields"),
        ("p.hol > 5s", 3, "did you mean 'hold'?"),
        ("gathering.count > 5", 1, "gathering cannot be seen from here"),
        ("msg.kind == 'door.opened'", 1, "there is no message here"),
        ("door.position == 'opne'", 18, "it is never 'opne'; did you mean 'open'?"),
        ("door.position in ['open', 'shut']", 27, "it is never 'shut'"),
        ("door.name > 5", 1, "a string and an int cannot be compared"),
        ("door.exterior > p.on", 1, "a bool has no order"),
        ("p.n * 0.5 > 2.0", 1, "an int and a double cannot be calculated with together"),
        ("p.n > 2.0", 1, "write the product, a * 2 < b"),
        ("door.name + 'x' == 'y'", 1, "texts are not built in a condition"),
        ("p.n + p.hold > 5s", 1, "an int + a duration means nothing"),
        ("-door.name == 'x'", 1, "a string has no negative"),
        ("!p.n", 2, "! works on true and false; this is an int"),
        ("p.n && p.on", 1, "&& works on true and false; this is an int"),
        ("p.n", 1, "this is an int; true or false is wanted here"),
        ("p.n in p.word", 8, "in looks into a list; this is a string"),
        ("p.n in ['a']", 1, "an int is never in a list of string"),
        ("p.n in [1, 'a']", 12, "a list holds values of one type"),
        ("door.name.matches('x')", 1, "there is no function 'matches'"),
        ("startsWith(door.name, 'x')", 1, "write it behind the text"),
        ("door.name.startsWith()", 1, "startsWith takes the text, and one more"),
        ("size(p.n) > 1", 6, "size is of a text or a list, not of an int"),
        ("lower(p.n) == 'x'", 7, "lower works on text, this is an int"),
        ("has(door.name == 'x')", 1, "has asks for one field"),
        ("has(door)", 1, "has asks for one field"),
        ("now.in(door.name)", 1, "with the name of a calendar"),
        ("door.in('school')", 1, 'write now.in("school")'),
        ("(1).name == 2", 5, "belongs to no root"),
        ("calendar.school.end == calendar.school.end", 1, "nothing is called 'calendar'"),
    ],
)
def test_what_is_wrong_is_said_with_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(Wrong) as caught:
        read(text)
    assert message in caught.value.message
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p.on" + " " * 1000, "longer than 1000 characters"),
        ("!" * 300 + "p.on", "nested deeper than 24"),
        ("(" * 900, "nested deeper than 24"),
        ("[" * 900, "nested deeper than 24"),
        ("size(" * 190, "nested deeper than 24"),
        ("-" * 900 + "1 > 0", "nested deeper than 24"),
        ("+".join(["1"] * 300) + ">0", "more than 200 values and operators"),
        ("p.n in [" + ",".join(["1"] * 101) + "]", "a list of more than 100 values"),
        ("9" * 900 + " > 0", "outside of 64 bits"),
        ("1" + "d" * 900, "is no number or duration"),
        ("999999999999d > 1s", "longer than any duration can be"),
    ],
)
def test_hostile_text_meets_a_limit(text: str, message: str) -> None:
    with pytest.raises(Wrong, match=re.escape(message)):
        read(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="()[]!-+*/<>=&|.,'\" \\pdoor.namexh123sin", max_size=60))
def test_any_text_is_read_or_refused_with_a_column(text: str) -> None:
    with contextlib.suppress(Wrong):
        read(text)
        return
    with pytest.raises(Wrong) as caught:
        read(text)
    assert 1 <= caught.value.column <= len(text) + 1


def test_operators_bind_as_in_cel() -> None:
    assert ask("1 + 2 * 3 == 7 && 10 - 2 - 3 == 5 && !(1 == 2) && 7 / 2 == 3 && -7 / 2 == -3")
    assert ask("false && false || true")
    assert ask("-9223372036854775808 < 0")
    assert ask("'a\\n\\'b' == \"a\\n'b\"")


def test_values_of_the_language() -> None:
    assert ask("p.hold == 1m30s && p.hold * 2 == 3m && 2 * p.hold == 180s && p.hold / 2 == 45s && -p.hold < 0s")
    assert ask("door.name.startsWith('Main') && door.name.endsWith('nce') && door.name.contains('n e')")
    assert ask("lower(door.name) == 'main entrance' && door.name.lower().size() == 13 && size([1, 2]) == 2")
    assert ask("p.n in [1, 5] && !(p.n in []) && p.word in ['gym'] && p.on")
    assert ask("1.5 * 2.0 == 3.0 && 2.5e3 > 999.9")


# ------------------------------------------------------------------------------------------------- three values
TRUTH = {"true": True, "false": False, "door.position == 'open'": None}


@pytest.mark.parametrize("left", TRUTH)
@pytest.mark.parametrize("right", TRUTH)
def test_what_is_not_known_is_neither_true_nor_false(left: str, right: str) -> None:
    one, other = TRUTH[left], TRUTH[right]
    both = False if False in (one, other) else None if None in (one, other) else True
    either = True if True in (one, other) else None if None in (one, other) else False
    assert ask(f"{left} && {right}") is both
    assert ask(f"{left} || {right}") is either
    assert ask(f"!({left})") is (None if one is None else not one)


def test_has_asks_whether_something_is_known() -> None:
    assert ask("has(door.position)") is False
    assert ask("has(door.position) && door.position == 'open'", "door", "main", opened("main", 0)) is True


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("1 / (p.n - 5) > 0", "division by zero at column 1"),
        ("9223372036854775807 + p.n > 0", "overflow at column 1"),
        ("p.hold * 9000000000000000000 > 1s", "overflow at column 1"),
        ("-(-9223372036854775808) > 0", "overflow at column 1"),
    ],
)
def test_bad_arithmetic_is_unknown_and_told(text: str, trouble: str) -> None:
    told: list[str] = []
    here = scene()
    here.trouble = told.append
    assert read(text)(here) is None
    assert told == [trouble]


# ------------------------------------------------------------------------------------------- fields of a message
def test_a_field_that_may_be_missing_must_be_asked_for_first() -> None:
    kinds = ("visitor.checked_in",)
    with pytest.raises(Wrong, match=re.escape("write has(msg.zone) && … before it")):
        read("msg.zone == 'gym'", "visit", *kinds)
    for text in (
        "has(msg.zone) && msg.zone == 'gym'",
        "!has(msg.zone) || msg.zone == 'gym'",
        "!(has(msg.zone) && msg.zone == 'gym')",
        "has(msg.zone) && has(msg.host) && msg.zone == msg.host",
    ):
        read(text, "visit", *kinds)
    for text in (
        "has(msg.host) && msg.zone == 'gym'",
        "has(msg.zone) || msg.zone == 'gym'",
        "!has(msg.zone) && msg.zone == 'a'",
    ):
        with pytest.raises(Wrong):
            read(text, "visit", *kinds)


def test_a_field_that_only_some_of_the_kinds_have_may_be_missing() -> None:
    fields = message_fields(("attendance.entered", "door.opened"))
    assert fields["count"][1]
    assert fields["door"][1]
    assert not message_fields(("attendance.entered",))["count"][1]


def test_the_message_is_read() -> None:
    told = say("attendance.entered", 3, "winter-concert", count=7)
    condition = read("msg.count == 7 && msg.kind == 'attendance.entered' && !msg.late", "gathering", told.kind)
    assert condition(scene("gathering", "winter-concert", told)) is True


def test_every_field_of_every_kind_has_a_type() -> None:
    for kind in KINDS:
        assert {"kind", "at", "late", "exercise"} <= set(message_fields((kind,)))


# --------------------------------------------------------------------------------------------------- the roots
SPECIFIED = {
    "door": "id name zone class exterior has_rex has_lock_sensor monitored position lock in_window tags",
    "zone": "id name kind load count escort_required tags",
    "visit": "id type state purpose screening watch zone host escort_required escorted start expected_out "
    "checked_out_by verified_out badge_expires tags",
    "gathering": "id name zone start end open load expected count attendees staff crowd_managers chaperones "
    "supervisor_present re_entry tags",
    "device": "id door kind online heartbeat battery_pct battery_low tampered tags",
    "campus": "id state day_type open_exterior_doors people_checked_in visitors_in devices_silent_pct",
    "now": "minute_of_day weekday",
}


ADDED = {
    "door": "window_end",
    "zone": "adjoining",
    "gathering": "on over missing tally",
    "campus": "unwatched_open_doors devices_silent gateways_silent",
}
"""What the protocols that ship need beyond the specification."""


def test_the_roots_and_fields_are_those_of_the_specification_and_a_few_more() -> None:
    assert {root: set(fields) for root, fields in ROOTS.items()} == {
        root: set(fields.split()) | set(ADDED.get(root, "").split()) for root, fields in SPECIFIED.items()
    }


@pytest.mark.parametrize(
    ("text", "entity", "key"),
    [
        ("door.id == 'main' && door.name == 'Main entrance' && door.zone == 'lobby' && door.exterior", "door", "main"),
        ("door.class == 'main' && door.has_lock_sensor && !door.has_rex && size(door.tags) == 0", "door", "main"),
        ("door.monitored && !door.in_window", "door", "office"),
        ("zone.id == 'gym' && zone.kind == 'gym' && zone.load == 600 && !zone.escort_required", "door", "gym-east"),
        ("device.id == 'gym-east-contact' && device.heartbeat == 1h && device.kind == 'door'", "door", "gym-east"),
        ("door.name == 'Gym east' && zone.name == 'Gymnasium'", "device", "gym-east-contact"),
        ("gathering.load == 500 && gathering.expected == 450", "gathering", "winter-concert"),
        ("gathering.re_entry && !gathering.open", "gathering", "winter-concert"),
        ("gathering.end - gathering.start == 3h30m && gathering.zone == zone.id", "gathering", "winter-concert"),
        ("campus.id == 'lincoln' && campus.state == 'normal' && campus.day_type == 'regular'", "campus", "lincoln"),
        ("campus.open_exterior_doors + campus.visitors_in + campus.devices_silent_pct == 0", "campus", "lincoln"),
        ("now.in('school') && now.in('arrival') && now.weekday == 'tue'", "campus", "lincoln"),
        ("now.minute_of_day == 480", "campus", "lincoln"),
    ],
)  # fmt: skip
def test_what_the_campus_file_says_can_be_read(text: str, entity: str, key: str) -> None:
    assert ask(text, entity, key) is True


def test_what_was_told_can_be_read() -> None:
    doors = [opened("main", 0), opened("office", 1), opened("gym-east", 2), say("door.locked", 3, "main")]
    assert ask("door.position == 'open' && door.lock == 'locked' && door.in_window", "door", "main", *doors)
    assert ask("campus.open_exterior_doors == 2", "campus", "lincoln", *doors)


def test_the_count_in_words_says_when_it_is_uncertain() -> None:
    came = say("attendance.entered", 0, "winter-concert", count=40)
    more_left = say("attendance.left", 1, "winter-concert", count=2, role="student")
    certain, uncertain = "40 people", "about 38 people (the count is uncertain)"
    assert ask(f"gathering.tally == '{certain}'", "gathering", "winter-concert", came)
    assert ask(f"gathering.tally == '{uncertain}'", "gathering", "winter-concert", came, more_left)
    by_role = say("attendance.counted", 2, "winter-concert", count=0, role="student")
    assert ask(f"gathering.tally == '{certain}'", "gathering", "winter-concert", came, more_left, by_role)
    assert ask("gathering.tally == ''", "gathering", "winter-concert") is None


def test_heads_are_counted_by_role_and_room() -> None:
    told = [
        say("attendance.entered", 0, "winter-concert", count=40),
        say("attendance.entered", 0, "winter-concert", count=5, role="student"),
        say("attendance.entered", 0, "winter-concert", count=2, role="crowd_manager"),
        say("attendance.entered", 0, "winter-concert", role="supervisor"),
        say("attendance.entered", 0, "winter-concert", role="staff"),
    ]
    counts = (
        "gathering.count == 49 && gathering.attendees == 45 && gathering.crowd_managers == 2 && gathering.staff == 1"
    )
    assert ask(counts, "gathering", "winter-concert", *told)
    assert ask("gathering.supervisor_present && gathering.chaperones == 0", "gathering", "winter-concert", *told)
    evening = datetime(2026, 12, 5, 1, 0, tzinfo=UTC)
    assert ask("zone.count == 49", "zone", "gym", *told, when=evening)
    assert ask("zone.count == 49", "zone", "gym", *told) is None, "the concert is not on"


def test_visits_are_seen_as_far_as_they_are_known() -> None:
    assert ask("visit.state == 'in'", "visit", "v1") is None
    inside = say("visitor.checked_in", 0, "v1", zone="gym", screening="clear", type="volunteer")
    text = (
        "visit.state == 'in' && visit.watch == '' && !visit.escort_required && !visit.escorted && !visit.verified_out"
    )
    assert ask(text, "visit", "v1", inside)
    left = say("visitor.checked_out", 5, "v1", method="auto")
    assert ask("visit.checked_out_by == 'auto' && !visit.verified_out", "visit", "v1", inside, left)
    assert ask("campus.people_checked_in == 1 && campus.visitors_in == 0", "campus", "lincoln", inside, left)
    seen = say("visitor.checked_out", 6, "v1", method="person")
    assert ask("visit.verified_out", "visit", "v1", inside, left, seen)
    announced = say("visitor.preregistered", 0, "v2")
    assert ask("!visit.verified_out", "visit", "v2", announced) is None, "who never came has nothing to sign out of"


def test_devices_that_say_nothing_count_as_silent() -> None:
    late = at(4 * 3600)
    # One of the four has a heartbeat of an hour, and three were missed.
    assert ask("campus.devices_silent_pct == 25", "campus", "lincoln", when=late)
    assert ask("campus.devices_silent_pct == 50", "campus", "lincoln", say("device.offline", 0, "main"), when=late)


def test_what_is_read_is_known_for_the_index() -> None:
    condition = read("door.position == 'open' && !door.in_window || now.minute_of_day > 5")
    assert condition.reads == {("door", "position"), ("door", "in_window"), ("now", "minute_of_day")}
    assert condition.pace == "minute"
    assert read("now.in('school')").calendars == {"school"}
    assert read("door.exterior").pace == ""


# ---------------------------------------------------------------------------------------------------- explaining
def test_every_part_of_a_condition_is_explained() -> None:
    condition = read("door.position == 'open' && p.hold > 60s")
    traced = condition.trace(scene("door", "main", opened("main", 0)))
    assert traced["value"] is True
    left, right = traced["parts"]
    assert left == {
        "text": "door.position == 'open'",
        "column": 1,
        "value": True,
        "parts": [
            {"text": "door.position", "column": 1, "value": "open"},
            {"text": "'open'", "column": 18, "value": "open"},
        ],
    }
    assert right["parts"][0]["value"] == "1m30s"


def test_what_was_read_is_shown_as_plain_values() -> None:
    condition = read("now.in('school') && has(visit.start) && visit.start < visit.expected_out", "visit")
    here = scene("visit", "v1", say("visitor.checked_in", 0, "v1", start=at(0), expected_out=at(60)))
    assert condition.readings(here) == {
        "now.in('school')": True,
        "has(visit.start)": True,
        "visit.start": "2026-11-24T14:00:00Z",
        "visit.expected_out": "2026-11-24T14:01:00Z",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("door.position == 'open' && !door.exterior", "the door is open and the door is not an exterior one"),
        ("!(door.exterior && p.n > 3)", "the door is not an exterior one or 5 is at most 3"),
        ("door.has_rex && (p.on || p.n == 1)", "the door has an exit sensor and (true or 5 is 1)"),
        ("!door.has_rex", "the door does not have an exit sensor"),
        ("door.zone in ['gym', 'lobby', 'hall']", "the door's zone is one of gym, lobby or hall"),
        ("!(door.zone in ['gym'])", "the door's zone is none of gym"),
        ("'ada' in door.tags", "ada is among the door's tags"),
        ("!now.in('school')", "it is outside of school"),
        ("!has(door.lock)", "the lock is not known"),
        ("zone.count >= p.n * 2", "the number of people in the zone is at least 5 times 2"),
        ("!door.name.startsWith('A')", "the door's name does not start with A"),
        ("p.hold > 60s", "1m30s is above 1m"),
    ],
)  # fmt: skip
def test_a_condition_is_said_in_english(text: str, words: str) -> None:
    assert read(text).say(VALUES) == words


# ------------------------------------------------------------------------------- the same as another implementation
NUMBERS = st.sampled_from(["0", "1", "2", "7", "-3", "p.n", "100"])
TEXTS = st.sampled_from(["'gym'", "'Gym'", "''", "p.word"])


def _numeric() -> st.SearchStrategy[str]:
    def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")

    return st.recursive(NUMBERS, joined, max_leaves=4)


def _boolean() -> st.SearchStrategy[str]:
    order = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    numbers = st.tuples(_numeric(), order, _numeric()).map(lambda t: f"{t[0]} {t[1]} {t[2]}")
    texts = st.tuples(TEXTS, st.sampled_from(["==", "!="]), TEXTS).map(lambda t: f"{t[0]} {t[1]} {t[2]}")
    inside = st.tuples(NUMBERS, st.lists(NUMBERS, min_size=1, max_size=3)).map(
        lambda t: f"{t[0]} in [{', '.join(t[1])}]"
    )
    methods = st.tuples(TEXTS, st.sampled_from(["startsWith", "endsWith", "contains"]), TEXTS).map(
        lambda t: f"{t[0]}.{t[1]}({t[2]})"
    )
    sizes = st.tuples(TEXTS, order, NUMBERS).map(lambda t: f"size({t[0]}) {t[1]} {t[2]}")
    leaf = st.one_of(numbers, texts, inside, methods, sizes, st.sampled_from(["p.on", "true", "false"]))
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            inner.map(lambda each: f"!({each})"),
        ),
        max_leaves=6,
    )


@settings(max_examples=300, deadline=None)
@given(_boolean())
def test_conditions_mean_what_they_mean_in_cel(text: str) -> None:
    ours = read(text)(scene())
    try:
        theirs = cel.evaluate(text, {"p": {"n": 5, "word": "gym", "on": True}})
    except ZeroDivisionError:
        assert "/" in text
        return
    # Where the other one stops at the first division by zero or goes on without it, we do not know.
    assert ours is theirs or (ours is None and "/" in text)


def test_parsing_keeps_the_text_of_every_node() -> None:
    text = "door.exterior && (p.n > 3)"
    node = parse(text)
    assert [text[part.start : part.end] for part in node.parts] == ["door.exterior", "p.n > 3"]
