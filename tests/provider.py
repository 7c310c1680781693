"""A sign-in provider as districts have one (OpenID Connect), small and local: it signs what a test lets it say."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests import servers


@dataclass
class LocalProvider:
    """What the provider knows, and how it misbehaves where a test wants it to."""

    client: str = "hallwatch"
    secret: str = "the-clients-own-secret"
    claims: dict[str, Any] = field(default_factory=dict)
    """Said in place of, or beside, what is right."""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k-1"}))
    signs_with: Any = None
    algorithm: str = "RS256"
    issuer: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    def authorized(self, address: str, email: str, now: int) -> str:
        """Let somebody sign in at the address that a browser was sent to; return the code it comes back with."""
        said = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert said["client_id"] == self.client
        assert said["code_challenge_method"] == "S256"
        self._said = said
        self._claims = {
            "iss": self.issuer,
            "sub": "u-1",
            "aud": self.client,
            "iat": now,
            "exp": now + 300,
            "nonce": said["nonce"],
            "email": email,
            "email_verified": True,
        } | self.claims
        return "a-code"

    async def discovery(self, _request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        )

    async def keys(self, _request: Request) -> JSONResponse:
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def token(self, request: Request) -> JSONResponse:
        said = {name: str(value) for name, value in (await request.form()).items()}
        self.asked.append(said)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(said["code_verifier"].encode()).digest()).rstrip(b"=")
        right = said["code"] == "a-code" and said["client_secret"] == self.secret
        if not right or challenge.decode() != self._said["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        header = {"alg": self.algorithm, "kid": "k-1"}
        claims = {name: value for name, value in self._claims.items() if value is not None}
        token = jwt.encode(header, claims, self.signs_with or self.key, algorithms=[self.algorithm])
        return JSONResponse({"id_token": token, "access_token": "at", "token_type": "Bearer"})

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Run on a free port until the end of the block."""
        app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/keys", self.keys),
                Route("/token", self.token, methods=["POST"]),
            ]
        )
        port = servers.free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", access_log=False))
        running = asyncio.create_task(server.serve())
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield
        finally:
            server.should_exit = True
            await running
