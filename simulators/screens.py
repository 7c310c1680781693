"""Lock screens of the stand-in phone, as HTML. Rendered and escaped here; the page only asks for fresh ones."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from string import Template
from typing import Final

import msgspec

from simulators.utterance import write_instant

APPS: Final = {"sms": "Messages", "email": "Mail", "call": "Phone"}
"""What the app is called by the second level of a push's path; anything else is ours."""
PAGES: Final = Path(__file__).parent / "pages"
_LINK: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """One notification as it arrived."""

    number: int
    """Counts up from 1."""
    person: str
    app: str
    at: datetime
    title: str
    message: str
    type: str
    """Apprise's word: info, success, warning or failure."""


def file(name: str) -> bytes:
    """Return a file of the page."""
    return (PAGES / name).read_bytes()


def page(screens: bytes) -> bytes:
    """Return the whole page around some lock screens."""
    return Template(file("screens.html").decode()).substitute(screens=screens.decode()).encode()


def lock_screens(owners: Mapping[str, str], pushes: Iterable[Push], now: datetime) -> bytes:
    """Return one lock screen for each owner (id: name), with its pushes as they come: the newest first."""
    cards: dict[str, list[str]] = {person: [] for person in owners}
    for push in pushes:
        if push.person in cards:
            cards[push.person].append(_card(push))
    screens = (_screen(person, name, "".join(cards[person]), now) for person, name in owners.items())
    return ("".join(screens) or "<p class=empty>No phone has rung yet.</p>").encode()


def _screen(person: str, name: str, cards: str, now: datetime) -> str:
    name, minute = html.escape(name), write_instant(now.replace(second=0, microsecond=0))
    return (
        f'<section class=phone aria-label="Phone of {name}"><header><h2><a href="/{person}">{name}</a></h2>'
        f'<time class=clock datetime="{minute}">{minute[11:16]}</time></header>'
        f"<ol>{cards or '<li class=empty>No notifications'}</ol></section>"
    )


def _card(push: Push) -> str:
    at, app = write_instant(push.at), html.escape(APPS.get(push.app, "Hallwatch"))
    return (
        f'<li class="card {push.type}" id="p{push.number}"><p class=app><span>{app}</span>'
        f'<time datetime="{at}">{at[11:19]}</time></p>'
        f"<h3>{html.escape(push.title)}</h3><p class=text>{''.join(_linked(push.message))}</p></li>"
    )


def _linked(text: str) -> Iterator[str]:
    """Yield a text as HTML: escaped, and with its http and https addresses as links."""
    done = 0
    for found in _LINK.finditer(text):
        address = html.escape(found[0])
        yield html.escape(text[done : found.start()])
        yield f'<a href="{address}" rel="noreferrer noopener" target="_blank">{address}</a>'
        done = found.end()
    yield html.escape(text[done:])
