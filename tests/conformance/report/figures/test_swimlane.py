"""The swimlane: which rows, in what order, what ends them and what stands across."""

from __future__ import annotations

from typing import Literal

from mockex.server.journal import (
    Answered,
    AnyEntry,
    Asked,
    Attempted,
    Batch,
    Closed,
    Delivered,
    Ended,
    Exited,
    Faulted,
    Joined,
    Launched,
    Noted,
    Refused,
    Requested,
    Said,
    Signalled,
    Subscribed,
    Upgraded,
)
from mockex_conformance.report.figures.lanes import (
    connection_lanes,
    folded,
    rest_lane,
)
from mockex_conformance.report.figures.lanes import (
    testee_lanes as lanes_of_testees,
)
from mockex_conformance.report.figures.stretching import Stretched
from mockex_conformance.report.figures.swimlane import legend, swimlane
from tests.conformance.checks.made import made

from .drawing import Drawing, found, judged

A, B = "a@depth", "b@depth"


def upgraded(conn: int, at: float, *, streams: tuple[str, ...] = (A,)) -> list[AnyEntry]:
    entries: list[AnyEntry] = [
        Attempted(t=at, conn=conn, peer_port=conn),
        Upgraded(t=at + 0.1, conn=conn, target="/ws", route="", mode="raw"),
    ]
    if streams:
        entries.append(Subscribed(t=at + 0.2, conn=conn, streams=list(streams), via="request"))
    return entries


def reset(conn: int, at: float, by: Literal["client", "server"] = "server") -> Ended:
    return Ended(t=at, conn=conn, by=by, how="rst")


def test_a_connection_is_dialled_then_open_then_live_until_it_ends() -> None:
    (lane,) = connection_lanes(made(*upgraded(1, 1.0), reset(1, 3.0)), 5.0)
    assert (lane.dial, lane.open, lane.live) == ([(1.0, 1.1)], [(1.1, 1.2)], [(1.2, 3.0)])
    assert (lane.ended, lane.by_exchange, lane.outcome) == (3.0, True, "RST, exchange")


def test_what_ended_first_is_what_ended_it() -> None:
    close = Closed(t=2.0, conn=1, by="client", code=1000)
    (lane,) = connection_lanes(made(*upgraded(1, 1.0), close, reset(1, 3.0)), 5.0)
    assert (lane.ended, lane.outcome) == (2.0, "1000, testee")


def test_one_that_stays_says_what_it_has() -> None:
    recording = made(
        *upgraded(1, 1.0, streams=(A, B)), *upgraded(2, 1.0, streams=()),
        Attempted(t=1.0, conn=3, peer_port=3), Attempted(t=1.0, conn=4, peer_port=4),
        Refused(t=1.5, conn=4, target="/ws", status=429, reason="no"),
    )  # fmt: skip
    outcomes = [lane.outcome for lane in connection_lanes(recording, 5.0)]
    assert outcomes == ["2 streams", "no stream", "no answer", "refused 429"]


def test_what_comes_after_the_body_is_not_drawn() -> None:
    recording = made(*upgraded(1, 1.0), Noted(t=2.0, name="body-over"), reset(1, 2.1, "client"))
    figure = swimlane(recording, judged())
    assert figure is not None
    assert "1 stream" in Drawing(figure.svg).texts
    assert "2.000 s" in figure.sentence


def test_what_was_found_after_the_body_is_drawn() -> None:
    recording = made(*upgraded(1, 1.0), Noted(t=2.0, name="body-over"), reset(1, 3.0, "client"))
    figure = swimlane(recording, judged(found("terminates", 3.0)))
    assert figure is not None
    assert "RST, testee" in Drawing(figure.svg).texts


def test_a_live_connection_on_which_nothing_is_sent_is_broken_there() -> None:
    batch = {A: Batch(1, 1, 1, 10)}
    recording = made(
        *upgraded(1, 0.0), Joined(t=0.2, conn=1, audience=1),
        *(Delivered(t=t, audience=1, step=1, streams=batch) for t in (1.0, 2.0, 6.0)),
    )  # fmt: skip
    (lane,) = connection_lanes(recording, 7.0)
    assert lane.mute == [(2.0, 6.0)]


