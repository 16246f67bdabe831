"""Spelling of prices and quantities, and which symbols can be."""

from __future__ import annotations

import pytest

from mockex.errors import ConfigError
from mockex.market.instruments import Instrument, assets, instruments, rounded
from mockex.profile import SPOT, USDM


def test_spot_pads_to_eight_decimals() -> None:
    (made,) = instruments(SPOT, ["ethusdc"])
    assert made.symbol == "ETHUSDC"
    assert made.price(250_012) == "2500.12000000"
    assert made.quantity(1_500) == "1.50000000"


def test_usdm_pads_to_the_precision_of_the_symbol() -> None:
    (made,) = instruments(USDM, ["ETHUSDC"])
    assert made.price(250_010) == "2500.10"
    assert made.quantity(0) == "0.000"


def test_small_values_keep_their_leading_zero() -> None:
    tiny = Instrument("X", 8, 3, tick=1, step=1, start_ticks=1)
    assert tiny.price(1) == "0.00000001"
    assert tiny.quantity(5) == "0.005"


def test_symbols_outside_ascii_are_legal() -> None:
    assert instruments(SPOT, ["这是测试币456"])[0].symbol == "这是测试币456"


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("ETHUSDC", ("ETH", "USDC")),
        ("BTCFDUSD", ("BTC", "FDUSD")),
        ("ETHBTC", ("ETH", "BTC")),
        ("BTCUSD", ("BTC", "USD")),
        ("BTC", ("BTC", "BTC")),
        ("AB", ("AB", "AB")),
    ],
)
def test_a_symbol_is_split_into_its_assets(symbol: str, parts: tuple[str, str]) -> None:
    assert assets(symbol) == parts


@pytest.mark.parametrize("names", [[], ["A"], ["ETH/USDC"], ["ETHUSDC", "ethusdc"], [""]])
def test_symbols_that_cannot_be_are_refused(names: list[str]) -> None:
    with pytest.raises(ConfigError, match="symbols"):
        instruments(SPOT, names)


def test_changes_of_a_price_have_a_sign() -> None:
    spot, usdm = (instruments(profile, ["ETHUSDC"])[0] for profile in (SPOT, USDM))
    assert spot.price(-46) == "-0.46000000"
    assert usdm.price(-46) == "-0.46"
    assert usdm.price(-250_010) == "-2500.10"


@pytest.mark.rule("wire-B1")
def test_amounts_have_as_many_decimals_as_they_are_given() -> None:
    (made,) = instruments(USDM, ["ETHUSDC"])  # 2 decimals and 3
    assert made.amount(1_234_555, 5) == "12.34555"
    assert made.amount(1_234_555, 2) == "12.35"
    assert made.amount(1_234_499, 2) == "12.34"
    assert made.amount(0, 5) == "0.00000"


def test_an_average_price_is_spelled_as_a_price() -> None:
    spot, usdm = (instruments(profile, ["ETHUSDC"])[0] for profile in (SPOT, USDM))
    amount, quantity = 1000 * 3 + 1001 * 4, 7
    assert spot.average(amount, quantity) == "10.00571429"
    assert usdm.average(amount, quantity) == "10.01"


@pytest.mark.parametrize(
    ("dividend", "divisor", "expected"), [(5, 2, 3), (-5, 2, -3), (4, 3, 1), (-4, 3, -1), (0, 9, 0)]
)
def test_halves_are_rounded_away_from_zero(dividend: int, divisor: int, expected: int) -> None:
    assert rounded(dividend, divisor) == expected
