"""What every form of an administrator brings along: who edits which campus, what they had read, where it leads back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from api.access import Caller
from api.console.forms import Version
from api.console.frame import Back, done, local
from api.deps import Administrator, House, InHouse, Now, OnCampus, Writing
from api.routes.policies import TELLING
from core import registry
from core.campus import Campus
from core.database import in_turn


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of a campus by somebody who may."""

    session: AsyncSession
    house: House
    campus: Campus
    caller: Caller
    now: datetime
    version: str | None
    """The ETag of what the page showed; None: none was sent."""
    back: str

    @property
    def place(self) -> tuple[AsyncSession, House, Campus, Caller, datetime]:
        """What the routes of a campus's people take first, in their order."""
        return self.session, self.house, self.campus, self.caller, self.now

    async def present(self) -> Campus:
        """Return the campus with all that says who is told as it is stored, while nobody else changes it."""
        await in_turn(self.session)
        return await registry.renewed(self.session, self.house.vault, self.campus, TELLING)

    def done(self, said: str) -> Response:
        """Return the answer that leads back to the page the form stands on."""
        return done(local(self.back), said)


def the_edit(
    session: Writing,
    house: InHouse,
    campus: OnCampus,
    caller: Administrator,
    now: Now,
    version: Version = "",
    back: Back = "/",
) -> Edit:
    """Return the edit that a form asks for."""
    return Edit(session, house, campus, caller, now, version or None, back)


InEdit = Annotated[Edit, Depends(the_edit)]
