"""The small plan: a PNG that any reader takes, with the right door marked."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest

from alerts import alert as moves
from alerts import plan_picture
from alerts.alert import Alert
from core.campus import Campus
from tests.campuses import LINCOLN, lincoln
from tests.conftest import START
from tests.unit.alerts.making import finding

PLACES = {"main": (0.1, 0.5), "gym-east": (0.82, 0.31), "gym-west": (1.0, 1.0)}
RED = 3


def placed(**places: tuple[float, float]) -> Campus:
    found = PLACES | places
    doors = [
        {**door, **({"x": found[door["id"]][0], "y": found[door["id"]][1]} if door["id"] in found else {})}
        for door in LINCOLN["doors"]
    ]
    return lincoln(doors=doors)


def about(**changes: Any) -> Alert:
    return moves.opened(finding(**changes), now=START, policy={})


def pixels(png: bytes) -> list[bytes]:
    """The rows of a picture, read back as a viewer does: every chunk whole, every sum right."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    rest = png[8:]
    while rest:
        size, kind = struct.unpack(">I", rest[:4])[0], rest[4:8]
        data, crc = rest[8 : 8 + size], struct.unpack(">I", rest[8 + size : 12 + size])[0]
        assert crc == zlib.crc32(kind + data)
        chunks[kind] = data
        rest = rest[12 + size :]
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    raw = zlib.decompress(chunks[b"IDAT"])
    assert len(raw) == height * (width + 1)
    return [raw[line * (width + 1) + 1 : (line + 1) * (width + 1)] for line in range(height)]


def test_the_door_of_the_alert_is_marked_where_it_is() -> None:
    picture = plan_picture.picture_for(about(), placed())
    assert picture is not None
    rows = pixels(picture)
    reds = [(x, y) for y, row in enumerate(rows) for x, colour in enumerate(row) if colour == RED]
    middle = (36 + round(0.82 * (480 - 72)), 36 + round(0.31 * (320 - 72)))
    assert middle in reds
    assert all(abs(x - middle[0]) < 60 and abs(y - middle[1]) < 20 for x, y in reds)


def test_a_device_is_where_its_door_is() -> None:
    device = about(entity="device", key="gym-east-contact", rule="sensor-silent")
    assert plan_picture.picture_for(device, placed()) == plan_picture.picture_for(about(), placed())


@pytest.mark.parametrize("changes", [{"key": "office"}, {"key": "gone"}, {"entity": "visit", "key": "v1"}])
def test_what_has_no_place_has_no_picture(changes: dict[str, str]) -> None:
    assert plan_picture.picture_for(about(**changes), placed()) is None
    assert plan_picture.picture_for(about(), None) is None
    assert plan_picture.picture_for(about(), lincoln()) is None


@pytest.mark.parametrize("place", [(-3.0, 0.5), (0.0, 0.0), (1.0, 1.0), (99.0, 99.0)])
@pytest.mark.parametrize("number", ["7", "A12b", "123456", ""])
def test_any_place_and_number_fits_on_the_paper(place: tuple[float, float], number: str) -> None:
    spot = (number, *place)
    assert len(pixels(plan_picture.draw((spot, ("1", 0.5, 0.5)), spot))) == plan_picture.HEIGHT
