"""The pages one looks into, where they need a browser: the self-test as it goes, secrets, the phone's narrow screen."""

from __future__ import annotations

import re

from playwright.async_api import Browser, Page, expect

from alerts import desk as alerts_desk
from api import users
from tests.browser.test_console import PHONE, is_the_same_page, marked, sign_in, width_overflows
from tests.unit.api.house import Desk

PASSWORD = "four words nobody combines"


async def test_a_self_test_is_followed_step_by_step_without_a_reload(page: Page, desk: Desk) -> None:
    await sign_in(page, desk, "admin")
    await page.goto("/system")
    await expect(page.locator("#line")).to_have_text("Live")
    await marked(page)
    await page.get_by_role("button", name="Begin").press("Enter")
    line = page.locator("#self-tests > li").first
    await expect(line).to_contain_text("not yet")
    await expect(page.locator("#said")).to_contain_text("press its button on the phone")
    number = int(await line.get_attribute("data-key") or 0)
    async with desk.house.database.transaction() as session:
        await alerts_desk.acknowledge(session, number, who="person:reyes", now=desk.house.clock.now(), via="link")
    desk.house.news.set()
    await expect(line).to_contain_text("passed")
    assert await is_the_same_page(page)


async def test_a_token_is_shown_once_and_gone_when_the_page_is_loaded_again(page: Page, desk: Desk) -> None:
    await sign_in(page, desk, "admin")
    await page.goto("/users/tokens")
    await page.get_by_text("Make a token…").click()
    await page.get_by_label("What it is for").fill("Gate B")
    await page.get_by_role("button", name="Make the token").click()
    await expect(page.locator("#secret")).to_have_text(re.compile(r"^hw_[\w-]{43}$"))
    assert page.url.endswith("/users/tokens")
    await page.reload()
    await expect(page.get_by_role("rowheader", name="Gate B")).to_be_visible()
    await expect(page.locator("#secret")).to_have_count(0)


async def test_ones_password_is_changed_and_one_signs_in_anew(page: Page, desk: Desk) -> None:
    async with desk.house.database.transaction() as session:
        await users.add(session, name="reyes", role="sro", password=PASSWORD, now=desk.house.clock.now())
    await page.goto("/login")
    await page.get_by_label("Your name").fill("reyes")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="reyes").click()
    await page.get_by_label("The present one").fill(PASSWORD)
    await page.get_by_label("A new one").fill("entirely different words")
    await page.get_by_label("The new one again").fill("entirely different words")
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.get_by_text("Sign in with the new one.")).to_be_visible()


async def test_a_secret_for_a_phone_fits_the_phone_and_works_without_a_script(
    browser: Browser, address: str, desk: Desk
) -> None:
    async with desk.house.database.transaction() as session:
        await users.add(session, name="reyes", role="sro", password=PASSWORD, now=desk.house.clock.now())
    context = await browser.new_context(base_url=address, viewport=PHONE, java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/login")
    await page.get_by_label("Your name").fill("reyes")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Open alerts")).to_be_visible()
    await page.goto("/me/phone")
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Show the picture").click()
    picture = await page.locator(".qr").bounding_box()
    await context.close()
    assert picture
    assert 180 < picture["width"] < 300


async def test_the_filters_of_the_devices_fit_a_phone(browser: Browser, address: str, desk: Desk) -> None:
    context = await browser.new_context(base_url=address, viewport=PHONE)
    page = await context.new_page()
    await sign_in(page, desk, "viewer")
    await page.goto("/devices")
    await page.get_by_label("How it is").select_option("unheard")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_role("cell", name="never").first).to_be_visible()
    assert not await width_overflows(page)
    await context.close()
