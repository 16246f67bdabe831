"""Stream names, routes and timers."""

from __future__ import annotations

import pytest

from mockex_adapter.errors import BadStreamName
from mockex_adapter.exchange import SPOT, USDM, Rules, Timers, face_of, read_stream


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("ethusdc@depth", "/public"),
        ("ethusdc@depth5@100ms", "/public"),
        ("ethusdc@bookTicker", "/public"),
        ("!bookTicker", "/public"),
        ("ethusdc@rpiDepth@500ms", "/public"),
        ("ethusdc@trade", "/public"),
        ("ethusdc@aggTrade", "/market"),
        ("ethusdc@markPrice@1s", "/market"),
        ("!miniTicker@arr", "/market"),
        ("tradingSession", "/market"),
    ],
)
def test_futures_streams_go_to_the_route_that_carries_them(name: str, route: str) -> None:
    assert read_stream(USDM, name).route == route
    assert read_stream(SPOT, name).route == ""


@pytest.mark.parametrize(
    "name",
    [
        "",
        "@depth",
        "a b@depth",
        "a@depth\r\nX: y",
        'a"],"method":"x',
        "a/b",
        "a?b",
        "a@",
        "@@@x###",
    ],
)
def test_names_that_break_the_grammar_are_refused(name: str) -> None:
    with pytest.raises(BadStreamName):
        read_stream(SPOT, name)


def test_symbols_outside_ascii_are_legal() -> None:
    assert read_stream(SPOT, "这是测试币456@trade").symbol == "这是测试币456"


@pytest.mark.parametrize(
    ("rules", "name", "payload"),
    [
        (SPOT, "ethusdc@depth5", {"lastUpdateId": 1, "bids": [], "asks": []}),
        (SPOT, "ethusdc@bookTicker", {"u": 1, "s": "ETHUSDC", "b": "1"}),
        (USDM, "ethusdc@bookTicker", {"e": "bookTicker", "s": "ETHUSDC"}),
        (USDM, "ethusdc@depth5", {"e": "depthUpdate", "s": "ETHUSDC"}),
        (USDM, "ethusdc@depth", {"e": "depthUpdate", "s": "ETHUSDC"}),
        (SPOT, "ethusdc@aggTrade", {"e": "aggTrade", "s": "ETHUSDC"}),
    ],
)
def test_raw_payload_shows_the_face_of_its_stream(
    rules: Rules, name: str, payload: dict[str, object]
) -> None:
    assert read_stream(rules, name).face == face_of(payload)


def test_every_timer_is_scaled() -> None:
    timers, scaled = Timers(), Timers().scaled(0.1)
    for name in Timers.__dataclass_fields__:
        assert getattr(scaled, name) == pytest.approx(getattr(timers, name) * 0.1)
