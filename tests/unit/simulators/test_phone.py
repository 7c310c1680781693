"""The stand-in phone shows what it was sent, safely, and remembers only so much."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from core.clock import ManualClock
from simulators.phone import KEPT, Phones
from tests.conftest import START


@pytest.fixture
def phones() -> Phones:
    return Phones({"reyes": "Officer Reyes"}, ManualClock(START))


@pytest.fixture
async def web(phones: Phones) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(phones), base_url="http://phone") as client:
        yield client


async def ring(web: httpx.AsyncClient, path: str = "/reyes/push", **said: str) -> httpx.Response:
    return await web.post(path, json={"title": "Door 7", "message": "open", "type": "failure", **said})


async def test_a_push_appears_on_the_phone_of_its_person(web: httpx.AsyncClient) -> None:
    assert (await ring(web, message="open 1:04")).status_code == 200
    page = (await web.get("/")).text
    assert "Officer Reyes" in page
    assert "open 1:04" in page
    (push,) = (await web.get("/pushes.json")).json()
    assert push == {
        "number": 1,
        "person": "reyes",
        "app": "push",
        "at": "2026-11-24T14:00:00Z",
        "title": "Door 7",
        "message": "open 1:04",
        "type": "failure",
    }


async def test_the_newest_comes_first_and_every_person_has_a_phone(web: httpx.AsyncClient) -> None:
    await ring(web, title="first")
    await ring(web, "/diaz", title="second")
    await ring(web, title="third")
    screens = (await web.get("/screens")).text
    reyes, diaz = screens.split("</section>")[:2]
    assert reyes.index("third") < reyes.index("first")
    assert "second" in diaz
    assert "second" not in (await web.get("/reyes")).text
    assert "second" in (await web.get("/diaz/screens")).text


async def test_a_text_message_is_not_shown_as_a_push(web: httpx.AsyncClient) -> None:
    await ring(web, "/reyes/sms")
    assert "Messages" in (await web.get("/")).text


async def test_links_can_be_pressed_and_nothing_else_becomes_markup(web: httpx.AsyncClient) -> None:
    await ring(
        web,
        title="<b>bold</b>",
        message='See http://127.0.0.1:8080/a/x?p=1&q="2". javascript:alert(1) <script>alert(2)</script>',
    )
    page = (await web.get("/")).text
    assert '<a href="http://127.0.0.1:8080/a/x?p=1&amp;q=" rel="noreferrer noopener"' in page
    assert "&lt;b&gt;bold" in page
    assert page.count("<script") == 1
    assert 'href="javascript' not in page


async def test_only_so_many_are_kept(web: httpx.AsyncClient, phones: Phones) -> None:
    for number in range(KEPT + 10):
        await ring(web, title=str(number))
    assert len(phones.pushes) == KEPT
    assert (phones.pushes[0].number, phones.pushes[-1].number) == (KEPT + 10, 11)


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", b'"text"', b"\xff", b"[" * 100_000])
async def test_what_is_no_notification_is_refused(web: httpx.AsyncClient, phones: Phones, body: bytes) -> None:
    assert (await web.post("/reyes", content=body)).status_code == 400
    assert not phones.pushes


async def test_what_is_too_large_is_refused(web: httpx.AsyncClient) -> None:
    assert (await ring(web, message="x" * 300_000)).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nobody", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/reyes/other", 404),
        ("POST", "/", 405),
        ("DELETE", "/reyes", 405),
        ("HEAD", "/", 200),
    ],
)
async def test_other_requests_get_a_plain_answer(web: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    assert (await web.request(method, path)).status_code == status


async def test_the_page_runs_no_script_but_its_own(web: httpx.AsyncClient) -> None:
    page = await web.get("/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert '<noscript><meta http-equiv="refresh"' in page.text
    for name in ("/screens.css", "/screens.js"):
        assert (await web.get(name)).status_code == 200
