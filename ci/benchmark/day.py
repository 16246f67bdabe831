"""A day of klines and tickers at full speed: `python ci/benchmark/day.py [spot|usdm]`.

One client on the machine's loopback reads all of it; the market moves once a second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter

from websockets.asyncio.client import ClientConnection, connect

import mockex

STREAMS = ("ethusdc@kline_1m", "ethusdc@ticker")
PATHS = {"spot": "", "usdm": "/market"}
DAY_S = 86_400


async def read(client: ClientConnection, events: Counter[str]) -> None:
    async for _ in client:
        events["read"] += 1


async def main(profile: str) -> None:
    events = Counter[str]()
    async with mockex.serve(profile, seed=7, step_ms=1000) as exchange:
        exchange.time.freeze()
        url = f"{exchange.ws_url}{PATHS[profile]}/stream?streams={'/'.join(STREAMS)}"
        async with connect(url, proxy=None, max_queue=None, compression=None) as client:
            reading = asyncio.create_task(read(client, events))
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            await exchange.time.advance(DAY_S - 1)  # the last second ends the connection
            took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
            reading.cancel()
    print(f"{profile}: a day in {took_s:.1f} s, {cpu_s:.1f} s of the processor; {events['read']}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "spot"))
