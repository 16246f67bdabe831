"""A plot as an SVG element: axes, lines, dots, limits and the moments of the case.

Coordinates are rounded to a pixel of 360, what falls on the same pixel is drawn once, and all marks
of a kind are one path: a plot of ten thousand pings has the size of one of a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mockex_conformance.report.figures.canvas import LETTER, WIDTH, escape, framed, header
from mockex_conformance.report.figures.moments import Moments, clock, important
from mockex_conformance.report.figures.stretching import Stretched

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 202, 54, 10, 36, 34
_NEAR, _APART = 0.03, 0.15  # shares of the width
_TAIL = 1.03  # there stands how things are left
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """From value to share of the length. `ticks` are values with what stands there."""

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False
    stretched: Stretched | None = None

    def at(self, value: float) -> float:
        """Where `value` is, 0 to 1; what lies outside stands at the edge."""
        if self.stretched is not None:
            return self.stretched.at(value)
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
        return min(1.0, max(0.0, (value - low) / (high - low)))


def linear(label: str, most: float, *, whole: bool = False, wanted: int = 5) -> Axis:
    """From 0 to a round number that is at least `most`. `whole`: ticks at whole numbers alone."""
    ticks = nice_ticks(max(most, 2) if whole else most, wanted)
    shown = [t for t in ticks if t == int(t)] if whole else ticks
    return Axis(label, 0.0, ticks[-1], [(tick, f"{tick:g}") for tick in shown])


def over_time(moments: Moments, seen: Iterable[float] | None = None) -> Axis:
    """The time of a case. With `seen` it is stretched so that these moments get room, if a finding
    stands so near to the fault before it that they would not be told apart."""
    until_s = max(moments.until_s, 0.001)
    near = [
        found.at_s - fault.at_s
        for found in moments.findings[:1]
        for fault in moments.faults
        if fault.at_s <= found.at_s
    ]
    if seen is not None and near and min(near) < _NEAR * until_s:
        stretched = Stretched([*seen, *important(moments)], until_s)
        apart: list[tuple[float, str]] = []
        for at_s in important(moments):
            if all(abs(stretched.at(at_s) - stretched.at(t)) > _APART for t, _ in apart):
                apart.append((at_s, clock(at_s).removesuffix(" s") if at_s else "0"))
        return Axis("seconds (stretched)", 0.0, until_s, apart, stretched=stretched)
    ticks = [t for t in nice_ticks(until_s, 6) if t <= until_s]
    return Axis("seconds", 0.0, until_s * _TAIL, [(tick, f"{tick:g}") for tick in ticks])


def logarithmic(label: str, low: float, high: float, told: Callable[[float], str]) -> Axis:
    """Between powers of ten around `low` and `high`, each a tick in the words of `told`."""
    first = math.floor(math.log10(max(low, 1e-9)) + 1e-9)
    last = max(math.ceil(math.log10(max(high, 1e-9)) - 1e-9), first + 1)
    powers = [10.0**n for n in range(first, last + 1)]
    return Axis(label, powers[0], powers[-1], [(p, told(p)) for p in powers], log=True)


def power_s(seconds: float) -> str:
    """A power of ten on a logarithmic axis of time."""
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def nice_ticks(most: float, wanted: int = 6) -> list[float]:
    """Round numbers from 0 to at least `most`, about `wanted` of them."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 5, 10) if m * power >= rough), 10 * power)
    return [round(i * step, 12) for i in range(math.ceil(most / step - 1e-9) + 1)]


