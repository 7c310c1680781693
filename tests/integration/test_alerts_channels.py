"""The door to Apprise, through real requests to a local receiver."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from alerts.channels import Breaker, Channels, Outcome
from alerts.notices import Notice
from core.clock import stopwatch
from tests.servers import Receiver

NOTICE = Notice("SEVERE · Door 7 · K7-42", "Door 7 <b>& gym\nK7-42\nhttps://h.example/a/tok", "severe")


@pytest.fixture
def channels() -> Iterator[Channels]:
    found = Channels(allow_private=True)
    yield found
    found.close()


@pytest.fixture
def strict() -> Iterator[Channels]:
    found = Channels(allow_private=False)
    yield found
    found.close()


@pytest.fixture
async def hung(receiver: Receiver) -> list[str]:
    """Twelve endpoints of one host that never answer."""
    paths = [f"/hung-{number}" for number in range(12)]
    receiver.behaviour.update(dict.fromkeys(paths, (200, 60.0)))
    return [receiver.url(path[1:]) for path in paths]


async def test_what_the_receiver_takes_is_accepted_letter_by_letter(channels: Channels, receiver: Receiver) -> None:
    outcome = await channels.send(receiver.url(), NOTICE, lane="critical")
    assert outcome == Outcome("accepted", "")
    said = receiver.received[0].json
    assert (said["title"], said["message"], said["type"]) == (NOTICE.title, NOTICE.body, "warning")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((status, "refused") for status in (301, 400, 401, 403, 404, 410)),
        *((status, "failed") for status in (408, 425, 429, 500, 502, 503)),
    ],
)
async def test_the_status_says_whether_it_is_worth_trying_again(
    channels: Channels, receiver: Receiver, status: int, state: str
) -> None:
    receiver.status = status
    outcome = await channels.send(receiver.url(), NOTICE, lane="critical")
    assert outcome.state == state
    assert outcome.detail.startswith(f"answered {status}")


async def test_no_answer_in_time_may_have_arrived(channels: Channels, receiver: Receiver) -> None:
    receiver.delay = 30
    outcome = await channels.send(receiver.url(), NOTICE, lane="critical", timeout=0.5)
    assert outcome.state == "unknown"
    assert "may have arrived" in outcome.detail


async def test_nobody_listening_is_a_failure_for_now(channels: Channels) -> None:
    assert await channels.send("json://127.0.0.1:1/x", NOTICE, lane="critical") == Outcome("failed", "no connection")


@pytest.mark.parametrize("url", ["nonsense", "json://", "pigeon://coop", ""])
async def test_a_url_that_is_none_is_refused_for_good(channels: Channels, url: str) -> None:
    assert (await channels.send(url, NOTICE, lane="critical")).state == "refused"


async def test_twelve_hung_endpoints_delay_nobody_else(channels: Channels, receiver: Receiver, hung: list[str]) -> None:
    waiting = [asyncio.create_task(channels.send(url, NOTICE, lane="critical", timeout=3)) for url in hung]
    await receiver.wait_for(12)
    began = stopwatch()
    outcomes = await asyncio.gather(
        *(channels.send(receiver.url(f"well-{number}"), NOTICE, lane="critical") for number in range(20)),
        channels.send(receiver.url("other-lane"), NOTICE, lane="normal"),
    )
    took = stopwatch() - began
    assert {outcome.state for outcome in outcomes} == {"accepted"}
    assert took < 2
    assert {outcome.state for outcome in await asyncio.gather(*waiting)} == {"unknown"}


async def test_a_lane_that_is_full_leaves_the_others_alone(receiver: Receiver, hung: list[str]) -> None:
    channels = Channels(allow_private=True, lanes={"critical": 4, "normal": 2, "bulk": 2, "self-test": 2})
    waiting = [asyncio.create_task(channels.send(url, NOTICE, lane="bulk", timeout=0.5)) for url in hung[:2]]
    await receiver.wait_for(1)
    assert (await channels.send(receiver.url("well"), NOTICE, lane="critical")).state == "accepted"
    await asyncio.gather(*waiting)
    channels.close()


def test_a_provider_that_does_not_answer_is_left_alone_for_a_while() -> None:
    breaker = Breaker()
    for _ in range(Breaker.LIMIT):
        assert breaker.lets_through()
        breaker.note(Outcome("failed", "no connection"))
    assert not breaker.lets_through()
    breaker.note(Outcome("accepted", ""))
    assert breaker.lets_through()


async def test_a_silent_provider_answers_for_no_other(channels: Channels, receiver: Receiver) -> None:
    for _ in range(Breaker.LIMIT):
        await channels.send("json://127.0.0.1:1/x", NOTICE, lane="critical")
    skipped = await channels.send("json://127.0.0.1:1/x", NOTICE, lane="critical")
    assert skipped == Outcome("failed", "not tried: the provider has not answered lately")
    assert (await channels.send(receiver.url(), NOTICE, lane="critical")).state == "accepted"


@pytest.mark.parametrize(
    "url",
    [
        "json://8.8.8.8/push",
        "ntfys://ntfy.sh/topic",
        "mailto://user:password@gmail.com",
        "tgram://123456789:abcdefg/42",
    ],
)
def test_usable_urls_are_usable(strict: Channels, url: str) -> None:
    assert strict.validate(url) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("pigeon://coop", "is not a URL that Apprise can use; write it like"),
        ("", "is not a URL that Apprise can use"),
        ("json://8.8.8.8/x?retry=3", "must not set retry="),
        ("json://8.8.8.8/x?wait=3", "must not set wait="),
        ("json://8.8.8.8/x?optional=yes", "must not set optional="),
        ("ntfy://host/one/two", "names several targets"),
        ("json://8.8.8.8/x, json://8.8.4.4/y", "names several targets"),
        ("mailto://u:p@gmail.com?to=a@example.org,b@example.org", "names several targets"),
        ("json://127.0.0.1/x", "leads to a private address"),
        ("json://localhost/x", "leads to a private address"),
        ("json://[::1]/x", "leads to a private address"),
        ("json://10.0.0.4/x", "leads to a private address"),
        ("json://169.254.169.254/latest", "leads to a private address"),
        ("mailto://u:p@gmail.com?smtp=127.0.0.1", "leads to a private address"),
    ],
)
def test_unusable_urls_are_refused_with_the_reason(strict: Channels, url: str, words: str) -> None:
    problems = strict.validate(url)
    assert words in "\n".join(str(problem) for problem in problems)
    assert len(problems) == 1


def test_private_addresses_are_usable_where_they_are_allowed(channels: Channels) -> None:
    assert channels.validate("json://127.0.0.1:8080/x") == []


async def test_even_a_stored_url_never_connects_to_a_private_address(strict: Channels, receiver: Receiver) -> None:
    outcome = await strict.send(receiver.url(), NOTICE, lane="critical")
    assert outcome == Outcome("refused", "leads to a private address")
    assert receiver.received == []


async def test_no_log_ever_sees_a_url(
    channels: Channels, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(f"{record.name}: {record.getMessage()}")

    root, ear = logging.getLogger(), Ear(logging.INFO)
    root.addHandler(ear)
    try:
        receiver.status = 500
        await channels.send(receiver.url("planted-secret"), NOTICE, lane="critical")
        await channels.send("json://planted-secret@@@", NOTICE, lane="critical")
        channels.validate("pigeon://planted-secret")
        logging.getLogger("alerts.test").warning("this one is heard")
    finally:
        root.removeHandler(ear)
    assert heard == ["alerts.test: this one is heard"]
    assert "planted-secret" not in "".join(capfd.readouterr())


async def test_a_link_becomes_a_button_where_the_service_has_buttons(channels: Channels, receiver: Receiver) -> None:
    link = "https://h.example/a/tok"
    notice = Notice(NOTICE.title, NOTICE.body, "extreme", link)
    outcome = await channels.send(f"ntfy://127.0.0.1:{receiver.port}/topic", notice, lane="critical")
    assert outcome.state == "accepted"
    assert receiver.received[0].headers["x-actions"] == f"http, On it, {link}, method=POST, clear=true"
