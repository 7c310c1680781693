"""The page of one alert, as people use it."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from tests.browser.test_console import ON_IT, PHONE, find_now, is_the_same_page, marked, sign_in, width_overflows
from tests.integration.test_console_alerts import BAD
from tests.unit.api.house import Desk


async def test_an_alert_lives_on_its_page_and_is_closed_by_keyboard(page: Page, desk: Desk) -> None:
    number = await find_now(desk)
    await sign_in(page, desk)
    await page.goto(f"/alerts/{number}")
    await expect(page.locator("#line")).to_have_text("Live")
    await marked(page)
    async with desk.client("admin") as client:
        await client.post(f"/api/v1/alerts/{number}/note", json={"text": "a chair stands in it"})
        await client.post(f"/api/v1/alerts/{number}/ack")
    await expect(page.locator("#head")).to_contain_text("the admin is on it")
    await expect(page.locator("#timeline")).to_contain_text("a chair stands in it")
    await expect(page.get_by_text("Hand over…")).to_be_visible()
    await page.locator(f"#alert-{number}-close-summary").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("n")
    await page.keyboard.press("Tab")
    await page.keyboard.type("pupils went through")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#head")).to_contain_text("Closed")
    await expect(page.locator("#head")).to_contain_text("pupils went through")
    await expect(page.get_by_text("Open again…")).to_be_visible()
    assert await is_the_same_page(page)


async def test_an_alert_fits_a_phone_whatever_it_is_called(page: Page, desk: Desk) -> None:
    await page.set_viewport_size(PHONE)
    number = await find_now(desk, text=BAD, title=BAD, because={"values": {BAD: BAD}, "params": {BAD: BAD}})
    await sign_in(page, desk)
    for path in (f"/alerts/{number}", "/alerts"):
        await page.goto(path)
        assert not await width_overflows(page), path
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)


async def test_an_alert_is_taken_and_noted_without_a_script(browser: Browser, address: str, desk: Desk) -> None:
    number = await find_now(desk)
    context = await browser.new_context(base_url=address, java_script_enabled=False, viewport=PHONE)
    page = await context.new_page()
    await sign_in(page, desk)
    await page.goto(f"/alerts/{number}")
    await page.get_by_role("button", name=ON_IT).click()
    await expect(page.get_by_text("the sro is on it")).to_be_visible()
    await page.get_by_label("Note", exact=True).last.fill("on my way")
    await page.get_by_role("button", name="Keep the note").click()
    await expect(page.get_by_text("Your note is kept with the alert.")).to_be_visible()
    await context.close()
