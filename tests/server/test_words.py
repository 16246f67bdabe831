"""The journal in words."""

from __future__ import annotations

import msgspec
import pytest

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Behind,
    Closed,
    Delivered,
    Ended,
    Faulted,
    HalfClosed,
    Joined,
    Lagged,
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
from mockex.server.words import Teller, cut, listed, numbered, worth_a_line

DEPTH = "ethusdc@depth5@100ms"
ORDERLY = Closed(t=1, conn=1, by="client", code=1000)
ANSWER = Closed(t=2, conn=1, by="server", code=1000)
NOTICE = Closed(t=1, conn=1, by="server", code=1008, reason="Too many requests")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([ORDERLY, ANSWER, Ended(t=3, conn=1, by="server", how="fin")],
         "c1 closed by the client: close frame 1000, answered"),
        ([ORDERLY, Ended(t=3, conn=1, by="client", how="rst")],
         "c1 closed by the client: close frame 1000, not answered; RST by the client"),
        ([Closed(t=1, conn=1, by="client", code=None), Ended(t=3, conn=1, by="client", how="fin")],
         "c1 closed by the client: close frame without a code, not answered"),
        ([NOTICE, ORDERLY, Ended(t=3, conn=1, by="server", how="fin")],
         "c1 closed by the exchange: close frame 1008 (Too many requests), answered"),
        ([NOTICE, Ended(t=3, conn=1, by="server", how="rst")],
         "c1 closed by the exchange: close frame 1008 (Too many requests), not answered; "
         "RST by the exchange"),
        ([Ended(t=3, conn=1, by="client", how="fin")],
         "c1 ended by the client: FIN without a close frame"),
        ([Ended(t=3, conn=1, by="server", how="rst")],
         "c1 ended by the exchange: RST without a close frame"),
        ([msgspec.structs.replace(ORDERLY, conn=2), Ended(t=3, conn=1, by="client", how="fin")],
         "c1 ended by the client: FIN without a close frame"),
    ],
)  # fmt: skip
def test_an_end_is_told_with_who_began_it(entries: list[AnyEntry], words: str) -> None:
    teller = Teller()
    *_, last = [teller.told(entry) for entry in entries]
    assert str(last) == words


def requested(status: int) -> Requested:
    return Requested(
        t=1, method="GET", target="/api/v3/depth?symbol=A", status=status, weight=1, used_weight=1
    )


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (Opened(t=1, version="0", profile="spot", dated="", seed=7, epoch_ms=0, speed=1, ws_port=1,
                rest_port=2), "opened spot, seed 7"),
        (Attempted(t=1, conn=1, peer_port=1), "c1 dialled"),
        (Upgraded(t=1, conn=1, target="/ws/a", route="", mode="raw"), "c1 opened /ws/a"),
        (Refused(t=1, conn=1, target="/", status=503, reason="busy"),
         "c1 was refused with 503: busy"),
        (Subscribed(t=1, conn=1, streams=[DEPTH], via="url"), f"c1 subscribed {DEPTH} by the URL"),
        (Subscribed(t=1, conn=1, streams=[DEPTH, "x"], via="request", silent=["x"], again=[DEPTH]),
         f"c1 subscribed {DEPTH}, x; never sent: x; again: {DEPTH}"),
        (Unsubscribed(t=1, conn=1, streams=[DEPTH]), f"c1 unsubscribed {DEPTH}"),
        (Received(t=1, conn=1, opcode="text", size=2, text="{}"), "c1 sent {}"),
        (Received(t=1, conn=1, opcode="ping", size=1), "c1 sent a ping of 1 byte"),
        (Received(t=1, conn=1, opcode="binary", size=9),
         "c1 sent 9 bytes that are no request (binary)"),
        (Replied(t=1, conn=1, text='{"error":{}}'), 'c1 was told {"error":{}}'),
        (Pinged(t=1, conn=1, payload="6162"), "c1 ping 'ab'"),
        (Pinged(t=1, conn=1, payload="00ff"), "c1 ping 0x00ff"),
        (Ponged(t=1, conn=1, payload=""), "c1 pong empty"),
        (Closed(t=1, conn=1, by="client", code=1000, reason="bye"),
         "c1 close frame 1000 (bye) by the client"),
        (Closed(t=1, conn=1, by="server", code=None),
         "c1 close frame without a code by the exchange"),
        (HalfClosed(t=1, conn=1, by="client"), "c1 half-closed by the client: FIN"),
        (Slowed(t=1, conn=1, full=True), "c1 reads too slowly: its send buffer is full"),
        (Slowed(t=1, conn=1, full=False), "c1 reads again"),
        (requested(429), "GET /api/v3/depth?symbol=A was answered with 429"),
        (Faulted(t=1, fault=1, kind="Reset", phase="injected"), "fault 1 Reset injected"),
        (Faulted(t=1, fault=1, kind="Reset", phase="seen", conns=[1, 2]),
         "fault 1 Reset seen on c1, c2"),
        (Faulted(t=1, fault=2, kind="Stall", phase="ended", detail="Stall: nothing live"),
         "fault 2 Stall could not be done: nothing live"),
        (Lagged(t=1, late_s=0.25), "the exchange itself stood still for 250 ms"),
        (Behind(t=1, late_s=0.2, exchange_s=1.5), "the market ran 200 ms late"),
        (Retimed(t=1, exchange_s=1, speed=1, frozen=True, how="frozen"), "the clock stands still"),
        (Retimed(t=1, exchange_s=1, speed=1, frozen=False, how="resumed"), "the clock goes on"),
        (Retimed(t=1, exchange_s=1, speed=2, frozen=False, how="speed-set"),
         "the clock passes at 2 times the speed"),
        (Retimed(t=1, exchange_s=3, speed=2, frozen=False, how="advanced"),
         "the clock is advanced: 3.0 s since the opening"),
    ],
)  # fmt: skip
def test_an_entry_has_its_words(entry: AnyEntry, line: str) -> None:
    assert str(Teller().told(entry)) == line


