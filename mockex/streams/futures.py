"""Streams of usdm about prices and contracts, spelled in the order of the wire: mark prices (usdm
5.2; wire B3, B9), liquidations (5.7; wire A1, A2) and changes of brackets (5.13)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mockex.market.contracts import (
    Bracket,
    bracket_changes,
    delivery_ms,
    onboard_ms,
    settlements,
    status,
)
from mockex.market.draws import between, subject
from mockex.market.executions import Liquidation, LiquidationBuffer
from mockex.market.instruments import Instrument
from mockex.market.prices import Mark, mark, spelled
from mockex.names import Kind, StreamName
from mockex.streams.envelope import Event
from mockex.streams.source import Changes, Feed, Recipe

_MARK_LAG_MS = (0, 4)  # wire B9: "a full second + 0 to 4 ms"
_FORCE_ORDER_LAG_MS = (3, 12)  # wire A2: 1003 to 1012 ms after the trade


def mark_price(i: Instrument, price: Mark, event_ms: int) -> str:
    """`<symbol>@markPrice`, and a row of `!markPrice@arr`."""
    return (
        f'{{"e":"markPriceUpdate","E":{event_ms},"s":"{i.symbol}","p":"{spelled(price.mark)}",'
        f'"ap":"{spelled(price.average)}","P":"{spelled(price.settle)}",'
        f'"i":"{spelled(price.index)}","r":"{spelled(price.funding_rate)}",'
        f'"T":{price.next_funding_ms},"st":{i.universe}}}'
    )


def force_order(i: Instrument, order: Liquidation, event_ms: int, epoch_ms: int) -> str:
    """`<symbol>@forceOrder` and `!forceOrder@arr`: one object, `ps` and `st` in `o` (wire A1)."""
    quantity, average = i.quantity(order.quantity), i.price(order.average)
    return (
        f'{{"e":"forceOrder","E":{event_ms},"o":{{"s":"{i.symbol}","S":"{order.side}",'
        f'"o":"LIMIT","f":"IOC","q":"{quantity}","p":"{i.price(order.limit)}","ap":"{average}",'
        f'"X":"FILLED","l":"{i.quantity(order.last_quantity)}","z":"{quantity}",'
        f'"T":{epoch_ms + order.at_ms},"ps":"{i.pair}","st":{i.universe}}}}}'
    )


def contract_info(i: Instrument, brackets: tuple[Bracket, ...], unix_ms: int, *, pair: bool) -> str:
    """`!contractInfo`: "`bks` only on a bracket change" (usdm 5.13), `ps` or not (wire B16)."""
    rows = ",".join([
        f'{{"bs":{b.number},"bnf":{b.floor},"bnc":{b.cap},"mmr":{b.ratio / 10_000:g},'
        f'"cf":{b.factor},"mi":{b.least_leverage},"ma":{b.most_leverage}}}'
        for b in brackets
    ])  # fmt: skip
    ps = f'"ps":"{i.pair}",' if pair else ""
    bks = f'"bks":[{rows}],' if brackets else ""
    return (
        f'{{"e":"contractInfo","E":{unix_ms},"s":"{i.symbol}",{ps}'
        f'"ct":"{i.contract}","dt":{delivery_ms(i)},"ot":{onboard_ms(i)},'
        f'"cs":"{status(i, unix_ms)}",{bks}"st":{i.universe}}}'
    )


def _mark_row(feed: Feed, instrument: Instrument) -> str:
    """The row of this step: the same in streams of several speeds, and in those of all symbols."""
    key = (Kind.MARK_PRICE, instrument.symbol)
    known = feed.shared.get(key)
    if known is None:
        lag = between(subject(feed.market.seed, "mark price lag"), feed.at_ms, *_MARK_LAG_MS)
        price = mark(feed.market, instrument.symbol, feed.epoch_ms, feed.at_ms)
        known = feed.shared[key] = mark_price(instrument, price, feed.unix_ms + lag)
    return known  # type: ignore[return-value]


class _MarkPrice:
    """`<symbol>@markPrice`, at each period even if nothing changed."""

    symbols = ()  # the price is read from the truth when it is due

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._instrument = feed.instrument(name)

    def publish(self, changes: Changes) -> Iterable[Event]:
        at = self._feed.unix_ms
        return (Event(self._stream, _mark_row(self._feed, self._instrument), at, at),)


class _AllMarkPrices:
    """`!markPrice@arr`: "two frames per period, because TradFi contracts come in a message of their
    own" (usdm 5.2), where there are any."""

    symbols = ()

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text

    def publish(self, changes: Changes) -> Iterator[Event]:
        feed, at = self._feed, self._feed.unix_ms
        for tradifi in (False, True):
            rows = [
                _mark_row(feed, instrument)
                for instrument in feed.market.instruments.values()
                if tradifi == (instrument.contract == "TRADIFI_PERPETUAL")
            ]
            if rows:
                yield Event(self._stream, f"[{','.join(rows)}]", at, at)


class _ForceOrders:
    """`<symbol>@forceOrder` and `!forceOrder@arr`: what a second of each symbol's liquidations
    comes to leaves when that second is over, so every step is looked at."""

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        one = (name.subject.upper(),) if name.subject else None
        self.symbols = one or tuple(feed.market.instruments)
        self._buffers = {s: LiquidationBuffer(feed.market, s, feed.at_ms) for s in self.symbols}

    def publish(self, changes: Changes) -> Iterator[Event]:
        feed = self._feed
        for symbol, buffer in self._buffers.items():
            order = buffer.release(feed.at_ms)
            if order is not None:
                key = subject(feed.market.seed, "liquidation lag", symbol)
                lag = between(key, order.order_id, *_FORCE_ORDER_LAG_MS)
                instrument = feed.market.instruments[symbol]
                text = force_order(instrument, order, feed.unix_ms + lag, feed.epoch_ms)
                yield Event(self._stream, text, order.order_id, order.order_id)
            if symbol in changes and changes[symbol].trades:
                buffer.add(changes[symbol].trades)


class _ContractInfo:
    """`!contractInfo`, as it happens: brackets change, contracts are delivered. Its third reason, a
    listing, never occurs: symbols are the same for a whole run."""

    symbols = ()

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._until_ms = feed.at_ms

    def publish(self, changes: Changes) -> Iterator[Event]:
        feed, after_ms = self._feed, self._until_ms
        self._until_ms = feed.at_ms
        span = (after_ms, feed.at_ms)
        for at_ms, symbol in settlements(feed.market, feed.epoch_ms, *span):
            yield self._event(symbol, (), at_ms)
        for change in bracket_changes(feed.market, *span):
            yield self._event(change.symbol, change.brackets, change.at_ms)

    def _event(self, symbol: str, brackets: tuple[Bracket, ...], at_ms: int) -> Event:
        feed, at = self._feed, self._feed.epoch_ms + at_ms
        pair = feed.profile.contract_info_pair
        text = contract_info(feed.market.instruments[symbol], brackets, at, pair=pair)
        return Event(self._stream, text, at, at)


RECIPES: Mapping[Kind, Recipe] = {
    Kind.MARK_PRICE: Recipe(_MarkPrice, by_clock=True),
    Kind.ALL_MARK_PRICES: Recipe(_AllMarkPrices, by_clock=True),
    Kind.FORCE_ORDER: Recipe(_ForceOrders, every_step=True),
    Kind.ALL_FORCE_ORDERS: Recipe(_ForceOrders, every_step=True),
    Kind.CONTRACT_INFO: Recipe(_ContractInfo),
}
