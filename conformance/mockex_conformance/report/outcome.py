"""What a list of verdicts amounts to: counts, expectations and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mockex.cli import ExitCode
from mockex_conformance.description import Expect
from mockex_conformance.report.lines import Claim
from mockex_conformance.verdict import CaseVerdict, Severity, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run, from settled verdicts.

    `failed` are required cases that failed and were not expected to; `unjudged` those that say
    nothing although they should; `mended` those of which a known failure was expected and that
    passed: the expectation is out of date, and the run is red until it is taken out.
    """

    verdicts: list[CaseVerdict]
    failed: list[CaseVerdict]
    unjudged: list[CaseVerdict]
    mended: list[CaseVerdict]
    known: list[CaseVerdict]
    counts: dict[str, int]
    exit_code: ExitCode


def expectation(verdict: CaseVerdict, claims: Iterable[Claim]) -> Expect | None:
    """The `[[expect]]` of the testee for that case, named by id or number."""
    for claim in claims:
        if claim.name == verdict.testee:
            for expect in claim.expect:
                if expect.case in (verdict.case, verdict.number) and (
                    expect.profile in ("", verdict.profile)
                ):
                    return expect
    return None


def outcome(
    verdicts: Sequence[CaseVerdict], claims: Sequence[Claim] = (), *, strict: bool = False
) -> Outcome:
    """Weigh settled verdicts (DESIGN, section 5).

    A MUST counts; a SHOULD only if `strict`; a MAY never. UNSUPPORTED counts for nothing, except
    that a testee of which nothing else is known has not been judged. A verdict that an `[[expect]]`
    names is as it should be; a PASS where one names another verdict makes the run fail.
    """
    failed: list[CaseVerdict] = []
    unjudged: list[CaseVerdict] = []
    mended: list[CaseVerdict] = []
    known: list[CaseVerdict] = []
    silent = _nothing_known(verdicts)
    for verdict in verdicts:
        expect = expectation(verdict, claims)
        required = verdict.severity is Severity.MUST or (
            strict and verdict.severity is Severity.SHOULD
        )
        kind = verdict.verdict
        if expect is not None and kind == expect.verdict:
            known.append(verdict)
        elif expect is not None and kind is Verdict.PASS:
            mended.append(verdict)
        elif kind in (Verdict.FAIL, Verdict.FLAKY) and required:
            failed.append(verdict)
        elif (
            kind is Verdict.ERROR
            or (kind is Verdict.INCONCLUSIVE and required)
            or (kind is Verdict.UNSUPPORTED and verdict.testee in silent)
        ):
            unjudged.append(verdict)
    if not verdicts:
        code = ExitCode.NOTHING
    elif failed or mended:
        code = ExitCode.FAILED
    else:
        code = ExitCode.UNJUDGED if unjudged else ExitCode.OK
    tally = Counter(str(verdict.verdict) for verdict in verdicts)
    counts = {kind.value: tally[kind.value] for kind in Verdict if tally[kind.value]}
    return Outcome(list(verdicts), failed, unjudged, mended, known, counts, code)


def _nothing_known(verdicts: Iterable[CaseVerdict]) -> set[str]:
    verdicts = list(verdicts)
    spoken = {v.testee for v in verdicts if v.verdict is not Verdict.UNSUPPORTED}
    return {v.testee for v in verdicts} - spoken
