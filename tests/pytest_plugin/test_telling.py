"""What is told beside a failed test."""

from __future__ import annotations

import pytest

from mockex.pytest_plugin.telling import happened
from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Batch,
    Closed,
    Delivered,
    Ended,
    Faulted,
    Joined,
    Lagged,
    Left,
    Noted,
    Opened,
    Pinged,
    Ponged,
    Received,
    Replied,
    Subscribed,
    Upgraded,
)

DEPTH = "ethusdc@depth5@100ms"
OPENED = Opened(
    t=100.0, version="0", profile="spot", dated="", seed=7, epoch_ms=0, speed=1.0, ws_port=1,
    rest_port=2,
)  # fmt: skip


def told(*entries: AnyEntry) -> list[str]:
    """What is said of these; the exchange has opened at 100 s."""
    return [line[10:] for line in happened([OPENED, *entries])]


def connects(conn: int, at: float = 101.0) -> list[AnyEntry]:
    """A connection that is delivered one stream."""
    return [
        Attempted(t=at, conn=conn, peer_port=4000),
        Upgraded(t=at, conn=conn, target=f"/ws/{DEPTH}", route="", mode="raw"),
        Subscribed(t=at, conn=conn, streams=[DEPTH], via="url"),
        Joined(t=at, conn=conn, audience=conn),
    ]


def delivers(audience: int, at: float, events: int = 1) -> Delivered:
    batch = Batch(first_id=1, last_id=events, events=events, bytes=10)
    return Delivered(t=at, audience=audience, step=1, streams={DEPTH: batch})


def test_a_line_begins_with_the_seconds_since_the_opening() -> None:
    assert happened([OPENED, *connects(1, at=101.25)]) == [f"   1.250  c1 opened /ws/{DEPTH}"]


def test_what_flows_is_summed_up_until_something_else_happens() -> None:
    lines = told(
        *connects(1),
        *[delivers(1, 102 + n / 10, events=2) for n in range(6)],
        Pinged(t=102.6, conn=1, payload="00"),
        Ponged(t=102.7, conn=1, payload="00"),
        Ended(t=103, conn=1, by="client", how="rst"),
    )
    assert lines == [
        f"c1 opened /ws/{DEPTH}",
        f"12 events of {DEPTH} to c1; 1 ping to c1; 1 pong of c1 in 700 ms",
        "c1 ended by the client: RST without a close frame",
    ]


def test_a_single_event_has_no_duration() -> None:
    assert told(*connects(1), delivers(1, 102))[1] == f"1 event of {DEPTH} to c1"


def test_a_second_delivery_is_called_out_once_and_a_third_again() -> None:
    lines = told(*connects(1), *connects(2), *connects(3), Left(t=102, conn=3, audience=3))
    assert [line for line in lines if "delivered" in line] == [
        f"{DEPTH} is delivered 2 times: c1, c2",
        f"{DEPTH} is delivered 3 times: c1, c2, c3",
    ]


def test_two_connections_one_after_the_other_are_no_second_delivery() -> None:
    ended = Ended(t=102, conn=1, by="client", how="fin")
    assert not [line for line in told(*connects(1), ended, *connects(2)) if "delivered" in line]


def test_a_fault_is_told_with_whom_it_hit_and_why_not() -> None:
    assert told(
        Faulted(t=101, fault=1, kind="Reset", phase="injected"),
        Faulted(t=101, fault=1, kind="Reset", phase="seen", conns=[1, 2, 3, 4]),
        Faulted(t=102, fault=2, kind="Stall", phase="ended", detail="nothing live"),
    ) == [
        "fault 1 Reset injected",
        "fault 1 Reset seen on c1, c2, c3, c4",
        "fault 2 Stall could not be done: nothing live",
    ]


def test_an_attempt_without_an_answer_is_told_at_the_end() -> None:
    assert happened([OPENED, Attempted(t=101, conn=1, peer_port=1), *connects(2, at=105)])[-1] == (
        "   1.000  c1 dialled, and nothing since"
    )


@pytest.mark.parametrize(
    "entry",
    [
        Lagged(t=101, late_s=0.01),
        Replied(t=101, conn=1, text='{"result":null}'),
        Received(t=101, conn=1, opcode="text", size=9),
        Noted(t=101, name="measure"),
    ],
    ids=lambda entry: type(entry).__name__,
)
def test_what_nobody_misses_has_none(entry: AnyEntry) -> None:
    assert told(*connects(1), entry) == told(*connects(1))


def test_an_end_is_told_with_its_close_frames_in_one_line() -> None:
    lines = told(
        *connects(1),
        Closed(t=102, conn=1, by="client", code=1000),
        Closed(t=102, conn=1, by="server", code=1000),
        Ended(t=102, conn=1, by="server", how="fin"),
    )
    assert lines[1:] == ["c1 closed by the client: close frame 1000, answered"]


def test_a_close_that_comes_to_no_end_is_told_at_the_end() -> None:
    closed = Closed(t=102, conn=1, by="server", code=1001)
    assert happened([OPENED, *connects(1), closed, delivers(1, 103)])[-1] == (
        "   2.000  c1 close frame 1001 by the exchange, and nothing since"
    )
