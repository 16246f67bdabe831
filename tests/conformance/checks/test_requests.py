"""The checks on what the testee sends, on recordings made by hand: each seen to fail."""

from __future__ import annotations

import json

import pytest

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Ended,
    Faulted,
    Lagged,
    Noted,
    Pinged,
    Ponged,
    Received,
    Replied,
    Subscribed,
    Upgraded,
)
from mockex.server.views import Connections
from mockex_conformance.checks import (
    FewConnections,
    MessageRate,
    NamedOnce,
    RequestSize,
    StreamsFit,
)
from mockex_conformance.checks.base import Check
from mockex_conformance.checks.requests import names_in
from tests.conformance.checks.made import made

A, B = "a@depth", "b@depth"
RATE = MessageRate(limit=5)


def messages(check: Check, *entries: AnyEntry, k: int = 1) -> list[str]:
    return [found.message for found in check.judge(made(*entries, profile="spot", k=k))]


def texts(*times: float, conn: int = 1) -> list[AnyEntry]:
    return [Received(t=t, conn=conn, opcode="text", size=9) for t in times]


def upgraded(t: float, conn: int) -> list[AnyEntry]:
    return [
        Attempted(t=t, conn=conn, peer_port=conn),
        Upgraded(t=t, conn=conn, target="/", route="", mode="combined"),
    ]


def subscribe(t: float, *names: str, conn: int = 1) -> list[AnyEntry]:
    text = json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1})
    return [
        Received(t=t, conn=conn, opcode="text", size=len(text), text=text),
        Subscribed(t=t, conn=conn, streams=list(dict.fromkeys(names)), via="request"),
    ]


# --- how often ---


def test_the_whole_limit_at_once_and_again_a_second_later_is_within_it() -> None:
    bursts = [second + n / 1000 for second in range(8) for n in range(5)]
    assert messages(RATE, *texts(*bursts)) == []


def test_two_messages_above_the_limit_at_once_are_too_many() -> None:
    assert messages(RATE, *texts(*[0.1 * n for n in range(6)])) == []
    assert messages(RATE, *texts(*[0.1 * n for n in range(7)])) == [
        "7 messages within 0.60 s on c1; the exchange allows 5 a second"
    ]


def test_a_tenth_above_the_limit_is_found_in_five_seconds() -> None:
    (told,) = messages(RATE, *texts(*[n / 5.6 for n in range(60)]))
    assert told.endswith("the exchange allows 5 a second")
    assert messages(RATE, *texts(*[n / 5 for n in range(60)])) == []


def test_messages_are_counted_by_connection() -> None:
    assert messages(RATE, *texts(0.0, 0.1, 0.2, 0.3), *texts(0.0, 0.1, 0.2, 0.3, conn=2)) == []


def test_pings_of_its_own_count_and_so_do_pongs_that_answer_nothing() -> None:
    pings: list[AnyEntry] = [Received(t=0.0, conn=1, opcode="ping", size=0) for _ in range(4)]
    pongs: list[AnyEntry] = [Ponged(t=0.1, conn=1, payload="") for _ in range(4)]
    assert len(messages(RATE, *pings, *pongs)) == 1


def test_pongs_that_answer_pings_do_not_count_but_each_ping_is_answered_once() -> None:
    pings: list[AnyEntry] = [Pinged(t=0.0, conn=1, payload="ab") for _ in range(9)]
    pongs: list[AnyEntry] = [Ponged(t=0.1, conn=1, payload="ab") for _ in range(9)]
    assert messages(RATE, *pings, *pongs) == []
    assert len(messages(RATE, *pings, *pongs, *pongs)) == 1


def test_messages_that_gathered_while_our_own_loop_stood_still_were_sent_one_by_one() -> None:
    burst = texts(*[2.0] * 10)
    assert len(messages(RATE, *burst)) == 1
    assert messages(RATE, Lagged(t=1.0, late_s=1.0), *burst) == []
    assert len(messages(RATE, Lagged(t=0.1, late_s=1.0), *burst)) == 1


def test_a_close_because_of_too_many_messages_is_a_finding_of_its_own() -> None:
    spread = texts(*[0.9 * n / 7 for n in range(8)])
    closed = Closed(t=0.9, conn=1, by="server", code=1008, reason="Too many requests")
    assert messages(RATE, *spread) == []
    assert messages(RATE, *spread, closed) == [
        "c1 was closed with 1008 after 8 messages in a second; the exchange allows 5 a second"
    ]
    assert messages(RATE, Lagged(t=0.2, late_s=0.7), *spread, closed) == []
    other = Closed(t=0.9, conn=1, by="server", code=1008, reason="Pong timeout")
    by_client = Closed(t=0.9, conn=1, by="client", code=1008, reason="Too many requests")
    assert messages(RATE, *spread, other, by_client) == []


def test_a_burst_and_its_close_are_one_finding_and_three_connections_are_enough() -> None:
    entries: list[AnyEntry] = []
    for conn in range(1, 6):
        entries += texts(*[float(conn)] * 8, conn=conn)
        entries.append(
            Closed(t=conn, conn=conn, by="server", code=1008, reason="Too many requests")
        )
    assert len(messages(RATE, *entries)) == 3


# --- how long, how many ---


def test_a_request_that_the_exchange_cuts_is_found() -> None:
    whole = Received(t=1.0, conn=1, opcode="text", size=4096)
    pong = Received(t=1.0, conn=1, opcode="binary", size=9000)
    assert messages(RequestSize(most=4096), whole, pong) == []
    long = Received(t=1.0, conn=2, opcode="text", size=4097)
    assert messages(RequestSize(most=4096), whole, long) == [
        "a request of 4097 bytes on c2; the exchange cuts it at 4096"
    ]
    told = [RequestSize(most=4096).live(Connections(), entry) for entry in (whole, pong, long)]
    assert told == [False, False, True]


