"""What a gate withholds, cuts, counts and sends, on a connection that keeps what is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import pytest

from mockex.errors import FaultError
from mockex.faults import Gather
from mockex.server.fanout import event_frame
from mockex.server.framing import FrameOf, framing_of
from mockex.server.gate import Gate
from mockex.server.injection import Injection
from mockex.streams.envelope import Event, Form

A, B = "a@trade", "b@trade"


class Connection:
    """Keeps frames and ends, in order."""

    number = 3
    form = Form()

    def __init__(self, cannot: str = "") -> None:
        self.did: list[object] = []
        self.over = False
        self._cannot = cannot
        self._told: list[Callable[[], None]] = []

    def delivered(self, step: int, events: list[Event], frame_of: FrameOf | None = None) -> bytes:
        return b"".join(event_frame(event, self.form) for event in events)

    def write(self, data: bytes) -> None:
        self.did.append(data)

    def pinged(self, payload: bytes) -> None:
        raise NotImplementedError

    def close(self, code: int | None) -> None:
        self.did.append(code)

    def fin(self) -> bool:
        if self._cannot:
            raise FaultError(self._cannot)
        self.did.append("fin")
        self.over = True
        return True

    def reset(self) -> None:
        self.did.append("reset")
        self.over = True

    def when_ended(self, told: Callable[[], None]) -> None:
        self._told.append(told)

    def end(self) -> None:
        for told in self._told:
            told()


class Told(Injection):
    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.why = ""
        self.gone: list[str] = []

    def happened(self, conns: Sequence[int], detail: str = "") -> None:
        self.seen.append(list(conns))

    def failed(self, why: str) -> None:
        self.why = why

    def let_go(self, why: str = "") -> None:
        self.gone.append(why)


def event(stream: str, number: int) -> Event:
    return Event(stream, f'{{"t":{number}}}', number, number)


def frames(*events: Event) -> bytes:
    return b"".join(event_frame(each, Form()) for each in events)


A1, A2, A3, B1 = event(A, 1), event(A, 2), event(A, 3), event(B, 1)


def test_a_total_stall_holds_events_and_control_frames_and_is_seen_once() -> None:
    to, told = Connection(), Told()
    gate = Gate(to)
    gate.stall("total", told)
    assert not told.seen
    gate.deliver(1, [A1])
    assert gate.hold_control(lambda: to.write(b"pong"))
    assert (told.seen, to.did, gate.open) == ([[3]], [], False)
    gate.end_stall(told)
    assert to.did == [frames(A1), b"pong"]
    assert gate.open


def test_a_stall_of_one_stream_lets_the_others_and_control_frames_pass() -> None:
    to, told = Connection(), Told()
    gate = Gate(to)
    gate.stall(A, told)
    gate.deliver(1, [A1, B1])
    assert not gate.hold_control(lambda: None)
    assert (to.did, told.seen) == ([frames(B1)], [[3]])


def test_what_another_stall_withholds_stays_where_it_is() -> None:
    to, one, all_data = Connection(), Told(), Told()
    gate = Gate(to)
    gate.stall(A, one)
    gate.stall("data", all_data)
    gate.deliver(1, [A1, B1])
    gate.end_stall(all_data)
    assert to.did == [frames(B1)]
    gate.end_stall(one)
    assert to.did == [frames(B1), frames(A1)]


@pytest.mark.parametrize("deliver", [True, False])
def test_a_resume_sends_the_backlog_or_loses_it_and_is_seen_with_an_event(deliver: bool) -> None:
    to, stall, resume = Connection(), Told(), Told()
    gate = Gate(to)
    gate.stall("data", stall)
    gate.deliver(1, [A1])
    gate.deliver(2, [A2])
    gate.resume(resume, deliver=deliver)
    assert to.did == ([frames(A1), frames(A2)] if deliver else [])
    assert (stall.gone, resume.seen) == ([""], [[3]] if deliver else [])
    gate.deliver(3, [A3])
    assert resume.seen == [[3]]
    assert gate.open


def test_a_quota_lets_exactly_so_many_events_pass_and_closes() -> None:
    to, told = Connection(), Told()
    gate = Gate(to)
    gate.allow(3, told)
    gate.deliver(1, [A1, A2])
    assert (to.did, told.seen, gate.open) == ([frames(A1, A2)], [], False)
    gate.deliver(2, [A3, B1])
    assert to.did[1:] == [frames(A3), 1001]
    assert (told.seen, told.gone, gate.open) == ([[3]], [""], True)


@pytest.mark.parametrize("then", ["fin", "reset"])
def test_a_cut_is_half_a_frame_and_the_end(then: Literal["fin", "reset"]) -> None:
    to, told = Connection(), Told()
    gate = Gate(to)
    gate.cut_next(then, told)
    gate.deliver(1, [A1, A2])
    half = frames(A1)[: len(frames(A1)) // 2]
    assert to.did == [half, then]
    assert told.seen == ([[3]] if then == "fin" else [])
    to.end()
    assert told.seen == [[3]]
    assert gate.open


def test_a_fin_that_cannot_be_is_said_and_the_connection_reset() -> None:
    to, told = Connection("not through TLS"), Told()
    gate = Gate(to)
    gate.cut_next("fin", told)
    gate.deliver(1, [A1])
    assert to.did[1:] == ["reset"]
    assert (told.why, told.seen) == ("not through TLS", [])


def test_what_waits_with_a_fault_that_is_withdrawn_is_sent_unless_it_is_stalled() -> None:
    to, told, stall = Connection(), Told(), Told()
    gate = Gate(to)
    gate.framing = framing_of(Gather(events=5), told)
    assert not gate.open
    gate.deliver(1, [A1, B1])
    gate.stall(B, stall)
    gate.withdraw(told)
    assert (to.did, told.gone) == ([frames(A1)], [""])
    gate.end_stall(stall)
    assert to.did == [frames(A1), frames(B1)]


def test_nothing_is_sent_behind_the_end() -> None:
    to, told = Connection(), Told()
    gate = Gate(to)
    gate.stall("data", told)
    gate.deliver(1, [A1])
    to.over = True
    gate.resume(Told(), deliver=True)
    assert to.did == []


def test_whoever_waits_for_an_event_of_a_connection_that_is_gone_is_told_why() -> None:
    to, stall, cut = Connection(), Told(), Told()
    gate = Gate(to)
    gate.stall("total", stall)
    gate.cut_next("reset", cut)
    assert gate.waiting() == [cut]
    gate.sends_no_more()
    assert (cut.gone, stall.gone) == (["its connection, c3, ended first"], [])
    gate.ended()
    assert stall.gone == ["its connection, c3, ended first"]
    assert gate.open