def test_rows_stand_in_the_order_of_the_attempts() -> None:
    recording = made(
        Launched(t=0.0, run=1, pid=1, command=["x"], streams=[], mode="raw"),
        *upgraded(1, 1.0), *upgraded(2, 2.0),
        Requested(t=3.0, method="GET", target="/depth", status=200, weight=1, used_weight=1),
    )  # fmt: skip
    figure = swimlane(recording, judged())
    assert figure is not None
    drawing = Drawing(figure.svg)
    rows = [drawing.row_of(label) for label in ("c1", "c2", "REST", "testee")]
    assert rows == sorted(rows)


def test_a_fault_stands_at_its_moment_across_all_rows_and_a_finding_has_its_number() -> None:
    recording = made(
        *upgraded(1, 1.0),
        Faulted(t=3.0, fault=1, kind="Reset", phase="injected"),
        reset(1, 3.0),
        Faulted(t=3.0, fault=1, kind="Reset", phase="seen", conns=[1]),
        *upgraded(2, 3.1), *upgraded(3, 3.1), Noted(t=5.0, name="body-over"),
    )  # fmt: skip
    figure = swimlane(recording, judged(found("deliveries_at_most", 3.3)))
    assert figure is not None
    drawing = Drawing(figure.svg)
    ((fault, _),) = drawing.begins("fault")
    ((finding, _),) = drawing.begins("found")
    ((cross, row),) = drawing.begins("them")
    assert fault == cross + 3
    assert row + 4 == drawing.row_of("c1")
    assert fault < finding == drawing.where("1")
    assert {"Reset", "3.000 s", "3.300 s"} <= set(drawing.texts)
    assert "Reset, first at 3.000 s" in figure.sentence
    assert "At finding 1 (3.300 s) c2, c3 are live" in figure.sentence
    assert figure.explains == (1,)


def test_a_finding_is_drawn_where_it_happened_not_where_it_was_rounded_to() -> None:
    recording = made(
        *upgraded(1, 0.0), Subscribed(t=1.0004, conn=1, streams=[B], via="request"),
        Noted(t=1.0004, name="body-over"),
    )  # fmt: skip
    figure = swimlane(recording, judged(found("deliveries_at_most", 1.0)))
    assert figure is not None
    drawing = Drawing(figure.svg)
    assert drawing.begins("found")[0][0] in [x for x, _ in drawing.begins("say")]


def test_one_that_ends_at_the_moment_of_the_finding_is_not_live_then() -> None:
    recording = made(*upgraded(1, 0.0), reset(1, 2.0, "client"), Noted(t=3.0, name="body-over"))
    figure = swimlane(recording, judged(found("no_gap_in_deliveries", 2.0)))
    assert figure is not None
    assert "At finding 1 (2.000 s) none is live." in figure.sentence


def test_landmarks_are_named_and_what_is_for_checks_alone_is_not() -> None:
    recording = made(
        *upgraded(1, 0.0), Noted(t=1.0, name="live"), Noted(t=2.0, name="asked-for"),
        Noted(t=5.0, name="recovered"),
    )  # fmt: skip
    figure = swimlane(recording, judged())
    assert figure is not None
    texts = Drawing(figure.svg).texts
    assert {"live", "recovered"} <= set(texts)
    assert "asked-for" not in texts


def test_sixty_that_ended_alike_are_three_rows() -> None:
    entries = [e for conn in range(1, 61) for e in (*upgraded(conn, conn), reset(conn, conn + 0.5))]
    figure = swimlane(made(*entries, *upgraded(61, 70.0)), judged())
    assert figure is not None
    texts = Drawing(figure.svg).texts
    rows = [text for text in texts if text.startswith(("c", "+"))]
    assert rows == ["c1", "c2", "+58", "c61"]
    assert texts.count("RST, exchange") == 3
    assert len(figure.svg) < 8_000


def test_those_that_a_finding_names_keep_their_rows() -> None:
    lanes = connection_lanes(made(*(e for c in range(1, 41) for e in upgraded(c, c))), 50.0)
    shown = [lane.label for lane in folded(lanes, 10, keep=[17, 30])]
    assert {"c17", "c30"} <= set(shown)
    assert sum(lane.like for lane in folded(lanes, 10, keep=[17, 30])) == 40


