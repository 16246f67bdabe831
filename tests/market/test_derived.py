"""What follows from the market: the same whoever asks and when, near the book, and the market is
none the wiser."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.derived import (
    E8,
    FUNDING_MS,
    Bracket,
    Execution,
    Liquidation,
    LiquidationBuffer,
    asset_index,
    asset_indexes,
    block_trades,
    bracket_changes,
    brackets,
    composite,
    composites,
    counted,
    delivery_ms,
    execution,
    executions,
    funding_rate,
    liquidations,
    mark,
    onboard_ms,
    open_interest,
    reference_price,
    rpi_book,
    rpi_levels,
    spelled,
    without_rpi,
)
from mockex.market.instruments import instruments, listed_beside
from mockex.market.walk import Market
from mockex.profile import SPOT, USDM, Profile
from tests.market.capturing import Played, lines_of

EPOCH_MS = 1_780_272_000_000
SYMBOL = "ETHUSDC"
SEEDS = st.integers(0, 10_000)


def made(
    profile: Profile = USDM,
    *,
    seed: int = 7,
    kind: str = "walk",
    until_ms: int = 0,
    symbols: tuple[str, ...] = (SYMBOL, "BTCUSDC"),
    **changes: object,
) -> Market:
    """A market that has moved until then."""
    profile = profile.with_(**changes)
    traded = instruments(profile, symbols)
    market = Market(
        (*traded, *listed_beside(profile, traded)), seed=seed, profile=profile, kind=kind
    )
    market.advance(until_ms, ())
    return market


ASKED: dict[str, Callable[[Market, int], object]] = {
    "mark": lambda market, at_ms: mark(market, SYMBOL, EPOCH_MS, at_ms),
    "open interest": lambda market, at_ms: open_interest(market, SYMBOL, at_ms),
    "reference price": lambda market, at_ms: reference_price(market, SYMBOL, at_ms),
    "liquidations": lambda market, at_ms: liquidations(market, SYMBOL, 0, at_ms),
    "block trades": lambda market, at_ms: block_trades(market, SYMBOL, 0, at_ms),
    "rpi": lambda market, at_ms: rpi_levels(market, SYMBOL, market.truth.id_at(SYMBOL, at_ms)),
    "asset index": lambda market, at_ms: asset_index(market, "ETHUSD", at_ms),
    "composite": lambda market, at_ms: composite(market, "INDEXUSDT", at_ms),
    "brackets": lambda market, at_ms: bracket_changes(market, 0, at_ms),
}


@pytest.mark.parametrize("what", ASKED)
def test_it_is_the_same_asked_then_and_asked_later(what: str) -> None:
    ask = ASKED[what]
    then = made(until_ms=20_000, liquidations=200_000, block_trade_s=3, bracket_change_s=3)
    later = made(until_ms=60_000, liquidations=200_000, block_trade_s=3, bracket_change_s=3)
    later.top(SYMBOL)  # as far as it goes
    assert ask(then, 20_000) == ask(later, 20_000)
    assert ask(then, 20_000) != ask(later, 60_000), "it says something of the moment"


@pytest.mark.parametrize("what", ASKED)
def test_another_seed_gives_another_one(what: str) -> None:
    markets = [
        made(seed=seed, until_ms=20_000, liquidations=200_000, block_trade_s=3, bracket_change_s=3)
        for seed in (1, 2)
    ]
    assert ASKED[what](markets[0], 20_000) != ASKED[what](markets[1], 20_000)


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_asking_does_not_change_the_market(seed: int) -> None:
    asked, left_alone = made(seed=seed), made(seed=seed)
    for at_ms in range(1000, 10_001, 1000):
        asked.advance(at_ms)
        for ask in ASKED.values():
            ask(asked, at_ms)
    left_alone.advance(10_000)
    for symbol in (SYMBOL, "BTCUSDC"):
        assert asked.truth.book(symbol) == left_alone.truth.book(symbol)
        assert asked.truth.history(symbol).trades == left_alone.truth.history(symbol).trades


# --- prices ---


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(0, 60_000), st.sampled_from(["walk", "steady", "frozen"]))
def test_mark_index_and_settlement_price_stay_near_the_book(
    seed: int, at_ms: int, kind: str
) -> None:
    market = made(seed=seed, kind=kind, until_ms=at_ms)
    bid, _, ask, _ = market.top(SYMBOL)
    middle = (bid + ask) * E8 // 200  # two decimals
    now = mark(market, SYMBOL, EPOCH_MS, at_ms)
    for price in (now.mark, now.average, now.index, now.settle):
        assert abs(price - middle) * 200 < middle, "half a percent"


def test_only_what_is_left_of_the_funding_moves_on_a_frozen_market() -> None:
    later_ms = FUNDING_MS - 1
    market = made(kind="frozen", until_ms=later_ms)
    first, last = (mark(market, SYMBOL, EPOCH_MS, at_ms) for at_ms in (0, later_ms))
    assert (first.index, first.settle) == (last.index, last.settle)
    assert first.mark != last.mark
    assert open_interest(market, SYMBOL, 0) == open_interest(market, SYMBOL, later_ms)
    assert asset_index(market, "ETHUSD", 0) == asset_index(market, "ETHUSD", later_ms)


@pytest.mark.parametrize("at_ms", [0, 1, FUNDING_MS - 1, FUNDING_MS, 3 * FUNDING_MS + 5])
def test_funding_is_due_at_the_next_eight_hours_of_the_clock(at_ms: int) -> None:
    market = made(kind="frozen", until_ms=at_ms)
    due_ms = mark(market, SYMBOL, EPOCH_MS, at_ms).next_funding_ms
    assert due_ms % FUNDING_MS == 0
    assert 0 < due_ms - (EPOCH_MS + at_ms) <= FUNDING_MS


def test_the_rate_is_that_of_the_time_at_which_it_is_due() -> None:
    market = made(kind="frozen", until_ms=2 * FUNDING_MS)
    before = mark(market, SYMBOL, EPOCH_MS, FUNDING_MS - 1)
    after = mark(market, SYMBOL, EPOCH_MS, FUNDING_MS)
    assert before.funding_rate == funding_rate(market, SYMBOL, EPOCH_MS + FUNDING_MS)
    assert after.funding_rate == funding_rate(market, SYMBOL, EPOCH_MS + 2 * FUNDING_MS)
    rates = [funding_rate(market, SYMBOL, EPOCH_MS + n * FUNDING_MS) for n in range(300)]
    assert rates.count(10_000) > 100, "0.01 % is the usual one"
    assert min(rates) < 0 < max(rates)
    assert all(-50_000 <= rate <= 50_000 for rate in rates)


def test_the_mark_price_meets_the_index_when_funding_is_due() -> None:
    market = made(kind="frozen", until_ms=FUNDING_MS, seed=3)
    paid = next(
        n for n in range(1, 50) if funding_rate(market, SYMBOL, EPOCH_MS + n * FUNDING_MS) > 0
    )
    market.advance(paid * FUNDING_MS, ())
    long_before = mark(market, SYMBOL, EPOCH_MS, (paid - 1) * FUNDING_MS)
    just_before = mark(market, SYMBOL, EPOCH_MS, paid * FUNDING_MS - 1)
    assert long_before.mark > long_before.index
    assert 0 <= just_before.mark - just_before.index < 1000, "a hundred-thousandth"


@pytest.mark.rule("usdm-5.2.2")
def test_a_contract_that_is_delivered_has_no_funding() -> None:
    market = made(symbols=("BTCUSDT_261225",))
    now = mark(market, "BTCUSDT_261225", EPOCH_MS, 0)
    assert (now.funding_rate, now.next_funding_ms) == (0, 0)
    assert now.mark == now.index


@pytest.mark.rule("usdm-5.2.1")
def test_the_average_is_the_mark_price_itself_but_for_tradifi() -> None:
    market = made(until_ms=60_000)
    crypto = mark(market, SYMBOL, EPOCH_MS, 60_000)
    gold = mark(market, "XAUUSDT", EPOCH_MS, 60_000)
    assert crypto.average == crypto.mark
    assert gold.average != gold.mark
    earlier = [mark(market, "XAUUSDT", EPOCH_MS, 60_000 - ms).mark for ms in (0, 10_000, 20_000)]
    assert gold.average == sum(earlier) // 3


def test_there_is_no_reference_price_before_the_first_trade() -> None:
    market = made(SPOT, until_ms=30_000)
    trades = market.truth.history(SYMBOL).trades
    first = trades[0]
    assert reference_price(market, SYMBOL, first.at_ms - 1) is None
    at_first = [t for t in trades if t.at_ms == first.at_ms]
    quote = sum(t.price * t.quantity for t in at_first)
    quantity = sum(t.quantity for t in at_first)
    assert reference_price(market, SYMBOL, first.at_ms) == quote * 1_000_000 // quantity
    recent = [t.price for t in trades if 20_000 < t.at_ms <= 30_000]
    price = reference_price(market, SYMBOL, 30_000)
    assert price is not None
    assert min(recent) * 1_000_000 <= price <= max(recent) * 1_000_000


def test_a_reference_price_outlives_the_trades() -> None:
    market = made(SPOT, until_ms=30_000)
    trades = market.truth.history(SYMBOL).trades
    del trades[1:]
    later_ms = trades[0].at_ms + 3_600_000
    assert reference_price(market, SYMBOL, later_ms) == trades[0].price * 1_000_000


def test_numbers_are_spelled_with_eight_decimals_and_their_sign() -> None:
    assert spelled(1_234_500_000) == "12.34500000"
    assert spelled(-10_000) == "-0.00010000"
    assert spelled(0) == "0.00000000"


# --- trades ---


@settings(max_examples=15, deadline=None)
@given(SEEDS)
@pytest.mark.rule("usdm-5.1.2", "usdm-5.1.3")
def test_no_order_is_left_without_a_trade_of_the_market(seed: int) -> None:
    market = made(seed=seed, until_ms=20_000, excluded_trades=1_000_000, rpi_trades=300_000)
    trades = market.truth.history(SYMBOL).trades
    kinds = {t.trade_id: execution(market, SYMBOL, t) for t in trades}
    assert set(kinds.values()) == set(Execution)
    assert executions(market, SYMBOL, trades) == list(kinds.values())
    for _, group in groupby(trades, key=lambda t: t.order_id):
        order = list(group)
        kept = counted(market, SYMBOL, order)
        assert kept
        assert order[1:] == [t for t in kept if t is not order[0]], "only the first is left out"
        plain = [t.quantity for t in kept if kinds[t.trade_id] is Execution.MARKET]
        assert without_rpi(market, SYMBOL, kept) == sum(plain)


def test_shares_are_those_of_the_profile() -> None:
    market = made(until_ms=200_000, rpi_trades=200_000, excluded_trades=0)
    trades = market.truth.history(SYMBOL).trades
    found = sum(execution(market, SYMBOL, t) is Execution.RPI for t in trades)
    assert 0.15 < found / len(trades) < 0.25
    none = made(until_ms=20_000, rpi_trades=0, excluded_trades=0, liquidations=0)
    trades = none.truth.history(SYMBOL).trades
    assert {execution(none, SYMBOL, t) for t in trades} == {Execution.MARKET}
    assert counted(none, SYMBOL, trades) == trades
    assert liquidations(none, SYMBOL, -1, 20_000) == []


@settings(max_examples=15, deadline=None)
@given(SEEDS)
@pytest.mark.rule("usdm-5.7", "wire-A2")
def test_a_liquidation_is_a_taker_order_that_happened(seed: int) -> None:
    market = made(seed=seed, until_ms=30_000, liquidations=300_000, excluded_trades=100_000)
    trades = market.truth.history(SYMBOL).trades
    found = liquidations(market, SYMBOL, -1, 30_000)
    assert found
    for order in found:
        fills = counted(market, SYMBOL, [t for t in trades if t.order_id == order.order_id])
        assert order.quantity == sum(t.quantity for t in fills)
        assert order.last_quantity == fills[-1].quantity
        assert {order.average} == {t.price for t in fills}
        assert order.at_ms == fills[0].at_ms
        sells = fills[0].buyer_is_maker
        assert order.side == ("SELL" if sells else "BUY")
        assert (order.limit < order.average) is sells
    assert liquidations(market, SYMBOL, 10_000, 20_000) == [
        order for order in found if 10_000 < order.at_ms <= 20_000
    ]


def published(market: Market, until_ms: int, from_ms: int = 0) -> list[tuple[int, Liquidation]]:
    """When and what, for somebody who looks from `from_ms` on."""
    trades = market.truth.history(SYMBOL).trades
    buffer = LiquidationBuffer(market, SYMBOL, from_ms)
    found = []
    for at_ms in range(from_ms + 100, until_ms + 1, 100):
        order = buffer.release(at_ms)
        if order is not None:
            found.append((at_ms, order))
        buffer.add([t for t in trades if t.at_ms == at_ms])
    return found


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 150).map(lambda n: n * 100), st.sampled_from([50_000, 700_000]))
@pytest.mark.rule("usdm-5.7.1", "wire-A2")
def test_what_is_published_is_the_same_whenever_one_begins_to_look(
    seed: int, from_ms: int, share: int
) -> None:
    market = made(seed=seed, until_ms=20_000, liquidations=share)
    whole = published(market, 20_000)
    assert published(market, 20_000, from_ms) == [(at, o) for at, o in whole if at > from_ms]
    assert all(later - at >= 1000 for (at, _), (later, _) in pairwise(whole))


@pytest.mark.parametrize("choice", ["largest", "latest"])
@pytest.mark.rule("usdm-5.7.2")
def test_of_a_second_of_liquidations_one_is_published(choice: str) -> None:
    market = made(until_ms=30_000, liquidations=1_000_000, liquidation_choice=choice)
    everyone = liquidations(market, SYMBOL, -1, 30_000)
    begins = everyone[0].at_ms
    checked = 0
    for at_ms, order in published(market, 30_000):
        within = [o for o in everyone if begins <= o.at_ms < at_ms]
        assert at_ms == begins + 1000, "a second after the first of them"
        best = within[-1] if choice == "latest" else max(within, key=lambda o: o.quantity)
        assert order == best
        begins = next((o.at_ms for o in everyone if o.at_ms >= at_ms), 0)
        checked += 1
    assert checked > 10


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 20))
@pytest.mark.rule("spot-5.3")
def test_block_trades_have_ids_of_their_own_one_in_each_stretch_of_time(
    seed: int, every_s: int
) -> None:
    market = made(SPOT, seed=seed, until_ms=100_000, block_trade_s=every_s)
    found = block_trades(market, SYMBOL, 0, 100_000)
    assert [trade.block_id for trade in found] == list(range(1, len(found) + 1))
    assert [(trade.at_ms - 1) // (every_s * 1000) for trade in found] == list(range(len(found)))
    assert len(found) in (100 // every_s, 100 // every_s + 1)
    cut = 37_500
    assert found == [
        *block_trades(market, SYMBOL, 0, cut),
        *block_trades(market, SYMBOL, cut, 100_000),
    ]
    trades = market.truth.history(SYMBOL).trades
    for trade in found:
        last = [t.price for t in trades if t.at_ms <= trade.at_ms][-1:]
        assert not last or abs(trade.price - last[0]) <= 50
        assert trade.quantity > max(t.quantity for t in trades)


def test_there_are_no_block_trades_on_a_frozen_market_or_without_the_setting() -> None:
    assert not block_trades(made(SPOT, kind="frozen", until_ms=99_000), SYMBOL, 0, 99_000)
    assert not block_trades(made(SPOT, until_ms=9_000, block_trade_s=None), SYMBOL, 0, 9_000)


# --- RPI orders ---


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 300))
@pytest.mark.rule("usdm-5.11")
def test_rpi_orders_never_cross_the_book_or_each_other(seed: int, steps: int) -> None:
    market = made(seed=seed, until_ms=steps * 100)
    bid, _, ask, _ = market.top(SYMBOL)
    bids, asks = rpi_levels(market, SYMBOL)
    assert max(bids, default=0) < ask
    assert min(asks, default=ask) > max(bid, max(bids, default=0))
    assert all(quantity > 0 for side in (bids, asks) for quantity in side.values())
    assert rpi_levels(market, SYMBOL, market.truth.last_update_id(SYMBOL)) == (bids, asks)


def test_rpi_orders_come_and_go_ahead_of_the_best_price_and_behind_it() -> None:
    market = made(until_ms=100)
    seen: set[tuple[bool, bool]] = set()
    states = []
    for at_ms in range(200, 30_000, 100):
        market.advance(at_ms, [SYMBOL])
        bid, _, ask, _ = market.top(SYMBOL)
        bids, asks = rpi_levels(market, SYMBOL)
        seen |= {(True, price > bid) for price in bids} | {(False, price < ask) for price in asks}
        states.append((bids, asks))
    assert len(seen) == 4
    assert sum(a != b for a, b in pairwise(states)) > 100


def test_the_rpi_book_is_the_book_and_the_rpi_orders() -> None:
    market = made(until_ms=20_000)
    for update_id in (None, market.truth.id_at(SYMBOL, 10_000)):
        book = market.truth.book(SYMBOL, update_id)
        merged = rpi_book(market, SYMBOL, update_id)
        for side, levels, rpi in zip(
            merged, (book.bids, book.asks), rpi_levels(market, SYMBOL, update_id), strict=True
        ):
            assert rpi
            assert {p: side[p] - rpi.get(p, 0) for p in side if side[p] != rpi.get(p, 0)} == dict(
                levels
            )


# --- indexes ---


def test_each_base_has_an_asset_index_with_buffers_around_it() -> None:
    market = made(until_ms=30_000)
    assert asset_indexes(market) == ["ETHUSD", "BTCUSD", "XAUUSD"]
    now = asset_index(market, "ETHUSD", 30_000)
    assert now.index == mark(market, SYMBOL, EPOCH_MS, 30_000).index
    assert now.bid_rate < now.exchange_bid_rate < now.index < now.exchange_ask_rate < now.ask_rate
    assert now.bid_rate == now.index * 9 // 10
    with pytest.raises(KeyError):
        asset_index(market, "ADAUSD", 30_000)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from(["INDEXUSDT", "DOMUSDT"]), st.integers(0, 30_000))
@pytest.mark.rule("usdm-5.12", "wire-A11")
def test_a_composite_is_the_sum_of_what_it_holds(seed: int, symbol: str, at_ms: int) -> None:
    market = made(seed=seed, until_ms=at_ms)
    now = composite(market, symbol, at_ms)
    assert sum(c.share for c in now.components) == E8
    assert now.price == sum(c.weight * c.index // E8 for c in now.components)
    opening = composite(market, symbol, 0)
    assert [c.weight for c in now.components] == [c.weight for c in opening.components]
    assert abs(opening.price - 1000 * E8) < E8
    if symbol == "INDEXUSDT":
        assert now.kind == "baseAsset"
        assert [c.base for c in now.components] == ["ETH", "BTC", "XAU"]
        assert [c.quote for c in now.components] == ["USDC", "USDC", "USDT"]
    else:
        assert now.kind == "quoteAsset"
        assert [(c.base, c.quote) for c in now.components] == [("BTC", "ETH"), ("BTC", "XAU")]


def test_an_index_of_pairs_needs_two_bases() -> None:
    alone = made(symbols=(SYMBOL,), tradifi_symbols=())
    assert composites(alone) == ["INDEXUSDT"]
    ether = composite(made(symbols=(SYMBOL,)), "DOMUSDT", 0)
    assert [(c.base, c.quote) for c in ether.components] == [("ETH", "XAU")]
    assert composites(made(SPOT)) == []


# --- contracts ---


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(0, 50))
@pytest.mark.rule("usdm-5.13")
def test_brackets_follow_each_other_and_the_margin_has_no_jump(seed: int, turn: int) -> None:
    made_of = brackets(made(seed=seed), SYMBOL, turn)
    assert made_of[0].floor == made_of[0].factor == 0
    assert made_of[-1].least_leverage == 1

    def margin(bracket: Bracket, notional: int) -> int:
        return notional * bracket.ratio - bracket.factor * 10_000

    for number, (lower, upper) in enumerate(pairwise(made_of), 1):
        assert (lower.number, upper.number) == (number, number + 1)
        assert lower.cap == upper.floor
        assert lower.least_leverage == upper.most_leverage + 1
        assert margin(lower, lower.cap) == margin(upper, upper.floor)


def test_a_symbols_brackets_change_at_each_period() -> None:
    market = made(until_ms=0, bracket_change_s=10)
    changes = bracket_changes(market, 0, 1_000_000)
    assert [change.at_ms for change in changes] == list(range(10_000, 1_000_001, 10_000))
    assert {change.symbol for change in changes} == set(market.instruments)
    assert bracket_changes(market, 10_000, 20_000) == changes[1:2]
    assert not bracket_changes(made(bracket_change_s=None), 0, 1_000_000)
    assert not bracket_changes(made(kind="frozen"), 0, 1_000_000)


@pytest.mark.parametrize("symbol", ["BTCUSDT_999999", "BTCUSDT_2612", "_261225", "BTC_USDT"])
def test_a_name_that_ends_with_no_day_is_that_of_a_perpetual(symbol: str) -> None:
    (made_of,) = instruments(USDM, [symbol])
    assert (made_of.contract, made_of.pair) == ("PERPETUAL", symbol)
    assert delivery_ms(made_of) == 4_133_404_800_000


def test_a_contract_is_delivered_on_the_day_of_its_name_or_never() -> None:
    (delivered,) = instruments(USDM, ["BTCUSDT_261225"])
    (perpetual,) = instruments(USDM, ["BTCUSDT"])
    assert delivery_ms(delivered) == 1_798_185_600_000  # 2026-12-25 08:00
    assert delivery_ms(perpetual) == 4_133_404_800_000
    assert onboard_ms(perpetual) == onboard_ms(perpetual) < EPOCH_MS
    assert onboard_ms(perpetual) % 86_400_000 == 0


# --- replays ---


@pytest.mark.parametrize(
    ("profile", "stream"), [(USDM, "ethusdc@aggTrade"), (SPOT, "ethusdc@trade")]
)
def test_nothing_is_made_up_beside_what_a_capture_holds(profile: Profile, stream: str) -> None:
    until_ms = 60_000
    certain = profile.with_(
        rpi_trades=1_000_000, excluded_trades=1_000_000, block_trade_s=1, bracket_change_s=1
    )
    played = Played(certain, lines_of(profile, [stream, "ethusdc@depth"], until_ms=until_ms))
    replay = played.replay
    list(played.events(1))
    trades = replay.truth.history(SYMBOL).trades
    assert len(trades) > 20
    assert {execution(replay, SYMBOL, trade) for trade in trades} == {Execution.MARKET}
    assert block_trades(replay, SYMBOL, 0, until_ms) == []
    assert bracket_changes(replay, 0, until_ms) == []
    assert rpi_levels(replay, SYMBOL) == ({}, {})
    now = mark(replay, SYMBOL, played.epoch_ms, until_ms)
    last = trades[-1].price * replay.instruments[SYMBOL].price_e8
    assert abs(now.index - last) * 200 < last
