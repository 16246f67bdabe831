"""Each fault of the exchange, by what a raw client socket really got."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any, get_args

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake

from mockex.errors import FaultError, FaultUnseen
from mockex.faults import (
    AcceptThenClose,
    AckError,
    AfterEvents,
    BadUpgrade,
    BadUpgradeKind,
    CloseWith,
    CutFrame,
    Every,
    Fin,
    HangUpgrade,
    Latency,
    LifetimeCut,
    Outage,
    QuietStart,
    RefuseUpgrade,
    Reset,
    Resume,
    ServerShutdown,
    SilentStream,
    SlowUpgrade,
    Stall,
    WithholdAck,
)
from mockex.server.journal import Attempted, Closed, Delivered, Ended, Faulted, HalfClosed, Upgraded

DEPTH = "ethusdc@depth5@100ms"
TARGET = f"/public/stream?streams={DEPTH}"
Make = Callable[..., Any]


async def live(exchange: Any, raw: Make, target: str = TARGET) -> Any:
    """A client that has its first event."""
    client = await raw(exchange.ws_port)
    await client.upgrade(target)
    await client.text()
    return client


async def test_reset_is_seen_by_the_client_as_rst(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    seen = await exchange.inject(Reset(stream=DEPTH)).seen(within_s=2)
    assert await client.until_end() == "rst"
    assert seen.conns == [1]
    assert [(e.by, e.how) for e in exchange.journal.of(Ended)] == [("server", "rst")]
    assert exchange.live(DEPTH) == 0


async def test_reset_hits_the_newest_delivery_and_spares_the_others(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    older, newest = await live(exchange, raw), await live(exchange, raw)
    await exchange.inject(Reset(stream=DEPTH)).seen(within_s=2)
    assert await newest.until_end() == "rst"
    assert json.loads(await older.text())["stream"] == DEPTH
    assert exchange.live(DEPTH) == 1


async def test_reset_all_hits_every_delivery_of_the_stream_and_no_other(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    first, second = await live(exchange, raw), await live(exchange, raw)
    other = await live(exchange, raw, "/public/ws/btcusdc@depth5@100ms")
    seen = await exchange.inject(Reset(stream=DEPTH, all=True)).seen(within_s=2)
    assert seen.conns == [1, 2]
    assert [await first.until_end(), await second.until_end()] == ["rst", "rst"]
    assert json.loads(await other.text())["s"] == "BTCUSDC"


async def test_fin_ends_the_stream_without_a_close_frame_and_we_read_on(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    await exchange.inject(Fin()).seen(within_s=2)
    assert await client.until_end() == "fin"
    assert b"\x88" not in client.buffer[-2:]
    assert [e.by for e in exchange.journal.of(HalfClosed)] == ["server"]
    assert not list(exchange.journal.of(Ended)), "the other direction is still open"
    await client.send_frame(9, b"still read")
    client.close()
    await asyncio.wait_for(exchange.journal.wait(lambda e: isinstance(e, Ended)), 2)


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013, None])
async def test_close_with_writes_that_code_and_then_ends_tcp(
    make_exchange: Make, raw: Make, code: int | None
) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    await exchange.inject(CloseWith(code=code, reason="why" if code else "")).seen(within_s=2)
    assert await client.close_code() == code
    await client.send_frame(8, b"" if code is None else code.to_bytes(2, "big"))
    assert await client.until_end() == "fin"


async def test_a_close_frame_that_is_never_answered_still_ends_tcp(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    await exchange.inject(CloseWith(code=1000)).seen(within_s=2)
    assert await client.until_end(within_s=4) == "fin"


async def test_the_answer_to_a_close_frame_is_seen_behind_other_frames(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    await exchange.inject(CloseWith(code=1000)).seen(within_s=2)
    # One segment: a pong, and the close frame behind it (both masked with zeros).
    await client.send(b"\x8a\x80\0\0\0\0" + b"\x88\x82\0\0\0\0\x03\xe8")
    assert await client.until_end(within_s=1.0) == "fin"
    assert [e.by for e in exchange.journal.of(Closed)] == ["server", "client"]


@pytest.mark.parametrize("then", ["fin", "reset"])
async def test_cut_frame_leaves_half_an_event(make_exchange: Make, raw: Make, then: Any) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw, f"/public/ws/{DEPTH}")
    whole = exchange.deliveries.tallies[(1, DEPTH)]
    size = whole.bytes // whole.events
    handle = exchange.inject(CutFrame(then=then))
    client.buffer = b""
    await handle.seen(within_s=2)
    end = await client.until_end()
    assert end == ("fin" if then == "fin" else "rst")
    assert len(client.buffer) % size == size // 2


async def test_stall_total_withholds_everything_and_reads_on(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange(settings={"ping_interval_s": 0.2, "pong_deadline_s": 0.5})
    client = await live(exchange, raw)
    await exchange.inject(Stall(stream=DEPTH)).seen(within_s=2)
    client.buffer = b""
    await client.send_frame(9, b"are you there")
    with pytest.raises(TimeoutError):
        await client.more(within_s=1.0)
    assert client.buffer == b""
    assert exchange.live(DEPTH) == 1, "a stalled connection still counts"


async def test_resume_deliver_sends_the_backlog_in_order_then_a_ping(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange(settings={"ping_interval_s": None})
    client = await live(exchange, raw, "/public/ws/ethusdc@depth@100ms")
    before = exchange.deliveries.tallies[(1, "ethusdc@depth@100ms")].last_id
    await exchange.inject(Stall()).seen(within_s=2)
    await asyncio.sleep(0.35)
    await exchange.inject(Resume(backlog="deliver")).seen(within_s=2)
    chain: list[tuple[int, int]] = []
    pings = 0
    while len(chain) < 6:
        opcode, payload = await client.frame()
        if opcode == 9:
            pings += 1
        else:
            event = json.loads(payload)
            if event["u"] > before:
                chain.append((event["pu"], event["u"]))
    assert all(later[0] == earlier[1] for earlier, later in pairwise(chain))
    assert chain[0][0] == before
    assert pings == 1


async def test_resume_lose_leaves_a_gap(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw, "/public/ws/ethusdc@depth@100ms")
    await exchange.inject(Stall(scope="data")).seen(within_s=2)
    last = exchange.deliveries.tallies[(1, "ethusdc@depth@100ms")].last_id
    await exchange.inject(Resume(backlog="lose")).seen(within_s=2)
    while (event := json.loads(await client.text()))["u"] <= last:
        pass
    assert event["pu"] > last


async def test_stall_of_one_stream_spares_the_others(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    target = f"{TARGET}/btcusdc@depth5@100ms"
    client = await live(exchange, raw, target)
    await exchange.inject(Stall(scope="stream", stream=DEPTH)).seen(within_s=2)
    mark = len(exchange.journal.entries)
    for _ in range(4):
        await client.text()
    await exchange.journal.wait(lambda e: isinstance(e, Delivered), since=mark)
    later = [e for e in exchange.journal.entries[mark:] if isinstance(e, Delivered)]
    assert {name for e in later for name in e.streams} == {"btcusdc@depth5@100ms"}


async def test_a_fin_for_a_client_that_has_reset_meanwhile_is_no_fin(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    client.reset()
    with pytest.raises(FaultError, match="the client has reset c1 already"):
        exchange.inject(Fin())
    await asyncio.wait_for(exchange.journal.wait(lambda e: isinstance(e, Ended)), 2)
    assert [(e.by, e.how) for e in exchange.journal.of(Ended)] == [("client", "rst")]
    await live(exchange, raw)


async def test_outage_abort_resets_all_and_each_attempt(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    handle = exchange.inject(Outage(how="abort", attempts=2))
    assert await client.until_end() == "rst"
    for _ in range(2):
        attempt = await raw(exchange.ws_port)
        assert await attempt.until_end() == "rst"
    await asyncio.wait_for(handle.ended(), 2)
    assert handle.times_seen == 2
    await live(exchange, raw)


async def test_outage_refuse_refuses_and_keeps_the_port(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    port = exchange.ws_port
    handle = exchange.inject(Outage(how="refuse", ms=300))
    assert await client.until_end() == "rst"
    await handle.seen(within_s=2)
    with pytest.raises(ConnectionRefusedError):
        await raw(port)
    await asyncio.wait_for(handle.ended(), 2)
    assert exchange.ws_port == port
    await live(exchange, raw)


async def test_slow_upgrade_answers_late(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    handle = exchange.inject(SlowUpgrade(ms=300))
    client = await raw(exchange.ws_port)
    await client.ask(TARGET)
    await handle.seen(within_s=2)
    assert len(exchange.connections.pending()) == 1
    status, _ = await client.head()
    assert status == 101
    (attempted,) = exchange.journal.of(Attempted)
    (upgraded,) = exchange.journal.of(Upgraded)
    assert upgraded.t - attempted.t >= 0.3


@pytest.mark.parametrize("half", [False, True])
async def test_hang_upgrade_never_answers(make_exchange: Make, raw: Make, half: bool) -> None:
    exchange = await make_exchange()
    handle = exchange.inject(HangUpgrade(half=half))
    client = await raw(exchange.ws_port)
    await client.ask(TARGET)
    await handle.seen(within_s=2)
    if half:
        assert await client.more()
        assert client.buffer.startswith(b"HTTP/1.1 101")
        assert b"\r\n\r\n" not in client.buffer
    with pytest.raises(TimeoutError):
        await client.more(within_s=0.5)
    await live(exchange, raw)  # only that one attempt


async def test_refuse_upgrade_gives_the_answer_it_was_told(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    handle = exchange.inject(
        RefuseUpgrade(status=429, headers={"Retry-After": "5"}, body='{"code":-1003}')
    )
    client = await raw(exchange.ws_port)
    await client.ask(TARGET)
    status, head = await client.head()
    assert (status, "retry-after: 5" in head) == (429, True)
    await client.until_end()
    assert client.buffer == b'{"code":-1003}'
    assert handle.times_seen == 1


@pytest.mark.parametrize("kind", ["wrong-accept", "no-upgrade"])
async def test_a_101_that_must_not_be_used_stays_open_and_silent(
    make_exchange: Make, raw: Make, kind: Any
) -> None:
    exchange = await make_exchange()
    handle = exchange.inject(BadUpgrade(kind=kind))
    client = await raw(exchange.ws_port)
    await client.upgrade(TARGET)  # it looks at nothing but the status
    assert (await handle.seen(within_s=2)).detail == kind
    with pytest.raises(TimeoutError):
        await client.more(within_s=0.3)
    assert list(exchange.journal.of(Upgraded)) == []
    client.half_close()
    assert await client.until_end() == "fin"
    assert [e.by for e in exchange.journal.of(HalfClosed)] == ["client"]
    await live(exchange, raw)  # only that one attempt


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("garbage", b"220 \x00"),
        ("cut", b"HTTP/1.1 101 Switching Protocols\r\n"),
        ("tls-alert", b"\x15\x03\x01"),
    ],
)
async def test_an_answer_that_is_none_is_ended_by_a_fin(
    make_exchange: Make, raw: Make, kind: Any, begins: bytes
) -> None:
    exchange = await make_exchange()
    exchange.inject(BadUpgrade(kind=kind, attempts=2))
    for _ in range(2):
        client = await raw(exchange.ws_port)
        await client.ask(TARGET)
        assert await client.until_end() == "fin"
        assert client.buffer.startswith(begins)
        assert not client.buffer.endswith(b"\r\n\r\n") or kind == "garbage"
    assert {(e.by, e.how) for e in exchange.journal.of(Ended)} == {("server", "fin")}
    await live(exchange, raw)


@pytest.mark.parametrize("kind", get_args(BadUpgradeKind))
async def test_a_client_that_looks_takes_no_bad_upgrade(make_exchange: Make, kind: Any) -> None:
    exchange = await make_exchange()
    exchange.inject(BadUpgrade(kind=kind))
    with pytest.raises(InvalidHandshake):
        await connect(exchange.ws_url + TARGET, proxy=None)
    async with connect(exchange.ws_url + TARGET, proxy=None) as client:
        await client.recv()


@pytest.mark.parametrize("events", [0, 1, 3])
async def test_accept_then_close_gives_exactly_that_many_events(
    make_exchange: Make, raw: Make, events: int
) -> None:
    exchange = await make_exchange()
    handle = exchange.inject(AcceptThenClose(ms=1500, events=events))
    client = await raw(exchange.ws_port)
    await client.upgrade(TARGET)
    got = 0
    while (await client.frame())[0] == 1:
        got += 1
    assert got == events
    await handle.seen(within_s=2)
    await asyncio.wait_for(handle.ended(), 3)
    await live(exchange, raw)


@pytest.mark.rule("spot-3.2.2", "spot-3.2.3", "usdm-1.10")
async def test_a_quiet_start_has_pings_and_replies_and_no_event_until_it_is_resumed(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    handle = exchange.inject(QuietStart())
    client = await raw(exchange.ws_port)
    await client.upgrade(TARGET)
    assert (await handle.seen(within_s=2)).conns == [1]
    exchange.ping(1, b"all the same")
    assert await client.frame() == (9, b"all the same")
    await client.send_frame(1, b'{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert json.loads(await client.text()) == {"result": [DEPTH], "id": 1}
    await live(exchange, raw)  # the next one is served
    assert exchange.deliveries.events(1, DEPTH) == 0
    await exchange.inject(Resume(connection=1)).seen(within_s=2)
    assert json.loads(await client.text())["stream"] == DEPTH


async def test_lifetime_cut_is_1001_with_an_empty_reason(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    await exchange.inject(LifetimeCut()).seen(within_s=2)
    assert await client.close_code() == 1001


@pytest.mark.rule("spot-3.3.1", "spot-3.3.2", "spot-3.3.3", "spot-3.3.4", "spot-10.13")
async def test_server_shutdown_is_announced_in_the_form_of_the_mode(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange("spot")
    wrapped = await live(exchange, raw, f"/stream?streams={DEPTH}")
    bare = await live(exchange, raw, f"/ws/{DEPTH}")
    await exchange.inject(ServerShutdown(lead_ms=200)).seen(within_s=2)

    async def notice(client: Any) -> Any:
        while "serverShutdown" not in (text := await client.text()):
            pass
        return json.loads(text)

    told = await notice(wrapped)
    assert told["stream"] == "!serverShutdown"
    assert told["data"]["e"] == "serverShutdown"
    assert (await notice(bare))["e"] == "serverShutdown"
    assert await wrapped.close_code() == 1001


@pytest.mark.parametrize("reset_ms", [0, 60])
async def test_a_shutdown_can_end_in_a_reset_whatever_is_answered(
    make_exchange: Make, raw: Make, reset_ms: int
) -> None:
    exchange = await make_exchange("spot")
    client = await live(exchange, raw, f"/ws/{DEPTH}")
    handle = exchange.inject(ServerShutdown(lead_ms=0, reset_ms=reset_ms))
    assert await client.close_code() == 1001
    if reset_ms:
        await client.send_frame(8, (1001).to_bytes(2, "big"))
    assert await client.until_end() == "rst"
    await handle.ended()
    closed, *answered = exchange.journal.of(Closed)
    assert (closed.by, closed.code, len(answered)) == ("server", 1001, 1 if reset_ms else 0)
    (ended,) = exchange.journal.of(Ended)
    assert (ended.by, ended.how) == ("server", "rst")
    assert ended.t - closed.t >= reset_ms / 1000


async def test_a_shutdown_that_everybody_has_left_before_is_over_when_its_time_has_come(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange("spot")
    client = await live(exchange, raw, f"/ws/{DEPTH}")
    handle = exchange.inject(ServerShutdown(lead_ms=100, reset_ms=0))
    client.reset()
    await asyncio.wait_for(handle.ended(), 2)
    assert not list(exchange.journal.of(Closed))


async def test_a_cut_at_the_lifetime_can_end_in_a_reset_and_is_seen_when_that_is_done(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    handle = exchange.inject(LifetimeCut(reset_ms=60))
    assert await client.close_code() == 1001
    assert handle.times_seen == 0
    assert await client.until_end() == "rst"
    assert (await handle.seen(within_s=2)).conns == [1]
    assert [(e.by, e.how) for e in exchange.journal.of(Ended)] == [("server", "rst")]


async def test_a_handshake_that_hangs_can_be_reset(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    handle = exchange.inject(HangUpgrade(reset_ms=50))
    client = await raw(exchange.ws_port)
    await client.ask(TARGET)
    await handle.seen(within_s=2)
    assert await client.until_end() == "rst"
    assert client.buffer == b""


async def test_a_fault_can_wait_for_events(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    already = exchange.deliveries.events(1, DEPTH)
    await exchange.inject(Reset(stream=DEPTH, when=AfterEvents(4))).seen(within_s=3)
    await client.until_end()
    assert exchange.deliveries.events(1, DEPTH) == already + 4


async def test_a_fault_can_repeat(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    handle = exchange.inject(Reset(when=Every(0.5, 2)))
    for _ in range(2):
        client = await live(exchange, raw)
        assert await client.until_end() == "rst"
    assert handle.times_seen == 2


async def test_a_fault_with_nothing_to_hit_is_refused_by_name(make_exchange: Make) -> None:
    exchange = await make_exchange()
    with pytest.raises(FaultError, match="Reset: nothing live delivers ethusdc@depth5@100ms"):
        exchange.inject(Reset(stream=DEPTH))


async def test_a_fault_of_the_link_is_refused_by_name(make_exchange: Make) -> None:
    exchange = await make_exchange()
    with pytest.raises(FaultError, match="Latency is about bytes on a link"):
        exchange.inject(Latency(delay_ms=5))


async def test_a_fault_that_never_happens_is_named(make_exchange: Make) -> None:
    exchange = await make_exchange()
    with pytest.raises(FaultUnseen, match="HangUpgrade"):
        await exchange.inject(HangUpgrade()).seen(within_s=0.05)
    assert [e.phase for e in exchange.journal.of(Faulted)] == ["injected"]


OTHER = "btcusdc@depth5@100ms"


async def asking(exchange: Any, raw: Make) -> Any:
    """A client that has subscribed nothing yet."""
    client = await raw(exchange.ws_port)
    await client.upgrade("/public/stream")
    return client


async def subscribe(client: Any, number: int, *streams: str) -> None:
    request = {"method": "SUBSCRIBE", "params": streams, "id": number}
    await client.send_frame(1, json.dumps(request).encode())


async def test_a_withheld_acknowledgement_leaves_the_stream_served(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    client = await asking(exchange, raw)
    withheld = exchange.inject(WithholdAck())
    await subscribe(client, 1, DEPTH)
    assert json.loads(await client.text())["stream"] == DEPTH
    seen = await withheld.seen(within_s=2)
    assert seen.conns == [1]
    await withheld.ended()
    await subscribe(client, 2, OTHER)
    while "result" not in (answer := json.loads(await client.text())):
        assert answer["stream"] == DEPTH
    assert answer == {"result": None, "id": 2}


async def test_a_request_that_is_not_served_is_not_answered_either(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    client = await asking(exchange, raw)
    withheld = exchange.inject(WithholdAck(served=False))
    await subscribe(client, 1, DEPTH)
    await withheld.seen(within_s=2)
    await subscribe(client, 2, OTHER)
    assert json.loads(await client.text()) == {"result": None, "id": 2}
    await client.send_frame(1, b'{"method":"LIST_SUBSCRIPTIONS","id":3}')
    while "result" not in (answer := json.loads(await client.text())):
        assert answer["stream"] == OTHER
    assert answer["result"] == [OTHER]


async def test_requests_that_a_fault_is_not_aimed_at_are_answered(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    first, second = await asking(exchange, raw), await asking(exchange, raw)
    by_stream = exchange.inject(WithholdAck(stream=DEPTH, served=False))
    by_connection = exchange.inject(AckError(connection=2, requests=2))
    await subscribe(first, 1, OTHER)
    assert json.loads(await first.text()) == {"result": None, "id": 1}
    await first.send_frame(1, b'{"method":"GET_PROPERTY","params":["combined"],"id":2}')
    while "result" not in (answer := json.loads(await first.text())):
        pass
    assert answer == {"result": True, "id": 2}
    await subscribe(second, 1, OTHER)
    assert "error" in json.loads(await second.text())
    assert (by_stream.times_seen, by_connection.times_seen) == (0, 1)
    exchange.calm()
    await subscribe(second, 2, DEPTH)
    assert json.loads(await second.text()) == {"result": None, "id": 2}


@pytest.mark.parametrize(
    ("envelope", "answer"),
    [
        ("nested", {"error": {"code": 2, "msg": "no"}, "id": 7}),
        ("flat", {"code": 2, "msg": "no"}),
    ],
)
async def test_a_refused_subscription_leaves_the_connection_open(
    make_exchange: Make, raw: Make, envelope: Any, answer: Any
) -> None:
    exchange = await make_exchange()
    client = await asking(exchange, raw)
    refused = exchange.inject(AckError(code=2, msg="no", envelope=envelope))
    await subscribe(client, 7, DEPTH)
    assert json.loads(await client.text()) == answer
    assert refused.times_seen == 1
    assert exchange.live(DEPTH) == 0
    await subscribe(client, 8, DEPTH)
    assert json.loads(await client.text()) == {"result": None, "id": 8}
    assert json.loads(await client.text())["stream"] == DEPTH


async def test_a_request_that_is_withheld_counts_as_a_message(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange(settings={"incoming_per_s": 2})
    client = await asking(exchange, raw)
    exchange.inject(WithholdAck(served=False, requests=9))
    for number in range(3):
        await subscribe(client, number, DEPTH)
    assert await client.close_code() == 1008


async def test_a_silent_stream_is_acknowledged_and_listed_and_never_sent(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    silent = exchange.inject(SilentStream(stream=DEPTH))
    client = await asking(exchange, raw)
    await subscribe(client, 1, DEPTH, OTHER)
    assert json.loads(await client.text()) == {"result": None, "id": 1}
    for _ in range(5):
        assert json.loads(await client.text())["stream"] == OTHER
    await client.send_frame(1, b'{"method":"LIST_SUBSCRIPTIONS","id":2}')
    while "result" not in (answer := json.loads(await client.text())):
        assert answer["stream"] == OTHER
    assert answer["result"] == [DEPTH, OTHER]
    assert (exchange.live(DEPTH), exchange.live(OTHER)) == (0, 1)
    by_url = await raw(exchange.ws_port)
    await by_url.upgrade(f"{TARGET}/{OTHER}")
    assert json.loads(await by_url.text())["stream"] == OTHER
    assert exchange.live(DEPTH) == 0
    assert silent.times_seen == 2


async def test_who_has_a_stream_already_keeps_it_and_after_calm_everybody_gets_it(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    client = await live(exchange, raw)
    silent = exchange.inject(SilentStream(stream=DEPTH))
    await subscribe(client, 1, DEPTH)
    while "result" not in json.loads(await client.text()):
        pass
    assert json.loads(await client.text())["stream"] == DEPTH
    assert (exchange.live(DEPTH), silent.times_seen) == (1, 0)
    exchange.calm()
    await live(exchange, raw)
    assert exchange.live(DEPTH) == 2
