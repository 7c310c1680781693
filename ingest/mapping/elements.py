"""What a payload is made of: the things it speaks of, and which of them count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final

import msgspec

from core.wire import Refused
from ingest.mapping.paths import MISSING, Above, Getter, getter, walker
from ingest.mapping.values import typed

MOST: Final = 500
"""Elements of one payload; no device has more to say at once."""


class Element(msgspec.Struct, frozen=True):
    """One thing that a payload speaks of."""

    source: str | None
    """Its name in the campus file; None where the payload does not say it."""
    value: Any
    above: Above
    taken: dict[str, str]


def first_of(names: tuple[str, ...]) -> Getter:
    """Return the function that fetches the first of several paths that is there."""
    getters = [getter(name) for name in names]
    if len(getters) == 1:
        return getters[0]

    def get(element: Any, above: Above) -> Any:
        for each in getters:
            found = each(element, above)
            if found is not MISSING:
                return found
        return MISSING

    return get


def condition(where: Mapping[str, tuple[Any, ...]]) -> Callable[[Any, Above], bool]:
    """Return the function that says whether every path holds one of its values."""
    checks = [(getter(name), frozenset(typed(value) for value in values)) for name, values in where.items()]

    def holds(element: Any, above: Above) -> bool:
        for get, wanted in checks:
            found = get(element, above)
            if found is MISSING or typed(found) not in wanted:
                return False
        return True

    return holds


def fan(each: tuple[str, ...] | None) -> Callable[[Any], Iterator[tuple[dict[str, str], Any, Above]]]:
    """Return the function that yields the elements of a payload, with the keys taken on the way."""
    if each is None:
        return lambda root: iter((({}, root, (root,)),))
    walkers = [walker(text) for text in each]

    def walk(root: Any) -> Iterator[tuple[dict[str, str], Any, Above]]:
        for one in walkers:
            found = iter(one(root))
            first = next(found, None)
            if first is None:
                continue
            yield from islice(chain((first,), found), MOST)
            if next(found, None) is not None:
                raise Refused(f"invalid_field: more than {MOST} readings in one payload")
            return

    return walk
