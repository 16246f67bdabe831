"""Pongs: in time, whole, and none that is too many."""

from __future__ import annotations

from mockex.server.journal import Lagged, Pinged, Ponged
from mockex_conformance.checks import PongRepeats
from tests.conformance.checks.tape import Tape


def ping(tape: Tape, t: float, payload: bytes) -> Tape:
    return tape.add(Pinged(t=t, conn=1, payload=payload.hex()))


def pong(tape: Tape, t: float, payload: bytes) -> Tape:
    return tape.add(Ponged(t=t, conn=1, payload=payload.hex()))


def test_a_pong_settles_its_ping_and_those_before() -> None:
    tape = Tape().connect(1, 1)
    for payload in (b"a", b"b", b"c"):
        ping(tape, 2, payload)
    assert pong(tape, 2.5, b"c").event(9, 1).found(PongRepeats()) == []


def test_a_missing_late_or_altered_pong_is_found() -> None:
    missing = ping(Tape().connect(1, 1), 2, b"x").event(9, 1)
    assert "payload b'x' on c1 was not answered" in missing.says(PongRepeats())
    late = pong(ping(Tape().connect(1, 1), 2, b"x"), 3.5, b"x")
    assert len(late.found(PongRepeats())) == 1
    altered = pong(ping(Tape().connect(1, 1), 2, b"x"), 2.1, b"").event(9, 1)
    assert "a pong with payload b'' came instead" in altered.says(PongRepeats())


def test_our_lag_and_the_end_of_the_connection_are_no_fault_of_the_testee() -> None:
    lagged = pong(ping(Tape().connect(1, 1), 2, b"x").add(Lagged(t=2.9, late_s=0.6)), 3.5, b"x")
    assert lagged.found(PongRepeats()) == []
    ended = ping(Tape().connect(1, 1), 2, b"x").fault(2.5, "Reset", 1).connect(9, 2)
    assert ended.found(PongRepeats()) == []
    unasked = pong(Tape().connect(1, 1), 2, b"unasked").event(9, 1)
    assert unasked.found(PongRepeats()) == []
