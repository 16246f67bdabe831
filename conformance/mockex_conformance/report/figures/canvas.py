"""What every drawing has: its frame, marks of faults and findings, words that keep out of each
other's way."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable

from mockex.server.words import printable
from mockex_conformance.report.figures.moments import Mark, Moments, counted

WIDTH = 360
LETTER = 6.2  # the average width of a character
_WIDE, _MANY = 6, 4  # of a triangle; that are one run
_PILL = 15  # of a number

Scale = Callable[[float], int]  # from a value to a pixel


def escape(text: str) -> str:
    """Text as it may stand in an element or an attribute; what XML does not allow is replaced."""
    return html.escape(printable(text), quote=True)


def framed(title: str, height: int, parts: Iterable[str]) -> str:
    """One `<svg>` element of that height."""
    return (
        f'<svg class="fig" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def header(moments: Moments, across: Scale, bottom: int) -> tuple[list[str], list[str]]:
    """Faults as dashed lines under a triangle, findings as lines under their number, over a drawing
    that ends at `bottom`: what lies below it, and what above. Takes the upper 28 pixels."""
    below: list[str] = []
    above: list[str] = []
    words: list[str] = []
    runs = _runs(by_pixel(moments.faults, across))
    if runs:
        bands = "".join(f"M{x} 27H{end}V{bottom}H{x}z" for x, end, _ in runs if end > x)
        below += [f'<path class="band" d="{bands}"/>'] if bands else []
        lines = "".join(f"M{x} 27V{bottom}" for x, _, _ in runs)
        heads = "".join(f"M{x - 4} 20h8l-4 7z" for x, _, _ in runs)
        above.append(f'<path class="fault" d="{lines}"/><path class="head" d="{heads}"/>')
        texts = {x: counted(mark.label for mark in marks) for x, _, marks in runs}
        words = placed(texts, 27, "", gap=7)
    found = by_pixel(moments.findings, across)
    if found:
        lines = "".join(f"M{x} 14V{bottom}" for x in found)
        above.append(f'<path class="found" d="{lines}"/>')
    for at, numbers in _numbers(found):
        half = 2 * len(numbers)
        pill = f'<path class="pill" d="M{at - half} 8h{2 * half}"/>'
        above.append(pill if half > 2 else f'<circle cx="{at}" cy="8" r="7"/>')
        words.append(f'<text class="no" x="{at}" y="12" text-anchor="middle">{numbers}</text>')
    return below, above + words


def _numbers(found: dict[int, list[Mark]]) -> list[tuple[int, str]]:
    """The numbers of findings and where they stand; those that would overlap stand together."""
    groups: list[tuple[int, list[str]]] = []
    for x, marks in sorted(found.items()):
        numbers = [mark.label for mark in marks]
        if groups and x - groups[-1][0] < _PILL + 2 * len(_together(groups[-1][1])):
            groups[-1][1].extend(numbers)
        else:
            groups.append((x, numbers))
    places = []
    for x, numbers in groups:
        half = 8 + 2 * len(_together(numbers))
        places.append((min(max(x, half), WIDTH - half), _together(numbers)))
    return places


def _together(numbers: list[str]) -> str:
    return ",".join(numbers) if len(numbers) < 4 else f"{numbers[0]}…{numbers[-1]}"


def by_pixel(marks: Iterable[Mark], across: Scale) -> dict[int, list[Mark]]:
    """Marks that fall on the same pixel belong together."""
    found: dict[int, list[Mark]] = {}
    for mark in marks:
        found.setdefault(across(mark.at_s), []).append(mark)
    return found


def _runs(marks: dict[int, list[Mark]]) -> list[tuple[int, int, list[Mark]]]:
    """From pixel to pixel: many that stand closer than a triangle is wide are one run."""
    runs: list[list[int]] = []
    for x in sorted(marks):
        if runs and x - runs[-1][-1] < _WIDE:
            runs[-1].append(x)
        else:
            runs.append([x])
    found: list[tuple[int, int, list[Mark]]] = []
    for run in runs:
        if len(run) >= _MANY:
            found.append((run[0], run[-1], [mark for x in run for mark in marks[x]]))
        else:
            found += [(x, x, marks[x]) for x in run]
    return found


def placed(texts: dict[int, str], y: int, css: str, *, gap: int = 0, least: int = 0) -> list[str]:
    """Words beside their x, right of `least`, as far as they fit: each keeps out of the way of
    those before it, and of `gap` pixels at the other marks."""
    parts: list[str] = []
    taken: list[tuple[float, float]] = [(x - gap + 1, x + gap - 1) for x in texts] if gap else []
    style = f' class="{css}"' if css else ""
    for x, text in texts.items():
        width = len(text) * LETTER
        for begin, anchor in ((x + gap, ""), (x - gap - width, ' text-anchor="end"')):
            end = begin + width
            free = all(end <= low or high <= begin for low, high in taken)
            if begin >= least and end <= WIDTH and free:
                at = x + gap if not anchor else x - gap
                parts.append(f'<text{style} x="{at}" y="{y}"{anchor}>{escape(text)}</text>')
                taken.append((begin - 3, end + 3))
                break
    return parts
