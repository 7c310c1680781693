"""The types of the language, and how the fields of a message get theirs."""

from __future__ import annotations

import types
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin


@dataclass(frozen=True, slots=True)
class Type:
    """What a value can be; `values` are the words a string is limited to, if it is."""

    name: str
    item: Type | None = None
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"list of {self.item}" if self.item else self.name

    @property
    def called(self) -> str:
        """The name with its article."""
        return f"{'an' if str(self)[0] in 'aeiou' else 'a'} {self}"

    def fits(self, other: Type) -> bool:
        """Return whether values of the two types can be compared."""
        if self.name != other.name:
            return False
        return self.item is None or other.item is None or self.item.fits(other.item)


BOOL: Final = Type("bool")
INT: Final = Type("int")
DOUBLE: Final = Type("double")
STRING: Final = Type("string")
DURATION: Final = Type("duration")
TIMESTAMP: Final = Type("timestamp")
STRINGS: Final = Type("list", STRING)
_PLAIN: Final = {
    bool: BOOL,
    int: INT,
    float: DOUBLE,
    str: STRING,
    timedelta: DURATION,
    datetime: TIMESTAMP,
}


def one_of(*values: str) -> Type:
    """Return the type of a string that is one of these words."""
    return Type("string", values=values)


def type_of_value(value: object) -> Type:
    """Return the type of a constant."""
    return _PLAIN[type(value)]


def type_of(annotation: Any) -> tuple[Type, bool]:
    """Return the type of a message field by its annotation, and whether the field may be missing."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return type_of(get_args(annotation)[0])
    if origin is Literal:
        return one_of(*get_args(annotation)), False
    if origin in (Union, types.UnionType):
        inner = [each for each in get_args(annotation) if each is not type(None)]
        return type_of(inner[0])[0], len(inner) < len(get_args(annotation))
    return _PLAIN[annotation], False
