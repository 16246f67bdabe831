"""Lines of a testee: read strictly where they are ours, kept where they say more."""

from __future__ import annotations

import pytest

from mockex_conformance.errors import ProtocolBroken
from mockex_conformance.harness.protocol import Notification, Response, read, request


def test_a_notification_is_read() -> None:
    line = b'{"jsonrpc":"2.0","method":"event","params":{"stream":"a@trade","id":7,"more":1}}'
    assert read(line) == Notification("event", {"stream": "a@trade", "id": 7, "more": 1})


def test_an_unknown_notification_is_kept() -> None:
    assert read(b'{"jsonrpc":"2.0","method":"mood"}') == Notification("mood", {})


def test_answers_are_read() -> None:
    assert read(b'{"jsonrpc":"2.0","id":7,"result":{}}') == Response(7, {})
    refused = read(b'{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}')
    assert refused == Response(7, None, {"code": -32601, "message": "no"})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"jsonrpc"', "no JSON"),
        (b'{"method":"hello"}', "no JSON-RPC 2.0"),
        (b'{"jsonrpc":"2.0","method":"event","params":[]}', "params must be an object"),
        (b'{"jsonrpc":"2.0","method":"event","params":{"stream":"a"}}', "missing required field"),
        (b'{"jsonrpc":"2.0","method":"state","params":{"state":"odd"}}', "bad 'state'"),
        (b'{"jsonrpc":"2.0","id":7}', "neither a notification nor a response"),
        (b'{"jsonrpc":"2.0","id":7,"error":"no"}', "bad error"),
    ],
)
def test_what_is_no_message_is_shown_with_what_was_expected(line: bytes, says: str) -> None:
    with pytest.raises(ProtocolBroken) as error:
        read(line)
    assert says in str(error.value)
    assert line.decode() in str(error.value)


def test_a_request_is_one_line() -> None:
    assert request(3, "subscribe", {"streams": ["a@trade"]}) == (
        b'{"jsonrpc":"2.0","id":3,"method":"subscribe","params":{"streams":["a@trade"]}}\n'
    )
