"""Draws the icons of the console anew from its mark; run it after the mark has changed."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests import servers

FOLDER = Path(__file__).parent.parent / "api" / "console" / "static"
GROUND = "#1f4e79"
MASKED = 0.8
"""The part in the middle that every mask leaves whole."""


def draw() -> None:
    """Write an icon of each size, and one that a phone may cut to its own shape."""
    mark = (FOLDER / "mark.svg").read_text("utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=servers.CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for size in (192, 512):
            for name, part, ground in ((f"icon-{size}", 1.0, "transparent"), (f"icon-{size}-maskable", MASKED, GROUND)):
                page = browser.new_page(viewport={"width": size, "height": size})
                page.set_content(
                    f"<body style='margin:0;background:{ground};display:grid;place-items:center;height:100vh'>"
                    f"<div style='width:{size * part}px;height:{size * part}px'>{mark}</div>"
                )
                page.screenshot(path=FOLDER / f"{name}.png", omit_background=True)
                page.close()
        browser.close()


if __name__ == "__main__":
    draw()
