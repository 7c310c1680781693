"""The generated function of a condition against its tree of closures: the same answer, and the same troubles told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.messages import Message
from core.world import World
from rules.language.check import Environment, check
from rules.language.compile import Run, compile_node
from rules.language.expression import read_expression
from rules.language.generate import generate
from rules.language.nodes import Wrong
from rules.language.parse import MAX_LENGTH, parse
from rules.language.roots import ROOTS, reachable
from rules.language.scene import Scene
from rules.language.types import Type, type_of_value
from tests.campuses import lincoln
from tests.unit.rules.talk import say
from tests.unit.rules.test_oracle import CONDITION, MESSAGES, VALUES

CAMPUS = lincoln()
AT = datetime(2026, 11, 24, 16, tzinfo=UTC)
SUBJECTS = [("door", "main"), ("door", "nowhere"), ("device", "main"), ("gathering", "game"), ("visit", "v1")]
TOLD: list[Message] = [
    say("door.opened", 0, "main"),
    say("door.unlocked", 1, "main"),
    say("visitor.checked_in", 2, "v1"),
    say("attendance.entered", 3, "game", count=7),
]


def scene(entity: str, key: str, told: int, params: dict[str, Any], message: Message | None = None) -> Scene:
    world = World(CAMPUS)
    for each in TOLD[:told]:
        world.apply(each)
    return Scene(CAMPUS, world, AT, entity, key, params, AT, message)


def answered(run: Run, scene: Scene) -> tuple[Any, list[str]]:
    troubles: list[str] = []
    scene.trouble = troubles.append
    return run(scene), troubles


def fields(entity: str) -> dict[str, Type]:
    roots = sorted(reachable(entity) | {"now"})
    return {f"{root}.{name}": field.type for root in roots for name, field in ROOTS[root].items()}


def _about(name: str, kind: Type) -> list[str]:
    """Return conditions on a field, whatever its type."""
    word = kind.values[0] if kind.values else "main"
    by_type = {
        "bool": [name, f"!{name}", f"{name} == true"],
        "int": [f"{name} > 3", f"{name} * 2 - 1 <= 7 / {name}", f"-{name} in [1, {name}, p.n]"],
        "string": [f'{name} == "{word}"', f'{name} in ["{word}"]', f'{name}.contains("a")', f"size(lower({name})) > 2"],
        "duration": [f"{name} * 3 > 1h"],
        "timestamp": [f"{name} + 5m > {name} - p.t"],
        "list": [f'"ada" in {name}', f"size({name}) == 0"],
    }
    return [f"has({name})", *by_type[kind.name]]


@st.composite
def conditions(draw: st.DrawFn) -> tuple[str, str, str]:
    entity, key = draw(st.sampled_from(SUBJECTS))
    leaf = st.sampled_from([*fields(entity).items()]).flatmap(lambda item: st.sampled_from(_about(*item)))
    leaf = leaf | st.sampled_from(['now.in("school")', "p.b", "true"])
    text = draw(
        st.recursive(
            leaf,
            lambda inner: st.one_of(
                st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda t: f"({' '.join(t)})"),
                st.tuples(inner, inner).map(lambda t: f"(({t[0]}) == ({t[1]}))"),
                inner.map(lambda each: f"!({each})"),
            ),
            max_leaves=6,
        )
    )
    return entity, key, text


PARAMS = st.fixed_dictionaries({"b": st.sampled_from([True, False, None]), "n": st.sampled_from([0, 2, 2**62, None])})


@settings(max_examples=800, deadline=None)
@given(conditions(), st.integers(0, len(TOLD)), PARAMS)
def test_what_is_read_of_things_is_judged_as_by_the_tree(
    asked: tuple[str, str, str], told: int, params: dict[str, Any]
) -> None:
    entity, key, text = asked
    assume(len(text) <= MAX_LENGTH)
    types = {"b": type_of_value(True), "n": type_of_value(1), "t": Type("duration")}
    environment = Environment(reachable(entity) | {"now"}, types)
    node = parse(text)
    try:
        check(node, environment)
    except Wrong:
        assume(False)
    here = scene(entity, key, told, params)
    assert answered(generate(node, environment), here) == answered(compile_node(node, environment), here)


@settings(max_examples=800, deadline=None)
@given(CONDITION, VALUES, MESSAGES, st.sets(st.sampled_from("ijdestbcxy")))
def test_values_and_messages_are_judged_as_by_the_tree(
    text: str, values: dict[str, Any], said: dict[str, Any], unknown: set[str]
) -> None:
    assume(len(text) <= MAX_LENGTH)
    environment = Environment(
        frozenset(("visit",)), {name: type_of_value(value) for name, value in values.items()}, ("visitor.checked_in",)
    )
    node = parse(text)
    check(node, environment)
    known = {name: None if name in unknown else value for name, value in values.items()}
    here = scene("visit", "v1", 0, known, say("visitor.checked_in", 0, "v1", **said))
    assert answered(generate(node, environment), here) == answered(compile_node(node, environment), here)


@pytest.mark.parametrize(
    "text",
    [
        "!" * 20 + "p.b",
        " && ".join(["p.b"] * 100),
        " || ".join(["p.b && p.b"] * 50),
        "p.n" + " + 1" * 90 + " > 3",
        "(" * 20 + "p.b" + ")" * 20,
        f"p.n in [{', '.join(map(str, range(100)))}]",
    ],
    ids=["denials", "a chain", "two kinds of chain", "a sum", "brackets", "a list"],
)
def test_the_largest_conditions_become_a_function_too(text: str) -> None:
    environment = Environment(frozenset(), {"b": type_of_value(True), "n": type_of_value(1)})
    node = parse(text)
    check(node, environment)
    run = generate(node, environment)
    assert run.__name__ == "condition"
    for params in ({"b": True, "n": 1}, {"b": False, "n": 200}, {"b": None, "n": None}):
        here = scene("door", "main", 0, params)
        assert answered(run, here) == answered(compile_node(node, environment), here)


def test_nothing_that_was_written_stands_in_the_code() -> None:
    odd = '''"') or __import__('os').abort() or (\'"'''
    text = "p.s == '" + odd.replace("'", "\\'") + "'"
    environment = Environment(frozenset(), {"s": type_of_value("")})
    run = read_expression(text, environment, "bool")
    assert run(scene("door", "main", 0, {"s": odd})) is True
    assert run(scene("door", "main", 0, {"s": ""})) is False


def test_conditions_of_one_build_share_their_code() -> None:
    environment = Environment(reachable("door"))
    one, two = (read_expression(f'door.name == "{name}"', environment, "bool").run for name in ("a", "b"))
    assert one is not two
    assert one.__code__ is two.__code__
