"""A small house for the tests of the API: a real database, a manual clock, and a corridor that reads our own topics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from api import access
from api.attempts import Rates
from api.deps import Health, House, Part, Receipt
from api.server import create_api
from core import feed, journal, registry, state
from core.campus import Campus
from core.clock import Clock
from core.database import Database
from core.facts import DoorFacts
from core.messages import Heard, Message
from core.settings import Settings
from core.vault import Vault
from core.wire import Refused
from core.world import World
from ingest import quarantine
from ingest.decode import Decoder
from tests import servers

WELL = Part(True, None, "well")


@dataclass
class Corridor:
    """Takes messages in as the service does, without rules: journal, state, feed."""

    database: Database
    clock: Clock
    campuses: Mapping[str, Campus]
    heard: list[Heard] = field(default_factory=list)
    worlds: dict[str, World] = field(default_factory=dict)
    committed: Callable[[], None] = lambda: None

    async def receive(self, batch: list[Heard]) -> Receipt:
        now = self.clock.now()
        self.heard += batch
        decoder = Decoder(self.campuses.values(), (), prefix="campus", lateness=timedelta(seconds=1))
        read: list[Message] = []
        unread: list[tuple[int, str]] = []
        for place, heard in enumerate(batch):
            try:
                read += decoder.decode(heard, now)
            except Refused as refused:
                unread.append((place, refused.reason))
        async with self.database.transaction() as session:
            lost = [
                quarantine.Unread(batch[place], decoder.campus_of(batch[place].topic), why) for place, why in unread
            ]
            await quarantine.keep(session, lost, now)
            fresh = await journal.append(session, read)
            for message in fresh:
                world = self.worlds.setdefault(message.campus, World(self.campuses[message.campus]))
                world.apply(message)
                changed = world.take_changes()
                await state.save(session, message.campus, changed)
                news = [_door(message.campus, facts) for facts in changed if isinstance(facts, DoorFacts)]
                await feed.publish(session, news, now)
        self.committed()
        return Receipt(len(batch) - len(unread), len(read) - len(fresh), unread)


def _door(campus: str, facts: DoorFacts) -> feed.News:
    def text(at: datetime | None) -> str | None:
        return at.isoformat().replace("+00:00", "Z") if at else None

    said = {"campus": campus, "id": facts.id, "position": facts.position, "lock": facts.lock}
    return feed.News(
        campus=campus,
        topic="door",
        data=said | {"since": text(facts.position_at), "heard_at": text(facts.heard_at)},
    )


def build_house(
    database: Database,
    clock: Clock,
    vault: Vault,
    *campuses: Campus,
    health: Callable[[], Health] = lambda: Health(WELL, WELL, WELL),
) -> tuple[House, Corridor]:
    known = {campus.id: campus for campus in campuses}
    corridor = Corridor(database, clock, known)
    house = House(
        database=database,
        clock=clock,
        vault=vault,
        settings=Settings(public_url="https://hallwatch.example"),
        receive=corridor.receive,
        health=health,
        campuses=lambda: known,
        metrics=CollectorRegistry(),
        rates=Rates(a_second=1e9),
    )
    corridor.committed = house.news.set
    return house, corridor


@dataclass
class Desk:
    """One house with its API, and a client for every role."""

    house: House
    corridor: Corridor
    app: FastAPI
    tokens: dict[str, str]

    @asynccontextmanager
    async def client(self, role: str | None = None, **options: object) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hallwatch.test", headers=headers, **options
        ) as client:
            yield client

    @asynccontextmanager
    async def browser(self, role: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client that has signed in at the page."""
        async with self.client() as client:
            client.headers["Accept"] = "text/html"
            answer = await client.post("/login", data={"token": self.tokens[role]})
            assert answer.status_code == 303, answer.text
            yield client

    @asynccontextmanager
    async def served(self, port: int | None = None) -> AsyncIterator[str]:
        """The API behind a real server, on a free port if none is named; yields its address."""
        port = port or servers.free_port()
        server = uvicorn.Server(uvicorn.Config(self.app, port=port, log_level="error", access_log=False))
        running = asyncio.create_task(server.serve())
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            self.house.closing.set()
            self.house.news.set()
            server.should_exit = True
            await running


async def open_desk(house: House, corridor: Corridor) -> Desk:
    async with house.database.transaction() as session:
        for campus in house.campuses().values():
            await registry.save(session, house.vault, campus, now=house.clock.now(), by="the test")
        tokens = {
            role: await access.create_token(session, name=f"the {role}", role=role, now=house.clock.now())
            for role in access.ROLES
        }
    return Desk(house, corridor, create_api(house), tokens)
