"""docs/console.md names every page, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.routing import APIRoute

from api.console.menu import MENU
from api.console.pages import PAGES
from tests.browser.paths import PICTURES

TEXT = (Path(__file__).parents[3] / "docs/console.md").read_text("utf-8")


def test_the_page_about_the_pages_knows_them_all() -> None:
    routes = [route for room in PAGES for route in room.router.routes if isinstance(route, APIRoute)]
    pages = {route.path for route in routes if "GET" in route.methods} - PICTURES
    assert set(re.findall(r"`(/[\w/{}]*)`", TEXT)) == pages


def test_every_entry_of_the_menu_leads_to_a_page_and_is_called_so_there() -> None:
    for entry in MENU:
        assert f"`{entry.path}`" in TEXT
        assert f"**{entry.title}**" in TEXT
