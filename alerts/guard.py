"""No notice leads into the private network.

A name can be checked when an endpoint is saved, but a provider's option, a redirect or a changed DNS answer may lead
elsewhere later. So the address itself is looked at in the moment of connecting, by an audit hook of the interpreter,
for the thread that sends and for no other.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_EVENTS = frozenset(("socket.connect", "socket.sendto"))
_blocked: ContextVar[list[str] | None] = ContextVar("blocked", default=None)
_installed = False


@contextmanager
def watching(*, allow_private: bool) -> Iterator[list[str]]:
    """Refuse every connection to a private address that this thread makes meanwhile; yield those that were refused."""
    blocked: list[str] = []
    if allow_private:
        yield blocked
        return
    _install()
    token = _blocked.set(blocked)
    try:
        yield blocked
    finally:
        _blocked.reset(token)


def is_private(address: str) -> bool:
    """Return whether an IP address is loopback, link-local, private or otherwise not of the public Internet."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if inner is not None:
            return is_private(str(inner))
    return not found.is_global or found.is_multicast


def leads_inside(host: str) -> bool:
    """Return whether a host name or address has a private address; one that cannot be found has none."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(is_private(str(each[4][0])) for each in found)


def _install() -> None:
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_on_event)


def _on_event(event: str, args: tuple[Any, ...]) -> None:
    if event not in _EVENTS:
        return
    blocked = _blocked.get()
    if blocked is None:
        return
    where = args[1]
    # A local socket is named by a path.
    host = str(where[0]) if isinstance(where, tuple) else ""
    if not host or is_private(host):
        blocked.append(host)
        raise PermissionError("this address is not of the public Internet")
