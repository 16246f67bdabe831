"""A line under every case, and cases that have a link for themselves: what is told where there is
none, where it breaks, and wherever a person reads a verdict that was got over one."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mockex import cli
from mockex.cli import ExitCode
from mockex.faults import LinkTerms, Reset
from mockex.server.line import ProxiedLine
from mockex_conformance.case import Case, Link, Run
from mockex_conformance.checks import Alive
from mockex_conformance.description import Description, Limits
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.scheduler import run
from mockex_conformance.judge import judge
from mockex_conformance.rejudging import judge_again, read_recording
from mockex_conformance.report.lines import unlike
from mockex_conformance.report.record import RECORD, Record, read_record
from mockex_conformance.verdict import CaseVerdict, Level, Severity, Verdict
from tests.conformance.harness.planned import FEED
from tests.faults.bare import bare_machine

pytestmark = pytest.mark.timeout(120)

LINE = "latency=80ms,jitter=20ms"
OVER_IT = f"simulated {LINE}"
CASES = ("CONN-01", "CONN-04", "SUB-01")
NO_SERVER = "no Toxiproxy server; `mockex doctor` says what was tried and what helps"


# --- a line under every case ----------------------------------------------------------------------


def conform(out: Path, *args: str) -> int:
    return cli.run(["conform", *args, "--ground", "virtual", "--out", str(out)])


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a right testee and a wrong one over a line."""
    folder = tmp_path_factory.mktemp("over-a-line") / "out"
    chosen = [word for number in CASES for word in ("--case", number)]
    args = ["reference", "two-owners", "--profile", "usdm", *chosen, "--link", LINE]
    assert conform(folder, *args) == ExitCode.FAILED
    return folder


@pytest.fixture
def record(out: Path) -> Record:
    return read_record(out)


def test_every_verdict_line_and_the_first_line_say_what_the_line_was(record: Record) -> None:
    assert {(v.testee, v.number): v.link for v in record.verdicts} == {
        (testee, number): OVER_IT for testee in ("reference", "two-owners") for number in CASES
    }
    assert record.run.conditions["link"] == LINE
    assert record.run.wish is not None
    assert record.run.wish.link == LINE


def test_what_runs_a_case_again_has_the_line(record: Record) -> None:
    assert {v.replay.count(f" --link {LINE}") for v in record.verdicts} == {1}


def test_a_recording_knows_its_line_and_gives_its_verdict_again(
    out: Path, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["judge", str(out)]) == ExitCode.FAILED
    told = capsys.readouterr().out
    assert f"{len(record.verdicts)} verdicts are those of the record, byte for byte." in told
    for v in record.verdicts:
        (alone,) = judge_again(out / v.journal).result.verdicts
        assert (alone.verdict, alone.findings, alone.link) == (v.verdict, v.findings, OVER_IT)


def test_a_recording_is_replayed_over_its_line(out: Path, record: Record, tmp_path: Path) -> None:
    journal = next(v.journal for v in record.verdicts if v.testee == "two-owners")
    assert cli.run(["replay", str(out / journal), "--out", str(tmp_path)]) == ExitCode.FAILED
    assert (tmp_path / journal).read_bytes() == (out / journal).read_bytes()


