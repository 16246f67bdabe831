"""python-binance holding the streams of MOCKEX_STREAMS, the way its documentation shows it.

The library reconnects by itself. When it has given up, `recv` raises; this program mends nothing
and ends with that exception, so that it is seen.
"""

import asyncio
import os

from binance import AsyncClient, BinanceSocketManager


def category(stream: str) -> str:
    """The route of USDⓈ-M futures that carries a stream."""
    return "public" if "@depth" in stream or stream.endswith("@bookTicker") else "market"


async def listen(socket) -> None:
    async with socket as stream:
        while True:
            message = await stream.recv()
            if message.get("e") == "error":
                print(message, flush=True)


async def main() -> None:
    # Both are templates with a place for the top-level domain, which ours does not have.
    BinanceSocketManager.STREAM_URL = os.environ["MOCKEX_WS_URL"] + "/"
    BinanceSocketManager.FSTREAM_URL = os.environ["MOCKEX_WS_URL"] + "/"
    client = AsyncClient()  # not `create`, which calls the REST API of spot first
    manager = BinanceSocketManager(client)
    streams = os.environ["MOCKEX_STREAMS"].split(",")
    if os.environ["MOCKEX_PROFILE"] == "spot":
        sockets = [manager.multiplex_socket(streams)]
    else:
        routes: dict[str, list[str]] = {}
        for stream in streams:
            routes.setdefault(category(stream), []).append(stream)
        sockets = [
            manager.futures_multiplex_socket(names, category=route)
            for route, names in routes.items()
        ]
    await asyncio.gather(*(listen(socket) for socket in sockets))


asyncio.run(main())
