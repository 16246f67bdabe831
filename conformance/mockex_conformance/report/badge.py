"""A run as a badge: an endpoint for shields.io, or an SVG that needs nobody."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape

from mockex.cli import ExitCode
from mockex_conformance.report.later import Told
from mockex_conformance.verdict import Verdict

# shields.io's own names, and the colours that it draws for them.
_COLOURS = {
    "brightgreen": "#44cc11",
    "red": "#e05d44",
    "orange": "#fe7d37",
    "lightgrey": "#9f9f9f",
}
_FONT_PX = 11
# Widths of Verdana's characters in units of 1/100 of the font's size; others are like "n".
_NARROW = dict.fromkeys(" .,:;!|'ijlf", 38) | dict.fromkeys("-/()rt", 45)
_WIDE = dict.fromkeys("mwMW%", 98) | dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ", 70)


@dataclass(frozen=True, slots=True)
class Badge:
    """A label, what it says, and one of shields.io's colours."""

    label: str
    message: str
    colour: str


def badge(told: Told, label: str = "mockex") -> Badge:
    """The badge of a run. What is no whole run is never green."""
    result = told.result
    passed = sum(verdict.verdict is Verdict.PASS for verdict in result.verdicts)
    red = len(result.failed) + len(result.mended)
    if red:
        message, colour = f"{red} failed, {passed} passed", "red"
    elif told.lacks:
        message, colour = "incomplete", "orange"
    elif result.exit_code is ExitCode.UNJUDGED:
        message, colour = f"{len(result.unjudged)} not judged, {passed} passed", "orange"
    elif not passed:
        message, colour = "nothing judged", "lightgrey"
    else:
        message, colour = f"{passed} passed", "brightgreen"
        if result.known:
            message += f", {len(result.known)} known"
    return Badge(label, message, colour)


def endpoint(made: Badge) -> str:
    """What shields.io reads at `https://img.shields.io/endpoint?url=…` (Badges, Endpoint)."""
    answer = {
        "schemaVersion": 1,
        "label": made.label,
        "message": made.message,
        "color": made.colour,
        "isError": made.colour == "red",  # then a query string cannot paint it green
    }
    return json.dumps(answer, ensure_ascii=False) + "\n"


def svg(made: Badge) -> str:
    """The badge as one SVG file: no fonts, scripts or addresses of elsewhere."""
    left, right = (_width(said) + 10 for said in (made.label, made.message))
    if not made.label:
        left = 0
    whole = left + right
    name = escape(f"{made.label}: {made.message}" if made.label else made.message, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" '
        f'aria-label="{name}"><title>{name}</title>'
        f'<clipPath id="r"><rect width="{whole}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#555"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{_COLOURS[made.colour]}"/></g>'
        f'<g text-anchor="middle" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" '
        f'font-size="{_FONT_PX}" font-weight="normal">'
        f"{_text(made.label, left / 2, '#fff') if made.label else ''}"
        f"{_text(made.message, left + right / 2, _ink(made.colour))}</g></svg>\n"
    )


def _text(said: str, middle: float, colour: str) -> str:
    # With its length given it fits whatever font there is.
    return (
        f'<text x="{middle:g}" y="14" fill="{colour}" textLength="{_width(said)}">'
        f"{escape(said)}</text>"
    )


def _ink(colour: str) -> str:
    """Black where white could not be read."""
    return "#fff" if colour == "red" else "#111"


def _width(said: str) -> int:
    units = sum(_NARROW.get(c) or _WIDE.get(c) or 62 for c in said)
    return round(units * _FONT_PX / 100)
