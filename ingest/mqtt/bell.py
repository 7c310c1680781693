"""Wakes the network's thread out of its waiting for the network."""

from __future__ import annotations

import contextlib
import socket


class Bell:
    """One side rings, the other side, who waits for it like for any socket, hears it. Ringing never blocks."""

    def __init__(self) -> None:
        self._inside, self._outside = socket.socketpair()
        self._inside.setblocking(False)
        self._outside.setblocking(False)

    def fileno(self) -> int:
        """Return what a selector waits for."""
        return self._inside.fileno()

    def ring(self) -> None:
        """Wake whoever waits. A full pipe means that it was rung already; a closed one, that nobody waits."""
        with contextlib.suppress(OSError):
            self._outside.send(b"!")

    def silence(self) -> None:
        """Take note of every ring so far."""
        with contextlib.suppress(BlockingIOError):
            while self._inside.recv(4096):
                pass

    def close(self) -> None:
        """Take the bell down."""
        self._inside.close()
        self._outside.close()
