"""The incident's arithmetic and words."""

from __future__ import annotations

from typing import Any

import pytest

from mockex_conformance.incident import (
    Round,
    Rounds,
    compare,
    disagreements,
    fit,
    paragraph,
    paragraphs,
    record_growth,
    record_traffic,
    variant_of,
)
from mockex_conformance.verdict import CaseVerdict, Finding, Level, Severity, Verdict

BUG, FIX = "incident-go-bug", "incident-go-fix3"


def judged(testee: str, number: str, verdict: str, message: str = "") -> CaseVerdict:
    more: dict[str, Any] = {}
    if message:
        more["findings"] = [Finding(check="x", message=message, at_s=1.0)]
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
        requirement=f"The rule of {number}.",
        **more,
    )


def rounds(testee: str, *live: int) -> Rounds:
    return Rounds(testee, "usdm", tuple(Round(i, n, n, n, 3.1 * n) for i, n in enumerate(live)))


def test_the_record_fits_as_it_is_told() -> None:
    traffic, growth = record_traffic(), record_growth()
    assert (round(traffic.slope, 2), round(traffic.intercept, 1)) == (3.12, -79.9)
    assert round(traffic.r2, 3) == 0.997
    assert (round(growth.slope, 1), round(growth.intercept, 1)) == (42.6, 60.8)
    assert round(growth.r2, 4) == 0.9996


def test_points_on_a_line_are_fitted_exactly() -> None:
    line = fit([(1, 5.0), (2, 8.0), (4, 14.0)])
    assert line is not None
    assert (line.slope, line.intercept, line.r2) == pytest.approx((3.0, 2.0, 1.0))


@pytest.mark.parametrize("points", [[], [(1, 2)], [(1, 2), (1, 3)]])
def test_points_that_determine_no_line_have_none(points: list[tuple[float, float]]) -> None:
    assert fit(points) is None


def test_a_testee_that_stays_at_one_delivery_has_no_line() -> None:
    measured = rounds(FIX, 1, 1, 1)
    assert measured.line is None
    assert measured.healthy_kb_s == pytest.approx(3.1)


def test_slope_of_the_rounds_is_the_traffic_of_one_healthy_connection() -> None:
    measured = rounds(BUG, 1, 2, 3)
    assert measured.line is not None
    assert measured.line.slope == pytest.approx(measured.healthy_kb_s)


def test_the_variant_is_the_name_without_the_language() -> None:
    assert variant_of("incident-python-fix1-socket") == "fix1-socket"
    assert variant_of("reference") == "reference"


def test_a_fix_mends_leaves_and_breaks_by_the_verdicts_alone() -> None:
    verdicts = [
        *(judged(BUG, n, v) for n, v in zip("ABCDE", "FFPPF", strict=True) for v in [_WORD[v]]),
        *(judged(FIX, n, _WORD[v]) for n, v in zip("ABCDE", "PFFPU", strict=True)),
    ]
    found = compare(verdicts, FIX, BUG)
    assert [v.number for v in found.mends] == ["A"]
    assert [v.number for v in found.leaves] == ["B"]
    assert [v.number for v in found.breaks] == ["C"]
    assert [v.number for v in found.unknown] == ["E"]


_WORD = {"P": "PASS", "F": "FAIL", "U": "UNSUPPORTED"}


def test_a_flaky_case_is_neither_mended_nor_left() -> None:
    found = compare([judged(BUG, "A", "FLAKY"), judged(FIX, "A", "PASS")], FIX, BUG)
    assert [v.number for v in found.flaky] == ["A"]
    assert not found.mends
    assert "A tells nothing of the fix" in paragraphs([found])[0][1]


def test_a_case_on_which_the_languages_differ_is_not_credited_to_the_fix() -> None:
    came = {"incident-go-bug": "FAIL", "incident-go-fix3": "PASS",
            "incident-python-bug": "PASS", "incident-python-fix3": "PASS"}  # fmt: skip
    verdicts = [
        v
        for testee, close in came.items()
        for v in (
            judged(testee, "CONN-01", "FAIL" if testee.endswith("bug") else "PASS"),
            judged(testee, "CLOSE-02", close),
        )
    ]
    comparisons = [
        compare(verdicts, f"incident-{language}-fix3", f"incident-{language}-bug")
        for language in ("go", "python")
    ]
    ((heading, text),) = paragraphs(comparisons)
    assert heading == "incident-go-fix3, incident-python-fix3"
    assert "It mends 1 case: CONN-01" in text
    assert (
        "CLOSE-02 tells nothing of the fix, it came out both ways (incident-go-bug FAIL, "
        "incident-go-fix3 PASS, incident-python-bug PASS, incident-python-fix3 PASS)"
    ) in text
    assert "mockex conform incident-go-bug --case CLOSE-02 --repeat 10" in text


