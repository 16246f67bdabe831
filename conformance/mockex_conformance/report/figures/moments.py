"""The moments of a recording that its figures mark: faults that were seen, landmarks, findings."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mockex.server.journal import Faulted, Noted
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import CaseVerdict

_ROUNDED_S = 0.0005  # a finding says its moment in milliseconds

# Landmarks that tell a reader where the case is, in words; the others are for checks alone.
_LANDMARKS: dict[str, Callable[[Noted], str]] = {
    "live": lambda _: "live",
    "recovered": lambda _: "recovered",
    "replaced": lambda _: "replaced",
    "quiet": lambda _: "quiet begins",
    "round": lambda noted: str(noted.detail.get("what", "round")),
    "handover": lambda _: "handover",
    "handover-over": lambda _: "handover over",
    "suspended": lambda _: "suspended",
    "going-on": lambda _: "goes on",
    "silence": lambda _: "silence",
    "keep": lambda _: "to be kept",
    "must-close": lambda _: "to be closed",
    "must-tell": lambda _: "to be told",
    "told-to-wait": lambda noted: f"told to wait {noted.detail.get('seconds', 0):g} s",
    "closed": lambda _: "closed",
    "well-again": lambda _: "well again",
    "no-attempt": lambda _: "no attempt",
    "line-changed": lambda noted: f"line: {noted.detail.get('what', 'changed')}",
    "line-clear": lambda _: "line clear",
    "measure": lambda _: "measure",
    "cpu-measured": lambda _: "measure",
    "situation": lambda noted: str(noted.detail.get("what", "situation")),
    "pool-counted": lambda _: "counted",
    "census": lambda _: "counted",
    "subscriptions": lambda _: "compared",
    "baseline-taken": lambda _: "baseline",
    "end": lambda _: "end",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment with its name; `at_s` counts from the beginning of the recording."""

    at_s: float
    label: str
    conns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Moments:
    """`until_s`: what follows is the suite ending the testee, unless something was found there."""

    faults: Sequence[Mark]
    landmarks: Sequence[Mark]
    findings: Sequence[Mark]
    until_s: float


def moments_of(recording: Recording, verdict: CaseVerdict | None = None) -> Moments:
    """The moments of a recording and, if it was judged, of its findings, each in order of time.
    Findings are labelled with their numbers."""
    began = recording.began
    findings = verdict.findings if verdict is not None else []
    faults: list[Mark] = []
    landmarks: list[Mark] = []
    over_s: float | None = None
    last_s = 0.0
    for entry in recording.entries:
        at_s = max(0.0, entry.t - began)
        last_s = max(last_s, at_s)
        match entry:
            case Faulted(phase="seen", kind=kind, conns=conns):
                faults.append(Mark(at_s, kind, tuple(conns)))
            case Noted(name="over", detail=detail):
                conns = detail.get("connections", [])
                faults.append(Mark(at_s, str(detail.get("what", "an end")), tuple(conns)))
            case Noted(name="body-over") if over_s is None:
                over_s = at_s
            case Noted(name=name) if name in _LANDMARKS and over_s is None:
                landmarks.append(Mark(at_s, _LANDMARKS[name](entry)))
            case _:
                pass
    until_s = last_s if over_s is None else over_s
    latest_s = max((finding.at_s for finding in findings), default=0.0)
    if latest_s > until_s + 2 * _ROUNDED_S:
        until_s = max(last_s, latest_s)
    times = [entry.t - began for entry in recording.entries if entry.t - began <= until_s]
    return Moments(
        faults=sorted((mark for mark in faults if mark.at_s <= until_s), key=_at),
        landmarks=landmarks,
        findings=sorted(
            (Mark(_exact(f.at_s, times), str(number)) for number, f in enumerate(findings, 1)),
            key=_at,
        ),
        until_s=until_s,
    )


def _exact(at_s: float, times: list[float]) -> float:
    """The moment of the last entry that `at_s`, which is rounded, can stand for: what was found had
    happened by then."""
    here = bisect_right(times, at_s + _ROUNDED_S) - 1
    if here >= 0 and times[here] >= at_s - _ROUNDED_S:
        return max(0.0, times[here])
    return max(0.0, at_s)


def _at(mark: Mark) -> float:
    return mark.at_s


def important(moments: Moments) -> list[float]:
    """The times that are worth writing, the most important first."""
    first, *others = [mark.at_s for mark in moments.faults] or [0.0]
    return [*(m.at_s for m in moments.findings), first, 0.0, moments.until_s, *others]


def clock(at_s: float) -> str:
    """A moment of a case, with as many digits as tell it from its neighbours."""
    if at_s < 10:
        return f"{at_s:.3f} s"
    return f"{at_s:.2f} s" if at_s < 100 else f"{at_s:.1f} s"


def counted(labels: Iterable[str]) -> str:
    """`Reset x 3, Stall`: each once, with how often, in order of first appearance."""
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    return ", ".join(f"{label} × {n}" if n > 1 else label for label, n in counts.items())
