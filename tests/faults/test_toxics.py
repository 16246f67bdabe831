"""Faults of a link as toxics: nothing that crashes Toxiproxy can be said, and nothing that hangs it
is done under connections."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from mockex.errors import FaultError
from mockex.faults import (
    Bandwidth,
    BlackHole,
    ClearLink,
    Direction,
    FinLink,
    Hold,
    Latency,
    LimitData,
    LinkFault,
    LinkTerms,
    Release,
    Slice,
    SlowClose,
)
from mockex.faults.toxiproxy import Api, Link, State, Toxic, ToxiproxyFaults

# --- any number that somebody may write ---

ODD = [0, -1, 999, 1500, 10**12, 10**12 + 1, 2**62, 2**63, 10**400, -(10**400), 0.05, 0.1,
       math.nan, math.inf, -math.inf, True, None, "1"]  # fmt: skip
NUMBER = st.one_of(st.sampled_from(ODD), st.integers(1, 4_000_000), st.floats(0, 4e6))
RATE = st.one_of(NUMBER, st.integers(1, 10**9).map(lambda kb: kb * 1000))
WAY = st.sampled_from([*Direction, None])


@st.composite
def made(draw: st.DrawFn, /, kind: Callable[..., LinkFault], **fields: Any) -> LinkFault:
    """A fault, of whatever it can be made of."""
    try:
        return kind(**{name: draw(value) for name, value in fields.items()})
    except ValueError:
        reject()


LASTING = st.one_of(
    made(Latency, delay_ms=NUMBER, jitter_ms=NUMBER, direction=WAY),
    made(Latency, delay_ms=st.integers(0, 1000), direction=WAY),
    made(Bandwidth, bytes_per_s=RATE, direction=WAY),
    made(Slice, bytes=NUMBER, gap_ms=NUMBER, direction=WAY),
    made(Hold, direction=WAY),
    made(BlackHole, direction=WAY),
    made(SlowClose, delay_ms=NUMBER, direction=WAY),
    made(LimitData, bytes=NUMBER, direction=st.sampled_from(Direction)),
)
SOME = st.integers(1, 3)  # few, so that one comes after another of its kind
LIKELY = st.one_of(
    st.builds(Latency, delay_ms=SOME, jitter_ms=st.integers(0, 1), direction=WAY),
    st.builds(Bandwidth, bytes_per_s=SOME.map(lambda kb: kb * 1000), direction=WAY),
    st.builds(Slice, bytes=SOME, direction=WAY),
    st.builds(Hold, direction=WAY),
    st.builds(BlackHole, direction=WAY),
    st.builds(SlowClose, delay_ms=SOME, direction=WAY),
    st.builds(LimitData, bytes=SOME, direction=st.sampled_from(Direction)),
)
ANY = st.one_of(
    LIKELY, st.sampled_from([ClearLink(), Release(), Release(backlog="lose"), FinLink()])
)
ANYTHING = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def assert_harmless(toxic: Toxic) -> None:
    """None of the attributes that crash the server or are taken for something else."""
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", toxic.name)
    assert toxic.toxicity in (0, 1)
    assert toxic.stream in ("downstream", "upstream")
    for value in toxic.attributes.values():
        assert type(value) is int
        assert 0 <= value * 1_000_000 < 2**62, "Go counts nanoseconds in 63 bits"
    has = toxic.attributes
    match toxic.type:
        case "bandwidth":
            assert has.keys() == {"rate"}
            assert has["rate"] >= 1
        case "slicer":
            assert has.keys() == {"average_size", "size_variation", "delay"}
            assert 0 <= has["size_variation"] < has["average_size"]
            assert has["delay"] >= 100  # µs: less is merged by the kernel
        case "latency":
            assert has.keys() == {"latency", "jitter"}
            assert has["jitter"] <= has["latency"]
        case "limit_data":
            assert has.keys() == {"bytes"}
        case "slow_close":
            assert has.keys() == {"delay"}
        case "timeout":
            assert has == {"timeout": 0}
        case other:
            pytest.fail(f"{other} is never made")


@ANYTHING
@given(st.lists(LASTING, max_size=5), st.integers())
def test_no_fault_that_can_be_said_makes_a_toxic_that_crashes_the_server(
    faults: list[Any], seed: int
) -> None:
    state = State()
    for turn, fault in enumerate(faults):
        delay_ms = 0
        if isinstance(fault, Latency):
            delay_ms = fault.drawn_ms(str(seed), Direction.UPSTREAM, turn)
        state = state.after(fault, delay_ms)
    for toxic in state.toxics(Direction.UPSTREAM).values():
        assert_harmless(toxic)


@pytest.mark.parametrize(
    "toxic",
    [
        Toxic("a", "bandwidth", Direction.UPSTREAM, {"rate": -1}),
        Toxic("a", "slicer", Direction.UPSTREAM,
              {"average_size": 0, "size_variation": 0, "delay": 100}),
        Toxic("a", "slicer", Direction.UPSTREAM,
              {"average_size": 1, "size_variation": 100, "delay": 100}),
        Toxic("a", "latency", Direction.UPSTREAM, {"latency": 2**62, "jitter": 2**62}),
        Toxic("a", "latency", Direction.UPSTREAM, {"latency": 1, "jitter": -1}),
        Toxic("a", "latency", Direction.UPSTREAM, {"latncy": 1, "jitter": 0}),
        Toxic("a", "limit_data", Direction.UPSTREAM, {"bytes": -1}),
        Toxic("a", "slow_close", Direction.UPSTREAM, {"delay": 1}, toxicity=5),
    ],
)  # fmt: skip
def test_each_that_crashes_the_server_or_is_passed_over_would_be_seen(toxic: Toxic) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        assert_harmless(toxic)


# --- what is done under connections ---


class Recorded(Api):
    """A server in memory that holds what it is asked to, and refuses what hangs the real one."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 1)
        self.proxy: dict[str, Any] | None = None
        self.replaced = -1

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/proxies":
            assert self.proxy is None
            assert not body["enabled"], "toxics are put on before anybody can come"
            assert body["listen"].startswith("127.0.0.1:")
            assert body["upstream"].startswith("127.0.0.1:")
            self.proxy = {**body, "listen": "127.0.0.1:4000", "toxics": {}}
            self.replaced += 1
            return self.proxy
        assert self.proxy is not None
        if path == "/proxies/x":
            self.proxy.update(body)
            return self.proxy
        toxics, live = self.proxy["toxics"], self.proxy["enabled"]
        name = path.removeprefix("/proxies/x/toxics").strip("/")
        if not name:
            assert not live or body["type"] in ("timeout", "limit_data"), "hangs"
            assert body["name"] not in toxics
            toxics[body["name"]] = body
            return body
        assert not live or toxics[name]["type"] in ("latency", "slow_close"), "hangs"
        toxics[name] = {**toxics[name], **body}
        return toxics[name]

    async def get(self, path: str) -> Any:
        assert self.proxy is not None
        return {**self.proxy, "toxics": [dict(one) for one in self.proxy["toxics"].values()]}

    async def delete(self, path: str) -> None:
        assert path == "/proxies/x", "to take a toxic away hangs"
        self.proxy = None


