"""A picture as lines of a terminal: which rows and columns fit, and how they look.

What matters is said in words and signs; colour only repeats it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from mockex.cli.live.model import ConnectionRow, FaultRow, Line, Picture, StreamRow, numbered

ALERT = "bold red"
QUIET = "dim"
WIDE = 100  # columns from which everything is shown
NARROW = 60  # and below which only the least is
GAP = 2  # columns between two of a table
GIVES = ("path", "from", "stream", "twice to one program", "on")
LEAST = 8  # columns that these keep
STAMP = 10  # columns of the time of a line
NUMBERS = ("streams", "age", "msg/s", "KB/s", "live", "seen")


@dataclass(frozen=True, slots=True)
class Facts:
    """What stays the same for a run."""

    profile: str
    seed: int
    market: str
    begin_with: str  # a stream that is there


@dataclass(frozen=True, slots=True)
class Pace:
    """How the market moves: exchange seconds a second, and updates of books a second."""

    speed: float
    updates_per_s: float


def drawn(picture: Picture, facts: Facts, pace: Pace, *, width: int, height: int) -> Group:
    """The picture for a terminal with so many columns, in at most `height` lines."""
    rows = _shares(
        height - 5,
        (len(picture.connections), len(picture.streams), len(picture.faults)),
    )
    parts: list[RenderableType] = [Rule(style=QUIET, characters="-")]
    parts += _head(picture, facts, pace, width)
    for table, shown, every, what in (
        (_connections, rows[0], picture.connections_all, "connections"),
        (_streams, rows[1], picture.streams_all, "streams"),
        (_faults, rows[2], picture.faults_all, "faults"),
    ):
        if shown:
            parts.append(table(picture, shown, width))
            if every > shown:
                parts.append(Text(f"  and {every - shown} {what} more", QUIET))
    return Group(*parts)


def _shares(lines: int, wanted: Sequence[int]) -> list[int]:
    """How many rows each table gets: none more than it has, and none less than a fair share. Each
    costs a line for its heads, and one for what is left out."""
    left = lines - 2 * sum(count > 0 for count in wanted)
    shares = [0] * len(wanted)
    while left > 0 and any(s < w for s, w in zip(shares, wanted, strict=True)):
        for place, count in enumerate(wanted):
            if left > 0 and shares[place] < count:
                shares[place] += 1
                left -= 1
    return shares


# --- what is counted -----------------------------------------------------------------------------


def _head(picture: Picture, facts: Facts, pace: Pace, width: int) -> list[Text]:
    counts = f"{picture.live} live, {picture.pending} pending, {picture.over} over"
    if picture.refused:
        counts += f", {picture.refused} refused"
    flow = f"{picture.events_per_s:.0f} msg/s, {_kilobytes(picture.bytes_per_s)} KB/s"
    rest = f"REST {picture.requests}"
    if picture.requests_refused:
        rest += f" ({picture.requests_refused} refused)"
    market = f"{facts.market} x{pace.speed:g}, {pace.updates_per_s:.0f} updates/s"
    if picture.behind_s:
        market += f", BEHIND by {picture.behind_s:.1f} s"
    up = f"up {duration(picture.up_s)}"
    if width < NARROW:
        rows = [f"{facts.profile} {up}; {flow}", counts]
    else:
        rows = [
            f"{facts.profile}; seed {facts.seed}; {up}; market {market}",
            f"connections {counts}; {flow}; {rest}",
        ]
    if not (picture.live or picture.pending or picture.over or picture.refused):
        rows.append(f"nobody is here yet; try {facts.begin_with}")
    alert = Text(_said(picture), ALERT if picture.times else QUIET)
    return [*(Text(row, no_wrap=True, overflow="ellipsis") for row in rows), alert]


def _said(picture: Picture) -> str:
    """What is to be known of deliveries, in one line."""
    if not picture.times:
        return "no stream was delivered twice to one program"
    many = f"{picture.twice} stream{'s' if picture.twice > 1 else ''} NOW, "
    return f"!! delivered twice: {many if picture.twice else ''}{picture.times}x so far"


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], alert: Sequence[bool], width: int
) -> Table:
    """Without lines. The heads in `GIVES` are of columns that become narrower where all do not fit,
    those in `NUMBERS` of numbers; `alert`: which rows must not be missed."""
    wide = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    over = sum(wide) + GAP * (len(heads) - 1) - width
    for place in sorted(range(len(heads)), key=lambda place: heads[place] not in GIVES[:1]):
        if heads[place] in GIVES and over > 0:
            less = min(over, max(wide[place] - LEAST, 0))
            wide[place] -= less
            over -= less
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style=QUIET)
    for head, columns in zip(heads, wide, strict=True):
        justify: JustifyMethod = "right" if head in NUMBERS else "left"
        table.add_column(head, justify=justify, width=columns, no_wrap=True, overflow="ellipsis")
    for row, urgent in zip(rows, alert, strict=True):
        table.add_row(*(Text(cell, ALERT if urgent else "") for cell in row))
    return table


def _connections(picture: Picture, shown: int, width: int) -> Table:
    heads = ["", "conn", "from", "path", "streams", "age", "msg/s", "KB/s"]
    if width < WIDE:
        heads.remove("streams")
    if width < NARROW:
        heads = ["", "conn", "path", "msg/s", "KB/s"]
    twice = {conn for row in picture.streams for conn in row.twice}
    rows = []
    for row in picture.connections[:shown]:
        cells = {
            "": "!!" if row.number in twice else "",
            "conn": f"c{row.number}",
            "from": _from(row, width),
            "path": f"{row.state.upper()} {row.path}".strip(),
            "streams": str(row.streams),
            "age": duration(row.age_s),
            "msg/s": f"{row.events_per_s:.1f}",
            "KB/s": _kilobytes(row.bytes_per_s),
        }
        rows.append([cells[head] for head in heads])
    return _table(heads, rows, [row.number in twice for row in picture.connections[:shown]], width)


def _from(row: ConnectionRow, width: int) -> str:
    if row.program is None:
        return f"port {row.peer_port}"
    return str(row.program) if width >= WIDE else f"{row.program.name} {row.program.pid}"


def _streams(picture: Picture, shown: int, width: int) -> Table:
    heads = ["", "stream", "live", "twice to one program"]
    heads = heads if width >= NARROW else heads[:3]
    rows = picture.streams[:shown]
    cells = [["!!" if row.twice else "", row.name, str(row.live), _history(row)] for row in rows]
    return _table(
        heads, [row[: len(heads)] for row in cells], [bool(row.twice) for row in rows], width
    )


def _history(row: StreamRow) -> str:
    if not row.times:
        return ""
    now = f"NOW {numbered(row.twice)}; " if row.twice else ""
    return f"{now}{row.times}x, {duration(row.seconds)}"


def _faults(picture: Picture, shown: int, width: int) -> Table:
    heads = ["", "fault", "is", "seen", "on"] if width >= NARROW else ["", "fault", "is", "seen"]
    rows = [
        [str(row.number), row.kind, _life(row), f"{row.times_seen}x", numbered(row.conns)]
        for row in picture.faults[-shown:]
    ]
    return _table(heads, [row[: len(heads)] for row in rows], [False] * len(rows), width)


def _life(row: FaultRow) -> str:
    if row.failure:
        return "FAILED"
    if row.lasts:
        return "LASTS" if row.times_seen else "WAITS"
    return "seen" if row.times_seen else "injected"


def duration(seconds: float) -> str:
    """`0.4s`, `12s`, `3:07`, `1:02:03`."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _kilobytes(size: float) -> str:
    return f"{size / 1000:.1f}"


# --- lines of what happened, and all of it as text -----------------------------------------------


def as_lines(console: Console, thing: RenderableType, *, width: int) -> list[str]:
    """A drawing as lines with escape sequences; none is wider than `width`."""
    with console.capture() as capture:
        console.print(thing, width=width, crop=True)
    return capture.get().splitlines()


def told(console: Console, line: Line, *, width: int) -> list[str]:
    """A line of what happened, with escape sequences, in as many lines as it needs."""
    sign = "!! " if line.urgent else ""
    rows = textwrap.wrap(f"{sign}{line.text}", max(width - STAMP, LEAST))
    with console.capture() as capture:
        for row in rows:
            stamp = f"{line.at_s:{STAMP - 1}.3f}" if row is rows[0] else ""
            text = Text(f"{stamp:<{STAMP}}{row}", ALERT if line.urgent else "")
            console.print(text, soft_wrap=True)
    return capture.get().splitlines()
