"""`pytest --mockex-testee`: the catalogue as ordinary tests, by what pytest says of them."""

from __future__ import annotations

import glob
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import psutil
import pytest

from mockex_conformance.collecting.runs import Runs
from mockex_conformance.harness.worker import Job, verdict_of
from mockex_conformance.rejudging import judge_again
from mockex_conformance.report.record import read_record
from mockex_conformance.verdict import CaseVerdict, Finding, Verdict
from tests.programs import ending

pytest_plugins = "pytester"

TESTEE = """
[testee]
name = "leaky"
command = ["{python}", "adapter.py"]
entry = "adapter:run"
profiles = ["usdm"]
"""
# It comes back, and with it a second one.
ADAPTER = """
import asyncio, os
from websockets.asyncio.client import connect

async def follow(url, others):
    while True:
        try:
            async with connect(url, proxy=None, close_timeout=1) as ws:
                async for _ in ws:
                    pass
        except Exception:
            pass
        await asyncio.sleep(0.3)
        if not others:
            others.append(asyncio.create_task(follow(url, others)))

async def run(env, *_):
    streams = env["MOCKEX_STREAMS"].replace(",", "/")
    await follow(f"{env['MOCKEX_WS_URL']}/public/stream?streams={streams}", [])

if __name__ == "__main__":
    asyncio.run(run(os.environ))
"""
VIRTUAL = "--mockex-ground=virtual"


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    """A folder with a leaky adapter and its description."""
    (pytester.path / "testee.toml").write_text(TESTEE)
    (pytester.path / "adapter.py").write_text(ADAPTER)
    return pytester.path


def run(pytester: pytest.Pytester, *args: str, subprocess: bool = False) -> pytest.RunResult:
    """What pytest says. Warnings are errors there too."""
    plain = [f"-pno:{name}" for name in ("hypothesispytest", "randomly")]
    plain += ["-Werror"]
    if "-pno:asyncio" not in args:
        plain += ["-oasyncio_default_fixture_loop_scope=function"]
    call = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
    return call(*plain, *args)


def said(result: pytest.RunResult, *lines: str) -> None:
    """Each line stands in the output, as part of one, in this order."""
    result.stdout.fnmatch_lines([f"*{glob.escape(line)}*" for line in lines])


def ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


# --- what is collected ---


def test_there_is_an_item_for_each_profile_and_case(
    pytester: pytest.Pytester, folder: Path
) -> None:
    (folder / "testee.toml").write_text(TESTEE.replace('["usdm"]', '["spot", "usdm"]'))
    found = ids(run(pytester, "--mockex-testee=testee.toml", "--collect-only", "-q"))
    assert "testee.toml::leaky[usdm-CONN-01]" in found
    assert "testee.toml::leaky[spot-CONN-01]" in found
    assert len(found) == len(set(found)) == 106
    one = run(pytester, "testee.toml", "--mockex-profile=spot", "--collect-only", "-q")
    assert len(ids(one)) == 53
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (("-k", "CONN-01"), ["CONN-01"]),
        (("-k", "one-delivery-after-reset"), ["CONN-01"]),
        (("-m", "recon and alone"), ["RECON-04", "RECON-05"]),
        (("-m", "sub and level2"), ["SUB-07", "SUB-09"]),
        (("-m", "recon and should and not alone"), ["RECON-06", "RECON-07"]),
    ],
    ids=["number", "id", "alone", "level", "severity"],
)
def test_items_are_chosen_as_any(
    pytester: pytest.Pytester, folder: Path, choice: tuple[str, ...], wanted: list[str]
) -> None:
    result = run(pytester, "testee.toml", *choice, "--strict-markers", "--collect-only", "-q")
    assert ids(result) == [f"testee.toml::leaky[usdm-{number}]" for number in wanted]


