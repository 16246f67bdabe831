#!/usr/bin/env python3
"""Published clients, unmodified apart from their base URL, against the exchange.

    python3 ci/run.py clients                         every client on every profile it knows
    python3 ci/run.py clients ccxt --profile spot     one of them

Each client is installed by name, in its pinned version, into an environment of its own under
`.cache/clients/`. Its program, `conformance/testees/clients/<name>/live.*`, is told where an
exchange is that runs in this process, and says on stdout what the client gives it, one JSON object
a line:

    {"say": "hello", "client": …, "version": …}
    {"say": "offers", "streams": [names]}      every stream that it will hold
    {"say": "asks", "calls": [names]}          every REST call that it will make
    {"say": "data", "stream": name}            the client delivered an event of that stream
    {"say": "rest", "call": name, "error"?: …} the call was answered
    {"say": "book", "stream": …, "symbol": …, "id" or "at": …, "levels": n or null, "bids", "asks"}
    {"say": "problem", "text": …}              the client reported an error
    {"say": "note", "text": …}                 something to tell that is no error

A book is the client's at an update id, or at the time of the last event it has seen (`at`, unix
ms); `levels` is how deep the client keeps it, null: all of it. The run is good when every stream
had data, every call was answered, no connection was closed by the exchange, and every book equalled
the exchange's at that id for so many seconds of market, from the first one that did.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from mockex.names import parse
from mockex.server.exchange import Exchange
from mockex.server.journal import (
    AnyEntry,
    Closed,
    Pinged,
    Ponged,
    Refused,
    Requested,
    Subscribed,
    Upgraded,
)
from mockex.server.serving import serve

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "conformance" / "testees" / "clients"
CACHE = ROOT / ".cache" / "clients"
SYMBOLS = ("ETHUSDC", "BTCUSDC")
# What happens less often than once a minute happens within it.
SETTINGS: dict[str, dict[str, object]] = {"spot": {}, "usdm": {"bracket_change_s": 30}}
MOST_LINE = 4 << 20  # bytes of one line: a whole book
# A client meets a market that has traded: without a trade there is no window to tell of (-2016).
BEGINS_S = 2.0
SETTLE_S = 30.0  # a client has so long before its books must be right
TO_END_S = 10.0  # a program that has closed its stdout
PATIENCE_S = 90.0  # rare streams come within this time, beside the seconds asked for
MOST_FINDINGS = 30  # that are printed of one client
MOST_WORDS = 200  # characters of an error that are kept


@dataclass(frozen=True, slots=True)
class Client:
    """One published client: its folder, its program, and what it knows."""

    name: str
    program: str
    profiles: tuple[str, ...]


CLIENTS = (
    Client("python-binance", "live.py", ("spot", "usdm")),
    Client("ccxt", "live.py", ("spot", "usdm")),
    Client("binance-sdk-spot", "live.py", ("spot",)),
    Client("binance-npm", "live.cjs", ("spot", "usdm")),
)

Side = Sequence[Sequence[Any]]  # levels as (price, quantity), best first
Book = tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]


# --- judging, pure -------------------------------------------------------------------------------


def numbers(side: Side) -> list[tuple[Decimal, Decimal]]:
    """Levels as numbers, whether they were spelled as text or as numbers."""
    return [(Decimal(level[0]), Decimal(level[1])) for level in side]


def difference(bids: Side, asks: Side, true: Book, levels: int | None) -> str | None:
    """How a book that was shown differs from the true one in its best `levels`; None: in nothing.

    >>> difference([], [["2", "1"]], ([], [(Decimal(2), Decimal(3))]), None)
    'ask 1 is 2 x 1, not 2 x 3'
    """
    for name, side, right in (("bid", bids, true[0]), ("ask", asks, true[1])):
        shown, wanted = numbers(side), right if levels is None else right[:levels]
        for place, (ours, theirs) in enumerate(zip(wanted, shown, strict=False), 1):
            if ours != theirs:
                return f"{name} {place} is {theirs[0]} x {theirs[1]}, not {ours[0]} x {ours[1]}"
        if len(shown) != len(wanted):
            return f"{len(shown)} {name}s, not {len(wanted)}"
    return None


@dataclass(slots=True)
class Watch:
    """One book of a client, from picture to picture. Times in exchange seconds."""

    right: int = 0
    unsettled: int = 0  # wrong ones before the first that was right
    first_s: float = 0.0
    last_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def see(self, now_s: float, where: str, wrong: str | None) -> None:
        """A picture was shown; `wrong` says in what it differs."""
        if wrong is None:
            self.first_s = self.first_s if self.right else now_s
            self.last_s = now_s
            self.right += 1
        elif self.right or now_s > BEGINS_S + SETTLE_S:
            self.wrong.append(f"{where}: {wrong}")
        else:
            self.unsettled += 1

    @property
    def span_s(self) -> float:
        """For how long it has been right."""
        return self.last_s - self.first_s


@dataclass(slots=True)
class Heard:
    """What one client said, judged as it comes.

    `true_book` gives the exchange's book of a symbol at an id; `id_at` the id at a unix ms.
    """

    true_book: Callable[[str, int], Book]
    id_at: Callable[[str, int], int]
    client: str = ""
    offered: list[str] | None = None
    asked: list[str] | None = None
    data: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    books: dict[str, Watch] = field(default_factory=dict)

    def hear(self, line: str, now_s: float) -> None:
        """One line of the program's stdout."""
        try:
            said = json.loads(line, parse_float=Decimal)
            what = said["say"]
        except (ValueError, TypeError, KeyError):
            self.problems.append(f"not a line of the protocol: {line.strip()[:MOST_WORDS]}")
            return
        match what:
            case "data":
                self.data[said["stream"]] += 1
            case "book":
                self._see_book(said, now_s)
            case "note":
                self.notes[said["text"]] += 1
            case "rest" if "error" in said:
                error = str(said["error"]).splitlines()[0]
                self.problems.append(f"{said['call']}: {error[:MOST_WORDS]}")
                self.answered.add(said["call"])
            case "rest":
                self.answered.add(said["call"])
            case "hello":
                self.client = f"{said['client']} {said['version']}"
            case "offers":
                self.offered = said["streams"]
            case "asks":
                self.asked = said["calls"]
            case _:
                self.problems.append(str(said.get("text", said)))

    def _see_book(self, said: dict[str, Any], now_s: float) -> None:
        symbol = said["symbol"]
        at_id = said["id"] if "id" in said else self.id_at(symbol, said["at"])
        true = self.true_book(symbol, at_id)
        wrong = difference(said["bids"], said["asks"], true, said["levels"])
        watch = self.books.setdefault(f"{symbol} by {said['stream']}", Watch())
        watch.see(now_s, f"at id {at_id}", wrong)

    @property
    def missing(self) -> list[str]:
        """Streams that were offered and had no data yet."""
        return [name for name in self.offered or () if not self.data[name]]

    @property
    def unanswered(self) -> list[str]:
        """Calls that had no answer yet, not even an error."""
        return [call for call in self.asked or () if call not in self.answered]

    def complete(self, seconds: float) -> bool:
        """Whether nothing more need be waited for."""
        return (
            self.offered is not None
            and self.asked is not None
            and not self.missing
            and not self.unanswered
            and bool(self.books)
            and all(watch.span_s >= seconds for watch in self.books.values())
        )

    def findings(self, seconds: float) -> list[str]:
        """What is not as it must be; nothing: the client is served as by the exchange."""
        found = list(self.problems)
        if self.offered is None:
            found.append("said no streams")
        found += [f"{name}: no data" for name in self.missing]
        found += [f"{call}: no answer" for call in self.unanswered]
        if not self.books:
            found.append("showed no book")
        for name, watch in self.books.items():
            found += [f"book of {name} {text}" for text in watch.wrong]
            if watch.span_s < seconds:
                found.append(f"book of {name}: right for {watch.span_s:.1f} s, not {seconds:g} s")
        return found


