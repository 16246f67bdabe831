"""python-binance on every stream that it offers and on its depth caches, the way its documentation
shows them. What it gets is said on stdout, one JSON object a line (see `ci/clients.py`)."""

import asyncio
import json
import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from binance import AsyncClient, BinanceSocketManager
from binance.ws.depthcache import DepthCacheManager, FuturesDepthCacheManager

SYMBOLS = os.environ["MOCKEX_SYMBOLS"].split(",")
FIRST = SYMBOLS[0]
NAME = FIRST.lower()
INTERVALS = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
             "1M"]  # fmt: skip

Offer = tuple[list[str], Callable[[], Any]]  # names of the streams, and what opens their socket


def say(what: str, **facts: Any) -> None:
    print(json.dumps({"say": what, **facts}), flush=True)


def one(name: str, opens: Callable[[], Any]) -> Offer:
    return [name], opens


def many(names: list[str], manager: BinanceSocketManager) -> Offer:
    """For streams without a method of their own: its multiplex sockets take any name."""
    return names, lambda: manager.multiplex_socket(names)


def spot(manager: BinanceSocketManager) -> list[Offer]:
    return [
        one(f"{NAME}@depth", lambda: manager.depth_socket(FIRST)),
        one(f"{NAME}@depth@100ms", lambda: manager.depth_socket(FIRST, interval=100)),
        *(one(f"{NAME}@depth{n}", lambda n=n: manager.depth_socket(FIRST, depth=n))
          for n in ("5", "10", "20")),
        *(one(f"{NAME}@depth{n}@100ms", lambda n=n: manager.depth_socket(FIRST, n, 100))
          for n in ("5", "10", "20")),
        *(one(f"{NAME}@kline_{i}", lambda i=i: manager.kline_socket(FIRST, i))
          for i in ("1s", *INTERVALS)),
        one(f"{NAME}@trade", lambda: manager.trade_socket(FIRST)),
        one(f"{NAME}@aggTrade", lambda: manager.aggtrade_socket(FIRST)),
        one(f"{NAME}@miniTicker", lambda: manager.symbol_miniticker_socket(FIRST)),
        one(f"{NAME}@ticker", lambda: manager.symbol_ticker_socket(FIRST)),
        one(f"{NAME}@bookTicker", lambda: manager.symbol_book_ticker_socket(FIRST)),
        many(["!miniTicker@arr", "!ticker_1h@arr", "!ticker_4h@arr", "!ticker_1d@arr"], manager),
        many([f"{NAME}@{what}" for what in ("ticker_1h", "ticker_4h", "ticker_1d", "avgPrice",
              "referencePrice", "blockTrade", "kline_1m@+08:00", "kline_1d@+08:00")], manager),
    ]  # fmt: skip


def usdm(manager: BinanceSocketManager) -> list[Offer]:
    on_market = [
        *(f"{NAME}@kline_{interval}" for interval in INTERVALS),
        *(f"{NAME}@{what}" for what in ("miniTicker", "forceOrder", "markPrice")),
        *(f"!{what}@arr" for what in ("miniTicker", "forceOrder", "markPrice", "assetIndex")),
        "!contractInfo",
        "tradingSession",
        "ethusd@assetIndex",
        "indexusdt@compositeIndex",
        "domusdt@compositeIndex",
    ]
    on_public = [
        *(f"{NAME}@{what}" for what in ("depth", "depth@500ms", "depth@100ms", "depth@0ms")),
        *(f"{NAME}@depth{n}@{speed}ms" for n in (5, 10, 20) for speed in (100, 500)),
        f"{NAME}@trade",
    ]
    return [
        *(one(f"{NAME}@depth{n}", lambda n=n: manager.futures_depth_socket(FIRST, n))
          for n in ("5", "10", "20")),
        one(f"{NAME}@rpiDepth@500ms", lambda: manager.futures_rpi_depth_socket(FIRST)),
        *(one(f"{NAME}_perpetual@continuousKline_{i}",
              lambda i=i: manager.kline_futures_socket(FIRST, i)) for i in ("1m", "1h", "1d")),
        one(f"{NAME}@aggTrade", lambda: manager.aggtrade_futures_socket(FIRST)),
        one(f"{NAME}@markPrice@1s", lambda: manager.symbol_mark_price_socket(FIRST)),
        one("!markPrice@arr@1s", lambda: manager.all_mark_price_socket()),
        one(f"{NAME}@bookTicker", lambda: manager.symbol_ticker_futures_socket(FIRST)),
        one(f"{NAME}@ticker", lambda: manager.individual_symbol_ticker_futures_socket(FIRST)),
        one("!bookTicker", lambda: manager.all_ticker_futures_socket()),
        one("!ticker@arr", lambda: manager.futures_ticker_socket()),
        (on_market, lambda: manager.futures_multiplex_socket(on_market)),
        (on_public, lambda: manager.futures_multiplex_socket(on_public, category="public")),
    ]  # fmt: skip


