"""The door to Apprise, through real requests to a local receiver."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from alerts.buttons import LABELS, Button
from alerts.channels import Breaker, Channels, Outcome
from alerts.notices import Notice
from core.clock import stopwatch
from core.findings import Severity
from tests.mail import Mail
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
async def mail() -> AsyncIterator[Mail]:
    server = Mail()
    await server.start()
    yield server
    await server.stop()


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


async def test_the_answers_are_buttons_where_the_service_has_buttons(channels: Channels, receiver: Receiver) -> None:
    link = "https://h.example/a/tok"
    pressed = tuple(Button(label, f"{link}?reply={reply}") for reply, label in LABELS.items())
    notice = Notice(NOTICE.title, NOTICE.body, "extreme", link, pressed)
    outcome = await channels.send(f"ntfy://127.0.0.1:{receiver.port}/topic", notice, lane="critical")
    assert outcome.state == "accepted"
    said = receiver.received[0].headers["x-actions"].split("; ")
    assert said[0] == f"http, On it, {link}?reply=ack, method=POST, clear=true"
    assert len(said) == 3, "a phone shows no more"


@pytest.mark.parametrize(("severity", "loudness"), [("extreme", "max"), ("severe", "high"), ("minor", "low")])
async def test_ntfy_is_as_loud_as_the_alert_is_grave(
    channels: Channels, receiver: Receiver, severity: Severity, loudness: str
) -> None:
    await channels.send(f"ntfy://127.0.0.1:{receiver.port}/t", replace(NOTICE, severity=severity), lane="critical")
    assert receiver.received[0].headers["x-priority"] == loudness


@pytest.mark.parametrize("said", ["", "?priority=max", "?priority=high&image=no", "?image=no&priority=5"])
async def test_a_quiet_notice_makes_no_sound(channels: Channels, receiver: Receiver, said: str) -> None:
    await channels.send(f"ntfy://127.0.0.1:{receiver.port}/t{said}", NOTICE, lane="self-test", quiet=True)
    assert receiver.received[0].headers["x-priority"] == "min"


async def test_no_message_names_a_picture_on_somebody_elses_host(channels: Channels, receiver: Receiver) -> None:
    await channels.send(f"ntfy://127.0.0.1:{receiver.port}/t", NOTICE, lane="critical")
    await channels.send(receiver.url(), NOTICE, lane="critical")
    for each in receiver.received:
        assert "icon" not in "".join(each.headers)
        assert b"apprise" not in each.body.lower()


async def test_a_tag_in_a_url_routes_nothing(channels: Channels, receiver: Receiver) -> None:
    assert (await channels.send(receiver.url("x?tag=1:admin"), NOTICE, lane="critical")).state == "accepted"
    assert len(receiver.received) == 1


async def test_a_picture_never_endangers_a_push(channels: Channels, receiver: Receiver) -> None:
    notice = replace(NOTICE, picture=b"\x89PNG")
    await channels.send(receiver.url(), notice, lane="critical")
    assert receiver.received[0].json["attachments"] == []


async def test_a_knock_finds_out_whether_anybody_is_there_and_says_nothing(
    channels: Channels, strict: Channels, receiver: Receiver
) -> None:
    assert (await channels.knock(receiver.url())).state == "accepted"
    assert (await channels.knock("json://127.0.0.1:1/x")).state == "failed"
    assert (await strict.knock(receiver.url())).detail == "leads to a private address"
    assert (await channels.knock("nonsense")).state == "refused"
    hidden = await channels.knock("tgram://123456789:abcdefg/42")
    assert (hidden.state, "send it a test by hand" in hidden.detail) == ("unknown", True)
    assert receiver.received == []


async def test_a_letter_arrives_whole_with_its_picture(channels: Channels, mail: Mail) -> None:
    notice = replace(NOTICE, picture=b"\x89PNG the plan")
    assert await channels.send(mail.url, notice, lane="critical") == Outcome("accepted", "")
    [letter] = mail.letters
    assert letter["subject"] == NOTICE.title
    assert letter["to"] == "office@school.example"
    text, picture = letter.iter_parts()
    assert text.get_content().splitlines() == NOTICE.body.splitlines()
    assert (picture.get_filename(), picture.get_content()) == ("plan.png", b"\x89PNG the plan")


@pytest.mark.parametrize(
    ("at", "reply", "state"),
    [
        ("RCPT", "550 5.1.1 no such user", "refused"),
        ("MAIL", "553 not from here", "refused"),
        ("RCPT", "451 try later", "failed"),
        ("DATA", "452 the disk is full", "failed"),
        ("", "554 looks like spam", "refused"),
    ],
)
async def test_in_mail_a_4_means_later_and_a_5_never(
    channels: Channels, mail: Mail, at: str, reply: str, state: str
) -> None:
    mail.replies[at] = reply
    outcome = await channels.send(mail.url, NOTICE, lane="critical")
    assert outcome == Outcome(state, f"the mail server answered {reply[:3]}")  # type: ignore[arg-type] # a state


async def test_a_mail_server_that_is_slow_to_confirm_may_have_the_letter(channels: Channels, mail: Mail) -> None:
    mail.delay = 5
    outcome = await channels.send(mail.url, NOTICE, lane="critical", timeout=0.6)
    assert outcome == Outcome("unknown", "the mail server did not answer; the letter may have arrived")


async def test_a_mail_server_may_take_its_time(channels: Channels, mail: Mail) -> None:
    mail.delay = 4.5
    assert (await channels.send(mail.url, NOTICE, lane="critical")).state == "accepted", (
        "longer than connecting may take"
    )


async def test_a_mail_server_that_breaks_off_or_is_away_is_tried_again(channels: Channels, mail: Mail) -> None:
    mail.replies["DATA"] = ""
    assert (await channels.send(mail.url, NOTICE, lane="critical")).detail == "the mail server broke off"
    nobody = await channels.send("mailto://127.0.0.1:1/?from=a@b.example&to=c@d.example", NOTICE, lane="critical")
    assert nobody == Outcome("failed", "no connection to the mail server")


async def test_a_letter_never_connects_to_a_private_address(strict: Channels, mail: Mail) -> None:
    assert await strict.send(mail.url, NOTICE, lane="critical") == Outcome("refused", "leads to a private address")
    assert mail.letters == []
