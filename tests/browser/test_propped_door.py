"""A door is propped, over a real broker and through the whole service, before an officer's eyes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import httpx
import msgspec
import pytest
from playwright.async_api import Browser, expect

from benchmarks.stage import POLICY, Stage, stage
from core.clock import SystemClock
from tests import servers
from tests.browser.test_console import ON_IT, PHONE

pytestmark = [
    pytest.mark.skipif(not servers.MOSQUITTO, reason="mosquitto is not installed (apt-get install mosquitto)"),
    pytest.mark.timeout(120),
]
# An inner door: whatever hour the test is run at, no shipped rule has a word to say about it.
PROPPED = {
    "id": "short-hold",
    "title": "A door is propped",
    "key": "door.id",
    "hold": {"while": 'door.position == "open"', "for": "2s"},
    "severity": "severe",
    "alert": {"text": "{door} is propped", "policy": "probe"},
}
SEEN = """
new MutationObserver((_, watch) => {
  if (!document.querySelector("#alerts .card")) return;
  window.seenAt = Date.now();
  watch.disconnect();
}).observe(document.getElementById("alerts"), { childList: true });
"""


async def say(here: Stage, position: str) -> None:
    said = {"position": position, "at": SystemClock().now().isoformat()}
    async with aiomqtt.Client("127.0.0.1", here.broker.port, username="sensors", password=servers.PASSWORD) as client:
        await client.publish("campus/lincoln/door/office", msgspec.json.encode(said), qos=1)


async def test_a_propped_door_is_on_the_board_within_a_second_and_is_taken(browser: Browser, tmp_path: Path) -> None:
    async with stage(tmp_path, rules=[PROPPED], policies=[POLICY]) as here:
        await asyncio.to_thread(here.service.start, wait=False)
        await asyncio.to_thread(here.service.wait_ready, 90.0)
        made = here.service.command("token", "create", "--name", "Officer Reyes", "--role", "sro")
        token = made.stdout.strip()
        context = await browser.new_context(base_url=here.service.url, viewport=PHONE)
        page = await context.new_page()
        async with httpx.AsyncClient(base_url=here.service.url) as client:
            answer = await client.post("/login", data={"token": token})
            value = answer.cookies["hallwatch_session"]
            await context.add_cookies([{"name": "hallwatch_session", "value": value, "url": here.service.url}])
            await page.goto("/")
            await expect(page.locator("#line")).to_have_text("Live")
            await page.evaluate(SEEN)
            await say(here, "open")
            card = page.locator("#alerts .card").first
            await expect(card).to_contain_text("is propped", timeout=20_000)
            headers = {"Authorization": f"Bearer {token}"}
            (alert,) = (await client.get("/api/v1/alerts", params={"state": "open"}, headers=headers)).json()["items"]
            opened = datetime.fromisoformat(alert["opened_at"])
            seen = datetime.fromtimestamp(await page.evaluate("window.seenAt") / 1000, UTC)
            assert (seen - opened).total_seconds() < 1.0
            await card.get_by_role("button", name=ON_IT).click()
            await expect(card).to_contain_text("Officer Reyes is on it")
            (push, *_) = await here.receiver.wait_for(1, 20.0)
            assert "is propped" in push.json["title"] + push.json["message"]
        await context.close()