async def listen(offer: Offer) -> None:
    names, opens = offer
    async with opens() as socket:
        while True:
            message = await socket.recv()
            if isinstance(message, dict) and message.get("e") == "error":
                say("problem", text=f"{names[0]}: {message}")
            elif isinstance(message, dict) and "stream" in message:
                say("data", stream=message["stream"])
            else:
                say("data", stream=names[0])


async def keep_book(manager: Any, stream: str, symbol: str, levels: int | None) -> None:
    """A depth cache does not show its update id, only the time of its last event."""
    async with manager as cache:
        while True:
            book = await cache.recv()
            say("book", stream=stream, symbol=symbol, at=book.update_time, levels=levels,
                bids=book.get_bids(), asks=book.get_asks())  # fmt: skip


async def ask(client: AsyncClient, calls: dict[str, dict[str, Any]]) -> None:
    for call, arguments in calls.items():
        try:
            answer = await getattr(client, call)(**arguments)
        except Exception as error:  # each call is judged by itself
            say("rest", call=call, error=repr(error))
        else:
            say("rest", call=call, items=len(answer))


S = {"symbol": FIRST}
K = {**S, "interval": "1m", "limit": 5}
SPOT_CALLS: dict[str, dict[str, Any]] = {
    "get_exchange_info": {}, "get_symbol_info": S, "get_order_book": S, "get_recent_trades": S,
    "get_historical_trades": S, "get_aggregate_trades": S, "get_klines": K, "get_ui_klines": K,
    "get_avg_price": S, "get_ticker": {}, "get_all_tickers": {}, "get_symbol_ticker": S,
    "get_orderbook_tickers": {}, "get_orderbook_ticker": S,
    "get_symbol_ticker_window": S,
}  # fmt: skip
USDM_CALLS: dict[str, dict[str, Any]] = {
    "futures_ping": {}, "futures_time": {}, "futures_exchange_info": {}, "futures_order_book": S,
    "futures_recent_trades": S, "futures_aggregate_trades": S, "futures_klines": K,
    "futures_continuous_klines": {"pair": FIRST, "contractType": "PERPETUAL", "interval": "1m"},
    "futures_mark_price": S, "futures_funding_rate": S, "futures_ticker": {},
    "futures_symbol_ticker": {}, "futures_orderbook_ticker": {}, "futures_open_interest": S,
}  # fmt: skip


async def main() -> None:
    AsyncClient.API_URL = os.environ["MOCKEX_REST_URL"] + "/api"
    AsyncClient.FUTURES_URL = os.environ["MOCKEX_REST_URL"] + "/fapi"
    BinanceSocketManager.STREAM_URL = os.environ["MOCKEX_WS_URL"] + "/"
    BinanceSocketManager.FSTREAM_URL = os.environ["MOCKEX_WS_URL"] + "/"
    say("hello", client="python-binance", version=version("python-binance"))
    is_spot = os.environ["MOCKEX_PROFILE"] == "spot"
    # `create` pings the REST API of spot, which an exchange for futures does not have.
    client = await AsyncClient.create() if is_spot else AsyncClient()
    manager = BinanceSocketManager(client)
    offers = spot(manager) if is_spot else usdm(manager)
    say("offers", streams=[name for names, _ in offers for name in names])
    calls = SPOT_CALLS if is_spot else USDM_CALLS
    say("asks", calls=list(calls))
    async with asyncio.TaskGroup() as tasks:
        for symbol in SYMBOLS:
            low = symbol.lower()
            if is_spot:
                fast = DepthCacheManager(client, symbol, ws_interval=100)
                slow = DepthCacheManager(client, symbol)
                tasks.create_task(keep_book(fast, f"{low}@depth@100ms", symbol, None))
                tasks.create_task(keep_book(slow, f"{low}@depth", symbol, None))
            else:
                pictures = FuturesDepthCacheManager(client, symbol)
                tasks.create_task(keep_book(pictures, f"{low}@depth10", symbol, 10))
        for offer in offers:
            tasks.create_task(listen(offer))
        tasks.create_task(ask(client, calls))


asyncio.run(main())
