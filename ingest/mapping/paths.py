"""Paths into a payload: where a mapping finds a value, and over what it fans out.

`a.b` goes into objects, `a[0]` into lists, `a[name=fw]` to the first object of a list whose `name` is `fw`,
`"x.y"` names a key that holds a dot, `.` is the thing itself and `$.a` starts at the whole payload. In a fan-out
`a[*]` is every member of a list, and `a.{x:Switch*}` every key that fits, taken under the name `x`; `line_{n:*}_in`
takes a part of the key. Inside a fan-out `^.a` starts at the element that encloses this one, `^^.a` one further out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from typing import Any, Final

MISSING: Final = object()
"""There is nothing at the path; `null` counts as nothing."""
Above = tuple[Any, ...]
"""What encloses an element, the whole payload first."""
Getter = Callable[[Any, Above], Any]
"""Takes the element and what encloses it, returns the value or MISSING."""
Walker = Callable[[Any], Iterator[tuple[dict[str, str], Any, Above]]]
"""Yields every element of a fan-out with the keys taken on the way and what encloses it."""
Editor = Callable[[Any, Callable[[Any], Any]], None]
"""Puts what the function makes of it in the place of everything that a path names; MISSING takes it away."""
_Step = Callable[[Any], Any]
_Fan = Callable[[Any], Iterator[tuple[dict[str, str], Any]]]
_Steps = list[tuple[bool, Any]]
"""Steps in their order; whether each leads to many (a _Fan) or to one (a _Step)."""

MAX_KEY: Final = 200
"""Characters in a key that may name a device."""
_CAPTURE = re.compile(r"\{(?P<name>[a-z_][a-z0-9_]*):(?P<glob>[^{}]+)\}")
_SEGMENT = re.compile(
    r'"(?P<quoted>[^"]+)"|(?P<keys>[^.\[\]{}"$^]*(?:\{[a-z_][a-z0-9_]*:[^{}]+\}[^.\[\]{}"$^]*)+)'
    r'|(?P<name>[^.\[\]{}"$^]+)|(?=\[)'
)
_INDEX = re.compile(r'\[(?:(?P<all>\*)|(?P<number>\d{1,6})|(?P<key>[^\[\]="]+)=(?P<value>[^\[\]]+))\]')
_START = re.compile(r"(\$|\^+)(?:\.|$)")


def getter(text: str) -> Getter:
    """Return the function that fetches what a path names; ValueError where it is no path to one value."""
    start, steps = _parse(text)
    if any(fans for fans, _ in steps):
        raise ValueError(f"{text!r} names many values; only `each` may")
    if not start and len(steps) == 1 and (name := _last_key(text)) is not None:
        return _get_key(name)
    return _from(start, _chain([step for _, step in steps]))


def holder(text: str) -> Getter:
    """Return the function that fetches what the end of a path stands in."""
    start, steps = _parse(text)
    return _from(start, _chain([step for _, step in steps[:-1]] or [_itself]))


def _from(start: str, walk: _Step) -> Getter:
    if start == "$":
        return lambda _element, above: walk(above[0])
    if start:
        out = len(start)
        return lambda _element, above: walk(above[-out]) if out <= len(above) else MISSING
    return lambda element, _above: walk(element)


def _last_key(text: str) -> str | None:
    found = list(_SEGMENT.finditer(text))
    last = found[-1] if found and found[-1].end() == len(text) else None
    return (last["quoted"] or (last["name"] or "").strip() or None) if last else None


def _get_key(name: str) -> Getter:
    def get(element: Any, _above: Above) -> Any:
        if type(element) is not dict:
            return MISSING
        found = element.get(name)
        return MISSING if found is None else found

    return get


def walker(text: str) -> Walker:
    """Return the function that yields every element of a fan-out; ValueError where the path is none."""
    start, steps = _parse(text)
    if start or not any(fans for fans, _ in steps):
        raise ValueError(f"{text!r} names one value; a fan-out needs [*] or {{x:*}}, and starts at the payload")
    return lambda root: _spread(root, steps, (root,))


def captures(text: str) -> frozenset[str]:
    """Return the names that a fan-out takes keys under."""
    return frozenset(found["name"] for found in _CAPTURE.finditer(text))


def editor(text: str) -> Editor:
    """Return the function that changes what a path names in a payload; ValueError where its end is no key."""
    start, steps = _parse(text)
    last = _last_key(text)
    if start or last is None:
        raise ValueError(f"{text!r} does not end in a key; write it like a.b or a[*].b, from the top of the payload")
    name, inner = last, steps[:-1]

    def edit(root: Any, change: Callable[[Any], Any]) -> None:
        for _, holder, _ in _spread(root, inner, (root,)):
            if type(holder) is dict and holder.get(name) is not None:
                made = change(holder[name])
                if made is MISSING:
                    del holder[name]
                else:
                    holder[name] = made

    return edit


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


def _spread(value: Any, steps: _Steps, above: Above) -> Iterator[tuple[dict[str, str], Any, Above]]:
    if not steps:
        yield {}, value, above
        return
    (many, step), rest = steps[0], steps[1:]
    if not many:
        found = step(value)
        if found is not MISSING:
            yield from _spread(found, rest, above)
        return
    encloses = any(fans for fans, _ in rest)
    for taken, inner in step(value):
        for more, element, further in _spread(inner, rest, (*above, inner) if encloses else above):
            yield taken | more, element, further


def _parse(text: str) -> tuple[str, _Steps]:
    """Return where a path starts (``, `$`, `^`, …) and its steps."""
    start = _START.match(text)
    place = start.end() if start else 0
    if text == "." or (start and place == len(text)):
        return start[1] if start else "", [(False, _itself)]
    steps: _Steps = []
    while True:
        segment = _SEGMENT.match(text, place)
        if segment is None:
            raise ValueError(f'{text!r} is no path; write it like a.b, a[0].b, a[name=x].b, "x.y", . or $.a')
        place = segment.end()
        if segment["keys"]:
            steps.append((True, _keys(segment["keys"])))
        elif name := segment["quoted"] or segment["name"]:
            steps.append((False, _key(name.strip() if segment["name"] else name)))
        while index := _INDEX.match(text, place):
            place = index.end()
            steps.append(_indexed(index))
        if place == len(text) and steps:
            return start[1] if start else "", steps
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


def _keys(text: str) -> _Fan:
    regex, place = "", 0
    for found in _CAPTURE.finditer(text):
        glob = translate(found["glob"]).removeprefix("(?s:").removesuffix(r")\Z")
        regex += f"{re.escape(text[place : found.start()])}(?P<{found['name']}>{glob})"
        place = found.end()
    fits = re.compile(regex + re.escape(text[place:]), re.DOTALL).fullmatch

    def fan(value: Any) -> Iterator[tuple[dict[str, str], Any]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if inner is not None and len(key) <= MAX_KEY and (found := fits(key)):
                    yield found.groupdict(), inner

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
