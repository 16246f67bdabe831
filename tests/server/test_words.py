"""The journal in words."""

from __future__ import annotations

import pytest

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Batch,
    Closed,
    Delivered,
    Ended,
    Faulted,
    HalfClosed,
    Joined,
    Lagged,
    Left,
    Noted,
    Opened,
    Pinged,
    Ponged,
    Received,
    Refused,
    Replied,
    Requested,
    Retimed,
    Slowed,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex.server.words import in_words

DEPTH = "ethusdc@depth5@100ms"
OPENED = Opened(
    t=100.0, version="0", profile="spot", dated="", seed=7, epoch_ms=0, speed=1.0, ws_port=1,
    rest_port=2,
)  # fmt: skip


def told(*entries: AnyEntry) -> list[str]:
    """What is said of these; the exchange has opened at 100 s."""
    return [line[10:] for line in in_words([OPENED, *entries])]


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
    assert in_words([OPENED, *connects(1, at=101.25)]) == [f"   1.250  c1 opens /ws/{DEPTH}"]


def test_what_flows_is_summed_up_until_something_else_happens() -> None:
    lines = told(
        *connects(1),
        *[delivers(1, 102 + n / 10, events=2) for n in range(6)],
        Pinged(t=102.6, conn=1, payload="00"),
        Ponged(t=102.7, conn=1, payload="00"),
        Ended(t=103, conn=1, by="client", how="rst"),
    )
    assert lines == [
        f"c1 opens /ws/{DEPTH}",
        f"within 0.700 s: 12 events of {DEPTH} to c1; 1 ping to c1; 1 pong of c1",
        "c1 is over, RST by the client",
    ]


def test_a_single_event_has_no_duration() -> None:
    assert told(*connects(1), delivers(1, 102))[1] == f"1 event of {DEPTH} to c1"


def test_a_second_delivery_is_called_out_once_and_a_third_again() -> None:
    lines = told(*connects(1), *connects(2), *connects(3), Left(t=102, conn=3, audience=3))
    assert [line for line in lines if "now" in line] == [
        f"{DEPTH} is now delivered on 2 connections: c1, c2",
        f"{DEPTH} is now delivered on 3 connections: c1, c2, c3",
    ]


def test_two_connections_one_after_the_other_are_no_second_delivery() -> None:
    ended = Ended(t=102, conn=1, by="client", how="fin")
    assert not [line for line in told(*connects(1), ended, *connects(2)) if "now" in line]


def test_a_fault_is_told_with_whom_it_hit_and_why_not() -> None:
    assert told(
        Faulted(t=101, fault=1, kind="Reset", phase="injected"),
        Faulted(t=101, fault=1, kind="Reset", phase="seen", conns=[1, 2, 3, 4]),
        Faulted(t=102, fault=2, kind="Stall", phase="ended", detail="nothing live"),
    ) == [
        "fault 1, Reset, is injected",
        "fault 1, Reset, is seen on c1, c2, c3 and 1 more",
        "fault 2, Stall, is over (nothing live)",
    ]


def test_an_attempt_without_an_answer_is_told_at_the_end() -> None:
    assert in_words([OPENED, Attempted(t=101, conn=1, peer_port=1), *connects(2, at=105)])[-1] == (
        "   1.000  c1 dials, and has no answer yet"
    )


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            Refused(t=101, conn=1, target="/", status=503, reason="busy"),
            "c1 is refused with 503: busy",
        ),
        (
            Subscribed(t=101, conn=1, streams=[DEPTH, "x"], via="request", silent=["x"]),
            f"c1 subscribes {DEPTH}, x; never sent: x",
        ),
        (Subscribed(t=101, conn=1, streams=["x"], via="url", silent=["x"]), "c1: never sent: x"),
        (Unsubscribed(t=101, conn=1, streams=[DEPTH]), f"c1 unsubscribes {DEPTH}"),
        (
            Received(t=101, conn=1, opcode="binary", size=9),
            "c1 sends 9 bytes that are no request (binary)",
        ),
        (Replied(t=101, conn=1, text='{"error":{}}'), 'c1 is told {"error":{}}'),
        (Closed(t=101, conn=1, by="client", code=1000, reason="bye"),
         "c1: the client sends a close frame, 1000 (bye)"),
        (Closed(t=101, conn=1, by="server", code=None),
         "c1: the exchange sends a close frame, no code"),
        (HalfClosed(t=101, conn=1, by="client"), "c1: the client sends a FIN"),
        (Slowed(t=101, conn=1, full=True), "c1 does not read: its buffer is full"),
        (Slowed(t=101, conn=1, full=False), "c1 reads on"),
        (Lagged(t=101, late_s=0.25), "the exchange itself stood still for 0.250 s"),
        (Retimed(t=101, exchange_s=1, speed=2, frozen=False, how="advanced"),
         "the exchange's clock is advanced (speed 2)"),
        (Requested(t=101, method="GET", target="/api/v3/depth?symbol=A", status=200, weight=1,
                   used_weight=1), "1 request GET /api/v3/depth, answered with 200"),
    ],
)  # fmt: skip
def test_an_entry_has_its_words(entry: AnyEntry, line: str) -> None:
    assert told(*connects(1), entry) == [f"c1 opens /ws/{DEPTH}", line]


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


def test_after_a_close_frame_nobody_is_blamed_for_the_end() -> None:
    lines = told(
        *connects(1),
        Closed(t=102, conn=1, by="client", code=1000),
        Ended(t=102, conn=1, by="server", how="fin"),
    )
    assert lines[-1] == "c1 is over, FIN"


def test_what_somebody_else_wrote_is_cut_and_obeyed_by_no_terminal() -> None:
    target = "/ws/\x1b[31m" + "x" * 200
    entry = Upgraded(t=101, conn=1, target=target, route="", mode="raw")
    (line,) = told(Attempted(t=101, conn=1, peer_port=1), entry)
    assert line.startswith("c1 opens /ws/?[31mxxx")
    assert len(line) < 120
