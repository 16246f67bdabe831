"""Bytes of a client into messages, however they are cut."""

from __future__ import annotations

import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from mockex.server.extensions import negotiate
from mockex.server.incoming import (
    MAX_MESSAGE_BYTES,
    Binary,
    Broken,
    CloseFrame,
    Incoming,
    Message,
    Ping,
    Pong,
    Text,
)


def sent(opcode: Opcode, data: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    written = Frame(opcode, data, fin, False).serialize(mask=True)
    return bytes([written[0] | 0x40 * rsv1]) + written[1:]


def squeezed(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return (made.compress(data) + made.flush(zlib.Z_SYNC_FLUSH))[:-4]


def read(data: bytes, *, deflate: bool = False) -> list[Message]:
    agreed = negotiate("permessage-deflate") if deflate else None
    return list(Incoming(agreed).receive(data))


def test_a_message_of_several_frames_is_one_with_control_frames_between() -> None:
    data = (
        sent(Opcode.TEXT, "这".encode()[:1], fin=False)
        + sent(Opcode.PING, b"now")
        + sent(Opcode.CONT, b"", fin=False)
        + sent(Opcode.CONT, "这".encode()[1:] + b"!")
        + sent(Opcode.BINARY, b"\x00")
        + sent(Opcode.PONG)
    )
    assert read(data) == [Ping(b"now"), Text("这!", 4), Binary(1), Pong(b"")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", CloseFrame(None, "")),
        (b"\x03\xe8", CloseFrame(1000, "")),
        (b"\x0f\xa0bye", CloseFrame(4000, "bye")),
        (b"\x03", Broken(1002, "close frame too short")),
        (b"\x03\xed", Broken(1002, "invalid status code: 1005")),
    ],
)
def test_a_close_frame_has_a_code_and_a_reason_or_neither(data: bytes, message: Message) -> None:
    got = read(sent(Opcode.CLOSE, data) + sent(Opcode.PING))
    if isinstance(message, Broken):
        assert [(type(m), getattr(m, "code", None)) for m in got] == [(Broken, message.code)]
    else:
        assert got == [message], "nothing is read behind it"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (sent(Opcode.CONT, b"x"), 1002),  # of nothing
        (sent(Opcode.TEXT, b"x", fin=False) + sent(Opcode.TEXT, b"y"), 1002),
        (sent(Opcode.TEXT, b"\xff"), 1007),
        (sent(Opcode.TEXT, b"x", rsv1=True), 1002),
        (b"\x81\x01x", 1002),  # without a mask
        (sent(Opcode.TEXT, b"x" * (MAX_MESSAGE_BYTES + 1)), 1009),
        (sent(Opcode.TEXT, b"x" * MAX_MESSAGE_BYTES, fin=False) + sent(Opcode.CONT, b"x"), 1009),
        (sent(Opcode.PING, b"") * 2 + b"\x89\xfe\x00\x7e" + b"x" * 130, 1002),  # a ping of 126
    ],
    # masks are drawn anew each time, and the names of tests must not be
    ids=[
        "continues nothing", "begins within", "no UTF-8", "RSV1", "no mask", "too big",
        "too big in parts", "long ping",
    ],
)  # fmt: skip
def test_what_breaks_the_protocol_has_a_code_and_is_told_once(data: bytes, code: int) -> None:
    incoming = Incoming(None)
    got = [*incoming.receive(data), *incoming.receive(b"more"), *incoming.receive(data[:5])]
    assert [m.code for m in got if isinstance(m, Broken)] == [code]


def test_a_bomb_is_not_inflated() -> None:
    bomb = squeezed(b"x" * (MAX_MESSAGE_BYTES + 1))
    assert len(bomb) < 2000
    (got,) = read(sent(Opcode.TEXT, bomb, rsv1=True), deflate=True)
    assert isinstance(got, Broken)
    assert got.code == 1009
    whole = sent(Opcode.TEXT, squeezed(b"x" * MAX_MESSAGE_BYTES), rsv1=True)
    assert read(whole, deflate=True) == [Text("x" * MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES)]


MESSAGES = st.one_of(
    st.text(max_size=300).map(lambda t: sent(Opcode.TEXT, t.encode())),
    st.text(max_size=300).map(lambda t: sent(Opcode.TEXT, squeezed(t.encode()), rsv1=True)),
    st.binary(max_size=300).map(lambda b: sent(Opcode.BINARY, b)),
    st.binary(max_size=125).map(lambda b: sent(Opcode.PING, b)),
    st.binary(max_size=9),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, max_size=6).map(b"".join), st.lists(st.integers(0, 900), max_size=5))
def test_messages_do_not_depend_on_how_the_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    agreed = negotiate("permessage-deflate")
    whole, parts = Incoming(agreed), Incoming(agreed)
    expected = list(whole.receive(data))
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    got = [message for start, end in pairwise(places) for message in parts.receive(data[start:end])]
    assert got == expected
