"""Situations of programs on asyncio's transports and streams."""

from __future__ import annotations

from tests.sim.ends import End, Ends
from tests.sim.situation import by_chance, situation

MEGABYTES = bytes(8 << 20)  # more than the kernels of both ends take

# --- transports: the end ---


@situation
async def close(ends: Ends) -> None:
    """The server closes; nothing is unsent or unread."""
    client, server = await ends.on_transports()
    server.close()
    await client.until("lost")


@situation
async def close_and_keep_open(ends: Ends) -> None:
    """The server closes; the client keeps its end open, and closes it later."""
    client, server = await ends.on_transports(End(keep_open=True))
    server.close()
    await client.until("eof")
    client.close()
    await client.until("lost")


@situation
async def data_and_close(ends: Ends) -> None:
    """The server writes and closes."""
    client, server = await ends.on_transports()
    server.write(b"bye")
    server.close()
    await client.until("lost")


@situation
async def data_and_close_to_a_paused_reader(ends: Ends) -> None:
    """The server writes and closes; the client reads only then."""
    client, server = await ends.on_transports(End(paused=True))
    server.write(b"bye")
    server.close()
    await client.until_state("CLOSE_WAIT")
    client.resume()
    await client.until("lost")


@situation
async def close_with_unsent_data(ends: Ends) -> None:
    """The server closes with megabytes unsent; the client reads only then."""
    client, server = await ends.on_transports(End(paused=True))
    server.write(MEGABYTES)
    server.close()
    client.resume()
    await client.until("lost")


@situation
async def close_with_unread_data(ends: Ends) -> None:
    """The server closes with data unread."""
    client, server = await ends.on_transports(server=End(paused=True))
    client.write(b"hello")
    await server.until_unread()
    server.close()
    await client.until("lost")


@situation
async def abort(ends: Ends) -> None:
    """The server aborts; nothing is unsent or unread."""
    client, server = await ends.on_transports()
    server.abort()
    await client.until("lost")


@situation
async def abort_with_unread_data(ends: Ends) -> None:
    """The server aborts with data unread."""
    client, server = await ends.on_transports(server=End(paused=True))
    client.write(b"hello")
    await server.until_unread()
    server.abort()
    await client.until("lost")


@situation
async def abort_with_unsent_data(ends: Ends) -> None:
    """The server aborts with megabytes unsent; the client reads only then."""
    client, server = await ends.on_transports(End(paused=True))
    client.do_not_count()
    server.write(MEGABYTES)
    await client.until_unread()
    server.abort()
    await server.until("lost")
    client.resume()
    await client.until("lost")


@situation
async def close_at_both_ends(ends: Ends) -> None:
    """Both ends close at the same moment."""
    client, server = await ends.on_transports()
    client.close()
    server.close()
    await client.until("lost")
    await server.until("lost")


@situation
async def close_at_both_ends_with_unread_data(ends: Ends) -> None:
    """Both ends have data unread, and close at the same moment."""
    client, server = await ends.on_transports(End(paused=True), End(paused=True))
    client.write(b"hello")
    server.write(b"hello")
    await client.until_unread()
    await server.until_unread()
    client.close()
    server.close()
    await client.until("lost")
    await server.until("lost")


@by_chance(
    "who is first, the close or the data",
    (("lost: ConnectionResetError ECONNRESET",), ("lost",)),
    (("eof", "lost"), ("lost",)),
)
async def close_while_data_comes(ends: Ends) -> None:
    """The client writes while the server closes."""
    client, server = await ends.on_transports()
    client.write(b"hello")
    server.close()
    await client.until("lost")


# --- transports: RST ---


@situation
async def reset(ends: Ends) -> None:
    """The server resets; the client reads."""
    client, server = await ends.on_transports()
    server.reset()
    await client.until("lost")


@situation
async def reset_and_write(ends: Ends) -> None:
    """The server resets; the client, which does not read, writes."""
    client, server = await ends.on_transports(End(paused=True))
    server.reset()
    await client.until_state("CLOSE")
    client.write(b"hello")
    await client.until("lost")


@situation
async def reset_and_write_eof(ends: Ends) -> None:
    """The server resets; the client, which does not read, half-closes, and reads then."""
    client, server = await ends.on_transports(End(paused=True))
    server.reset()
    await client.until_state("CLOSE")
    client.write_eof()
    client.resume()
    await client.until("lost")


@situation
async def data_and_reset(ends: Ends) -> None:
    """The server writes and resets; the client reads."""
    client, server = await ends.on_transports()
    server.write(b"bye")
    server.reset()
    await client.until("lost")


@situation
async def data_and_reset_to_a_paused_reader(ends: Ends) -> None:
    """The server writes and resets; the client reads only then."""
    client, server = await ends.on_transports(End(paused=True))
    server.write(b"bye")
    server.reset()
    await client.until_state("CLOSE")
    client.resume()
    await client.until("lost")


@situation
async def reset_at_both_ends(ends: Ends) -> None:
    """Both ends reset at the same moment."""
    client, server = await ends.on_transports()
    client.reset()
    server.reset()
    await client.until("lost")
    await server.until("lost")


@situation
async def reset_after_half_close(ends: Ends) -> None:
    """The client half-closes, the server keeps its end open and resets."""
    client, server = await ends.on_transports(server=End(keep_open=True))
    client.write_eof()
    await server.until("eof")
    server.reset()
    await client.until("lost")


@situation
async def reset_after_own_half_close(ends: Ends) -> None:
    """The server half-closes and resets; the client keeps its end open, and writes then."""
    client, server = await ends.on_transports(End(keep_open=True))
    server.write_eof()
    await client.until("eof")
    server.reset()
    await client.until_state("CLOSE")
    client.write(b"hello")
    await client.until("lost")


