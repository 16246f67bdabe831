"""Tickers and the average price, against the trades that are sent beside them."""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.instruments import Instrument
from mockex.market.windows import Window
from mockex.names import parse
from mockex.profile import SPOT, USDM, Profile
from mockex.streams import tickers
from tests.streams.stepping import EPOCH_MS, SYMBOL, Sent, Stepped

BOTH = pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
MINUTE_MS = 60_000
DAY_MS = 86_400_000
AT = EPOCH_MS + 1000


def abc(decimals: int) -> Instrument:
    tick = 10 ** (decimals - 2)
    return Instrument("ABCUSDT", decimals, decimals, tick, tick, 1234, "ABC", "USDT", "ABCUSDT")


def a_window(opens: int, closes: int) -> Window:
    """The window of the specification's examples."""
    return Window(
        opens, closes, 1190, 1280, 1170, 1236, 9_021_000, 11_041_704_000, 9008, 100, 9107, 200, 1189
    )  # fmt: skip


DAY = a_window(AT - DAY_MS, AT)


@pytest.mark.rule("spot-5.5")
def test_a_spot_mini_ticker_is_spelled_as_the_exchange_spells_it() -> None:
    assert tickers.spot_mini_ticker(abc(8), DAY, AT) == (
        '{"e":"24hrMiniTicker","E":1780272001000,"s":"ABCUSDT","c":"12.36000000",'
        '"o":"11.90000000","h":"12.80000000","l":"11.70000000","v":"90210.00000000",'
        '"q":"1104170.40000000"}'
    )


@pytest.mark.rule("spot-5.6", "spot-5.0.2")
def test_a_spot_ticker_is_spelled_as_the_exchange_spells_it() -> None:
    assert tickers.spot_ticker(abc(8), DAY, AT, (1235, 4000, 1236, 1500)) == (
        '{"e":"24hrTicker","E":1780272001000,"s":"ABCUSDT","p":"0.46000000","P":"3.866",'
        '"w":"12.24000000","x":"11.89000000","c":"12.36000000","Q":"2.00000000",'
        '"b":"12.35000000","B":"40.00000000","a":"12.36000000","A":"15.00000000",'
        '"o":"11.90000000","h":"12.80000000","l":"11.70000000","v":"90210.00000000",'
        '"q":"1104170.40000000","O":1780185601000,"C":1780272001000,"F":100,"L":9107,"n":9008}'
    )


@pytest.mark.rule("spot-5.7", "spot-5.7.1", "wire-B3")
@pytest.mark.parametrize("option", ["1h", "4h", "1d"])
def test_a_window_ticker_has_w_before_o(option: str) -> None:
    hour = Window(
        1780268400000, AT, 1226, 1240, 1220, 1236, 310_000, 381_610_000, 308, 8800, 9107, 1, 1
    )
    assert tickers.window_ticker(abc(8), hour, AT, option) == (
        f'{{"e":"{option}Ticker",'
        '"E":1780272001000,"s":"ABCUSDT","p":"0.10000000","P":"0.816","w":"12.31000000",'
        '"o":"12.26000000","h":"12.40000000","l":"12.20000000","c":"12.36000000",'
        '"v":"3100.00000000","q":"38161.00000000","O":1780268400000,"C":1780272001000,"F":8800,'
        '"L":9107,"n":308}'
    )


@pytest.mark.rule("spot-5.9")
def test_an_average_price_is_spelled_as_the_exchange_spells_it() -> None:
    text = tickers.avg_price(abc(8), DAY, AT, EPOCH_MS + 100, "5m")
    assert text == (
        '{"e":"avgPrice","E":1780272001000,"s":"ABCUSDT","i":"5m","w":"12.24000000",'
        '"T":1780272000100}'
    )


@pytest.mark.rule("usdm-5.5", "usdm-5.0.24", "usdm-5.0.25", "wire-B1", "wire-B3")
def test_a_usdm_mini_ticker_has_pair_and_universe_where_the_wire_has_them() -> None:
    assert tickers.usdm_mini_ticker(abc(2), DAY, AT) == (
        '{"e":"24hrMiniTicker","E":1780272001000,"s":"ABCUSDT","ps":"ABCUSDT","c":"12.36",'
        '"o":"11.90","h":"12.80","l":"11.70","v":"90210.00","q":"1104170.40","st":1}'
    )


