"""What is subscribed, and how many bytes that costs."""

from __future__ import annotations

from mockex.server.journal import Received, Subscribed, Upgraded
from mockex_conformance.checks import NeverMultiplied, SubscriptionsEqual, TrafficFlat
from tests.conformance.checks.tape import S, Tape


def test_missing_surplus_and_doubled_streams_are_named() -> None:
    check = SubscriptionsEqual()
    right = (
        Tape()
        .connect(1, 1, "a@trade", "b@trade")
        .note(2, "subscriptions", streams=["a@trade", "b@trade"])
    )
    assert right.found(check) == []
    tape = Tape().connect(1, 1, "a@trade", "c@trade").connect(1, 2, "a@trade")
    tape.note(2, "subscriptions", streams=["a@trade", "b@trade"], after="Reset")
    assert tape.says(check) == (
        "subscriptions after Reset: b@trade missing; c@trade surplus; a@trade on more connections "
        "than allowed (c1, c2; 1 allowed)"
    )


def test_a_stream_that_a_connection_is_never_sent_is_not_doubled_by_it() -> None:
    tape = Tape().connect(1, 1, "a@trade").connect(1, 2, "b@trade")
    tape.add(Subscribed(t=1, conn=2, streams=["a@trade"], via="request", silent=["a@trade"]))
    tape.note(2, "subscriptions", streams=["a@trade", "b@trade"])
    assert tape.found(SubscriptionsEqual()) == []


def census(*requests: str) -> Tape:
    """One connection after another, each sent one of these texts; a census after each."""
    tape = Tape()
    for conn, text in enumerate(requests, 1):
        tape.attempt(conn, conn).add(
            Upgraded(t=conn, conn=conn, target="/", route="", mode="raw"),
            Received(t=conn, conn=conn, opcode="text", size=len(text), text=text),
        )
        tape.note(conn, "census").fault(conn, "Reset", conn)
    return tape


ONE = '{"method":"SUBSCRIBE","params":["a@trade"],"id":1}'
TWO = '{"method":"SUBSCRIBE","params":["a@trade","a@trade"],"id":1}'


def test_a_list_that_grows_is_found() -> None:
    assert census(ONE, ONE, ONE).found(NeverMultiplied()) == []
    assert census(TWO, ONE).found(NeverMultiplied()) == []
    assert census(ONE).found(NeverMultiplied()) == []
    assert "2 names were asked for, 1 after the first" in census(ONE, TWO).says(NeverMultiplied())
    cut = census(ONE, TWO[:-5] + ',"x"')
    assert "the list grows" in cut.says(NeverMultiplied())
    other = '{"method":"LIST_SUBSCRIPTIONS","id":1}'
    assert census(ONE, "[]", other).found(NeverMultiplied()) == []


def test_more_requests_than_after_the_first_loss_are_found() -> None:
    tape = census(ONE)
    tape.attempt(5, 5).add(Upgraded(t=5, conn=5, target="/", route="", mode="raw"))
    for _ in range(3):
        tape.add(Received(t=5, conn=5, opcode="text", size=9, text='{"method":"X"}'))
    assert "3 requests were sent, 1 after the first" in tape.note(6, "census").says(
        NeverMultiplied()
    )


def traffic(*rounds: list[tuple[int, int]]) -> Tape:
    """Measurements of (events, bytes) for each step."""
    tape = Tape().connect(1, 1)
    step = 0
    for measured in rounds:
        tape.note(2, "measure")
        for events, size in measured:
            step += 1
            tape.event(2, 1, step=step, events=events, size=size)
        tape.note(3, "measured", when="after the losses")
    return tape


def test_flat_traffic_is_right_and_twice_as_much_is_found() -> None:
    check = TrafficFlat(streams=[S])
    assert traffic([(1, 100)] * 5, [(1, 101)] * 5).found(check) == []
    doubled = traffic([(1, 100)] * 5, [(2, 200)] * 5)
    messages = [found.message for found in doubled.found(check)]
    assert f"stream {S}: 2 events a step instead of 1, in 5 of 5 steps after the losses" in messages
    assert "200 bytes a step after the losses, 100 before: x 2.00" in messages
    assert len(traffic([(1, 100)] * 5, [(1, 103)] * 5).found(check)) == 1
    assert traffic([(1, 100)] * 5).found(check) == []
    assert traffic([], [(1, 100)]).found(check) == []