def refusals(entries: Iterable[AnyEntry]) -> list[str]:
    """What the exchange refused this client, by its journal."""
    found = []
    for entry in entries:
        match entry:
            case Closed(by="server", code=code, reason=reason):
                found.append(f"the exchange closed a connection: {code} {reason!r}")
            case Refused(target=target, status=status):
                found.append(f"handshake for {target!r} was refused with {status}")
            case Requested(method=method, target=target, status=status) if status >= 400:
                found.append(f"{method} {target} was answered with {status}")
            case _:
                pass
    return found


def silent_streams(entries: Iterable[AnyEntry]) -> list[str]:
    """Streams that were asked for and are never sent on that connection, by the journal."""
    return sorted({name for e in entries if isinstance(e, Subscribed) for name in e.silent})


def connections(entries: Sequence[AnyEntry]) -> str:
    """How this client held its connections, by the journal: compression, pings and pongs."""
    upgraded = [entry for entry in entries if isinstance(entry, Upgraded)]
    deflated = sum("permessage-deflate" in entry.extensions for entry in upgraded)
    pings = {(entry.conn, entry.payload) for entry in entries if isinstance(entry, Pinged)}
    pongs = [(entry.conn, entry.payload) for entry in entries if isinstance(entry, Ponged)]
    copied = sum(pong in pings for pong in pongs)
    return (
        f"{len(upgraded)} connections, {deflated} of them deflated; {len(pings)} pings, "
        f"{copied} pongs with their payload, {len(pongs) - copied} other pongs"
    )