@pytest.mark.rule("usdm-5.6", "usdm-5.0.24", "usdm-5.0.25", "usdm-5.0.27", "wire-B1", "wire-B3")
def test_a_usdm_ticker_has_no_book_and_the_order_of_the_wire() -> None:
    assert tickers.usdm_ticker(abc(2), a_window(1780185600000, 1780272001990), AT + 1000) == (
        '{"e":"24hrTicker","E":1780272002000,"s":"ABCUSDT","ps":"ABCUSDT","p":"0.46","P":"3.866",'
        '"w":"12.24","c":"12.36","Q":"2.00","o":"11.90","h":"12.80","l":"11.70","v":"90210.00",'
        '"q":"1104170.40","O":1780185600000,"C":1780272001990,"F":100,"L":9107,"n":9008,"st":1}'
    )


def test_a_coin_margined_row_counts_contracts_and_the_asset_they_are_worth() -> None:
    btc = Instrument("BTCUSD_PERP", 1, 0, 1, 1, 860_000, "BTC", "USD", "BTCUSD", universe=2)
    quiet = Window(0, 1, 5, 5, 5, 5, 0, 0, 0, -1, -1, 3, 5)
    w = Window(
        0, 1, 859_737, 866_647, 849_114, 861_378, 7_354_554, 6_301_225_562_290, 2, 1, 2, 4, 1
    )
    assert tickers.average(btc, w) == "85677.87471939"
    assert tickers.quote_volume(btc, w) == "8584.0", "of 100 USD each"
    assert (tickers.average(btc, quiet), tickers.quote_volume(btc, quiet)) == ("0.50000000", "0.0")


def test_a_falling_price_has_a_sign() -> None:
    falling = Window(0, 1, 1280, 1280, 1170, 1236, 1, 1236, 1, 1, 1, 1, 1)
    said = tickers.spot_ticker(abc(8), falling, 1, (1, 1, 2, 1))
    assert '"p":"-0.44000000","P":"-3.438"' in said


class Listener:
    """Hears the trades of all symbols and adds up on its own what a ticker must say."""

    def __init__(self) -> None:
        self.trades: dict[str, list[Any]] = defaultdict(list)

    def hear(self, sent: Sent) -> None:
        if sent.payload["e"] == "trade" and sent.payload.get("X") != "NA":
            self.trades[sent.payload["s"]].append(sent.payload)

    def ticker(self, said: Any, decimals: int) -> dict[str, Any]:
        """Of the window that is said, in the words of a full ticker."""
        trades = self.trades[said["s"]]
        inside = [t for t in trades if said["O"] <= t["T"] <= said["C"]]
        prices = [Decimal(t["p"]) for t in inside]
        volume = sum((Decimal(t["q"]) for t in inside), Decimal(0))
        quote = sum((Decimal(t["q"]) * Decimal(t["p"]) for t in inside), Decimal(0))
        change = prices[-1] - prices[0]
        unit = Decimal(1).scaleb(-decimals)
        return {
            "p": change,
            "P": (change * 100 / prices[0]).quantize(Decimal("0.001"), ROUND_HALF_UP),
            "w": (quote / volume).quantize(unit, ROUND_HALF_UP),
            "c": prices[-1],
            "Q": Decimal(inside[-1]["q"]),
            "o": prices[0],
            "h": max(prices),
            "l": min(prices),
            "v": volume,
            "q": quote.quantize(unit, ROUND_HALF_UP),
            "F": inside[0]["t"],
            "L": inside[-1]["t"],
            "n": len(inside),
        }


def spoken(said: Any, keys: set[str]) -> dict[str, Any]:
    return {k: Decimal(said[k]) if isinstance(said[k], str) else said[k] for k in keys}


