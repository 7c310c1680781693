"""What every page stands in: who looks, at which campus, what must be seen before all else, and the way to the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from fastapi import Depends, Form, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from alerts import shelf, srp
from alerts.suppression import Suppression
from api.access import MAY, Action, Caller
from api.console import menu, render
from api.deps import Health, House, InHouse, Now, Reader, Reading, the_campus
from api.listing import Words
from core import feed, state
from core.campus import Campus
from core.errors import NotFound

WORDS: Final[Mapping[str, str]] = {str(action): words for action, words in srp.WORDS.items()}
SAID: Final = "hallwatch_said"
"""The cookie that carries one sentence from an answered form to the page that comes next."""


@dataclass(frozen=True, slots=True)
class Banner:
    """Something that must be seen before all else."""

    id: str
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of one page, for one caller, at one instant; `last_id` is where its stream goes on."""

    path: str
    caller: Caller
    now: datetime
    last_id: int
    campuses: Sequence[Campus]
    """Those the caller may know of, in the order of their names."""
    chosen: Campus | None
    """The one asked for; None: whoever looks has not chosen."""
    banners: Sequence[Banner]
    said: str | None
    """What the form said that led here."""

    @property
    def campus(self) -> Campus:
        """The campus that the page is about; NotFound while there is none."""
        if self.chosen is not None:
            return self.chosen
        if not self.campuses:
            raise NotFound("no campus yet: write one in a file and load it (`hallwatch load`)")
        return self.campuses[0]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that times without a campus of their own are shown in."""
        return render.zone_of(self.chosen or (self.campuses[0] if self.campuses else None))

    @property
    def groups(self) -> Mapping[str, Sequence[menu.Entry]]:
        """The menu."""
        return menu.groups(MAY[self.caller.role])

    @property
    def at_hand(self) -> Sequence[menu.Entry]:
        """The part of the menu that a thumb reaches."""
        return menu.AT_HAND

    def may(self, action: Action) -> bool:
        """Return whether the caller may do something, so that the page offers it."""
        return self.caller.may(action)

    def is_at(self, entry: menu.Entry) -> bool:
        """Return whether this page is, or lies under, an entry of the menu."""
        return self.path == entry.path or (entry.path != "/" and self.path.startswith(f"{entry.path}/"))

    def to(self, path: str, **query: object) -> str:
        """Return the way to a page of ours; the campus that was chosen stays chosen."""
        kept = {"campus": self.chosen.id} if self.chosen and len(self.campuses) > 1 else {}
        asked = {name: value for name, value in (kept | query).items() if value not in (None, "")}
        return f"{path}?{urlencode(asked)}" if asked else path

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page in this frame; its template extends `console.html`."""
        answer = render.page(template, status=status, frame=self, **values)
        if self.said is not None:
            answer.delete_cookie(SAID, httponly=True, samesite="strict")
        return answer


async def the_frame(
    request: Request, house: InHouse, session: Reading, caller: Reader, now: Now, campus: Words | None = None
) -> Frame:
    """Return the frame of the page that a request asks for."""
    # The number comes first: what happens while we read is then told again, never missed.
    last_id = await feed.last_id(session)
    found = sorted(house.campuses().values(), key=lambda each: (each.campus.name, each.id))
    chosen = the_campus(campus, house) if campus else None
    frame = Frame(
        path=request.url.path,
        caller=caller,
        now=now,
        last_id=last_id,
        campuses=found,
        chosen=chosen,
        banners=(),
        said=unquote(request.cookies[SAID]) if SAID in request.cookies else None,
    )
    return await _with_banners(frame, session, house)


InFrame = Annotated[Frame, Depends(the_frame)]


def done(path: str, said: str = "") -> Response:
    """Return the answer to a form that was taken: go on to a page, which then says what was done."""
    answer = RedirectResponse(path, 303)
    if said:
        answer.set_cookie(SAID, quote(said[:500]), max_age=60, httponly=True, samesite="strict")
    return answer


def local(path: str) -> str:
    """Return the path if it leads to a page of ours, else the first page."""
    parts = urlsplit(path)
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if is_ours and path.isprintable() else "/"


Back = Annotated[str, Form(max_length=500)]
"""Where a form leads back to: the page it stands on."""


async def _with_banners(frame: Frame, session: AsyncSession, house: House) -> Frame:
    held = await shelf.in_force(session, [campus.id for campus in frame.campuses], frame.now)
    by_id = {campus.id: campus for campus in frame.campuses}
    banners = [
        *_unwell(house.health(), frame.zone),
        *await _states(session, frame.campuses),
        *[_exercise(each, by_id[each.campus], frame.now) for each in held if each.kind == "exercise"],
    ]
    return replace(frame, banners=banners)


def _unwell(health: Health, zone: ZoneInfo) -> Iterable[Banner]:
    for name in ("broker", "database", "auditor"):
        part = getattr(health, name)
        if not part.ok:
            since = f", since {part.since.astimezone(zone):%H:%M}" if part.since else ""
            yield Banner(f"health-{name}", "unwell", f"{name.capitalize()}: {part.words}{since}")


async def _states(session: AsyncSession, campuses: Sequence[Campus]) -> list[Banner]:
    told = {each.campus: each.level for each in await state.standings(session, [c.id for c in campuses], "campus")}
    found = []
    for campus in campuses:
        now = told.get(campus.id) or campus.campus.state
        if now != "normal":
            where = f"{campus.campus.name}: " if len(campuses) > 1 else ""
            found.append(Banner(f"state-{campus.id}", now, where + WORDS[now]))
    return found


def _exercise(each: Suppression, campus: Campus, now: datetime) -> Banner:
    until = render.clock_time(each.ends_at, render.zone_of(campus), now)
    return Banner(f"suppression-{each.id}", "exercise", f"EXERCISE until {until}: {each.reason}")
