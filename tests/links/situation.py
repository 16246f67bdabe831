"""What a link does to a connection: the table that the simulated network is held against.

Each situation is one fault, in one or both directions, on a connection that is idle or streams, put
on before the connection or during it, and perhaps taken away again. `program.py` lets it happen, on
a real Toxiproxy and in the simulated network (`grounds.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

from mockex.faults import (
    Bandwidth,
    BlackHole,
    ClearLink,
    Direction,
    FinLink,
    Hold,
    Latency,
    LimitData,
    LinkFault,
    Refused,
    Release,
    ResetLink,
    Slice,
    SlowClose,
)
from mockex.faults.link import Ends, directions

DELAY_MS = 500  # late, and not at once
LIMIT = 100  # bytes
WORD = 1000
UNEVEN = 900  # bytes of a word that is not cut into pieces of 50 by halving
REFUSED_MS = 1500

Traffic = Literal["idle", "streaming"]
Moment = Literal["before", "during"]  # the connection
Act = Literal["close", "reset", "half-close"]


@dataclass(frozen=True)
class Situation:
    """`fault` None: nothing is done to the link but what it was made with, and `by` ends the
    connection by `act`."""

    fault: LinkFault | None
    traffic: Traffic
    moment: Moment = "during"
    ends: Ends = "fin"  # what the link was made with
    over: LinkFault | None = None  # what takes it away again
    by: Direction = Direction.DOWNSTREAM  # who ends: the server, or the client (upstream)
    act: Act = "close"
    word: int = WORD  # bytes that each end says when it is idle
    line: str = ""  # that it was made with

    @property
    def title(self) -> str:
        """In words."""
        made = " on a link that ends connections with a RST" if self.ends == "reset" else ""
        who = "client" if self.by is Direction.UPSTREAM else "server"
        if self.line:
            return f"A line of {self.line}, {self.traffic}, then the {who} closes"
        if self.fault is None:
            return f"The {who} {self.act}s, {self.traffic}{made}"
        when = "before the connection" if self.moment == "before" else f"while it is {self.traffic}"
        if self.moment == "before":
            when += f", then {self.traffic}"
        over = f", and {in_words(self.over)}" if self.over is not None else ""
        said = f", {self.word or 'no'} bytes" if self.word != WORD else ""
        return f"{in_words(self.fault)} {when}{over}{made}{said}"


def in_words(fault: LinkFault) -> str:
    """`Latency(delay_ms=500, upstream)`."""
    of_all = {one.name for one in fields(LinkFault)} | {"jitter_ms"}
    said = []
    for one in fields(fault):
        value = getattr(fault, one.name)
        if one.name == "direction":
            said.append("both ways" if value is None else str(value))
        elif one.name not in of_all:
            said.append(f"{one.name}={value}")
    return f"{type(fault).__name__}({', '.join(said)})"


def lasting(direction: Direction) -> list[tuple[LinkFault, Ends]]:
    """All faults that last, in one direction, and what the link is to be made with."""
    return [
        (Latency(delay_ms=DELAY_MS, direction=direction), "fin"),
        (Bandwidth(bytes_per_s=2000, direction=direction), "fin"),
        (Slice(bytes=50, gap_ms=20, direction=direction), "fin"),
        (Hold(direction=direction), "fin"),
        (BlackHole(direction=direction), "fin"),
        (SlowClose(delay_ms=DELAY_MS, direction=direction), "fin"),
        (LimitData(bytes=LIMIT, then="fin", direction=direction), "fin"),
        (LimitData(bytes=LIMIT, then="reset", direction=direction), "reset"),
    ]


TRAFFIC: tuple[Traffic, ...] = ("idle", "streaming")


def _ends() -> Iterator[Situation]:
    acts: tuple[Act, ...] = ("close", "reset", "half-close")
    made: tuple[Ends, ...] = ("fin", "reset")
    for traffic, by, act, ends in itertools.product(TRAFFIC, Direction, acts, made):
        yield Situation(None, traffic, ends=ends, by=by, act=act)


def _on_bytes() -> Iterator[Situation]:
    faults = [(fault, ends) for one in Direction for fault, ends in lasting(one)]
    faults += [(Hold(), "fin"), (Hold(), "reset"), (BlackHole(), "fin"), (BlackHole(), "reset")]
    for (fault, ends), traffic in itertools.product(faults, TRAFFIC):
        (by, *_) = directions(getattr(fault, "direction", None))
        yield Situation(fault, traffic, "before", ends, by=by)
        overs: list[LinkFault | None] = [None, ClearLink()]
        if isinstance(fault, Hold):
            overs += [Release(), Release(backlog="lose")]
        for over in overs:
            yield Situation(fault, traffic, "during", ends, over, by=by)
    for one in Direction:
        fault = Slice(bytes=50, gap_ms=20, direction=one)
        yield Situation(fault, "idle", "before", word=UNEVEN, by=one)
    yield Situation(Hold(), "idle", "during", over=Release(backlog="lose"), word=0)


def _at_once() -> Iterator[Situation]:
    faults: list[tuple[LinkFault, Ends]] = [
        (ResetLink(), "reset"),
        (FinLink(), "fin"),
        (Refused(ms=REFUSED_MS), "fin"),
        (Refused(ms=REFUSED_MS), "reset"),
    ]
    moments: tuple[Moment, ...] = ("before", "during")
    for (fault, ends), traffic, moment in itertools.product(faults, TRAFFIC, moments):
        yield Situation(fault, traffic, moment, ends)


LINES = (
    f"latency={DELAY_MS}ms",
    "latency=400ms,bandwidth=4KB/s",
    "bandwidth=4KB/s,slice=50B,gap=5ms",
    "latency=400ms,slice=50B,gap=10ms",
    "latency=400ms,bandwidth=4KB/s,slice=50B,gap=1ms",
)


def _lines() -> Iterator[Situation]:
    for line, traffic, by in itertools.product(LINES, TRAFFIC, Direction):
        yield Situation(None, traffic, by=by, line=line)


TABLE = (*_ends(), *_on_bytes(), *_at_once(), *_lines())


def group_of(situation: Situation) -> str:
    """The heading it stands under."""
    if situation.line:
        return "Lines"
    return "Ends" if situation.fault is None else type(situation.fault).__name__


GROUPS = tuple(dict.fromkeys(map(group_of, TABLE)))