@pytest.mark.rule(
    "spot-5.5.1", "spot-5.6", "spot-5.7.2", "usdm-5.5", "usdm-5.6", "wire-B9", "wire-B10"
)
@settings(max_examples=30, deadline=None)
@given(
    profile=st.sampled_from([SPOT, USDM]),
    seed=st.integers(0, 1000),
    step_ms=st.sampled_from([50, 100, 1000]),
    epoch_ms=st.sampled_from([0, 1000, 41_000]).map(EPOCH_MS.__add__),
)
def test_a_ticker_says_what_the_trades_of_its_window_add_up_to(
    profile: Profile, seed: int, step_ms: int, epoch_ms: int
) -> None:
    exchange = Stepped(profile, seed=seed, step_ms=step_ms, epoch_ms=epoch_ms)
    streams = ["ethusdc@miniTicker", "ethusdc@ticker"]
    if profile is SPOT:
        streams += [f"ethusdc@ticker_{window}" for window in ("1h", "4h", "1d")]
    listener, heard = Listener(), set()
    times: dict[int, Any] = {}
    minis: dict[int, Any] = {}
    for sent in exchange.run(12_000, "ethusdc@trade", *streams):
        said = sent.payload
        listener.hear(sent)
        if said["e"] == "trade":
            continue
        heard.add(said["e"])
        if said["e"] == "24hrMiniTicker":
            minis[said["E"]] = said
            continue
        assert said["C"] == sent.at_ms
        expected = listener.ticker(said, 8 if profile is SPOT else 2)
        keys = set(expected) & said.keys()
        assert spoken(said, keys) == {k: expected[k] for k in keys}
        if said["e"] == "24hrTicker":
            times[said["E"]] = said
    assert len(heard) == (len(streams) if listener.trades else 0)
    for at, mini in minis.items():
        shared = {"s", "c", "o", "h", "l", "v", "q"}
        # A full ticker of spot is sent when the book changes, too.
        assert {k: mini[k] for k in shared} == {k: times[at][k] for k in shared}


@pytest.mark.rule("spot-5.5.1", "spot-5.6.1", "usdm-5.6", "wire-B9", "wire-B10")
@BOTH
def test_trades_leave_the_window_after_a_day(profile: Profile) -> None:
    counted = profile.with_(excluded_trades=0)
    exchange = Stepped(counted, step_ms=1000, epoch_ms=EPOCH_MS + 17_000)
    exchange.skip(DAY_MS + 120_000)
    listener = Listener()
    i = exchange.market.instruments[SYMBOL]
    listener.trades[SYMBOL] = [
        {"t": t.trade_id, "p": i.price(t.price), "q": i.quantity(t.quantity), "T": unix_ms}
        for t in exchange.trades()
        if (unix_ms := exchange.epoch_ms + t.at_ms)
    ]
    for sent in exchange.run(4_000, "ethusdc@trade", "ethusdc@ticker"):
        said = sent.payload
        listener.hear(sent)
        if said["e"] == "trade":
            continue
        wider = said["C"] - said["O"] - DAY_MS
        assert wider == (0 if profile is SPOT else said["C"] % MINUTE_MS)
        expected = listener.ticker(said, 8 if profile is SPOT else 2)
        assert spoken(said, set(expected)) == expected
        assert said["F"] > listener.trades[SYMBOL][0]["t"]
        if profile is SPOT:
            assert said["n"] == said["L"] - said["F"] + 1
            before = [t for t in listener.trades[SYMBOL] if t["T"] < said["O"]]
            assert said["x"] == before[-1]["p"]


@pytest.mark.rule("spot-5.6")
def test_a_spot_ticker_has_the_top_of_the_book_and_is_sent_when_that_changes() -> None:
    exchange = Stepped(SPOT)
    market, tops = exchange.market, []
    i = market.instruments[SYMBOL]
    for sent in exchange.run(20_000, "ethusdc@ticker"):
        said = sent.payload
        bid, bid_quantity, ask, ask_quantity = market.top(SYMBOL)
        assert (said["b"], said["B"]) == (i.price(bid), i.quantity(bid_quantity))
        assert (said["a"], said["A"]) == (i.price(ask), i.quantity(ask_quantity))
        tops.append(said["b"] + said["B"] + said["a"] + said["A"] + str(said["n"]))
    assert len(tops) == len(set(tops)) > 15


ARRAYS = [
    (SPOT, "!miniTicker@arr", "miniTicker"),
    (SPOT, "!ticker_1h@arr", "ticker_1h"),
    (SPOT, "!ticker_4h@arr", "ticker_4h"),
    (SPOT, "!ticker_1d@arr", "ticker_1d"),
    (USDM, "!miniTicker@arr", "miniTicker"),
    (USDM, "!ticker@arr", "ticker"),
]


