"""Every check on recordings made by hand: seen to fail once, and to pass once."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, get_args

import msgspec
import pytest

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
    HalfClosed,
    Joined,
    Lagged,
    Launched,
    Left,
    Noted,
    Pinged,
    Ponged,
    Received,
    Refused,
    Said,
    Sampled,
    Signalled,
    Subscribed,
    Upgraded,
)
from mockex.server.views import Connections
from mockex_conformance.case import Case, Run
from mockex_conformance.checks import (
    Alive,
    AnyCheck,
    AttemptRate,
    DeliveriesAtMost,
    LiveAtEnd,
    NeverMultiplied,
    NoAttempt,
    OneUpgradePerLoss,
    PongRepeats,
    Recovered,
    SilentAfterClose,
    Stays,
    SubscriptionsEqual,
    Terminates,
    TrafficFlat,
)
from mockex_conformance.checks.base import Check
from mockex_conformance.description import Limits
from mockex_conformance.judge import judge
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding, Level, Severity, Verdict
from tests.conformance.checks.made import made

S = "ethusdc@depth5@100ms"
AT_MOST = DeliveriesAtMost(k=1, streams=[S])


class Tape:
    """Writes a recording, one line of happening at a time. Times in seconds from 0."""

    def __init__(self, *, scale: float = 1.0) -> None:
        limits = {"close_ms": 2000.0, "handshake_timeout_ms": 1000.0, "stall_detect_ms": 2000.0}
        opened = made(scale=scale, streams=[S], limits=limits)
        self.terms, self.entries = opened.terms, opened.entries
        self.faults = 0

    def add(self, *entries: AnyEntry) -> Tape:
        self.entries += entries
        return self

    def note(self, t: float, name: str, **detail: Any) -> Tape:
        return self.add(Noted(t=t, name=name, detail=detail))

    def attempt(self, t: float, conn: int, port: int = 0) -> Tape:
        return self.add(Attempted(t=t, conn=conn, peer_port=conn, port=port))

    def connect(self, t: float, conn: int, *streams: str, port: int = 0) -> Tape:
        """An attempt that is upgraded and subscribes by its URL, in an audience of its own."""
        return self.attempt(t, conn, port).add(
            Upgraded(t=t, conn=conn, target="/", route="", mode="combined"),
            Subscribed(t=t, conn=conn, streams=list(streams or (S,)), via="url"),
            Joined(t=t, conn=conn, audience=conn),
        )

    def event(
        self, t: float, conn: int, *, step: int = 0, events: int = 1, size: int = 100
    ) -> Tape:
        batch = Batch(1, 1, events, size)
        return self.add(Delivered(t=t, audience=conn, step=step, streams={S: batch}))

    def fault(self, t: float, kind: str, *conns: int) -> Tape:
        """A fault of the exchange that ends these connections with a RST."""
        self.faults += 1
        number = self.faults
        self.add(Faulted(t=t, fault=number, kind=kind, phase="injected"))
        for conn in conns:
            self.add(Left(t=t, conn=conn, audience=conn))
            self.add(Ended(t=t, conn=conn, by="server", how="rst"))
        return self.add(Faulted(t=t, fault=number, kind=kind, phase="seen", conns=list(conns)))

    @property
    def recording(self) -> Recording:
        return Recording(self.entries, self.terms)

    def found(self, check: Check) -> list[Finding]:
        return check.judge(self.recording)

    def says(self, check: Check) -> str:
        found = self.found(check)
        assert found, "the check must see this"
        return found[0].message


# --- deliveries ---


def test_a_connection_that_is_replaced_by_one_is_right() -> None:
    assert Tape().connect(1, 1).fault(2, "Reset", 1).connect(3, 2).found(AT_MOST) == []


def test_two_deliveries_are_named_with_stream_connections_and_growth() -> None:
    tape = Tape().connect(1, 1).fault(2, "Reset", 1).connect(3, 2).connect(3.5, 3)
    (finding,) = tape.found(AT_MOST)
    assert finding.message == (
        f"stream {S} is delivered on 2 live connections (c2, c3); exactly 1 is allowed; one more "
        "than before the loss"
    )
    assert (finding.at_s, finding.fault) == (3.5, "Reset on c1")
    assert finding.evidence["connections"] == [2, 3]


def test_doubling_is_told_from_growth_by_one() -> None:
    tape = Tape().connect(1, 1).connect(1, 2)
    check = DeliveriesAtMost(k=2, streams=[S])
    tape.fault(2, "Reset", 1, 2)
    for conn in (3, 4, 5, 6):
        tape.connect(3, conn)
    assert "twice as many as before the loss" in tape.says(check)


def test_a_surplus_that_goes_away_is_found_all_the_same() -> None:
    tape = Tape().connect(1, 1).connect(2, 2).fault(2.2, "Reset", 2).event(9, 1)
    assert len(tape.found(AT_MOST)) == 1


def test_an_overlap_may_last_so_long_and_our_own_lag_is_added() -> None:
    check = DeliveriesAtMost(k=1, streams=[S], overlap_ms=500)

    def overlapping(seconds: float) -> Tape:
        return Tape().connect(1, 1).connect(2, 2).fault(2 + seconds, "Reset", 1).event(9, 2)

    assert overlapping(0.4).found(check) == []
    assert len(overlapping(0.6).found(check)) == 1
    late = overlapping(0.6)
    late.entries.insert(-6, Lagged(t=2.1, late_s=0.2))
    assert late.found(check) == []


def test_pending_attempts_count_where_they_are_asked_for() -> None:
    check = DeliveriesAtMost(k=1, streams=[S], pending=True)
    one = Tape().connect(1, 1).fault(2, "Reset", 1).attempt(3, 2)
    assert one.found(check) == []
    two = Tape().connect(1, 1).fault(2, "Reset", 1).attempt(3, 2).attempt(3.4, 3).event(5, 1)
    assert "has 2 connections, dialling or live, (c2, c3)" in two.says(check)
    assert two.found(AT_MOST) == []


def test_only_the_strict_form_is_judged_live() -> None:
    connections = _fold(Tape().connect(1, 1).connect(2, 2))
    entry = Upgraded(t=2, conn=2, target="", route="", mode="raw")
    assert AT_MOST.live(connections, entry)
    assert not AT_MOST.live(connections, Lagged(t=2, late_s=1))
    assert not DeliveriesAtMost(k=1, streams=[S], overlap_ms=5).live(connections, entry)
    assert not Alive().live(connections, entry)


def _fold(tape: Tape) -> Connections:
    view = Connections()
    for entry in tape.entries:
        view.apply(entry)
    return view


# --- recovery ---


def recovering(event_at: float | None) -> Tape:
    tape = Tape().connect(1, 1).fault(2, "Reset", 1)
    tape.note(2, "awaiting-recovery", since=2.0, within_s=1.0, limit_ms=0, streams=[S])
    tape.connect(2.5, 2)
    if event_at is not None:
        tape.event(event_at, 2)
    return tape.note(5, "body-over")


def test_a_recovery_in_time_is_right() -> None:
    assert recovering(2.9).found(Recovered()) == []


@pytest.mark.parametrize("event_at", [3.2, None])
def test_a_late_recovery_and_none_are_found(event_at: float | None) -> None:
    tape = recovering(event_at)
    assert tape.says(Recovered()) == f"not recovered: no events of {S} within 1.0 s of the fault"


def test_an_event_before_the_fault_is_no_recovery() -> None:
    tape = Tape().connect(1, 1).event(1.5, 1)
    tape.note(2, "awaiting-recovery", since=2.0, within_s=1.0, streams=[S]).note(4, "x")
    assert len(tape.found(Recovered())) == 1


def test_a_testee_that_never_went_live_is_found() -> None:
    tape = Tape().note(0, "awaiting-live", since=0.0, within_s=15.0).note(15.5, "body-over")
    assert "never went live" in tape.says(Recovered())


def test_of_several_processes_the_one_that_is_missing_is_named() -> None:
    def back(port: int) -> Tape:
        tape = Tape().connect(1, 1).connect(1, 2, port=99).fault(2, "Outage", 1, 2)
        tape.note(2, "awaiting-recovery", since=2.0, within_s=1.0, streams=[S], ports=[0, 99])
        tape.connect(2.5, 3).event(2.6, 3).connect(2.5, 4, port=port).event(2.6, 4)
        return tape.note(4, "end")

    assert back(99).found(Recovered()) == []
    assert back(99).found(LiveAtEnd()) == []
    assert f"no events of {S} (process 2 of 2) within" in back(0).says(Recovered())
    assert back(0).says(LiveAtEnd()).startswith(f"{S} (process 2 of 2) not delivered")


def test_no_attempt_at_all_is_its_own_sentence() -> None:
    tape = Tape().note(5, "no-attempt", fault="HangUpgrade", within_s=3.0)
    assert tape.says(Recovered()) == "not recovered: no attempt to connect within 3.0 s"


def test_what_is_not_delivered_at_the_end_is_found() -> None:
    assert Tape().connect(1, 1).note(2, "end").found(LiveAtEnd()) == []
    dead = Tape().connect(1, 1).fault(1.5, "Reset", 1).note(2, "end")
    assert "not delivered at the end" in dead.says(LiveAtEnd())


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (Attempted(t=3, conn=9, peer_port=9), "a new connection (c9)"),
        (Closed(t=3, conn=1, by="client", code=1000), "the testee ended c1 although"),
        (Closed(t=3, conn=1, by="client", code=1002), "the testee ended c1 with 1002 although"),
        (
            Closed(t=3, conn=1, by="client", code=1009, reason="too big"),
            "the testee ended c1 with 1009 (too big) although",
        ),
        (HalfClosed(t=3, conn=1, by="client"), "the testee ended c1"),
        (Ended(t=3, conn=1, by="client", how="rst"), "the testee reset c1"),
    ],
)
def test_unrest_in_a_quiet_phase_is_found(entry: AnyEntry, says: str) -> None:
    quiet = Tape().connect(1, 1).note(2, "quiet", window_s=2.0).add(entry)
    assert says in quiet.says(Stays())
    later = Tape().connect(1, 1).note(0.5, "quiet", window_s=2.0).add(entry)
    assert later.found(Stays()) == []


@pytest.mark.parametrize(
    "answer",
    [
        Closed(t=3, conn=1, by="client", code=1000),
        HalfClosed(t=3, conn=1, by="client"),
        Ended(t=3, conn=1, by="client", how="rst"),
    ],
)
@pytest.mark.parametrize(
    "ours",
    [Closed(t=2.5, conn=1, by="server", code=1008), HalfClosed(t=1.5, conn=1, by="server")],
)
def test_an_answer_to_our_own_end_is_no_unrest(ours: AnyEntry, answer: AnyEntry) -> None:
    tape = Tape().connect(1, 1).note(2, "quiet", window_s=2.0).add(ours, answer)
    assert tape.found(Stays()) == []


def attempts(times: list[float], *, scale: float = 1.0, end: bool = True) -> Tape:
    tape = Tape(scale=scale).note(0, "attempts-counted", connections=1)
    for number, at in enumerate(times, 1):
        tape.attempt(at, number)
    return tape.note(1e6, "attempts-counted-end") if end else tape


def test_a_retry_every_10_ms_is_found_with_the_worst_window() -> None:
    for end in (True, False):
        tape = attempts([n / 100 for n in range(100)], end=end)
        assert "100 attempts in 0.99 s; 7 are bearable" in tape.says(AttemptRate())


def test_too_many_attempts_name_the_phase_that_they_are_in() -> None:
    tape = Tape().note(0, "attempts-counted", connections=1, phase="closed after its first event")
    for number in range(1, 101):
        tape.attempt(number / 100, number)
    assert (
        tape.note(2, "attempts-counted-end")
        .says(AttemptRate())
        .endswith("7 are bearable for 1 connection; each was closed after its first event")
    )


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_correct_full_jitter_never_fails_the_rate(scale: float) -> None:
    random = Random(5)
    for _ in range(300):
        now, times = 0.0, []
        for attempt in range(12):
            times.append(now)
            ceiling = min(30.0, 0.5 * 2 ** max(0, attempt - 1))
            now += 0.001 + (random.uniform(0, ceiling) * scale if attempt else 0.0)
        assert attempts(times, scale=scale).found(AttemptRate()) == []


def test_attempts_outside_a_phase_are_not_counted() -> None:
    tape = Tape()
    for number in range(50):
        tape.attempt(number / 1000, number)
    assert tape.found(AttemptRate()) == []


def test_an_attempt_after_close_is_found() -> None:
    assert Tape().connect(1, 1).note(2, "closed").found(NoAttempt()) == []
    again = Tape().connect(1, 1).note(2, "closed").attempt(7.5, 2)
    assert "connected again (c2) 5.50 s after it was closed" in again.says(NoAttempt())


def test_two_upgrades_for_one_loss_are_found() -> None:
    check = OneUpgradePerLoss()
    right = Tape().connect(1, 1).connect(1, 2).fault(2, "Reset", 1, 2).connect(3, 3).connect(3, 4)
    assert right.found(check) == []
    wrong = Tape().connect(1, 1).fault(2, "Fin", 1).connect(3, 2).connect(4, 3)
    assert wrong.says(check) == "2 connections (c2, c3) replaced 1 lost by Fin"


def test_a_handshake_that_our_own_standstill_made_late_may_have_been_given_up() -> None:
    check = OneUpgradePerLoss()
    lagged = [Lagged(t=2.4, late_s=late_s) for late_s in (0.4, 0.5)]
    tape = Tape().connect(1, 1).fault(2, "Fin", 1).add(lagged[0]).connect(3, 2).connect(4, 3)
    assert tape.says(check) == "2 connections (c2, c3) replaced 1 lost by Fin"
    tape = Tape().connect(1, 1).fault(2, "Fin", 1).add(lagged[1]).connect(3, 2).connect(4, 3)
    assert tape.found(check) == []
    tape.connect(5, 4)
    assert tape.says(check) == "2 connections (c3, c4) replaced 1 lost by Fin"


# --- subscriptions and traffic ---


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


# --- heartbeat ---


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


def test_what_must_happen_may_be_late_by_all_the_time_that_our_loop_stood_still() -> None:
    def late(*lags: float) -> Tape:
        tape = Tape().connect(0.5, 1).event(0.6, 1).fault(1.0, "Reset", 1)
        tape.note(1.0, "awaiting-recovery", since=1.0, within_s=2.0, limit_ms=800)
        for number, late_s in enumerate(lags):
            tape.add(Lagged(t=1.0 + number, late_s=late_s))
        return tape.connect(4.5, 2).event(4.6, 2).note(5.0, "recovered")

    assert late().found(Recovered())
    assert late(0.9).found(Recovered())  # the longest alone is not enough
    assert late(0.9, 0.9).found(Recovered()) == []

    recording = late(0.5, 0.75).recording
    standstills = Standstills(recording.entries)
    assert (recording.lag_s(0, 9), standstills.between(0, 9)) == (0.75, 1.25)
    assert standstills.between(0, 0.5) == 0


def test_what_must_happen_may_be_late_by_all_the_time_that_the_testee_got_no_processor() -> None:
    def late(event_at: float, *queued_s: float) -> list[Finding]:
        tape = Tape().add(Launched(t=0.0, run=1, pid=2, command=[], streams=[S], mode="raw"))
        tape.connect(0.5, 1).event(0.6, 1).add(sampled(1.0, 0.4)).fault(1.0, "Reset", 1)
        tape.note(1.0, "awaiting-recovery", since=1.0, within_s=1.0, limit_ms=800)
        for number, waited_s in enumerate(queued_s):
            tape.add(sampled(2.0 + number, waited_s))
        tape.connect(event_at, 2).event(event_at, 2)
        return tape.note(event_at, "recovered").found(Recovered())

    assert late(2.2)
    assert late(2.2, 0.5)  # what it waited for before does not count
    assert late(2.2, 0.7) == []
    assert late(3.2, 4.9)  # of threads that wait side by side one counts: here 1 s
    assert late(3.2, 4.9, 4.9 + 0.3) == []
    assert late(4.9, 1.4, 2.4, 3.4) == []
    assert late(5.1, 1.4, 2.4, 3.4, 4.4)  # no more than three times as long again


def sampled(t: float, queued_s: float) -> Sampled:
    return Sampled(t=t, run=1, processes=1, sockets={}, queued_s=queued_s)


def recovers_late(late_s: float) -> Tape:
    tape = recovering(None)
    tape.entries.insert(-1, Lagged(t=2.1, late_s=late_s))
    return tape.connect(89, 3).event(89, 3)


def is_dead_at_end(late_s: float) -> Tape:
    tape = Tape().connect(1, 1).fault(1.5, "Reset", 1).add(Lagged(t=1.6, late_s=late_s))
    return tape.note(3, "end")


def is_restless(late_s: float) -> Tape:
    tape = Tape().connect(1, 1).event(1, 1).note(2, "quiet", window_s=9.0)
    return tape.add(Lagged(t=2.5, late_s=late_s)).connect(5, 2).note(6, "end")


@pytest.mark.parametrize(
    ("check", "recorded", "least_s"),
    [
        (Recovered(), recovers_late, 1.0),  # as long as a handshake may take
        (LiveAtEnd(), is_dead_at_end, 0.5),  # half of it, within the last second
        (Stays(), is_restless, 1.0),  # half of what it takes for silence
    ],
)
def test_what_our_standing_still_may_have_caused_is_inconclusive(
    check: Check, recorded: Callable[[float], Tape], least_s: float
) -> None:
    short = recorded(least_s - 0.01)
    verdict, findings, reason = judge(outcome(short, "finished", check), CASE)
    assert (verdict, reason) == (Verdict.FAIL, "")
    assert {found.check for found in findings} == {check.__struct_config__.tag}
    for ended in ("finished", "not-live"):
        long = recorded(1.4)
        verdict, findings, reason = judge(outcome(long, ended, check, reason="live"), CASE)
        assert (verdict, findings) == (Verdict.INCONCLUSIVE, [])
        assert "; but our own exchange had stood still for 1.4 s: run it again with" in reason


@pytest.mark.parametrize(
    "kind", [kind for kind in get_args(AnyCheck) if kind.gives_up_after], ids=lambda k: k.__name__
)
def test_who_gives_up_on_us_does_so_after_the_shortest_of_its_limits(kind: type[Check]) -> None:
    assert {*kind.gives_up_after} <= {*Limits.__struct_fields__}
    check: Check = msgspec.convert({"check": kind.__struct_config__.tag}, AnyCheck)
    assert "gives_up_after" not in msgspec.to_builtins(check)
    limits = dict.fromkeys(kind.gives_up_after, 9000.0) | {kind.gives_up_after[-1]: 4000.0}
    found = Finding(check="x", message="it broke off", at_s=10.0)

    def excused_by(lag: Lagged) -> float:
        recording = made(lag, limits=limits, scale=0.5)
        return check.excused(recording, found, Standstills(recording.entries))

    assert excused_by(Lagged(t=8.5, late_s=1.0)) == 1.0
    assert excused_by(Lagged(t=8.5, late_s=0.9)) == 0
    assert excused_by(Lagged(t=4.0, late_s=3.9)) == 0  # it had the time to see us again
    assert excused_by(Lagged(t=10.1, late_s=5.0)) == 0


def test_our_lag_and_the_end_of_the_connection_are_no_fault_of_the_testee() -> None:
    lagged = pong(ping(Tape().connect(1, 1), 2, b"x").add(Lagged(t=2.9, late_s=0.6)), 3.5, b"x")
    assert lagged.found(PongRepeats()) == []
    ended = ping(Tape().connect(1, 1), 2, b"x").fault(2.5, "Reset", 1).connect(9, 2)
    assert ended.found(PongRepeats()) == []
    unasked = pong(Tape().connect(1, 1), 2, b"unasked").event(9, 1)
    assert unasked.found(PongRepeats()) == []


# --- process ---


def test_an_exit_that_nobody_asked_for_is_found_with_its_last_words() -> None:
    asked = Tape().add(Exited(t=5, run=1, code=1, expected=True))
    assert asked.found(Alive()) == []
    died = Tape().add(Exited(t=5, run=1, code=3, expected=False, last_words="KeyError: 'e'"))
    assert died.says(Alive()).endswith("with exit code 3; its last words: KeyError: 'e'")
    killed = Tape().add(Exited(t=5, run=1, code=-11, expected=False))
    assert killed.says(Alive()).endswith("with signal 11")


def ended(took_s: float, code: int, *, left: list[str] | None = None, kill: bool = False) -> Tape:
    tape = Tape().add(Launched(t=0, run=1, pid=1, command=[], streams=[], mode="raw"))
    tape.note(1, "situation", what="live").add(Signalled(t=1, run=1, signal="SIGTERM"))
    if kill:
        tape.add(Signalled(t=1 + took_s, run=1, signal="SIGKILL"))
    return tape.add(Exited(t=1 + took_s, run=1, code=code, expected=True, left=left or []))


def test_sigterm_ends_it_in_time_with_all_it_had() -> None:
    for code in (0, 143, -15):
        assert ended(0.5, code).found(Terminates()) == []
    assert ended(0.5, 1).says(Terminates()).startswith("SIGTERM while live ended it with 1")
    assert "still there 3.5 s after SIGTERM" in ended(4.0, 0).says(Terminates())
    assert "still there" in ended(3.6, -9, kill=True).says(Terminates())
    assert "left processes behind: 77" in ended(0.5, 0, left=["77"]).says(Terminates())
    unasked = Tape().add(Exited(t=1, run=1, code=1, expected=False))
    assert unasked.found(Terminates()) == []


def closing(*more: AnyEntry) -> Tape:
    return Tape().add(Asked(t=1, run=1, id=4, method="close"), *more)


def test_close_is_answered_and_nothing_is_presented_after_it() -> None:
    check = SilentAfterClose()
    event = Said(t=3, run=1, method="event", params={"stream": S})
    answer = Answered(t=2, run=1, id=4, result={})
    assert closing(Said(t=1.5, run=1, method="event"), answer).found(check) == []
    assert f"an event of {S} was presented after" in closing(answer, event).says(check)
    assert closing().says(check) == "`close` was never answered"
    refused = Answered(t=2, run=1, id=4, error={"code": -32000})
    assert "`close` was refused" in closing(refused).says(check)
    assert Tape().found(check) == []


# --- judging ---


async def _body(run: Run) -> None:
    raise NotImplementedError


CASE = Case("x", "X-01", Severity.MUST, Level.L0, _body, "It is so.")


def outcome(tape: Tape, ended: str, *checks: Check, reason: str = "") -> Recording:
    tape.note(90, "body-over")
    detail = {
        "checks": [msgspec.to_builtins(check) for check in checks],
        "ended": ended,
        "reason": reason,
        "notes": [],
    }
    # What the harness does afterwards is nobody's finding.
    tape.add(Exited(t=95, run=1, code=-9, expected=False))
    tape.note(99, "outcome", **detail)
    return Recording(tape.entries, tape.terms, detail)


def live() -> Tape:
    return Tape().connect(1, 1).event(2, 1).note(3, "end")


def test_a_recording_without_findings_passes() -> None:
    assert judge(outcome(live(), "finished", AT_MOST), CASE) == (Verdict.PASS, [], "")


def test_findings_come_in_the_order_of_time_and_go_before_an_unseen_fault() -> None:
    tape = live().connect(4, 2).add(Exited(t=3.5, run=1, code=1, expected=False))
    verdict, findings, reason = judge(outcome(tape, "unseen", AT_MOST, reason="never"), CASE)
    assert (verdict, reason) == (Verdict.FAIL, "")
    assert [f.check for f in findings] == ["alive", "deliveries_at_most"]


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        ("unseen", Verdict.INCONCLUSIVE),
        ("unsupported", Verdict.UNSUPPORTED),
        ("error", Verdict.ERROR),
        ("flooded", Verdict.ERROR),
        ("found", Verdict.INCONCLUSIVE),
        ("gone", Verdict.INCONCLUSIVE),
    ],
)
def test_how_the_body_ended_decides_where_nothing_was_found(ended: str, verdict: Verdict) -> None:
    judged, findings, reason = judge(outcome(live(), ended, AT_MOST, reason="why"), CASE)
    assert (judged, findings) == (verdict, [])
    assert reason


def test_what_explains_a_flood_goes_before_it_and_that_it_was_killed_is_no_finding() -> None:
    tape = live().connect(4, 2).add(Exited(t=5, run=1, code=-9, expected=False))
    verdict, findings, reason = judge(outcome(tape, "flooded", AT_MOST, reason="too much"), CASE)
    assert (verdict, reason) == (Verdict.FAIL, "")
    assert [f.check for f in findings] == ["deliveries_at_most"]


def test_what_was_awaited_in_vain_is_a_finding() -> None:
    verdict, findings, _ = judge(outcome(live(), "not-live", reason="an answer to 'close'"), CASE)
    assert verdict is Verdict.FAIL
    assert findings[0].message == "waited in vain for an answer to 'close'"


def test_a_recording_that_was_cut_is_inconclusive() -> None:
    verdict, _, reason = judge(Recording(live().entries, live().terms), CASE)
    assert verdict is Verdict.INCONCLUSIVE
    assert "no outcome" in reason


def test_a_dead_testee_passes_nothing() -> None:
    tape = Tape().connect(1, 1).fault(2, "Reset", 1).note(3, "end")
    verdict, findings, _ = judge(outcome(tape, "finished"), CASE)
    assert (verdict, findings[0].check) == (Verdict.FAIL, "live_at_end")


def test_judging_the_file_gives_what_judging_the_run_gave() -> None:
    recording = outcome(live().connect(4, 2), "found", AT_MOST)
    lines = [msgspec.json.encode(entry) for entry in recording.entries]
    entries = [msgspec.json.decode(line, type=AnyEntry) for line in lines]
    again = Recording(entries, recording.terms, entries[-1].detail)
    assert judge(again, CASE) == judge(recording, CASE)


def test_a_refused_attempt_is_neither_pending_nor_live() -> None:
    check = DeliveriesAtMost(k=1, streams=[S], pending=True)
    tape = Tape().attempt(1, 1).add(Refused(t=1, conn=1, target="", status=503, reason=""))
    assert tape.attempt(2, 2).event(9, 2).found(check) == []
