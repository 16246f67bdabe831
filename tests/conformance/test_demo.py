"""The demo: what it says is made of what came out."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import signal
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest

from mockex import cli
from mockex.cli import ExitCode
from mockex_conformance import demo, incident, measuring
from mockex_conformance.incident import Round, Rounds
from mockex_conformance.report.terminal import console
from mockex_conformance.verdict import CaseVerdict, Finding, Level, Severity, Verdict


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


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_it_measures_it_leaves_the_page_of_what_was_judged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    monkeypatch.setattr(demo, "testee_names", lambda: [incident.REFERENCE])
    monkeypatch.setattr(incident, "CASES", ("CONN-01",))

    async def interrupted(*_: object) -> None:
        signal.raise_signal(number)
        await asyncio.sleep(3600)

    monkeypatch.setattr(demo, "measure_all", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    out = tmp_path / "out"
    assert cli.run(["demo", "--quick", "--out", str(out)]) == ExitCode.INTERRUPTED
    said = f"mockex: interrupted while measuring; what was judged is in {out}/report.html\n"
    assert capsys.readouterr().err.endswith(said)
    assert (out / "report.html").exists()
    assert (out / "junit.xml").exists()
    assert not (out / ".start-lock").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_rounds_that_could_not_be_measured_are_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "testee_names", lambda: [incident.REFERENCE])
    monkeypatch.setattr(incident, "CASES", ("CONN-01",))

    async def delivers_nothing(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(measuring, "settle", delivers_nothing)
    assert cli.run(["demo", "--quick", "--out", str(tmp_path / "out")]) == ExitCode.UNJUDGED
    assert "reference: ended in round 0: the stream is not delivered\n" in capsys.readouterr().out


def test_a_machine_that_starts_nothing_to_measure_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "testee_names", lambda: [incident.REFERENCE])
    monkeypatch.setattr(incident, "CASES", ("CONN-01",))
    measure_all = measuring.measure_all

    async def none_left(*what: Any) -> list[Rounds]:
        lacks = Mock(side_effect=OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)))
        with patch.object(subprocess, "Popen", lacks):
            return await measure_all(*what)

    monkeypatch.setattr(demo, "measure_all", none_left)
    assert cli.run(["demo", "--quick", "--out", str(tmp_path / "out")]) == ExitCode.UNJUDGED
    assert (
        "reference: ended in round 0: this machine: no more processes may be started: raise "
        "`ulimit -u`, or end some\n"
    ) in capsys.readouterr().out


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