@pytest.mark.rule(
    "spot-5.0.9", "spot-5.0.12", "spot-5.0.21", "usdm-5.0.13", "usdm-5.0.15", "usdm-5.0.26"
)
@settings(max_examples=30, deadline=None)
@given(st.sampled_from(ARRAYS), st.integers(0, 1000))
def test_an_array_holds_the_tickers_of_the_symbols_that_changed(
    array: tuple[Profile, str, str], seed: int
) -> None:
    profile, name, single = array
    exchange = Stepped(profile, seed=seed, step_ms=1000)
    streams = [f"{symbol}@{single}" for symbol in ("ethusdc", "btcusdc")]
    alone: dict[tuple[int, str], Any] = {}
    rows: dict[tuple[int, str], Any] = {}
    for sent in exchange.run(30_000, *streams, name):
        if sent.stream == name:
            assert isinstance(sent.payload, list)
            assert sent.payload, "an empty array is not sent"
            symbols = [row["s"] for row in sent.payload]
            assert symbols == [s for s in exchange.market.instruments if s in symbols]
            rows |= {(sent.at_ms, row["s"]): row for row in sent.payload}
        else:
            alone[sent.at_ms, sent.payload["s"]] = sent.payload
    changed = {
        (EPOCH_MS + t.at_ms, symbol)
        for symbol in exchange.market.instruments
        for t in exchange.trades(symbol)
    }
    assert rows.keys() == changed, "in the first hour nothing leaves a window"
    assert alone
    for key, said in alone.items():
        # On usdm one symbol alone is sent every other second, and then if it changed since.
        assert rows.get(key, said) == said
        assert key in rows or (profile is USDM and (key[0] - 1000, key[1]) in rows)


@pytest.mark.rule("usdm-5.0.26", "usdm-5.0.24", "usdm-5.0.25")
@pytest.mark.parametrize("stream", ["!miniTicker@arr", "!ticker@arr"])
def test_arrays_of_usdm_have_rows_of_both_universes(stream: str) -> None:
    rows = [row for p in Stepped(USDM).payloads(5_000, stream) for row in p]
    assert {(row["s"], row["ps"], row["st"]) for row in rows} == {
        ("ETHUSDC", "ETHUSDC", 1), ("BTCUSDC", "BTCUSDC", 1), ("XAUUSDT", "XAUUSDT", 1),
        ("ETHUSD_PERP", "ETHUSD", 2), ("BTCUSD_PERP", "BTCUSD", 2),
    }  # fmt: skip
    for row in rows:
        assert ("." in row["v"]) is (row["st"] == 1), "contracts are counted whole"


