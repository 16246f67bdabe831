"""A capture, round and round: to a client it is one market that goes on."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.errors import BookUnknown, ConfigError
from mockex.market.instruments import instruments
from mockex.market.replay import Bridge
from mockex.market.walk import Market
from mockex.names import parse
from mockex.profile import SPOT, USDM, Profile
from mockex.streams.depth import snapshot
from mockex.streams.envelope import microseconds
from mockex.streams.schedule import Publisher
from tests.market.capturing import EPOCH_MS, SYMBOL, Played, lines_of

S = SYMBOL.lower()
both = pytest.mark.parametrize("profile", [SPOT, USDM], ids=lambda p: p.name)
captures = st.fixed_dictionaries({
    "profile": st.sampled_from([SPOT, USDM]),
    "seed": st.integers(0, 10_000),
    "begin_ms": st.integers(0, 1500),
    "until_ms": st.integers(3000, 6000),
    "snapshot_ms": st.integers(1500, 2500),
})  # fmt: skip


def read_chain(profile: Profile, event: dict[str, Any]) -> tuple[int, int, int]:
    """The update before, the first and the last one of a diff."""
    before = event["pu"] if profile.name == "usdm" else event["U"] - 1
    return before, event["U"], event["u"]


class ClientBook:
    """The documented procedure (spot 6.1, usdm 6.1), straightforward."""

    def __init__(self, profile: Profile, answer: dict[str, Any]) -> None:
        self._profile = profile
        self.last_id: int = answer["lastUpdateId"]
        self._joined = False
        self.sides = tuple({Decimal(p): q for p, q in answer[side]} for side in ("bids", "asks"))

    def take(self, event: dict[str, Any]) -> None:
        before, first, final = read_chain(self._profile, event)
        if final <= self.last_id:
            return
        if self._joined:
            assert before == self.last_id
        else:
            assert first <= self.last_id + 1 or before == self.last_id
            self._joined = True
        for side, changed in zip(self.sides, (event["b"], event["a"]), strict=True):
            for price, quantity in changed:
                if Decimal(quantity):
                    side[Decimal(price)] = quantity
                else:
                    side.pop(Decimal(price), None)
        self.last_id = final


def truth_at(played: Played, update_id: int) -> tuple[dict[Decimal, str], dict[Decimal, str]]:
    i = played.replay.instruments[SYMBOL]
    book = played.replay.truth.book(SYMBOL, update_id)
    bids, asks = ({Decimal(i.price(p)): i.quantity(q) for p, q in side}
                  for side in (book.bids, book.asks))  # fmt: skip
    return bids, asks


@settings(max_examples=20, deadline=None)
@given(capture=captures, speed=st.sampled_from(["@100ms", "", "@500ms"]), ask_at=st.floats(0, 1))
def test_the_book_procedure_holds_wherever_it_begins_in_three_turns(
    capture: dict[str, Any], speed: str, ask_at: float
) -> None:
    profile: Profile = capture["profile"]
    if speed not in ("@100ms", ""):
        speed = "@500ms" if profile.name == "usdm" else "@1000ms"
    stream = f"{S}@depth{speed}"
    played = Played(profile, lines_of(streams=[f"{S}@depth@100ms", stream], **capture))
    book: ClientBook | None = None
    before: list[dict[str, Any]] = []
    begin_ms = played.epoch_ms + int(ask_at * 2.9 * played.replay.period_ms)
    for at_ms, name, event in played.events(3):
        if name == stream:
            before.append(event)
            if book is not None:
                book.take(event)
        if book is None and at_ms >= begin_ms and before:
            i = played.replay.instruments[SYMBOL]
            text, _ = snapshot(profile, played.replay.truth, i, 5000, at_ms)

            book = ClientBook(profile, json.loads(text))
            for event in before:
                book.take(event)
    assert book is not None
    if book.last_id == before[-1]["u"]:
        assert book.sides == truth_at(played, book.last_id)


KINDS = (
    "depth@100ms", "depth", "depth5@100ms", "trade", "aggTrade", "bookTicker", "kline_1m",
    "miniTicker", "ticker",
)  # fmt: skip


def three_turns(capture: dict[str, Any]) -> tuple[list[bytes], dict[str, list[tuple[int, Any]]]]:
    """A capture of every kind, and what is sent: time and payload by what stands behind the `@`."""
    lines = lines_of(streams=[f"{S}@{kind}" for kind in KINDS], **capture)
    seen: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for at_ms, name, event in Played(capture["profile"], lines).events(3):
        seen[name.partition("@")[2]].append((at_ms, event))
    return lines, seen


@settings(max_examples=12, deadline=None)
@given(capture=captures)
def test_ids_go_on_from_turn_to_turn(capture: dict[str, Any]) -> None:
    profile: Profile = capture["profile"]
    _, seen = three_turns(capture)
    sent = {kind: [event for _, event in events] for kind, events in seen.items()}
    for kind in ("depth", "depth@100ms"):
        chain = [read_chain(profile, event) for event in sent[kind]]
        assert all(before < first <= final for before, first, final in chain)
        assert [before for before, _, _ in chain[1:]] == [final for _, _, final in chain[:-1]]
    if profile.name == "usdm":
        partial = [(e["pu"], e["u"]) for e in sent["depth5@100ms"]]
        assert [pu for pu, _ in partial[1:]] == [u for _, u in partial[:-1]]
    else:
        ids = [e["lastUpdateId"] for e in sent["depth5@100ms"]]
        assert ids == sorted(set(ids))
    for kind, member in (("trade", "t"), ("aggTrade", "a")):
        ids = [e[member] for e in sent[kind]]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    ids = [e["u"] for e in sent["bookTicker"]]
    assert ids == sorted(set(ids))
    for trade in sent["trade"]:
        orders = [a for a in sent["aggTrade"] if a["f"] <= trade["t"] <= a["l"]]
        assert all(order["p"] == trade["p"] for order in orders)


@settings(max_examples=12, deadline=None)
@given(capture=captures)
def test_times_are_those_of_the_clock_and_bars_begin_when_they_should(
    capture: dict[str, Any],
) -> None:
    lines, seen = three_turns(capture)
    late: dict[str, list[int]] = defaultdict(list)
    for line in map(json.loads, lines):
        if "E" in line["data"]:
            late[line["stream"].partition("@")[2]].append(line["t"] - line["data"]["E"])
    for kind in {*KINDS} - {"depth", "depth@100ms"}:
        events = seen[kind]
        assert len(events) >= 3
        assert [at_ms - e["E"] for at_ms, e in events if "E" in e] == late[kind] * 3, kind
    for _, event in seen["kline_1m"]:
        bar = event["k"]
        assert bar["t"] % 60_000 == 0
        assert bar["T"] == bar["t"] + 59_999
        assert bar["t"] <= event["E"] <= bar["T"] + 2_000
    begins = [event["k"]["t"] for _, event in seen["kline_1m"]]
    assert begins == sorted(begins)
    assert len({*begins}) >= 3


@both
def test_the_book_of_each_turn_is_that_of_the_market_that_was_captured(profile: Profile) -> None:
    stream = f"{S}@depth@100ms"
    lines = lines_of(profile, [stream], until_ms=4000, snapshot_ms=400, seed=3)
    played = Played(profile, lines)
    market = Market(instruments(profile, [SYMBOL]), seed=3, profile=profile)
    market.advance(4000)
    i = market.instruments[SYMBOL]
    ids = [event["u"] for _, _, event in played.events(3)]
    kept = [json.loads(line.data)["u"] for line in played.replay.capture.lines]
    assert len(kept) > 30
    assert len(ids) == 3 * len(kept) + 2  # a bridge between two turns
    for turn in range(3):
        for captured_id, update_id in zip(kept, ids[turn * (len(kept) + 1) :], strict=False):
            book = market.truth.book(SYMBOL, captured_id)
            expected = tuple(
                {Decimal(i.price(p)): Decimal(i.quantity(q)) for p, q in side}
                for side in (book.bids, book.asks)
            )
            found = truth_at(played, update_id)
            assert tuple({p: Decimal(q) for p, q in side.items()} for side in found) == expected


@both
def test_an_event_of_the_first_turn_is_the_captured_text_with_other_times(profile: Profile) -> None:
    lines = lines_of(profile, [f"{S}@trade", f"{S}@kline_1m"], until_ms=3000)
    played = Played(profile, lines)
    shift = played.epoch_ms + 1000 - played.replay.capture.start_ms
    assert shift % 60_000 == 0
    played.replay.advance(1000 + played.replay.period_ms - 1)
    events = list(played.replay.played(played.replay.capture.streams))
    assert len(events) == len(lines)
    for line, event in zip(lines, events, strict=True):
        assert not isinstance(event, Bridge)
        text = line.decode().partition('"data":')[2][:-2]
        assert event.text == re.sub(r"\b18\d{11}\b", lambda t: str(int(t[0]) + shift), text)


def every_stream(profile: Profile) -> list[str]:
    """One name of each kind and option that is served of ETHUSDC."""
    spelled = {"<symbol>": S, "<pair>": S, "<contractType>": "perpetual", "<levels>": "5"}
    market = Market(instruments(profile, [SYMBOL]), seed=1, profile=profile)
    publisher = Publisher(profile, market, EPOCH_MS)
    names = []
    for kind, options in profile.streams.items():
        for option in options:
            name = str(kind)
            for part, text in {**spelled, "<interval>": option, "<window>": option}.items():
                name = name.replace(part, text)
            if option and not name.endswith(option) and "_" + option not in name:
                name += f"@{option}"
            found = parse(name)
            if found is not None and publisher.serves(found):
                names.append(name)
    return names


@both
def test_every_time_of_every_kind_of_event_is_shifted(profile: Profile) -> None:
    streams = every_stream(profile)
    lines = lines_of(profile, streams, until_ms=6_000)
    played = Played(profile, lines)
    capture = played.replay.capture
    assert len({name.kind for name in capture.streams.values()}) > 10
    shift = played.epoch_ms + 1000 - capture.start_ms
    played.replay.advance(1000 + played.replay.period_ms - 1)
    events = played.replay.played(capture.streams)
    for line, event in zip(capture.lines, events, strict=True):
        assert not isinstance(event, Bridge)
        times = [[int(t) for t in re.findall(r"\b1[78]\d{11}\b", text)]
                 for text in (line.data, event.text)]  # fmt: skip
        assert times[1] == [t + shift for t in times[0]], event.name.text


@both
def test_once_is_once(profile: Profile) -> None:
    lines = lines_of(profile, [f"{S}@depth@100ms"], until_ms=2000)
    played = Played(profile, lines, loop=False)
    assert sum(1 for _ in played.events(5)) == len(lines)
    assert played.replay.next_ms() is None


@both
def test_without_a_picture_the_book_is_not_known(profile: Profile) -> None:
    played = Played(profile, lines_of(profile, [f"{S}@depth@100ms"], until_ms=2000))
    list(played.events(2))
    with pytest.raises(BookUnknown, match="no snapshot and no partial depth of ETHUSDC"):
        played.replay.truth.book(SYMBOL)
    with pytest.raises(BookUnknown):
        played.replay.top(SYMBOL)


@both
def test_the_book_is_that_of_the_fastest_diffs(profile: Profile) -> None:
    for streams in (["depth", "depth@100ms"], ["depth@100ms", "depth"]):
        lines = lines_of(
            profile, [f"{S}@{kind}" for kind in streams], until_ms=4000, snapshot_ms=400
        )
        played, compared = Played(profile, lines), 0
        seen = [
            (at_ms, name, event["u"], played.replay.truth.last_update_id(SYMBOL))
            for at_ms, name, event in played.events(2)
        ]
        for _, moment in groupby(seen, key=lambda event: event[0]):
            ids = [(u, last_id) for _, name, u, last_id in moment if name.endswith("@100ms")]
            if ids:
                assert ids[-1][0] == ids[-1][1]
                compared += 1
        assert compared > 60


@both
def test_partial_depth_alone_is_a_book_of_so_many_levels(profile: Profile) -> None:
    played = Played(profile, lines_of(profile, [f"{S}@depth10@100ms"], until_ms=3000))
    i = played.replay.instruments[SYMBOL]
    sides = ("b", "a") if profile.name == "usdm" else ("bids", "asks")
    for _, _, event in played.events(3):
        bids, asks = played.replay.best(SYMBOL, 20)
        assert [[i.price(p), i.quantity(q)] for p, q in bids] == event[sides[0]]
        assert [[i.price(p), i.quantity(q)] for p, q in asks] == event[sides[1]]


@both
def test_trades_of_a_replay_are_in_the_truth(profile: Profile) -> None:
    played = Played(profile, lines_of(profile, [f"{S}@trade"], until_ms=4000))
    i = played.replay.instruments[SYMBOL]
    sent = [(e["t"], e["p"], e["q"], e["m"]) for _, _, e in played.events(2)]
    trades = played.replay.truth.history(SYMBOL).trades
    assert [
        (t.trade_id, i.price(t.price), i.quantity(t.quantity), t.buyer_is_maker) for t in trades
    ] == sent
    assert [t.at_ms for t in trades] == sorted(t.at_ms for t in trades)


def test_a_bridge_never_has_two_empty_sides_and_is_for_who_wants_it() -> None:
    def line(data: str) -> bytes:
        return f'{{"t":1800000000000,"stream":"ethusdc@depth","data":{data}}}\n'.encode()

    snapshot_line = line('{"lastUpdateId":4,"bids":[["1.0","2.0"],["0.9","1.0"]],"asks":[]}')
    empty = line('{"e":"depthUpdate","E":1800000000000,"s":"ETHUSDC","U":4,"u":6,"b":[],"a":[]}')
    ticker = line('{"u":6,"s":"ETHUSDC"}').replace(b"@depth", b"@bookTicker")
    played = Played(SPOT, [snapshot_line, empty, ticker])
    diffs = [event for _, name, event in played.events(2) if name == f"{S}@depth"]
    assert [(e["U"], e["u"], len(e["b"])) for e in diffs] == [(4, 6, 0), (7, 7, 1), (8, 10, 0)]
    assert diffs[1]["b"] == [["1.00000000", "2.00000000"]]
    assert played.replay.truth.top(SYMBOL, 10)[2:] == (0, 0)
    assert played.replay.top(SYMBOL) == played.replay.truth.top(SYMBOL, 10)
    played.publisher.remove(f"{S}@depth")
    assert {name for _, name, _ in played.events(3)} == {f"{S}@bookTicker"}


def test_streams_that_the_capture_lacks_are_not_served() -> None:
    played = Played(SPOT, lines_of(SPOT, [f"{S}@trade"], until_ms=3000))
    for name in (f"{S}@aggTrade", f"{S}@depth", "btcusdc@trade", "!miniTicker@arr"):
        found = parse(name)
        assert found is not None
        assert not played.publisher.serves(found)
    with pytest.raises(ValueError, match="is not served"):
        played.publisher.add(f"{S}@depth")
    assert played.publisher.symbols == ()
    assert played.publisher.next_by_clock_ms(0) is None


def test_only_wanted_streams_are_spelled() -> None:
    played = Played(SPOT, lines_of(SPOT, [f"{S}@trade", f"{S}@bookTicker"], until_ms=3000))
    played.publisher.remove(f"{S}@bookTicker")
    played.publisher.remove(f"{S}@bookTicker")
    assert {name for _, name, _ in played.events(1)} == {f"{S}@trade"}


def test_a_list_of_many_symbols_is_renumbered_row_by_row() -> None:
    rows = [
        '{"e":"24hrTicker","E":1800000000100,"s":"AAAUSDT","c":"1","O":1799913600000,'
        '"C":1800000000000,"F":1,"L":10,"n":10}',
        '{"e":"24hrTicker","E":1800000000100,"s":"BBBUSDT","c":"2","O":1799913600000,'
        '"C":1800000000000,"F":-1,"L":-1,"n":0}',
    ]
    lines = [f'{{"t":1800000000101,"stream":"!ticker@arr","data":[{",".join(rows)}]}}\n'.encode()]
    played = Played(USDM, lines)
    events = [payload for _, _, payload in played.events(3)]
    assert [(e[0]["F"], e[0]["L"]) for e in events] == [(1, 10), (11, 20), (21, 30)]
    assert [(e[1]["F"], e[1]["L"]) for e in events] == [(-1, -1)] * 3
    assert [e[0]["C"] - events[0][0]["C"] for e in events] == [0, 1000, 2000]


def test_times_in_microseconds_are_served_in_milliseconds() -> None:
    line = (
        b'{"t":1800000000.5,"stream":"ethusdc@trade","data":{"e":"trade","E":1800000000400123,'
        b'"s":"ETHUSDC","t":5,"p":"1.0","q":"2.0","T":1800000000400001,"m":false,"M":true}}\n'
    )
    played = Played(SPOT, [line])
    ((at_ms, _, event),) = played.events(1)
    assert (at_ms - event["E"], at_ms - event["T"]) == (100, 100)


def test_trades_of_nothing_are_sent_and_are_no_trades() -> None:
    line = (
        b'{"t":1800000000500,"stream":"ethusdc@trade","data":{"e":"trade","E":1800000000401,'
        b'"T":1800000000400,"s":"ETHUSDC","t":5,"p":"0","q":"0","X":"NA","m":false,"st":1}}\n'
    )
    played = Played(USDM, [line])
    assert len(list(played.events(2))) == 2
    assert played.replay.truth.history(SYMBOL).trades == []


# --- whatever a file holds ------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**65) | st.floats() | st.text(max_size=5)
    | st.sampled_from(["1.5", "0.00", ".", "1e5", "-1", "²", "٣"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)  # fmt: skip
MEMBERS = ("E", "T", "t", "s", "u", "U", "pu", "a", "b", "p", "q", "m", "k", "f", "l", "L", "F",
           "lastUpdateId", "bids", "asks", "stream", "data")  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    profile=st.sampled_from([SPOT, USDM]),
    changes=st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(MEMBERS), VALUES), min_size=1, max_size=8
    ),
    lenient=st.booleans(),
)
def test_a_file_is_refused_or_played_whatever_it_holds(
    profile: Profile, changes: list[tuple[int, str, Any]], lenient: bool
) -> None:
    lines = [json.loads(line) for line in lines_of(
        profile, every_stream(profile)[:12], until_ms=1500, snapshot_ms=500
    )]  # fmt: skip
    for number, member, value in changes:
        line = lines[number % len(lines)]
        target = line if member in line else line["data"]
        for row in target if isinstance(target, list) else [target]:
            if isinstance(row, dict):
                row[member] = value
    text = [json.dumps(line).encode() + b"\n" for line in lines]
    try:
        played = Played(profile, text, lenient=lenient)
    except ConfigError:
        return
    for _, stream, event in played.events(2):
        name = parse(stream)
        assert name is not None
        assert microseconds(name.kind, json.dumps(event))
