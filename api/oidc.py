"""Signing in with a district's Google or Microsoft account: OpenID Connect, the authorization code flow with PKCE.

The provider says who somebody is; whether they may come in, and as what, our own users say. Nobody is made by it.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from core.errors import Unauthorized, Unavailable
from core.settings import Settings
from core.vault import Vault

CALLBACK: Final = "/login/provider/back"
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures alone: never `none`, and never a shared secret where a public key is expected."""
LASTS: Final = timedelta(minutes=10)
"""How long signing in at the provider may take."""
FRESH: Final = timedelta(hours=1)
"""How long what the provider publishes about itself is believed."""
LEEWAY_S: Final = 60
_TIMEOUT_S: Final = 10.0


class Started(msgspec.Struct, frozen=True):
    """What a sign-in began with; kept sealed in a cookie of the browser that began it."""

    state: str
    nonce: str
    verifier: str
    following: str
    until: datetime


@dataclass(frozen=True, slots=True)
class _Published:
    """What the provider publishes about itself."""

    authorize: str
    token: str
    keys: KeySet
    read_at: datetime


class Provider:
    """The one provider of the settings."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        assert settings.oidc_issuer is not None
        assert settings.oidc_client_id is not None
        self.issuer = settings.oidc_issuer
        self.name = settings.oidc_name
        self._client_id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self._claim = settings.oidc_claim
        self._back = f"{(settings.public_url or '').rstrip('/')}{CALLBACK}"
        self._vault = vault
        self._published: _Published | None = None
        self._reading = asyncio.Lock()

    async def begin(self, following: str, now: datetime) -> tuple[str, str]:
        """Return the provider's address to go to, and the cookie to come back with."""
        published = await self._publishes(now)
        started = Started(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            following=following,
            until=now + LASTS,
        )
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._back,
            "scope": "openid email profile",
            "state": started.state,
            "nonce": started.nonce,
            "code_challenge": create_s256_code_challenge(started.verifier),
            "code_challenge_method": "S256",
        }
        cookie = self._vault.seal(msgspec.json.encode(started).decode())
        return f"{published.authorize}{'&' if '?' in published.authorize else '?'}{urlencode(asked)}", cookie

    def started(self, cookie: str, state: str, now: datetime) -> Started:
        """Return the sign-in that a browser comes back from; Unauthorized if it did not begin it, or too long ago."""
        try:
            found = msgspec.json.decode(self._vault.opened(cookie), type=Started)
        except ValueError:
            raise Unauthorized("this browser did not begin this sign-in; begin again") from None
        if found.until <= now:
            raise Unauthorized("that took too long; begin again")
        if not secrets.compare_digest(found.state.encode(), state.encode("utf-8", "surrogatepass")):
            raise Unauthorized("this is not the sign-in that this browser began; begin again")
        return found

    async def finish(self, started: Started, code: str, now: datetime) -> str:
        """Return the name that the provider vouches for; Unauthorized if it vouches for none."""
        published = await self._publishes(now)
        said = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "client_id": self._client_id,
            "code_verifier": started.verifier,
        } | ({"client_secret": self._secret} if self._secret else {})
        answer = await _asked("POST", published.token, data=said)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Unauthorized("the provider did not accept this sign-in; begin again")
        claims = await self._verified(token, answer.get("access_token"), started.nonce, now)
        name = claims.get(self._claim)
        if not isinstance(name, str) or not name:
            raise Unauthorized(f"the provider does not say your {self._claim}")
        if self._claim == "email" and claims.get("email_verified") is not True:
            raise Unauthorized("the provider has not verified this e-mail address")
        return name

    async def _verified(self, token: str, access_token: Any, nonce: str, now: datetime) -> dict[str, Any]:
        options = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._client_id},
            "nonce": {"essential": True, "value": nonce},
        }
        parameters = {"nonce": nonce, "client_id": self._client_id, "access_token": access_token}
        try:
            read = jwt.decode(token, await self._keys(token, now), algorithms=list(ALGORITHMS))
            claims = CodeIDToken(read.claims, read.header, options, parameters)
            claims.validate(now=int(now.timestamp()), leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError) as error:
            raise Unauthorized(f"what the provider says cannot be believed: {type(error).__name__}") from None
        return dict(claims)

    async def _keys(self, token: str, now: datetime) -> KeySet:
        published = await self._publishes(now)
        wanted = _key_id(token)
        if wanted is not None and all(key.kid != wanted for key in published.keys.keys):
            # Providers change their keys; but nobody makes us ask more than once a minute.
            published = await self._publishes(now, older_than=timedelta(minutes=1))
        return published.keys

    async def _publishes(self, now: datetime, older_than: timedelta = FRESH) -> _Published:
        async with self._reading:
            if self._published is None or now - self._published.read_at >= older_than:
                found = await _asked("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
                if found.get("issuer") != self.issuer:
                    raise Unavailable(f"the provider calls itself {found.get('issuer')!r}, not {self.issuer!r}")
                authorize, token, keys = (
                    str(found.get(each, "")) for each in ("authorization_endpoint", "token_endpoint", "jwks_uri")
                )
                for each in (authorize, token, keys):
                    self._must_be_safe(each)
                read = KeySet.import_key_set(await _asked("GET", keys))  # type: ignore[arg-type] # checked by joserfc
                self._published = _Published(authorize, token, read, now)
            return self._published

    def _must_be_safe(self, url: str) -> None:
        # A provider on http:// is one of a test on this very machine, which the operator has named.
        if urlsplit(url).scheme not in {"https", urlsplit(self.issuer).scheme}:
            raise Unavailable("the provider names an address without TLS")


def _key_id(token: str) -> str | None:
    from joserfc.jws import extract_compact

    try:
        found = extract_compact(token.encode()).headers().get("kid")
    except (JoseError, ValueError):
        return None
    return found if isinstance(found, str) else None


async def _asked(method: str, url: str, data: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what the provider answers, as JSON; an error it names is empty. Unavailable where it cannot be reached."""
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as client:
            answer = await client.request(method, url, data=data, headers={"Accept": "application/json"})
            if 400 <= answer.status_code < 500 and method == "POST":
                return {}
            found = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(f"the sign-in provider: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise Unavailable("the sign-in provider answers nonsense")
    return found
