"""The way of every change to a campus: read as it is stored, changed, proved whole, saved and put on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import endpoints, policies
from api.access import Caller
from api.deps import Administrator, AnyCaller, InHouse, Now, Reading, Writing
from api.etags import IfMatch, must_match
from core import audit, registry
from core.campus import Campus, nearest, problems_of
from core.database import in_turn
from core.documents import Document
from core.errors import BadInput, Conflict, NotFound, Problem
from core.registry import Change
from core.vault import Vault

Plain = dict[str, Any]


async def the_described(c: str, house: InHouse, session: Reading, caller: AnyCaller) -> Campus:
    """Return the campus that the path names, as it is stored at this moment; NotFound if there is none."""
    found = await registry.load(session, house.vault, c) if caller.may_know(c) and "\0" not in c else None
    if found is None:
        raise NotFound(f"no campus {c!r}{nearest(c, set(house.campuses()))}")
    return found


Described = Annotated[Campus, Depends(the_described)]


@dataclass(frozen=True, slots=True)
class Clerk:
    """Changes campuses on behalf of one request, inside its transaction."""

    session: AsyncSession
    vault: Vault
    caller: Caller
    now: datetime
    if_match: str | None
    allow_private: bool
    """Whether endpoints may lead to private addresses."""

    def expects(self, present: Any) -> None:
        """Raise Changed where the caller speaks of another state than the present one; None: there is nothing yet."""
        must_match(self.if_match, present)

    async def edit(self, campus: str, part: str, change: Callable[[Plain], Plain], *, subject: str) -> Campus:
        """Save what `change` makes of a campus, and put it on record.

        `part` is what the caller's ETag speaks of (see `part_of`); `subject` is named in the record.
        """
        await in_turn(self.session)
        before = await self._stored(campus)
        self.expects(part_of(before, part))
        return await self.save(read_campus(change(registry.to_plain(before))), subject=subject)

    async def save(self, campus: Campus, *, subject: str) -> Campus:
        """Make the database say what a campus says, and put on record which pieces that changes.

        BadInput names new endpoints that no notice could be sent to.
        """
        known = await registry.load(self.session, self.vault, campus.id)
        allow_private = self.allow_private
        wrong = await asyncio.to_thread(endpoints.problems_of, campus, allow_private=allow_private, known=known)
        if wrong:
            raise BadInput(wrong)
        changes = await registry.save(self.session, self.vault, campus, now=self.now, by=self.caller.actor)
        if changes:
            await audit.record(
                self.session,
                at=self.now,
                actor=self.caller.actor,
                action="campus.edit",
                subject=subject,
                detail={"campus": campus.id, "changes": [_told(each) for each in changes]},
            )
        return campus

    async def _stored(self, campus: str) -> Campus:
        known = self.caller.may_know(campus) and "\0" not in campus
        found = await registry.load(self.session, self.vault, campus) if known else None
        if found is None:
            raise NotFound(f"no campus {campus!r}")
        return found


def the_clerk(session: Writing, house: InHouse, caller: Administrator, now: Now, if_match: IfMatch = None) -> Clerk:
    """Return what changes campuses for this request."""
    return Clerk(session, house.vault, caller, now, if_match, house.settings.allow_private_endpoints)


InClerk = Annotated[Clerk, Depends(the_clerk)]


def read_campus(plain: Any, *, removing: str | None = None) -> Campus:
    """Return the campus that plain values describe; BadInput says where they do not hold together.

    `removing`: a thing was taken out; what still refers to it makes that impossible (Conflict), not the input bad.
    """
    try:
        campus = Campus.model_validate(plain)
    except ValidationError as error:
        problems = problems_of(error)
        if removing is not None:
            raise Conflict(f"{removing} is still in use: {'; '.join(map(str, problems))}") from None
        raise BadInput(problems) from None
    try:
        policies.read_policies([Document(list(campus.policies))])
    except BadInput as bad:
        raise BadInput([Problem(each.message, f"policies{each.where}") for each in bad.problems]) from None
    return campus


def part_of(campus: Campus, part: str) -> Any:
    """Return the plain values of a piece of a campus: ``, `calendar`, or `doors/gym-east`; None where it is not."""
    plain = registry.to_plain(campus)
    if not part:
        return plain
    name, _, key = part.partition("/")
    if not key:
        return plain.get(name, {})
    return next((each for each in plain.get(name, ()) if each["id"] == key), None)


def _told(change: Change) -> Plain:
    """Return what the record says of a change: which keys, and never what endpoints or the watch list hold."""
    said: Plain = {"what": change.what, "part": change.part, "id": change.id}
    if isinstance(change.before, dict) and isinstance(change.after, dict):
        before, after = change.before, change.after
        said["keys"] = _differing(before, after)
    if change.part == "calendar":
        said["days"] = _days(change)
    return said


def _days(change: Change) -> dict[str, list[Plain | None]]:
    """Return what each date was and what it is, so that it can be put back."""
    before, after = ((each or {}).get("exceptions", {}) for each in (change.before, change.after))
    return {day: [before.get(day), after.get(day)] for day in _differing(before, after)}


def _differing(before: Plain, after: Plain) -> list[str]:
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
