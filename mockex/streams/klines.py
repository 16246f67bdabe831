"""Klines, spelled (spot 5.4; usdm 5.3, 5.4; wire B1, B2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockex.market.bars import Bar, bounds, growing
from mockex.market.executions import market_trades
from mockex.market.instruments import Instrument
from mockex.names import Kind, StreamName
from mockex.profile import Profile
from mockex.streams.envelope import Event
from mockex.streams.source import Changes, Feed, Recipe


def _bar(
    i: Instrument,
    bar: Bar,
    interval: str,
    ids: tuple[int, int],
    *,
    closed: bool,
    decimals: int,
    symbol: str = "",
    comma: str = ",",
) -> str:
    """The object `k`. `ids` are `f` and `L`; `decimals` those of quote volumes; without a `symbol`
    it has no `s`."""
    members = [f'"t":{bar.open_ms}', f'"T":{bar.close_ms}']
    if symbol:
        members.append(f'"s":"{symbol}"')
    members += [
        f'"i":"{interval}"',
        f'"f":{ids[0]}',
        f'"L":{ids[1]}',
        f'"o":"{i.price(bar.open)}"',
        f'"c":"{i.price(bar.close)}"',
        f'"h":"{i.price(bar.high)}"',
        f'"l":"{i.price(bar.low)}"',
        f'"v":"{i.quantity(bar.volume)}"',
        f'"n":{bar.count}',
        f'"x":{"true" if closed else "false"}',
        f'"q":"{i.amount(bar.quote, decimals)}"',
        f'"V":"{i.quantity(bar.taker_volume)}"',
        f'"Q":"{i.amount(bar.taker_quote, decimals)}"',
        '"B":"0"',
    ]
    return "{" + comma.join(members) + "}"


def kline(
    profile: Profile,
    i: Instrument,
    interval: str,
    bar: Bar,
    ids: tuple[int, int],
    event_ms: int,
    *,
    closed: bool,
) -> str:
    """`<symbol>@kline_<interval>`: `ids` are trade ids. On usdm there are "spaces after the commas
    inside `k`, and nowhere else" (wire B2)."""
    k = _bar(
        i,
        bar,
        interval,
        ids,
        closed=closed,
        decimals=quote_decimals(profile, i),
        symbol=i.symbol,
        comma=", " if profile.name == "usdm" else ",",
    )
    return f'{{"e":"kline","E":{event_ms},"s":"{i.symbol}","k":{k}}}'


def continuous_kline(
    profile: Profile,
    i: Instrument,
    interval: str,
    bar: Bar,
    ids: tuple[int, int],
    event_ms: int,
    *,
    closed: bool,
) -> str:
    """`<pair>_<contractType>@continuousKline_<interval>`: `ids` are update ids."""
    k = _bar(i, bar, interval, ids, closed=closed, decimals=quote_decimals(profile, i))
    return f'{{"e":"continuous_kline","E":{event_ms},"ps":"{i.pair}","ct":"{i.contract}","k":{k}}}'


def quote_decimals(profile: Profile, i: Instrument) -> int:
    """Of a bar's quote volumes: 8 on spot, on usdm "price + quantity decimals" (wire B1)."""
    return i.price_decimals if profile.eight_decimals else i.price_decimals + i.quantity_decimals


def _offset_min(offset: str) -> int:
    """Minutes east of UTC of `+08:00`; 0 of nothing."""
    if not offset:
        return 0
    hours, minutes = offset[1:].split(":")
    return (int(hours) * 60 + int(minutes)) * (-1 if offset[0] == "-" else 1)


