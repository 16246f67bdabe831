"""Horizontal bars under each other, each with a limit of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mockex_conformance.report.figures.canvas import LETTER, WIDTH, escape, framed
from mockex_conformance.report.figures.plot import nice_ticks

_ROW = 17
_TEXT = 74  # pixels for what stands behind a bar


@dataclass(frozen=True, slots=True)
class Row:
    """One bar from 0 to `value`, with `text` behind it. `dots` are moments in it. `bad`: drawn as
    a miss, which has a cross at its end."""

    label: str
    value: float
    limit: float
    text: str
    bad: bool = False
    dots: tuple[float, ...] = ()


def rows(title: str, label: str, of: Sequence[Row]) -> str:
    """The bars as one SVG element, on one scale from 0 to what is needed."""
    left = min(130, max(30, int(max(len(row.label) for row in of) * LETTER) + 8))
    ticks = nice_ticks(max(max(row.value, row.limit) for row in of), 5)
    width = WIDTH - _TEXT - left
    bottom = 6 + _ROW * len(of)

    def across(value: float) -> int:
        return round(left + value / ticks[-1] * width)

    grid = "".join(f"M{across(tick)} 4V{bottom}" for tick in ticks)
    bars: dict[str, list[str]] = {"live": [], "late": [], "miss": [], "limit": [], "dot": []}
    texts = []
    for n, row in enumerate(of):
        y = 6 + _ROW * n + _ROW // 2
        end = max(across(row.value), left + 1)
        bars["late" if row.bad else "live"].append(f"M{left} {y}H{end}")
        if row.bad:
            bars["miss"].append(f"M{end - 3} {y - 4}l6 8m0-8l-6 8")
        bars["limit"].append(f"M{across(row.limit)} {y - 7}v14")
        bars["dot"] += dict.fromkeys(f"M{across(dot)} {y}h0" for dot in row.dots)
        most = int((left - 8) / LETTER) + 1
        name = row.label if len(row.label) <= most else row.label[: most - 1] + "…"
        texts.append(
            f'<text class="ink" x="{left - 5}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            f'<text x="{WIDTH - _TEXT + 6}" y="{y + 4}">{escape(row.text)}</text>'
        )
    numbers = "".join(
        f'<text x="{across(tick)}" y="{bottom + 13}" text-anchor="middle">{tick:g}</text>'
        for tick in ticks
    )
    parts = [f'<path class="grid" d="{grid}"/>']
    parts += [f'<path class="{css}" d="{"".join(paths)}"/>' for css, paths in bars.items() if paths]
    legend = f'<text x="{left + width // 2}" y="{bottom + 27}" text-anchor="middle">'
    legend += f"{escape(label)}</text>"
    return framed(title, bottom + 32, [*parts, *texts, numbers, legend])
