"""Which schedules there are, for hypothesis to draw from and to shrink: towards fewer steps, no
waiting, and the plainest of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from mockex_conformance.explore.schedule import Step

MOST_STEPS = 12
_WAITS_MS = (0, 1, 5, 20, 50, 100, 300, 1_000, 3_000, 10_000)
_CODES = (1000, 1001, None, 1008, 1011, 1012, 1013)
_ONE_WAY = ("downstream", "upstream")
_LONGEST_MS = 8_000  # shorter than an overlap may last


def schedules(*, profile: str, level: int, others: Sequence[str]) -> st.SearchStrategy[list[Step]]:
    """Lists of steps for a testee of `level`, whose commands may add and take away `others`."""
    after = st.one_of(st.sampled_from(_WAITS_MS), st.integers(0, 15_000))
    what = _faults(profile)
    if level >= 2:
        what = st.one_of(what, _commands(others))
    step = st.builds(lambda ms, done: Step(ms, *done), after, what)
    return st.lists(step, min_size=1, max_size=MOST_STEPS)


def _one(do: str, **args: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(do), st.fixed_dictionaries(args))


def _commands(others: Sequence[str]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    plain = [_one("reconnect"), _one("close"), _one("start")]
    if others:
        some = st.lists(
            st.sampled_from(list(others)), min_size=1, max_size=len(others), unique=True
        )
        plain += [_one("subscribe", streams=some), _one("unsubscribe", streams=some)]
    return st.one_of(plain)


def _faults(profile: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    ms = st.integers(1, _LONGEST_MS)
    way = st.sampled_from((None, "downstream", "upstream"))
    backlog = st.sampled_from(("deliver", "lose"))
    kinds = [
        _one("Reset", all=st.booleans()),
        _one("Fin"),
        _one("silence"),
        _one("CloseWith", code=st.sampled_from(_CODES)),
        _one("CutFrame", then=st.sampled_from(("fin", "reset"))),
        _one("LifetimeCut", bare=st.booleans()),
        _one("stall", ms=ms, scope=st.sampled_from(("total", "data")), backlog=backlog),
        _one("Outage", how=st.sampled_from(("abort", "refuse")), ms=ms),
        _one("SlowUpgrade", ms=ms),
        _one("HangUpgrade", half=st.booleans()),
        _one("RefuseUpgrade", status=st.sampled_from((503, 400, 404, 429))),
        _one("AcceptThenClose", ms=ms, events=st.integers(0, 2)),
        _one("hold", ms=ms, direction=way, backlog=backlog),
        _one("Latency", delay_ms=st.integers(0, 800), direction=st.sampled_from(_ONE_WAY)),
        _one("Bandwidth", bytes_per_s=st.sampled_from((64_000, 16_000, 4_000)), direction=way),
        _one("Slice", bytes=st.sampled_from((64, 7, 1)), direction=way),
        _one("LimitData", bytes=st.integers(1, 3_000), then=st.sampled_from(("fin", "reset"))),
        _one("ResetLink"),
        _one("FinLink"),
        _one("Refused", ms=ms),
    ]
    if profile == "spot":  # the notice is documented there only
        kinds.append(_one("ServerShutdown", lead_ms=st.integers(0, 10_000)))
    return st.one_of(kinds)
