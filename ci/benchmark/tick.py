#!/usr/bin/env python3
"""What a tick of the depth path costs: the present tree against an earlier revision, in one run.

    python ci/benchmark/tick.py                     this tree against the commit before all streams
    python ci/benchmark/tick.py --base REV          against another one
    python ci/benchmark/tick.py --present REV       that revision in place of this tree

A market of two symbols; on each `depth20@100ms`, `depth@100ms`, `bookTicker`, `trade` and
`aggTrade`; ten members in memory take all of them. A tick is `Market.advance`, `Publisher.publish`
and `Fanout.publish`, which hands each member its frames; no sockets, no clock. Each measurement is
a child process of its own; the two trees take turns, and so does which of them is first. Printed
are CPU microseconds per tick and the ratio of each pair: present / base. Below 1 is faster.
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


def measure(tree: Path, profile_name: str, ticks: int) -> dict[str, Any]:
    """CPU per tick of the package `mockex` in `tree`, and how much it sent."""
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
    journal = Journal()
    fanout = Fanout(journal, lambda: 0.0, publisher.add, publisher.remove)
    served = frozenset(f"{symbol.lower()}@{stream}" for symbol in SYMBOLS for stream in STREAMS)
    form = envelope.Form(combined=True) if hasattr(envelope, "Form") else None
    members = [Member(number, served, form) for number in range(1, MEMBERS + 1)]
    for member in members:
        fanout.join(member)

    def run(first: int, last: int) -> int:
        events = 0
        for step in range(first, last + 1):
            now_ms = step * market.step_ms
            sent = publisher.publish(now_ms, market.advance(now_ms, publisher.symbols))
            fanout.publish(step, sent)
            events += len(sent)
        return events

    run(1, WARM_UP)
    before = members[0].bytes
    began = time.process_time()
    events = run(WARM_UP + 1, WARM_UP + ticks)
    spent = time.process_time() - began
    return {
        "us": spent / ticks * 1e6,
        "events": events / ticks,
        "bytes": (members[0].bytes - before) / ticks,
    }


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


def child(tree: Path, profile: str, ticks: int) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--child", str(tree), profile, str(ticks)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def compare(base: Path, present: Path, profile: str, ticks: int, rounds: int) -> None:
    """Measure both in turns and print one profile's figures."""
    old: list[dict[str, Any]] = []
    new: list[dict[str, Any]] = []
    for turn in range(rounds):
        order = [(base, old), (present, new)]
        for tree, kept in order if turn % 2 == 0 else reversed(order):
            kept.append(child(tree, profile, ticks))
    for name, measured in (("base", old), ("present", new)):
        us = [m["us"] for m in measured]
        print(
            f"{profile:5} {name:8} {statistics.median(us):7.1f} µs per tick "
            f"({min(us):.1f} to {max(us):.1f}), {measured[0]['events']:.2f} events and "
            f"{measured[0]['bytes']:.0f} bytes a member"
        )
    ratios = sorted(b["us"] / a["us"] for a, b in zip(old, new, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f"{profile:5} ratio    {middle:7.3f} (quartiles {low:.3f} to {high:.3f}, "
        f"all {ratios[0]:.3f} to {ratios[-1]:.3f}; {rounds} pairs of {ticks} ticks)",
        flush=True,
    )


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    if arguments[:1] == ["--child"]:
        tree, profile, ticks = arguments[1:]
        print(json.dumps(measure(Path(tree), profile, int(ticks))))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--base", default=BASE, metavar="REV")
    parser.add_argument("--present", metavar="REV", help="default: this tree as it lies here")
    parser.add_argument("--profile", choices=("spot", "usdm"), help="this one alone")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--ticks", type=int, default=4000)
    given = parser.parse_args(arguments)
    if given.rounds < 2:
        parser.error("--rounds must be 2 or more: a ratio needs a spread")
    with tempfile.TemporaryDirectory() as base, tempfile.TemporaryDirectory() as other:
        old = laid_out(given.base, Path(base))
        new = laid_out(given.present, Path(other)) if given.present else ROOT
        names = revision(given.base), revision(given.present) if given.present else "this tree"
        print(f"base {names[0]}, present {names[1]}, Python {sys.version.split()[0]}")
        for profile in [given.profile] if given.profile else ["spot", "usdm"]:
            compare(old, new, profile, given.ticks, given.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