@pytest.mark.parametrize(
    "text",
    ['{"error":{"code":4,"msg":"Too many subscriptions"}}', '{"code":4,"msg":"Too many"}'],
)
def test_more_streams_than_a_connection_carries_are_found_by_the_refusal(text: str) -> None:
    refused = Replied(t=1.0, conn=3, text=text)
    assert StreamsFit(most=1024).live(Connections(), refused)
    (told,) = messages(StreamsFit(most=1024), refused)
    assert told.startswith("more than 1,024 streams were asked for on c3; the exchange refused it")


@pytest.mark.parametrize(
    "text",
    ['{"result":null,"id":4}', '{"error":{"code":2,"msg":"no"}}', '{"result":["cut', '{"error":4}'],
)
def test_other_replies_are_no_refusal_of_streams(text: str) -> None:
    reply = Replied(t=1.0, conn=1, text=text)
    assert not StreamsFit(most=1024).live(Connections(), reply)
    assert messages(StreamsFit(most=1024), reply) == []


# --- nothing twice ---


def test_names_are_counted_from_the_landmark_on() -> None:
    before = subscribe(0.5, A, A, B)
    asked = Noted(t=1.0, name="asked-for")
    over = Noted(t=3.0, name="subscriptions", detail={"streams": [A]})
    assert messages(NamedOnce(), *before, asked, *subscribe(2.0, A), over) == []
    assert messages(NamedOnce(), *before, *subscribe(2.0, A), over) == []
    assert messages(NamedOnce(), asked, *subscribe(2.0, A, A)) == []


def test_a_stream_that_is_named_twice_is_found_in_one_request_or_in_two() -> None:
    asked = Noted(t=1.0, name="asked-for")
    over = Noted(t=3.0, name="subscriptions", detail={"streams": [A]})
    told = [f"asked for too often: {A} 2 times"]
    assert messages(NamedOnce(), asked, *subscribe(2.0, A, A), over) == told
    twice = [*subscribe(2.0, A), *subscribe(2.1, A, conn=2)]
    assert messages(NamedOnce(), asked, *twice, over) == told
    assert messages(NamedOnce(), asked, *twice, over, k=2) == []


def test_a_name_in_the_url_and_in_a_request_of_the_same_connection_is_one() -> None:
    asked = Noted(t=1.0, name="asked-for")
    over = Noted(t=3.0, name="subscriptions", detail={"streams": [A]})
    by_url = Subscribed(t=2.0, conn=1, streams=[A], via="url")
    assert messages(NamedOnce(), asked, by_url, over) == []
    assert messages(NamedOnce(), asked, by_url, *subscribe(2.1, A), over) == []
    elsewhere = Subscribed(t=2.0, conn=2, streams=[A], via="url")
    assert len(messages(NamedOnce(), asked, elsewhere, *subscribe(2.1, A), over)) == 1


def test_a_stream_that_is_not_wanted_any_more_comes_back() -> None:
    asked = Noted(t=1.0, name="asked-for")
    over = Noted(t=3.0, name="subscriptions", detail={"streams": [B]})
    assert messages(NamedOnce(), asked, *subscribe(2.0, A, B), over) == [
        f"{A} asked for again, although not wanted any more"
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"method":"SUBSCRIBE","params":["a@x","b@y"],"id":1}', ["a@x", "b@y"]),
        ('{"method":"UNSUBSCRIBE","params":["a@x"],"id":1}', []),
        ('{"method":"LIST_SUBSCRIPTIONS","id":1}', []),
        ('{"method":"SUBSCRIBE","params":7,"id":1}', []),
        ('["SUBSCRIBE"]', []),
        ('{"method":"SUBSCRIBE","params":["a@x","b@', ["a@x", "b@"]),
        ("SUBSCRIBE", []),
        ("hello", []),
    ],
)
def test_names_are_read_out_of_requests(text: str, names: list[str]) -> None:
    assert names_in(text) == names


# --- coming back ---


def lost(t: float, conn: int) -> list[AnyEntry]:
    return [
        Faulted(t=t, fault=1, kind="Reset", phase="injected"),
        Ended(t=t, conn=conn, by="server", how="rst"),
    ]


def test_three_connections_for_each_that_was_lost_are_enough() -> None:
    start = [*upgraded(0.1, 1), *upgraded(0.2, 2), *upgraded(0.3, 3)]
    back = [entry for conn in range(4, 7) for entry in upgraded(1.0 + conn, conn)]
    assert messages(FewConnections(), *start, *lost(1.0, 1), *back) == []
    fourth = upgraded(9.0, 7)
    assert messages(FewConnections(), *start, *lost(1.0, 1), *back, *fourth) == [
        "not back after 3 connections, and it opened another"
    ]
    both = [*lost(1.0, 1), Ended(t=1.0, conn=2, by="server", how="rst")]
    assert messages(FewConnections(), *start, *both, *back, *fourth) == []


def test_connections_after_a_recovery_are_of_no_interest() -> None:
    back = [entry for conn in range(4, 7) for entry in upgraded(1.0 + conn, conn)]
    recovered = Noted(t=8.0, name="recovered")
    entries = [*upgraded(0.1, 1), *lost(1.0, 1), *back, recovered, *upgraded(9.0, 7)]
    assert messages(FewConnections(), *entries) == []
