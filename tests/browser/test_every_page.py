"""What must hold on every page there is: it is read aloud, it fits a phone, it hides nothing, it lets nothing run."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from api import users
from core.campus import Campus
from rules import store
from rules.rule import shipped
from tests.browser.paths import paths
from tests.browser.test_console import PHONE, sign_in, width_overflows
from tests.campuses import LINCOLN, lincoln
from tests.integration.test_api_alerts import find
from tests.integration.test_api_campuses import hear
from tests.unit.api.house import Desk

SCRIPT = "<script>document.title = 'broken in'</script>"
LONG = "Corridor_without_a_space_" * 12
AXE: Any = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture
def campus() -> Campus:
    """Lincoln High, whose clerk has typed strange names."""
    doors: list[dict[str, Any]] = [dict(door) for door in LINCOLN["doors"]]
    doors[0]["name"], doors[1]["name"], doors[2]["name"] = SCRIPT, LONG, f'"><img src=x onerror={SCRIPT}>'
    people = [{**person, "name": (SCRIPT + LONG)[:300]} for person in LINCOLN["people"][:1]] + LINCOLN["people"][1:]
    return lincoln(doors=doors, people=people)


@pytest.fixture
async def number(desk: Desk) -> int:
    """An alert that has something to tell."""
    await hear(desk, "door/gym-east", {"position": "open"})
    await hear(desk, "door/main", {"position": "closed", "lock": "locked"})
    await find(desk, key="main", severity="minor", text=LONG, title=SCRIPT)
    async with desk.house.database.transaction() as session:
        await store.seed(session, shipped(), now=desk.house.clock.now())
        await users.add(session, name=(SCRIPT + LONG)[:100], role="viewer", password=None, now=desk.house.clock.now())
    await find(desk, key="gym-west", severity="moderate", exercise="drill")
    return await find(desk, severity="extreme", text=f"{SCRIPT} is open")


async def complaints(page: Page) -> list[str]:
    """Return what a blind or colour-blind reader would stumble over."""
    found = await Axe().run(page, options=AXE)
    return [
        f"{each['id']}: {node['html'][:160]} ({node['failureSummary'][:300]})"
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]


@pytest.mark.parametrize(("scheme", "viewport"), [("light", {"width": 1280, "height": 860}), ("dark", PHONE)])
async def test_every_page_is_for_everybody(
    browser: Browser, address: str, desk: Desk, number: int, scheme: Any, viewport: Any
) -> None:
    context = await browser.new_context(base_url=address, viewport=viewport, color_scheme=scheme)
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    found: dict[str, list[str]] = {"/login": []}
    await page.goto("/login")
    found["/login"] = await complaints(page)
    await sign_in(page, desk, "admin")
    for path in paths(number=str(number)):
        answer = await page.goto(path)
        assert answer
        here = found.setdefault(path, [])
        here += [] if answer.status == 200 else [f"answers {answer.status}"]
        here += [] if not await width_overflows(page) else ["is wider than the screen"]
        here += [] if await page.locator("h1").count() == 1 else ["has not one first heading"]
        here += [] if await page.title() != "broken in" else ["ran a script that came in as a name"]
        here += [*await complaints(page), *errors]
        errors.clear()
    await context.close()
    wrong = [f"{path}: {each}" for path, said in found.items() for each in said]
    assert not wrong, "\n".join(wrong)


async def test_every_page_says_its_essentials_without_a_script(
    browser: Browser, address: str, desk: Desk, number: int
) -> None:
    context = await browser.new_context(base_url=address, java_script_enabled=False, viewport=PHONE)
    page = await context.new_page()
    await sign_in(page, desk, "admin")
    for path in paths(number=str(number)):
        await page.goto(path)
        assert await page.locator("h1").is_visible(), path
        assert len(await page.locator("main").inner_text()) > 20, path
    await context.close()
