"""What forms ask for, and how it is read: as the API reads it, times as the clock on the wall shows them, doors as
staff call them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

from fastapi import Form
from pydantic import BaseModel, ValidationError

from api.etags import tag_of
from api.listing import Words
from api.registry_editing import part_of
from core.campus import Campus, Door, nearest, problems_of
from core.errors import BadInput, Problem

M = TypeVar("M", bound=BaseModel)
Short = Annotated[Words, Form(max_length=300)]
"""A name, or a few words."""
Reason = Annotated[Words, Form(max_length=500)]
Version = Annotated[str, Form(max_length=200)]
"""The ETag of what the page showed: what somebody else has changed since then is not overwritten."""
DOORS_OFFERED: Final = 200
"""So many doors are offered by name; where there are more, one writes the number or the name."""
_INDEX: Final = re.compile(r"\[\d+\]")


@contextmanager
def beside_fields() -> Iterator[None]:
    """Let what is wrong stand beside the field of the form: its name is the last step of the place."""
    try:
        yield
    except BadInput as bad:
        raise BadInput([_beside(each) for each in bad.problems]) from None


def read(schema: type[M], **said: Any) -> M:
    """Return what a form says as one of the API's schemas; a field left empty (None) is one that was left out."""
    try:
        return schema.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        raise BadInput(problems_of(error)) from None


def read_local(text: str, campus: Campus, field: str) -> datetime:
    """Return the instant of a time as the campus's clock shows it (`2026-11-24T10:00`); BadInput names the field."""
    try:
        naive = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput([Problem("write it like 2026-11-24T10:00", field)]) from None
    if not 2000 <= naive.year < 2200:
        raise BadInput([Problem("is no moment for a calendar of this age", field)])
    return campus.instant(naive)


def write_local(at: datetime, campus: Campus) -> str:
    """Return an instant as a form's field for local time holds it."""
    return f"{at.astimezone(campus.zone_info):%Y-%m-%dT%H:%M}"


def read_end(lasts: str, until: str, campus: Campus, now: datetime) -> datetime:
    """Return when something ends: at a local time if one was written, else so many minutes from now."""
    if until.strip():
        return read_local(until, campus, "until")
    if not (lasts.isdecimal() and lasts.isascii() and len(lasts) <= 4):
        raise BadInput([Problem("is required: how long, or until when", "until")])
    return now + timedelta(minutes=int(lasts))


def read_door(text: str, campus: Campus) -> Door | None:
    """Return the door of this id, number or name; None where nothing is written, BadInput where there is none."""
    wanted = text.strip().casefold()
    if not wanted:
        return None
    for name in ("id", "number", "name"):
        found = [door for door in campus.doors if str(getattr(door, name)).casefold() == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(door.id for door in found[:5])
            raise BadInput([Problem(f"several doors are called {text.strip()!r}: write {ids}", "door")])
    raise BadInput([Problem(f"no door {text.strip()!r}{nearest(text.strip(), _names(campus))}", "door")])


def offered_doors(campus: Campus) -> tuple[Door, ...]:
    """Return the doors to choose from; none where they are too many for a list."""
    return campus.doors if len(campus.doors) <= DOORS_OFFERED else ()


def version_of(campus: Campus, part: str) -> str:
    """Return the ETag of a part of a campus (see `part_of`), without a look at the others."""
    name = part.partition("/")[0]
    alone = Campus.model_construct(campus=campus.campus, **{name: getattr(campus, name)})
    return tag_of(part_of(alone, part))


def _names(campus: Campus) -> list[str]:
    return [name for door in campus.doors[:2000] for name in (door.id, door.name, door.number) if name]


def _beside(problem: Problem) -> Problem:
    field = _INDEX.sub("", problem.where).rpartition(".")[2]
    return Problem(problem.message, field, problem.file, problem.line)
