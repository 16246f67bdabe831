"""The checks on what the testee holds and uses, on recordings made by hand: each seen to fail."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from mockex.server.journal import AnyEntry, Noted, Said, Sampled
from mockex_conformance.checks import CpuAtMost, Flat, Slope
from mockex_conformance.checks.base import Check
from mockex_conformance.checks.resources import theil_sen
from mockex_conformance.verdict import Finding
from tests.conformance.checks.made import made

MIB = 2**20


def found(check: Check, *entries: AnyEntry) -> list[Finding]:
    return check.judge(made(*entries, level=1))


def sampled(
    t: float, value: int = 0, *, cpu_s: float = 0.0, queued_s: float = 0.0, wait_s: float = 0.0
) -> Sampled:
    """A sample whose every metric is `value`, memory in MiB."""
    return Sampled(
        t=t, run=1, processes=1, sockets={"ESTABLISHED": value}, threads=value,
        descriptors=value, rss_bytes=value * MIB, cpu_s=cpu_s, queued_s=queued_s,
        close_wait_s=wait_s,
        own_sockets={"ESTABLISHED": value}, tasks=value, timers=value,
    )  # fmt: skip


def gauge(t: float, **params: Any) -> Said:
    return Said(t=t, run=1, method="gauge", params=params)


def note(t: float, name: str, **detail: Any) -> Noted:
    return Noted(t=t, name=name, detail=detail)


# --- flat ---

OBSERVED = (
    "sockets", "threads", "descriptors", "simulated tasks", "simulated timers",
)  # fmt: skip


def behind_baseline(entry: Any, *after: AnyEntry) -> list[AnyEntry]:
    """Three samples of `entry(t, 10)`, a baseline of them, and what came after it."""
    before: list[AnyEntry] = []
    for t in (1.0, 2.0, 3.0):
        before += [entry(t, 10), note(t, "baseline")]
    return [*before, note(4, "baseline-taken"), *after]


@pytest.mark.parametrize("metric", OBSERVED)
def test_growth_above_the_slack_is_found_by_its_maximum(metric: Any) -> None:
    check = Flat(metric=metric, n=30)
    assert found(check, *behind_baseline(sampled, sampled(5, 15), sampled(7, 10))) == []
    (told,) = found(check, *behind_baseline(sampled, sampled(6, 16), sampled(7, 10)))
    assert told.message == f"16 {metric} after 30 reconnects, 10 {metric} before; " + (
        f"at most 15 {metric} are flat"
    )
    assert told.at_s == 6


@pytest.mark.parametrize("metric", ["tasks", "listeners"])
def test_what_the_testee_says_of_itself_is_held_to_the_same(metric: Any) -> None:
    check = Flat(metric=metric, n=100, what="failed attempts")

    def said(t: float, value: int) -> Said:
        return gauge(t, **{metric: value})

    assert found(check, *behind_baseline(said, said(5, 20))) == []
    (told,) = found(check, *behind_baseline(said, said(5, 21)))
    assert told.message.startswith(f"21 {metric} after 100 failed attempts, 10 {metric} before")
    assert (
        found(check, *behind_baseline(said, gauge(5, queued=99), gauge(6, **{metric: "99"}))) == []
    )
    assert found(check, *behind_baseline(sampled, said(5, 99))) == [], "there was no gauge before"


def test_memory_has_a_slack_of_its_own() -> None:
    check = Flat(metric="memory", n=30)
    assert found(check, *behind_baseline(sampled, sampled(5, 42))) == []
    (told,) = found(check, *behind_baseline(sampled, sampled(5, 43)))
    assert told.message == (
        "43.0 MiB of memory after 30 reconnects, 10.0 MiB of memory before; "
        "at most 42.0 MiB of memory are flat"
    )


def test_without_a_baseline_nothing_can_have_grown() -> None:
    check = Flat(metric="sockets", n=30)
    assert found(check, sampled(6, 99)) == []
    assert found(check, note(1, "baseline"), note(2, "baseline-taken"), sampled(6, 99)) == []
    assert found(check, *behind_baseline(sampled)) == []


def test_a_socket_in_close_wait_is_found_after_two_seconds() -> None:
    check = Flat(metric="sockets", n=30)
    assert found(check, sampled(5, wait_s=1.9)) == []
    (told,) = found(check, sampled(5, wait_s=2.1), sampled(6, wait_s=3.1))
    assert "in CLOSE_WAIT for 2.1 s" in told.message
    assert found(Flat(metric="threads", n=30), sampled(5, wait_s=2.1)) == []


# --- slope ---


def test_the_slope_is_the_median_one_and_its_interval_is_that_of_kendall() -> None:
    assert theil_sen([3, 5, 7, 9, 11, 13, 15, 17]) == (2.0, 2.0, 2.0)
    # As by scipy.stats.theilslopes: an outlier does not bend it.
    assert theil_sen([0, 10, 19, 31, 40, 990, 61, 70, 79, 91]) == (10.0, 9.75, 10.5)
    assert theil_sen([1, 4, 2, 8, 5, 7, 9, 12, 10, 11]) == pytest.approx((1.125, 2 / 3, 1.75))


def test_too_few_values_bound_nothing() -> None:
    for values in ([], [1], [1, 100], [1, 100, 200]):
        _, low, high = theil_sen(values)
        assert (low, high) == (float("-inf"), float("inf"))


def growing(kib: float, noise_kib: float, *, n: int = 30) -> list[AnyEntry]:
    """`n` recoveries, after each of which memory is `kib` more, give or take."""
    random = Random(7)
    entries: list[AnyEntry] = [note(0, "recovered"), memory(0.1, 0), note(0, "baseline-taken")]
    for cycle in range(n):
        rss = round((20_000 + cycle * kib + random.uniform(-noise_kib, noise_kib)) * 1024)
        entries += [
            note(cycle + 1, "recovered"),
            memory(cycle + 1.2, rss),
            memory(cycle + 1.4, rss + 50 * MIB),  # whatever comes between is not looked at
        ]
    return entries


def memory(t: float, rss: int) -> Sampled:
    return Sampled(t=t, run=1, processes=1, sockets={}, rss_bytes=rss)


def test_memory_that_grows_with_each_reconnect_is_found() -> None:
    check = Slope(per_cycle_kib=64)
    (told,) = found(check, *growing(100, 50))
    assert told.message.startswith("memory grows by 101 KiB with each of 30 reconnects (95 %:")
    assert len(told.evidence["values"]) == 30


def test_growth_that_may_be_noise_or_is_bearable_is_none() -> None:
    check = Slope(per_cycle_kib=64)
    assert found(check, *growing(60, 50)) == []
    assert found(check, *growing(70, 3_000)) == [], "above the bound, but not all of its interval"
    assert found(check, *growing(1000, 0, n=3)) == []
    assert found(check) == []


# --- processor time ---


def busy(share: float, *, queued: float = 0.0, during: str = "waiting") -> list[AnyEntry]:
    """Five seconds in which so much of a core was used, and so much of the time waited for it,
    between two that count for nothing."""
    samples: list[AnyEntry] = [
        sampled(10 + n, cpu_s=5 + n * share, queued_s=3 + n * queued) for n in range(6)
    ]
    return [
        sampled(9, cpu_s=0),
        note(9.5, "cpu-measured", during=during),
        *samples,
        note(15.5, "cpu-measured-end"),
        sampled(16, cpu_s=99),
    ]


def test_a_core_that_is_burnt_while_waiting_is_found() -> None:
    check = CpuAtMost(share=0.2)
    assert found(check, *busy(0.2)) == []
    told = found(check, *busy(0.5, during="of refused attempts"), *busy(0.3))
    assert [f.message for f in told] == [
        "2.5 s of processor time in 5.0 s of refused attempts: 50% of a core; at most 20% are "
        "right for one that waits",
        "1.5 s of processor time in 5.0 s waiting: 30% of a core; at most 20% are right for one "
        "that waits",
    ]


def test_one_that_never_pauses_is_found_also_where_it_gets_little() -> None:
    check = CpuAtMost(share=0.2)
    (told,) = found(check, *busy(0.1, queued=0.85))
    assert told.message == (
        "0.5 s of processor time in 5.0 s waiting, 4.2 s of which it waited for a processor: 67% "
        "of a core; at most 20% are right for one that waits"
    )
    assert found(check, *busy(0.1, queued=0.4)) == []
    assert found(check, *busy(0.04, queued=3.0)) == [], "many threads that wake and have to wait"
    (many,) = found(check, *busy(0.4, queued=3.0))
    assert "100% of a core" in many.message


def test_a_phase_with_fewer_than_two_samples_says_nothing() -> None:
    check = CpuAtMost(share=0.2)
    ends = note(1, "cpu-measured", during="x"), note(9, "cpu-measured-end")
    assert found(check, ends[0], ends[1]) == []
    assert found(check, ends[0], sampled(2, cpu_s=9), ends[1]) == []
    assert found(check, sampled(2), ends[1]) == []
