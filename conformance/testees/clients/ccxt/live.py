"""ccxt on every public stream that its `watch` methods offer, the way its manual shows them. What
it gets is said on stdout, one JSON object a line (see `ci/clients.py`)."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro

IS_SPOT = os.environ["MOCKEX_PROFILE"] == "spot"
WS, REST = os.environ["MOCKEX_WS_URL"], os.environ["MOCKEX_REST_URL"]
IDS = os.environ["MOCKEX_SYMBOLS"].split(",")
NAME = IDS[0].lower()
TIMEFRAMES = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
              "1M", *(["1s"] if IS_SPOT else [])]  # fmt: skip

Next = Callable[[], Awaitable[Any]]  # waits for the next event of one stream


def say(what: str, **facts: Any) -> None:
    print(json.dumps({"say": what, **facts}), flush=True)


def exchange() -> Any:
    """The client, told where the exchange is by its `urls`."""
    if IS_SPOT:
        return ccxt.pro.binance({
            "urls": {"api": {"public": REST + "/api/v3", "ws": {"spot": WS + "/ws"}}},
            # else it asks the hosts of futures as well
            "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
        })  # fmt: skip
    return ccxt.pro.binanceusdm({
        "urls": {"api": {
            "fapiPublic": REST + "/fapi/v1",
            "fapiPublicV2": REST + "/fapi/v2",
            "ws": {"linear": WS + "/ws"},
        }},
        "options": {"fetchMarkets": {"types": ["linear"]}},
    })  # fmt: skip


def common(client: Any, symbol: str) -> dict[str, Next]:
    """Streams that both products have."""
    return {
        f"{NAME}@trade": lambda: client.watch_trades(symbol),
        f"{NAME}@aggTrade": lambda: client.watch_trades(symbol, params={"name": "aggTrade"}),
        f"{NAME}@ticker": lambda: client.watch_ticker(symbol),
        f"{NAME}@miniTicker": lambda: client.watch_ticker(symbol, {"name": "miniTicker"}),
        f"{NAME}@bookTicker": lambda: client.watch_bids_asks([symbol]),
        "!miniTicker@arr": lambda: client.watch_tickers(),
    }


def spot(client: Any, symbol: str) -> dict[str, Next]:
    eastern = {"timezone": "+08:00"}
    return common(client, symbol) | {
        f"{NAME}@kline_1m@+08:00": lambda: client.watch_ohlcv(symbol, "1m", params=eastern),
        **{f"{NAME}@ticker_{w}": lambda w=w: client.watch_ticker(symbol, {"name": f"ticker_{w}"})
           for w in ("1h", "4h", "1d")},
        **{f"!ticker_{w}@arr": lambda w=w: client.watch_tickers(None, {"name": f"ticker_{w}"})
           for w in ("1h", "4h", "1d")},
    }  # fmt: skip


def usdm(client: Any, symbol: str) -> dict[str, Next]:
    return common(client, symbol) | {
        "!bookTicker": lambda: client.watch_bids_asks(),
        "!ticker@arr": lambda: client.watch_tickers(None, {"name": "ticker"}),
        f"{NAME}@markPrice@1s": lambda: client.watch_mark_price(symbol),
        f"{NAME}@markPrice": lambda: client.watch_mark_price(symbol, {"use1sFreq": False}),
        "!markPrice@arr@1s": lambda: client.watch_mark_prices(),
        f"{NAME}@forceOrder": lambda: client.watch_liquidations(symbol),
        "!forceOrder@arr": lambda: client.watch_liquidations_for_symbols([]),
    }


async def listen(stream: str, next_event: Next, take: Callable[[Any], object] = id) -> None:
    """Its loops are to be written like this, by its manual."""
    begun = False
    while True:
        try:
            event = await next_event()
        except ccxt.ChecksumError as error:
            # The snapshot is older than the first event: "you can … call watchOrderBook again".
            say("problem" if begun else "note", text=f"{stream}: {error!r}"[:300])
            await asyncio.sleep(1)
        except Exception as error:
            say("problem", text=f"{stream}: {error!r}"[:300])
            await asyncio.sleep(1)
        else:
            begun = True
            say("data", stream=stream)
            take(event)


async def listen_to_klines(client: Any, symbol: str) -> None:
    """All are asked for in one request: sixteen calls at once are sixteen on one connection, which
    closes it."""
    await client.watch_ohlcv_for_symbols([[symbol, timeframe] for timeframe in TIMEFRAMES])
    async with asyncio.TaskGroup() as tasks:
        for t in TIMEFRAMES:
            tasks.create_task(
                listen(f"{NAME}@kline_{t}", lambda t=t: client.watch_ohlcv(symbol, t))
            )


async def keep_book(client: Any, symbol: str, market_id: str) -> None:
    stream = f"{market_id.lower()}@depth@100ms"

    def show(book: Any) -> None:
        say("book", stream=stream, symbol=market_id, id=book["nonce"], levels=None,
            bids=book["bids"], asks=book["asks"])  # fmt: skip

    await listen(stream, lambda: client.watch_order_book(symbol), show)


async def ask(client: Any, symbol: str) -> None:
    calls: dict[str, Next] = {
        "fetch_time": lambda: client.fetch_time(),
        "fetch_order_book": lambda: client.fetch_order_book(symbol, 100),
        "fetch_trades": lambda: client.fetch_trades(symbol, limit=5),
        "fetch_ticker": lambda: client.fetch_ticker(symbol),
        "fetch_tickers": lambda: client.fetch_tickers(),
        "fetch_last_prices": lambda: client.fetch_last_prices(),
        "fetch_bids_asks": lambda: client.fetch_bids_asks(),
        "fetch_ohlcv": lambda: client.fetch_ohlcv(symbol, "1m", limit=5),
    }
    if not IS_SPOT:
        calls |= {
            "fetch_funding_rate": lambda: client.fetch_funding_rate(symbol),
            "fetch_funding_rates": lambda: client.fetch_funding_rates(),
            "fetch_funding_rate_history": lambda: client.fetch_funding_rate_history(symbol),
            "fetch_open_interest": lambda: client.fetch_open_interest(symbol),
            "fetch_mark_ohlcv": lambda: client.fetch_mark_ohlcv(symbol, "1m", limit=5),
        }
    say("asks", calls=["load_markets", *calls])
    say("rest", call="load_markets", items=len(client.markets))
    for name, call in calls.items():
        try:
            answer = await call()
        except Exception as error:  # each call is judged by itself
            say("rest", call=name, error=repr(error)[:300])
        else:
            say("rest", call=name, answer=repr(answer)[:200])


async def main() -> None:
    say("hello", client="ccxt", version=ccxt.__version__)
    client, other = exchange(), exchange()  # one keeps one book of a symbol: `other` that with RPI
    try:
        await client.load_markets()
        symbols = {market_id: client.safe_symbol(market_id) for market_id in IDS}
        first = symbols[IDS[0]]
        streams = spot(client, first) if IS_SPOT else usdm(client, first)
        klines = [f"{NAME}@kline_{timeframe}" for timeframe in TIMEFRAMES]
        if not IS_SPOT:
            rpi = {"rpi": True}
            streams[f"{NAME}@rpiDepth@500ms"] = lambda: other.watch_order_book(first, params=rpi)
        say("offers", streams=[*streams, *klines, *(f"{i.lower()}@depth@100ms" for i in IDS)])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen_to_klines(client, first))
            for market_id, symbol in symbols.items():
                tasks.create_task(keep_book(client, symbol, market_id))
            for stream, next_event in streams.items():
                tasks.create_task(listen(stream, next_event))
            tasks.create_task(ask(client, first))
    finally:
        await client.close()
        await other.close()


asyncio.run(main())
