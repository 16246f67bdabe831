"""What a person types, made into requests."""

from __future__ import annotations

from typing import Any

import pytest

from mockex_conformance.typed import HELP, Untyped, Wait, request, wait


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("start", {"method": "start"}),
        ("nope", {"method": "nope"}),
        ("subscribe a@trade", {"method": "subscribe", "params": {"streams": ["a@trade"]}}),
        (
            "unsubscribe a@trade, b@trade",
            {"method": "unsubscribe", "params": {"streams": ["a@trade", "b@trade"]}},
        ),
        ('subscribe "b a d"', {"method": "subscribe", "params": {"streams": ["b a d"]}}),
        ("subscribe '' 'a,b'", {"method": "subscribe", "params": {"streams": ["", "a,b"]}}),
        ("subscribe a#b", {"method": "subscribe", "params": {"streams": ["a#b"]}}),
        ("book ETHUSDC", {"method": "book", "params": {"symbol": "ETHUSDC"}}),
        ("consume 5", {"method": "consume", "params": {"delay_ms": 5}}),
        (
            "consume fail=2 delay_ms=-1",
            {"method": "consume", "params": {"fail": 2, "delay_ms": -1}},
        ),
        ('{"method":"start","params":[1]}', {"method": "start", "params": [1]}),
        ('{"id":9,"method":"start"}', {"id": 9, "method": "start"}),
        ('{"jsonrpc":"1.0","odd":true}', {"jsonrpc": "1.0", "odd": True}),
    ],
)
def test_words_and_objects_are_requests(text: str, meant: dict[str, Any]) -> None:
    assert request(text, 3) == {"jsonrpc": "2.0", "id": 3, **meant}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("subscribe", "'subscribe' takes streams"),
        ("start now", "'start' takes nothing"),
        ("book", "'book' takes symbol"),
        ("consume speed=3", "'consume' takes delay_ms, block_ms, fail"),
        ("consume 1 2 3 4", "'consume' takes delay_ms, block_ms, fail"),
        ("nope a", "'nope' is no request of the protocol; type its params as JSON"),
        ('subscribe "a', "No closing quotation"),
        (",", "expected a method; `help` lists them"),
        ("{", "no JSON: "),
        ('{"a":1} x', "no JSON: Extra data"),
    ],
)
def test_what_is_none_is_refused_with_what_would_be_one(text: str, why: str) -> None:
    with pytest.raises(Untyped) as error:
        request(text, 3)
    assert str(error.value).startswith(why)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("wait live", Wait(live=True, seconds=30)),
        ("wait live 1.5", Wait(live=True, seconds=1.5)),
        ("wait  2", Wait(seconds=2)),
        ("wait 0.5", Wait(seconds=0.5)),
        ("waiter", None),
        ("status", None),
        ('{"method":"wait"}', None),
    ],
)
def test_a_line_may_be_no_request_but_a_wait(text: str, meant: Wait | None) -> None:
    assert wait(text) == meant


@pytest.mark.parametrize(
    "text",
    ["wait", "wait live long", "wait 3 live", "wait long", "wait -1", "wait nan", "wait inf"],
)
def test_a_wait_that_has_no_end_is_refused(text: str) -> None:
    with pytest.raises(Untyped) as error:
        wait(text)
    assert str(error.value) == "'wait' takes `live`, seconds or both"


def test_help_says_what_is_sent_without_being_typed() -> None:
    assert "`start` was sent already" in HELP
    assert "wait live" in HELP
    assert "wait 2" in HELP
