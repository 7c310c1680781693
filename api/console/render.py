"""Templates and the words in them: how long, since when, who. Everything that comes from outside is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from api.statics import address
from core.campus import Campus

_SEVERAL_DAYS = timedelta(hours=48)


def duration(length: timedelta) -> str:
    """Return how long something lasts, as one says it: `0:42`, `1:04`, `2 h 05 min`, `3 days`."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02}"
    if length < _SEVERAL_DAYS:
        return f"{seconds // 3600} h {seconds // 60 % 60:02} min"
    return f"{seconds // 86400} days"


def clock_time(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return a moment in the campus's own time, with its day if that is not today."""
    local = at.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M:%S}"
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def several(count: int, one: str, many: str) -> str:
    """Return how many there are of something, as one says it: `1 door`, `3 doors`."""
    return f"{count} {one if count == 1 else many}"


def zone_of(campus: Campus | None) -> ZoneInfo:
    """Return the time zone a campus is shown in; UTC for one that is gone."""
    return campus.zone_info if campus else ZoneInfo("UTC")


def instant(at: datetime) -> str:
    """Return a moment as machines read it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"duration": duration, "instant": instant, "clock_time": clock_time}


@pass_context
def csrf(context: Context) -> Markup:
    """Return the field that proves that a form is our own page's; it stands in every form that changes something."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(context["frame"].caller.csrf)


_templates.globals |= {"csrf": csrf, "static": address}


def page(template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any) -> Response:
    """Return a rendered page."""
    return HTMLResponse(_templates.get_template(template).render(values), status, headers=dict(headers or {}))


def problem(
    request: Request, *, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the page that tells a person what went wrong, and where to go from there."""
    word = HTTPStatus(status).phrase
    way_back = "/login" if request.url.path.startswith("/login") else "/"
    return page(
        "problem.html",
        status=status,
        headers=headers,
        title=title,
        detail=detail,
        word=word,
        code=status,
        way_back=None if request.url.path.startswith("/a/") else way_back,
    )
