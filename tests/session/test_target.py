"""Request targets: path, mode, route, streams."""

from __future__ import annotations

import pytest

from mockex.profile import SPOT, USDM, Profile
from mockex.session.target import Refusal, Target, read_target


@pytest.mark.rule(
    "spot-2.6",
    "spot-2.7",
    "spot-2.8",
    "spot-2.9",
    "spot-2.11",
    "spot-2.15",
    "spot-2.17",
    "usdm-2.2.4",
    "usdm-2.2.5",
    "usdm-2.2.6",
    "usdm-1.12",
    "wire-B13",
)
@pytest.mark.parametrize(
    ("profile", "target", "read"),
    [
        (SPOT, "/ws", Target("", False)),
        (SPOT, "/ws/", Target("", False)),
        (SPOT, "/stream", Target("", True)),
        (SPOT, "/stream?streams=", Target("", True)),
        (SPOT, "/ws/a@trade", Target("", False, ("a@trade",))),
        (SPOT, "/ws/a@trade/b@depth@100ms", Target("", False, ("a@trade", "b@depth@100ms"))),
        (SPOT, "/stream?streams=a@trade/b@trade", Target("", True, ("a@trade", "b@trade"))),
        (SPOT, "/stream?x=1&streams=a@trade", Target("", True, ("a@trade",))),
        (SPOT, "/ws/a%40trade", Target("", False, ("a@trade",))),
        (SPOT, "/stream?streams=a%40trade%2Fb%40trade", Target("", True, ("a@trade", "b@trade"))),
        (SPOT, "/ws/a@trade/a@trade", Target("", False, ("a@trade",))),
        (SPOT, "/ws/0", Target("", False, ("0",))),
        (SPOT, "/ws/a@trade?timeUnit=millisecond", Target("", False, ("a@trade",))),
        (SPOT, "/ws/" + "这是测试币456@trade".encode().decode("latin-1"),
         Target("", False, ("这是测试币456@trade",))),
        (SPOT, "/ws/%E8%BF%99@trade", Target("", False, ("这@trade",))),
        (SPOT, "/ws/\xff@trade", Target("", False, ("ÿ@trade",))),
        (SPOT, "/ws/@@@x", Target("", False, (), ("@@@x",))),
        (USDM, "/public/ws/a@depth", Target("/public", False, ("a@depth",))),
        (USDM, "/market/stream?streams=a@aggTrade", Target("/market", True, ("a@aggTrade",))),
        (USDM, "/private/ws", Target("/private", False)),
        (USDM, "/ws/a@depth?timeUnit=HOUR", Target("", False, ("a@depth",))),
    ],
)  # fmt: skip
def test_a_target_is_read(profile: Profile, target: str, read: Target) -> None:
    assert read_target(profile, target) == read


@pytest.mark.rule("spot-2.10", "spot-2.14", "spot-2.18", "wire-B13")
@pytest.mark.parametrize(
    ("profile", "target", "status"),
    [
        (SPOT, "/", 404),
        (SPOT, "/wsx", 404),
        (SPOT, "/stream/ws/a@trade", 404),
        (SPOT, "/public/ws", 404),
        (USDM, "/publicx/ws", 404),
        (USDM, "/public", 404),
        (SPOT, "/ws/a@trade?timeUnit=HOUR", 400),
        (SPOT, "/ws/" + "a" * 8004, 414),
    ],
)
def test_what_is_no_target_is_refused(profile: Profile, target: str, status: int) -> None:
    refusal = read_target(profile, target)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status
    if status == 400:
        assert '"code":-1194' in refusal.body
