"""What the testee holds and uses, after many losses and while it waits."""

from __future__ import annotations

from itertools import combinations
from math import sqrt
from statistics import NormalDist, median
from typing import Literal

from mockex.server.journal import AnyEntry, Noted, Said, Sampled
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding

_CLOSE_WAIT_S = 2.0
_MIB = 2**20
_MEMORY_SLACK = 32 * _MIB

Metric = Literal[
    "sockets", "threads", "descriptors", "memory",  # observer O, on the machine
    "tasks", "listeners",  # the testee's own `gauge`
    "simulated tasks", "simulated timers",  # observer O, on the virtual ground
]  # fmt: skip


def value_of(metric: Metric, entry: AnyEntry) -> int | None:
    """What an entry says of a metric, memory in bytes; None if it says nothing."""
    match entry:
        case Said(method="gauge", params=params) if metric in ("tasks", "listeners"):
            value = params.get(metric)
            return value if type(value) is int else None
        case Sampled(own_sockets=sockets) if metric == "sockets":
            return sum(sockets.values())
        case Sampled(threads=value) if metric == "threads":
            return value
        case Sampled(descriptors=value) if metric == "descriptors":
            return value
        case Sampled(rss_bytes=value) if metric == "memory":
            return value
        case Sampled(tasks=value) if metric == "simulated tasks":
            return value
        case Sampled(timers=value) if metric == "simulated timers":
            return value
        case _:
            return None


class Flat(Check, frozen=True, tag="flat"):
    """The maximum of a metric after the landmark `baseline-taken` is above the median of the
    samples in the landmarks `baseline` + max(5, n / 10), of memory + 32 MiB; or, for sockets, one
    was in CLOSE_WAIT for more than 2 s. `what` are the `n` things that may leave nothing behind."""

    metric: Metric
    n: int
    what: str = "reconnects"

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most, and one for CLOSE_WAIT."""
        baselines: list[int] = []
        latest: int | None = None
        worst: tuple[int, float] | None = None
        taken = False
        for entry in recording.entries:
            if isinstance(entry, Noted):
                if entry.name == "baseline" and latest is not None:
                    baselines.append(latest)
                taken = taken or entry.name == "baseline-taken"
            elif (value := value_of(self.metric, entry)) is not None:
                latest = value
                if taken and (worst is None or value > worst[0]):
                    worst = (value, entry.t)
        findings = self._stuck(recording) if self.metric == "sockets" else []
        if baselines and worst is not None:
            value, at = worst
            base = median(baselines)
            slack = _MEMORY_SLACK if self.metric == "memory" else max(5.0, self.n / 10)
            if value > base + slack:
                message = (
                    f"{self._told(value)} after {self.n} {self.what}, {self._told(base)} before; "
                    f"at most {self._told(base + slack)} are flat"
                )
                findings.append(finding(self, recording, message, at, baseline=base))
        return findings

    def _told(self, value: float) -> str:
        if self.metric == "memory":
            return f"{value / _MIB:.1f} MiB of memory"
        return f"{value:g} {self.metric}"

    def _stuck(self, recording: Recording) -> list[Finding]:
        for sample in recording.of(Sampled):
            if sample.close_wait_s > _CLOSE_WAIT_S:
                message = (
                    f"a socket has been in CLOSE_WAIT for {sample.close_wait_s:.1f} s: the peer "
                    "has closed it and the testee has not"
                )
                return [finding(self, recording, message, sample.t, states=sample.sockets)]
        return []


class Slope(Check, frozen=True, tag="slope"):
    """Resident memory grows by more than `per_cycle_kib` with each landmark `recovered` behind
    `baseline-taken`: the Theil-Sen slope is above the bound, and so is its whole 95 % interval.

    The value of a landmark is that of the next sample.
    """

    per_cycle_kib: float

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        values: list[int] = []
        taken = awaited = False
        for entry in recording.entries:
            match entry:
                case Noted(name="baseline-taken"):
                    taken = True
                case Noted(name="recovered"):
                    awaited = taken
                case Sampled(rss_bytes=rss) if awaited:
                    values.append(rss)
                    awaited = False
                case _:
                    pass
        slope, low, high = theil_sen(values)
        if low <= self.per_cycle_kib * 1024:
            return []
        message = (
            f"memory grows by {slope / 1024:.0f} KiB with each of {len(values)} reconnects (95 %: "
            f"{low / 1024:.0f} to {high / 1024:.0f}); at most {self.per_cycle_kib:g} are bearable"
        )
        at = recording.entries[-1].t
        return [finding(self, recording, message, at, values=values)]


def theil_sen(values: list[int]) -> tuple[float, float, float]:
    """The median of the slopes between any two of `values`, which stand one apart, and the 95 %
    interval of the slope; without bounds if there are too few.

    Sen, "Estimates of the regression coefficient based on Kendall's tau" (1968): the interval lies
    between two of the ordered slopes, as far apart as Kendall's S deviates by chance.
    """
    slopes = sorted(
        (later - earlier) / (j - i)
        for (i, earlier), (j, later) in combinations(enumerate(values), 2)
    )
    if not slopes:
        return 0.0, float("-inf"), float("inf")
    n = len(values)
    by_chance = NormalDist().inv_cdf(0.975) * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = round((len(slopes) - by_chance) / 2) - 1
    high = round((len(slopes) + by_chance) / 2)
    return (
        median(slopes),
        slopes[low] if low >= 0 else float("-inf"),
        slopes[high] if high < len(slopes) else float("inf"),
    )


class CpuAtMost(Check, frozen=True, tag="cpu_at_most"):
    """Between a landmark `cpu-measured` (`during`) and the next `cpu-measured-end` the testee's
    processes used more than `share` of one core.

    Of the time in which they could have run: on a machine that is busy with others, one that never
    pauses gets little, and waits for the rest. Who has not really used a quarter of `share` is
    right in any case.
    """

    share: float

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each phase."""
        findings: list[Finding] = []
        during = ""
        first: Sampled | None = None
        last: Sampled | None = None
        for entry in recording.entries:
            match entry:
                case Noted(name="cpu-measured"):
                    during, first, last = entry.detail["during"], None, None
                case Noted(name="cpu-measured-end"):
                    if first is not None and last is not None and last.t > first.t:
                        findings += self._phase(recording, during, first, last)
                    first = last = None
                case Sampled():
                    first, last = first or entry, entry
                case _:
                    pass
        return findings

    def _phase(
        self, recording: Recording, during: str, first: Sampled, last: Sampled
    ) -> list[Finding]:
        wall_s, cpu_s = last.t - first.t, last.cpu_s - first.cpu_s
        queued_s = last.queued_s - first.queued_s
        free_s = max(wall_s - queued_s, cpu_s)
        if cpu_s <= self.share * free_s or cpu_s <= self.share / 4 * wall_s:
            return []
        waited = f", {queued_s:.1f} s of which it waited for a processor" if queued_s >= 0.1 else ""
        message = (
            f"{cpu_s:.1f} s of processor time in {wall_s:.1f} s {during}{waited}: "
            f"{cpu_s / free_s:.0%} of a core; at most {self.share:.0%} are right for one that waits"
        )
        return [
            finding(self, recording, message, last.t, cpu_s=cpu_s, wall_s=wall_s, queued_s=queued_s)
        ]