class _Kline:
    """One bar after the other: an event at each due step at which the open bar has changed, and one
    with `x` that closes each bar, at the first due step after its end (spot 5.4, I)."""

    _text = staticmethod(kline)

    def __init__(self, feed: Feed, name: StreamName, period_ms: int) -> None:
        self._feed = feed
        self._name = name
        self._instrument = self._find(feed, name)
        self._symbol = self._instrument.symbol
        self.symbols = (self._symbol,)
        self._offset_min = _offset_min(name.offset)
        sent_ms = feed.epoch_ms + max(0, feed.last_due_ms(period_ms))
        self._begin(sent_ms, sent_ms)

    def _find(self, feed: Feed, name: StreamName) -> Instrument:
        return feed.instrument(name)

    def _begin(self, unix_ms: int, sent_ms: int) -> None:
        """The bar that holds `unix_ms`. What happened until `sent_ms` has been sent."""
        feed = self._feed
        limits = bounds(self._name.option, unix_ms, self._offset_min)
        self._bar, self._next = growing(feed.market, self._symbol, feed.epoch_ms, sent_ms, limits)
        self._sent = self._state(sent_ms)

    def _grow(self, unix_ms: int) -> None:
        trades = market_trades(self._feed.market, self._symbol)
        until_ms = min(unix_ms, self._bar.close_ms) - self._feed.epoch_ms
        while self._next < len(trades) and trades[self._next].at_ms <= until_ms:
            self._bar.trade(trades[self._next])
            self._next += 1

    def publish(self, changes: Changes) -> Iterable[Event]:
        feed = self._feed
        if feed.market.kind == "frozen":
            return ()  # nothing changes, and no bar ends
        now = feed.unix_ms
        events: list[Event] = []
        while now > self._bar.close_ms:
            self._grow(now)
            events += [self._event(now, closed=True)] * feed.profile.kline_closings
            self._begin(self._bar.close_ms + 1, self._bar.close_ms)
        self._grow(now)
        state = self._state(now)
        if state != self._sent or not feed.profile.silent_when_unchanged:
            self._sent = state
            events.append(self._event(now, closed=False))
        return events

    def _event(self, unix_ms: int, *, closed: bool) -> Event:
        bar = self._bar.bar()
        event_ms = unix_ms + self._feed.profile.kline_lag_ms
        text = self._text(
            self._feed.profile,
            self._instrument,
            self._name.option,
            bar,
            self._ids(bar, unix_ms),
            event_ms,
            closed=closed,
        )
        ids = (bar.first_id, bar.last_id) if bar.count else (unix_ms, unix_ms)
        return Event(self._name.text, text, *ids)

    def _state(self, unix_ms: int) -> object:
        """What is another if the open bar has changed."""
        return self._bar.count

    def _ids(self, bar: Bar, unix_ms: int) -> tuple[int, int]:
        """`f` and `L`."""
        return bar.first_id, bar.last_id


class _ContinuousKline(_Kline):
    """The same with update ids, which change when no trade is made."""

    _text = staticmethod(continuous_kline)

    def _find(self, feed: Feed, name: StreamName) -> Instrument:
        found = _contract(feed, name)
        assert found is not None
        return found

    def _updates(self, unix_ms: int) -> tuple[int, int]:
        """First and last update id of the bar until now; -1 if there was no update (I)."""
        truth, epoch_ms = self._feed.truth, self._feed.epoch_ms
        before = truth.id_at(self._symbol, self._bar.open_ms - epoch_ms - 1)
        last = truth.id_at(self._symbol, min(unix_ms, self._bar.close_ms) - epoch_ms)
        first = truth.first_id_after(self._symbol, before)
        return (first, last) if first is not None and first <= last else (-1, -1)

    def _state(self, unix_ms: int) -> object:
        return self._bar.count, self._updates(unix_ms)

    def _ids(self, bar: Bar, unix_ms: int) -> tuple[int, int]:
        return self._updates(unix_ms)


def _contract(feed: Feed, name: StreamName) -> Instrument | None:
    """The contract of this type on the pair; a pair has the one or ones that are traded here."""
    return next(
        (
            i
            for i in feed.market.instruments.values()
            if (i.universe, i.pair.lower(), i.contract.lower()) == (1, name.subject, name.contract)
        ),
        None,
    )


RECIPES: Mapping[Kind, Recipe] = {
    Kind.KLINE: Recipe(_Kline),
    Kind.CONTINUOUS_KLINE: Recipe(
        _ContinuousKline, knows=lambda feed, name: _contract(feed, name) is not None
    ),
}
