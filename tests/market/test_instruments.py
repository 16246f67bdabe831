"""Spelling of prices and quantities, and which symbols can be."""

from __future__ import annotations

import pytest

from mockex.errors import ConfigError
from mockex.market.instruments import Instrument, assets, instruments
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
