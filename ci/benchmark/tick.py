#!/usr/bin/env python3
"""What a tick of the depth path costs: the present tree against an earlier revision, in one run.

    python ci/benchmark/tick.py                     this tree against the commit before all streams
    python ci/benchmark/tick.py --base REV          against another one
    python ci/benchmark/tick.py --present REV       that revision in place of this tree

A market of two symbols; on each `depth20@100ms`, `depth@100ms`, `bookTicker`, `trade` and
`aggTrade`; ten members in memory take all of them. A tick is `Market.advance`, `Publisher.publish`
and `Fanout.publish`, which hands each member its frames; no sockets, no clock. Each tree runs in a
child process, and the two take turns after every slice of some 15 ms, so that what else the machine
does meets both. Printed are CPU microseconds per tick and the ratio of neighbouring slices, present
/ base: below 1 is faster.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BASE = "As many cases side by side as leave the machine below 70 % busy"  # before all streams
SYMBOLS = ("ETHUSDC", "BTCUSDC")
STREAMS = ("depth20@100ms", "depth@100ms", "bookTicker", "trade", "aggTrade")
MEMBERS = 10
WARM_UP = 300  # ticks
EPOCH_MS = 1_780_272_000_000


# --- one measurement, in a child -----------------------------------------------------------------


class Member:
    """A connection in memory: it counts what it is handed."""

    gate: Any = None

    def __init__(self, number: int, served: frozenset[str], form: Any) -> None:
        self.number = number
        self.served = served
        self.combined = True  # how a member's form was said before there were others
        self.form = form
        self.bytes = 0

    def write(self, data: bytes) -> None:
        self.bytes += len(data)

    def deliver_gated(self, step: int, events: list[Any]) -> None:
        raise AssertionError("it has no gate")


def serve_slices(tree: Path, profile_name: str, streams: Sequence[str]) -> None:
    """For each number of ticks on stdin: run so many, and say what they cost and sent."""
    sys.path.insert(0, str(tree))
    import mockex
    from mockex.market.instruments import instruments
    from mockex.market.walk import Market
    from mockex.profile import profile_named
    from mockex.server.fanout import Fanout
    from mockex.server.journal import Journal
    from mockex.streams import envelope
    from mockex.streams.schedule import Publisher

    assert mockex.__file__ is not None
    assert Path(mockex.__file__).is_relative_to(tree), mockex.__file__
    profile = profile_named(profile_name)
    market = Market(instruments(profile, SYMBOLS), seed=7, profile=profile, kind="walk")
    publisher = Publisher(profile, market, EPOCH_MS)
    fanout = Fanout(Journal(), lambda: 0.0, publisher.add, publisher.remove)
    served = frozenset(f"{symbol.lower()}@{stream}" for symbol in SYMBOLS for stream in streams)
    form = envelope.Form(combined=True) if hasattr(envelope, "Form") else None
    members = [Member(number, served, form) for number in range(1, MEMBERS + 1)]
    for member in members:
        fanout.join(member)
    step = 0
    for line in sys.stdin:
        ticks, events, before = int(line), 0, members[0].bytes
        began = time.process_time()
        for _ in range(ticks):
            step += 1
            now_ms = step * market.step_ms
            sent = publisher.publish(now_ms, market.advance(now_ms, publisher.symbols))
            fanout.publish(step, sent)
            events += len(sent)
        spent = time.process_time() - began
        print(json.dumps([spent, events, members[0].bytes - before]), flush=True)


# --- taking turns --------------------------------------------------------------------------------


def git(*arguments: str) -> bytes:
    """What git prints."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


def revision(named: str) -> str:
    """The short hash of a revision, or of the commit with that subject."""
    if named == BASE:
        grep = ["log", "-1", "--format=%h", "--fixed-strings", f"--grep={BASE}"]
        found = git(*grep).decode().strip()
        if not found:
            sys.exit(f"no commit {BASE!r} in this repository; name another with --base")
        return found
    return git("rev-parse", "--short", named).decode().strip()


def laid_out(named: str, folder: Path) -> Path:
    """The package as it was at a revision."""
    with tarfile.open(fileobj=BytesIO(git("archive", revision(named), "mockex"))) as archive:
        archive.extractall(folder, filter="data")
    return folder


