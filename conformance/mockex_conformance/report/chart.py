"""Live deliveries over time, from a journal, as numbers and as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from mockex.server.journal import AnyEntry, Faulted, Noted
from mockex.server.views import Connections

Scale = Callable[[float], float]

_WIDTH, _HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 22, 38


@dataclass(frozen=True, slots=True)
class Steps:
    """A step function: from `at_s` on there are `count` live deliveries. `marks` are the moments
    of faults that were seen, with their kind. Seconds count from the first entry."""

    title: str
    points: tuple[tuple[float, int], ...]
    marks: tuple[tuple[float, str], ...]
    until_s: float

    @property
    def most(self) -> int:
        """The largest count."""
        return max((count for _, count in self.points), default=0)

    @property
    def last(self) -> int:
        """The count at the end."""
        return self.points[-1][1] if self.points else 0


def deliveries_over_time(entries: Iterable[AnyEntry], stream: str, title: str) -> Steps:
    """Live deliveries of `stream` as the journal shows them, up to the landmark `body-over`: what
    follows is the suite ending the testee."""
    view = Connections()
    began: float | None = None
    end = 0.0
    points: list[tuple[float, int]] = [(0.0, 0)]
    marks: list[tuple[float, str]] = []
    for entry in entries:
        if began is None:
            began = entry.t
        if isinstance(entry, Noted) and entry.name == "body-over":
            end = max(entry.t - began, end)
            break
        at = max(entry.t - began, end)  # a late beat is journaled under the time it was due
        end = at
        view.apply(entry)
        count = len(view.delivering(stream))
        if count != points[-1][1]:
            if points[-1][0] == at:
                points.pop()
            points.append((at, count))
        if isinstance(entry, Faulted) and entry.phase == "seen":
            marks.append((at, entry.kind))
    return Steps(title, tuple(points), tuple(marks), end)


def nice_ticks(most: float, wanted: int = 6) -> list[float]:
    """Round numbers from 0 to at least `most`, about `wanted` of them."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    return [i * step for i in range(math.ceil(most / step - 1e-9) + 1)]


def svg(steps: Steps, *, most: int | None = None, until_s: float | None = None) -> str:
    """The chart as an SVG element. Colours come from the page's CSS variables; what the lines mean
    stands beside them in words. Charts that are compared get the same `most` and `until_s`."""
    until = max(until_s or 0.0, steps.until_s, 0.1)
    x_ticks = [t for t in nice_ticks(until, 8) if t <= until]
    y_ticks = [t for t in nice_ticks(max(most or 0, steps.most, 2)) if t == int(t)]
    top = y_ticks[-1]

    def x(at: float) -> float:
        return _LEFT + at / until * (_WIDTH - _LEFT - _RIGHT)

    def y(count: float) -> float:
        return _HEIGHT - _BOTTOM - count / top * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(describe(steps), quote=True)}">',
        f"<title>{escape(describe(steps))}</title>",
    ]
    parts += [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" '
        f'y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">'
        f"{tick:g}</text>"
        for tick in y_ticks
    ]
    parts += [
        f'<text class="tick" x="{x(tick):.1f}" y="{_HEIGHT - _BOTTOM + 16}" '
        f'text-anchor="middle">{tick:g}</text>'
        for tick in x_ticks
    ]
    parts += _marks(steps.marks, x)
    path = _path(steps.points, steps.until_s, x, y)
    parts.append(f'<path class="steps" d="{path}"/>')
    parts.append(
        f'<text class="label" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 6}" '
        'text-anchor="middle">seconds</text>'
        f'<text class="label" transform="translate(13 {(_TOP + _HEIGHT - _BOTTOM) / 2}) '
        'rotate(-90)" text-anchor="middle">live deliveries</text></svg>'
    )
    return "".join(parts)


def _marks(marks: Sequence[tuple[float, str]], x: Scale) -> list[str]:
    parts = []
    shown: set[float] = set()
    for at, kind in marks:
        where = round(x(at), 1)
        if where in shown:  # one mark for a fault that hits several connections at once
            continue
        shown.add(where)
        parts.append(
            f'<g class="mark"><title>{escape(kind)} at {at:.2f} s</title>'
            f'<line x1="{where}" x2="{where}" y1="{_TOP - 4}" y2="{_HEIGHT - _BOTTOM}"/>'
            f'<path d="M{where - 4:.1f} {_TOP - 12}h8l-4 8z"/></g>'
        )
    return parts


def _path(points: Sequence[tuple[float, int]], until_s: float, x: Scale, y: Scale) -> str:
    parts = [f"M{x(points[0][0]):.1f} {y(points[0][1]):.1f}"]
    for at, count in points[1:]:
        parts.append(f"H{x(at):.1f}V{y(count):.1f}")
    parts.append(f"H{x(until_s):.1f}")
    return "".join(parts)


def describe(steps: Steps) -> str:
    """The chart in a sentence, for those who do not see it."""
    kinds = ", ".join(dict.fromkeys(kind for _, kind in steps.marks)) or "fault"
    return (
        f"{steps.title}: live deliveries over {steps.until_s:.0f} s, at most {steps.most}, "
        f"{steps.last} at the end; {len(steps.marks)} × {kinds}"
    )
