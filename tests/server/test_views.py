"""Live deliveries and tallies, folded from entries made by hand."""

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
    Left,
    Pinged,
    Ponged,
    Refused,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex.server.views import Connections, Deliveries, Faults, Heartbeats

S = "ethusdc@depth5@100ms"


def upgraded(conn: int, *streams: str, silent: tuple[str, ...] = ()) -> list[AnyEntry]:
    return [
        Attempted(t=1, conn=conn, peer_port=1000 + conn),
        Upgraded(t=2, conn=conn, target="/ws", route="", mode="raw"),
        Subscribed(t=3, conn=conn, streams=list(streams), via="url", silent=list(silent)),
    ]


def folded(*entries: AnyEntry) -> Connections:
    view = Connections()
    for entry in entries:
        view.apply(entry)
    return view


def test_a_subscribed_connection_is_a_live_delivery() -> None:
    assert [c.number for c in folded(*upgraded(1, S), *upgraded(2, S)).delivering(S)] == [1, 2]


def test_a_silent_stream_is_no_delivery() -> None:
    view = folded(*upgraded(1, S, "ethusdc@aggTrade", silent=("ethusdc@aggTrade",)))
    assert view.delivering("ethusdc@aggTrade") == []
    assert len(view.delivering(S)) == 1


@pytest.mark.parametrize(
    "end",
    [
        Closed(t=4, conn=1, by="server", code=1000),
        Closed(t=4, conn=1, by="client", code=1000),
        HalfClosed(t=4, conn=1, by="server"),
        HalfClosed(t=4, conn=1, by="client"),
        Ended(t=4, conn=1, by="server", how="rst"),
    ],
)
def test_close_frame_fin_and_rst_each_end_a_delivery(end: AnyEntry) -> None:
    view = folded(*upgraded(1, S), end)
    assert view.delivering(S) == []
    assert view.live() == []
    assert view.all[1].closing_at == 4


def test_the_first_end_says_by_whom() -> None:
    view = folded(
        *upgraded(1, S),
        Closed(t=4, conn=1, by="server", code=1001),
        Ended(t=5, conn=1, by="client", how="fin"),
    )
    assert (view.all[1].ended_by, view.all[1].closing_at, view.all[1].ended_at) == ("server", 4, 5)


def test_an_unsubscribed_stream_is_no_delivery() -> None:
    assert folded(*upgraded(1, S), Unsubscribed(t=4, conn=1, streams=[S])).delivering() == []


def test_an_attempt_is_pending_until_it_is_upgraded_refused_or_over() -> None:
    attempt = Attempted(t=1, conn=1, peer_port=1)
    assert len(folded(attempt).pending()) == 1
    assert folded(attempt, Refused(t=2, conn=1, target="", status=503, reason="")).pending() == []
    assert folded(attempt, Ended(t=2, conn=1, by="client", how="fin")).pending() == []
    assert folded(*upgraded(1, S)).pending() == []


def test_a_flush_counts_for_every_member_of_its_audience_at_that_time() -> None:
    view = Deliveries()
    entries: list[AnyEntry] = [
        Joined(t=1, conn=1, audience=5),
        Joined(t=1, conn=2, audience=5),
        Delivered(t=2, audience=5, step=1, streams={S: Batch(10, 11, 2, 600)}),
        Left(t=3, conn=2, audience=5),
        Delivered(t=4, audience=5, step=2, streams={S: Batch(12, 12, 1, 300)}),
    ]
    for entry in entries:
        view.apply(entry)
    assert (view.events(1, S), view.events(2, S), view.events(3, S)) == (3, 2, 0)
    assert view.tallies[(1, S)].bytes == 900
    assert view.last_at(2, S) == 2
    assert view.last_at(3, S) is None
    assert view.members(5) == {1}


@pytest.mark.rule("spot-3.1.5")
def test_pongs_that_copy_are_empty_or_are_of_another_payload_are_counted_apart() -> None:
    view = Heartbeats()
    for entry in (
        Ponged(t=1, conn=1, payload=""),
        Pinged(t=2, conn=1, payload="61"),
        Pinged(t=3, conn=1, payload="62"),
        Pinged(t=3, conn=2, payload=""),
        Ponged(t=4, conn=1, payload="62"),
        Ponged(t=5, conn=1, payload="61"),  # settled by the one before
        Ponged(t=6, conn=1, payload=""),
        Ponged(t=7, conn=2, payload=""),  # a copy: that ping had none either
    ):
        view.apply(entry)
    first, second = view.of[1], view.of[2]
    assert (first.pings, first.copied, first.empty, first.foreign) == (2, 1, 2, 1)
    assert (second.pings, second.copied, second.empty) == (1, 1, 0)
    assert first.open == []


# --- faults ---


def faulted(t: float, number: int, phase: str, *conns: int, detail: str = "") -> Faulted:
    return Faulted(
        t=t, fault=number, kind="Stall", phase=phase, conns=list(conns), detail=detail,  # type: ignore[arg-type]
    )  # fmt: skip


def faults(*entries: AnyEntry) -> Faults:
    view = Faults()
    for entry in entries:
        view.apply(entry)
    return view


def test_a_fault_goes_from_injected_over_seen_to_ended() -> None:
    entries = [faulted(1, 1, "injected"), faulted(2, 1, "seen", 3, detail="x"),
               faulted(3, 1, "seen", 4, 3), faulted(4, 1, "ended", 3)]  # fmt: skip
    phases = [faults(*entries[:n]).all[1].phase for n in range(1, 5)]
    assert phases == ["injected", "seen", "seen", "ended"]
    fault = faults(*entries).all[1]
    assert (fault.number, fault.kind, fault.injected_at) == (1, "Stall", 1)
    assert (fault.times_seen, fault.seen_at, fault.ended_at) == (2, 3, 4)
    assert fault.conns == [3, 4]
    assert (fault.detail, fault.failure) == ("", "")


def test_the_reason_of_a_fault_that_could_not_be_done_is_kept_apart() -> None:
    view = faults(
        faulted(1, 1, "injected"), faulted(2, 2, "injected"), faulted(2, 1, "seen", detail="x"),
        faulted(3, 2, "ended", detail="why"), Left(t=4, conn=1, audience=1),
    )  # fmt: skip
    assert (view.all[1].detail, view.all[1].failure) == ("x", "")
    assert (view.all[2].detail, view.all[2].failure) == ("", "why")
    assert [step.fault for step in view.steps] == [1, 2, 1, 2]
