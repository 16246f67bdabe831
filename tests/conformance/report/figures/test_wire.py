"""The wire log: what a line says, what is folded, what is kept near a finding."""

from __future__ import annotations

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
from mockex_conformance.report.figures import WireLine, wire_log, wire_text
from tests.conformance.checks.made import made

from .drawing import found

A = "a@depth"


def lines(*entries: AnyEntry) -> list[tuple[str, str, str, str]]:
    """All but the opening: connection, direction, what, text."""
    told = wire_log(made(*entries))[1:]
    return [(line.connection, line.direction, line.what, line.text) for line in told]


def sent(at: float, audience: int = 1) -> Delivered:
    return Delivered(t=at, audience=audience, step=1, streams={A: Batch(1, 1, 1, 100)})


def test_a_connection_is_told_from_its_attempt_to_its_end() -> None:
    told = lines(
        Attempted(t=1.0, conn=1, peer_port=1),
        Upgraded(t=1.1, conn=1, target="/ws/a@depth", route="", mode="raw"),
        Subscribed(t=1.2, conn=1, streams=[A], via="url"),
        Closed(t=2.0, conn=1, by="client", code=1000, reason="bye"),
        Ended(t=2.1, conn=1, by="client", how="fin"),
    )
    assert told == [
        ("c1", "in", "dialled", ""),
        ("c1", "out", "opened", "/ws/a@depth"),
        ("c1", "", "subscribed", "a@depth by the URL"),
        ("c1", "in", "close frame", "1000 (bye) by the client"),
        ("c1", "", "closed", "by the client: close frame 1000 (bye), not answered"),
    ]


def test_a_refusal_has_its_status_and_its_reason() -> None:
    refused = Refused(t=1.0, conn=1, target="/ws", status=429, reason="Too Many Requests")
    attempt = Attempted(t=1.0, conn=1, peer_port=1)
    assert lines(attempt, refused)[1] == ("c1", "out", "was refused", "with 429: Too Many Requests")


def test_deliveries_are_one_line_until_something_else_happens() -> None:
    told = lines(
        Joined(t=0.0, conn=1, audience=1), *(sent(t / 10) for t in range(1, 5)),
        Received(t=0.45, conn=1, opcode="text", size=2, text="{}"), sent(0.5),
    )  # fmt: skip
    assert told == [
        ("c1", "out", "deliveries", "4 deliveries of a@depth, 400 bytes in 300 ms"),
        ("c1", "in", "sent", "{}"),
        ("c1", "out", "deliveries", "1 event of a@depth, 100 bytes"),
    ]


def test_deliveries_to_several_connections_name_them() -> None:
    joined = [Joined(t=0.0, conn=conn, audience=1) for conn in range(1, 9)]
    ((conn, _, _, text),) = lines(*joined, sent(1.0))
    assert conn == ""
    assert text == "1 event of a@depth to c1, c2, c3, c4 and 4 more, 100 bytes"


def test_pings_and_pongs_fold_beside_deliveries_and_an_empty_pong_is_told_apart() -> None:
    entries: list[AnyEntry] = []
    for n in range(3):
        entries += [Pinged(t=n, conn=1, payload="6162"), Ponged(t=n + 0.1, conn=1, payload="")]
    assert [text for _, _, _, text in lines(*entries)] == [
        "3 pings in 2.0 s", "3 empty pongs in 2.0 s",
    ]  # fmt: skip
    assert lines(entries[0])[0][3] == "'ab'"


def test_what_the_testee_says_and_is_asked_is_told_in_words() -> None:
    told = lines(
        Asked(t=1.0, run=1, id=1, method="start"),
        Answered(t=1.1, run=1, id=1, result={}),
        Said(t=1.2, run=1, method="state", params={"state": "waiting", "wait_ms": 500,
                                                    "reason": "no pong"}),
        Answered(t=1.3, run=1, id=2, error={"code": -1, "message": "no"}),
        Exited(t=2.0, run=1, code=1, expected=False, last_words="boom"),
    )  # fmt: skip
    assert [text for _, _, _, text in told] == [
        "", "done", "waiting for 500 ms: no pong", "refused: code -1, message no", "code 1; boom",
    ]  # fmt: skip


