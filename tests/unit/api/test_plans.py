"""A plan is looked at before it is kept: a file may be another thing than it says."""

from __future__ import annotations

import pytest

from alerts.plan_picture import draw
from api.plans import MOST_BYTES, Plan, look
from core.errors import BadInput

PNG = draw((("7", 0.5, 0.5),), ("7", 0.5, 0.5))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 200"><rect width="9" height="9"/></svg>'


def test_a_png_is_known_by_what_stands_in_it() -> None:
    assert look(PNG) == Plan("image/png", 480, 320)


@pytest.mark.parametrize(
    "sides",
    ['viewBox="0 0 300 200"', 'viewBox="0,0,300,200"', 'width="300" height="200px"', "width='300' height='200'"],
)
def test_an_svg_says_its_size_in_more_than_one_way(sides: str) -> None:
    found = look(f'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" {sides}/>'.encode())
    assert found == Plan("image/svg+xml", 300, 200)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "choose a PNG or an SVG first"),
        (b"GIF89a", "neither a PNG nor an SVG"),
        (b"<html><body/></html>", "neither a PNG nor an SVG"),
        (b'<svg viewBox="0 0 1 1"/>', "neither a PNG nor an SVG"),
        (SVG[:-6], "neither a PNG nor an SVG that can be read"),
        (SVG.replace(b'viewBox="0 0 300 200"', b'width="100%"'), "does not say how large it is"),
        (SVG.replace(b"300 200", b"-300 200"), "does not say how large it is"),
        (SVG.replace(b"300 200", b"300 99999"), "each side must be from 1 to 20000"),
        (SVG.replace(b"<rect", b"<script>alert(1)</script><rect"), "holds a script"),
        (b'<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG, "declares a document type"),
        (PNG[:-20], "it ends too soon"),
        (PNG[:45] + b"x" + PNG[46:], "is damaged"),
        (PNG[:8], "a part of it is missing"),
        (PNG + b" " * MOST_BYTES, "is larger than 1,000,000 bytes"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_reason(content: bytes, words: str) -> None:
    with pytest.raises(BadInput, match="plan: ") as refused:
        look(content)
    assert words in str(refused.value)