# --- environments --------------------------------------------------------------------------------


def make_environment(client: Client) -> list[str]:
    """The command that runs the client's program, its environment made if it is not there."""
    source, home = PROGRAMS / client.name, CACHE / client.name
    is_npm = client.program.endswith("js")
    pins = source / ("package-lock.json" if is_npm else "requirements.txt")
    wanted = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    stamp = home / "stamp"
    program = str(source / client.program)
    command = ["node", program] if is_npm else [str(home / "bin" / "python"), program]
    if stamp.exists() and stamp.read_text() == wanted:
        return command
    print(f"[clients] installing {client.name} into {home.relative_to(ROOT)}", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    if is_npm:
        if shutil.which("npm") is None:
            sys.exit("[clients] npm is not on PATH: install Node.js 20 or newer")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, home)
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    else:
        venv.create(home, with_pip=True)
        install = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet",
                   "--disable-pip-version-check", "--requirement", str(pins)]  # fmt: skip
    if subprocess.run(install, cwd=home, check=False, stdout=sys.stderr).returncode:
        sys.exit(f"[clients] cannot install {client.name} (see above)")
    stamp.write_text(wanted)
    return command


# --- running -------------------------------------------------------------------------------------


def true_books(exchange: Exchange) -> Callable[[str, int], Book]:
    """The exchange's book at an id, as numbers."""

    def book(symbol: str, update_id: int) -> Book:
        true, spelled = exchange.truth.book(symbol, update_id), exchange.market.instruments[symbol]
        bids, asks = (
            [(Decimal(spelled.price(p)), Decimal(spelled.quantity(q))) for p, q in side]
            for side in (true.bids, true.asks)
        )
        return bids, asks

    return book


@dataclass(frozen=True, slots=True)
class Outcome:
    """One client on one profile."""

    client: str
    profile: str
    lines: list[str]
    findings: list[str]


