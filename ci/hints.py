#!/usr/bin/env python3
"""Whether the lines of `mockex serve --hints` point each library here, and nowhere else.

    python3 ci/run.py hints                         every hint, on every profile it knows
    python3 ci/run.py hints ccxt --profile spot     one of them

The version that a hint names is installed from its registry into an environment of its own under
`.cache/hints/`. The lines as `serve` prints them stand in the least program around them: ask REST
once, subscribe to one stream, print one event, end. It runs against an exchange of this process,
whose journal says whether it came: a request answered with 200, a connection upgraded, events
delivered. That it went nowhere else is watched in the program (each name that is looked up, each
address that is connected to) and by the operating system's list of its connections.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from mockex.cli.hints import Hint, hints
from mockex.server.exchange import Exchange
from mockex.server.journal import Delivered, Joined, Requested, Subscribed, Upgraded
from mockex.server.serving import serve

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "hints"
BEGINS_S = 1.0  # a client meets a market that has traded
PATIENCE_S = 60.0
LOOK_EVERY_S = 0.02  # at its connections
WENT = "went to "  # how a program says where it goes

# What of a program is no hint: watching where it goes, and what it does with the lines.
AROUND: dict[tuple[str, str], str] = {
    ("ccxt", "spot"): """
import asyncio

async def main():
    print("rest", (await exchange.fetch_order_book("ETH/USDC", 5))["nonce"])
    print("event", (await exchange.watch_trades("ETH/USDC"))[0]["info"])
    await exchange.close()

asyncio.run(main())
""",
    ("ccxt", "usdm"): """
import asyncio

async def main():
    print("rest", (await exchange.fetch_order_book("ETH/USDC:USDC", 5))["nonce"])
    print("event", (await exchange.watch_trades("ETH/USDC:USDC"))[0]["info"])
    await exchange.close()

asyncio.run(main())
""",
    ("python-binance", "spot"): """
import asyncio

async def main():
    client = await AsyncClient.create()
    print("rest", await client.get_server_time())
    async with BinanceSocketManager(client).trade_socket("ETHUSDC") as socket:
        print("event", await socket.recv())
    await client.close_connection()

asyncio.run(main())
""",
    ("python-binance", "usdm"): """
import asyncio

async def main():
    client = AsyncClient()
    print("rest", await client.futures_time())
    async with BinanceSocketManager(client).symbol_mark_price_socket("ETHUSDC") as socket:
        print("event", await socket.recv())
    await client.close_connection()

asyncio.run(main())
""",
    ("binance-sdk", "spot"): """
import asyncio

async def main():
    print("rest", client.rest_api.time().data())
    connection = await client.websocket_streams.create_connection()
    stream = await connection.agg_trade(symbol="ethusdc")
    first = asyncio.get_running_loop().create_future()
    stream.on("message", lambda data: first.done() or first.set_result(data))
    print("event", await first)
    await connection.close_connection(close_session=True)

asyncio.run(main())
""",
    ("binance-sdk", "usdm"): """
import asyncio

async def main():
    print("rest", client.rest_api.check_server_time().data())
    connection = await client.websocket_streams.create_connection()
    stream = await connection.mark_price_stream(symbol="ethusdc", update_speed="1s")
    first = asyncio.get_running_loop().create_future()
    stream.on("message", lambda data: first.done() or first.set_result(data))
    print("event", await first)
    await connection.close_connection(close_session=True)

asyncio.run(main())
""",
    ("unicorn", "spot"): """
import time

manager.create_stream(channels=["trade"], markets=["ethusdc"])
while not (event := manager.pop_stream_data_from_stream_buffer()) or "data" not in event:
    time.sleep(0.01)  # the library's buffer tells nobody
print("event", event)
manager.stop_manager()
""",
    ("unicorn", "usdm"): """
import time

manager.create_stream(channels=["markPrice@1s"], markets=["ethusdc"])
while not (event := manager.pop_stream_data_from_stream_buffer()) or "data" not in event:
    time.sleep(0.01)  # the library's buffer tells nobody
print("event", event)
manager.stop_manager()
""",
    ("go-binance", "spot"): """
at, err := client.NewServerTimeService().Do(context.Background())
if err != nil {
	panic(err)
}
fmt.Println("rest", at)
events := make(chan *binance.WsTradeEvent, 1000)
_, stop, err := binance.WsTradeServe("ETHUSDC",
	func(event *binance.WsTradeEvent) { events <- event }, func(err error) { panic(err) })
if err != nil {
	panic(err)
}
fmt.Println("event", *<-events)
close(stop)
""",
    ("go-binance", "usdm"): """
