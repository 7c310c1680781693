"""One-time passwords by the clock (RFC 6238): the second thing that a user has, an app on a phone.

Thirty seconds, six digits, SHA-1: what every app takes. A code counts once, in its own half minute or the ones beside.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_S: Final = 30
DIGITS: Final = 6


def new_secret() -> str:
    """Return a fresh secret, as apps take it by hand."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def address(secret: str, name: str) -> str:
    """Return the address that an app reads from a picture (`otpauth://…`)."""
    return f"otpauth://totp/Hallwatch:{quote(name)}?secret={secret}&issuer=Hallwatch&digits={DIGITS}&period={STEP_S}"


def code_at(secret: str, step: int) -> str:
    """Return the code of one half minute, counted from 1970."""
    # RFC 6238's own hash; it is keyed here, where SHA-1 is sound, and most apps know no other.
    otp = TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_S)  # noqa: S303
    return otp.generate(step * STEP_S).decode()


def matching_step(secret: str, code: str, now: datetime, *, after: int) -> int | None:
    """Return the half minute a code belongs to, None if it is not right. One up to `after` was used before."""
    present = int(now.timestamp()) // STEP_S
    said = code.replace(" ", "").encode("utf-8", "surrogatepass")
    found = None
    for step in (present - 1, present, present + 1):
        # Every step is compared: the time taken tells nothing.
        if hmac.compare_digest(code_at(secret, step).encode(), said) and step > after:
            found = step
    return found
