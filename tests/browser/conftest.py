"""A real browser in front of a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright

from core.campus import Campus
from core.clock import ManualClock
from core.database import Database
from core.vault import Vault
from tests import servers
from tests.conftest import START
from tests.unit.api.house import Desk, build_house, open_desk

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def desk(sqlite_database: Database, vault: Vault, campus: Campus) -> Desk:
    """A house whose clock runs, and shows another day than the browser's."""
    clock = ManualClock(START, rate=1.0)
    return await open_desk(*build_house(sqlite_database, clock, vault, campus))


@pytest.fixture
async def address(desk: Desk) -> AsyncIterator[str]:
    """Where the API and its pages are served."""
    async with desk.served() as url:
        yield url


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if not servers.CHROMIUM:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=servers.CHROMIUM, args=ARGUMENTS)
        yield found
        await found.close()


@pytest.fixture
async def page(browser: Browser, address: str) -> AsyncIterator[Page]:
    """An empty page of a browser that nobody has signed in with; every complaint of the browser fails the test."""
    complaints: list[str] = []
    context = await browser.new_context(base_url=address, viewport={"width": 1280, "height": 860})
    found = await context.new_page()
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield found
    await context.close()
    assert complaints == []
