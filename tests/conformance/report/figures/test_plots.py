"""The plots: what stands in each, and which verdict gets which."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Batch,
    Closed,
    Delivered,
    Ended,
    Faulted,
    Joined,
    Noted,
    Pinged,
    Ponged,
    Received,
    Refused,
    Said,
    Sampled,
    Subscribed,
    Upgraded,
)
from mockex_conformance.checks import AnyCheck
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures import figures_of
from mockex_conformance.report.figures.attempts import attempts
from mockex_conformance.report.figures.choosing import BY_CHECK, PLOT_FIRST
from mockex_conformance.report.figures.deliveries import deliveries
from mockex_conformance.report.figures.events import events, presented
from mockex_conformance.report.figures.flow import flow, stream_lanes
from mockex_conformance.report.figures.heartbeat import delays, pings
from mockex_conformance.report.figures.moments import moments_of
from mockex_conformance.report.figures.recovery import recoveries, recovery
from mockex_conformance.report.figures.resources import (
    held,
    memory_slope,
    processor,
    stream_sockets,
)
from mockex_conformance.report.figures.subscriptions import asked_for, delivered_streams, messages
from mockex_conformance.report.figures.traffic import slices, traffic, traffic_by_deliveries
from mockex_conformance.report.figures.waits import as_told, waits
from mockex_conformance.verdict import Finding
from tests.conformance.checks.made import made

from .drawing import Drawing, found, judged

A, B = "a@depth", "b@depth"
OVER = Noted(t=10.0, name="body-over")


def with_checks(recording: Recording, *checks: dict[str, object]) -> Recording:
    return Recording(recording.entries, recording.terms, {"checks": list(checks)})


def live(conn: int, at: float, *streams: str) -> list[AnyEntry]:
    return [
        Attempted(t=at, conn=conn, peer_port=conn),
        Upgraded(t=at, conn=conn, target="/ws", route="", mode="raw"),
        Subscribed(t=at, conn=conn, streams=list(streams or (A,)), via="request"),
        Joined(t=at, conn=conn, audience=conn),
    ]


def sent(at: float, conn: int, step: int, size: int = 100, stream: str = A) -> Delivered:
    return Delivered(t=at, audience=conn, step=step, streams={stream: Batch(step, step, 1, size)})


def seen(at: float, kind: str = "Reset", *conns: int) -> Faulted:
    return Faulted(t=at, fault=1, kind=kind, phase="seen", conns=list(conns))


# --- deliveries -----------------------------------------------------------------------------------


def test_deliveries_are_drawn_with_what_is_right() -> None:
    recording = made(*live(1, 1.0), *live(2, 2.0), OVER, streams=[A])
    figure = deliveries(recording, judged(), None)
    assert figure is not None
    assert "right: 1" in Drawing(figure.svg).texts
    assert figure.title == f"Live deliveries of {A}"
    assert figure.sentence == (
        "1 is right; at most 2 at once, first at 2.000 s, and 2 at the end (10.00 s)."
    )


def test_the_stream_of_the_finding_is_drawn() -> None:
    recording = made(*live(1, 1.0, A, B), OVER, streams=[A, B])
    figure = deliveries(recording, judged(), found("deliveries_at_most", 1.0, stream=B))
    assert figure is not None
    assert B in figure.title


def test_where_attempts_count_they_are_drawn_too() -> None:
    recording = with_checks(
        made(*live(1, 1.0), Attempted(t=2.0, conn=2, peer_port=2), OVER, streams=[A]),
        {"check": "deliveries_at_most", "k": 1, "streams": [A], "pending": True},
    )
    figure = deliveries(recording, judged(), found("deliveries_at_most", 2.0, stream=A))
    assert figure is not None
    assert "pending" in figure.title
    assert "at most 2 at once" in figure.sentence


# --- traffic --------------------------------------------------------------------------------------


def growing() -> Recording:
    """One connection for 4 s, then two in one audience; ten steps a second of 100 bytes each."""
    entries: list[AnyEntry] = [*live(1, 0.0), Noted(t=0.0, name="measure")]
    for step in range(1, 80):
        at = step / 10
        if step == 20:
            entries.append(Noted(t=at - 0.05, name="measured"))
        if step == 40:
            entries += [seen(at - 0.05), *live(2, at - 0.05), Joined(t=at, conn=2, audience=1)]
        if step == 50:
            entries.append(Noted(t=at - 0.05, name="measure"))
        entries.append(sent(at, 1, step))
    return made(
        *entries, Noted(t=7.9, name="measured"), Noted(t=8.0, name="body-over"), streams=[A]
    )


def test_traffic_is_cut_into_equal_pieces() -> None:
    pieces = slices(growing(), 8.0)
    assert [round(piece.kb_s, 2) for piece in (pieces[2], pieces[12])] == [1.0, 2.0]


def test_traffic_over_time_has_what_was_measured_first_as_its_limit() -> None:
    figure = traffic(growing(), judged(), None)
    assert figure is not None
    drawing = Drawing(figure.svg)
    assert "at first: 1.0 KB/s" in drawing.texts
    assert len(drawing.paths("band")) == 2
    assert (
        "1.0 KB/s when it was measured first, 2.0 KB/s when it was measured last" in figure.sentence
    )


def test_traffic_against_deliveries_has_the_line_through_it() -> None:
    figure = traffic_by_deliveries(growing(), judged(), None)
    assert figure is not None
    assert "KB/s = 1.00 × deliveries +0.00, R² 1.000, by 79 steps" in figure.sentence
    assert len(Drawing(figure.svg).paths("dot")) == 2


def test_a_step_is_the_sum_of_what_each_audience_was_sent() -> None:
    alone = [sent(n / 10, 1, n) for n in range(1, 5)]
    both = [sent(n / 10, conn, n) for n in range(5, 9) for conn in (1, 2)]
    recording = made(*live(1, 0.0), *alone, *live(2, 0.45), *both, OVER, streams=[A])
    figure = traffic_by_deliveries(recording, judged(), None)
    assert figure is not None
    assert "KB/s = 1.00 × deliveries" in figure.sentence


def test_there_is_no_line_where_the_number_never_changed() -> None:
    assert traffic_by_deliveries(made(*live(1, 0.0), sent(1.0, 1, 1), OVER), judged(), None) is None


# --- attempts -------------------------------------------------------------------------------------


def dialled(*times: float) -> list[AnyEntry]:
    return [Attempted(t=t, conn=n, peer_port=n) for n, t in enumerate(times, 2)]


def test_attempts_count_from_the_loss_on_a_logarithmic_axis() -> None:
    recording = made(*live(1, 0.0), seen(2.0), *dialled(2.01, 2.11, 3.0), OVER)
    figure = attempts(recording, judged(), found("few_connections", 3.0))
    assert figure is not None
    drawing = Drawing(figure.svg)
    assert {"1 ms", "10 ms", "100 ms", "1 s"} <= set(drawing.texts)
    assert len(drawing.paths("dot")) == 3
    assert figure.sentence == (
        "3 attempts after the loss at 2.000 s, the first after 10 ms, the last after 1.0 s; "
        "between them 100 ms to 890 ms."
    )


def test_what_is_bearable_is_a_line_below_those_who_do_not_wait() -> None:
    recording = made(
        *live(1, 0.0), Noted(t=1.5, name="attempts-counted", detail={"connections": 1}), seen(2.0),
        *dialled(*(2 + n / 100 for n in range(1, 41))), OVER,
    )  # fmt: skip
    about = found("attempt_rate", 2.4, attempts=40, window_s=0.39)
    figure = attempts(recording, judged(about), about)
    assert figure is not None
    drawing = Drawing(figure.svg)
    assert "bearable" in drawing.texts
    last_dot, last_allowed = (
        drawing.begins("dot")[-1][1],
        int(drawing.paths("limit")[0].split()[-1]),
    )
    assert last_dot < last_allowed


def test_attempts_of_nobody_are_not_drawn() -> None:
    assert attempts(made(seen(1.0)), judged(), None) is None


def test_after_a_pause_attempts_count_from_its_end() -> None:
    recording = made(
        *live(1, 0.0), Noted(t=1.0, name="suspended"), Noted(t=5.0, name="going-on"),
        *dialled(5.1, 5.1, 5.1, 5.1, 5.2), OVER,
    )  # fmt: skip
    about = found("few_attempts_after_pause", 5.1)
    figure = attempts(recording, judged(about), about)
    assert figure is not None
    assert figure.title == "Attempts since the pause"
    assert figure.sentence.startswith("5 attempts after the pause at 5.000 s, the first after 100")
    drawing = Drawing(figure.svg)
    ((_, limit),) = drawing.begins("limit")
    heights = [y for _, y in drawing.begins("dot")]
    assert sum(y < limit for y in heights) == 2  # three are calm


def test_few_attempts_are_told_by_the_swimlane() -> None:
    assert attempts(made(*live(1, 0.0), seen(2.0), *dialled(2.5)), judged(), None) is None


def test_an_attempt_before_the_time_that_was_told_is_a_miss() -> None:
    entries: list[AnyEntry] = []
    for conn, at, status, seconds in ((1, 1.0, 429, 5.0), (3, 10.0, 418, 2.0)):
        detail = {"connection": conn, "status": status, "seconds": seconds}
        entries += [
            Attempted(t=at, conn=conn, peer_port=1),
            Refused(t=at, conn=conn, target="", status=status, reason=""),
            Noted(t=at, name="told-to-wait", detail=detail),
            Attempted(t=at + 3.0, conn=conn + 1, peer_port=1),
        ]
    figure = as_told(made(*entries), judged(), None)
    assert figure is not None
    assert figure.sentence == (
        "After 429 it was told 5 s and waited 3.0 s, after 418 it was told 2 s and waited 3.0 s."
    )
    drawing = Drawing(figure.svg)
    ((_, late),) = drawing.begins("late")
    assert late == drawing.row_of("429")
    assert as_told(made(OVER), judged(), None) is None


def test_waits_of_processes_in_step_lie_on_one_spot() -> None:
    entries: list[AnyEntry] = [Noted(t=1.0, name="waits-counted")]
    for conn, (at, port) in enumerate(((at, port) for at in (1.0, 2.0, 4.0) for port in (1, 2)), 1):
        entries.append(Attempted(t=at, conn=conn, peer_port=conn, port=port))
        entries.append(Refused(t=at, conn=conn, target="", status=503, reason=""))
    figure = waits(made(*entries, OVER), judged(), None)
    assert figure is not None
    assert figure.title == "Waits before each attempt, 2 processes"
    assert "1.0 s, 2.0 s; from the second on those of all processes differ by up to 0%" in (
        figure.sentence
    )
    assert len(Drawing(figure.svg).paths("dot")) == 3


# --- recovery -------------------------------------------------------------------------------------


def awaited(at: float, within_s: float, name: str = "awaiting-recovery") -> Noted:
    return Noted(t=at, name=name, detail={"since": at, "within_s": within_s})


def test_each_wait_for_data_has_what_it_took_or_how_long_it_was_in_vain() -> None:
    recording = made(
        awaited(0.0, 5.0, "awaiting-live"), Noted(t=1.0, name="live"),
        seen(2.0, "Fin"), awaited(2.0, 3.0), Noted(t=2.5, name="recovered"),
        seen(4.0, "Stall"), awaited(4.0, 3.0), OVER,
    )  # fmt: skip
    every = recoveries(recording, moments_of(recording))
    assert [(r.after, r.took_s, r.lasted_s) for r in every] == [
        ("start", 1.0, 1.0), ("Fin", 0.5, 0.5), ("Stall", None, 6.0),
    ]  # fmt: skip
    figure = recovery(recording, judged(), None)
    assert figure is not None
    drawing = Drawing(figure.svg)
    assert [drawing.row_of(name) for name in ("start", "Fin", "Stall")] == sorted(
        drawing.row_of(name) for name in ("start", "Fin", "Stall")
    )
    assert len(drawing.paths("limit")) == 3
    assert len(drawing.paths("miss")) == 1
    told = "2 of 3 times data flowed again (the start is one of them), after 500 ms to 1.0 s"
    assert told in figure.sentence
    assert "after Stall they did not within 6.0 s, and 3.0 s were allowed" in figure.sentence


def test_a_wait_that_the_end_of_the_case_cut_short_is_no_miss() -> None:
    recording = made(seen(4.0), awaited(4.0, 20.0), OVER)
    figure = recovery(recording, judged(), None)
    assert figure is not None
    drawing = Drawing(figure.svg)
    assert "cut at 6.0 s" in drawing.texts
    assert drawing.paths("miss") == []
    assert figure.sentence == "0 of 1 times data flowed again."


def test_one_that_was_not_even_tried_is_a_wait_in_vain() -> None:
    never = Noted(t=9.0, name="no-attempt", detail={"within_s": 5.0})
    recording = made(seen(4.0, "HangUpgrade"), never, OVER)
    (one,) = recoveries(recording, moments_of(recording))
    assert (one.after, one.took_s, one.lasted_s) == ("HangUpgrade", None, 5.0)


def test_of_many_recoveries_the_slowest_are_drawn() -> None:
    entries: list[AnyEntry] = []
    for n in range(30):
        entries += [seen(n * 5.0, f"F{n}"), awaited(n * 5.0, 3.0)]
        if n != 23:
            entries.append(Noted(t=n * 5.0 + (2.0 if n == 17 else 0.1), name="recovered"))
    figure = recovery(made(*entries), judged(), None)
    assert figure is not None
    assert {"F17", "F23"} <= set(Drawing(figure.svg).texts)
    assert "18 that were quicker are not drawn." in figure.sentence


# --- pings ----------------------------------------------------------------------------------------


def ping(at: float, payload: str) -> Pinged:
    return Pinged(t=at, conn=1, payload=payload)


def pong(at: float, payload: str) -> Ponged:
    return Ponged(t=at, conn=1, payload=payload)


def test_a_pong_answers_its_ping_and_settles_those_before_it() -> None:
    recording = made(*live(1, 0.0), ping(1.0, "aa"), ping(2.0, "bb"), pong(2.5, "bb"), OVER)
    assert delays(recording, 10.0) == ([(2.0, 0.5)], [])


def test_a_ping_that_was_settled_too_late_has_waited_in_vain() -> None:
    recording = made(*live(1, 0.0), ping(1.0, "aa"), ping(5.0, "bb"), pong(5.5, "bb"), OVER)
    assert delays(recording, 10.0, 1.0) == ([(5.0, 0.5)], [(1.0, 4.5)])


def test_a_ping_that_was_not_answered_is_a_cross_above_the_deadline() -> None:
    recording = with_checks(
        made(
            *live(1, 0.0), ping(1.0, "aa"), pong(1.01, "aa"), ping(2.0, "bb"), pong(2.1, ""), OVER
        ),
        {"check": "pong_repeats", "within_ms": 1000},
    )
    figure = pings(recording, judged(), None)
    assert figure is not None
    drawing = Drawing(figure.svg)
    assert "deadline: 1.0 s" in drawing.texts
    ((_, limit),) = drawing.begins("limit")
    ((_, dot),) = drawing.begins("dot")
    cross = drawing.begins("miss")[0][1]
    assert cross + 3 < limit < dot
    assert figure.sentence.startswith("1 of 2 pings were answered with their payload")


def test_a_ping_that_had_hardly_waited_when_its_connection_ended_is_no_cross() -> None:
    end = Ended(t=2.005, conn=1, by="server", how="rst")
    recording = made(*live(1, 0.0), ping(1.0, "aa"), pong(1.01, "aa"), ping(2.0, "bb"), end)
    assert delays(recording, 10.0)[1] == []


# --- resources ------------------------------------------------------------------------------------


def sample(at: float, **what: object) -> Sampled:
    return Sampled(t=at, run=1, processes=1, sockets={}, **what)  # type: ignore[arg-type]


def test_what_is_held_has_the_limit_that_the_check_used() -> None:
    recording = with_checks(
        made(
            sample(1.0, threads=7), Noted(t=1.1, name="baseline"),
            Noted(t=1.2, name="baseline-taken"), sample(2.0, threads=20), sample(3.0, threads=37),
            OVER,
        ),
        {"check": "flat", "metric": "threads", "n": 30},
    )  # fmt: skip
    about = Finding(check="flat", message="37 threads after 30 reconnects", at_s=3.0)
    figure = held(recording, judged(about), about)
    assert figure is not None
    assert "still flat: 12" in Drawing(figure.svg).texts
    assert figure.title == "Threads of the testee"
    assert figure.sentence == (
        "7 before, at most 37 later, 37 at the end; up to 12 is flat for 30 reconnects."
    )


def test_simulated_tasks_are_not_the_testees_own() -> None:
    recording = made(sample(1.0, tasks=3), Said(t=1.0, run=1, method="gauge", params={"tasks": 9}))
    about = Finding(check="flat", message="3 simulated tasks after", at_s=1.0)
    figure = held(recording, judged(about), about)
    assert figure is not None
    assert figure.title == "Simulated tasks of the testee"
    assert "3 at the end" in figure.sentence


def test_memory_has_its_slope_and_what_is_bearable() -> None:
    values = [2**20 * n for n in range(100, 120)]
    recording = with_checks(made(OVER), {"check": "slope", "per_cycle_kib": 256})
    about = found("slope", 1.0, values=values)
    figure = memory_slope(recording, judged(about), about)
    assert figure is not None
    assert "bearable: 256 KiB each" in Drawing(figure.svg).texts
    assert figure.sentence.startswith("1024 KiB more with each of 20 reconnects")


def test_processor_time_counts_only_when_it_could_run() -> None:
    recording = with_checks(
        made(
            sample(1.0, cpu_s=1.0), sample(2.0, cpu_s=1.4, queued_s=0.5),
            sample(3.0, cpu_s=1.4, queued_s=0.5), OVER,
        ),
        {"check": "cpu_at_most", "share": 0.2},
    )  # fmt: skip
    figure = processor(recording, judged(), None)
    assert figure is not None
    assert "right: 20%" in Drawing(figure.svg).texts
    assert "At most 80 %" in figure.sentence


def test_sockets_have_what_is_allowed() -> None:
    counted = Noted(t=3.0, name="pool-counted", detail={"allowed": 1, "after": "Reset"})
    recording = made(sample(1.0, stream_sockets=1), sample(2.0, stream_sockets=3), counted, OVER)
    figure = stream_sockets(recording, judged(), None)
    assert figure is not None
    assert "allowed: 1" in Drawing(figure.svg).texts
    assert figure.sentence == "At most 3, 3 at the end; 1 are right."


# --- streams and requests -------------------------------------------------------------------------


def request(at: float, conn: int, *names: str) -> Received:
    text = json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1})
    return Received(t=at, conn=conn, opcode="text", size=len(text), text=text)


def test_streams_that_are_delivered_twice_are_seen_above_what_is_wanted() -> None:
    recording = made(*live(1, 1.0, A, B), *live(2, 2.0, A), OVER, streams=[A, B])
    figure = delivered_streams(recording, judged(), None)
    assert figure is not None
    assert "wanted: 2" in Drawing(figure.svg).texts
    assert "(2 at the end)" in figure.sentence
    assert "3 at most, 3 at the end" in figure.sentence


def test_a_list_that_grows_is_a_rising_row_of_dots() -> None:
    recording = made(
        *live(1, 1.0), request(1.0, 1, A), *live(2, 2.0), request(2.0, 2, A, A),
        *live(3, 3.0), request(3.0, 3, A, A, A), OVER, streams=[A],
    )  # fmt: skip
    figure = asked_for(recording, judged(), None)
    assert figure is not None
    heights = [y for _, y in Drawing(figure.svg).begins("dot")]
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == 3
    assert "1 name in 1 request on c1, 3 in 1 on c3; 1 stream wanted." in figure.sentence


def test_messages_within_a_second_are_counted_on_the_connection_of_the_finding() -> None:
    recording = with_checks(
        made(
            *live(1, 0.0), *live(2, 0.0),
            *(request(1 + n / 10, 1, A) for n in range(5)),
            *(request(8 + n / 100, 2, A) for n in range(9)), OVER,
        ),
        {"check": "message_rate", "limit": 3},
    )  # fmt: skip
    about = found("message_rate", 1.4, connection=1)
    figure = messages(recording, judged(about), about)
    assert figure is not None
    assert figure.title == "Messages of the testee on c1"
    assert "at most 5 within a second, at 1.400 s; the exchange allows 3" in figure.sentence


def test_of_streams_that_broke_together_one_is_told_and_how_many_more() -> None:
    flowing = [sent(t / 2, 1, t, stream=B) for t in range(2, 20)]
    early = [sent(0.5, 1, 1), sent(0.5, 1, 1, stream="c@trade")]
    recording = made(*live(1, 0.0, A, B, "c@trade"), *early, *flowing, OVER, streams=[A, B])
    figure = flow(recording, judged(), found("noticed_silence", 9.0, streams=[A]))
    assert figure is not None
    assert figure.sentence.endswith("; of 1 more, too.")


def test_a_stream_that_falls_silent_is_broken_beside_those_that_flow() -> None:
    flowing = [sent(t / 2, 1, t, stream=B) for t in range(2, 20)]
    recording = made(*live(1, 0.0, A, B), sent(0.5, 1, 1), *flowing, OVER, streams=[A, B])
    lanes = stream_lanes(recording, 10.0)
    assert lanes[A].mute[0][0] == 0.5
    assert lanes[B].mute == []
    figure = flow(recording, judged(), found("noticed_silence", 9.0, streams=[A]))
    assert figure is not None
    assert figure.sentence.endswith(f"nothing was sent: of {A} from 0.500 s to the end.")
    drawing = Drawing(figure.svg)
    assert [y for _, y in drawing.begins("mute")] == [drawing.begins("live")[0][1]]


def test_streams_that_begin_together_stand_in_the_order_of_their_names() -> None:
    names = [f"s{n:02}@depth" for n in range(40)]
    lanes = stream_lanes(made(*live(1, 1.0, *reversed(names)), streams=names), 5.0)
    assert list(lanes) == names


def test_one_stream_alone_is_told_by_the_swimlane() -> None:
    assert flow(made(*live(1, 0.0), OVER, streams=[A]), judged(), None) is None


# --- events ---------------------------------------------------------------------------------------


def told(at: float, number: int) -> Said:
    return Said(t=at, run=1, method="event", params={"stream": A, "id": number})


def test_an_event_that_came_twice_is_said_and_drawn() -> None:
    recording = made(
        *live(1, 0.0), *(e for n in range(1, 6) for e in (sent(n, 1, n), told(n + 0.1, n))),
        told(5.2, 3), OVER, streams=[A],
    )  # fmt: skip
    figure = events(recording, judged(), found("once_in_order", 5.2, stream=A))
    assert figure is not None
    assert "1 event came twice; 1 time an older one came after a newer" in figure.sentence
    assert len(Drawing(figure.svg).paths("dot")) == 6


def test_events_in_order_are_said_to_be() -> None:
    entries = [e for n in range(1, 6) for e in (sent(n, 1, n), told(n + 0.1, n))]
    figure = events(made(*live(1, 0.0), *entries, OVER, streams=[A]), judged(), None)
    assert figure is not None
    assert figure.sentence.endswith("Each came once, in order.")


def test_what_two_connections_were_sent_alike_counts_once() -> None:
    recording = made(
        *live(1, 0.0), *live(2, 0.0), sent(1.0, 1, 1), sent(1.0, 2, 1), sent(2.0, 1, 2),
        told(1.1, 1), OVER, streams=[A],
    )  # fmt: skip
    figure = presented(recording, judged(), None)
    assert figure is not None
    assert figure.sentence == (
        "2 events sent, 1 presented by 10.00 s; at most 2 were sent and not presented yet, 1 in "
        "the end."
    )


# --- which verdict gets which ---------------------------------------------------------------------


def kinds(recording: Recording, *findings: Finding, number: str = "CONN-01") -> Sequence[str]:
    return [figure.kind for figure in figures_of(recording, judged(*findings, number=number))]


def test_the_check_of_the_finding_chooses() -> None:
    recording = growing()
    assert kinds(recording, found("deliveries_at_most", 4.0)) == ["swimlane", "deliveries"]
    assert kinds(recording, found("traffic_flat", 7.9)) == [
        "traffic", "swimlane", "traffic by deliveries",
    ]  # fmt: skip
    assert kinds(recording, found("alive", 4.0)) == ["swimlane"]


@pytest.mark.parametrize(("number", "kind"), [("CONN-01", "deliveries"), ("SUB-01", "streams")])
def test_the_group_chooses_where_nothing_was_found(number: str, kind: str) -> None:
    assert kinds(growing(), number=number) == ["swimlane", kind]


def test_the_table_names_checks_that_there_are() -> None:
    known = {str(check.__struct_config__.tag) for check in AnyCheck.__args__}
    assert BY_CHECK.keys() <= known
    assert known > PLOT_FIRST


def test_a_figure_says_which_findings_it_explains() -> None:
    findings = (found("alive", 1.0), found("traffic_flat", 7.9), found("traffic_flat", 7.9))
    by_kind = {f.kind: f.explains for f in figures_of(growing(), judged(*findings))}
    assert by_kind == {
        "swimlane": (1, 2, 3), "traffic": (2, 3), "traffic by deliveries": (2, 3),
    }  # fmt: skip


def test_of_sixty_streams_with_the_same_finding_one_is_drawn() -> None:
    streams = [f"s{n}@depth" for n in range(60)]
    recording = made(*live(1, 1.0, *streams), *live(2, 2.0, *streams), OVER, streams=streams)
    findings = [found("deliveries_at_most", 2.0, stream=name) for name in streams]
    assert kinds(recording, *findings) == ["swimlane", "deliveries"]


def test_nothing_has_no_figures() -> None:
    assert figures_of(Recording([], made().terms), judged()) == []
    assert figures_of(made(), judged()) == []


def test_figures_are_the_same_each_time() -> None:
    findings = (found("traffic_flat", 7.9), found("deliveries_at_most", 4.0))
    assert figures_of(growing(), judged(*findings)) == figures_of(growing(), judged(*findings))


def test_a_close_of_the_testee_and_one_of_the_exchange_differ_in_shape() -> None:
    recording = made(
        *live(1, 0.0), *live(2, 0.0), Closed(t=1.0, conn=1, by="client", code=1000),
        Closed(t=2.0, conn=2, by="server", code=1001), OVER,
    )  # fmt: skip
    drawing = Drawing(figures_of(recording, judged())[0].svg)
    (bar,), (cross,) = drawing.paths("self"), drawing.paths("them")
    assert "v" in bar
    assert "v" not in cross