@ANYTHING
@given(st.lists(ANY, max_size=8), st.lists(LIKELY, max_size=3))
def test_what_hangs_the_server_is_done_only_where_nobody_is_connected(
    faults: list[LinkFault], stands: list[Any]
) -> None:
    async def happen() -> None:
        api = Recorded()
        link = Link(api, "x", 1, LinkTerms(tuple(stands)), "seed")
        await link.open()
        for fault in faults:
            await link.inject(fault)
            await link.check()
            assert api.proxy is not None
            assert api.proxy["enabled"]
            for one in api.proxy["toxics"].values():
                attributes = one["attributes"]
                assert_harmless(Toxic(one["name"], one["type"], one["stream"], attributes))
        await link.inject(ClearLink())
        cleared = api.proxy
        await Link(again := Recorded(), "x", 1, LinkTerms(tuple(stands)), "seed").open()
        assert cleared is not None
        assert again.proxy is not None
        jittered = any(isinstance(one, Latency) and one.jitter_ms for one in stands)
        assert jittered or cleared["toxics"] == again.proxy["toxics"], "as it was made"

    asyncio.run(happen())


@ANYTHING
@given(st.lists(LIKELY, min_size=1, max_size=6))
def test_a_link_that_was_made_with_what_lasts_is_not_replaced_when_more_of_it_comes(
    faults: list[Any],
) -> None:
    """Connections end only where that is told: at a rate, slices, or a limit that is changed."""

    async def happen() -> None:
        link = Link(api := Recorded(), "x", 1, LinkTerms(), "seed")
        await link.open()
        for fault in faults:
            before = api.replaced
            limits = [n for n in (api.proxy or {})["toxics"] if n.startswith("limit_data")]
            await link.inject(fault)
            if not isinstance(fault, Bandwidth | Slice) and not limits:
                assert api.replaced == before

    asyncio.run(happen())


@pytest.mark.parametrize("name", ["a/b", "..", ".", ".a", "ä", "a b", "a\n", "a%2fb"])
async def test_what_is_no_part_of_a_path_is_no_name(name: str) -> None:
    async with ToxiproxyFaults("127.0.0.1", 1) as faults:
        with pytest.raises(FaultError, match="is no name of a link"):
            await faults.link(1, name=name)


@pytest.mark.parametrize(("upstream", "port"), [(0, 0), (-1, 0), (65536, 0), (1, -1), (1, 65536)])
async def test_where_no_port_can_be_there_is_no_link(upstream: int, port: int) -> None:
    async with ToxiproxyFaults("127.0.0.1", 1) as faults:
        with pytest.raises(FaultError, match="no such ports"):
            await faults.link(upstream, port=port)
