"""Small pictures of figures, as SVG: lines over time, and bars. Plain enough to be written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil
from typing import Final

WIDTH, HEIGHT, EDGE = 820, 320, 64
COLOURS: Final = ("#1b6ca8", "#d1495b", "#3d8b5f", "#c77f18", "#6a4c93")
SEVERITY_COLOURS: Final = {"minor": "#9aa5b1", "moderate": "#e0b23c", "severe": "#d97627", "extreme": "#b3261e"}


def lines_over_time(title: str, unit: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return a picture of values over seconds, one line for each name."""
    points = [point for line in lines.values() for point in line]
    right = max((x for x, _ in points), default=1.0) or 1.0
    top = max((y for _, y in points), default=1.0) or 1.0
    wide, high = WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE

    def spot(x: float, y: float) -> str:
        return f"{EDGE + wide * x / right:.1f},{HEIGHT - EDGE - high * y / top:.1f}"

    parts = [
        _text(EDGE, 24, title, weight="bold"),
        *_axes(top, unit),
        _text(WIDTH - EDGE, HEIGHT - 12, "seconds", "end"),
    ]
    parts += [_text(EDGE + wide * n / 4, HEIGHT - EDGE + 18, f"{right * n / 4:.0f}", "middle") for n in range(5)]
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(spot(x, y) for x, y in line)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        parts.append(_text(EDGE + 150 * number, 46, name, colour=colour))
    return _picture(HEIGHT, parts)


def bars(title: str, rows: Sequence[tuple[str, str, int]]) -> str:
    """Return a picture of counts: one bar for each (name, severity, count), with the severities' colours."""
    most = max((count for _, _, count in rows), default=1)
    height = 90 + 24 * max(1, len(rows))
    parts = [_text(20, 24, title, weight="bold")]
    for number, (name, colour) in enumerate(SEVERITY_COLOURS.items()):
        parts.append(f'<rect x="{20 + 110 * number}" y="38" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(38 + 110 * number, 49, name))
    for number, (name, severity, count) in enumerate(rows):
        y = 66 + 24 * number
        long = 460 * count / most
        parts.append(_text(250, y + 13, name, "end"))
        parts.append(f'<rect x="260" y="{y}" width="{long:.1f}" height="16" fill="{SEVERITY_COLOURS[severity]}"/>')
        parts.append(_text(268 + long, y + 13, str(count)))
    if not rows:
        parts.append(_text(20, 80, "nothing at all"))
    return _picture(height, parts)


def _axes(top: float, unit: str) -> list[str]:
    high = HEIGHT - 2 * EDGE
    parts = []
    for number in range(5):
        y = HEIGHT - EDGE - high * number / 4
        value = top * number / 4
        shown = f"{value:.0f}" if top > 8 else f"{ceil(value * 100) / 100:g}"
        parts.append(f'<line x1="{EDGE}" y1="{y:.1f}" x2="{WIDTH - EDGE}" y2="{y:.1f}" stroke="#e3e6e8"/>')
        parts.append(_text(EDGE - 8, y + 4, f"{shown} {unit}", "end"))
    return parts


def _text(
    x: float, y: float, words: str, anchor: str = "start", *, colour: str = "#333", weight: str = "normal"
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}"'
    return f"<text {place}>{escape(words)}</text>"


def _picture(height: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="13">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>', *parts, "</svg>", ""])