@pytest.mark.rule("spot-5.9", "spot-5.0.14", "wire-B11")
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([100, 1000]), st.integers(0, 400))
def test_an_average_price_is_sent_on_a_trade_and_is_that_of_five_minutes(
    seed: int, step_ms: int, late_s: int
) -> None:
    exchange = Stepped(SPOT, seed=seed, step_ms=step_ms)
    exchange.skip(late_s * 1000)
    seconds = []
    for sent in exchange.run(10_000, "ethusdc@avgPrice"):
        said = sent.payload
        trades = [t for t in exchange.trades() if EPOCH_MS + t.at_ms >= sent.at_ms - 300_000]
        assert said["i"] == "5m"
        assert said["T"] == EPOCH_MS + trades[-1].at_ms == sent.at_ms
        assert said["E"] - said["T"] in (0, 1)
        quantity = sum(t.quantity for t in trades)
        ticks = Decimal(sum(t.price * t.quantity for t in trades)) / quantity
        assert Decimal(said["w"]) == (ticks / 100).quantize(Decimal("1e-8"), ROUND_HALF_UP)
        seconds.append(said["T"] // 1000)
    first = exchange.now_ms - 10_000
    traded = {(EPOCH_MS + t.at_ms) // 1000 for t in exchange.trades() if t.at_ms > first}
    earlier = {(EPOCH_MS + t.at_ms) // 1000 for t in exchange.trades() if t.at_ms <= first}
    assert seconds == sorted(traded - earlier), "once in each second with a trade"


GRID = [
    (SPOT, "ethusdc@miniTicker", 1000),
    (SPOT, "!miniTicker@arr", 1000),
    (SPOT, "ethusdc@ticker", 1000),
    (SPOT, "ethusdc@ticker_1h", 1000),
    (SPOT, "!ticker_1d@arr", 1000),
    (USDM, "ethusdc@miniTicker", 2000),
    (USDM, "!miniTicker@arr", 1000),
    (USDM, "ethusdc@ticker", 2000),
    (USDM, "!ticker@arr", 1000),
]


@pytest.mark.rule(
    "spot-5.0.8", "spot-5.0.9", "spot-5.0.10", "spot-5.0.11", "spot-5.0.12", "usdm-5.0.12",
    "usdm-5.0.13", "usdm-5.0.14", "usdm-5.0.15", "wire-B9",
)  # fmt: skip
@pytest.mark.parametrize(("profile", "stream", "period"), GRID)
def test_tickers_stand_on_the_grid_of_the_wall_clock(
    profile: Profile, stream: str, period: int
) -> None:
    exchange = Stepped(profile, epoch_ms=EPOCH_MS + 7_000)  # an odd second
    said = [p[0] if isinstance(p, list) else p for p in exchange.payloads(20_000, stream)]
    assert all(8 <= p["E"] % period <= 53 for p in said)
    slots = [p["E"] // period for p in said]
    assert len(slots) == len(set(slots)) >= 20_000 // period - 1


@pytest.mark.rule("spot-5.0.20")
@BOTH
def test_a_ticker_without_news_is_sent_only_if_the_profile_says_so(profile: Profile) -> None:
    for silent in (True, False):
        exchange = Stepped(profile.with_(silent_when_unchanged=silent), step_ms=1000)
        exchange.skip(10_000)
        assert exchange.trades()
        said = exchange.payloads(120_000, "ethusdc@miniTicker")
        counts = [p["q"] for p in said]
        assert (len(counts) == len(set(counts))) is silent
        assert (len(said) == 120_000 // (1000 if profile is SPOT else 2000)) is not silent


@BOTH
def test_a_market_that_never_traded_has_no_tickers(profile: Profile) -> None:
    exchange = Stepped(profile.with_(silent_when_unchanged=False), kind="frozen")
    streams = ["ethusdc@miniTicker", "ethusdc@ticker", "!miniTicker@arr"]
    if profile is SPOT:
        streams += ["ethusdc@ticker_1h", "!ticker_4h@arr", "ethusdc@avgPrice"]
    assert list(exchange.run(5_000, *streams)) == []


def test_a_ticker_that_lost_its_last_trade_says_so_once() -> None:
    exchange = Stepped(SPOT, step_ms=1000)
    exchange.skip(5_000)
    exchange.publisher.add("ethusdc@ticker_1h")
    history = exchange.market.truth.history(SYMBOL)
    said = []
    for second in range(3_700):  # a clock that goes on while nothing happens
        exchange.now_ms += 1000
        said += [(second, e) for e in exchange.publisher.publish(exchange.now_ms, [])]
    assert history.trades
    (_, last) = said[-1]
    assert '"v":"0.00000000","q":"0.00000000"' in last.text
    assert '"F":-1,"L":-1,"n":0}' in last.text
    assert len(said) <= len(history.trades)
    assert last.first_id == last.last_id == EPOCH_MS + 6_000 + said[-1][0] * 1000


SERVED = [
    (SPOT, "ethusdc@ticker_1h", True),
    (SPOT, "ethusdc@ticker_2h", False),
    (SPOT, "!ticker@arr", False),
    (SPOT, "!ticker_1d@arr", True),
    (SPOT, "!ticker_1w@arr", False),
    (SPOT, "!bookTicker", False),
    (USDM, "ethusdc@ticker_1h", False),
    (USDM, "!ticker_1h@arr", False),
    (USDM, "!ticker@arr", True),
    (USDM, "ethusdc@avgPrice", False),
    (USDM, "ethusd_perp@ticker", False),
    (USDM, "ethusd_perp@miniTicker", False),
    (USDM, "ethusd_perp@bookTicker", False),
]


@pytest.mark.parametrize(("profile", "name", "served"), SERVED)
def test_which_tickers_there_are(profile: Profile, name: str, served: bool) -> None:
    parsed = parse(name)
    assert parsed is not None
    assert Stepped(profile).publisher.serves(parsed) is served


def test_the_journal_has_the_ids_of_the_trades_in_the_window() -> None:
    for sent in Stepped(SPOT).run(3_000, "ethusdc@ticker", "!miniTicker@arr"):
        ids = (sent.event.first_id, sent.event.last_id)
        if sent.stream == "ethusdc@ticker":
            assert ids == (sent.payload["F"], sent.payload["L"])
        else:
            assert ids == (sent.at_ms, sent.at_ms), "of several symbols: the time"