def test_the_paragraph_is_made_of_rules_and_findings() -> None:
    verdicts = [
        judged(BUG, "CONN-01", "FAIL", "delivered on 2"),
        judged(BUG, "HB-03", "FAIL", "silent"),
        judged(FIX, "CONN-01", "PASS"),
        judged(FIX, "HB-03", "FAIL", "no new connection within 7 s"),
    ]
    by_name = {BUG: rounds(BUG, 1, 2, 3), FIX: rounds(FIX, 1, 1, 1)}
    assert paragraph(compare(verdicts, FIX, BUG), by_name) == (
        "After 2 resets of every connection the stream is delivered once (3 times with the bug). "
        "It mends 1 case: CONN-01 (the rule of CONN-01). "
        "It leaves 1 case failing: HB-03 (no new connection within 7 s)."
    )


def test_findings_that_differ_in_numbers_only_are_said_once() -> None:
    verdicts = [
        judged(t, n, "FAIL", f"stream x@depth5 is delivered on {k} live connections ({conns})")
        for t in (BUG, FIX)
        for n, k, conns in (("A", 2, "c1, c2"), ("B", 3, "c4, c5, c9"))
    ]
    text = paragraph(compare(verdicts, FIX, BUG))
    assert text == (
        "It mends no case that the bug fails. It leaves 2 cases failing: "
        "A, B (stream x@depth5 is delivered on 2 live connections (c1, c2))."
    )


def test_a_fix_that_could_not_run_says_why() -> None:
    fix = judged(FIX, "A", "UNSUPPORTED")
    fix = CaseVerdict(**{f: getattr(fix, f) for f in fix.__struct_fields__} | {"reason": "no Go."})
    assert paragraph(compare([judged(BUG, "A", "FAIL"), fix], FIX, BUG)) == (
        "It was not judged. no Go."
    )


def test_languages_of_which_the_same_is_said_share_a_paragraph() -> None:
    verdicts = [
        judged(f"incident-{language}-{variant}", "A", verdict)
        for language in ("go", "python")
        for variant, verdict in (("bug", "FAIL"), ("fix2", "FAIL"), ("fix3", "PASS"))
    ]
    comparisons = [
        compare(verdicts, f"incident-{language}-{fix}", f"incident-{language}-bug")
        for fix in ("fix2", "fix3")
        for language in ("go", "python")
    ]
    assert [heading for heading, _ in paragraphs(comparisons)] == [
        "incident-go-fix2, incident-python-fix2",
        "incident-go-fix3, incident-python-fix3",
    ]


def test_a_run_that_agrees_with_what_was_expected_has_no_disagreement() -> None:
    verdicts = [judged(BUG, "CONN-01", "FAIL"), judged(FIX, "HB-03", "FAIL")]
    assert disagreements(verdicts, [rounds(BUG, 1, 2, 3), rounds(FIX, 1, 1)]) == []


def test_disagreements_name_the_cell_and_what_was_found() -> None:
    verdicts = [
        judged(BUG, "CONN-06", "PASS"),
        judged(FIX, "CONN-01", "FAIL", "two live"),
        judged(FIX, "HB-03", "INCONCLUSIVE"),
    ]
    found = disagreements(verdicts, [rounds(BUG, 1, 2, 4)])
    assert [(d.testee, d.what, d.expected, d.got, d.why) for d in found] == [
        (BUG, "CONN-06", "FAIL", "PASS", ""),
        (FIX, "CONN-01", "PASS", "FAIL", "two live"),
        (BUG, "live deliveries", "1 2 3", "1 2 4", ""),
    ]


def test_a_question_mark_of_the_expectation_is_kept() -> None:
    (found,) = disagreements([judged(BUG, "CLOSE-02", "FAIL", "connects")])
    assert not found.sure