@pytest.mark.parametrize(
    "entry",
    [
        Lagged(t=1, late_s=0.049),
        Delivered(t=1, audience=1, step=1, streams={}),
        Joined(t=1, conn=1, audience=1),
        Noted(t=1, name="measure"),
    ],
    ids=lambda entry: type(entry).__name__,
)
def test_a_flush_an_audience_a_short_lag_and_what_a_suite_wrote_have_none(entry: AnyEntry) -> None:
    assert Teller().told(entry) is None


@pytest.mark.parametrize(
    ("entry", "is_worth"),
    [
        (Subscribed(t=1, conn=1, streams=[DEPTH], via="url"), False),
        (Subscribed(t=1, conn=1, streams=[DEPTH], via="url", silent=[DEPTH]), True),
        (Subscribed(t=1, conn=1, streams=[DEPTH], via="request"), True),
        (Received(t=1, conn=1, opcode="text", size=2, text="{}"), False),
        (Received(t=1, conn=1, opcode="binary", size=2), True),
        (Replied(t=1, conn=1, text='{"result":null}'), False),
        (Replied(t=1, conn=1, text='{"code":2}'), True),
        (requested(200), False),
        (requested(429), True),
        (Closed(t=1, conn=1, by="client", code=1000), False),
        (Ended(t=1, conn=1, by="client", how="fin"), True),
        (Pinged(t=1, conn=1, payload=""), False),
        (Lagged(t=1, late_s=0.049), False),
        (Lagged(t=1, late_s=0.05), True),
    ],
)  # fmt: skip
def test_who_watches_is_told_what_would_be_missed(entry: AnyEntry, is_worth: bool) -> None:
    assert worth_a_line(entry) is is_worth


def test_a_fault_that_ends_before_it_was_seen_is_told_so() -> None:
    teller = Teller()
    for entry in (
        Faulted(t=1, fault=1, kind="HangUpgrade", phase="injected"),
        Faulted(t=2, fault=2, kind="HangUpgrade", phase="injected"),
        Faulted(t=3, fault=2, kind="HangUpgrade", phase="seen", conns=[1]),
    ):
        teller.told(entry)
    ends = [Faulted(t=4, fault=n, kind="HangUpgrade", phase="ended") for n in (1, 2)]
    assert [str(teller.told(end)) for end in ends] == [
        "fault 1 HangUpgrade ended, never seen",
        "fault 2 HangUpgrade ended",
    ]


def test_what_somebody_else_wrote_is_cut_and_obeyed_by_no_terminal() -> None:
    assert cut("/ws/\x1b[31m\n\udc80é") == "/ws/?[31m??é"
    assert cut("x" * 160) == "x" * 160
    assert cut("x" * 161) == "x" * 160 + "..."


def test_of_many_names_the_first_are_told_and_the_others_counted() -> None:
    assert listed("abcde") == "a, b, c, d, e"
    assert listed("abcdef") == "a, b, c, d and 2 more"
    assert numbered(range(1, 101)) == "c1, c2, c3, c4 and 96 more"
