"""The local order book."""

from __future__ import annotations

import pytest

from mockex_adapter.book import Book, Level, read_levels
from mockex_adapter.errors import Malformed


def levels(*pairs: tuple[str, str]) -> list[Level]:
    return read_levels([list(pair) for pair in pairs])


@pytest.mark.rule("spot-6.2.8")
@pytest.mark.parametrize("zero", ["0", "0.0", "0.00000000"])
def test_zero_removes_however_it_is_spelled(zero: str) -> None:
    book = Book(1, levels(("12.30", "1")), [])
    book.apply(2, levels(("12.3", zero)), [])
    assert book.bids() == []
    assert book.last_update_id == 2


@pytest.mark.rule("spot-6.2.7", "usdm-6.1.5")
def test_removing_an_unknown_level_is_normal() -> None:
    book = Book(1, levels(("12.30", "1")), [])
    book.apply(2, levels(("9", "0")), levels(("14", "0")))
    assert book.bids() == [("12.30", "1")]


def test_sides_come_best_first_and_cut_to_depth() -> None:
    book = Book(1, levels(("9", "1"), ("10", "2")), levels(("100", "3"), ("20", "4")))
    assert book.bids() == [("10", "2"), ("9", "1")]
    assert book.asks(1) == [("20", "4")]


def test_numbers_stay_as_they_were_spelled() -> None:
    book = Book(1, levels(("0.00000001", "76936.10")), [])
    assert book.bids() == [("0.00000001", "76936.10")]


@pytest.mark.parametrize(
    "value",
    [
        *(None, {}, "x", [["1"]], [["1", "2", "3"]], [[1, "2"]], [["1", 2]], [[]], ["12"]),
        *([["NaN", "1"]], [["1", "-1"]], [["-1", "1"]], [["0", "1"]], [["1", "Infinity"]]),
        *([["one", "1"]], [[None, None]]),
    ],
)
def test_nonsense_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        read_levels(value)
