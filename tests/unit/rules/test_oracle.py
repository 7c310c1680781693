"""Our language against another implementation of CEL: on what both know they agree, on values and on failures.

The other one is a test's oracle only. Left out is what it does differently on purpose or by mistake: lengths of texts
beyond ASCII (it counts bytes), divisions of fractions (we do not know, it says infinity), durations times a number, and
a list one of whose values is not known (it gives up, we still see what is in it).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import cel
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.campus import read_duration, write_duration
from core.world import World
from rules.language.check import Environment
from rules.language.expression import read_expression
from rules.language.parse import MAX_LENGTH
from rules.language.scene import Scene
from rules.language.types import type_of_value
from tests.campuses import lincoln
from tests.unit.rules.talk import say

CAMPUS = lincoln()
AT = datetime(2026, 11, 24, 16, tzinfo=UTC)
BIG = 2**63 - 1
_LENGTH = re.compile(r"(?<![\w.])(?:\d+[smhd])+(?!\w)")

_whole = st.one_of(st.integers(-9, 9), st.integers(-(2**31), 2**31), st.sampled_from([BIG, -BIG, BIG // 2, 0]))
_fraction = st.integers(-4096, 4096).map(lambda n: n / 16)
_text = st.text(alphabet="abcAB gym-", max_size=6)
_length = st.integers(0, 400_000).map(lambda seconds: timedelta(seconds=seconds))
VALUES = st.fixed_dictionaries(
    {
        "i": _whole,
        "j": _whole,
        "d": _fraction,
        "e": _fraction,
        "s": _text,
        "t": _text,
        "b": st.booleans(),
        "c": st.booleans(),
        "x": _length,
        "y": _length,
    }
)
MESSAGES = st.fixed_dictionaries({}, optional={"zone": st.sampled_from(["gym", "lobby", ""]), "host": _text})


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pair(left: st.SearchStrategy[str], signs: str, right: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return two operands and a sign between them, now and then without the brackets that would say what binds."""
    return st.tuples(left, st.sampled_from(signs.split()), right, st.booleans()).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})" if t[3] else f"{t[0]} {t[1]} {t[2]}"
    )


def _inside(of: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(of, st.lists(of, max_size=4)).map(lambda t: f"({t[0]} in [{', '.join(t[1])}])")


_PLAIN = st.one_of(st.sampled_from(["p.i", "p.j"]), st.integers(0, BIG).map(str), st.integers(0, 20).map(str))
WHOLE = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(_pair(inner, "+ - * /", inner), inner.map(lambda each: f"-({each})")),
    max_leaves=5,
)
FRACTION = st.recursive(
    st.one_of(st.sampled_from(["p.d", "p.e"]), st.integers(0, 64).map(lambda n: f"{n / 16}")),
    lambda inner: st.one_of(_pair(inner, "+ - *", inner), inner.map(lambda each: f"-({each})")),
    max_leaves=4,
)
TEXT = st.one_of(st.sampled_from(["p.s", "p.t"]), _text.map(_quoted))
LENGTH = st.one_of(st.sampled_from(["p.x", "p.y"]), _length.map(write_duration))
ORDER = "== != < <= > >="
MESSAGE = st.sampled_from(
    [
        "has(msg.zone)",
        "!has(msg.host)",
        '(has(msg.zone) && msg.zone == "gym")',
        '(!has(msg.zone) || msg.zone in ["gym", ""])',
        "(has(msg.host) && size(msg.host) > 2)",
        "(has(msg.host) && has(msg.zone) && msg.host < msg.zone)",
    ]
)
LEAF = st.one_of(
    _pair(WHOLE, ORDER, WHOLE).map(lambda each: f"({each})"),
    _pair(FRACTION, ORDER, FRACTION).map(lambda each: f"({each})"),
    _pair(TEXT, ORDER, TEXT).map(lambda each: f"({each})"),
    _pair(LENGTH, ORDER, LENGTH).map(lambda each: f"({each})"),
    _inside(_PLAIN),
    _inside(TEXT),
    st.tuples(TEXT, st.sampled_from(["startsWith", "endsWith", "contains"]), TEXT).map(
        lambda t: f"{t[0]}.{t[1]}({t[2]})"
    ),
    st.tuples(TEXT, st.sampled_from(ORDER.split()), WHOLE).map(lambda t: f"(size({t[0]}) {t[1]} {t[2]})"),
    st.sampled_from(["p.b", "p.c", "true", "false"]),
    MESSAGE,
)
CONDITION = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        _pair(inner, "&& ||", inner),
        st.tuples(inner, st.sampled_from(["==", "!="]), inner).map(lambda t: f"(({t[0]}) {t[1]} ({t[2]}))"),
        inner.map(lambda each: f"!({each})"),
    ),
    max_leaves=8,
)


def ours(text: str, values: dict[str, Any], said: dict[str, Any]) -> Any:
    types = {name: type_of_value(value) for name, value in values.items()}
    environment = Environment(frozenset(("visit",)), types, ("visitor.checked_in",))
    message = say("visitor.checked_in", 0, "v1", **said)
    return read_expression(text, environment, "bool")(
        Scene(CAMPUS, World(CAMPUS), AT, "visit", "v1", values, AT, message)
    )


def theirs(text: str, values: dict[str, Any], said: dict[str, Any]) -> Any:
    try:
        return cel.evaluate(_with_their_durations(text), {"p": values, "msg": said})
    except (ZeroDivisionError, OverflowError):
        return None


def _with_their_durations(text: str) -> str:
    # `90s` is written duration("90s") there, and days are unknown; inside of a text it is left alone.
    parts = text.split('"')
    parts[::2] = [_LENGTH.sub(_translated, part) for part in parts[::2]]
    return '"'.join(parts)


def _translated(match: re.Match[str]) -> str:
    return f'duration("{int(read_duration(match[0]).total_seconds())}s")'


@settings(max_examples=1500, deadline=None)
@given(CONDITION, VALUES, MESSAGES)
def test_every_condition_of_the_shared_language_means_the_same(
    text: str, values: dict[str, Any], said: dict[str, Any]
) -> None:
    assume(len(text) <= MAX_LENGTH)
    assert ours(text, values, said) is theirs(text, values, said), text
