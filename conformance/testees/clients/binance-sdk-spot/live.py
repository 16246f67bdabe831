"""binance-sdk-spot on every stream that it offers, the way its documentation shows them. It keeps
no books: its pictures are shown as they come, and one book for each symbol is kept here, from its
REST snapshot and its diff stream, by the exchange's documented procedure. What it gets is said on
stdout, one JSON object a line (see `ci/clients.py`)."""

import asyncio
import json
import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_sdk_spot.spot import Spot
from binance_sdk_spot.websocket_streams import models

SYMBOLS = os.environ["MOCKEX_SYMBOLS"].split(",")
FIRST = SYMBOLS[0]
NAME = FIRST.lower()


def say(what: str, **facts: Any) -> None:
    print(json.dumps({"say": what, **facts}), flush=True)


class Book:
    """One book by "How to manage a local order book correctly"."""

    def __init__(self, client: Spot, symbol: str) -> None:
        self._client = client
        self._symbol = symbol
        self._waiting: list[Any] = []
        self._first = asyncio.Event()
        self._id: int | None = None
        self._sides: tuple[dict[float, str], dict[float, str]] = ({}, {})

    def take(self, event: Any) -> None:
        """Steps 1, 4 and 7: keep the event until there is a snapshot, then apply it."""
        say("data", stream=f"{self._symbol.lower()}@depth@100ms")
        if self._id is None:
            self._waiting.append(event)
            self._first.set()
            return
        if event.u <= self._id:
            return
        first_id = event.U
        if first_id > self._id + 1:
            say("problem", text=f"{self._symbol}: {first_id} after {self._id}")
            return
        for side, levels in zip(self._sides, (event.b, event.a), strict=True):
            self._set(side, levels)
        self._id = event.u
        self._show()

    async def begin(self) -> None:
        """Steps 2, 3 and 5: a snapshot that is not older than the first event."""
        await self._first.wait()
        while True:
            answer = await asyncio.to_thread(self._client.rest_api.depth, self._symbol, 5000)
            snapshot = answer.data()
            if snapshot.last_update_id >= self._waiting[0].U:
                break
        for side, levels in zip(self._sides, (snapshot.bids, snapshot.asks), strict=True):
            self._set(side, levels)
        self._id = snapshot.last_update_id
        self._show()
        for event in self._waiting:
            self.take(event)

    def _set(self, side: dict[float, str], levels: list[list[str]]) -> None:
        for price, quantity in levels:
            if float(quantity):
                side[float(price)] = quantity
            else:
                side.pop(float(price), None)

    def _show(self) -> None:
        bids, asks = sorted(self._sides[0].items(), reverse=True), sorted(self._sides[1].items())
        say("book", stream=f"{self._symbol.lower()}@depth@100ms", symbol=self._symbol, id=self._id,
            levels=None, bids=bids, asks=asks)  # fmt: skip


def picture(stream: str, levels: int) -> Callable[[Any], None]:
    """Takes the pictures of a partial book."""

    def take(event: Any) -> None:
        say("data", stream=stream)
        say("book", stream=stream, symbol=FIRST, id=event.last_update_id, levels=levels,
            bids=event.bids, asks=event.asks)  # fmt: skip

    return take


def offers(streams: Any) -> dict[str, Any]:
    """Every stream by its name, with the call that subscribes it."""
    return {
        f"{NAME}@aggTrade": lambda: streams.agg_trade(NAME),
        f"{NAME}@trade": lambda: streams.trade(NAME),
        f"{NAME}@blockTrade": lambda: streams.block_trade(NAME),
        f"{NAME}@miniTicker": lambda: streams.mini_ticker(NAME),
        f"{NAME}@ticker": lambda: streams.ticker(NAME),
        f"{NAME}@bookTicker": lambda: streams.book_ticker(NAME),
        f"{NAME}@avgPrice": lambda: streams.avg_price(NAME),
        f"{NAME}@referencePrice": lambda: streams.reference_price(NAME),
        "!miniTicker@arr": lambda: streams.all_mini_ticker(),
        **{f"!ticker_{w.value}@arr": lambda w=w: streams.all_market_rolling_window_ticker(w.value)
           for w in models.AllMarketRollingWindowTickerWindowSizeEnum},
        **{f"{NAME}@ticker_{w.value}": lambda w=w: streams.rolling_window_ticker(NAME, w.value)
           for w in models.RollingWindowTickerWindowSizeEnum},
        **{f"{NAME}@kline_{i.value}": lambda i=i: streams.kline(NAME, i.value)
           for i in models.KlineIntervalEnum},
        **{f"{NAME}@kline_{i.value}@+08:00": lambda i=i: streams.kline_offset(NAME, i.value)
           for i in models.KlineOffsetIntervalEnum},
        f"{NAME}@depth": lambda: streams.diff_book_depth(NAME),
        **{f"{NAME}@depth{n}": lambda n=n: streams.partial_book_depth(NAME, n)
           for n in ("5", "10", "20")},
        **{f"{NAME}@depth{n}@100ms":
               lambda n=n: streams.partial_book_depth(NAME, n, update_speed="100ms")
           for n in ("5", "10", "20")},
    }  # fmt: skip


