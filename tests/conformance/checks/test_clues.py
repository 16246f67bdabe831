"""What a finding says of why no events came."""

from __future__ import annotations

import pytest

from mockex.server.journal import Closed, Refused, Replied, Subscribed, Upgraded
from mockex_conformance.checks import Recovered
from tests.conformance.checks.tape import S, Tape

PREFIX = f"never went live: no events of {S} within 15.0 s of the start"


def waiting() -> Tape:
    return Tape().note(0, "awaiting-live", since=0.0, within_s=15.0, streams=[S])


def said(tape: Tape) -> str:
    return tape.note(16, "body-over").says(Recovered()).removeprefix(PREFIX)


def test_that_nobody_tried_to_connect() -> None:
    assert said(waiting()) == "; there was no attempt to connect"


def test_that_no_attempt_became_a_connection() -> None:
    tape = waiting().attempt(1, 1)
    assert said(tape) == "; 1 attempt, none of which became a connection"
    tape = waiting().attempt(1, 1).attempt(2, 2)
    assert said(tape) == "; 2 attempts, none of which became a connection"


def test_that_a_connection_asked_for_something_else() -> None:
    tape = waiting().connect(1, 1, "btcusdc@trade")
    assert said(tape) == "; 1 connection, none of which asked for any of them"


def test_that_the_route_does_not_carry_the_stream() -> None:
    tape = (
        waiting()
        .attempt(1, 1)
        .add(
            Upgraded(t=1, conn=1, target="/market/stream", route="/market", mode="combined"),
            Subscribed(t=1, conn=1, streams=[S], via="request", silent=[S]),
        )
    )
    assert said(tape) == f"; asked for where nothing serves it: {S} on c1 at /market"


def test_what_the_exchange_refused_most_often() -> None:
    tape = waiting()
    for conn in range(1, 4):
        tape.connect(conn, conn).add(
            Closed(t=conn, conn=conn, by="server", code=1008, reason="Too many requests")
        )
    tape.attempt(5, 9).add(Refused(t=5, conn=9, target="/x", status=404, reason="no such path"))
    assert said(tape) == (
        "; the exchange closed a connection with 1008 (Too many requests), 3 times"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"id":1,"error":{"code":2,"msg":"Invalid request"}}', True),
        ('{"code":2,"msg":"Invalid request","id":1}', True),
        ('{"result":null,"id":1}', False),
        ("[]", False),
        ("no JSON", False),
    ],
)
def test_that_a_request_was_refused(text: str, told: bool) -> None:
    tape = waiting().connect(1, 1).add(Replied(t=2, conn=1, text=text))
    assert said(tape) == (f"; a request was refused: {text}" if told else "")


def test_our_own_faults_are_no_clue() -> None:
    tape = Tape().connect(0.5, 1).fault(1, "CloseWith", 1)
    tape.note(1, "awaiting-recovery", since=1.0, within_s=1.0, streams=[S])
    tape.add(Closed(t=1.1, conn=1, by="server", code=1012)).connect(1.5, 2).note(3, "body-over")
    assert tape.says(Recovered()) == f"not recovered: no events of {S} within 1.0 s of the fault"