at, err := client.NewServerTimeService().Do(context.Background())
if err != nil {
	panic(err)
}
fmt.Println("rest", at)
events := make(chan *futures.WsBookTickerEvent, 1000)
_, stop, err := futures.WsBookTickerServe("ETHUSDC",
	func(event *futures.WsBookTickerEvent) { events <- event }, func(err error) { panic(err) })
if err != nil {
	panic(err)
}
fmt.Println("event", *<-events)
close(stop)
""",
    ("npm-binance", "spot"): """
const main = async () => {
  const book = await client.getOrderBook({ symbol: 'ETHUSDC', limit: 5 });
  console.log('rest', book.lastUpdateId);
  wsClient.on('message', (event) => {
    if (event.e !== 'trade') return;
    console.log('event', JSON.stringify(event));
    process.exit(0);
  });
  await wsClient.subscribe(['ethusdc@trade'], 'main');
};
main();
""",
    ("npm-binance", "usdm"): """
const main = async () => {
  console.log('rest', await client.getServerTime());
  wsClient.on('message', (event) => {
    if (event.e !== 'markPriceUpdate') return;
    console.log('event', JSON.stringify(event));
    process.exit(0);
  });
  await wsClient.subscribe(['ethusdc@markPrice@1s'], 'usdmMarket');
};
main();
""",
}
# It asks REST for user data only.
WITHOUT_REST = {"unicorn"}

WATCHED = {
    "Python": f"""
import sys as _sys

def _watch(event, args):
    if event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        print("{WENT}" + str(args[1][0]), file=_sys.stderr, flush=True)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        print("{WENT}" + str(args[0]), file=_sys.stderr, flush=True)

_sys.addaudithook(_watch)
""",
    "JavaScript": f"""
const netConnect = require('net').Socket.prototype.connect;
require('net').Socket.prototype.connect = function connect(...args) {{
  const [to] = args.flat();
  console.error('{WENT}' + (to.host ?? to.path ?? 'localhost'));
  return netConnect.apply(this, args);
}};
""",
}


# --- the programs --------------------------------------------------------------------------------


def program(hint: Hint, ws: str, rest: str) -> str:
    """The least program around the lines of a hint."""
    imports, lines = hint.code(ws, rest)
    around = AROUND[hint.name, hint.profile]
    if hint.language == "Go":
        head = f'package main\n\nimport (\n\t"context"\n\t"fmt"\n)\n\n{imports}\n\n'
        return f"{head}func main() {{\n{lines}\n{around}}}\n"
    return f"{WATCHED[hint.language]}\n{imports}\n\n{lines}\n{around}"


def elsewhere(went: Iterable[str]) -> list[str]:
    """Of the hosts that a program went to, those that are not this machine."""
    return sorted({host for host in went if not _is_here(host)})


def _is_here(host: str) -> bool:
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def hosts_in(words: Iterable[str]) -> list[str]:
    """The hosts that a program said on stderr: ours, or Go's own words on what it looks up."""
    found = []
    for line in words:
        if line.startswith(WENT):
            found.append(line.removeprefix(WENT))
        elif "hostLookupOrder(" in line:
            found.append(line.partition("hostLookupOrder(")[2].partition(")")[0])
    return found


# --- environments --------------------------------------------------------------------------------