async def run(
    client: Client,
    command: Sequence[str],
    profile: str,
    seconds: float,
    seed: int,
    patience_s: float = PATIENCE_S,
) -> Outcome:
    """Run the client's program until all is seen, or until patience ends."""
    settings = SETTINGS[profile]
    async with serve(profile, seed=seed, symbols=SYMBOLS, settings=settings) as exchange:
        await asyncio.sleep(BEGINS_S)
        epoch_ms = exchange.clock.epoch_ms
        heard = Heard(
            true_books(exchange),
            lambda symbol, unix_ms: exchange.truth.id_at(symbol, unix_ms - epoch_ms),
        )
        program = await asyncio.create_subprocess_exec(
            *command,
            env=dict(
                os.environ,
                MOCKEX_WS_URL=exchange.ws_url,
                MOCKEX_REST_URL=exchange.rest_url,
                MOCKEX_PROFILE=profile,
                MOCKEX_SYMBOLS=",".join(SYMBOLS),
                NODE_PATH=str(CACHE / client.name / "node_modules"),
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MOST_LINE,
        )
        words: list[str] = []
        listening = asyncio.create_task(_read_all(program.stderr, words.append))
        ended_early = False
        try:
            async with asyncio.timeout(seconds + patience_s):
                await _listen(program.stdout, heard, exchange, seconds)
                ended_early = not heard.complete(seconds)
        except TimeoutError:
            pass
        entries = list(exchange.journal.entries)
        if ended_early:
            # `kill` looks for the end first and takes it away from asyncio, which then reports 255.
            with suppress(TimeoutError):
                async with asyncio.timeout(TO_END_S):
                    await program.wait()
        with suppress(ProcessLookupError):
            program.kill()
        code = await program.wait()
        await listening
    found = heard.findings(seconds) + refusals(entries)
    if ended_early:
        found.append(f"the program ended with exit code {code}: " + " | ".join(words[-3:]))
    return Outcome(heard.client or client.name, profile, _summary(heard, exchange, entries), found)


async def _read_all(stream: asyncio.StreamReader | None, take: Callable[[str], None]) -> None:
    assert stream is not None
    async for line in stream:
        take(line.decode(errors="replace").rstrip())


async def _listen(
    stream: asyncio.StreamReader | None, heard: Heard, exchange: Exchange, seconds: float
) -> None:
    assert stream is not None
    async for line in stream:
        heard.hear(line.decode(), exchange.now())
        if heard.complete(seconds):
            return


def _summary(heard: Heard, exchange: Exchange, entries: Sequence[AnyEntry]) -> list[str]:
    offered, asked = heard.offered or [], heard.asked or []
    kinds = {name.kind for stream in heard.data if (name := parse(stream)) is not None}
    others = sorted(kind.value for kind in exchange.profile.streams if kind not in kinds)
    lines = [
        f"{len(offered) - len(heard.missing)} of {len(offered)} streams had data, "
        f"{sum(heard.data.values())} events, {len(kinds)} kinds; "
        f"{len(asked) - len(heard.unanswered)} of {len(asked)} REST calls answered",
        connections(entries),
        *(
            f"book of {name}: {watch.right} pictures right over {watch.span_s:.1f} s, "
            f"{len(watch.wrong)} wrong, {watch.unsettled} before it settled"
            for name, watch in heard.books.items()
        ),
    ]
    lines += [f"{text} ({times} times)" for text, times in heard.notes.items()]
    if others:
        lines.append("kinds that it did not ask for: " + ", ".join(others))
    if silent := silent_streams(entries):
        lines.append("asked for, acknowledged and silent: " + ", ".join(silent))
    return lines


def show(outcome: Outcome) -> None:
    """One client on one profile, for people."""
    print(f"{'FAIL' if outcome.findings else 'ok':4} {outcome.client} on {outcome.profile}")
    for line in outcome.lines:
        print(f"       {line}")
    counted = Counter(outcome.findings).most_common()
    for text, times in counted[:MOST_FINDINGS]:
        print(f"     - {text}" + (f" ({times} times)" if times > 1 else ""))
    if len(counted) > MOST_FINDINGS:
        print(f"     - and {len(counted) - MOST_FINDINGS} more")
    sys.stdout.flush()


async def run_all(
    chosen: Sequence[tuple[Client, str]], seconds: float, jobs: int, seed: int
) -> list[Outcome]:
    """Run them, some side by side, and show each when it is done."""
    commands = {client.name: make_environment(client) for client, _ in chosen}
    room = asyncio.Semaphore(jobs)

    async def one(client: Client, profile: str) -> Outcome:
        async with room:
            outcome = await run(client, commands[client.name], profile, seconds, seed)
        show(outcome)
        return outcome

    return list(await asyncio.gather(*(one(client, profile) for client, profile in chosen)))


def main(arguments: Sequence[str]) -> int:
    """The command line; 0 if every client was served as it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = [client.name for client in CLIENTS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--profile", choices=("spot", "usdm"), help="on this one alone")
    parser.add_argument("--seconds", type=float, default=60.0, help="of market, right all along")
    parser.add_argument("--jobs", type=int, default=2, help="clients side by side")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(names):
        parser.error(f"no such client: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [
        (client, profile)
        for client in CLIENTS
        if not given.names or client.name in given.names
        for profile in client.profiles
        if given.profile in (None, profile)
    ]
    outcomes = asyncio.run(run_all(chosen, given.seconds, given.jobs, given.seed))
    failed = sum(bool(outcome.findings) for outcome in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
