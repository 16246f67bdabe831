"""Links, and each fault that they can do: what arrives, when, and in what order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mockex.errors import FaultError
from mockex.faults import (
    Bandwidth,
    BlackHole,
    Direction,
    FinLink,
    Hold,
    Latency,
    LimitData,
    LinkFault,
    NeverAccept,
    Refused,
    Release,
    Reset,
    ResetLink,
    Slice,
    SlowClose,
)
from tests.sim.pair import HOP_S, Pair, Timed, loop_of_the_run, now, on_a_pair, run

# --- faults on bytes ---


@pytest.mark.parametrize("direction", Direction)
def test_latency_delays_one_direction(direction: Direction) -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Latency(delay_ms=500, direction=direction))
        writer, reader = pair.ends(direction)
        sent = now()
        for part in (b"one", b"two"):
            writer.write(part)
            reader.write(b"back")
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        assert reader.times(sent) == pytest.approx([0.5, 0.6], abs=HOP_S)
        assert writer.times(sent) == pytest.approx([0, 0.1], abs=HOP_S)
        assert reader.data == b"onetwo"

    on_a_pair(scenario)


def test_jitter_is_drawn_each_time_that_it_begins_and_keeps_the_order() -> None:
    async def scenario(pair: Pair) -> None:
        sent = []
        for number in range(8):
            pair.link.inject(Latency(delay_ms=100, jitter_ms=80))
            sent.append(now())
            pair.server.write(bytes([number]))
            await asyncio.sleep(1 if number % 2 else 0)  # two are under way at once
        assert pair.client.data == bytes(range(8))
        late = [round(at - began, 3) for at, began in zip(pair.client.times(0), sent, strict=True)]
        assert len(set(late)) > 4
        assert min(late) >= 0.020
        assert max(late) <= 0.180 + HOP_S

    on_a_pair(scenario)


@pytest.mark.parametrize("direction", Direction)
def test_bandwidth_is_kept_over_all_chunks(direction: Direction) -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Bandwidth(bytes_per_s=1000, direction=direction))
        writer, reader = pair.ends(direction)
        sent = now()
        writer.write(bytes(1500))
        await asyncio.sleep(1)
        writer.write(bytes(500))
        await asyncio.sleep(5)
        assert max(length for _, length in reader.came) == 100  # ten times a second
        assert reader.times(sent)[-1] == pytest.approx(2, abs=HOP_S)
        assert reader.read_in_all == 2000

    on_a_pair(scenario)


@pytest.mark.parametrize("direction", Direction)
def test_slices_come_apart_also_those_of_two_chunks(direction: Direction) -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Slice(bytes=10, gap_ms=20, direction=direction))
        writer, reader = pair.ends(direction)
        sent = now()
        writer.write(b"a" * 25)
        await asyncio.sleep(0.01)
        writer.write(b"b" * 10)
        await asyncio.sleep(1)
        assert [length for _, length in reader.came] == [10, 10, 5, 10]
        assert reader.times(sent) == pytest.approx([0, 0.02, 0.04, 0.06], abs=HOP_S)
        assert reader.data == b"a" * 25 + b"b" * 10

    on_a_pair(scenario)


def test_faults_on_bytes_add_up_and_are_cleared_together() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Latency(delay_ms=1000))
        pair.link.inject(Slice(bytes=50, gap_ms=1))
        pair.link.inject(Bandwidth(bytes_per_s=1000))
        sent = now()
        pair.server.write(bytes(1000))
        await asyncio.sleep(5)
        assert pair.client.times(sent)[-1] == pytest.approx(2, abs=0.1)
        pair.link.clear()
        sent = now()
        pair.server.write(bytes(1000))
        await asyncio.sleep(1)
        assert pair.client.came[-1][1] == 1000
        assert pair.client.times(sent)[-1] <= HOP_S

    on_a_pair(scenario)


def test_a_fault_is_on_connections_to_come_as_well() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        loop.network.link(4000).inject(Latency(delay_ms=500))
        server_end, client = Timed(), Timed()
        server = await loop.create_server(lambda: server_end, "127.0.0.1", 4000)
        await loop.create_connection(lambda: client, "127.0.0.1", 4000)
        await asyncio.sleep(1)
        sent = now()
        server_end.write(b"hello")
        await asyncio.sleep(1)
        assert client.times(sent) == pytest.approx([0.5], abs=HOP_S)
        client.close()
        server.close()
        await asyncio.sleep(1)

    run(main())


def test_an_end_travels_behind_the_bytes() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Bandwidth(bytes_per_s=1000))
        sent = now()
        pair.server.write(bytes(1000))
        pair.server.reset()
        await pair.client.until("lost")
        assert now() - sent == pytest.approx(1, abs=0.01)

    pair = on_a_pair(scenario)
    assert pair.client_saw == ["read 1000 bytes", "lost: ConnectionResetError ECONNRESET"]


# --- hold and release ---


@pytest.mark.parametrize("direction", [*Direction, None])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_what_is_held_arrives_complete_and_in_order(direction: Direction | None, end: str) -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Hold(direction=direction))
        writer, reader = pair.ends(direction or Direction.UPSTREAM)
        for part in (b"one", b"two", b"three"):
            writer.write(part)
            await asyncio.sleep(1)
        getattr(writer, end)()
        await asyncio.sleep(1)
        assert reader.saw == []
        released = now()
        pair.link.inject(Release(backlog="deliver"))
        await reader.until("lost")
        assert reader.data == b"onetwothree"
        assert now() - released < 0.01
        last = ["eof", "lost"] if end == "close" else ["lost: ConnectionResetError ECONNRESET"]
        assert reader.saw[1:] == last

    on_a_pair(scenario)


def test_the_other_direction_is_not_held() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Hold(direction=Direction.DOWNSTREAM))
        pair.client.write(b"up")
        pair.server.write(b"down")
        await asyncio.sleep(1)
        assert pair.server.saw == ["read b'up'"]
        assert pair.client.saw == []

    on_a_pair(scenario)


def test_what_is_held_and_lost_resets_the_connections_that_lost_bytes() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        servers: list[Timed] = []

        def accepted() -> Timed:
            servers.append(Timed())
            return servers[-1]

        listening = await loop.create_server(accepted, "127.0.0.1", 4000)
        loses, idle = Timed(), Timed()
        for client in (loses, idle):
            await loop.create_connection(lambda client=client: client, "127.0.0.1", 4000)
        await asyncio.sleep(1)
        link = loop.network.link(4000)
        link.inject(Hold())
        servers[0].write(b"lost")
        await asyncio.sleep(1)
        link.inject(Release(backlog="lose"))
        servers[1].write(b"kept")
        await asyncio.sleep(1)
        assert loses.saw == servers[0].saw == ["lost: ConnectionResetError ECONNRESET"]
        assert idle.saw == ["read b'kept'"]
        idle.close()
        listening.close()
        await asyncio.sleep(1)

    run(main())


def test_an_end_is_not_lost_with_the_bytes_that_are_not_there() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Hold())
        pair.server.close()
        await asyncio.sleep(1)
        pair.link.inject(Release(backlog="lose"))
        await pair.client.until("lost")

    assert on_a_pair(scenario).client_saw == ["eof", "lost"]


# --- ends that the link makes ---


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(
    ("then", "last"),
    [("fin", ["eof", "lost"]), ("reset", ["lost: ConnectionResetError ECONNRESET"])],
)
def test_limit_data_cuts_at_the_exact_byte(
    direction: Direction, then: Any, last: list[str]
) -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(LimitData(bytes=10, then=then, direction=direction))
        writer, reader = pair.ends(direction)
        reader.write(b"the other way, as much as it likes")
        for _ in range(3):
            writer.write(b"1234")
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        assert reader.data == b"1234123412"
        assert reader.saw[1:] == last
        assert writer.saw[1:] == last

    on_a_pair(scenario)


def test_limit_data_lets_pass_what_is_within() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(LimitData(bytes=10))
        pair.server.write(b"123456789")
        await asyncio.sleep(1)
        pair.link.clear()
        pair.server.write(b"and more")
        await asyncio.sleep(1)

    assert on_a_pair(scenario).client_saw == ["read b'123456789and more'"]


def test_reset_link_resets_both_ends_and_the_link_accepts_again() -> None:
    async def scenario(pair: Pair) -> None:
        address = pair.client.sock.getpeername()
        struck = pair.link.inject(ResetLink())
        assert len(struck) == 1
        await asyncio.sleep(1)
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, *address)
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, *address
        )
        transport.close()
        server.close()
        await asyncio.sleep(1)

    pair = on_a_pair(scenario)
    assert pair.client_saw == pair.server_saw == ["lost: ConnectionResetError ECONNRESET"]


def test_fin_link_ends_both_ends_and_answers_what_still_comes_with_a_reset() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(FinLink())
        await pair.client.until("eof")
        pair.client.write(b"hello")
        await asyncio.sleep(1)
        pair.client.write(b"hello")
        await asyncio.sleep(1)

    pair = on_a_pair(scenario, client=Timed(keep_open=True))
    assert pair.client_saw == ["eof", "lost: BrokenPipeError EPIPE"]
    assert pair.server_saw == ["eof", "lost"]


def test_an_end_of_the_link_is_not_passed_on_by_the_ends() -> None:
    """What a client does with its side of a cut link is nothing that the server can see."""

    async def scenario(pair: Pair) -> None:
        pair.link.inject(FinLink())
        await pair.client.until("eof")
        pair.client.reset()
        await asyncio.sleep(1)

    pair = on_a_pair(scenario, client=Timed(keep_open=True), server=Timed(keep_open=True))
    assert pair.server_saw == ["eof"]


def test_what_is_no_fault_of_a_link_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(FaultError, match="Reset is no fault that a link can do"):
            loop_of_the_run().network.link(1).inject(Reset())  # type: ignore[arg-type]
        with pytest.raises(FaultError, match="LinkFault"):
            loop_of_the_run().network.link(1).inject(LinkFault())

    run(main())


# --- attempts ---


def test_never_accept_lets_connect_and_hands_nothing_over() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        server_end, client = Timed(), Timed()
        server = await loop.create_server(lambda: server_end, "127.0.0.1", 4000, backlog=1)
        link = loop.network.link(4000)
        link.inject(NeverAccept())
        await loop.create_connection(lambda: client, "127.0.0.1", 4000)
        client.write(b"hello")
        second, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", 4000)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.9):
                await loop.create_connection(asyncio.Protocol, "127.0.0.1", 4000)
        await asyncio.sleep(60)
        assert client.saw == []
        assert not hasattr(server_end, "transport")
        second.close()
        link.clear()
        await server_end.until("read b'hello'")
        client.transport.close()
        await asyncio.sleep(1)
        server.close()

    run(main(), leaks=lambda left: None)


def test_refused_ends_what_is_there_and_is_over_by_itself() -> None:
    async def scenario(pair: Pair) -> None:
        loop = loop_of_the_run()
        address = pair.client.sock.getpeername()
        server = await loop.create_server(asyncio.Protocol, *address)
        pair.link.inject(Refused(ms=5000))
        for _ in range(4):
            with pytest.raises(ConnectionRefusedError):
                await loop.create_connection(asyncio.Protocol, *address)
            await asyncio.sleep(1)
        await asyncio.sleep(1.1)
        transport, _ = await loop.create_connection(asyncio.Protocol, *address)
        transport.close()
        server.close()
        await asyncio.sleep(1)

    assert on_a_pair(scenario).client_saw == ["eof", "lost"]


@pytest.mark.parametrize("direction", Direction)
def test_a_black_hole_swallows_bytes_and_ends_and_is_over_with_the_connection(
    direction: Direction,
) -> None:
    async def scenario(pair: Pair) -> None:
        writer, reader = pair.ends(direction)
        writer.write(b"before")
        await asyncio.sleep(0.1)
        pair.link.inject(BlackHole(direction=direction))
        writer.write(b"gone")
        reader.write(b"the other way")
        await asyncio.sleep(60)
        assert reader.data == b"before"
        assert writer.data == b"the other way"
        pair.link.clear()
        await asyncio.sleep(1)
        assert reader.saw[1:] == ["eof", "lost"]

    on_a_pair(scenario)


def test_a_black_hole_hides_the_end_of_a_connection() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(BlackHole())
        pair.server.reset()
        await asyncio.sleep(60)
        assert pair.client.saw == []

    on_a_pair(scenario)


def test_slow_close_delays_the_end_and_no_byte() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(SlowClose(delay_ms=500))
        began = now()
        pair.server.write(b"bytes")
        pair.server.transport.write_eof()
        await pair.client.until("eof")
        assert pair.client.data == b"bytes"
        assert pair.client.times(began) == pytest.approx([0], abs=HOP_S)
        assert now() - began == pytest.approx(0.5, abs=2 * HOP_S)

    on_a_pair(scenario)


def test_limit_data_is_on_connections_to_come_from_their_first_byte() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        loop.network.link(4000).inject(LimitData(bytes=3))
        server_end, client = Timed(), Timed()
        server = await loop.create_server(lambda: server_end, "127.0.0.1", 4000)
        await loop.create_connection(lambda: client, "127.0.0.1", 4000)
        await asyncio.sleep(1)
        server_end.write(b"hello")
        await asyncio.sleep(1)
        assert client.data == b"hel"
        assert client.saw[1:] == ["eof", "lost"]
        server.close()
        await asyncio.sleep(1)

    run(main())


def test_a_link_that_ends_connections_in_one_way_refuses_the_other() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.ends = "fin"
        for fault in (ResetLink(), LimitData(bytes=1, then="reset")):
            with pytest.raises(FaultError, match="with RST, and this link was made"):
                pair.link.inject(fault)
        pair.link.ends = "reset"
        with pytest.raises(FaultError, match="FinLink ends connections with FIN"):
            pair.link.inject(FinLink())

    on_a_pair(scenario)


def test_slices_of_a_thin_line_wait_for_their_gap_while_the_next_ones_come() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Bandwidth(bytes_per_s=1000))
        pair.link.inject(Slice(bytes=10, gap_ms=8))
        sent = now()
        pair.server.write(bytes(100))
        await asyncio.sleep(1)
        assert pair.client.times(sent)[-1] == pytest.approx(0.100, abs=HOP_S)
        pair.link.inject(Slice(bytes=10, gap_ms=20))
        sent = now()
        pair.server.write(bytes(100))
        await asyncio.sleep(0.05)
        pair.server.write(bytes(10))
        await asyncio.sleep(1)
        assert pair.client.times(sent)[-1] == pytest.approx(0.010 + 10 * 0.020, abs=HOP_S)

    on_a_pair(scenario)
