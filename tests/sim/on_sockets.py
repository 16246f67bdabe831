"""Situations of calls on sockets: what asyncio hides."""

from __future__ import annotations

import asyncio

from tests.sim.ends import Ends, Raw
from tests.sim.situation import by_chance, situation

# --- connecting ---


@situation
async def refused(ends: Ends) -> None:
    """Nobody listens."""
    client, _ = ends.raw()
    await client.connect(ends.listener(listening=False).getsockname())
    client.ready()
    client.so_error()
    client.so_error()
    client.recv_now()
    client.send()
    client.getpeername()
    client.shutdown()


@situation
async def refused_and_not_asked(ends: Ends) -> None:
    """Nobody listens; the client does not ask, but reads."""
    client, _ = ends.raw()
    await client.connect(ends.listener(listening=False).getsockname())
    client.recv_now()
    client.recv_now()
    client.send()


@situation
async def refused_to_a_transport(ends: Ends) -> None:
    """Nobody listens any more where a server was."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    server.close()
    try:
        await loop.create_connection(asyncio.Protocol, *address)
    except ConnectionRefusedError:
        ends.client.note("create_connection: ConnectionRefusedError")


@situation
async def not_accepted(ends: Ends) -> None:
    """Nobody accepts; the client writes."""
    client, _ = ends.raw()
    await client.connect(ends.listener().getsockname())
    client.so_error()
    client.state()
    client.getpeername()
    client.send()
    client.recv_now()


@situation
async def not_accepted_until_it_has_closed(ends: Ends) -> None:
    """The client writes and closes before it is accepted."""
    client, server = ends.raw()
    listener = ends.listener()
    await client.connect(listener.getsockname())
    client.send()
    client.close()
    await server.accept(listener)
    await server.recv()
    await server.recv()
    server.getpeername()
    server.send()


@situation
async def not_accepted_until_it_has_reset(ends: Ends) -> None:
    """The client writes and resets before it is accepted."""
    client, server = ends.raw()
    listener = ends.listener()
    await client.connect(listener.getsockname())
    client.send()
    client.reset()
    await server.accept(listener)
    await server.until_state("CLOSE")
    server.getpeername()
    server.recv_now()
    server.recv_now()
    server.send()


@situation
async def not_accepted_and_the_listener_closes(ends: Ends) -> None:
    """The listener closes with a connection in its backlog."""
    client, _ = ends.raw()
    listener = ends.listener()
    await client.connect(listener.getsockname())
    client.send()
    listener.close()
    await client.until_state("CLOSE")
    client.recv_now()
    client.send()


@situation
async def a_port_that_is_taken(ends: Ends) -> None:
    """Both ends bind the same port: as they are, and willing to share."""
    client, server = ends.raw()
    address = ends.listener(listening=False).getsockname()
    client.bind(address)
    for end in (client, server):
        end.sock.close()
        end.sock = Raw().sock
        end.share_port()
    client.bind(("127.0.0.1", 0))
    server.bind(client.sock.getsockname())


@situation
async def a_fresh_socket(ends: Ends) -> None:
    """Calls: a socket that was never connected."""
    client, _ = ends.raw()
    client.ready()
    client.state()
    client.getpeername()
    client.send()
    client.recv_now()
    client.shutdown()
    client.so_error()


@situation
async def a_closed_socket(ends: Ends) -> None:
    """Calls: a socket that was closed."""
    client, server = await ends.on_sockets()
    client.close()
    client.getpeername()
    client.send()
    client.recv_now()
    client.shutdown()
    client.bind(("127.0.0.1", 0))
    client.close()
    await server.recv()


@situation
async def a_listener(ends: Ends) -> None:
    """Calls: a socket that listens."""
    _, server = ends.raw()
    server.sock.bind(("127.0.0.1", 0))
    server.sock.listen(5)
    server.ready()
    server.state()
    server.send()
    server.recv_now()
    server.getpeername()
    server.shutdown()
    server.state()


# --- calls on sockets: RST ---


@situation
async def calls_after_reset(ends: Ends) -> None:
    """Calls: the server resets; the client reads first."""
    client, server = await ends.on_sockets()
    server.reset()
    await client.until_state("CLOSE")
    client.ready()
    client.getpeername()
    client.recv_now()
    client.recv_now()
    client.send()
    client.shutdown()
    client.so_error()


@situation
async def calls_after_reset_send(ends: Ends) -> None:
    """Calls: the server resets; the client writes first."""
    client, server = await ends.on_sockets()
    server.reset()
    await client.until_state("CLOSE")
    client.send()
    client.send()
    client.recv_now()


@situation
async def calls_after_reset_ask(ends: Ends) -> None:
    """Calls: the server resets; the client asks for the error first."""
    client, server = await ends.on_sockets()
    server.reset()
    await client.until_state("CLOSE")
    client.so_error()
    client.so_error()
    client.send()
    client.recv_now()


@situation
async def calls_after_data_and_reset(ends: Ends) -> None:
    """Calls: the server writes and resets; the client reads first."""
    client, server = await ends.on_sockets()
    server.send()
    await client.until_unread()
    server.reset()
    await client.until_state("CLOSE")
    client.recv_now()
    client.recv_now()
    client.recv_now()


@situation
async def calls_after_data_and_reset_send(ends: Ends) -> None:
    """Calls: the server writes and resets; the client writes first."""
    client, server = await ends.on_sockets()
    server.send()
    await client.until_unread()
    server.reset()
    await client.until_state("CLOSE")
    client.send()
    client.recv_now()
    client.recv_now()


@situation
async def calls_after_half_close_and_reset(ends: Ends) -> None:
    """Calls: the server half-closes and resets; the client reads first."""
    client, server = await ends.on_sockets()
    server.shutdown()
    await client.until_state("CLOSE_WAIT")
    client.ready()
    server.reset()
    await client.until_state("CLOSE")
    client.recv_now()
    client.recv_now()
    client.so_error()
    client.send()


@situation
async def calls_after_half_close_and_reset_send(ends: Ends) -> None:
    """Calls: the server half-closes and resets; the client writes first."""
    client, server = await ends.on_sockets()
    server.shutdown()
    await client.until_state("CLOSE_WAIT")
    server.reset()
    await client.until_state("CLOSE")
    client.send()
    client.so_error()
    client.recv_now()


@situation
async def calls_after_own_half_close_and_reset(ends: Ends) -> None:
    """Calls: the client half-closes; the server resets."""
    client, server = await ends.on_sockets()
    client.shutdown()
    client.ready()
    await server.until_state("CLOSE_WAIT")
    server.reset()
    await client.until_state("CLOSE")
    client.recv_now()
    client.recv_now()
    client.send()


# --- calls on sockets: FIN ---


@situation
async def calls_after_close(ends: Ends) -> None:
    """Calls: the server closes; the client writes, and again once the answer is there."""
    client, server = await ends.on_sockets()
    server.close()
    await client.until_state("CLOSE_WAIT")
    client.ready()
    client.getpeername()
    client.send()
    await client.until_state("CLOSE")
    client.ready()
    client.getpeername()
    client.send()
    client.send()
    client.recv_now()


@situation
async def calls_after_close_read(ends: Ends) -> None:
    """Calls: the server writes and closes; the client writes, and reads once the answer is
    there."""
    client, server = await ends.on_sockets()
    server.send()
    server.close()
    await client.until_state("CLOSE_WAIT")
    client.send()
    await client.until_state("CLOSE")
    client.recv_now()
    client.recv_now()
    client.so_error()


@situation
async def calls_after_half_close(ends: Ends) -> None:
    """Calls: the client half-closes, the server answers and closes."""
    client, server = await ends.on_sockets()
    client.shutdown()
    await server.recv()
    server.send()
    await client.recv()
    client.state()
    server.close()
    await client.recv()
    client.state()
    client.recv_now()
    client.getpeername()


@situation
async def calls_after_both_half_closed(ends: Ends) -> None:
    """Calls: both ends half-close, one after the other."""
    client, server = await ends.on_sockets()
    client.shutdown()
    await server.until_state("CLOSE_WAIT")
    server.shutdown()
    for end in (client, server):
        await end.until_state("CLOSE")
        end.ready()
        end.getpeername()
        end.shutdown()
        end.send()
        end.recv_now()
        end.so_error()


@situation
async def close_with_unread_data_after_both_half_closed(ends: Ends) -> None:
    """Calls: both ends have half-closed; the client closes with data unread."""
    client, server = await ends.on_sockets()
    server.send()
    await client.until_unread()
    client.shutdown()
    await server.until_state("CLOSE_WAIT")
    server.shutdown()
    await client.until_state("CLOSE")
    await server.until_state("CLOSE")
    client.close()
    server.recv_now()
    server.so_error()


@situation
async def shutdown_twice(ends: Ends) -> None:
    """Calls: the client half-closes twice, and writes."""
    client, server = await ends.on_sockets()
    client.shutdown()
    client.shutdown()
    client.send()
    client.ready()
    await server.recv()


@situation
async def shutdown_at_once(ends: Ends) -> None:
    """Calls: both ends half-close at the same moment."""
    client, server = await ends.on_sockets()
    client.shutdown()
    server.shutdown()
    for end in (client, server):
        await end.until_state("CLOSE")
        end.recv_now()
        end.send()


@situation
async def shutdown_of_reading(ends: Ends) -> None:
    """Calls: the client shuts down reading; the server writes all the same."""
    client, server = await ends.on_sockets()
    client.shutdown("RD")
    client.ready()
    client.recv_now()
    client.state()
    server.send()
    await client.until_unread()
    client.recv_now()
    client.recv_now()
    client.send()
    await server.recv()


@situation
async def shutdown_of_both(ends: Ends) -> None:
    """Calls: the client shuts down both ways; the server writes all the same."""
    client, server = await ends.on_sockets()
    client.shutdown("RDWR")
    client.recv_now()
    client.state()
    await server.recv()
    server.send()
    await server.until_state("CLOSE")
    server.recv_now()
    server.send()
    client.recv_now()
    client.state()


@situation
async def calls_of_a_peer_that_closed_with_unread_data(ends: Ends) -> None:
    """Calls: the client writes and half-closes; the server closes without reading."""
    client, server = await ends.on_sockets()
    client.send()
    client.shutdown()
    await server.until_state("CLOSE_WAIT")
    server.close()
    await client.until_state("CLOSE")
    client.recv_now()
    client.recv_now()
    client.send()


@by_chance(
    "whether the answer to the first write is there before the second",
    (("send: 5", "send: 5"), ()),
    (("send: 5", "send: EPIPE"), ()),
)
async def calls_of_a_writer_in_a_hurry(ends: Ends) -> None:
    """Calls: the server closes; the client writes twice."""
    client, server = await ends.on_sockets()
    server.close()
    await client.until_state("CLOSE_WAIT")
    client.send()
    client.send()


# --- calls on sockets: full buffers ---


@situation
async def full_and_the_reader_closes(ends: Ends) -> None:
    """Calls: the client writes until nothing more fits; the server closes."""
    client, server = await ends.on_sockets()
    await client.fill()
    client.ready()
    server.close()
    await client.until_state("CLOSE")
    client.ready()
    client.send()
    client.send()
    client.recv_now()


@situation
async def full_and_the_writer_closes(ends: Ends) -> None:
    """Calls: the client writes until nothing more fits, and closes; the server reads then."""
    client, server = await ends.on_sockets()
    server.do_not_count()
    await client.fill()
    client.close()
    server.state()
    await server.recv_all()
    server.state()


@situation
async def full_and_the_writer_resets(ends: Ends) -> None:
    """Calls: the client writes until nothing more fits, half-closes and resets; the server reads
    then."""
    client, server = await ends.on_sockets()
    server.do_not_count()
    await client.fill()
    client.shutdown()
    client.state()
    server.state()
    client.reset()
    await server.until_state("CLOSE")
    await server.recv_all()
    server.recv_now()


@situation
async def full_and_both_half_close(ends: Ends) -> None:
    """Calls: the client writes until nothing more fits, both ends half-close, the server closes."""
    client, server = await ends.on_sockets()
    await client.fill()
    client.shutdown()
    server.shutdown()
    await client.until_state("LAST_ACK")
    client.ready()
    client.getpeername()
    client.shutdown()
    server.close()
    await client.until_state("CLOSE")
    client.recv_now()
    client.so_error()
    client.send()


@situation
async def full_both_ways_and_one_closes(ends: Ends) -> None:
    """Calls: both ends write until nothing more fits; the client closes, the server writes and
    reads."""
    client, server = await ends.on_sockets()
    server.do_not_count()
    await client.fill()
    await server.fill()
    client.close()
    await server.until_state("CLOSE")
    server.send()
    await server.recv_all()
