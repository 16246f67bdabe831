"""Forms of an event: which members are times, and what microseconds make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockex.names import Kind, parse
from mockex.profile import SPOT
from mockex.streams.envelope import TIMES, Event, Form, combined, shutdown_notice, spell

MICRO = Form(micro=True)

# A payload of each kind that has a time, and the same in microseconds: what is different.
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a@aggTrade": (
        {"e": "aggTrade", "E": 1780272000101, "s": "A", "a": 7, "p": "1.0", "q": "2.0", "f": 1,
         "l": 2, "T": 1780272000100, "m": False, "M": True},
        {"E": 1780272000101000, "T": 1780272000100000},
    ),
    "a@trade": (
        {"e": "trade", "E": 1780272000101, "s": "A", "t": 9100, "p": "1.0", "q": "2.0",
         "T": 1780272000100, "m": False, "M": True},
        {"E": 1780272000101000, "T": 1780272000100000},
    ),
    "a@blockTrade": (
        {"e": "blockTrade", "E": 1780272000990, "s": "A", "t": 31, "p": "1.0", "q": "2.0",
         "T": 1780272000700, "m": True},
        {"E": 1780272000990000, "T": 1780272000700000},
    ),
    "a@kline_1m": (
        {"e": "kline", "E": 1780272002005, "s": "A", "k": {
            "t": 1780272000000, "T": 1780272059999, "s": "A", "i": "1m", "f": 1, "L": 2, "o": "1",
            "c": "1", "h": "1", "l": "1", "v": "1", "n": 2, "x": False, "q": "1", "V": "1",
            "Q": "1", "B": "0"}},
        {"E": 1780272002005000, "k": {
            "t": 1780272000000000, "T": 1780272059999999, "s": "A", "i": "1m", "f": 1, "L": 2,
            "o": "1", "c": "1", "h": "1", "l": "1", "v": "1", "n": 2, "x": False, "q": "1",
            "V": "1", "Q": "1", "B": "0"}},
    ),
    "a@miniTicker": (
        {"e": "24hrMiniTicker", "E": 1780272001000, "s": "A", "c": "1", "o": "1", "h": "1",
         "l": "1", "v": "1", "q": "1"},
        {"E": 1780272001000000},
    ),
    "a@ticker": (
        {"e": "24hrTicker", "E": 1780272001000, "s": "A", "p": "1", "Q": "1", "O": 1780185601000,
         "C": 1780272001000, "F": 100, "L": 9107, "n": 9008},
        {"E": 1780272001000000, "O": 1780185601000000, "C": 1780272001000000},
    ),
    "a@ticker_1h": (
        {"e": "1hTicker", "E": 1780272001000, "s": "A", "O": 1780268400000, "C": 1780272001000,
         "F": 8800, "L": 9107, "n": 308},
        {"E": 1780272001000000, "O": 1780268400000000, "C": 1780272001000000},
    ),
    "a@bookTicker": ({"u": 500123, "s": "A", "b": "1", "B": "1", "a": "1", "A": "1"}, {}),
    "a@avgPrice": (
        {"e": "avgPrice", "E": 1780272001000, "s": "A", "i": "5m", "w": "1", "T": 1780272000100},
        {"E": 1780272001000000, "T": 1780272000100000},
    ),
    "a@referencePrice": (
        {"e": "referencePrice", "s": "A", "r": None, "t": 1780272000917},
        {"t": 1780272000917000},
    ),
    "a@depth5": ({"lastUpdateId": 500123, "bids": [["1", "1"]], "asks": []}, {}),
    "a@depth@100ms": (
        {"e": "depthUpdate", "E": 1780272000200, "s": "A", "U": 500121, "u": 500124, "b": [],
         "a": [["1", "0"]]},
        {"E": 1780272000200000},
    ),
}  # fmt: skip
WHOLE = {"a@miniTicker": "!miniTicker@arr", "a@ticker_1h": "!ticker_1h@arr"}


def spelled(stream: str, payload: Any, form: Form) -> str:
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    return spell(Event(stream, text, 1, 1), form)


@pytest.mark.rule("spot-2.12", "spot-2.13")
@pytest.mark.parametrize(("stream", "payload", "changed"), [(s, *e) for s, e in EVENTS.items()])
def test_every_time_is_in_microseconds_and_nothing_else_is_touched(
    stream: str, payload: dict[str, Any], changed: dict[str, Any]
) -> None:
    expected = payload | changed
    got = spelled(stream, payload, MICRO)
    assert got == json.dumps(expected, separators=(",", ":")), "in the same order as well"
    assert spelled(stream, payload, Form()) == json.dumps(payload, separators=(",", ":"))


@pytest.mark.rule("spot-2.12")
@pytest.mark.parametrize(("single", "whole"), WHOLE.items())
def test_each_row_of_a_stream_of_all_symbols_is_rescaled(single: str, whole: str) -> None:
    payload, changed = EVENTS[single]
    rows = json.loads(spelled(whole, [payload, payload], MICRO))
    assert rows == [payload | changed] * 2


def test_every_kind_that_spot_sends_is_in_one_of_the_tables_here() -> None:
    kinds = {name.kind for name in map(parse, [*EVENTS, *WHOLE.values()]) if name is not None}
    assert kinds == set(SPOT.streams)
    assert set(TIMES) == kinds - {Kind.BOOK_TICKER, Kind.PARTIAL_DEPTH}


@pytest.mark.rule("spot-2.17")
def test_a_symbol_outside_ascii_stays_what_it_is() -> None:
    payload, changed = EVENTS["a@trade"]
    got = spelled("这@trade", payload | {"s": "这"}, MICRO)
    assert '"s":"这"' in got
    assert json.loads(got) == payload | changed | {"s": "这"}


@pytest.mark.rule("spot-2.19")
def test_combined_mode_wraps_what_the_time_unit_has_made() -> None:
    payload, changed = EVENTS["a@trade"]
    got = spelled("a@trade", payload, Form(combined=True, micro=True))
    assert got == combined("a@trade", spelled("a@trade", payload, MICRO))
    assert json.loads(got) == {"stream": "a@trade", "data": payload | changed}


@pytest.mark.rule("spot-3.3.1")
@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Form(), '{"e":"serverShutdown","E":1780272000123}'),
        (MICRO, '{"e":"serverShutdown","E":1780272000123000}'),
        (
            Form(combined=True),
            '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1780272000123}}',
        ),
    ],
)
def test_the_notice_of_a_shutdown_has_the_form_of_the_connection(form: Form, text: str) -> None:
    assert shutdown_notice(1780272000123, form) == text
