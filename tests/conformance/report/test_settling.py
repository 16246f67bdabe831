"""Verdicts as they came into verdicts as they count."""

from __future__ import annotations

from mockex_conformance.description import Description
from mockex_conformance.report.lines import run_line
from mockex_conformance.report.settling import key, settled
from mockex_conformance.verdict import Verdict

from .conftest import MakeVerdict

FIRST = run_line(seed=7, command=["mockex"], cases=["CONN-01"])


def test_repetitions_that_agree_are_one_verdict(make_verdict: MakeVerdict) -> None:
    assert [v.verdict for v in settled([make_verdict(), make_verdict()], FIRST)] == [Verdict.PASS]


def test_repetitions_that_differ_are_flaky_and_keep_the_findings(
    make_verdict: MakeVerdict,
) -> None:
    (verdict,) = settled([make_verdict(), make_verdict("FAIL"), make_verdict()], FIRST)
    assert verdict.verdict is Verdict.FLAKY
    assert verdict.reason == "differs between repetitions: 2 PASS, 1 FAIL"
    assert len(verdict.findings) == 1


def test_profiles_and_modes_are_settled_apart(make_verdict: MakeVerdict) -> None:
    verdicts = [
        make_verdict("FAIL", profile="spot"),
        make_verdict("PASS"),
        make_verdict("FAIL", mode="raw"),
    ]
    assert settled(reversed(verdicts), FIRST) == verdicts


def test_verdicts_stand_in_the_order_of_the_run_not_in_that_of_their_end(
    make_verdict: MakeVerdict,
) -> None:
    run = run_line(
        seed=7,
        command=[],
        testees=[Description(name=name, command=["x"]) for name in ("zulu", "alpha")],
        cases=["RECON-01", "CONN-01"],
    )
    came = [
        make_verdict(testee=testee, number=number, case=number)
        for testee, number in (
            ("alpha", "CONN-01"), ("zulu", "CONN-01"), ("alpha", "RECON-01"), ("zulu", "RECON-01"),
        )
    ]  # fmt: skip
    assert [(v.testee, v.number) for v in settled(came, run)] == [
        ("zulu", "RECON-01"),
        ("zulu", "CONN-01"),
        ("alpha", "RECON-01"),
        ("alpha", "CONN-01"),
    ]


def test_each_repetition_is_a_job_of_its_own(make_verdict: MakeVerdict) -> None:
    assert key(make_verdict(turn=2)) == (
        "orderly", "usdm", "connection/one-delivery-after-reset", 2,
    )  # fmt: skip
