"""The checks on how attempts are spaced, on recordings made by hand, and what they say of right
back-offs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import pytest

from mockex.server.journal import AnyEntry, Attempted, Ended, Lagged, Noted, Refused
from mockex.server.views import Connections
from mockex_adapter.backoff import Backoff
from mockex_conformance.case import Case, Run
from mockex_conformance.checks import DelaysGrow, HerdIsSpread, NoStorm, WaitsAsTold
from mockex_conformance.checks.attempts import waits_of
from mockex_conformance.checks.base import Check
from mockex_conformance.judge import judge
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Level, Severity, Verdict
from tests.conformance.checks.made import made

TWO = {"processes": 2}


def recording(entries: Sequence[AnyEntry], *, cap_ms: float = 30_000.0) -> Recording:
    return made(*entries, scale=0.5, limits={"reconnect_cap_ms": cap_ms})


def outage(*processes: Sequence[float], at: float = 100.0, end: bool = True) -> list[AnyEntry]:
    """Each process loses a connection at `at` and makes an attempt after each of its waits, which
    is aborted after a millisecond."""
    entries: list[AnyEntry] = [Noted(t=at, name="waits-counted")]
    for port, waits in enumerate(processes):
        conn, now = port * 1000 + round(at), at
        entries.append(Attempted(t=at - 50, conn=conn, peer_port=1, port=port))
        entries.append(Ended(t=at, conn=conn, by="server", how="rst"))
        for wait in waits:
            conn, now = conn + 1, now + wait
            entries.append(Attempted(t=now, conn=conn, peer_port=1, port=port))
            now += 0.001
            entries.append(Ended(t=now, conn=conn, by="server", how="rst"))
    entries.sort(key=lambda entry: entry.t)
    last = entries[-1].t
    return [*entries, Noted(t=last + 0.1, name="waits-counted-end")] if end else entries


def says(check: Check, *outages: list[AnyEntry], cap_ms: float = 30_000.0) -> list[str]:
    entries = [entry for part in outages for entry in part]
    return [found.message for found in check.judge(recording(entries, cap_ms=cap_ms))]


def unmet(check: Check, *outages: list[AnyEntry], cap_ms: float = 30_000.0) -> str:
    return check.unmet(recording([e for part in outages for e in part], cap_ms=cap_ms))


# --- waits ---


def test_a_wait_is_from_the_end_of_what_was_lost_and_of_each_attempt_to_the_next() -> None:
    (found,) = waits_of(outage([0.2, 1.0], [0.5]))
    assert found.in_ms() == [[200, 1000], [500]]
    assert found.ended_at == pytest.approx(101.202)


def test_a_refusal_ends_an_attempt_before_its_connection_ends() -> None:
    entries: list[AnyEntry] = [
        Noted(t=1.0, name="waits-counted"),
        Attempted(t=2.0, conn=1, peer_port=1),
        Refused(t=2.1, conn=1, target="/", status=503, reason=""),
        Ended(t=2.6, conn=1, by="server", how="fin"),
        Attempted(t=3.1, conn=2, peer_port=1),
    ]
    assert waits_of(entries)[0].in_ms() == [[0, 1000]]


def test_an_attempt_beside_another_has_not_waited_and_what_is_outside_does_not_count() -> None:
    entries: list[AnyEntry] = [
        Attempted(t=0.5, conn=1, peer_port=1),
        Ended(t=0.6, conn=1, by="server", how="rst"),
        Noted(t=1.0, name="waits-counted"),
        Attempted(t=2.0, conn=2, peer_port=1),
        Attempted(t=3.0, conn=3, peer_port=1),
        Ended(t=4.0, conn=9, by="server", how="rst"),
        Noted(t=5.0, name="waits-counted-end"),
        Attempted(t=6.0, conn=4, peer_port=1),
        Lagged(t=7.0, late_s=0.5),
        Noted(t=8.0, name="waits-counted-end"),
    ]
    (found,) = waits_of(entries)
    assert (found.in_ms(), found.lag_s) == ([[1400, 0]], 0.0)


# --- growth ---


def test_delays_that_do_not_grow_in_two_outages_are_found() -> None:
    flat = outage([1.0] * 6, [1.0] * 6), outage([1.0] * 6, [1.2] * 6, at=300.0)
    (message,) = says(DelaysGrow(**TWO), *flat)
    assert "the last two of 6 waits are 1.00 and, in a second outage, 1.00 times" in message
    assert unmet(DelaysGrow(**TWO), *flat) == ""


def test_growth_in_one_of_two_outages_is_growth() -> None:
    flat, grown = outage([1.0] * 6, [1.0] * 6), outage([1, 1, 1, 1, 2, 2], [1.0] * 6, at=300.0)
    assert says(DelaysGrow(**TWO), flat, grown) == []
    assert unmet(DelaysGrow(**TWO), flat, grown) == ""
    assert unmet(DelaysGrow(**TWO), grown) == ""


def test_of_one_outage_alone_nothing_is_found() -> None:
    assert says(DelaysGrow(**TWO), outage([1.0] * 6, [1.0] * 6)) == []


def test_an_immediate_first_retry_is_left_out() -> None:
    check = DelaysGrow(**TWO)
    (first,) = waits_of(outage([0.01, 1, 1, 1, 1, 1], [0.049, 1, 1, 1, 1, 1]))
    assert check.growth(first) == pytest.approx(1.0)
    (later,) = waits_of(outage([0.051, 1, 1, 1, 1, 1], [0.051, 1, 1, 1, 1, 1]))
    assert check.growth(later) == pytest.approx(2 / 1.051)


def test_too_few_attempts_tell_nothing() -> None:
    few = outage([1.0] * 6, [1.0] * 5)
    assert says(DelaysGrow(**TWO), few, outage([1.0] * 6, [1.0] * 5, at=300.0)) == []
    assert unmet(DelaysGrow(**TWO), few) == "not each of 2 processes made 6 attempts in time"
    assert "not each of 2" in unmet(DelaysGrow(**TWO))
    assert "not each of 2" in unmet(DelaysGrow(**TWO), outage([1.0] * 6))


def test_where_the_first_wait_is_near_the_longest_nothing_has_room_to_grow() -> None:
    slow = outage([2.25, *[4.5] * 5], [2.25, *[4.5] * 5])
    again = outage([2.25, *[4.5] * 5], [2.25, *[4.5] * 5], at=300.0)
    assert says(DelaysGrow(**TWO), slow, again, cap_ms=22_400) == []
    why = unmet(DelaysGrow(**TWO), slow, again, cap_ms=22_400)
    assert why.startswith("the first wait is 4.5 s: below `reconnect_cap_ms` = 22400")
    assert len(says(DelaysGrow(**TWO), slow, again, cap_ms=22_500)) == 1


async def _body(run: Run) -> None: ...


def test_a_condition_that_was_never_met_leaves_the_case_inconclusive() -> None:
    case = Case("x", "X-01", Severity.SHOULD, Level.L0, _body, requirement="", ends_dead=True)
    played = recording(outage([1.0] * 6, [1.0] * 5))
    outcome = {"checks": [{"check": "delays_grow", "processes": 2}], "ended": "finished"}
    verdict, findings, reason = judge(Recording(played.entries, played.terms, outcome), case)
    assert (verdict, findings) == (Verdict.INCONCLUSIVE, [])
    assert reason == "not each of 2 processes made 6 attempts in time"


# --- a herd ---


def test_waits_in_step_at_three_attempts_in_a_row_are_found() -> None:
    check = HerdIsSpread(**TWO)
    (message,) = says(check, outage([0, 1.00, 2.00, 4.00], [0.5, 1.04, 2.08, 4.01]))
    assert "attempts 2 to 4 differ by 3.9%, 3.9%, 0.2%" in message
    assert says(check, outage([0, 1.00, 2.00, 4.00], [0, 1.04, 2.20, 4.01])) == []
    later = outage([0, 1.0, 2.0, 4.0, 8.0, 9.0], [0, 1.1, 2.0, 4.0, 8.0, 9.0])
    assert "attempts 3 to 5 differ" in says(check, later)[0]


def test_nothing_is_said_of_a_herd_that_made_too_few_attempts() -> None:
    check = HerdIsSpread(**TWO)
    assert says(check, outage([0, 1.0, 2.0, 4.0], [0, 1.0, 2.0])) == []
    why = unmet(check, outage([0, 1.0, 2.0, 4.0], [0, 1.0, 2.0]))
    assert why == "not each of 2 processes made 4 attempts in time"


def test_a_spread_that_our_own_lateness_explains_settles_nothing() -> None:
    check = HerdIsSpread(**TWO)
    blurred = outage([0, 1.0, 2.0, 4.0], [0, 1.1, 2.2, 4.0], end=False)
    assert check.settled(waits_of(blurred)[0])
    lag: list[AnyEntry] = [Lagged(t=107.9, late_s=0.11)]
    assert not check.settled(waits_of([*blurred, *lag])[0])
    assert "our own loop was up to 110 ms late" in unmet(check, [*blurred, *lag])
    assert says(check, [*blurred, *lag]) == []


def test_waits_in_step_are_settled_however_late_we_are() -> None:
    check = HerdIsSpread(**TWO)
    entries = outage([0, 1.0, 2.0, 4.0], [0, 1.0, 2.0, 4.0], end=False)
    entries.append(Lagged(t=107.9, late_s=1.0))
    assert check.settled(waits_of(entries)[0])
    assert unmet(check, entries) == ""


# --- right back-offs ---

Draw = Callable[[Random], Callable[[], float]]


def reference(random: Random) -> Callable[[], float]:
    return Backoff(random, base_s=0.5, cap_s=10.0).next_delay_s


def decorrelated(random: Random) -> Callable[[], float]:
    waits = [0.0, 1.0]

    def draw() -> float:
        waits.append(min(30.0, random.uniform(1.0, 3 * waits[-1])))
        return waits.pop(0)

    return draw


def nine_tenths(random: Random) -> Callable[[], float]:
    waits = [4.5]
    return lambda: waits.pop() if waits else 9.0 * random.uniform(0.9, 1.0)


def herd(draw: Draw, seed: int, attempts: int, at: float) -> list[AnyEntry]:
    processes = []
    for number in range(8):
        next_s = draw(Random(f"{seed} {number} {at}"))
        processes.append([0.002 + 0.5 * next_s() for _ in range(attempts)])
    return outage(*processes, at=at)


@pytest.mark.parametrize("draw", [reference, decorrelated])
def test_no_right_backoff_is_taken_for_one_that_does_not_grow(draw: Draw) -> None:
    for seed in range(300):
        outages = [herd(draw, seed, 6, at) for at in (100.0, 1000.0)]
        assert says(DelaysGrow(), *outages) == [], f"seed {seed}"
        assert unmet(DelaysGrow(), *outages) == "", f"seed {seed}"


@pytest.mark.parametrize("draw", [reference, decorrelated, nine_tenths])
def test_no_right_backoff_is_taken_for_a_herd(draw: Draw) -> None:
    for seed in range(300):
        assert says(HerdIsSpread(), herd(draw, seed, 4, 100.0)) == [], f"seed {seed}"


def test_who_waits_long_from_the_beginning_is_not_judged_by_growth() -> None:
    for seed in range(100):
        outages = [herd(nine_tenths, seed, 6, at) for at in (100.0, 1000.0)]
        assert says(DelaysGrow(), *outages, cap_ms=20_000) == []
        assert "the first wait is 4.5 s" in unmet(DelaysGrow(), *outages, cap_ms=20_000)


# --- told to wait ---


def told(*attempts: float) -> list[AnyEntry]:
    entries: list[AnyEntry] = [
        Attempted(t=9.9, conn=1, peer_port=1),
        Refused(t=10.0, conn=1, target="/", status=429, reason=""),
        Noted(t=10.2, name="told-to-wait", detail={"connection": 1, "status": 429, "seconds": 5}),
    ]
    entries += [Attempted(t=t, conn=n, peer_port=1) for n, t in enumerate(attempts, 2)]
    return sorted(entries, key=lambda entry: entry.t)


def test_an_attempt_before_its_time_is_found_also_one_before_the_landmark() -> None:
    early = says(WaitsAsTold(), told(10.1, 14.0))
    assert early == ["refused with 429 and told to wait 5 s, it tried again after 0.10 s"]
    assert len(says(WaitsAsTold(), told(14.94))) == 1


def test_an_attempt_in_its_time_is_right() -> None:
    assert says(WaitsAsTold(), told(14.96, 15.0)) == []
    assert says(WaitsAsTold(), told()) == []


# --- a storm ---


def attempts(n: int, every_s: float) -> list[AnyEntry]:
    return [Attempted(t=1 + i * every_s, conn=i + 1, peer_port=1) for i in range(n)]


@pytest.mark.parametrize(
    ("n", "every_s", "found"), [(11, 0.1, True), (10, 0.01, False), (50, 0.11, False)]
)
def test_more_attempts_than_that_within_a_second_are_a_storm_also_at_that_moment(
    n: int, every_s: float, found: bool
) -> None:
    check, view = NoStorm(most=10), Connections()
    entries = attempts(n, every_s)
    at_once = False
    for entry in entries:
        view.apply(entry)
        at_once = at_once or check.live(view, entry)
    findings = check.judge(made(*entries))
    assert (at_once, len(findings)) == (found, found)
    if found:
        assert findings[0].at_s == 2
        assert findings[0].message == (
            "10 attempts to connect within 1.00 s: what reconnects multiplies; "
            "the case was ended there"
        )


def test_a_storm_fails_any_case() -> None:
    case = Case("x", "X-01", Severity.MUST, Level.L0, _body, "It is so.", ends_dead=True)
    played = made(*attempts(3001, 0.0001), Noted(t=2, name="body-over"))
    found = Recording(played.entries, played.terms, {"ended": "found", "reason": ""})
    verdict, findings, _ = judge(found, case)
    assert (verdict, [f.check for f in findings]) == (Verdict.FAIL, ["no_storm"])