def test_the_terminal_the_page_and_junit_say_it(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run(["judge", str(out)])
    shown = capsys.readouterr().out
    assert f"On the virtual ground, over {LINE}: " in shown
    assert f"    link    {OVER_IT}\n" in shown
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"<h1>On the virtual ground, over {LINE}: " in page
    assert f"<dt>link</dt><dd>{OVER_IT}</dd>" in page
    suites = ET.parse(out / "junit.xml").getroot()
    told = [p.get("value") for p in suites.iter("property") if p.get("name") == "link"]
    assert told == [LINE, LINE]
    (failure,) = [f for f in suites.iter("failure") if "CONN-01" in (f.text or "")]
    assert f"link    {OVER_IT}" in (failure.text or "")


def test_a_case_with_a_link_of_its_own_is_over_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conform(tmp_path, "reference", "--case", "CONN-04", "--profile", "usdm") == ExitCode.OK
    (verdict,) = read_record(tmp_path).verdicts
    assert (verdict.link, verdict.verdict) == ("simulated", Verdict.PASS)
    assert "link" not in read_record(tmp_path).run.conditions
    assert "over" not in capsys.readouterr().out
    assert 'name="link"' not in (tmp_path / "junit.xml").read_text()


def test_a_run_is_gone_on_with_over_the_same_line(out: Path, tmp_path: Path) -> None:
    first, *verdicts, end = (out / RECORD).read_bytes().splitlines(keepends=True)
    assert b'"type":"end"' in end
    (tmp_path / RECORD).write_bytes(first + b"".join(verdicts[:-2]))
    before = read_record(tmp_path)
    assert not before.complete
    assert cli.run(["conform", "--resume", str(tmp_path)]) == ExitCode.FAILED
    after = read_record(tmp_path)
    assert after.complete
    assert [v.link for v in after.verdicts] == [OVER_IT] * len(verdicts)


def test_runs_over_different_lines_do_not_belong_into_one_record(
    record: Record, tmp_path: Path
) -> None:
    chosen = ("reference", "two-owners", "--case", "SUB-01", "--profile", "usdm")
    assert conform(tmp_path, *chosen) == ExitCode.OK
    other = read_record(tmp_path).run
    assert unlike(record.run, other) == [f"link: {LINE} and none"]


def test_a_line_thinner_than_a_case_needs_makes_it_unsupported_by_name(tmp_path: Path) -> None:
    chosen = ("--case", "HB-02", "--case", "FUZZ-06", "--profile", "usdm")
    conform(tmp_path, "reference", *chosen, "--link", "bandwidth=64KB/s")
    assert {v.number: (v.verdict, v.reason, v.link) for v in read_record(tmp_path).verdicts} == {
        number: (
            Verdict.UNSUPPORTED,
            f"the line passes 64 KB/s, the case needs {needed}: give a wider `--link`",
            "bandwidth=64KB/s",
        )
        for number, needed in (("HB-02", 600), ("FUZZ-06", 4000))
    }


@pytest.mark.parametrize(
    ("terms", "part", "expected"),
    [
        (",", ",", "at least one of latency, jitter, bandwidth, slice, gap, ends: "),
        ("delay=3ms", "delay=3ms", "each once of latency, jitter, bandwidth, slice, gap, ends: "),
        ("latency=1ms, latency=2ms", "latency=2ms", "each once of latency, "),
        ("latency", "latency", "a number with one of ms, s"),
        ("latency=80", "latency=80", "a number with one of ms, s"),
        ("latency=-1ms", "latency=-1ms", "a number with one of ms, s"),
        ("latency=\u0663ms", "latency=\u0663ms", "a number with one of ms, s"),
        ("latency=0.4ms", "latency=0.4ms", "whole ms"),
        ("bandwidth=64KB", "bandwidth=64KB", "a number with one of B/s, KB/s, MB/s"),
        ("slice=1.5B", "slice=1.5B", "whole B"),
        ("ends=abort", "ends=abort", "ends=fin or ends=reset"),
        ("jitter=1ms", "jitter=1ms", "latency=… beside jitter"),
        ("gap=1ms", "gap=1ms", "slice=… beside gap"),
        ("latency=1ms,jitter=2ms", None, "another value: jitter_ms must be from 0 to delay_ms"),
        ("latency=3601s", None, "another value: delay_ms must be at most 3600000"),
        ("bandwidth=0KB/s", None, "another value: bytes_per_s must be positive"),
        ("bandwidth=1500B/s", None, "another value: bytes_per_s must be whole thousands"),
        ("slice=0B", None, "another value: bytes must be at least 1"),
        ("slice=10B,gap=0ms", None, "another value: gap_ms must be at least 0.1"),
    ],
)
def test_what_is_no_line_is_refused_in_one_message(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    terms: str,
    part: str | None,
    expected: str,
) -> None:
    assert conform(tmp_path / "out", "reference", "--link", terms) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert told.startswith(f"mockex: --link: {part or terms!r} is not usable, expected {expected}")
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_a_case_passed_without_is_told_wherever_its_verdict_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--case", "CONN-04", "--case", "HB-03", "--profile", "usdm")
    # Four and two silences of 30 s: there is no time for the last one of either.
    assert conform(tmp_path, "reference", *chosen, "--case-limit", "120") == ExitCode.OK
    note = "not run: {} on a link that holds all bytes: needs {} s; lower `stall_detect_ms` or"
    for_conn, for_hb = note.format("a silence", 151), note.format("silence", 76)
    shown = capsys.readouterr().out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    junit = (tmp_path / "junit.xml").read_text(encoding="utf-8")
    assert f"PASS  reference (CONN-04): {for_conn}" in shown
    assert f"passed CONN-04 in part: {for_conn}" in page
    assert f"<system-out>note: {for_conn}" in junit
    assert not any(for_hb in told for told in (shown, page, junit))


# --- on the machine -------------------------------------------------------------------------------


def judged(folder: Path, *cases: Case, link: str = "") -> dict[str, CaseVerdict]:
    """The verdicts on a client that keeps one connection as long as it lasts."""
    program = folder / "client.py"
    program.write_text(FEED)
    limits = Limits(close_ms=500)
    testee = Description(
        name="client", command=["{python}", str(program)], cwd=folder, limits=limits
    )
    terms = LinkTerms.parse(link) if link else None
    plan = Plan(testees=[testee], cases=cases, out=folder / "out", profiles=["usdm"], link=terms)
    return {v.number: v for v in run(plan, lambda _: None)}


def case(number: str, link: Link) -> Case:
    return Case(
        f"test/{number}", number, Severity.MUST, Level.L0, _in_two_parts, "A rule.", link=link
    )


async def _in_two_parts(run: Run) -> None:
    await run.until_steps(3)
    run.note("first")
    if run.has_link("bytes that are late"):
        run.note("second")


def test_without_a_server_one_case_says_what_to_do_and_the_other_what_it_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare_machine(tmp_path, monkeypatch)
    verdicts = judged(
        tmp_path, case("CONN-01", "needed"), case("CONN-02", "wanted"), case("CONN-03", "")
    )
    needs, wants, has_none = (verdicts[f"CONN-0{n}"] for n in (1, 2, 3))
    assert (needs.verdict, needs.reason) == (Verdict.INCONCLUSIVE, NO_SERVER)
    assert needs.findings == []
    assert (wants.verdict, wants.link) == (Verdict.PASS, "")
    assert wants.notes == [f"not run: bytes that are late, for there is no link: {NO_SERVER}"]
    recording = read_recording(tmp_path / "out" / wants.journal)
    assert recording.noted("first")
    assert not recording.noted("second")
    assert has_none.notes == [
        "not run: bytes that are late, for there is no link: the case has none"
    ]


def test_without_a_server_nothing_is_judged_over_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare_machine(tmp_path, monkeypatch)
    verdicts = judged(tmp_path, case("CONN-01", ""), case("CONN-02", "wanted"), link=LINE)
    assert {(v.verdict, v.reason, v.link) for v in verdicts.values()} == {
        (Verdict.INCONCLUSIVE, NO_SERVER, LINE)
    }
    assert f" --link {LINE} " in verdicts["CONN-01"].replay


@pytest.mark.toxiproxy
def test_a_link_that_broke_is_an_error_whatever_else_was_found(tmp_path: Path) -> None:
    async def lose_the_server(run: Run) -> None:
        line = run.exchange.line
        assert isinstance(line, ProxiedLine)
        os.kill(line.server_pid, signal.SIGKILL)
        await run.sleep(10.0)  # over when the client has died of it, which fails a case

    async def lose_the_client(run: Run) -> None:
        await run.cause(Reset())
        await run.sleep(10.0)

    broken, sound = (
        Case(f"test/{n}", n, Severity.MUST, Level.L0, body, "A rule.", link="needed")
        for n, body in (("CONN-01", lose_the_server), ("CONN-02", lose_the_client))
    )
    verdicts = judged(tmp_path, broken, sound)
    error = verdicts["CONN-01"]
    assert (error.verdict, error.findings) == (Verdict.ERROR, [])
    assert error.reason.startswith("the link: ")
    assert "does not answer" in error.reason
    recording = read_recording(tmp_path / "out" / error.journal)
    assert judge(recording, broken) == (Verdict.ERROR, [], error.reason)
    assert Alive().judge(recording)
    assert verdicts["CONN-02"].verdict is Verdict.FAIL
