"""The addresses of all pages, for whoever must look at every one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastapi.routing import APIRoute

from api.console.pages import PAGES

KNOWN = {"rule": "door-held-open", "name": "severe", "user": "1", "person": "reyes", "c": "lincoln"}
ASKED = {"/quiet/state": "?state=lockdown"}
"""What a page is asked, where it shows nothing otherwise."""
PICTURES = {"/map/{c}/plan"}
"""What pages show, and is none itself."""


def paths(*, number: str, **known: str) -> Iterator[str]:
    """Yield the address of every page; those of one thing with a thing that is there (`number`: an alert)."""
    things = KNOWN | known | {"number": number}
    for room in PAGES:
        for route in room.router.routes:
            if isinstance(route, APIRoute) and "GET" in route.methods and route.path not in PICTURES:
                yield re.sub(r"\{(\w+)\}", lambda part: things[part[1]], route.path) + ASKED.get(route.path, "")