def make_environment(hint: Hint) -> Path:
    """A folder with the library in the hint's version, made if it is not there."""
    home = CACHE / f"{hint.package.replace('/', '-')}-{hint.version}"
    stamp = home / "stamp"
    if stamp.exists() and stamp.read_text() == sys.version:
        return home
    print(f"[hints] installing {hint.package} {hint.version}", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    match hint.language:
        case "Python":
            venv.create(home, with_pip=True)
            wanted = f"{hint.package}=={hint.version}"
            _call([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet",
                   "--disable-pip-version-check", wanted], home)  # fmt: skip
        case "JavaScript":
            wanted = f"{hint.package}@{hint.version}"
            _call(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", wanted], home)
        case "Go":
            _call(["go", "mod", "init", "hint"], home)
            _call(["go", "get", f"{hint.package}@v{hint.version}"], home)
    stamp.write_text(sys.version)
    return home


def _call(command: list[str], home: Path) -> None:
    if shutil.which(command[0]) is None:
        sys.exit(f"[hints] {command[0]} is not on PATH")
    if subprocess.run(command, cwd=home, check=False, stdout=sys.stderr).returncode:
        sys.exit(f"[hints] cannot install: {' '.join(command)} (see above)")


def command_of(hint: Hint, home: Path, text: str) -> list[str]:
    """The command that runs a program, which is written and, in Go, built."""
    match hint.language:
        case "Python":
            file = home / f"hint_{hint.profile}.py"
            file.write_text(text)
            return [str(home / "bin" / "python"), str(file)]
        case "JavaScript":
            file = home / f"hint_{hint.profile}.cjs"
            file.write_text(text)
            return ["node", str(file)]
        case _:
            folder = home / hint.profile
            folder.mkdir(exist_ok=True)
            (folder / "main.go").write_text(text)
            _call(["go", "build", "-mod=mod", "-o", "program", "."], folder)
            return [str(folder / "program")]


# --- running -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """One hint: what was seen of it, and what was wrong."""

    hint: Hint
    seen: str
    findings: list[str]


async def run(hint: Hint, home: Path) -> Outcome:
    """Run the program of a hint against an exchange until it ends."""
    async with serve(hint.profile, seed=7) as exchange:
        command = command_of(hint, home, program(hint, exchange.ws_url, exchange.rest_url))
        await asyncio.sleep(BEGINS_S)
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(os.environ, PYTHONUNBUFFERED="1", GODEBUG="netdns=2"),
            cwd=home,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        reached: set[str] = set()
        watching = asyncio.create_task(_watch(process.pid, reached))
        findings = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                out, err = await process.communicate()
        except TimeoutError:
            findings.append(f"did not end within {PATIENCE_S:g} s")
            process.kill()
            out, err = await process.communicate()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        said, words = out.decode().splitlines(), err.decode(errors="replace").splitlines()
        if process.returncode and not findings:
            told = [line for line in words if not line.startswith(WENT)]
            findings.append(f"ended with {process.returncode}: " + " | ".join(told[-3:]))
        away = elsewhere([*reached, *hosts_in(words)])
        if away:
            findings.append(f"went elsewhere: {', '.join(away)}")
        seen, missing = judged(exchange, said, with_rest=hint.name not in WITHOUT_REST)
        return Outcome(hint, seen, findings + missing)


async def _watch(pid: int, reached: set[str]) -> None:
    """Note the other ends of the connections of a process and its children."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        while True:
            for one in (process, *process.children(recursive=True)):
                for connection in one.net_connections():
                    if connection.raddr:
                        reached.add(connection.raddr.ip)
            await asyncio.sleep(LOOK_EVERY_S)


def judged(exchange: Exchange, said: Sequence[str], *, with_rest: bool) -> tuple[str, list[str]]:
    """What the exchange's journal shows of the client, and what it and the program lack."""
    entries = exchange.journal.entries
    upgraded = [entry for entry in entries if isinstance(entry, Upgraded)]
    served = [
        name
        for entry in entries
        if isinstance(entry, Subscribed)
        for name in entry.streams
        if name not in entry.silent
    ]
    had = {entry.audience for entry in entries if isinstance(entry, Delivered)}
    reached = any(isinstance(entry, Joined) and entry.audience in had for entry in entries)
    answered = [e for e in entries if isinstance(e, Requested) and e.status == 200]
    refused = [e for e in entries if isinstance(e, Requested) and e.status != 200]
    missing = []
    if not any(line.startswith("event ") for line in said):
        missing.append("the program printed no event")
    if not upgraded or not served or not reached:
        missing.append("the journal has no connection with a stream that was delivered")
    if with_rest and not answered:
        missing.append("the journal has no request that was answered with 200")
    missing += [f"{e.method} {e.target} was answered with {e.status}" for e in refused]
    paths = ", ".join(dict.fromkeys(entry.target.split("?")[0] for entry in upgraded))
    calls = ", ".join(dict.fromkeys(entry.target.split("?")[0] for entry in answered))
    return f"{paths} with {', '.join(served)}; REST {calls or 'none'}", missing


def chosen(names: Sequence[str], profile: str | None) -> list[Hint]:
    """The hints of these names (none: all) and this profile (None: both)."""
    unknown = [name for name in names if name not in hints()]
    if unknown:
        sys.exit(f"[hints] there is none for {', '.join(unknown)}: {', '.join(hints())}")
    return [
        hint
        for name in names or hints()
        for hint in hints()[name].values()
        if profile in (None, hint.profile)
    ]


def main() -> int:
    """Run the hints that are asked for, one after the other. 1 if one does not point here."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="hints by name; without one: all")
    parser.add_argument("--profile", choices=["spot", "usdm"])
    arguments = parser.parse_args()
    failed = 0
    for hint in chosen(arguments.names, arguments.profile):
        outcome = asyncio.run(run(hint, make_environment(hint)))
        failed += bool(outcome.findings)
        verdict = "FAILED" if outcome.findings else "ok"
        print(
            f"{verdict:<6} {hint.name} {hint.profile} ({hint.package} {hint.version})", flush=True
        )
        print(f"       {outcome.seen}")
        for finding in outcome.findings:
            print(f"       {finding}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
