"""The demo: what it measures is what the exchange really did."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

import mockex
from mockex.cli import ExitCode
from mockex.faults import Reset
from mockex.server.exchange import Exchange
from mockex_conformance import demo, measuring
from mockex_conformance.harness.load import find
from mockex_conformance.incident import Round, Rounds
from mockex_conformance.report.terminal import console
from mockex_conformance.verdict import CaseVerdict, Finding, Level, Severity, Verdict


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with mockex.serve(profile=measuring.PROFILE, market="steady", seed=7) as opened:
        yield opened


def url(exchange: Exchange) -> str:
    return f"{exchange.ws_url}/public/stream?streams={measuring.STREAM}"


async def test_traffic_is_what_one_client_receives_times_the_deliveries(
    exchange: Exchange,
) -> None:
    async with connect(url(exchange)) as one:
        single = await measuring.traffic(exchange, steps=5)
        size = len(await one.recv(decode=False))
        async with connect(url(exchange)), connect(url(exchange)):
            triple = await measuring.traffic(exchange, steps=5)
    # Ten events a second; the moments of two flushes are known to a few ms of half a second.
    assert single == pytest.approx(10 * size / measuring.KB, rel=0.08)
    assert triple == pytest.approx(3 * single, rel=0.08)


async def test_settled_means_delivered_and_nothing_moving(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "SETTLED_S", 0.2)
    settling = asyncio.create_task(measuring.settle(exchange))
    async with connect(url(exchange)):
        await exchange.journal.wait(lambda _: exchange.live(measuring.STREAM) == 1)
        assert not settling.done()
        async with connect(url(exchange)):
            await settling
        assert exchange.live(measuring.STREAM) <= 2
    times = [e.t for e in exchange.journal.entries if measuring.moves(e)]
    assert exchange.loop_time() - times[1] >= 0.2


async def test_a_testee_that_does_not_come_back_never_settles(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "LIVE_S", 0.2)
    async with connect(url(exchange)):
        await exchange.journal.wait(lambda _: exchange.live(measuring.STREAM) == 1)
        await exchange.inject(Reset(all=True)).seen()
        with pytest.raises(TimeoutError):
            await measuring.settle(exchange)


async def test_the_bug_grows_by_one_delivery_and_its_traffic_with_it(tmp_path: Path) -> None:
    for folder in ("journal", "stderr"):
        (tmp_path / folder).mkdir()
    (testee,) = find("incident-python-bug")
    how = measuring.Measuring(rounds=1, steps=5)
    (measured,) = await measuring.measure_all([testee], {}, tmp_path, 7, how)
    before, after = measured.rounds
    assert (before.deliveries, after.deliveries) == (1, 2)
    assert (before.sockets, after.sockets) == (1, 2)
    assert after.kb_s == pytest.approx(2 * before.kb_s, rel=0.1)
    (chart,) = measuring.rounds_charts([measured], tmp_path)
    assert (chart.most, chart.last) == (2, 2)
    assert [kind for _, kind in chart.marks] == ["Reset"]


async def test_what_cannot_run_here_is_not_started(tmp_path: Path) -> None:
    (testee,) = find("incident-go-bug")
    (measured,) = await measuring.measure_all(
        [testee], {testee.name: "its build needs 'go'"}, tmp_path, 7, measuring.QUICK
    )
    assert (measured.rounds, measured.skipped) == ((), "its build needs 'go'")


# --- telling --------------------------------------------------------------------------------------


def judged(testee: str, number: str, verdict: str, **more: Any) -> CaseVerdict:
    return CaseVerdict(
        testee=testee,
        case="group/" + number.lower(),
        number=number,
        profile="usdm",
        verdict=Verdict(verdict),
        severity=Severity.MUST,
        level=Level.L0,
        duration_s=1.0,
        seed=7,
        requirement="A rule.",
        **more,
    )


def rounds(testee: str, *live: int) -> Rounds:
    return Rounds(testee, "usdm", tuple(Round(i, n, n, n + 5, 4.2 * n) for i, n in enumerate(live)))


def test_the_rounds_are_told_beside_the_record() -> None:
    stream = io.StringIO()
    demo.show_rounds(
        console(stream),
        [
            rounds("incident-go-bug", 1, 2, 3),
            rounds("incident-go-fix3", 1, 1, 1),
            Rounds("incident-python-bug", "usdm", skipped="its interpreter is missing"),
        ],
    )
    text = " ".join(stream.getvalue().split())
    assert "incident-go-bug, usdm live deliveries sockets goroutines KB/s" in text
    assert "2 resets 3 3 8 12.60" in text
    assert "slope is 100.0% of it" in text
    assert "minute 5.5 296 828" in text
    assert "KB/s = 3.12 × goroutines -79.9 (R² 0.997)" in text
    assert "incident-go-fix3 1 1 1 1 1 1" in text
    assert "incident-python-bug: not measured: its interpreter is missing" in text


def test_the_headline_is_made_of_what_came_out() -> None:
    finding = [Finding(check="x", message="y", at_s=1.0)]
    verdicts = [
        judged("incident-go-bug", "CONN-01", "FAIL", findings=finding),
        judged("incident-go-fix2", "CONN-01", "FAIL", findings=finding),
        judged("incident-go-fix2", "HB-03", "FAIL", findings=finding),
        judged("incident-go-fix3", "CONN-01", "PASS"),
        judged("incident-go-fix3", "HB-03", "FAIL", findings=finding),
        judged("reference", "CONN-01", "PASS"),
    ]
    assert demo.headline([rounds("incident-go-bug", 1, 2, 3)], verdicts) == (
        "After 2 resets the bug holds 3 connections where one is right, in Go; "
        "none of the fixes passes every case (all fail HB-03); the reference adapter passes."
    )


def test_a_run_in_which_nothing_ran_says_so() -> None:
    assert demo.headline([], []) == "Nothing could be judged."


@pytest.mark.parametrize(
    ("bug", "reference", "code"),
    [
        ("FAIL", "PASS", ExitCode.OK),
        ("UNSUPPORTED", "PASS", ExitCode.OK),
        ("PASS", "PASS", ExitCode.FAILED),
        ("FAIL", "FAIL", ExitCode.FAILED),
        ("FAIL", "INCONCLUSIVE", ExitCode.UNJUDGED),
        ("FAIL", None, ExitCode.UNJUDGED),
    ],
)
def test_the_demo_succeeds_if_the_bug_is_caught_and_the_reference_passes(
    bug: str, reference: str | None, code: ExitCode
) -> None:
    verdicts = [judged("incident-go-bug", "CONN-01", bug)]
    if reference is not None:
        verdicts.append(judged("reference", "CONN-01", reference))
    assert demo.exit_code(verdicts) is code
