"""Secrets at rest: endpoint URLs and watch-list details are stored sealed, signatures come from the same key."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.errors import BadInput, Problem

_MARK = "sealed:"


class Vault:
    """Seals and opens text with keys derived from `SECRET_KEY`; each purpose has a key of its own."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._fernet = Fernet(base64.urlsafe_b64encode(self.key("seal")))

    def key(self, purpose: str) -> bytes:
        """Return the 32-byte key of one purpose."""
        return HKDF(SHA256(), 32, salt=b"hallwatch", info=purpose.encode()).derive(self._secret)

    def seal(self, text: str) -> str:
        """Return the text as it may be stored."""
        return _MARK + self._fernet.encrypt(text.encode()).decode()

    def open(self, stored: str) -> str:
        """Return what was sealed; text that never was comes back as it is. BadInput if the key is another one."""
        if not stored.startswith(_MARK):
            return stored
        try:
            return self._fernet.decrypt(stored.removeprefix(_MARK).encode()).decode()
        except InvalidToken:
            raise BadInput(
                [Problem("does not open what is stored; it was another one then", "HALLWATCH_SECRET_KEY")]
            ) from None

    def opened(self, sealed: str) -> str:
        """Return what was sealed and came from outside; ValueError if it was not sealed with this key."""
        try:
            return self._fernet.decrypt(sealed.removeprefix(_MARK).encode()).decode()
        except InvalidToken:
            raise ValueError("was not sealed here") from None

    def sign(self, purpose: str, text: str) -> str:
        """Return the signature of a text, for links and cookies."""
        return hmac.new(self.key(purpose), text.encode(), hashlib.sha256).hexdigest()
