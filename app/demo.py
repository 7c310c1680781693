"""`hallwatch demo`: the whole service with its own broker, database, simulated campus and stand-in phone."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape

from api import access
from app.broker import EmbeddedBroker
from app.loops import running
from app.wiring import Service, build
from core import feed, registry
from core.clock import Clock, SystemClock
from core.errors import BadInput, HallwatchError, Problem, Unavailable
from core.settings import Settings
from simulators.demo import demo_campus, demo_scenario
from simulators.phone import Phone
from simulators.play import BrokerAddress, play

COLOURS = {"extreme": "bold red", "severe": "red", "moderate": "yellow", "minor": "cyan"}
HOST = "127.0.0.1"


async def run(*, port: int, speed: float, folder: Path | None, out: Console) -> int:
    """Run the demo until Ctrl-C; return the exit status."""
    _check_free(port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    with _place(folder) as data:
        out.print("Starting Hallwatch with its own broker, database, phone and a simulated campus …")
        await _perform(data, port, speed, stop, out)
    out.print("\nEnded.")
    return 0


async def _perform(data: Path, port: int, speed: float, stop: asyncio.Event, out: Console) -> None:
    clock = SystemClock()
    names = {person.id: person.name for person in demo_campus(clock.now(), "json://phone").people}
    broker, phone = EmbeddedBroker(_free_port()), Phone(HOST, _free_port(port + 1), people=names)
    async with contextlib.AsyncExitStack() as stack:
        await broker.start()
        stack.push_async_callback(broker.stop)
        await phone.start()
        stack.push_async_callback(phone.stop)
        service = build(_settings(data, port, broker.url))
        stack.push_async_callback(service.close)
        await service.prepare()
        began = clock.now()
        campus = demo_campus(began, phone.apprise_url)
        token = await _furnish(service, campus)
        await stack.enter_async_context(running(service))
        out.print(_welcome(port, phone.port, token))
        tasks = [
            asyncio.create_task(_tell(service, out)),
            asyncio.create_task(_live(broker.url, clock, campus, speed, began)),
            asyncio.create_task(stop.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _settings(data: Path, port: int, broker: str) -> Settings:
    return Settings(
        database_url=f"sqlite:///{data}/hallwatch.db",
        mqtt_url=broker,
        http_host=HOST,
        http_port=port,
        public_url=f"http://{HOST}:{port}",
        secret_key=_secret(data),
        allow_private_endpoints=True,
    )


def _secret(data: Path) -> str:
    # Kept with the data: what is sealed in the database opens with no other key.
    path = data / "secret"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


async def _furnish(service: Service, campus: Any) -> str:
    now = service.clock.now()
    async with service.database.transaction() as session:
        await registry.save(session, service.vault, campus, now=now, by="demo")
        token = await access.create_token(session, name="demo", role="admin", now=now)
    await service.pipeline.refresh()
    return token


async def _live(broker: str, clock: Clock, campus: Any, speed: float, began: Any) -> None:
    stream = demo_scenario(campus, began).stream()
    while True:
        try:
            await play(stream, BrokerAddress.parse(broker), clock, start=began, speed=speed, exercise="live")
            await asyncio.Event().wait()
        except Unavailable:
            await clock.sleep(1.0)


def _welcome(port: int, phone: int, token: str) -> str:
    return (
        f"\n  [bold]The board[/bold]       http://{HOST}:{port}/\n"
        f"  [bold]The phones[/bold]      http://{HOST}:{phone}/\n"
        f"  [bold]Sign in with[/bold]    {token}\n"
        f"  [bold]The API[/bold]         http://{HOST}:{port}/api/v1/openapi.json   (Authorization: Bearer …)\n\n"
        "Alerts are shown here as they happen. Ctrl-C ends it.\n"
    )


async def _tell(service: Service, out: Console) -> None:
    """Print alerts and pushes as they happen."""
    last = 0
    states: dict[tuple[str, int], str] = {}
    while True:
        with contextlib.suppress(HallwatchError):
            async with service.database.reading() as session:
                rows = await feed.after(session, last)
            for row in rows:
                last = row.id
                data = msgspec.json.decode(row.data)
                line = LINES[row.topic](data) if row.topic in LINES else ""
                if line and states.get((row.topic, data["id"])) != line:
                    states[row.topic, data["id"]] = line
                    out.print(f"[dim]{row.at:%H:%M:%S}[/dim]  {line}")
        await service.clock.sleep(0.3)


def _alert_line(alert: dict[str, Any]) -> str:
    colour = COLOURS[alert["severity"]]
    over = alert["cleared_at"] is not None and alert["cleared_at"] != alert["began_at"]
    state = " · closed" if alert["state"] == "closed" else " · over now" if over else ""
    taken = f" · {alert['acknowledged_by']} has it" if alert["acknowledged_by"] else ""
    return (
        f"[{colour}]{alert['severity'].upper():<8}[/{colour}] {alert['code']}  {escape(alert['title'])}{state}{taken}"
    )


def _delivery_line(delivery: dict[str, Any]) -> str:
    if delivery["state"] not in ("accepted", "refused", "failed", "unknown"):
        return ""
    return f"[dim]         push to {delivery['endpoint']}: {delivery['state']}[/dim]"


LINES = {"alert": _alert_line, "delivery": _delivery_line}


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            problem = Problem(
                f"port {port} cannot be used ({error.strerror}); choose another: --port N, PORT=N", "--port"
            )
            raise BadInput([problem]) from None


def _free_port(wanted: int = 0) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            return _free_port()
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    made = Path(tempfile.mkdtemp(prefix="hallwatch-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
