"""Webhooks: whether an HTTP body comes from whom it says, now, and unchanged. Pure; nothing is ever called back.

The mappings of `hooks/{name}` say in their `auth` how the sender of the hook `name` shows itself. A body that passes
takes the same way as a message from the broker: `Heard(topic_of(name), body)`. A recording that is played back is
caught by its time of sending where the sender signs one; within the day the event's own id is known again
(`dedupe` of the mapping), and what happened longer ago is refused (`time.refuse_after`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from core.errors import BadInput, Problem
from core.wire import MAX_BYTES, Refused
from ingest.mapping import Mapping as DeviceMapping
from ingest.mapping.document import HOOKS, Auth, Hmac, Token
from ingest.mapping.files import located

UNAUTHORIZED: Final = "unauthorized"
"""The word of every refusal of a sender."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook, and how its sender shows itself."""

    name: str
    auth: Auth

    @property
    def topic(self) -> str:
        """Under what topic its bodies are read."""
        return f"{HOOKS}{self.name}"


def hooks(mappings: Iterable[DeviceMapping]) -> dict[str, Hook]:
    """Return the webhooks that mappings speak of, by name; BadInput if two of one name trust different senders."""
    found: dict[str, Hook] = {}
    problems: list[Problem] = []
    for mapping in mappings:
        for topic in mapping.document.match.topic if mapping.is_hook else ():
            assert mapping.document.auth is not None
            hook = Hook(topic.removeprefix(HOOKS), mapping.document.auth)
            if found.setdefault(hook.name, hook) != hook:
                problem = Problem(f"the webhook {hook.name!r} has another `auth` in another mapping", "auth")
                problems.append(located(mapping.origin, problem))
    if problems:
        raise BadInput(problems)
    return found


def verify(hook: Hook | None, headers: Mapping[str, str], body: bytes, secret: str | None, now: datetime) -> None:
    """Return if the body comes from the hook's sender; Refused (`unauthorized: …`) if that is not shown.

    `hook`: None where no mapping knows the name. `headers`: names in any case. `secret`: None where none is set.
    """
    if hook is None:
        raise _refused("there is no such webhook")
    if not secret:
        raise _refused("no secret is set for this webhook")
    if len(body) > MAX_BYTES:
        raise Refused("too_large")
    sent = {name.lower(): value for name, value in headers.items()}
    if hook.auth.hmac is not None:
        _verify_signature(hook.auth.hmac, sent, body, secret, now)
    else:
        assert hook.auth.token is not None
        _verify_token(hook.auth.token, sent, secret)


def sign(how: Hmac, body: bytes, secret: str, now: datetime) -> dict[str, str]:
    """Return the headers that a sender would put on a body; for rehearsals and tests."""
    timestamp = str(int((now - _EPOCH).total_seconds()))
    digest = _digest(how, body, secret, timestamp)
    text = digest.hex() if how.encoding == "hex" else base64.b64encode(digest).decode()
    stamped = f"{timestamp}{how.separator}" if how.separator else ""
    headers = {how.header: f"{stamped}{how.prefix}{text}"}
    return headers | ({how.timestamp_header: timestamp} if how.timestamp_header else {})


def _verify_signature(how: Hmac, sent: Mapping[str, str], body: bytes, secret: str, now: datetime) -> None:
    said = sent.get(how.header.lower(), "").strip()
    if not said:
        raise _refused(f"the header {how.header} is missing")
    timestamp = ""
    if how.separator:
        timestamp, _, said = said.partition(how.separator)
    elif how.timestamp_header:
        timestamp = sent.get(how.timestamp_header.lower(), "").strip()
    if not said.startswith(how.prefix):
        raise _refused(f"the header {how.header} does not begin with {how.prefix}")
    given = _read_digest(how, said.removeprefix(how.prefix))
    if not hmac.compare_digest(given, _digest(how, body, secret, timestamp)):
        raise _refused("the signature is wrong")
    if how.separator or how.timestamp_header:
        _verify_time(timestamp, now, how.tolerance)


def _digest(how: Hmac, body: bytes, secret: str, timestamp: str) -> bytes:
    # Put together as bytes: a body may hold anything, braces and half characters included.
    parts = how.signed.replace("{timestamp}", timestamp).split("{body}")
    return hmac.digest(secret.encode(), body.join(part.encode() for part in parts), "sha256")


def _read_digest(how: Hmac, text: str) -> bytes:
    try:
        return bytes.fromhex(text) if how.encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise _refused(f"the signature is not {how.encoding}") from None


def _verify_time(timestamp: str, now: datetime, tolerance: timedelta) -> None:
    try:
        sent = _EPOCH + timedelta(seconds=int(timestamp)) if timestamp.isascii() else None
    except (ValueError, OverflowError):
        sent = None
    if sent is None:
        raise _refused("the time of sending is missing or is no number of seconds")
    if abs(now - sent) > tolerance:
        raise _refused("the time of sending is too far from now; a recording, or a clock that is wrong")


def _verify_token(how: Token, sent: Mapping[str, str], secret: str) -> None:
    said = sent.get(how.header.lower(), "").strip()
    scheme, _, value = said.partition(" ")
    if how.scheme == "plain":
        value = said
    elif scheme.lower() != how.scheme:
        raise _refused(f"the header {how.header} does not say {how.scheme}")
    wanted = base64.b64encode(secret.encode()) if how.scheme == "basic" else secret.encode()
    if not hmac.compare_digest(value.strip().encode("utf-8", "replace"), wanted):
        raise _refused("the secret is wrong")


def _refused(why: str) -> Refused:
    return Refused(f"{UNAUTHORIZED}: {why}")