CALLS: dict[str, Callable[[Any], Any]] = {
    "ping": lambda rest: rest.ping(),
    "time": lambda rest: rest.time(),
    "exchange_info": lambda rest: rest.exchange_info(),
    "exchange_info(symbol)": lambda rest: rest.exchange_info(symbol=FIRST),
    "exchange_info(symbols)": lambda rest: rest.exchange_info(symbols=SYMBOLS),
    "execution_rules": lambda rest: rest.execution_rules(symbol=FIRST),
    "depth": lambda rest: rest.depth(FIRST, 5),
    "get_trades": lambda rest: rest.get_trades(FIRST, 5),
    "historical_trades": lambda rest: rest.historical_trades(FIRST, 5),
    "historical_block_trades": lambda rest: rest.historical_block_trades(FIRST, 0),
    "agg_trades": lambda rest: rest.agg_trades(FIRST, limit=5),
    "klines": lambda rest: rest.klines(FIRST, "1m", limit=5),
    "ui_klines": lambda rest: rest.ui_klines(FIRST, "1d", time_zone="8"),
    "avg_price": lambda rest: rest.avg_price(FIRST),
    "ticker24hr": lambda rest: rest.ticker24hr(FIRST),
    "ticker24hr(MINI)": lambda rest: rest.ticker24hr(symbols=SYMBOLS, type="MINI"),
    "ticker_trading_day": lambda rest: rest.ticker_trading_day(symbols=SYMBOLS),
    "ticker": lambda rest: rest.ticker(FIRST, window_size="1h"),
    "ticker_price": lambda rest: rest.ticker_price(),
    "ticker_book_ticker": lambda rest: rest.ticker_book_ticker(),
    "reference_price": lambda rest: rest.reference_price(FIRST),
    "reference_price_calculation": lambda rest: rest.reference_price_calculation(FIRST),
}


async def ask(client: Spot) -> None:
    for name, call in CALLS.items():
        try:
            answer = await asyncio.to_thread(lambda call=call: call(client.rest_api).data())
        except Exception as error:  # each call is judged by itself
            say("rest", call=name, error=repr(error)[:300])
        else:
            say("rest", call=name, answer=repr(answer)[:200])


async def main() -> None:
    say("hello", client="binance-sdk-spot", version=version("binance-sdk-spot"))
    client = Spot(
        config_rest_api=ConfigurationRestAPI(base_path=os.environ["MOCKEX_REST_URL"]),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=os.environ["MOCKEX_WS_URL"]),
    )
    streams = await client.websocket_streams.create_connection()
    streams.on_connection("error", lambda error: say("problem", text=repr(error)[:300]))
    wanted = offers(streams)
    say("offers", streams=[*wanted, *(f"{symbol.lower()}@depth@100ms" for symbol in SYMBOLS)])
    say("asks", calls=list(CALLS))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask(client))
        for symbol in SYMBOLS:
            book = Book(client, symbol)
            handle = await streams.diff_book_depth(symbol.lower(), update_speed="100ms")
            handle.on("message", book.take)
            tasks.create_task(book.begin())
        for stream, subscribe in wanted.items():
            handle = await subscribe()
            levels = stream.split("@")[1].removeprefix("depth")
            if levels.isdigit():
                handle.on("message", picture(stream, int(levels)))
            else:
                handle.on("message", lambda _event, stream=stream: say("data", stream=stream))
        await asyncio.Event().wait()


asyncio.run(main())
