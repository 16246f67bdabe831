"""Frames out, held against the parser of `websockets`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader

from mockex.server.frames import Opcode, close_frame, frame, text_frame


def parsed(data: bytes) -> Frame:
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    steps = Frame.parse(reader.read_exact, mask=False)
    try:
        while True:
            next(steps)
    except StopIteration as done:
        result: Frame = done.value
        return result


@given(
    st.sampled_from([Opcode.TEXT, Opcode.BINARY]),
    st.one_of(
        st.binary(max_size=200), st.sampled_from([b"x" * n for n in (125, 126, 65535, 65536)])
    ),
    st.booleans(),
)
def test_every_frame_is_read_back_by_websockets(opcode: Opcode, payload: bytes, fin: bool) -> None:
    got = parsed(frame(opcode, payload, fin=fin))
    assert (int(got.opcode), bytes(got.data), got.fin) == (int(opcode), payload, fin)


def test_text_is_sent_as_utf8() -> None:
    assert bytes(parsed(text_frame("这是")).data) == "这是".encode()


def test_a_close_frame_carries_code_and_reason_or_nothing() -> None:
    assert bytes(parsed(close_frame(1008, "Pong timeout")).data) == b"\x03\xf0Pong timeout"
    assert bytes(parsed(close_frame(None)).data) == b""
