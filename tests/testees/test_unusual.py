"""The testees that are right but unusual are what they say: seen in recordings of virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex.faults import Reset, Stall
from mockex.server.journal import Attempted, Closed, Ended, Faulted, Said
from mockex.server.views import Connections
from mockex_conformance.case import Case, CaseBody, Run
from mockex_conformance.harness import batches
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.load import find
from mockex_conformance.harness.plan import Plan
from mockex_conformance.recording import Recording
from mockex_conformance.rejudging import read_recording
from mockex_conformance.verdict import Level, Severity, Verdict

TRADES = "ethusdc@aggTrade"
PICTURES = "ethusdc@depth5@100ms"
PRICES = "ethusdc@markPrice@1s"  # no event of it has a number


def played(body: CaseBody, testee: str, out: Path) -> Recording:
    """The recording of one testee on usdm in virtual time."""
    case = Case(
        id="test/unusual",
        number="TEST-01",
        severity=Severity.MUST,
        level=Level.L2,
        body=body,
        requirement="",
        starts=False,
        profiles=("usdm",),
        market="walk",
    )
    plan = Plan(
        testees=find(testee), cases=[case], out=out, profiles=["usdm"], ground=Ground.VIRTUAL
    )
    (verdict,) = batches.run(plan, lambda _: None)
    assert verdict.verdict is Verdict.PASS, verdict
    return read_recording(out / verdict.journal)


def presented(recording: Recording, stream: str) -> list[int]:
    """Ids of the events that the consumer got."""
    said = recording.of(Said)
    return [s.params["id"] for s in said if s.method == "event" and s.params["stream"] == stream]


def told(recording: Recording, method: str) -> list[Said]:
    return [said for said in recording.of(Said) if said.method == method]


async def losses(run: Run) -> None:
    """One connection is reset, then one goes silent until it is given up."""
    await run.start(streams=[TRADES, PICTURES, PRICES])
    await run.until_live()
    for fault in (Reset(), Stall(scope="total")):
        await run.until_events(20, PICTURES)
        await run.cause(fault)
        await run.until_recovered(run.limit_ms("stall_detect_ms"))
    await run.until_events(20, PICTURES)


@pytest.fixture(scope="module")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """`two-deliveries` with its losses."""
    return played(losses, "two-deliveries", tmp_path_factory.mktemp("standby"))


def test_two_deliveries_gives_each_event_once_and_in_order_whatever_one_connection_does(
    standby: Recording,
) -> None:
    trades, pictures = presented(standby, TRADES), presented(standby, PICTURES)
    assert trades == list(range(trades[0], trades[-1] + 1))
    assert len(trades) > 50
    assert pictures == sorted(set(pictures))
    assert told(standby, "gap") == []
    seconds = standby.entries[-1].t - standby.entries[0].t
    assert 0.8 * seconds < len(presented(standby, PRICES)) <= seconds + 1


def test_two_deliveries_holds_two_connections_of_every_stream(standby: Recording) -> None:
    view, counts = Connections(), list[int]()
    for entry in standby.entries:
        view.apply(entry)
        if isinstance(entry, Said):
            counts.append(len(view.delivering(TRADES)))
    assert max(counts) == 2
    assert counts.count(2) > 0.9 * len(counts)


async def blocked(run: Run) -> None:
    """The connection is lost while the consumer is busy with an event for 5 s."""
    await run.start(streams=[PICTURES])
    await run.until_live()
    await run.request("consume", block_ms=5000)
    await run.until_events(1)
    await run.cause(Reset())
    await run.until_recovered()


def waited_s(recording: Recording) -> float:
    """From the loss to the next attempt."""
    (lost,) = [e.t for e in recording.of(Faulted) if e.phase == "seen"]
    return next(e.t for e in recording.of(Attempted) if e.t > lost) - lost


def test_pull_model_connects_only_when_the_consumer_asks(tmp_path: Path) -> None:
    assert 4 < waited_s(played(blocked, "pull-model", tmp_path / "pull")) < 5
    assert waited_s(played(blocked, "reference", tmp_path / "other")) < 0.1


async def silence(run: Run) -> None:
    """A connection goes silent for good."""
    await run.start(streams=[PICTURES])
    await run.until_live()
    await run.until_events(5)
    await run.cause(Stall(scope="total"))
    await run.until_recovered(run.limit_ms("stall_detect_ms"))
    await run.sleep(5)


def test_slow_but_right_takes_nine_tenths_of_its_time(tmp_path: Path) -> None:
    recording = played(silence, "slow-but-right", tmp_path)
    (testee,) = find("slow-but-right")
    limits = testee.limits
    assert limits.stall_detect_ms is not None
    noticed_s = waited_s(recording) - 0.9 * limits.reconnect_first_ms / 1000
    assert 0.89 < noticed_s / (limits.stall_detect_ms / 1000) < 0.92
    first = next(iter(recording.of(Attempted))).conn
    view, live_at = Connections(), 0.0
    for entry in recording.entries:
        view.apply(entry)
        if not live_at and len(view.delivering(PICTURES)) == 2:
            live_at = entry.t
    (closed,) = [
        e.t for e in recording.entries if isinstance(e, Closed | Ended) and e.conn == first
    ]
    assert 0.85 < (closed - live_at) / (limits.takeover_ms / 1000) < 0.95
