"""Markets that have moved for some minutes, and somebody who asks about them over REST."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from mockex.clock import Clock
from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.profile import Profile, profile_named
from mockex.rest import Request, Response, Rest

EPOCH_MS = 1_780_272_000_000  # 2026-06-01, a Monday, at midnight
NOW_S = 200.0
SYMBOLS = {
    "spot": ("ETHUSDC", "BTCUSDC", "ETHBTC", "这是测试币456USDC"),
    "usdm": ("ETHUSDC", "BTCUSDC", "XAUUSDT", "BTCUSDC_260925"),
}


@cache
def _market(name: str, symbols: tuple[str, ...], kind: str) -> Market:
    """Nobody moves it any more, so all tests share it."""
    profile = profile_named(name)
    market = Market(instruments(profile, symbols), seed=1, profile=profile, kind=kind)
    market.advance(int(NOW_S * 1000))
    return market


class Asking:
    """A client at one address, and the exchange that answers it."""

    epoch_ms = EPOCH_MS
    now_s = NOW_S
    now_ms = EPOCH_MS + int(NOW_S * 1000)

    def __init__(self, profile: Profile, market: Market) -> None:
        self.profile = profile
        self.market = market
        self.rest = Rest(profile, market, Clock(0.0, EPOCH_MS))

    def response(
        self,
        target: str,
        *,
        now: float = NOW_S,
        method: str = "GET",
        address: str = "127.0.0.1",
        headers: dict[str, str] | None = None,
    ) -> Response:
        """The answer to `target`: a path, or what stands behind the profile's prefix."""
        whole = target if target.startswith("/") else f"{self.profile.rest_prefix}/{target}"
        return self.rest.answer(Request(method, whole, headers or {}, address), now)

    def get(self, target: str, **more: Any) -> Any:
        """What is in an answer that is none of the errors."""
        response = self.response(target, **more)
        assert response.status == 200, response.body
        return json.loads(response.body)

    def refused(self, target: str, **more: Any) -> tuple[int, int, str]:
        """Status, code and text of an error."""
        response = self.response(target, **more)
        body = json.loads(response.body)
        assert list(body) == ["code", "msg"]
        return response.status, body["code"], body["msg"]


Make = Callable[..., Asking]


@pytest.fixture
def make_asking() -> Make:
    """An exchange of a profile with settings of its own."""

    def make(
        name: str, symbols: tuple[str, ...] = (), kind: str = "walk", **settings: object
    ) -> Asking:
        market = _market(name, symbols or SYMBOLS[name], kind)
        return Asking(profile_named(name).with_(**settings), market)

    return make


@pytest.fixture
def spot(make_asking: Make) -> Asking:
    return make_asking("spot")


@pytest.fixture
def usdm(make_asking: Make) -> Asking:
    return make_asking("usdm")
