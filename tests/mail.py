"""A mail server for the tests: it takes letters over SMTP on loopback, or answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
from dataclasses import dataclass, field
from email.message import EmailMessage

GREETING = "220 mail.test ready"


@dataclass
class Mail:
    """`replies` has what is answered to a command instead of yes ("" to the letter itself; an empty reply hangs up)."""

    port: int = 0
    delay: float = 0.0
    """Seconds before a letter is confirmed."""
    replies: dict[str, str] = field(default_factory=dict)
    letters: list[EmailMessage] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}/?from=hallwatch@school.example&to=office@school.example&mode=insecure"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            self._serving.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        await say(GREETING)
        while line := (await reader.readline()).decode().strip():
            command = line.split(" ")[0].split(":")[0].upper()
            if command in self.replies:
                if not self.replies[command]:
                    return
                await say(self.replies[command])
            elif command == "DATA":
                await say("354 go on")
                letter = await reader.readuntil(b"\r\n.\r\n")
                await asyncio.sleep(self.delay)
                if "" not in self.replies:
                    self.letters.append(email.message_from_bytes(letter[:-3], policy=email.policy.default))
                await say(self.replies.get("", "250 taken"))
            else:
                await say("221 bye" if command == "QUIT" else "250 fine")
