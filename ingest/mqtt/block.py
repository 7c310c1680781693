"""Reads messages out of a block of bytes from the network, many at a time.

paho takes a packet apart field by field into objects of its own, which costs several times what the message needs.
What is not a plain message (another packet, one that is not whole yet, one that is wrong) is left to paho.
"""

from __future__ import annotations

from typing import Final

from core.messages import Heard

_PUBLISH: Final = 0x30
_DUP: Final = 0x08
_QOS: Final = 0x06
_AT_LEAST_ONCE: Final = 0x02
_RETAIN: Final = 0x01
_MORE: Final = 0x80
"""The bit by which a length says that it goes on."""
_LONGEST: Final = 4
"""Bytes of a length."""


def read_messages(block: bytes, place: int, most: int, *, has_properties: bool) -> tuple[list[Heard], int]:
    """Return the messages that lie whole at `place` and behind it, and the place of what was not read.

    `has_properties`: it is MQTT 5. Source: MQTT 5.0, sections 2.1 and 3.3.
    """
    found: list[Heard] = []
    end = len(block)
    while place < end and len(found) < most:
        flags = block[place]
        if flags & 0xF0 != _PUBLISH or flags & _QOS > _AT_LEAST_ONCE:
            break
        length, start = _length(block, place + 1)
        stop = start + length
        if length < 0 or stop > end:
            break
        heard = _message(block, start, stop, flags, has_properties=has_properties)
        if heard is None:
            break
        found.append(heard)
        place = stop
    return found, place


def _message(block: bytes, start: int, stop: int, flags: int, *, has_properties: bool) -> Heard | None:
    """Return the message of one packet's body; None: it is not plain."""
    name = start + 2
    behind = name + int.from_bytes(block[start:name], "big")
    packet = 0
    try:
        topic = block[name:behind].decode()
    except UnicodeDecodeError:
        return None
    if flags & _QOS:
        packet = int.from_bytes(block[behind : behind + 2], "big")
        behind += 2
    if has_properties:
        length, behind = _length(block, behind)
        behind += length
    if not topic or behind > stop or (flags & _QOS and not packet):
        return None
    return Heard(topic, block[behind:stop], bool(flags & _RETAIN), bool(flags & _DUP), packet)


def _length(block: bytes, place: int) -> tuple[int, int]:
    """Return a length of one to four bytes and where it ends; -1: it is not whole, or wrong."""
    length, shift = 0, 0
    for each in block[place : place + _LONGEST]:
        length |= (each & ~_MORE) << shift
        place += 1
        if not each & _MORE:
            return length, place
        shift += 7
    return -1, place
