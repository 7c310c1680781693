"""Paths into a payload: where a mapping finds a value, and over what it fans out.

`a.b` goes into objects, `a[0]` into lists, `a[name=fw]` to the first object of a list whose `name` is `fw`,
`"x.y"` names a key that holds a dot, `.` is the thing itself and `$.a` starts at the whole payload. In a fan-out
`a[*]` is every member of a list, and `a.{x:Switch*}` every key that fits, taken under the name `x`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from typing import Any, Final

MISSING: Final = object()
"""There is nothing at the path; `null` counts as nothing."""
Getter = Callable[[Any, Any], Any]
"""Takes the element and the whole payload, returns the value or MISSING."""
Walker = Callable[[Any], Iterator[tuple[dict[str, str], Any]]]
"""Yields every element of a fan-out with the keys taken on the way."""
_Step = Callable[[Any], Any]
_Fan = Callable[[Any], Iterator[tuple[dict[str, str], Any]]]

_SEGMENT = re.compile(
    r'"(?P<quoted>[^"]+)"|\{(?P<capture>[a-z_][a-z0-9_]*):(?P<glob>[^{}]+)\}|(?P<name>[^.\[\]{}"$]+)|(?=\[)'
)
_INDEX = re.compile(r'\[(?:(?P<all>\*)|(?P<number>\d{1,6})|(?P<key>[^\[\]="]+)=(?P<value>[^\[\]]+))\]')


def getter(text: str) -> Getter:
    """Return the function that fetches what a path names; ValueError where it is no path to one value."""
    from_root, steps = _parse(text)
    if any(fans for fans, _ in steps):
        raise ValueError(f"{text!r} names many values; only `each` may")
    walk = _chain([step for _, step in steps])
    if from_root:
        return lambda _element, root: walk(root)
    return lambda element, _root: walk(element)


def walker(text: str) -> Walker:
    """Return the function that yields every element of a fan-out; ValueError where the path is none."""
    _, steps = _parse(text)
    if not any(fans for fans, _ in steps):
        raise ValueError(f"{text!r} names one value; a fan-out needs [*] or {{x:*}}")
    fans = [step if many else _single(step) for many, step in steps]
    return lambda root: _spread(root, fans)


def captures(text: str) -> frozenset[str]:
    """Return the names that a fan-out takes keys under."""
    return frozenset(found["capture"] for found in _SEGMENT.finditer(text) if found["capture"])


def _chain(steps: list[_Step]) -> _Step:
    if len(steps) == 1:
        return steps[0]

    def walk(value: Any) -> Any:
        for step in steps:
            value = step(value)
            if value is MISSING:
                break
        return value

    return walk


def _spread(value: Any, fans: list[_Fan]) -> Iterator[tuple[dict[str, str], Any]]:
    if not fans:
        yield {}, value
        return
    for taken, inner in fans[0](value):
        for more, element in _spread(inner, fans[1:]):
            yield taken | more, element


def _single(step: _Step) -> _Fan:
    def fan(value: Any) -> Iterator[tuple[dict[str, str], Any]]:
        found = step(value)
        if found is not MISSING:
            yield {}, found

    return fan


def _parse(text: str) -> tuple[bool, list[tuple[bool, Any]]]:
    if text in (".", "$"):
        return text == "$", [(False, _itself)]
    from_root = text.startswith("$.")
    place, steps = (2 if from_root else 0), list[tuple[bool, Any]]()
    while True:
        segment = _SEGMENT.match(text, place)
        if segment is None:
            raise ValueError(f'{text!r} is no path; write it like a.b, a[0].b, a[name=x].b, "x.y", . or $.a')
        place = segment.end()
        if segment["capture"]:
            steps.append((True, _keys(segment["capture"], segment["glob"])))
        elif name := segment["quoted"] or segment["name"]:
            steps.append((False, _key(name.strip() if segment["name"] else name)))
        while index := _INDEX.match(text, place):
            place = index.end()
            steps.append(_indexed(index))
        if place == len(text) and steps:
            return from_root, steps
        if text[place : place + 1] != ".":
            raise ValueError(f'{text!r} is no path; write it like a.b, a[0].b, a[name=x].b, "x.y", . or $.a')
        place += 1


def _itself(value: Any) -> Any:
    return MISSING if value is None else value


def _key(name: str) -> _Step:
    def step(value: Any) -> Any:
        if type(value) is not dict:
            return MISSING
        found = value.get(name)
        return MISSING if found is None else found

    return step


def _keys(name: str, glob: str) -> _Fan:
    fits = re.compile(translate(glob)).match

    def fan(value: Any) -> Iterator[tuple[dict[str, str], Any]]:
        if isinstance(value, dict):
            yield from (({name: key}, inner) for key, inner in value.items() if fits(key) and inner is not None)

    return fan


def _indexed(index: re.Match[str]) -> tuple[bool, Any]:
    if index["all"]:
        return True, _members
    if index["number"]:
        return False, _member(int(index["number"]))
    return False, _named(index["key"], index["value"])


def _members(value: Any) -> Iterator[tuple[dict[str, str], Any]]:
    if isinstance(value, list):
        yield from (({}, inner) for inner in value)


def _member(number: int) -> _Step:
    def step(value: Any) -> Any:
        found = value[number] if isinstance(value, list) and number < len(value) else None
        return MISSING if found is None else found

    return step


def _named(key: str, wanted: str) -> _Step:
    def step(value: Any) -> Any:
        members = value if isinstance(value, list) else ()
        return next((each for each in members if isinstance(each, dict) and str(each.get(key)) == wanted), MISSING)

    return step
