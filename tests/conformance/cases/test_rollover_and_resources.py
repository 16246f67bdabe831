"""Rollover and resources: the verdicts that none of the suite's own testees gets, from testees of a
few lines, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockex_conformance.case import all_cases
from mockex_conformance.description import Description, Limits
from mockex_conformance.harness import batches
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.plan import Plan
from mockex_conformance.verdict import CaseVerdict, Verdict

pytestmark = pytest.mark.timeout(120)

# Connects again after `WAIT_S`; `NOTICED` says what to do on a notice; says `GAUGE`, if anything.
CLIENT = """\
import asyncio, json
from websockets.asyncio.client import connect
WAIT_S, NOTICED, GAUGE, SUPPORTS = {wait_s}, {noticed!r}, {gauge!r}, {supports}
async def main(environ, stdin, stdout):
    print("told", environ.get("MOCKEX_LIFETIME_S"))
    said = lambda method, **params: stdout(
        json.dumps({{"jsonrpc": "2.0", "method": method, "params": params}}))
    if SUPPORTS is not None:
        said("hello", protocol=1, name="x", version="1", supports=SUPPORTS)
    async def gauge():
        while GAUGE:
            said("gauge", **GAUGE)
            await asyncio.sleep(1)
    saying = asyncio.create_task(gauge())
    prefix = "/public" if environ["MOCKEX_PROFILE"] == "usdm" else ""
    url = environ["MOCKEX_WS_URL"] + prefix + "/stream?streams=" + environ["MOCKEX_STREAMS"]
    while True:
        try:
            async with connect(url, ping_interval=None, proxy=None) as ws:
                async for text in ws:
                    if "serverShutdown" in text and NOTICED == "leave":
                        break
        except Exception:
            pass
        await asyncio.sleep(WAIT_S)
