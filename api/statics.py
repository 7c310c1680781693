"""The files that pages are made of: each is named with a digest of its content, so a browser asks for it only once."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER: Final = Path(__file__).parent / "console" / "static"
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@cache
def address(name: str) -> str:
    """Return where a file of ours is served; the address changes with its content."""
    return f"/static/{name}?v={hashlib.blake2b((FOLDER / name).read_bytes(), digest_size=6).hexdigest()}"


class Statics(StaticFiles):
    """Serves the files; one that is asked for by its digest may be kept for ever."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        answer = await super().get_response(path, scope)
        if answer.status_code < 400:
            asked = scope.get("query_string", b"").startswith(b"v=")
            answer.headers["Cache-Control"] = _FOR_EVER if asked else "no-cache"
        return answer
