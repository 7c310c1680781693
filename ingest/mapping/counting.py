"""Counters at work: totals that only go up, heads of the last while, how many are there now.

No memory is kept here. A total is handed on as the total it is, and what it has grown by is found where the state of
the gathering is kept (`core.messages`): so nothing is lost or counted twice, whatever happens in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from core.wire import Refused
from ingest.mapping import document as doc
from ingest.mapping.elements import Element
from ingest.mapping.paths import MISSING, Above, Getter, getter, holder
from ingest.mapping.values import SKIP, Unreadable, coerce

Said = Any
"""The fields of each message, none where nobody went by; or SKIP."""
_TO_INT: Final = coerce("int")
_LARGEST: Final = 2**53


def counter(how: doc.Counter) -> Callable[[Element, str | None], Said]:
    """Return the function that tells the heads in one element, by the way the counter hangs; it raises Refused."""
    also = {"role": how.role} if how.role else {}
    if how.kind == "gauge":
        number = _number(how.count, how.zero_when)
        return lambda element, _wiring: _gauge(number, element, also)
    ways: dict[str | None, Callable[[Element], Said]] = {
        wiring: _directed(how, heads, also) for wiring, heads in how.wiring.items()
    }
    if how.direction is not None:
        ways[None] = _directed(how, how.direction, also)
    return lambda element, wiring: ways[wiring](element)


def _gauge(number: Getter, element: Element, also: dict[str, Any]) -> Said:
    found = number(element.value, element.above)
    return SKIP if found is MISSING else ({"mode": "absolute", "count": found} | also,)


def _directed(how: doc.Counter, heads: doc.Heads, also: dict[str, Any]) -> Callable[[Element], Said]:
    if heads.by is not None:
        name, number = heads.by, _number(heads.into or (".",), how.zero_when)

        def read_by_name(element: Element) -> Said:
            way = element.taken[name]
            if way not in ("in", "out"):
                raise Refused(f"invalid_field: {name}: {way!r} is neither in nor out")
            return _told(how, [(way, number(element.value, element.above))], also)

        return read_by_name
    numbers = [(way, _number(paths, how.zero_when)) for way, paths in (("in", heads.into), ("out", heads.out)) if paths]

    def read(element: Element) -> Said:
        return _told(how, [(way, number(element.value, element.above)) for way, number in numbers], also)

    return read


def _told(how: doc.Counter, found: Iterable[tuple[str, Any]], also: dict[str, Any]) -> Said:
    known = [(way, number) for way, number in found if number is not MISSING]
    if not known:
        return SKIP
    if how.kind == "period":
        return tuple({"direction": way, "count": number} | also for way, number in known if number)
    wraps = {"wraps_at": how.wrap} if how.wrap else {}
    return tuple({"direction": way, "total": number} | wraps | also for way, number in known)


def _number(names: tuple[str, ...], zero_when: str | None) -> Getter:
    getters = [(getter(name), holder(name) if zero_when else None, name) for name in names]

    def get(element: Any, above: Above) -> Any:
        for fetch, fetch_holder, name in getters:
            found = fetch(element, above)
            if found is not MISSING:
                return _whole(found, name)
            if fetch_holder is not None and isinstance(fetch_holder(element, above), dict):
                return 0
        return MISSING

    return get


def _whole(value: Any, place: str) -> int:
    try:
        number = int(_TO_INT(value))
    except Unreadable as error:
        raise Refused(f"invalid_field: {place}: {error}") from None
    if not 0 <= number <= _LARGEST:
        raise Refused(f"invalid_field: {place}: {number} heads cannot be")
    return number
