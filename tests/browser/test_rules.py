"""The pages about rules in a browser: the slider, the form beside it, and what a small screen makes of them."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page, expect

from core.campus import Campus
from rules import store
from rules.rule import Rule, read_rule
from tests.browser.test_console import PHONE, is_the_same_page, marked, sign_in, width_overflows
from tests.conftest import START
from tests.integration.test_api_rules import HELD
from tests.integration.test_backtest import heard, real_alert
from tests.unit.api.house import Desk
from tests.unit.rules.talk import closed, opened

PROPPED = [
    each
    for number, length in enumerate((30, 70, 130, 400))
    for each in (opened("gym-east", number * 1000 - 7200), closed("gym-east", number * 1000 - 7200 + length))
]
TOO_WIDE = """[...document.querySelectorAll("main *")].filter((each) => !each.closest(".tablewrap, .tabs")
    && each.getBoundingClientRect().right > innerWidth).map((each) => each.outerHTML.slice(0, 80))"""
WORKED_OUT = 60_000
"""Milliseconds; judging the past gives way to everything else on the machine."""


@pytest.fixture
async def held(desk: Desk, campus: Campus) -> Rule:
    """A rule about doors that were propped open four times; the longest was found to be real."""
    rule = read_rule(HELD)
    async with desk.house.database.transaction() as session:
        await store.save_rule(session, rule, now=START, by="token:dean")
    await heard(desk.house.database, PROPPED)
    await real_alert(desk.house.database, campus, rule, PROPPED[6:])
    return rule


async def alerts_told(page: Page) -> int:
    """How many alerts the words beside the slider speak of."""
    words = await page.locator(".knob__said").inner_text()
    found = re.match(r"\S+: (\d+) alerts? in 30 days", words)
    assert found, words
    return int(found[1])


async def test_a_rule_is_tuned_by_keyboard_with_the_slider_and_the_count_falls(
    page: Page, desk: Desk, held: Rule
) -> None:
    await sign_in(page, desk, "admin")
    await page.goto("/rules")
    await page.get_by_role("link", name="Held open").press("Enter")
    await page.get_by_role("link", name="What would it cost?").press("Enter")
    await expect(page.locator("svg.price")).to_be_visible(timeout=WORKED_OUT)
    await marked(page)
    assert await alerts_told(page) == 3
    slider = page.get_by_role("slider", name="hold, with a slider")
    await slider.focus()
    for _ in range(2):
        await page.keyboard.press("ArrowRight")
    await expect(slider).to_have_attribute("aria-valuetext", "2m")
    assert await alerts_told(page) == 2
    await expect(page.locator(".knob__said")).to_have_text("2m: 2 alerts in 30 days, 0 of 1 real ones lost")
    await expect(page.locator(".price__one--chosen")).to_contain_text("2m")
    await page.get_by_role("textbox", name="Value").fill("100s")
    await expect(page.locator(".knob__said")).to_contain_text("Between 1m30s: 2 alerts")
    await slider.focus()
    await page.keyboard.press("End")
    await expect(page.locator(".knob__said")).to_contain_text("1 of 1 real ones lost")
    await page.get_by_role("textbox", name="Value").fill("2m")
    await page.get_by_label("Why", exact=True).first.press("Enter")
    await expect(page.locator("#said")).to_contain_text("hold is 2m now (version 2).")
    await expect(page.get_by_text("10s to 30m; now 2m")).to_be_visible()
    assert await is_the_same_page(page)
    await page.get_by_role("link", name="Versions").click()
    await expect(page.locator("#version-2")).to_contain_text("default: 2m")


async def test_without_a_script_the_table_says_all_and_the_form_works(
    browser: Browser, address: str, desk: Desk, held: Rule
) -> None:
    context = await browser.new_context(base_url=address, java_script_enabled=False, viewport=PHONE)
    page = await context.new_page()
    await sign_in(page, desk, "admin")
    await page.goto("/rules/held?price=hold")
    row = page.get_by_role("row", name=re.compile("^2m "))
    await expect(row).to_contain_text("2", timeout=WORKED_OUT)
    await expect(page.get_by_role("row", name=re.compile("^30m "))).to_contain_text("1 lost")
    await expect(page.get_by_role("slider")).to_have_count(0)
    await page.get_by_role("textbox", name="Value").fill("2m")
    await page.get_by_role("button", name="Save the values").click()
    await expect(page.locator("#said")).to_contain_text("hold is 2m now")
    await context.close()


async def test_the_pages_fit_a_phone_whatever_a_rule_is_called(page: Page, desk: Desk, held: Rule) -> None:
    await page.set_viewport_size(PHONE)
    long = {**HELD, "title": "Held-open-" * 19, "why": "long" * 400, "scope": {"door": {"id": ["x" * 60] * 9}}}
    async with desk.house.database.transaction() as session:
        await store.save_rule(session, read_rule(long), now=START, by="token:" + "dean" * 30)
    await sign_in(page, desk, "admin")
    for path in ("", "/held", "/held/why", "/held/versions", "/held/document", "/held/edit", "/held/copy"):
        await page.goto(f"/rules{path}")
        await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert not await width_overflows(page), (path, await page.evaluate(TOO_WIDE))
