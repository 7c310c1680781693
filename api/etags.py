"""Who edits says what they have read (`If-Match`); what somebody else has changed since then is not overwritten."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, ClassVar

import msgspec
from fastapi import Header

from core.errors import HallwatchError

IfMatch = Annotated[str | None, Header(max_length=200, description="The ETag of what is to be changed.")]


class Changed(HallwatchError):
    """Somebody else was faster: what the caller speaks of is not what there is."""

    status: ClassVar[int] = 412
    title: ClassVar[str] = "Changed meanwhile"


def tag_of(document: Any) -> str:
    """Return the ETag of plain values: the same for the same content."""
    return f'"{hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()[:32]}"'


def must_match(if_match: str | None, document: Any | None) -> None:
    """Raise Changed where a caller speaks of something else than the present content; None: there is nothing yet."""
    if if_match is None:
        return
    wanted = {each.strip().removeprefix("W/") for each in if_match.split(",")}
    if document is None:
        raise Changed(f"it does not exist; you speak of {if_match}")
    if "*" not in wanted and tag_of(document) not in wanted:
        raise Changed("it has changed since it was read; read it again")
