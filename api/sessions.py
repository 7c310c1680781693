"""The console's sign-in: a signed cookie that names the token it was made with, and the proof against forged forms.

The cookie holds no rights of its own. Every request looks the token up again, so a revoked token ends its sessions.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from itsdangerous import BadSignature, URLSafeSerializer

from core.errors import Unauthorized
from core.vault import Vault

COOKIE: Final = "hallwatch_session"
CSRF_HEADER: Final = "X-CSRF-Token"
LASTS: Final = timedelta(hours=12)
"""A long school day; then one signs in again."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a session cookie says."""

    token: int
    nonce: str
    until: datetime


class Sessions:
    """Makes and reads session cookies."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._serializer = URLSafeSerializer(vault.key("session"), salt="hallwatch.session")

    def start(self, token: int, now: datetime) -> str:
        """Return the cookie of a new session of the token numbered `token`."""
        until = int((now + LASTS).timestamp())
        return str(self._serializer.dumps([token, secrets.token_urlsafe(16), until]))

    def read(self, cookie: str, now: datetime) -> SignedIn:
        """Return what a cookie says; Unauthorized if it is not ours, or over."""
        try:
            token, nonce, until = self._serializer.loads(cookie)
        except (BadSignature, ValueError, TypeError):
            raise Unauthorized("this sign-in is not valid; sign in again at /login") from None
        found = SignedIn(token, nonce, datetime.fromtimestamp(until, UTC))
        if found.until <= now:
            raise Unauthorized("this sign-in is over; sign in again at /login")
        return found

    def csrf(self, signed_in: SignedIn) -> str:
        """Return the proof that our own page of this session sent a form."""
        return self._vault.sign("csrf", signed_in.nonce)

    def is_ours(self, signed_in: SignedIn, sent: str) -> bool:
        """Return whether `sent` is that proof."""
        return hmac.compare_digest(self.csrf(signed_in).encode(), sent.encode())
