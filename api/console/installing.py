"""What lets a phone or a desk put the console among its programs: its name, its icons, where it begins.

There is no service worker on purpose: nothing may show an alert of yesterday as if it were live.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from api import statics

router = APIRouter(include_in_schema=False)
COLOUR: Final = "#1f4e79"
GROUND: Final = "#f4f5f7"
_SIZES: Final = (192, 512)


@router.get("/manifest.webmanifest")
async def show_manifest() -> Response:
    """Say how the console is installed."""
    said = {
        "id": "/",
        "name": "Hallwatch",
        "short_name": "Hallwatch",
        "description": "Doors, visits and events of a campus, and the alerts that somebody must know of.",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "theme_color": COLOUR,
        "background_color": GROUND,
        "icons": [_icon(size, purpose) for size in _SIZES for purpose in ("any", "maskable")],
    }
    return JSONResponse(said, media_type="application/manifest+json")


def _icon(size: int, purpose: str) -> dict[str, str]:
    name = f"icon-{size}.png" if purpose == "any" else f"icon-{size}-maskable.png"
    return {"src": statics.address(name), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
