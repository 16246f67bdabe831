"""Lines of a testee: read strictly where they are ours, kept where they say more."""

from __future__ import annotations

from typing import Any

import pytest

from mockex_conformance.errors import ProtocolBroken
from mockex_conformance.harness.protocol import (
    Notification,
    Response,
    check_result,
    read,
    request,
)


def test_a_notification_is_read() -> None:
    line = b'{"jsonrpc":"2.0","method":"event","params":{"stream":"a@trade","id":7,"more":1}}'
    assert read(line) == Notification("event", {"stream": "a@trade", "id": 7, "more": 1})


def test_an_unknown_notification_is_kept() -> None:
    assert read(b'{"jsonrpc":"2.0","method":"mood"}') == Notification("mood", {})


def test_answers_are_read() -> None:
    assert read(b'{"jsonrpc":"2.0","id":7,"result":{}}') == Response(7, {})
    refused = read(b'{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}')
    assert refused == Response(7, None, {"code": -32601, "message": "no"})


def test_params_without_a_required_member_may_be_left_out() -> None:
    assert read(b'{"jsonrpc":"2.0","method":"gauge"}') == Notification("gauge", {})


@pytest.mark.parametrize(
    ("line", "says", "expected"),
    [
        (b'{"jsonrpc"', "no JSON", "one JSON-RPC 2.0 object a line"),
        (b'{"jsonrpc":"2.0"}{"jsonrpc":"2.0"}', "no JSON", "one JSON-RPC 2.0 object a line"),
        (b'{"jsonrpc":"2.0","method":"\xff"}', "no JSON", "one JSON-RPC 2.0 object a line"),
        (b'{"a":' * 2000, "no JSON", "one JSON-RPC 2.0 object a line"),
        (b'{"method":"hello"}', "no JSON-RPC 2.0", '"jsonrpc" with the value "2.0"'),
        (b'{"jsonrpc":2.0,"method":"hello"}', "no JSON-RPC 2.0", '"jsonrpc"'),
        (b'{"jsonrpc":"2.0","method":7}', "a method that is no text", '"method"'),
        (b'{"jsonrpc":"2.0","method":"event","params":[]}', "params must be an object", "params"),
        (b'{"jsonrpc":"2.0","method":"mood","params":[]}', "params must be an object", "params"),
        (
            b'{"jsonrpc":"2.0","method":"event","params":{"stream":"a"}}',
            "bad 'event': Object missing required field `id`",
            "params {stream, id, fields?}",
        ),
        (
            b'{"jsonrpc":"2.0","method":"event","params":{"stream":"a","id":"7"}}',
            "bad 'event': Expected `int`, got `str` - at `$.id`",
            "params {stream, id, fields?}",
        ),
        (
            b'{"jsonrpc":"2.0","method":"state","params":{"state":"odd"}}',
            "bad 'state': Invalid enum value 'odd'",
            "params {state, wait_ms?, reason?}",
        ),
        (
            b'{"jsonrpc":"2.0","method":"state","params":{"state":"waiting","wait_ms":0.5}}',
            "bad 'state': Expected `int | null`, got `float`",
            "wait_ms?",
        ),
        (
            b'{"jsonrpc":"2.0","method":"book","params":{"symbol":"A","last_update_id":1,'
            b'"valid":true,"bids":[[1.5,"2"]],"asks":[]}}',
            "bad 'book': Expected `str`, got `float`",
            "params {symbol, last_update_id, valid, bids, asks}",
        ),
        (
            b'{"jsonrpc":"2.0","id":7,"method":"event","params":{"stream":"a","id":7}}',
            "a request of the testee",
            "without `id`",
        ),
        (b'{"jsonrpc":"2.0","id":7}', "neither a notification nor a response", "`result`"),
        (
            b'{"jsonrpc":"2.0","id":7,"result":{},"error":null}',
            "neither a notification nor a response",
            "either `result` or `error`",
        ),
        (b'{"jsonrpc":"2.0","id":"7","result":{}}', "an answer to no request", "an integer"),
        (b'{"jsonrpc":"2.0","id":true,"result":{}}', "an answer to no request", "an integer"),
        (b'{"jsonrpc":"2.0","id":7,"error":"no"}', "bad error", '"code": integer'),
        (b'{"jsonrpc":"2.0","id":7,"error":{"code":-32601}}', "bad error", '"message": text'),
        (b'{"jsonrpc":"2.0","id":7,"error":{"code":"no","message":""}}', "bad error", "integer"),
    ],
)
def test_what_is_no_message_is_shown_with_what_was_expected_and_where_that_is_written(
    line: bytes, says: str, expected: str
) -> None:
    with pytest.raises(ProtocolBroken) as error:
        read(line)
    shown = str(error.value).splitlines()
    assert shown[0].startswith(f"testee protocol: {says}")
    assert shown[1].startswith("  line: " + line.decode("utf-8", "replace")[:300])
    assert shown[2].startswith("  expected: ")
    assert expected in shown[2]
    assert shown[3] == "  messages: docs/writing-a-shim.md, or `mockex schema testee-says`"


@pytest.mark.parametrize(
    ("method", "result", "says"),
    [
        ("status", {}, "missing required field `state`"),
        ("status", {"state": "live", "wanted": "a@trade"}, "Expected `array`"),
        ("book", {"symbol": "A"}, "missing required field `last_update_id`"),
        ("subscribe", None, "Expected `object`, got `null`"),
        ("start", "ok", "Expected `object`, got `str`"),
    ],
)
def test_a_result_of_another_shape_is_shown(method: str, result: Any, says: str) -> None:
    with pytest.raises(ProtocolBroken) as error:
        check_result(method, Response(1, result))
    assert f"bad result of {method!r}" in str(error.value)
    assert says in str(error.value)


def test_an_answer_to_no_request_is_shown() -> None:
    with pytest.raises(ProtocolBroken, match="an answer to no request") as error:
        check_result(None, Response(7, {}))
    assert 'line: {"id":7,"result":{}}' in str(error.value)


def test_results_may_say_more_and_errors_have_no_result() -> None:
    check_result("status", Response(1, {"state": "live", "wanted": [], "since_ms": 7}))
    check_result("close", Response(1, {"closed": 2}))
    check_result("status", Response(1, None, {"code": -32000, "message": "not now"}))
    check_result("a-method-of-next-year", Response(1, 7))


def test_a_request_is_one_line() -> None:
    assert request(3, "subscribe", {"streams": ["a@trade"]}) == (
        b'{"jsonrpc":"2.0","id":3,"method":"subscribe","params":{"streams":["a@trade"]}}\n'
    )
