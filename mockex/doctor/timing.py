"""Clocks, sleeps and load: whether what is judged in time can be judged here."""

from __future__ import annotations

import os
import statistics
import time

from mockex.doctor.answer import Answer, State

BUSY = 0.7  # the suite starts no case while the machine is busier
LATE_MS = 20.0  # a fifth of a step of the market
APART_MS = 50.0
_FIRST_S = 1_735_689_600  # 2025-01-01: mockex is younger
_WATCHED_S = 0.25
_SLEEP_S = 0.005


def watched(seconds: float = _WATCHED_S) -> list[Answer]:
    """Clocks, sleeps and load, all seen in the same moment, while nothing else of ours goes on."""
    busy_before = _busy()
    wall, mono = time.time(), time.monotonic()
    late = []
    while time.monotonic() < mono + seconds:
        began = time.perf_counter()
        time.sleep(_SLEEP_S)  # how late it ends is what is measured
        late.append((time.perf_counter() - began - _SLEEP_S) * 1e3)
    apart_ms = ((time.time() - wall) - (time.monotonic() - mono)) * 1e3
    busy = None
    if busy_before is not None and (after := _busy()) is not None and after[1] > busy_before[1]:
        busy = (after[0] - busy_before[0]) / (after[1] - busy_before[1])
    return [clocks(apart_ms, wall), sleeps(late), load(busy)]


def clocks(apart_ms: float, wall_s: float) -> Answer:
    """Whether both clocks move alike, and the one on the wall shows a time that can be."""
    info = time.get_clock_info("monotonic")
    state, what, repair = State.OK, f"monotonic to {info.resolution * 1e9:.0f} ns, and even", ""
    if abs(apart_ms) > APART_MS:
        state = State.BROKEN
        what = f"the wall clock moved {apart_ms:+.0f} ms against the monotonic one"
        repair = "wait until the time is synchronised (timedatectl), or mend the machine's clock"
    elif wall_s < _FIRST_S:
        state = State.BROKEN
        what = f"the wall clock says {time.strftime('%Y-%m-%d', time.gmtime(wall_s))}"
        repair = "set the clock (timedatectl set-ntp true, as root)"
    return Answer(
        name="clock",
        state=state,
        what=what,
        needed_for="times in recordings, and certificates; the time zone does not count",
        repair=repair,
        required=True,
    )


def sleeps(late_ms: list[float]) -> Answer:
    """How late a sleep of 5 ms ends."""
    usual, worst = statistics.median(late_ms), max(late_ms)
    fine = usual <= LATE_MS
    return Answer(
        name="sleep",
        state=State.OK if fine else State.LACKING,
        what=f"{usual:.1f} ms late, at most {worst:.1f}"
        + ("" if fine else f"; more than {LATE_MS:g} blurs what is judged in time"),
        needed_for="cases in real time; nothing in virtual time",
        repair="" if fine else "let the machine do less beside, or `--ground virtual`",
    )


def load(busy: float | None) -> Answer:
    """How busy all cores are, 0 to 1."""
    cores = os.cpu_count() or 1
    fine = busy is None or busy <= BUSY
    return Answer(
        name="load",
        state=State.OK if fine else State.LACKING,
        what=(f"{cores} cores" if busy is None else f"{cores} cores, {busy:.0%} busy")
        + ("" if fine else f"; above {BUSY:.0%} no case is started"),
        needed_for="mockex conform",
        repair="" if fine else "let the machine do less beside; until it does, the suite waits",
        details=(f"load averages {' '.join(f'{one:.1f}' for one in os.getloadavg())}",),
    )


def _busy() -> tuple[float, float] | None:
    """Seconds that all cores were busy, and in all."""
    try:
        import psutil
    except ImportError:
        return None
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - idle, total
