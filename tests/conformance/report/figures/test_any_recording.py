"""Whatever a recording holds, its figures are well-formed, small, and of escaped text."""

from __future__ import annotations

from typing import Literal
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Batch,
    Closed,
    Delivered,
    Ended,
    Exited,
    Faulted,
    Joined,
    Launched,
    Noted,
    Pinged,
    Ponged,
    Received,
    Refused,
    Requested,
    Said,
    Sampled,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex_conformance.checks import AnyCheck
from mockex_conformance.report.figures import figures_of, legend, wire_log, wire_text
from mockex_conformance.verdict import Finding
from tests.conformance.checks.made import made

from .drawing import judged

CHECKS = sorted(str(check.__struct_config__.tag) for check in AnyCheck.__args__)
NAMES = st.sampled_from(["a@depth", "b@aggTrade", "<&\"'>@x", "é@ticker", "a\x00\x1b]@trade"])
WORDS = st.sampled_from(["Reset", "<script>", "&amp;", "a\x00b\ud800", "x" * 300, ""])
TIMES = st.floats(0, 500, allow_nan=False)
CONNS = st.integers(1, 30)
AWAITED = st.sampled_from(
    [
        "live", "recovered", "awaiting-live", "awaiting-recovery", "body-over", "measure",
        "measured", "waits-counted", "waits-counted-end", "attempts-counted",
        "attempts-counted-end", "baseline", "baseline-taken", "cpu-measured", "cpu-measured-end",
        "pool-counted", "sockets-before", "subscriptions", "over", "told-to-wait", "round",
    ]
)  # fmt: skip
DETAILS = st.fixed_dictionaries(
    {},
    optional={
        "within_s": st.floats(0, 60),
        "since": TIMES,
        "what": WORDS,
        "allowed": st.integers(0, 3),
        "streams": st.lists(NAMES, max_size=3),
        "seconds": st.floats(0, 60),
    },
)


@st.composite
def entries(draw: st.DrawFn) -> list[AnyEntry]:
    """A journal that could be: what is said of a connection comes behind its attempt."""
    made_: list[AnyEntry] = [Launched(t=0.0, run=1, pid=1, command=["x"], streams=[], mode="raw")]
    now, known = 0.0, 0
    upgraded: set[int] = set()
    for _ in range(draw(st.integers(0, 60))):
        now += draw(st.sampled_from([0.0, 0.0001, 0.05, 1.0, 40.0]))
        what = draw(st.integers(0, 15))
        if what <= 2 or (what <= 8 and not known):
            known += 1
            made_.append(Attempted(t=now, conn=known, peer_port=1, port=draw(st.integers(0, 2))))
            if draw(st.booleans()):
                upgraded.add(known)
                made_.append(Upgraded(t=now, conn=known, target=draw(WORDS), route="", mode="raw"))
            elif draw(st.booleans()):
                made_.append(Refused(t=now, conn=known, target="", status=503, reason=draw(WORDS)))
            continue
        conn = draw(st.integers(1, max(known, 1)))
        made_.append(_about(draw, what, now, conn))
        made_ += [Joined(t=now, conn=conn, audience=1)] if conn in upgraded and what == 4 else []
    return made_


def _about(draw: st.DrawFn, what: int, now: float, conn: int) -> AnyEntry:
    by: Literal["client", "server"] = draw(st.sampled_from(["client", "server"]))
    names = draw(st.lists(NAMES, min_size=1, max_size=3))
    word = draw(WORDS)
    match what:
        case 3 | 4:
            return Subscribed(t=now, conn=conn, streams=names, via="request")
        case 5:
            return Unsubscribed(t=now, conn=conn, streams=names)
        case 6:
            return Closed(t=now, conn=conn, by=by, code=1000, reason=word)
        case 7:
            return Ended(t=now, conn=conn, by=by, how="rst")
        case 8:
            payload = draw(st.sampled_from(["", "ff", "6162"]))
            return (Pinged if by == "server" else Ponged)(t=now, conn=conn, payload=payload)
        case 9:
            batch = Batch(draw(st.integers(0, 9)), draw(st.integers(0, 9)), 1, 10**6)
            return Delivered(t=now, audience=1, step=int(now * 10), streams={names[0]: batch})
        case 10:
            return Faulted(t=now, fault=1, kind=word, phase="seen", conns=[conn])
        case 11:
            return _landmark(draw, now)
        case _:
            return _of_testee(draw, what, now, word)


def _landmark(draw: st.DrawFn, now: float) -> Noted:
    name, detail = draw(AWAITED), draw(DETAILS)
    if name == "attempts-counted":
        detail["connections"] = draw(st.integers(0, 5))
    elif name == "over":
        detail["connections"] = draw(st.lists(CONNS, max_size=3))
    return Noted(t=now, name=name, detail=detail)


def _of_testee(draw: st.DrawFn, what: int, now: float, word: str) -> AnyEntry:
    match what:
        case 12:
            return Sampled(
                t=now, run=1, processes=1, sockets={}, tasks=draw(st.integers(0, 10**6)),
                threads=draw(st.integers(0, 99)), cpu_s=draw(TIMES), rss_bytes=2**33,
            )  # fmt: skip
        case 13:
            method = draw(st.sampled_from(["state", "event", "gauge", "gap", "stale"]))
            params = {"state": word, "stream": draw(NAMES), "id": draw(st.integers(0, 9))}
            return Said(t=now, run=1, method=method, params=params)
        case 14:
            return Received(t=now, conn=1, opcode="text", size=1, text=word)
        case _ if word:
            return Exited(t=now, run=1, code=-9, expected=False, last_words=word)
        case _:
            return Requested(t=now, method="GET", target="", status=429, weight=1, used_weight=1)


FINDINGS = st.builds(
    Finding,
    check=st.sampled_from(CHECKS),
    message=st.sampled_from(["9 threads", "1 simulated tasks", "in CLOSE_WAIT", "memory", "<&>"]),
    at_s=TIMES,
    evidence=st.fixed_dictionaries(
        {},
        optional={
            "stream": NAMES,
            "connections": st.lists(CONNS, max_size=4),
            "conn": CONNS,
            "window_s": st.floats(0, 10),
            "values": st.lists(st.integers(0, 2**33), max_size=5),
        },
    ),
)


@settings(max_examples=150, deadline=None)
@given(entries(), st.lists(FINDINGS, max_size=6), st.sampled_from([0, 1, 2]))
def test_no_recording_makes_a_figure_crash(
    journal: list[AnyEntry], findings: list[Finding], streams: int
) -> None:
    recording = made(*journal, streams=["a@depth", "b@aggTrade"][:streams])
    for figure in [*figures_of(recording, judged(*findings)), legend()]:
        root = ET.fromstring(figure.svg)
        assert root.get("class") == "fig"
        assert not list(root.iter("script"))
        assert len(figure.svg) < 12_000
        assert figure.sentence.endswith(".")
        assert "nan" not in figure.svg
        assert "inf" not in " ".join(path.get("d", "") for path in root.iter("path"))
    assert len(wire_log(recording, findings=findings)) <= 80
    assert wire_text(recording).count("\n") >= 1