# --- transports: half-close ---


@situation
async def write_to_a_closed_peer(ends: Ends) -> None:
    """The server closes; the client keeps its end open and writes, and writes again once the
    answer to that is there."""
    client, server = await ends.on_transports(End(keep_open=True))
    server.close()
    await client.until("eof")
    client.write(b"hello")
    await client.until_state("CLOSE")
    client.write(b"hello")
    await client.until("lost")


@situation
async def write_to_a_half_closed_peer(ends: Ends) -> None:
    """The client half-closes; the server answers and closes."""
    client, server = await ends.on_transports(server=End(keep_open=True))
    client.write(b"question")
    client.write_eof()
    await server.until("eof")
    server.write(b"answer")
    server.close()
    await client.until("lost")


@situation
async def half_close_without_keeping_open(ends: Ends) -> None:
    """The client half-closes; the server does not keep its end open."""
    client, server = await ends.on_transports()
    client.write(b"question")
    client.write_eof()
    await client.until("lost")
    await server.until("lost")


@situation
async def half_close_both_ways(ends: Ends) -> None:
    """Both ends half-close, one after the other, and close."""
    client, server = await ends.on_transports(End(keep_open=True), End(keep_open=True))
    client.write_eof()
    await server.until("eof")
    server.write_eof()
    await client.until("eof")
    client.close()
    server.close()
    await client.until("lost")
    await server.until("lost")


@situation
async def half_close_at_once(ends: Ends) -> None:
    """Both ends half-close at the same moment, and keep open."""
    client, server = await ends.on_transports(End(keep_open=True), End(keep_open=True))
    client.write_eof()
    server.write_eof()
    await client.until("eof")
    await server.until("eof")


@situation
async def half_close_with_unsent_data(ends: Ends) -> None:
    """The server half-closes with megabytes unsent; the client reads only then."""
    client, server = await ends.on_transports(End(paused=True))
    server.write(MEGABYTES)
    server.write_eof()
    client.resume()
    await client.until("lost")
    await server.until("lost")


@situation
async def end_of_the_client_with_unsent_data(ends: Ends) -> None:
    """The client half-closes while the server has megabytes for it; it reads only then."""
    client, server = await ends.on_transports(End(paused=True))
    server.write(MEGABYTES)
    client.write_eof()
    await server.until("eof")
    client.resume()
    await client.until("lost")


@situation
async def write_after_write_eof(ends: Ends) -> None:
    """The client half-closes twice, and writes."""
    client, _ = await ends.on_transports(server=End(keep_open=True))
    client.write_eof()
    client.write_eof()
    client.write(b"hello")
    await ends.server.until("eof")


# --- transports: full buffers ---


@situation
async def more_than_fits(ends: Ends) -> None:
    """The server writes megabytes to a client that reads only then."""
    client, server = await ends.on_transports(End(paused=True))
    server.write(MEGABYTES)
    client.resume()
    await client.until(f"read {len(MEGABYTES)}")
    await server.until("resume_writing")


@situation
async def more_than_fits_both_ways(ends: Ends) -> None:
    """Both ends write megabytes, and read only then."""
    client, server = await ends.on_transports(End(paused=True), End(paused=True))
    for end in (client, server):
        end.do_not_note_data()
        end.write(MEGABYTES)
    client.resume()
    server.resume()
    for one in (client, server):
        await one.until_read(len(MEGABYTES))
        await one.until("resume_writing")


@situation
async def more_than_fits_and_the_reader_resets(ends: Ends) -> None:
    """The server writes megabytes to a client that does not read; the client resets."""
    client, server = await ends.on_transports(End(paused=True))
    server.write(MEGABYTES)
    client.reset()
    await server.until("lost")


@situation
async def more_than_fits_and_the_reader_closes(ends: Ends) -> None:
    """The server writes megabytes to a client that does not read; the client closes."""
    client, server = await ends.on_transports(End(paused=True))
    server.write(MEGABYTES)
    await client.until_unread()
    client.close()
    await server.until("lost")


@situation
async def more_than_fits_and_the_writer_resets(ends: Ends) -> None:
    """The server writes megabytes to a client that does not read; the server resets, the client
    reads then."""
    client, server = await ends.on_transports(End(paused=True))
    client.do_not_count()
    server.write(MEGABYTES)
    await client.until_unread()
    server.reset()
    await client.until_state("CLOSE")
    client.resume()
    await client.until("lost")


# --- streams ---


@situation
async def streams_to_the_end(ends: Ends) -> None:
    """Streams: the server writes and closes."""
    client, server = await ends.on_streams()
    server.write(b"hello")
    server.close()
    await client.readexactly(5)
    await client.read()
    await client.read()
    await client.close()


@situation
async def streams_cut_short(ends: Ends) -> None:
    """Streams: the server closes in the middle of a message."""
    client, server = await ends.on_streams()
    server.write(b"hel")
    server.close()
    await client.readexactly(5)
    await client.close()


@situation
async def streams_reset(ends: Ends) -> None:
    """Streams: the server resets while the client reads."""
    client, server = await ends.on_streams()
    server.reset()
    await client.read()
    await client.read()
    await client.write()
    await client.close()


@situation
async def streams_reset_behind_data(ends: Ends) -> None:
    """Streams: the server writes and resets; the client reads only then."""
    client, server = await ends.on_streams()
    server.write(b"hello")
    server.reset()
    await client.until_lost()
    await client.read()
    await client.read()