def test_it_is_added_to_the_tests_that_there_are(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    found = ids(
        run(pytester, "--mockex-testee=.", "-k", "test_own or CONN-01", "--collect-only", "-q")
    )
    assert sorted(found) == ["test_own.py::test_own", "testee.toml::leaky[usdm-CONN-01]"]
    only = run(pytester, "testee.toml", "-k", "test_own or CONN-01", "--collect-only", "-q")
    assert ids(only) == ["testee.toml::leaky[usdm-CONN-01]"]


def test_one_that_nobody_names_is_no_file_of_tests(pytester: pytest.Pytester, folder: Path) -> None:
    assert run(pytester).ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_one_of_ours_is_named_by_its_name(pytester: pytest.Pytester) -> None:
    found = ids(run(pytester, "--mockex-testee=orderly", "-k", "CONN-01", "--collect-only", "-q"))
    assert not found
    result = run(
        pytester, "--mockex-testee=reference", "-k", "usdm-CONN-01", "--collect-only", "-q"
    )
    (found_one,) = ids(result)
    assert found_one.endswith("/reference/testee.toml::reference[usdm-CONN-01]")


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--mockex-testee=./nowhere.toml",), "--mockex-testee ./nowhere.toml: there is no such f"),
        (("--mockex-testee=referenc",), "--mockex-testee: TESTEE: 'referenc' is not usable"),
        (("testee.toml", "--mockex-ground=virtul"), "ground 'virtul' is neither 'real' nor 'virt"),
        (("testee.toml", "--mockex-profile=coin"), "profile 'coin': testees are judged on 'spot'"),
        (("testee.toml", "--mockex-jobs=0"), "jobs '0' is no number from 1 on"),
        (("testee.toml", "-omockex_strict=perhaps"), "strict 'perhaps' is neither 'yes' nor 'no'"),
    ],
    ids=["file", "name", "ground", "profile", "jobs", "strict"],
)
def test_what_cannot_be_is_refused_at_once(
    pytester: pytest.Pytester, folder: Path, args: tuple[str, ...], why: str
) -> None:
    result = run(pytester, *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*mockex: {glob.escape(why)}*"])


def test_a_description_that_cannot_be_used_names_its_line(
    pytester: pytest.Pytester, folder: Path
) -> None:
    (folder / "testee.toml").write_text(TESTEE + "levl = 1\n")
    result = run(pytester, "testee.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*testee.toml:7*levl*"])


def test_two_testees_of_one_name_are_refused(pytester: pytest.Pytester, folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "testee.toml").write_text(TESTEE)
    result = run(pytester, "testee.toml", "--mockex-testee=other")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'leaky' is not usable, expected each name once; it is in *"])


def test_a_folder_of_somebody_else_is_left_alone(pytester: pytest.Pytester, folder: Path) -> None:
    (folder / "out" / "journal").mkdir(parents=True)
    result = run(pytester, "testee.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*mockex: --out: *a folder without a 'journal'*"])


