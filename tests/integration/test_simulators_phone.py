"""The stand-in phone receives what Apprise really sends, and shows it in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import apprise
import httpx
import pytest

from core.errors import BadInput
from simulators.phone import Phone


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    found = Phone("127.0.0.1", 0, people={"reyes": "Officer Reyes"})
    await found.start()
    yield found
    await found.stop()


# Some plugin that Apprise loads imports it; this one does not need it.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
async def test_a_real_apprise_notification_rings_it(phone: Phone) -> None:
    pusher = apprise.Apprise()
    assert pusher.add(f"{phone.apprise_url}/reyes/push")
    body = "Class time.\nOn it: http://127.0.0.1:8080/a/abc"
    sent = await asyncio.to_thread(pusher.notify, title="SEVERE · Door 7", body=body, notify_type="failure")
    assert sent
    (push,) = await phone.phones.wait_for(1)
    assert (push.person, push.app, push.title, push.message, push.type) == (
        "reyes",
        "push",
        "SEVERE · Door 7",
        body,
        "failure",
    )
    async with httpx.AsyncClient() as web:
        page = (await web.get(phone.url)).text
    assert 'href="http://127.0.0.1:8080/a/abc"' in page


async def test_many_at_once_are_all_kept(phone: Phone) -> None:
    async with httpx.AsyncClient() as web:
        await asyncio.gather(
            *(web.post(f"{phone.url}/reyes", json={"title": str(n), "message": ""}) for n in range(100))
        )
    assert {push.title for push in await phone.phones.wait_for(100)} == {str(n) for n in range(100)}


async def test_a_port_in_use_is_told(phone: Phone) -> None:
    with pytest.raises(BadInput, match=f"port {phone.port} cannot be used"):
        await Phone("127.0.0.1", phone.port).start()


async def test_it_ends_at_once_though_a_browser_is_still_connected(phone: Phone) -> None:
    async with httpx.AsyncClient() as web:
        assert (await web.get(phone.url)).status_code == 200
        async with asyncio.timeout(2):
            await phone.stop()
    await phone.stop()
