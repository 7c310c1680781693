"""`make screenshots`: every page of a demo that has run for a while, on a desk, at night and on a phone.

    python -m tests.browser.screenshots [FOLDER] [--seconds 60] [--speed 30]

The pictures of the README are among them; `--docs` writes those anew.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright
from rich.console import Console

from tests import servers
from tests.browser.conftest import ARGUMENTS
from tests.browser.paths import paths

ROOT = Path(__file__).parent.parent.parent
LOOKS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1280, "height": 860}},
    "night": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
}
RULE = "door-held-open"
PRICED = "?price=hold"
WORKED_OUT_MS = 6000
"""So long a price may take to be worked out."""
IN_DOCS = {"board-desk": "live", "board-phone": "phone", "rules-door-held-open-desk": "price", "map-desk": "map"}
"""Which picture is which in `docs/images`."""


@asynccontextmanager
async def demo(folder: Path, port: int, speed: float) -> AsyncIterator[str]:
    """Run a demo; yield the token to sign in with."""
    options = ("--port", str(port), "--speed", str(speed), "--dir", str(folder / "data"))
    program = await asyncio.create_subprocess_exec(
        str(ROOT / ".venv/bin/hallwatch"), "demo", *options, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert program.stdout
    try:
        said = ""
        while not (found := re.search(r"hw_[\w-]+", said)):
            line = await asyncio.wait_for(program.stdout.readline(), 60)
            if not line:
                raise SystemExit("the demo did not start")
            said += line.decode()
        # What it tells afterwards is not needed; left unread, it would stop in the middle of a word.
        reading = asyncio.create_task(program.stdout.read())
        yield found[0]
        reading.cancel()
    finally:
        if program.returncode is None:
            program.send_signal(signal.SIGINT)
        await program.wait()


async def sign_in(page: Page, token: str) -> None:
    """Sign in with a token."""
    await page.goto("/login")
    field = page.locator("input[name=token]")
    if not await field.is_visible():
        await page.locator("summary", has_text="token").click()
    await field.fill(token)
    await field.press("Enter")
    await page.wait_for_selector("#alerts")


async def take(browser: Browser, address: str, token: str, into: Path, out: Console) -> int:
    """Take all pictures; return how many."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=address, headers=headers) as client:
        alerts = (await client.get("/api/v1/alerts", params={"limit": 1})).json()["items"]
        campus = (await client.get("/api/v1/campuses")).json()["items"][0]["id"]
    known = {"number": str(alerts[0]["id"]) if alerts else "1", "c": campus}
    taken = 0
    for look, how in LOOKS.items():
        context = await browser.new_context(base_url=address, **how)
        page = await context.new_page()
        await page.goto("/login")
        await page.screenshot(path=into / f"login-{look}.png")
        await sign_in(page, token)
        for path in paths(**known):
            await page.goto(path + PRICED if path == f"/rules/{RULE}" else path)
            await page.wait_for_timeout(WORKED_OUT_MS if path == f"/rules/{RULE}" else 300)
            name = re.sub(r"\W+", "-", path.strip("/").replace(known["number"], "one")) or "board"
            await page.screenshot(path=into / f"{name}-{look}.png", full_page=look != "phone" or path != "/")
            taken += 1
            out.print(f"{look}: {path}")
        await context.close()
    return taken


async def run(into: Path, *, seconds: float, speed: float, docs: bool) -> None:
    """Let a demo live for a while, and take its pictures."""
    out, port = Console(), servers.free_port()
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with demo(Path(folder), port, speed) as token, async_playwright() as playwright:
            with out.status(f"the demo lives for {seconds:.0f} s"):
                await asyncio.sleep(seconds)
            browser = await playwright.chromium.launch(executable_path=servers.CHROMIUM, args=ARGUMENTS)
            taken = await take(browser, f"http://127.0.0.1:{port}", token, into, out)
            await browser.close()
    for name, known_as in IN_DOCS.items() if docs else ():
        shutil.copy(into / f"{name}.png", ROOT / "docs/images" / f"{known_as}.png")
    out.print(f"{taken} pictures are in {into}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("screenshots"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--speed", type=float, default=30)
    parser.add_argument("--docs", action="store_true", help="write the pictures of the README, too")
    said = parser.parse_args()
    asyncio.run(run(said.folder, seconds=said.seconds, speed=said.speed, docs=said.docs))
