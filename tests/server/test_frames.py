"""Frames out, held against the parser of `websockets`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.streams import StreamReader

from mockex.server.frames import Opcode, close_frame, data_frame, deflate, frame, text_frame


def parsed(data: bytes, *extensions: PerMessageDeflate) -> Frame:
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    steps = Frame.parse(reader.read_exact, mask=False, extensions=extensions)
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


@pytest.mark.rule("wire-A6")
@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=600), min_size=1, max_size=3), st.sampled_from([9, 12, 15]))
def test_a_compressed_message_needs_no_other_and_no_more_than_its_own_window(
    texts: list[str], client_bits: int
) -> None:
    client = PerMessageDeflate(True, True, 15, client_bits)
    for text in [*texts, *texts]:
        frame_of_it = data_frame(text, deflated=True)
        assert frame_of_it[0] == 0x80 | 0x40 | Opcode.TEXT
        assert bytes(parsed(frame_of_it, client).data).decode() == text


def test_a_compressed_message_is_smaller_and_always_the_same() -> None:
    text = '{"price":"12.34000000","quantity":"1.00000000"}' * 20
    assert len(deflate(text.encode())) < len(text) / 5
    assert data_frame(text, deflated=True) == data_frame(text, deflated=True)
    assert data_frame(text, deflated=False) == text_frame(text)


def test_control_frames_are_never_compressed() -> None:
    assert not parsed(frame(Opcode.PING, b"x" * 100)).rsv1
    assert not parsed(close_frame(1008, "Pong timeout")).rsv1