class Plot:
    """What is drawn is kept in order: what comes later lies above."""

    def __init__(self, x: Axis, y: Axis) -> None:
        self._x, self._y = x, y
        self._parts: list[str] = []
        self._heads: list[str] = []

    @property
    def top(self) -> float:
        """The largest value of y."""
        return self._y.high

    def moments(self, moments: Moments) -> None:
        """Mark faults and findings; the x axis is the time of the case."""
        below, above = header(moments, self._across, _HEIGHT - _BOTTOM)
        self._parts = [*below, *self._parts]
        self._heads += above

    def band(self, since: float, until: float) -> None:
        """Shade what lies between two values of x."""
        left, right = self._across(since), self._across(until)
        self._parts.append(
            f'<path class="band" d="M{left} {_TOP}H{max(right, left + 1)}V{_HEIGHT - _BOTTOM}'
            f'H{left}z"/>'
        )

    def steps(self, points: Sequence[Point], until: float, css: str = "one") -> None:
        """From each point on the value is that of the point."""
        if not points:
            return
        (x, y), *others = [(self._across(x), self._up(y)) for x, y in points]
        path = "".join(f"H{c[0][0]}{_heights(c)}" for c in _columns(others))
        self._draw(css, f"M{x} {y}{path}H{self._across(until)}")

    def line(self, points: Iterable[Point], css: str = "one") -> None:
        """From point to point."""
        pixels = [(self._across(x), self._up(y)) for x, y in points]
        if pixels:
            self._draw(css, "M" + "L".join(f"{x} {y}" for x, y in _once(pixels)))

    def dots(self, points: Iterable[Point], css: str = "dot") -> None:
        """A round dot at each point; a cross in the classes `cross` and `miss`."""
        shape = "h0" if css == "dot" else "m-3-3l6 6m0-6l-6 6"
        pixels = _once((self._across(x), self._up(y)) for x, y in points)
        if pixels:
            self._draw(css, "".join(f"M{x} {y}{shape}" for x, y in pixels))

    def limit(self, value: float, text: str) -> None:
        """A horizontal line that nothing may be above."""
        y = self._up(value)
        self._draw("limit", f"M{_LEFT} {y}H{WIDTH - _RIGHT}")
        above = y - 3 if y > _TOP + 14 else y + 11
        self._heads.append(
            f'<text class="bad" x="{WIDTH - _RIGHT}" y="{above}" text-anchor="end">'
            f"{escape(text)}</text>"
        )

    def upright(self, value: float, text: str) -> None:
        """A vertical limit."""
        x = self._across(value)
        self._draw("limit", f"M{x} {_TOP}V{_HEIGHT - _BOTTOM}")
        side = f'x="{x - 4}" text-anchor="end"' if x > WIDTH / 2 else f'x="{x + 4}"'
        self._heads.append(f'<text class="bad" {side} y="{_TOP + 10}">{escape(text)}</text>')

    def note(self, x: float, y: float, text: str) -> None:
        """Words beside a point, on the side where there is room."""
        left, up = self._across(x), self._up(y)
        anchor = ' text-anchor="end"' if left + 6 + len(text) * LETTER > WIDTH else ""
        left += -6 if anchor else 6
        up = max(up - 5, _TOP + 9)
        self._heads.append(f'<text class="ink" x="{left}" y="{up}"{anchor}>{escape(text)}</text>')

    def svg(self, title: str) -> str:
        """The element. `title` names it for those who do not see it."""
        return framed(title, _HEIGHT, [*self._axes(), *self._parts, *self._heads])

    def _axes(self) -> list[str]:
        right, bottom = WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        rows = [(self._up(value), text) for value, text in self._y.ticks]
        columns = [(self._across(value), text) for value, text in self._x.ticks]
        middle = (_TOP + bottom) // 2
        return [
            f'<path class="grid" d="{"".join(f"M{_LEFT} {y}H{right}" for y, _ in rows)}"/>',
            '<g text-anchor="end">',
            *(f'<text x="{_LEFT - 4}" y="{y + 4}">{escape(text)}</text>' for y, text in rows),
            '</g><g text-anchor="middle">',
            *(
                f'<text x="{min(x, WIDTH - round(len(text) * LETTER / 2))}" y="{bottom + 14}">'
                f"{escape(text)}</text>"
                for x, text in columns
            ),
            f'<text x="{(_LEFT + right) // 2}" y="{_HEIGHT - 5}">{escape(self._x.label)}</text>',
            f'<text transform="translate(9 {middle})rotate(-90)">{escape(self._y.label)}</text>',
            "</g>",
        ]

    def _draw(self, css: str, path: str) -> None:
        self._parts.append(f'<path class="{css}" d="{path}"/>')

    def _across(self, value: float) -> int:
        return round(_LEFT + self._x.at(value) * (WIDTH - _LEFT - _RIGHT))

    def _up(self, value: float) -> int:
        return round(_HEIGHT - _BOTTOM - self._y.at(value) * (_HEIGHT - _TOP - _BOTTOM))


def _once(pixels: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return list(dict.fromkeys(pixels))


def _columns(pixels: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Neighbours that stand over the same x."""
    columns: list[list[tuple[int, int]]] = []
    for pixel in pixels:
        if columns and columns[-1][0][0] == pixel[0]:
            columns[-1].append(pixel)
        else:
            columns.append([pixel])
    return columns


def _heights(column: list[tuple[int, int]]) -> str:
    """How far a line goes up and down within one column, and then where it leaves it."""
    heights = [y for _, y in column]
    reached = {min(heights), max(heights)} - {heights[-1]}
    return "".join(f"V{y}" for y in (*sorted(reached), heights[-1]))
