"""A picture as lines of a terminal: which rows and columns fit, and how they look.

What matters is said in words and signs; colour only repeats it. Tables are made here and not by
rich: five times a second theirs cost the exchange's loop several milliseconds each.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.cells import cell_len, set_cell_size

from mockex.cli.live.model import ConnectionRow, FaultRow, Line, Picture, StreamRow
from mockex.server.words import numbered

WIDE = 100  # columns from which everything is shown
NARROW = 60  # and below which only the least is
GAP = "  "  # between two columns of a table
GIVES = ("path", "from", "stream", "twice to one program", "on")
LEAST = 8  # columns that these keep
NUMBERS = ("streams", "age", "msg/s", "KB/s", "live", "seen")
STAMP = 10  # columns of the time of a line
CUT = "~"  # at the end of what did not fit; every locale has it


class Look(StrEnum):
    """How a row looks, as rich names styles."""

    PLAIN = ""
    ALERT = "bold red"
    QUIET = "dim"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a terminal."""

    text: str
    look: Look = Look.PLAIN


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


def drawn(picture: Picture, facts: Facts, pace: Pace, *, width: int, height: int) -> list[Row]:
    """The picture for a terminal with so many columns, in at most `height` lines."""
    shares = _shares(
        height - 5,
        (len(picture.connections), len(picture.streams), len(picture.faults)),
    )
    rows = [Row("-" * width, Look.QUIET), *_head(picture, facts, pace, width)]
    for table, shown, every, what in (
        (_connections, shares[0], picture.connections_all, "connections"),
        (_streams, shares[1], picture.streams_all, "streams"),
        (_faults, shares[2], picture.faults_all, "faults"),
    ):
        if shown:
            rows += table(picture, shown, width)
            if every > shown:
                rows.append(Row(f"  and {every - shown} more {what}", Look.QUIET))
    return [Row(fitted(row.text, width), row.look) for row in rows]


def fitted(text: str, width: int) -> str:
    """Text that is no wider than that, and shows that it was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - len(CUT), 0)) + CUT


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


def _head(picture: Picture, facts: Facts, pace: Pace, width: int) -> list[Row]:
    counts = f"{picture.live} live, {picture.pending} pending, {picture.over} over"
    if picture.refused:
        counts += f", {picture.refused} refused"
    flow = f"{picture.events_per_s:.0f} msg/s, {_kilobytes(picture.bytes_per_s)} KB/s"
    rest = f"REST {picture.requests}"
    if picture.requests_refused:
        rest += f" ({picture.requests_refused} refused)"
    market = f"{facts.market} x{pace.speed:g}, {pace.updates_per_s:.0f} updates/s"
    behind = f"BEHIND by {picture.behind_s:.1f} s" if picture.behind_s else ""
    up = f"up {duration(picture.up_s)}"
    if width < NARROW:
        rows = [f"{facts.profile} {up}; {flow}", counts, *filter(None, [behind])]
    else:
        rows = [
            f"{facts.profile}; seed {facts.seed}; {up}; market {market}{behind and f', {behind}'}",
            f"connections {counts}; {flow}; {rest}",
        ]
    if not (picture.connections_all or picture.over or picture.refused):
        rows.append(f"nobody is here yet; try {facts.begin_with}")
    said = Row(_said(picture), Look.ALERT if picture.times else Look.QUIET)
    return [*(Row(row) for row in rows), said]


def _said(picture: Picture) -> str:
    """What is to be known of deliveries, in one line."""
    if not picture.times:
        return "no stream was delivered twice to one program"
    now = f"{picture.twice} NOW, " if picture.twice else ""
    return f"!! delivered twice: {now}{picture.times}x so far"


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], alert: Sequence[bool], width: int
) -> list[Row]:
    """Columns below their heads. Those in `GIVES` become narrower where all do not fit, the first
    of them first; those in `NUMBERS` are set to the right. `alert`: rows not to be missed."""
    wide = {
        head: max(map(cell_len, column))
        for head, column in zip(heads, zip(heads, *rows, strict=True), strict=True)
    }
    over = sum(wide.values()) + len(GAP) * (len(heads) - 1) - width
    for head in GIVES:
        if head in wide and over > 0:
            less = min(over, max(wide[head] - LEAST, 0))
            wide[head] -= less
            over -= less

    def line(cells: Sequence[str]) -> str:
        return GAP.join(
            _set(cell, wide[head], right=head in NUMBERS)
            for head, cell in zip(heads, cells, strict=True)
        ).rstrip()

    looks = (Look.ALERT if urgent else Look.PLAIN for urgent in alert)
    return [
        Row(line(heads), Look.QUIET),
        *(Row(line(row), look) for row, look in zip(rows, looks, strict=True)),
    ]


def _set(text: str, width: int, *, right: bool) -> str:
    text = fitted(text, width)
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)


def _connections(picture: Picture, shown: int, width: int) -> list[Row]:
    heads = ["", "conn", "from", "path", "streams", "age", "msg/s", "KB/s"]
    if width < WIDE:
        heads.remove("streams")
    if width < NARROW:
        heads = ["", "conn", "path", "msg/s", "KB/s"]
    twice = {conn for row in picture.streams for conn in row.twice}
    connections = sorted(picture.connections[:shown], key=lambda row: row.number)
    rows = []
    for row in connections:
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
    return _table(heads, rows, [row.number in twice for row in connections], width)


def _from(row: ConnectionRow, width: int) -> str:
    if row.program is None:
        return f"port {row.peer_port}"
    return str(row.program) if width >= WIDE else f"{row.program.name} {row.program.pid}"


def _streams(picture: Picture, shown: int, width: int) -> list[Row]:
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


def _faults(picture: Picture, shown: int, width: int) -> list[Row]:
    heads = ["", "fault", "is", "seen", "on"] if width >= NARROW else ["", "fault", "is", "seen"]
    rows = [
        [str(row.number), row.kind, _life(row), f"{row.times_seen}x", numbered(row.conns)]
        for row in sorted(picture.faults[:shown], key=lambda row: row.number)
    ]
    return _table(heads, [row[: len(heads)] for row in rows], [False] * len(rows), width)


def _life(row: FaultRow) -> str:
    if row.failure:
        return "FAILED"
    if row.lasts:
        return "LASTS" if row.times_seen else "WAITS"
    if row.over:
        return "ended"
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


# --- lines of what happened ----------------------------------------------------------------------


def told(line: Line, *, width: int) -> list[Row]:
    """What happened, in as many lines as it needs."""
    text = f"!! {line.text}" if line.urgent else line.text
    stamps = (f"{line.at_s:{STAMP - 1}.3f} ", " " * STAMP)
    look = Look.ALERT if line.urgent else Look.PLAIN
    return [
        Row(f"{stamps[place > 0]}{part}", look)
        for place, part in enumerate(textwrap.wrap(text, max(width - STAMP, LEAST)))
    ]