def test_a_fault_that_was_seen_is_marked() -> None:
    recording = made(
        Faulted(t=1.0, fault=1, kind="Reset", phase="injected"),
        Faulted(t=1.0, fault=1, kind="Reset", phase="seen", conns=[1, 2]),
    )
    marked = [line for line in wire_log(recording) if line.marked]
    assert marked == [WireLine(1.0, "suite", "", "fault", "1 Reset seen on c1, c2", marked=True)]


def test_landmarks_are_told_without_what_is_for_checks_alone() -> None:
    awaited = Noted(
        t=1.0, name="awaiting-recovery",
        detail={"since": 1.0, "within_s": 38.5, "streams": [A], "ports": [0], "limit_ms": 30},
    )  # fmt: skip
    counted = Noted(t=2.0, name="attempts-counted", detail={"connections": 1})
    over = Noted(t=3.0, name="over", detail={"what": "an end by the exchange", "connections": [1]})
    case = Noted(t=4.0, name="outcome", detail={"checks": []})
    assert [text for _, _, _, text in lines(awaited, counted, over, case)] == [
        "within 38.5 s, streams a@depth", "connections 1", "an end by the exchange, on c1",
    ]  # fmt: skip


def test_a_finding_is_a_marked_line_behind_what_it_is_about() -> None:
    attempts = [Attempted(t=float(n), conn=n, peer_port=n) for n in (1, 2)]
    recording = made(*attempts)
    told = wire_log(recording, findings=[found("stays", 1.0)])
    assert [line.what for line in told] == ["opened", "dialled", "finding", "dialled"]
    assert told[2].text == "1: stays is not right"


def test_what_happens_again_and_again_is_told_once() -> None:
    storm: list[AnyEntry] = []
    for conn in range(1, 41):
        storm.append(Attempted(t=conn / 10, conn=conn, peer_port=conn))
        storm.append(Ended(t=conn / 10, conn=conn, by="server", how="rst"))
    told = lines(*storm)
    assert [what for _, _, what, _ in told] == ["dialled", "ended", "…"]
    assert told[2][3] == "the same 39 times more in 3.9 s, c2 to c40"


def test_two_owners_are_not_again_and_again() -> None:
    twice = [Attempted(t=1.0, conn=conn, peer_port=conn) for conn in (1, 2)]
    assert [conn for conn, _, _, _ in lines(*twice)] == ["c1", "c2"]


def busy(many: int) -> list[AnyEntry]:
    """Messages that are all unlike, one a second."""
    words = ["".join(chr(97 + int(d)) for d in str(n)) for n in range(many)]
    return [
        Received(t=float(n), conn=1, opcode="text", size=1, text=word)
        for n, word in enumerate(words)
    ]


def test_a_long_log_keeps_what_is_near_each_moment() -> None:
    told = wire_log(made(*busy(500)), [100.0, 400.0], most=40)
    assert len(told) <= 40
    kept = {line.t for line in told if line.what == "sent"}
    assert {float(n) for n in range(90, 104)} | {float(n) for n in range(390, 404)} <= kept
    gaps = [line.text for line in told if line.what == "…"]
    assert len(gaps) == 3
    assert gaps[0].endswith("are not shown")
    assert [line.t for line in told] == sorted(line.t for line in told)


def test_without_moments_it_keeps_what_is_near_the_faults() -> None:
    fault = Faulted(t=300.5, fault=1, kind="Reset", phase="seen", conns=[1])
    entries = sorted([*busy(500), fault], key=lambda entry: entry.t)
    told = wire_log(made(*entries), most=20)
    assert "1 Reset seen on c1" in [line.text for line in told]


def test_the_text_has_each_line_and_samples_are_none() -> None:
    text = wire_text(made(*busy(3), Sampled(t=5.0, run=1, processes=1, sockets={})))
    assert text.splitlines()[1] == "    0.0000  c1     → sent         a"
    assert len(text.splitlines()) == 4


def test_a_message_that_breaks_lines_stays_on_one() -> None:
    ((_, _, _, text),) = lines(
        Received(t=1.0, conn=1, opcode="text", size=9, text="a\nb\x1b[2Jc" + "d" * 400)
    )
    assert text.startswith("a?b?[2Jc")
    assert text.endswith("...")
    assert len(text) < 200
