"""Sensors that announced themselves and are on no door yet: which door is it? Taken over by the way of every edit."""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import Response

from api.registry_editing import Clerk, part_of
from api.routes import mappings
from api.routes.reference import putting
from core import registry
from core.campus import Campus, Door, nearest
from core.errors import BadInput, Conflict, Problem
from ingest.discovery import Proposal

CHOICES: Final = 500
"""Doors that are offered as one types; any other may be typed all the same."""
_NOT_OF_AN_ID: Final = re.compile(r"[^a-z0-9]+")


def free_doors(campus: Campus) -> list[Door]:
    """Return the doors that no other maker's device speaks for yet, as many as are worth offering."""
    return [door for door in campus.doors if not door.source][:CHOICES]


def door_named(campus: Campus, said: str) -> Door:
    """Return the door that somebody means: by its id, its name or its number; BadInput where that is none, or two."""
    wanted = said.strip().casefold()
    found = [door for door in campus.doors if wanted == door.id.casefold()] or [
        door for door in campus.doors if wanted in (door.name.casefold(), door.number.casefold())
    ]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(door.id for door in found[:5])
        raise BadInput([Problem(f"{said!r} means several doors; write which: {ids}", "door")])
    known = {door.id for door in campus.doors}
    raise BadInput([Problem(f"no door {said!r}{nearest(said, known)}", "door")])


async def take_over(clerk: Clerk, campus: Campus, proposal: Proposal, *, door: str, name: str, exterior: bool) -> str:
    """Let a sensor speak for a door of the campus, for a new one of a name if none is said; return what people call it.

    The mapping that reads it is written first, where none in force does.
    """
    if proposal.trouble:
        raise Conflict(f"this sensor cannot be taken over from here: {proposal.trouble}")
    said = _bound(campus, door_named(campus, door)) if door.strip() else _new(campus, name, exterior=exterior)
    if proposal.mapping is not None:
        mapping = proposal.mapping
        await mappings.write_mapping(clerk.session, clerk.caller, clerk.now, mapping["id"], mapping, Response())
    key = said["id"]
    whole = said | {"source": proposal.source}
    await clerk.edit(campus.id, f"doors/{key}", putting("doors", whole), subject=f"door:{campus.id}/{key}")
    return str(said["name"])


def _bound(campus: Campus, door: Door) -> dict[str, Any]:
    if door.source:
        raise Conflict(f"{door.name} is spoken for by {door.source} already; take that away first")
    found: dict[str, Any] = part_of(campus, f"doors/{door.id}")
    return found


def _new(campus: Campus, name: str, *, exterior: bool) -> dict[str, Any]:
    if not name.strip():
        raise BadInput([Problem("say which door it is, or give the name of a new one", "door")])
    base = _NOT_OF_AN_ID.sub("-", name.casefold()).strip("-")[:60] or "door"
    taken = registry.to_plain(campus)
    ids = {each["id"] for part in ("doors", "devices") for each in taken.get(part, ())}
    key = next(each for each in (base, *(f"{base}-{n}" for n in range(2, 10_000))) if each not in ids)
    return {"id": key, "name": name.strip(), "exterior": exterior}
