"""Topic patterns: which topics a mapping speaks of, what it takes from them, and what to subscribe to for that.

`{x}` takes one level, or a part of one; `{x:**}` takes one to four levels, or all that are left where it stands
last; `*` and `**` do the same and take nothing. Topics hold spaces, dots and everything else that people give their
devices for a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

MAX_LENGTH: Final = 1000
"""Characters in a topic; nobody's device is called more than that."""
_MOST_LEVELS: Final = 4
_TOKEN = re.compile(r"\{(?P<name>[a-z_][a-z0-9_]*)(?P<many>:\*\*)?\}|(?P<stars>\*\*?)|(?P<plain>[^{}*+#]+)")
_ONE: Final = "[^/]+"
_SOME: Final = f"{_ONE}(?:/{_ONE}){{0,{_MOST_LEVELS - 1}}}"
_REST: Final = ".+"


class Pattern:
    """One topic pattern, ready to match. ValueError where it is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        levels = text.split("/")
        read = [_read_level(level, last=place == len(levels) - 1) for place, level in enumerate(levels)]
        if not text or sum(len(level.subscriptions) > 1 or level.subscriptions == ("#",) for level in read) > 2:
            raise ValueError("a topic has at least one level, and at most two of them may be **")
        names = [name for level in read for name in level.names]
        if len(set(names)) < len(names):
            raise ValueError("takes the same name twice")
        self.names = frozenset(names)
        self.filters = tuple("/".join(choice) for choice in product(*(level.subscriptions for level in read)))
        # Most topics differ from most patterns at their very beginning.
        self._begins = re.split(r"[{}*]", text, maxsplit=1)[0]
        self._match = re.compile("/".join(level.regex for level in read), re.DOTALL).fullmatch

    def match(self, topic: str) -> dict[str, str] | None:
        """Return what the pattern takes from a topic, or None if it does not speak of it."""
        found = self._match(topic) if topic.startswith(self._begins) else None
        return found.groupdict() if found else None


@dataclass(frozen=True)
class _Level:
    """What stands between two slashes of a pattern: how it matches, what it takes, how one subscribes to it."""

    regex: str
    names: tuple[str, ...]
    subscriptions: tuple[str, ...]


def _read_level(text: str, *, last: bool) -> _Level:
    tokens = list(_tokens(text))
    many = any(token["many"] or token["stars"] == "**" for token in tokens)
    if many and len(tokens) > 1:
        raise ValueError(f"{text!r}: ** is a level of its own")
    body = _ONE if not many else _REST if last else _SOME
    return _Level(
        regex="".join(_regex(token, body) for token in tokens),
        names=tuple(token["name"] for token in tokens if token["name"]),
        subscriptions=_subscriptions(text, tokens, many=many, last=last),
    )


def _subscriptions(text: str, tokens: list[re.Match[str]], *, many: bool, last: bool) -> tuple[str, ...]:
    if many:
        return ("#",) if last else tuple("/".join("+" * count) for count in range(1, _MOST_LEVELS + 1))
    return (text if all(token["plain"] for token in tokens) else "+",)


def _tokens(text: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise ValueError(f"{text!r} is no level of a topic; write it like door, {{device}}, {{device:**}} or *")
        yield token
        place = token.end()


def _regex(token: re.Match[str], body: str) -> str:
    if token["plain"]:
        return re.escape(token["plain"])
    return f"(?P<{token['name']}>{body})" if token["name"] else body


def fewest(filters: Iterable[str]) -> list[str]:
    """Return the subscriptions without those that another one covers, so that nothing is delivered twice."""
    unique = sorted(set(filters))
    return [each for each in unique if not any(other != each and covers(other, each) for other in unique)]


def covers(wide: str, narrow: str) -> bool:
    """Return whether every topic of subscription `narrow` is one of `wide`."""
    ours, theirs = wide.split("/"), narrow.split("/")
    for place, level in enumerate(ours):
        if level == "#":
            return True
        if place >= len(theirs) or (level != "+" and level != theirs[place]) or theirs[place] == "#":
            return False
    return len(ours) == len(theirs)
