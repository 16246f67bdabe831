"""The opening handshake, byte by byte."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.server.handshake import (
    BadRequest,
    Handshake,
    UpgradeRequest,
    accept_value,
    switching_protocols,
)

KEY = base64.b64encode(bytes(16)).decode()


def head(target: bytes = b"/ws", *lines: str, leave_out: str = "") -> bytes:
    fields = {
        "Host": "x",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    fields.pop(leave_out, None)
    written = [*(f"{name}: {value}" for name, value in fields.items()), *lines]
    return b"GET " + target + b" HTTP/1.1\r\n" + "\r\n".join([*written, "", ""]).encode()


def read(data: bytes, cut: int = 0) -> UpgradeRequest | BadRequest:
    handshake = Handshake()
    first = handshake.receive(data[:cut]) if cut else None
    got = first or handshake.receive(data[cut:])
    assert got is not None
    return got


def test_a_key_is_answered_as_the_rfc_has_it() -> None:
    # RFC 6455, section 1.3
    assert accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.rule("spot-2.17", "usdm-4.3.6")
@pytest.mark.parametrize("cut", [0, 1, 9, 10, 11, 40])
def test_a_target_in_raw_utf8_is_read_as_it_came(cut: int) -> None:
    target = "/ws/这是测试币456@trade".encode()
    got = read(head(target), cut)
    assert isinstance(got, UpgradeRequest)
    assert got.target.encode("latin-1") == target


def test_a_target_in_percent_encoding_is_left_as_it_is() -> None:
    got = read(head(b"/ws/%E8%BF%99%40trade"))
    assert isinstance(got, UpgradeRequest)
    assert got.target == "/ws/%E8%BF%99%40trade"


def test_what_came_behind_the_head_is_kept() -> None:
    got = read(head() + b"\x89\x80mask")
    assert isinstance(got, UpgradeRequest)
    assert got.rest == b"\x89\x80mask"


@pytest.mark.rule("wire-A6")
def test_offers_of_several_lines_are_one_list_and_the_answer_is_in_the_101() -> None:
    got = read(
        head(
            b"/ws",
            "Sec-WebSocket-Extensions: x-other",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        )
    )
    assert isinstance(got, UpgradeRequest)
    assert got.deflate is not None
    answer = switching_protocols(got.key, got.deflate.answer)
    seen = "permessage-deflate; server_no_context_takeover; client_max_window_bits=15"
    assert f"\r\nSec-WebSocket-Extensions: {seen}\r\n".encode() in answer
    assert b"Extensions" not in switching_protocols(got.key)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head(b"/ws", "Sec-WebSocket-Extensions: permessage-deflate; ="), 400),
        (head(b"/ws", leave_out="Sec-WebSocket-Key"), 400),
        (head(b"/ws").replace(KEY.encode(), b"\x80" + KEY[1:].encode()), 400),
        (head(b"/ws", leave_out="Sec-WebSocket-Version"), 426),
        (head(b"/ws", leave_out="Upgrade"), 426),
        (head(b"/ws", leave_out="Connection"), 400),
        (head(b"/ws").replace(b"GET", b"PUT"), 405),
        (b"\xff\xfe \r\n\r\n", 400),
        (b"GET /\xff\xff\r\n\r\n", 400),
    ],
)
def test_a_head_that_cannot_be_upgraded_has_a_status(data: bytes, status: int) -> None:
    got = read(data)
    assert isinstance(got, BadRequest)
    assert got.status == status


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=2, max_size=300), st.integers(1, 40))
def test_no_bytes_raise(data: bytes, cut: int) -> None:
    handshake = Handshake()
    cut = min(cut, len(data) - 1)
    for part in (data[:cut], data[cut:], head()):  # never empty: that is the end to h11
        got = handshake.receive(part)
        if got is not None:
            assert isinstance(got, UpgradeRequest | BadRequest)
            break


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_change_to_a_good_head_raises(data: st.DataObject) -> None:
    good = head("/ws/这@trade".encode(), "Sec-WebSocket-Extensions: permessage-deflate")
    at = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.binary(max_size=3))
    Handshake().receive(good[:at] + other + good[at + 1 :])