"""
LIMITS = Limits(
    reconnect_first_ms=1000, reconnect_cap_ms=1000, handshake_timeout_ms=1500, stable_ms=500,
    close_ms=500, overlap_ms=1000,
)  # fmt: skip


def judged(
    tmp_path: Path,
    number: str,
    profile: str,
    *,
    wait_s: float = 0.05,
    noticed: str = "",
    gauge: dict[str, Any] | None = None,
    supports: list[str] | None = None,
    case_limit_s: float | None = None,
    **more: Any,
) -> CaseVerdict:
    program = CLIENT.format(wait_s=wait_s, noticed=noticed, gauge=gauge, supports=supports)
    (tmp_path / "program.py").write_text(program)
    testee = Description(
        name="t",
        command=["false"],
        entry="program:main",
        cwd=tmp_path,
        level=0 if supports is None else 1,
        **{"limits": LIMITS, **more},
    )
    cases = [c for c in all_cases().values() if c.number == number]
    plan = Plan(
        testees=[testee], cases=cases, out=tmp_path / "out", profiles=[profile],
        ground=Ground.VIRTUAL, case_limit_s=case_limit_s,
    )  # fmt: skip
    (verdict,) = batches.run(plan, lambda _: None)
    return verdict


# --- rollover ---


@pytest.mark.parametrize("number", ["ROLL-01", "ROLL-04", "ROLL-06"])
@pytest.mark.parametrize("profile", ["spot", "usdm"])
def test_who_is_simply_cut_and_comes_back_passes(tmp_path: Path, number: str, profile: str) -> None:
    verdict = judged(tmp_path, number, profile)
    assert verdict.verdict is Verdict.PASS, verdict


def test_a_notice_that_nobody_hears_is_a_gap(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "ROLL-02", "spot")
    assert verdict.verdict is Verdict.FAIL
    assert verdict.findings[0].message.startswith("no live delivery for ")
    assert "no new one had been opened" in verdict.findings[0].message


def test_who_leaves_before_the_new_connection_is_live_has_a_gap_and_no_overlap(
    tmp_path: Path,
) -> None:
    gap = judged(tmp_path, "ROLL-02", "spot", noticed="leave")
    assert gap.verdict is Verdict.FAIL
    assert "the testee ended c1, 0.0" in gap.findings[0].message
    left = judged(tmp_path, "ROLL-03", "spot", noticed="leave")
    assert left.verdict is Verdict.PASS, left
    assert left.notes == ["no overlap after the notice: the old connection ended first"]


def test_who_has_no_planned_handover_is_told_what_to_declare(tmp_path: Path) -> None:
    for profile in ("spot", "usdm"):
        verdict = judged(tmp_path, "ROLL-03", profile)
        assert verdict.verdict is Verdict.UNSUPPORTED, verdict
        assert verdict.reason.startswith("no planned handover: ")
        assert "`renews = true`" in verdict.reason
    verdict = judged(tmp_path, "ROLL-05", "usdm")
    assert verdict.verdict is Verdict.UNSUPPORTED
    assert verdict.reason.startswith("it does not renew: declare `renews = true`")


def told(tmp_path: Path, verdict: CaseVerdict) -> str:
    return (tmp_path / "out" / verdict.stderr).read_text().split("told ")[-1].splitlines()[0]


def test_only_who_renews_is_told_a_lifetime(tmp_path: Path) -> None:
    assert told(tmp_path, judged(tmp_path, "ROLL-01", "usdm")) == "None"
    assert told(tmp_path, judged(tmp_path, "ROLL-01", "usdm", renews=True)) == "6"


def test_who_declares_that_he_renews_and_does_not_passes_nothing_of_it(tmp_path: Path) -> None:
    for number in ("ROLL-03", "ROLL-06"):
        verdict = judged(tmp_path, number, "usdm", renews=True)
        assert verdict.verdict is Verdict.INCONCLUSIVE, verdict
        assert verdict.reason.startswith("it declares `renews`, was told a lifetime of 6 s and had")
        assert told(tmp_path, verdict) == "6"
    verdict = judged(tmp_path, "ROLL-05", "usdm", renews=True)
    assert verdict.verdict is Verdict.FAIL
    assert {f.check for f in verdict.findings} == {"renewed_in_time", "no_gap_in_deliveries"}
    assert told(tmp_path, verdict) == "20"


@pytest.mark.parametrize("number", ["ROLL-01", "ROLL-02", "ROLL-03", "ROLL-06"])
def test_limits_that_make_a_case_too_long_leave_it_unsupported(tmp_path: Path, number: str) -> None:
    limits = Limits(stable_ms=60_000, overlap_ms=60_000, reconnect_first_ms=10_000)
    verdict = judged(
        tmp_path,
        number,
        "spot",
        limits=limits,
        renews=True,
        modes=["raw", "combined"],
        case_limit_s=180,
    )
    assert verdict.verdict is Verdict.UNSUPPORTED, verdict
    assert verdict.reason.endswith("or raise `--case-limit` (now 180 s)")


# --- resources ---


def test_a_gauge_that_is_not_offered_leaves_the_case_unsupported(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "RES-03", "usdm", supports=["event"])
    assert verdict.verdict is Verdict.UNSUPPORTED
    assert verdict.reason.startswith("needs `gauge`: list it in `supports` of `hello`")


@pytest.mark.parametrize("gauge", [None, {"queued": 3}, {"tasks": "three"}])
def test_a_gauge_that_is_offered_and_never_tells_is_no_way_out(
    tmp_path: Path, gauge: dict[str, Any] | None
) -> None:
    verdict = judged(tmp_path, "RES-03", "usdm", supports=["gauge"], gauge=gauge)
    assert verdict.verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR), verdict
    if gauge != {"tasks": "three"}:
        assert verdict.verdict is Verdict.INCONCLUSIVE
        assert "sent none with `tasks` before and after the first thirty losses" in verdict.reason


def test_a_gauge_that_stays_what_it_was_passes(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "RES-03", "usdm", supports=["gauge"], gauge={"tasks": 3})
    assert verdict.verdict is Verdict.PASS, verdict


def test_fewer_than_six_failed_attempts_prove_nothing(tmp_path: Path) -> None:
    assert judged(tmp_path, "RES-05", "usdm").verdict is Verdict.PASS
    verdict = judged(tmp_path, "RES-05", "usdm", wait_s=1.2)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.reason.endswith("at least 6 are needed"), verdict