def test_many_ways_to_end_leave_one_row_for_the_others() -> None:
    entries = [
        e
        for conn in range(1, 41)
        for e in (
            *upgraded(conn, conn),
            Closed(t=conn + 0.5, conn=conn, by="server", code=3000 + conn),
        )
    ]
    shown = folded(connection_lanes(made(*entries), 50.0), 10)
    assert (shown[-1].outcome, shown[-1].like) == ("others", 30)
    assert len(shown) == 11


def test_the_testee_has_what_it_said_and_was_told() -> None:
    recording = made(
        Launched(t=0.0, run=1, pid=1, command=["x"], streams=[], mode="raw"),
        Asked(t=0.1, run=1, id=1, method="start"),
        Said(t=0.5, run=1, method="state", params={"state": "live"}),
        Said(t=0.6, run=1, method="event", params={"stream": A, "id": 1}),
        Signalled(t=2.0, run=1, signal="SIGTERM"),
        Exited(t=2.5, run=1, code=-15, expected=True),
    )
    (lane,) = lanes_of_testees(recording, 5.0)
    assert [word for _, word in lane.ticks] == ["start", "live", "SIGTERM"]
    assert (lane.busy, lane.outcome) == ([(0.0, 2.5)], "signal 15")


def test_a_request_that_was_refused_says_so_and_the_probe_of_the_suite_is_left_out() -> None:
    recording = made(
        Launched(t=0.0, run=1, pid=1, command=["x"], streams=[], mode="raw"),
        Asked(t=0.1, run=1, id=1, method="mockex-probe-unknown-method"),
        Answered(t=0.2, run=1, id=1, error={"code": -32601}),
        Asked(t=0.3, run=1, id=2, method="subscribe"),
        Answered(t=0.4, run=1, id=2, error={"code": -1}),
    )
    (lane,) = lanes_of_testees(recording, 5.0)
    assert lane.ticks == [(0.3, "subscribe"), (0.4, "refused")]


def test_where_a_connection_went_is_said_if_the_finding_is_about_that() -> None:
    recording = made(*upgraded(1, 1.0), Noted(t=9.0, name="body-over"))
    words = []
    for finding in (found("same_endpoint", 2.0), found("stays", 2.0)):
        figure = swimlane(recording, judged(finding))
        assert figure is not None
        words.append("/ raw" in Drawing(figure.svg).texts)
    assert words == [True, False]


def test_several_processes_are_told_apart() -> None:
    launched = [
        Launched(t=run, run=run, pid=run, command=["x"], streams=[], mode="raw") for run in (1, 2)
    ]
    assert [lane.label for lane in lanes_of_testees(made(*launched), 5.0)] == ["t1", "t2"]


def test_requests_that_were_refused_are_counted() -> None:
    requests = [
        Requested(t=t, method="GET", target="/depth", status=s, weight=1, used_weight=1)
        for t, s in ((1.0, 200), (2.0, 429), (3.0, 200))
    ]
    lane = rest_lane(made(*requests), 5.0)
    assert lane is not None
    assert (lane.outcome, lane.failed) == ("1 of 3 bad", [2.0])
    assert rest_lane(made(), 5.0) is None


def test_nothing_is_drawn_of_nothing() -> None:
    assert swimlane(made(), judged()) is None


def test_half_a_millisecond_is_seen_beside_half_a_minute() -> None:
    time = Stretched([0.5, 0.5005, 30.5], 31.0)
    assert time.at(0.5005) - time.at(0.5) > 0.01
    assert time.at(30.5) - time.at(0.5005) > 0.5
    shares = [time.at(t / 10) for t in range(311)]
    assert shares == sorted(shares)
    assert (time.at(0.0), time.at(32.0)) == (0.0, 1.0)


def test_the_legend_has_each_mark() -> None:
    drawing = Drawing(legend().svg)
    for css in ("dial", "open", "live", "mute", "them", "self", "fault", "found", "say"):
        assert drawing.paths(css), css
