"""The map, the events and who is here, as people use them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from core.campus import Campus
from tests.browser.test_console import PHONE, find_now, is_the_same_page, marked, sign_in, width_overflows
from tests.campuses import LINCOLN, lincoln
from tests.conftest import START
from tests.integration.test_api_campuses import hear
from tests.integration.test_console_alerts import BAD
from tests.unit.api.house import Desk
from tests.unit.api.test_plans import PNG


@pytest.fixture
def campus() -> Campus:
    doors = [dict(each) for each in LINCOLN["doors"]]
    doors[1] |= {"x": 0.25, "y": 0.5}
    doors[2] |= {"name": BAD}
    game: dict[str, Any] = {"id": "game", "name": BAD, "zone": "gym", "load": 500}
    times = {"start": START.isoformat(), "end": (START + timedelta(hours=2)).isoformat()}
    return lincoln(doors=doors, gatherings=[game | times])


async def test_a_door_opens_on_the_map_before_ones_eyes(page: Page, desk: Desk) -> None:
    await sign_in(page, desk)
    await page.goto("/map")
    await expect(page.locator("#line")).to_have_text("Live")
    await marked(page)
    spot = page.locator('#spots [data-key="gym-east"]')
    await expect(spot).to_have_class(re.compile("spot--unknown"))
    await hear(desk, "door/gym-east", {"position": "open"})
    await expect(spot).to_have_class(re.compile("spot--open"))
    await expect(page.locator("#rooms")).to_contain_text("Gym east open")
    await find_now(desk)
    await expect(page.locator("#rooms").get_by_role("link", name="severe alert")).to_be_visible()
    await expect(spot.get_by_role("link")).to_have_attribute("aria-label", "7 Gym east: open, severe alert")
    assert await is_the_same_page(page)


async def test_a_press_on_the_plan_says_where_a_door_is(page: Page, desk: Desk) -> None:
    await sign_in(page, desk, "admin")
    await page.goto("/map?place=1")
    await page.get_by_label("A PNG or SVG").set_input_files({"name": "p.png", "mimeType": "image/png", "buffer": PNG})
    await page.get_by_role("button", name="Upload the plan").click()
    await expect(page.locator("#said")).to_have_text("The plan is kept. Now say where the doors are.")
    await page.locator("#place-door").select_option("main")
    floor = page.locator(".floor")
    box = await floor.bounding_box()
    assert box is not None
    await floor.click(position={"x": box["width"] * 0.75, "y": box["height"] * 0.25})
    assert abs(float(await page.get_by_label("From the left").input_value()) - 0.75) < 0.01
    assert abs(float(await page.get_by_label("From the top").input_value()) - 0.25) < 0.01
    await page.get_by_role("button", name="Place the door").click()
    await expect(page.locator("#said")).to_have_text("Main entrance has its place.")
    await expect(page.locator('#spots [data-key="main"]')).to_be_visible()
    natural = "document.querySelector('.floor__plan').naturalWidth"
    assert await page.evaluate(natural) == 480


async def test_the_pages_of_the_house_fit_a_phone_and_a_recount_is_one_thumb_away(page: Page, desk: Desk) -> None:
    await page.set_viewport_size(PHONE)
    for visit, more in (("v1", {"zone": "gym", "host": BAD[:200]}), ("v2", {"screening": "error", "name": BAD[:200]})):
        await hear(desk, "visitor/lobby", {"action": "check_in", "visit": visit, "name": "Pat Doe", **more})
    await sign_in(page, desk, "admin")
    for path in ("/map", "/map?place=1", "/visits", "/visits/roster", "/events"):
        await page.goto(path)
        assert not await width_overflows(page), path
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
    await page.get_by_label("Counted by hand").fill("412")
    await page.get_by_role("button", name="Set the count").click()
    await expect(page.locator("#said")).to_have_text("Counted: 412 people.")
    await expect(page.locator("#crowds-on")).to_contain_text("412 of 500 allowed (82 %)")
