"""A small picture of the campus with one door marked, drawn from the places in the campus file.

It is a PNG of few colours, written here byte by byte: a letter can carry it, a phone's page can show it, and neither
needs a drawing library, a font or the network.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import Final

from alerts.alert import Alert
from core.campus import Campus

WIDTH: Final = 480
HEIGHT: Final = 320
_MARGIN: Final = 36
_PALETTE: Final = ((255, 255, 255), (226, 230, 235), (120, 130, 142), (200, 30, 30), (255, 214, 214))
_PAPER, _GROUND, _DOOR, _MARKED, _HALO = range(5)
_DIGIT: Final = {
    letter: rows.split()
    for letter, rows in {
        "0": "111 101 101 101 111",
        "1": "010 110 010 010 111",
        "2": "111 001 111 100 111",
        "3": "111 001 111 001 111",
        "4": "101 101 111 001 001",
        "5": "111 100 111 001 111",
        "6": "111 100 111 101 111",
        "7": "111 001 010 010 010",
        "8": "111 101 111 101 111",
        "9": "111 101 111 001 111",
    }.items()
}
"""Door numbers are digits on most walls; other letters are left out."""

Spot = tuple[str, float, float]
"""The number of a door and its place, from (0, 0) at the top left to (1, 1)."""


def picture_for(alert: Alert, campus: Campus | None) -> bytes | None:
    """Return the picture of where an alert is; None where the campus file gives its door no place."""
    door = door_of(alert, campus) if campus else None
    if campus is None or door is None:
        return None
    spots = tuple((each.number, each.x, each.y) for each in campus.doors if each.x is not None and each.y is not None)
    marked = campus.doors_by_id[door]
    if marked.x is None or marked.y is None:
        return None
    return draw(spots, (marked.number, marked.x, marked.y))


def door_of(alert: Alert, campus: Campus) -> str | None:
    """Return the door an alert is about, or the one its device speaks for."""
    if alert.entity == "device":
        device = campus.devices_by_id.get(alert.key)
        return device.door if device else None
    return alert.key if alert.entity == "door" and alert.key in campus.doors_by_id else None


@lru_cache(maxsize=128)
def draw(doors: tuple[Spot, ...], marked: Spot) -> bytes:
    """Return a PNG with a dot and a number for every door, and the marked one large and red."""
    canvas = [bytearray([_PAPER] * WIDTH) for _ in range(HEIGHT)]
    for row in canvas[_MARGIN // 2 : HEIGHT - _MARGIN // 2]:
        row[_MARGIN // 2 : WIDTH - _MARGIN // 2] = bytes([_GROUND]) * (WIDTH - _MARGIN)
    for number, x, y in doors:
        if (number, x, y) != marked:
            _dot(canvas, x, y, 5, _DOOR)
            _write(canvas, number, x, y, 2, _DOOR)
    number, x, y = marked
    _dot(canvas, x, y, 20, _HALO)
    _dot(canvas, x, y, 10, _MARKED)
    _write(canvas, number, x, y, 4, _MARKED)
    return _png(canvas)


def _place(x: float, y: float) -> tuple[int, int]:
    def within(value: float, size: int) -> int:
        return _MARGIN + round(min(max(value, 0.0), 1.0) * (size - 2 * _MARGIN))

    return within(x, WIDTH), within(y, HEIGHT)


def _dot(canvas: list[bytearray], x: float, y: float, radius: int, colour: int) -> None:
    column, line = _place(x, y)
    for dy in range(-radius, radius + 1):
        half = int((radius * radius - dy * dy) ** 0.5)
        canvas[line + dy][column - half : column + half + 1] = bytes([colour]) * (2 * half + 1)


def _write(canvas: list[bytearray], text: str, x: float, y: float, size: int, colour: int) -> None:
    """Write a number beside its dot, on the side where there is room."""
    digits = [_DIGIT[letter] for letter in text if letter in _DIGIT][:3]
    column, line = _place(x, y)
    width = len(digits) * 4 * size
    left = column + 6 * size if column + 6 * size + width < WIDTH else column - 6 * size - width
    top = line - 5 * size // 2
    for place, rows in enumerate(digits):
        for down, row in enumerate(rows):
            for across, pixel in enumerate(row):
                if pixel == "1":
                    start = left + (place * 4 + across) * size
                    for each in canvas[top + down * size : top + (down + 1) * size]:
                        each[start : start + size] = bytes([colour]) * size


def _png(canvas: list[bytearray]) -> bytes:
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
    colours = bytes(value for colour in _PALETTE for value in colour)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in canvas), 9)
    chunks = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