def test_pytest_tells_of_all_settings(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--help")
    assert result.ret == 0
    for name in ("testee", "ground", "out", "jobs", "strict", "seed", "profile", "url"):
        said(result, f"  --mockex-{name}")
        if name != "testee":
            said(result, f"  mockex_{name} (string):")


# --- what a verdict becomes ---

MakeVerdict = Callable[[Job], CaseVerdict]


def gives(monkeypatch: pytest.MonkeyPatch, verdict: str, **more: Any) -> None:
    """Every case has this verdict, and nothing runs."""
    facts: dict[str, Any] = {"reason": "so it is"} if verdict != "PASS" else {}
    if verdict == "FAIL":
        found = Finding(check="recovered", message="not recovered", at_s=1.5, fault="Reset on c1")
        facts = {"findings": [found], "journal": "journal/x.jsonl"}

    def judged(_: Runs, job: Job) -> CaseVerdict:
        return verdict_of(job, Verdict(verdict), **facts | more)

    monkeypatch.setattr(Runs, "verdict", judged)


MUST, SHOULD = "CONN-01", "SUB-08"


def test_what_a_testee_wrote_is_no_order_to_the_terminal(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gives(monkeypatch, "INCONCLUSIVE", reason="last words: \x1b[31m\x9b2J")
    result = run(pytester, "testee.toml", "-k", f"{MUST} or {SHOULD}", "-rx")
    assert "last words: ?[31m?2J" in result.stdout.str()
    assert not {"\x1b", "\x9b"} & {*result.stdout.str()}


@pytest.mark.parametrize(
    ("verdict", "case", "more", "outcome"),
    [
        ("PASS", MUST, (), {"passed": 1}),
        ("FAIL", MUST, (), {"failed": 1}),
        ("FAIL", SHOULD, (), {"xfailed": 1}),
        ("FAIL", SHOULD, ("--mockex-strict",), {"failed": 1}),
        ("FAIL", SHOULD, ("-omockex_strict=yes",), {"failed": 1}),
        ("FAIL", SHOULD, ("--runxfail",), {"failed": 1}),
        ("INCONCLUSIVE", MUST, (), {"errors": 1}),
        ("INCONCLUSIVE", SHOULD, (), {"xfailed": 1}),
        ("ERROR", MUST, (), {"errors": 1}),
        ("ERROR", SHOULD, (), {"errors": 1}),
        ("UNSUPPORTED", MUST, (), {"skipped": 1}),
    ],
)
def test_a_verdict_is_weighed_as_conform_does(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch,
    verdict: str, case: str, more: tuple[str, ...], outcome: dict[str, int],
) -> None:  # fmt: skip
    gives(monkeypatch, verdict)
    result = run(pytester, "testee.toml", "-k", case, *more)
    result.assert_outcomes(**{"deselected": 52, **outcome})


@pytest.mark.parametrize(
    ("verdict", "outcome", "text"),
    [
        ("FAIL", {"xfailed": 1}, "known FAIL: the library (#12)"),
        (
            "PASS",
            {"failed": 1},
            "FAIL was expected (the library), and it passed: take the [[expect]] out of testee.to",
        ),
        ("INCONCLUSIVE", {"errors": 1}, "INCONCLUSIVE: so it is"),
    ],
)
def test_a_known_failure_is_expected_and_its_end_is_told(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch,
    verdict: str, outcome: dict[str, int], text: str,
) -> None:  # fmt: skip
    known = (
        '[[expect]]\ncase = "CONN-01"\nverdict = "FAIL"\nreason = "the library"\nissue = "#12"\n'
    )
    (folder / "testee.toml").write_text(TESTEE + known)
    gives(monkeypatch, verdict)
    result = run(pytester, "testee.toml", "-k", MUST, "-rxXfE")
    if verdict != "INCONCLUSIVE":
        result.assert_outcomes(**{"deselected": 52, **outcome})
    said(result, text)


def test_a_failure_is_the_finding_in_words_everywhere(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gives(monkeypatch, "FAIL")
    result = run(pytester, "testee.toml", "-k", MUST, "--junitxml=it.xml")
    told = [
        "not recovered",
        "  rule    MUST: A connection that the peer resets is replaced by exactly one new ",
        "  moment  1.500 s into the case",
        "  fault   Reset on c1",
        "  seed    7",
        "testee.toml --case CONN-01 --profile usdm --seed 7",  # the line that replays it
        f"  journal {folder / 'out' / 'journal' / 'x.jsonl'}",
    ]
    said(
        result,
        "leaky[usdm-CONN-01] connection/one-delivery-after-reset",
        *told,
        "FAILED testee.toml::leaky[usdm-CONN-01] - not recovered",
    )
    result.stdout.no_fnmatch_line("*items.py*")
    (failure,) = ET.parse(folder / "it.xml").iter("failure")
    assert failure.get("message") == "not recovered"
    assert all(line in str(failure.text) for line in told)


def test_one_that_never_goes_live_is_explained_once(
    pytester: pytest.Pytester, folder: Path
) -> None:
    (folder / "adapter.py").write_text("async def run(*_): raise OSError('no such luck')")
    result = run(pytester, "testee.toml", VIRTUAL, "-k", "CONN-01 or CONN-06 or HB-01")
    result.assert_outcomes(failed=3, deselected=50)
    said(
        result, "exit code 1; its last words: OSError: no such luck", "  rule    MUST: A connection"
    )
    (rule,) = [line for line in result.outlines if line.startswith("  rule")]
    assert rule.startswith("  rule    MUST: A connection that the peer resets is replaced")
    said(
        result, "leaky[usdm-HB-01]", "never went live: ", "  as every case of it: it was started on"
    )


def test_a_skip_says_what_to_declare_and_where(pytester: pytest.Pytester, folder: Path) -> None:
    result = run(pytester, "testee.toml", VIRTUAL, "-k", "SUB-09 or CONN-06", "-rs")
    said(result, "SKIPPED [1] testee.toml:1: needs level 2; the testee declares `level = 0`")


def test_a_testee_of_which_nothing_could_be_judged_has_not_passed(
    pytester: pytest.Pytester, folder: Path
) -> None:
    result = run(pytester, "testee.toml", VIRTUAL, "-k", "SUB-09")
    result.assert_outcomes(skipped=1, deselected=52)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said(result, "nothing could be judged of leaky: that is no success")


# --- what is run ---


def test_an_adapter_that_leaks_is_found_and_recorded(
    pytester: pytest.Pytester, folder: Path
) -> None:
    result = run(pytester, "testee.toml", VIRTUAL, "-k", "CONN-01 or HB-01")
    result.assert_outcomes(failed=1, passed=1, deselected=51)
    said(
        result,
        "mockex testees: testee.toml; seed 7, ground virtual, record in ",
        "is delivered on 2 live connections (c2, c3); exactly 1 is allowed",
        "1 PASS, 1 FAIL; page ",
    )
    record = read_record(folder / "out")
    assert record.complete
    assert {(v.number, str(v.verdict)) for v in record.verdicts} == {
        ("CONN-01", "FAIL"),
        ("HB-01", "PASS"),
    }
    assert judge_again(folder / "out").result.counts == {"FAIL": 1, "PASS": 1}
    assert (folder / "out" / "report.html").stat().st_size > 10_000
    assert ET.parse(folder / "out" / "junit.xml").getroot().get("failures") == "1"
    assert not [*(folder / "out").glob(".*")]


def test_only_what_failed_is_run_again(pytester: pytest.Pytester, folder: Path) -> None:
    run(pytester, "testee.toml", VIRTUAL, "-k", "CONN-01 or HB-01")
    again = run(pytester, "testee.toml", VIRTUAL, "--lf")
    again.assert_outcomes(failed=1, deselected=52)
    by_id = run(pytester, VIRTUAL, "testee.toml::leaky[usdm-HB-01]")
    by_id.assert_outcomes(passed=1)
    assert [v.number for v in read_record(folder / "out").verdicts] == ["HB-01"]


def test_workers_share_the_cases_and_one_record(pytester: pytest.Pytester, folder: Path) -> None:
    result = run(
        pytester, "--mockex-testee=testee.toml", VIRTUAL, "-n2", "-k",
        "CONN-01 or HB-01 or CONN-06", "--junitxml=it.xml", subprocess=True,
    )  # fmt: skip
    assert result.parseoutcomes()["failed"] >= 1
    said(result, "is delivered on 2 live connections (c2, c3); exactly 1 is allowed")
    record = read_record(folder / "out")
    assert sorted(v.number for v in record.verdicts) == ["CONN-01", "CONN-06", "HB-01"]
    assert record.complete
    assert len([*ET.parse(folder / "it.xml").iter("testcase")]) == 3
    assert record.end is not None
    assert judge_again(folder / "out").result.counts == record.end.counts
    assert not [*(folder / "out").glob(".*")]


def test_it_stops_at_the_first_failure(pytester: pytest.Pytester, folder: Path) -> None:
    result = run(pytester, "testee.toml", VIRTUAL, "-x", "-m", "conn")
    result.assert_outcomes(failed=1, deselected=44)
    assert [v.number for v in read_record(folder / "out").verdicts] == ["CONN-01"]
    assert not [p for p in psutil.Process().children(recursive=True) if _judges(p)]
    assert not [*(folder / "out" / "stderr").glob("pytest-*")]


def _judges(process: psutil.Process) -> bool:
    try:
        return "mockex_conformance.collecting.child" in process.cmdline()
    except psutil.Error:
        return False


@pytest.mark.parametrize("ground", ["real", "virtual"])
def test_it_runs_as_plainly_as_pytest_does(
    pytester: pytest.Pytester, folder: Path, ground: str
) -> None:
    (folder / "testee.toml").write_text(TESTEE)
    result = run(
        pytester, "-pno:asyncio", "-pno:xdist", "-pno:timeout", "-pno:cacheprovider", "testee.toml",
        f"--mockex-ground={ground}", "-k", "HB-01",
    )  # fmt: skip
    result.assert_outcomes(passed=1, deselected=52)


def test_a_judge_that_dies_leaves_errors_that_say_so(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(folder))
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'mockex_conformance.collecting.child' in sys.orig_argv: sys.exit('no such luck')\n"
    )
    result = run(pytester, "testee.toml", "-k", "CONN-01 or HB-01")
    assert result.parseoutcomes() == {"errors": 2, "deselected": 51}
    said(result, "ERROR: mockex: the process that judges ended with 1; its last words:", "luck")


def test_ctrl_c_ends_what_runs_and_the_record_says_so(
    pytester: pytest.Pytester, folder: Path
) -> None:
    command = [sys.executable, "-m", "pytest", "-pno:randomly", "testee.toml", "-k", "HB-03"]
    with ending(subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
    )) as process:  # fmt: skip
        judging = psutil.Process(process.pid)
        journal = folder / "out" / "journal" / "leaky-usdm-HB-03.jsonl"
        while not journal.exists():
            assert process.poll() is None
        started = judging.children(recursive=True)
        assert started
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    gone, alive = psutil.wait_procs(started, timeout=10)
    assert (len(gone), alive) == (len(started), [])
    end = json.loads((folder / "out" / "run.jsonl").read_text().splitlines()[-1])
    assert (end["type"], end["exit_code"]) == ("end", 2)
