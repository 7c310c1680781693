"""From what a device says to what we mean: coercions and look-up tables.

A table is looked up by type and value: `false`, `0` and `"0"` are three things unless `as` makes them one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

Kind = Literal["bool", "int", "float", "str", "str_ci"]
_YES: Final = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
SKIP: Final = object()
"""The device spoke, and said nothing about what the mapping emits."""


class Unreadable(Exception):
    """The value is there, and is not what the mapping says it would be."""


def coerce(kind: Kind | None) -> Callable[[Any], Any]:
    """Return the function that makes a value one of `kind`; it raises Unreadable where that cannot be."""
    return _COERCIONS[kind] if kind else _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _to_bool(value: Any) -> bool:
    word = str(value).strip().lower() if isinstance(value, str | bool) else value
    if isinstance(word, str) and word in _YES:
        return _YES[word]
    if isinstance(word, int | float) and word in (0, 1):
        return bool(word)
    raise Unreadable(f"{show(value)} is neither true nor false")


def _to_float(value: Any) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Unreadable(f"{show(value)} is not a number")
    return number


def _to_int(value: Any) -> int:
    number = _to_float(value)
    if number != int(number):
        raise Unreadable(f"{show(value)} is not a whole number")
    return int(number)


def _to_str(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict | list):
        raise Unreadable(f"{show(value)} is not text")
    return msgspec.json.encode(value).decode()


def _to_lower(value: Any) -> str:
    return _to_str(value).lower()


_COERCIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "bool": _to_bool,
    "int": _to_int,
    "float": _to_float,
    "str": _to_str,
    "str_ci": _to_lower,
}


def show(value: Any) -> str:
    """Return a value as a reason may quote it: JSON, and short."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 40 else f"{text[:37]}..."


def typed(value: Any) -> tuple[str, Any]:
    """Return what a table is looked up by; a JSON number is one number, however it is written."""
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int | float):
        return "number", value
    return type(value).__name__, value if isinstance(value, str) else None


def table(entries: Mapping[str, Any], kind: Kind | None) -> dict[tuple[str, Any], Any]:
    """Return the look-up table that a document's `map` means; ValueError names a key that `as` can never give."""
    return {typed(_read_key(key, kind)): meaning for key, meaning in entries.items()}


def _read_key(key: str, kind: Kind | None) -> Any:
    if kind is not None:
        try:
            return coerce(kind)(key)
        except Unreadable as error:
            raise ValueError(f"{error}, and `as: {kind}` never gives it") from None
    # A key is what it would be in the payload: true, 22 and "22" in quotes are themselves, anything else is text.
    try:
        return msgspec.json.decode(key)
    except msgspec.DecodeError:
        return key