class Child:
    """One tree in a process of its own, run slice by slice."""

    def __init__(self, tree: Path, profile: str, streams: Sequence[str]) -> None:
        self.us: list[float] = []  # of each slice: CPU microseconds per tick
        self.events = self.bytes = 0
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child", str(tree), profile, *streams],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, ticks: int, *, keep: bool = True) -> None:
        """Run a slice, and keep what it cost unless it is there to warm up."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(ticks, file=self._process.stdin, flush=True)
        said = self._process.stdout.readline()
        if not said:
            sys.exit("a measurement failed (see above)")
        spent, events, sent = json.loads(said)
        if keep:
            self.us.append(spent / ticks * 1e6)
            self.events += events
            self.bytes += sent

    def end(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait():
            sys.exit("a measurement failed (see above)")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: `rounds` pairs of processes, so many slices of so many ticks in each."""

    streams: Sequence[str]
    rounds: int
    slices: int
    ticks: int


def pair(base: Path, present: Path, profile: str, plan: Plan) -> tuple[Child, Child]:
    """Both trees side by side, their slices in turns."""
    old, new = (Child(tree, profile, plan.streams) for tree in (base, present))
    for child in (old, new):
        child.run(WARM_UP, keep=False)
    for turn in range(plan.slices):
        for child in (old, new) if turn % 2 == 0 else (new, old):
            child.run(plan.ticks)
    for child in (old, new):
        child.end()
    return old, new


def compare(base: Path, present: Path, profile: str, plan: Plan) -> None:
    """Measure both in turns and print one profile's figures."""
    pairs = [pair(base, present, profile, plan) for _ in range(plan.rounds)]
    for name, children in (
        ("base", [old for old, _ in pairs]),
        ("present", [new for _, new in pairs]),
    ):
        us = [cost for child in children for cost in child.us]
        ran = len(us) * plan.ticks
        low, middle, high = statistics.quantiles(us, n=4)
        print(
            f"{profile:5} {name:8} {middle:6.1f} µs per tick (quartiles {low:.1f} to {high:.1f}); "
            f"{sum(c.events for c in children) / ran:.2f} events, "
            f"{sum(c.bytes for c in children) / ran:.0f} bytes a member"
        )
    ratios = [[b / a for a, b in zip(old.us, new.us, strict=True)] for old, new in pairs]
    low, middle, high = statistics.quantiles([r for each in ratios for r in each], n=4)
    medians = [statistics.median(each) for each in ratios]
    print(
        f"{profile:5} ratio    {middle:6.3f} (quartiles {low:.3f} to {high:.3f}; medians of the "
        f"pairs {min(medians):.3f} to {max(medians):.3f}); {plan.rounds} pairs, {plan.slices} "
        f"slices of {plan.ticks} ticks each",
        flush=True,
    )


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    if arguments[:1] == ["--child"]:
        serve_slices(Path(arguments[1]), arguments[2], arguments[3:])
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--base", default=BASE, metavar="REV")
    parser.add_argument("--present", metavar="REV", help="default: this tree as it lies here")
    parser.add_argument("--profile", choices=("spot", "usdm"), help="this one alone")
    parser.add_argument("--streams", default=",".join(STREAMS), help="of each symbol")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of processes")
    parser.add_argument("--slices", type=int, default=60, help="of each process")
    parser.add_argument("--ticks", type=int, default=100, help="of each slice")
    given = parser.parse_args(arguments)
    if given.rounds < 1 or given.slices < 2 or given.ticks < 1:
        parser.error("a ratio with its spread needs one pair and two slices at least")
    streams = tuple(part.strip() for part in given.streams.split(","))
    plan = Plan(streams, given.rounds, given.slices, given.ticks)
    with tempfile.TemporaryDirectory() as base, tempfile.TemporaryDirectory() as other:
        old = laid_out(given.base, Path(base))
        new = laid_out(given.present, Path(other)) if given.present else ROOT
        names = revision(given.base), revision(given.present) if given.present else "this tree"
        print(f"base {names[0]}, present {names[1]}, Python {sys.version.split()[0]}")
        for profile in [given.profile] if given.profile else ["spot", "usdm"]:
            compare(old, new, profile, plan)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
