"""Keeping a door quiet, and the calendar's one button, as people use them."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest
from playwright.async_api import Browser, Page, expect

from alerts import quiet
from core.clock import ManualClock
from tests.browser.test_console import PHONE, is_the_same_page, marked, sign_in, width_overflows
from tests.integration.test_console_calendar import ICS
from tests.unit.api.house import Desk


async def go_to(page: Page, path: str, heading: str) -> None:
    await page.goto(path)
    await expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()


async def test_a_door_is_shelved_and_one_sees_it_end(page: Page, desk: Desk) -> None:
    await sign_in(page, desk)
    await go_to(page, "/quiet", "Quiet and drills")
    await expect(page.locator("#line")).to_have_text("Live")
    await marked(page)
    await page.get_by_text("A door, a zone or a rule…").click()
    form = page.locator("#shelve")
    await form.get_by_label("Door").select_option("gym-east")
    await form.get_by_label("For", exact=True).select_option("15")
    await form.get_by_label("Why").fill("painters")
    await form.get_by_role("button", name="Keep it quiet").click()
    await expect(page.locator("#said")).to_contain_text("It is kept quiet until")
    await expect(page.locator("#now")).to_contain_text("Gym east")
    cast("ManualClock", desk.house.clock).jump(timedelta(minutes=16).total_seconds())
    async with desk.house.database.transaction() as session:
        await quiet.go_on(session, desk.house.campuses(), desk.house.clock.now())
    desk.house.news.set()
    await expect(page.locator("#now")).to_contain_text("Nothing is kept quiet")
    assert await is_the_same_page(page)


async def test_what_is_wrong_stands_beside_its_field(browser: Browser, address: str, desk: Desk) -> None:
    # A page of its own: the browser itself complains of every answer that refuses something.
    context = await browser.new_context(base_url=address)
    page = await context.new_page()
    await sign_in(page, desk)
    await go_to(page, "/quiet", "Quiet and drills")
    await page.get_by_text("A door, a zone or a rule…").click()
    form = page.locator("#shelve")
    await form.get_by_label("Door").select_option("gym-east")
    await form.get_by_label("Why").fill("painters")
    await form.get_by_label("Or until").fill("2026-11-28T08:00")
    await form.get_by_role("button", name="Keep it quiet").click()
    await expect(page.locator("#refusal")).to_contain_text("ends after 12 h at most")
    await expect(form.get_by_label("Or until")).to_have_attribute("aria-invalid", "true")
    await context.close()


@pytest.mark.parametrize("script", [True, False])
async def test_a_lockdown_takes_two_presses(browser: Browser, address: str, desk: Desk, *, script: bool) -> None:
    context = await browser.new_context(base_url=address, java_script_enabled=script, viewport=PHONE)
    page = await context.new_page()
    await sign_in(page, desk)
    await go_to(page, "/quiet", "Quiet and drills")
    await page.get_by_role("link", name="Lockdown…").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("LOCKDOWN at Lincoln High School?")
    await page.get_by_role("button", name="Declare LOCKDOWN now, for real").click()
    await expect(page.locator("#standing")).to_contain_text("Lockdown: locks, lights, out of sight")
    await expect(page.locator(".banner--lockdown")).to_be_visible()
    await context.close()


async def test_early_release_by_one_button_moves_todays_windows_and_undo_brings_them_back(
    page: Page, desk: Desk
) -> None:
    await sign_in(page, desk, "admin")
    await go_to(page, "/calendar", "Calendar")
    day = page.locator("#day")
    await expect(day).to_contain_text("07:50-15:10")
    await expect(day).to_contain_text("Window “arrival”")
    await marked(page)
    await page.get_by_role("button", name="Early release today").click()
    await expect(day).to_contain_text("07:50-12:30")
    await expect(day).not_to_contain_text("arrival")
    await expect(page.locator("#said")).to_contain_text("is now early release")
    await page.locator("#undo").get_by_role("button", name="Undo").click()
    await expect(day).to_contain_text("07:50-15:10")
    await expect(day).to_contain_text("Window “arrival”")
    assert await is_the_same_page(page)


async def test_a_calendar_file_is_looked_at_before_it_is_taken_over(page: Page, desk: Desk) -> None:
    await sign_in(page, desk, "admin")
    await go_to(page, "/calendar/lincoln/import", "Take over a calendar file")
    file = {"name": "district.ics", "mimeType": "text/calendar", "buffer": ICS.encode()}
    await page.get_by_label("A file (.ics)").set_input_files([file])
    await page.get_by_role("button", name="Show what would change").click()
    await expect(page.locator("#preview")).to_contain_text("2 dates would change")
    await page.get_by_role("button", name="Write it down").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Calendar")
    await expect(page.locator(".month")).to_contain_text("Winter break")


async def test_the_pages_fit_a_phone_and_the_week_can_be_read_there(page: Page, desk: Desk) -> None:
    await page.set_viewport_size(PHONE)
    await sign_in(page, desk, "admin")
    for path in (
        *("/quiet", "/quiet/state?state=evacuate", "/calendar", "/calendar/lincoln/import", "/people", "/people/reyes"),
        *("/policies", "/policies/extreme"),
    ):
        await page.goto(path)
        for summary in await page.locator("main summary").all():
            if await summary.is_visible():
                await summary.click()
        assert not await width_overflows(page), path
        for button in await page.locator("main button:visible, main a.button:visible").all():
            box = await button.bounding_box()
            assert box is not None
            assert box["height"] >= 34, path
    await page.goto("/people")
    grid = page.get_by_role("region", name="The week, person by person")
    assert await grid.evaluate("part => part.scrollWidth > part.clientWidth"), "it scrolls in its own frame"
    await expect(page.locator("#gaps")).to_contain_text("nobody is on duty while somebody is on site")


async def test_somebody_goes_off_duty_by_keyboard(page: Page, desk: Desk) -> None:
    await sign_in(page, desk)
    await go_to(page, "/people/reyes", "Officer Reyes")
    await page.locator("#off-more > summary").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Who takes over")).to_be_focused()
    await page.keyboard.type("Ms")
    await page.get_by_label("Why").focus()
    await page.keyboard.type("court")
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_contain_text("Officer Reyes is off duty. On duty now: Ms. Diaz.")
