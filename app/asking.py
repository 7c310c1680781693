"""Asks a running service, over its API, what it has heard and what it has alerted. For simulations."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from app.sightings import sightings
from core.errors import BadInput, Problem, Unavailable
from core.messages import Exercise
from simulators.verdict import Observed

PAGE: Final = 200
TIMEOUT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Api:
    """A service, as whoever holds a token for it may ask."""

    client: httpx.AsyncClient

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, url: str, token: str) -> AsyncIterator[Api]:
        """Yield the service at a URL."""
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S) as client:
            yield cls(client)

    async def alerts(self, campus: str, since: datetime) -> list[dict[str, Any]]:
        """Return the alerts of a campus since then."""
        found = self._listed("/api/v1/alerts", {"campus": campus, "since": since.isoformat()})
        return [each async for each in found]

    async def count_alerts(self, campus: str, since: datetime) -> int:
        """Return how many alerts there are on a campus since then."""
        return len(await self.alerts(campus, since))

    async def messages(self, campus: str, since: datetime) -> AsyncIterator[dict[str, Any]]:
        """Yield the journalled messages of a campus whose event time is not before `since`."""
        async for each in self._listed("/api/v1/messages", {"campus": campus, "since": since.isoformat()}):
            yield each

    async def observed(self, campus: str, since: datetime, exercise: Exercise, *, told: bool) -> list[Observed]:
        """Return what became of the alerts of one run, step by step.

        `told` says of each, too, who has been told of it.
        """
        found: list[Observed] = []
        for alert in await self.alerts(campus, since):
            if alert["exercise"] == exercise:
                detail = await self._get(f"/api/v1/alerts/{alert['id']}", {})
                people = frozenset(each["person"] for each in detail["deliveries"] if each["person"]) if told else None
                found += sightings(detail, detail["timeline"], people)
        return found

    async def may(self) -> frozenset[str]:
        """Return what the token may do."""
        return frozenset((await self._get("/api/v1/me", {}))["may"])

    async def post(self, path: str, said: dict[str, Any]) -> None:
        """Ask for something to be done; BadInput with the service's own words where it is not."""
        answer = await self._request("POST", path, json=said)
        if answer.is_error:
            raise BadInput(f"the API says {answer.status_code}: {answer.text[:200]}")

    async def _listed(self, path: str, params: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        params = params | {"limit": str(PAGE)}
        while True:
            page = await self._get(path, params)
            for each in page["items"]:
                yield each
            if not page["next"]:
                return
            params["cursor"] = page["next"]

    async def _get(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        answer = await self._request("GET", path, params=params)
        if answer.status_code != 200:
            raise BadInput([Problem(f"the API says {answer.status_code}: {answer.text[:200]}", where="--token")])
        found: dict[str, Any] = answer.json()
        return found

    async def _request(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            return await self.client.request(method, path, **how)
        except httpx.HTTPError as error:
            raise Unavailable(f"the API at {self.client.base_url} does not answer: {error}") from None
