"""The words that mappings are written in: names, paths, patterns and scalars, each refused where it is none."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from ingest.mapping import paths
from ingest.mapping.times import known_format
from ingest.mapping.topics import Pattern


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("must be a word, a number, true or false")
    return value


Scalar = Annotated[Any, AfterValidator(_scalar), WithJsonSchema({"type": ["boolean", "number", "string"]})]
OptionalScalar = Annotated[Any, AfterValidator(lambda value: None if value is None else _scalar(value))]
Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")]
Wiring = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_=-]*$")]
Name = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]


def as_list(value: Any) -> Any:
    """Return a value that may stand alone as the list it stands for."""
    return value if isinstance(value, list | tuple) else [value]


def _known_topic(text: str) -> str:
    if Pattern(text).filters[0] in ("#", "+"):
        raise ValueError("fits every topic; name at least one level of it")
    return text


def _known_pattern(text: str) -> str:
    Pattern(text)
    return text


def _known_path(text: str) -> str:
    paths.getter(text)
    return text


def _known_fan(text: str) -> str:
    paths.walker(text)
    return text


def _known_end(text: str) -> str:
    paths.editor(text)
    return text


def bounded(low: timedelta, high: timedelta, words: str) -> Any:
    """Return the annotation of a duration that lies within bounds."""

    def check(value: timedelta | None) -> timedelta | None:
        if value is not None and not low <= value <= high:
            raise ValueError(words)
        return value

    return AfterValidator(check)


Topic = Annotated[str, AfterValidator(_known_topic)]
TopicPattern = Annotated[str, AfterValidator(_known_pattern)]
Path = Annotated[str, AfterValidator(_known_path)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(as_list), Field(min_length=1)]
Fans = Annotated[tuple[Annotated[str, AfterValidator(_known_fan)], ...], BeforeValidator(as_list), Field(min_length=1)]
Ends = Annotated[tuple[Annotated[str, AfterValidator(_known_end)], ...], BeforeValidator(as_list)]
Format = Annotated[str, AfterValidator(known_format)]
Scalars = Annotated[tuple[Scalar, ...], BeforeValidator(as_list), Field(min_length=1)]
