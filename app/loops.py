"""Runs a service until it is told to end: listen, tick, courier, auditor, serve; loops that outlive their errors."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import structlog
import uvicorn

from api.server import create_api
from app import telemetry
from app.broker import EmbeddedBroker
from app.gauges import LOOK_S as GAUGES_S
from app.wiring import Service, build
from core.errors import Unavailable
from core.settings import Settings

log = structlog.get_logger("loops")
ROLES = ("ingest", "courier", "api")
TICK_S = 0.2
"""How often time is let pass in the rules; far below the seconds that people notice."""
REFRESH_S = 2.0
"""How often a change of campuses or rules by another process is looked for."""
RETENTION_S = 10.0
"""How often it is looked whether anything is to be forgotten."""
PREFLIGHT_S = 10.0
"""How often it is looked whether a check of endpoints, or the report of the week, is due."""
CATCH_UP_S = 10.0
"""How long event time stands still for a broker that does not answer: then the timers must run without it."""
GRACE_S = 3
"""How long open requests and streams may take to end."""


async def run(settings: Settings, roles: frozenset[str]) -> int:
    """Run the service of these settings until SIGTERM or SIGINT; return the exit status."""
    stop = asyncio.Event()
    spans = telemetry.configured(os.environ)
    with _signals(stop):
        async with _broker(settings) as reached:
            judges = "ingest" in roles
            service = build(reached, listen=judges, judge=judges, spans=spans)
            try:
                await _prepared(service, stop)
                async with running(service, roles):
                    # What is here now stays: to look through all of it again and again stands everything still for
                    # a fifth of a second each time.
                    gc.collect()
                    gc.freeze()
                    gc.enable()
                    await stop.wait()
            finally:
                await service.close()
    log.info("ended")
    return 0


@contextlib.asynccontextmanager
async def _broker(settings: Settings) -> AsyncIterator[Settings]:
    """Start our own broker if the settings ask for it; yield the settings that lead to a broker."""
    if settings.mqtt_url != "embedded":
        yield settings
        return
    broker = EmbeddedBroker(settings.mqtt_embedded_port)
    await broker.start()
    try:
        yield settings.model_copy(update={"mqtt_url": broker.url})
    finally:
        await broker.stop()


async def _prepared(service: Service, stop: asyncio.Event) -> None:
    """Migrate and fill the database; a database that is not there yet is waited for."""
    pause = 0.5
    while not stop.is_set():
        try:
            await service.prepare()
            return
        except Unavailable as error:
            log.warning("waiting for the database", why=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            pause = min(pause * 2, 5.0)


@contextlib.asynccontextmanager
async def running(service: Service, roles: frozenset[str] = frozenset(ROLES)) -> AsyncIterator[None]:
    """Run the loops of the roles beside the caller; leaving ends them all, the listener first."""
    service.roles = roles
    service.watch.audits = "courier" in roles
    server = _Server(service) if "api" in roles else None
    tasks: list[asyncio.Task[None]] = []

    def start(name: str, loop: Awaitable[None]) -> None:
        tasks.append(asyncio.create_task(_named(name, loop), name=name))

    start("watch", _every(service, 1.0, service.watch.ask_database))
    start("gauges", _every(service, GAUGES_S, service.gauges.look))
    if "ingest" in roles:
        if service.listener is not None:
            start("listen", service.listener.run())
        start("tick", _tick(service))
        start("refresh", _every(service, REFRESH_S, service.pipeline.refresh))
        start("retention", _every(service, RETENTION_S, service.retention.look))
    else:
        start("refresh", _every(service, REFRESH_S, service.pipeline.look))
    try:
        if "courier" in roles:
            # Meanwhile messages are heard and judged; nobody is told that we are ready before we can send.
            await service.channels.warm_up()
            start("courier", service.courier.run())
            start("auditor", service.auditor.run())
            start("watchdog", service.watchdog.run())
            start("preflight", _every(service, PREFLIGHT_S, service.preflight.look))
            start("weekly", _every(service, PREFLIGHT_S, service.weekly.look))
        if server is not None:
            await server.start()
            log.info("ready", url=server.url)
        yield
    finally:
        service.closing.set()
        if server is not None:
            await server.stop()
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _named(name: str, loop: Awaitable[None]) -> None:
    try:
        await loop
    except Exception:
        log.exception("a loop ended by an error", loop=name)
        raise


async def _tick(service: Service) -> None:
    listener, pipeline = service.listener, service.pipeline

    def give_up() -> None:
        if listener is None or not listener.status.connected:
            pipeline.catching_up = False

    if listener is None:
        give_up()
    else:
        asyncio.get_running_loop().call_later(CATCH_UP_S, give_up)
    await _every(service, TICK_S, service.pipeline.on_tick)


async def _every(service: Service, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work again and again; what goes wrong is said once, and the loop goes on."""
    trouble = ""
    while True:
        try:
            await work()
            if trouble:
                log.info("works again", loop=work.__name__)
            trouble = ""
        except Unavailable as error:
            if not trouble:
                log.warning("waiting", loop=work.__name__, why=str(error))
            trouble = str(error)
            await service.clock.sleep(1.0)
        except Exception as error:
            if repr(error) != trouble:
                log.exception("a round failed", loop=work.__name__)
            trouble = repr(error)
        await service.clock.sleep(seconds)


class _Server:
    """Uvicorn inside our own loop: we decide about signals, ports and the end."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        config = uvicorn.Config(
            create_api(service.house),
            host=settings.http_host,
            port=settings.http_port,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            lifespan="on",
        )
        self._server = _Quiet(config)
        self._task: asyncio.Task[None] | None = None
        self.url = f"http://{settings.http_host}:{settings.http_port}"

    async def start(self) -> None:
        """Listen; BadInput where the port cannot be had."""
        self._server.check_port()
        self._task = asyncio.create_task(self._server.serve(), name="http")
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise Unavailable(f"the HTTP server did not start on {self.url}")
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End open requests, in their time, and stop listening."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `run`."""
        yield

    def check_port(self) -> None:
        """Say a taken port in our words before uvicorn says it in its own."""
        import socket

        from core.errors import BadInput, Problem

        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.config.host, self.config.port))
            except OSError as error:
                where = f"{self.config.host}:{self.config.port}"
                raise BadInput(
                    [Problem(f"cannot listen on {where}: {error.strerror}", "HALLWATCH_HTTP_PORT")]
                ) from None


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    try:
        yield
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
