"""Grouped bars as SVG: small enough to be read as text, the same in light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 84, 56
COLOURS = ("#3b6ea5", "#9dbbd8", "#c9772b", "#5a9367")


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of bar: what it says, and a value for each group."""

    name: str
    values: Sequence[float]


def draw(title: str, groups: Sequence[str], axis: str, series: Sequence[Series]) -> str:
    """Bars on a logarithmic scale from 1, so that one millisecond and one second can both be read."""
    top = 10 ** math.ceil(math.log10(max(max(s.values) for s in series)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" fill="#222">{escape(title)}</text>',
    ]
    parts += _legend(series) + _lines(top) + _bars(groups, series, top)
    parts.append(
        f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 10}" text-anchor="middle" fill="#444">{escape(axis)}</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def _legend(series: Sequence[Series]) -> list[str]:
    step = (WIDTH - LEFT - RIGHT) / len(series)
    return [
        f'<rect x="{LEFT + i * step:.0f}" y="42" width="12" height="12" fill="{COLOURS[i]}"/>'
        f'<text x="{LEFT + i * step + 17:.0f}" y="52" font-size="11" fill="#333">{escape(s.name)}</text>'
        for i, s in enumerate(series)
    ]


def _height(value: float, top: float) -> float:
    return (HEIGHT - TOP - BOTTOM) * math.log10(max(value, 1.0)) / math.log10(top)


def _lines(top: float) -> list[str]:
    shapes = []
    for power in range(round(math.log10(top)) + 1):
        y = HEIGHT - BOTTOM - _height(10**power, top)
        shapes.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        shapes.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#666">{10**power} ms</text>')
    return shapes


def _bars(groups: Sequence[str], series: Sequence[Series], top: float) -> list[str]:
    shapes = []
    span = (WIDTH - LEFT - RIGHT) / len(groups)
    bar = span * 0.8 / len(series)
    for at, group in enumerate(groups):
        start = LEFT + at * span + span * 0.1
        for i, one in enumerate(series):
            tall, x = _height(one.values[at], top), start + i * bar
            y = HEIGHT - BOTTOM - tall
            shapes.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{bar - 3:.1f}" height="{tall:.1f}" fill="{COLOURS[i]}"/>'
            )
            shapes.append(
                f'<text x="{x + bar / 2 - 1:.1f}" y="{y - 4:.1f}" text-anchor="middle" font-size="10" fill="#333">'
                f"{one.values[at]:.0f}</text>"
            )
        shapes.append(
            f'<text x="{start + span * 0.4:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#333">{escape(group)}</text>'
        )
    return shapes
