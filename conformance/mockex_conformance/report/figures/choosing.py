"""Which figures explain which verdict: one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mockex.server.words import printable
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.attempts import attempts
from mockex_conformance.report.figures.deliveries import deliveries
from mockex_conformance.report.figures.events import events, presented
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.flow import flow
from mockex_conformance.report.figures.heartbeat import pings
from mockex_conformance.report.figures.recovery import recovery
from mockex_conformance.report.figures.resources import (
    held,
    memory_slope,
    processor,
    stream_sockets,
)
from mockex_conformance.report.figures.subscriptions import asked_for, delivered_streams, messages
from mockex_conformance.report.figures.swimlane import swimlane
from mockex_conformance.report.figures.traffic import traffic, traffic_by_deliveries
from mockex_conformance.report.figures.waits import as_told, waits
from mockex_conformance.verdict import CaseVerdict, Finding

Draw = Callable[[Recording, CaseVerdict, Finding | None], Figure | None]

_MOST = 4  # besides the swimlane

# By the check of a finding. What is not here is explained by the swimlane alone.
BY_CHECK: dict[str, Sequence[Draw]] = {
    "all_presented": (presented,),
    "attempt_rate": (attempts,),
    "cpu_at_most": (processor,),
    "delays_grow": (waits,),
    "deliveries_at_most": (deliveries,),
    "few_attempts_after_pause": (attempts,),
    "few_connections": (attempts,),
    "flat": (held,),
    "herd_is_spread": (waits,),
    "lag_gone": (pings,),
    "live_at_end": (deliveries,),
    "live_is_true": (flow,),
    "message_rate": (messages,),
    "named_once": (asked_for,),
    "never_multiplied": (asked_for,),
    "no_gap_in_deliveries": (deliveries,),
    "no_pong_timeout": (pings,),
    "no_silent_end": (attempts,),
    "no_surplus": (stream_sockets,),
    "noticed_silence": (flow,),
    "once_in_order": (events,),
    "one_upgrade_per_loss": (deliveries,),
    "one_upgrade_per_round": (deliveries,),
    "own_pings": (messages,),
    "pong_repeats": (pings,),
    "presented": (presented,),
    "recovered": (recovery, flow, attempts),
    "request_size": (asked_for,),
    "silence_told": (flow,),
    "slope": (memory_slope, held),
    "sockets_at_most": (stream_sockets,),
    "streams_fit": (asked_for,),
    "subscriptions_equal": (delivered_streams,),
    "traffic_flat": (traffic, traffic_by_deliveries),
    "undisturbed": (flow,),
    "waits_as_told": (as_told,),
}

# What is told by a plot before anything else.
PLOT_FIRST = frozenset(
    {
        "attempt_rate", "cpu_at_most", "delays_grow", "flat", "herd_is_spread", "message_rate",
        "named_once", "never_multiplied", "once_in_order", "pong_repeats", "slope", "traffic_flat",
    }
)  # fmt: skip

# Of several streams of which the same is found, the first one is drawn.
_ONCE: frozenset[Draw] = frozenset({deliveries, events, presented, flow})

# By the group of a case that has no finding: what its verdict rests on.
_BY_GROUP: dict[str, Sequence[Draw]] = {
    "CONN": (deliveries,),
    "SUB": (delivered_streams,),
    "RECON": (recovery,),
    "HB": (pings,),
    "ROLL": (deliveries,),
    "RES": (stream_sockets,),
    "DATA": (events,),
    "SLOW": (pings,),
}


def figures_of(recording: Recording, verdict: CaseVerdict) -> list[Figure]:
    """The figures that explain the verdict, the most telling first; none for a recording in which
    nothing happened. A pure function: the same recording gives the same figures."""
    if not recording.entries:
        return []
    drawn = _of_findings(recording, verdict)
    if not verdict.findings:
        for draw in _BY_GROUP.get(verdict.number.partition("-")[0], ()):
            figure = draw(recording, verdict, None)
            drawn += [figure] if figure is not None else []
    drawn = drawn[:_MOST]
    lanes = swimlane(recording, verdict)
    if lanes is not None:
        first = verdict.findings[0].check if verdict.findings else ""
        drawn.insert(1 if first in PLOT_FIRST else 0, lanes)
    return [
        # Names of streams are the testee's, and whatever it likes.
        replace(figure, title=printable(figure.title), sentence=printable(figure.sentence))
        for figure in drawn
    ]


def _of_findings(recording: Recording, verdict: CaseVerdict) -> list[Figure]:
    """What the table says of each finding; a figure that explains several is drawn once."""
    drawn: dict[tuple[str, str], Figure] = {}
    had: set[Draw] = set()
    for number, finding in enumerate(verdict.findings, 1):
        for draw in BY_CHECK.get(finding.check, ()):
            if draw in had & _ONCE:
                continue
            figure = draw(recording, verdict, finding)
            if figure is None:
                continue
            had.add(draw)
            known = drawn.get((figure.kind, figure.title), figure)
            drawn[figure.kind, figure.title] = replace(known, explains=(*known.explains, number))
    return list(drawn.values())
