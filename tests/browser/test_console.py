"""The board as people use it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from playwright.async_api import Browser, Page, expect

from api.server import create_api
from core.campus import Campus
from core.vault import Vault
from tests import servers
from tests.integration.test_api_alerts import find
from tests.integration.test_api_campuses import hear
from tests.integration.test_api_links import link_to
from tests.unit.api.house import Desk, build_house

ON_IT = "I\N{RIGHT SINGLE QUOTATION MARK}m on it"
PHONE: Any = {"width": 360, "height": 740}


async def sign_in(page: Page, desk: Desk, role: str = "sro") -> None:
    await page.goto("/")
    assert "/login" in page.url
    # Where there are users, their names come first.
    if not await page.get_by_label("Your token").is_visible():
        await page.get_by_text("With a token").click()
    await page.get_by_label("Your token").fill(desk.tokens[role])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Open alerts")).to_be_visible()


async def find_now(desk: Desk, ago: float = 64, **changes: Any) -> int:
    number = await find(desk, at=desk.house.clock.now() - timedelta(seconds=ago), **changes)
    desk.house.news.set()
    return number


async def marked(page: Page) -> None:
    """Leave a mark that a reload would wipe away."""
    await page.evaluate("window.sameAsBefore = true")


async def is_the_same_page(page: Page) -> bool:
    return bool(await page.evaluate("window.sameAsBefore === true"))


async def width_overflows(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


async def test_an_alert_appears_as_it_happens_and_is_taken_with_one_click(page: Page, desk: Desk) -> None:
    await sign_in(page, desk)
    await expect(page.locator("#line")).to_have_text("Live")
    await expect(page.get_by_text("Nothing is open")).to_be_visible()
    await marked(page)
    number = await find_now(desk)
    card = page.locator(f"#alert-{number}")
    await expect(card).to_contain_text("Door 7 (Gym east) is open")
    await expect(card).to_contain_text("Nobody has it yet")
    await expect(card.locator(".card__length")).to_have_text(re.compile(r"1:0[4-9]|1:1\d"))
    await expect(page.get_by_text("Nothing is open")).to_have_count(0)
    await expect(page.locator("#deliveries")).to_contain_text("to Officer Reyes")
    await expect(page.locator("#announcement")).to_contain_text("New alert: severe")
    await card.get_by_role("button", name=ON_IT).click()
    await expect(card).to_contain_text("the sro is on it")
    await expect(card.get_by_role("button", name=ON_IT)).to_have_count(0)
    await expect(page).to_have_title("Lincoln High School")
    assert await is_the_same_page(page)
    async with desk.client("viewer") as client:
        alert = (await client.get(f"/api/v1/alerts/{number}")).json()
    assert alert["acknowledged_by"] == "token:the sro"


async def test_a_duration_runs_on_by_itself(page: Page, desk: Desk) -> None:
    await find_now(desk, ago=5)
    await sign_in(page, desk)
    length = page.locator(".card__length")
    before = await length.inner_text()
    await expect(length).not_to_have_text(before, timeout=3000)


async def test_a_door_opens_before_ones_eyes(page: Page, desk: Desk) -> None:
    await sign_in(page, desk)
    await expect(page.locator("#line")).to_have_text("Live")
    await marked(page)
    tile = page.locator("#door-lincoln-gym-east")
    await expect(tile).to_contain_text("unknown")
    await hear(desk, "door/gym-east", {"position": "open"})
    await expect(tile).to_have_class(re.compile("tile--open"))
    await expect(tile).to_contain_text(re.compile(r"open\s+0:0\d"))
    await hear(desk, "door/gym-east", {"position": "closed", "lock": "locked"})
    await expect(tile).to_contain_text("closed")
    await expect(tile).to_contain_text("locked")
    assert await is_the_same_page(page)


async def test_an_alert_is_closed_with_a_note_and_what_is_being_written_is_kept(page: Page, desk: Desk) -> None:
    number = await find_now(desk)
    await sign_in(page, desk)
    card = page.locator(f"#alert-{number}")
    await card.get_by_text("Close…").click()
    await card.get_by_label("What was it?").select_option("nuisance")
    await card.get_by_label("Note").fill("a chair in the d")
    async with desk.client("admin") as client:
        await client.post(f"/api/v1/alerts/{number}/ack")
    await expect(card).to_contain_text("the admin is on it")
    await expect(card.get_by_label("Note")).to_be_focused()
    await page.keyboard.type("oor")
    await card.get_by_role("button", name="Close the alert").click()
    await expect(card).to_have_count(0)
    await expect(page.get_by_text("Nothing is open")).to_be_visible()
    async with desk.client("viewer") as client:
        alert = (await client.get(f"/api/v1/alerts/{number}")).json()
    assert (alert["disposition"], alert["note"]) == ("nuisance", "a chair in the door")


async def test_everything_works_by_keyboard(page: Page, desk: Desk) -> None:
    number = await find_now(desk)
    await sign_in(page, desk)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Go to the alerts")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Door 7 (Gym east) is open")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.locator(f"#alert-{number}-ack")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#alert-{number}")).to_contain_text("the sro is on it")


async def test_a_viewer_sees_and_cannot_answer(page: Page, desk: Desk) -> None:
    number = await find_now(desk)
    await sign_in(page, desk, "viewer")
    await expect(page.locator(f"#alert-{number}")).to_be_visible()
    await expect(page.get_by_role("button", name=ON_IT)).to_have_count(0)


async def test_the_page_fits_a_phone(page: Page, desk: Desk) -> None:
    await page.set_viewport_size(PHONE)
    await find_now(desk, text="Door 7 (Gymnasium-east-annex-behind-the-loading-dock-with-a-very-long-name) is open")
    await find_now(desk, key="main", severity="extreme", exercise="drill")
    for path in ("/login", "/"):
        await page.goto(path)
        assert not await width_overflows(page), path
    await sign_in(page, desk)
    assert not await width_overflows(page)
    await page.get_by_text("Close…").first.click()
    assert not await width_overflows(page)


async def test_the_page_says_since_when_it_is_out_of_touch_and_comes_back(page: Page, desk: Desk) -> None:
    await sign_in(page, desk)
    await expect(page.locator("#line")).to_have_text("Live")
    await marked(page)
    await page.evaluate("source.dispatchEvent(new Event('error'))")
    await expect(page.locator("#line")).to_contain_text(re.compile(r"Out of touch since \d\d:\d\d:\d\d"))
    await hear(desk, "door/main", {"position": "open"})
    await expect(page.locator("#line")).to_have_text("Live")
    assert await is_the_same_page(page)


async def test_a_person_who_is_signed_out_is_led_to_the_sign_in(page: Page, desk: Desk) -> None:
    await sign_in(page, desk)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Your token")).to_be_visible()
    await page.goto("/")
    assert "/login" in page.url


async def test_the_page_behind_a_link_needs_no_script_and_no_sign_in(
    browser: Browser, address: str, desk: Desk
) -> None:
    number = await find_now(desk)
    path = await link_to(desk, number)
    context = await browser.new_context(base_url=address, java_script_enabled=False, viewport=PHONE)
    page = await context.new_page()
    await page.goto(path)
    await expect(page.get_by_role("heading", name="Door 7 (Gym east) is open")).to_be_visible()
    await expect(page.get_by_text("Still so, for 1:0")).to_be_visible()
    await page.get_by_role("button", name=ON_IT).click()
    await expect(page.get_by_text("is yours")).to_be_visible()
    await expect(page.get_by_text("Officer Reyes, since")).to_be_visible()
    await context.close()


async def test_the_live_page_works_without_a_script(browser: Browser, address: str, desk: Desk) -> None:
    number = await find_now(desk)
    context = await browser.new_context(base_url=address, java_script_enabled=False, viewport=PHONE)
    page = await context.new_page()
    await sign_in(page, desk)
    await page.locator(f"#alert-{number}").get_by_role("button", name=ON_IT).click()
    await expect(page.locator(f"#alert-{number}")).to_contain_text("the sro is on it")
    await context.close()


async def test_what_happened_while_the_service_was_away_is_there_once_it_is_back(
    browser: Browser, desk: Desk, vault: Vault, campus: Campus
) -> None:
    port = servers.free_port()
    context = await browser.new_context(base_url=f"http://127.0.0.1:{port}")
    page = await context.new_page()
    async with desk.served(port):
        await sign_in(page, desk)
        await expect(page.locator("#line")).to_have_text("Live")
        await marked(page)
    await expect(page.locator("#line")).to_contain_text("Out of touch")
    number = await find_now(desk)
    house, corridor = build_house(desk.house.database, desk.house.clock, vault, campus)
    async with Desk(house, corridor, create_api(house), desk.tokens).served(port):
        await expect(page.locator(f"#alert-{number}")).to_be_visible(timeout=10_000)
        await expect(page.locator("#line")).to_have_text("Live")
        assert await is_the_same_page(page)
        await context.close()


async def test_what_is_kept_quiet_appears_and_goes_by_itself_and_fits_a_phone(page: Page, desk: Desk) -> None:
    await page.set_viewport_size(PHONE)
    await sign_in(page, desk)
    await expect(page.get_by_text("Nothing is kept quiet.")).to_be_visible()
    await marked(page)
    until = (desk.house.clock.now() + timedelta(hours=1)).isoformat()
    said = {"campus": "lincoln", "rules": ["door-held-open"], "zones": ["gym"], "until": until, "reason": "concert"}
    async with desk.client("sro") as client:
        kept = (await client.post("/api/v1/suppressions", json=said)).json()["id"]
        quiet = page.locator(f"#suppression-{kept}")
        await expect(quiet).to_contain_text("door-held-open · Gymnasium")
        await expect(quiet).to_contain_text("concert")
        assert not await width_overflows(page)
        await client.delete(f"/api/v1/suppressions/{kept}")
    await expect(page.get_by_text("Nothing is kept quiet.")).to_be_visible()
    assert await is_the_same_page(page)
