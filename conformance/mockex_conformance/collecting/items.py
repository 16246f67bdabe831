"""A `testee.toml` as a file of tests: an item for each profile and case, `orderly[usdm-CONN-01]`.

A case is run in the setup of its item and weighed in its call. So what could not be judged is an
error, and what was found is a failure, as JUnit and everybody else tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from _pytest._code.code import (
    ReprEntryNative,
    ReprExceptionInfo,
    ReprFileLocation,
    ReprTraceback,
)

from mockex.cli import visible
from mockex.errors import ConfigError
from mockex_conformance.case import all_cases, group_of
from mockex_conformance.collecting.runs import Runs
from mockex_conformance.collecting.settings import Settings
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.load import load
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.worker import Job
from mockex_conformance.report import text
from mockex_conformance.report.lines import Claim
from mockex_conformance.report.outcome import expectation, outcome
from mockex_conformance.verdict import CaseVerdict, Verdict

RUNS = pytest.StashKey[Runs]()
SETTINGS = pytest.StashKey[Settings]()
TOLD = pytest.StashKey[set[str]]()  # recordings of starts that failed


class Judged(Exception):
    """A verdict that is a failure or an error; `why` is its first sentence."""

    def __init__(self, verdict: CaseVerdict, why: str) -> None:
        self.verdict = verdict
        self.why = visible(why)  # a testee's last words may be in it
        super().__init__(why)


class TesteeFile(pytest.File):
    """A `testee.toml`."""

    def collect(self) -> Iterator[CaseItem]:
        """Every case on every profile of the testee."""
        catalogue = all_cases()
        names = [name for case in catalogue.values() for name in (case.id, case.number)]
        try:
            testee = load(self.path, known_cases=names)
        except ConfigError as error:
            raise self.CollectError(str(error)) from None
        settings = self.config.stash[SETTINGS]
        plan = Plan(
            testees=[testee],
            cases=[*catalogue.values()],
            out=settings.out,
            profiles=settings.profiles,
            seed=settings.seed,
            ground=Ground(settings.ground),
        )
        for profile in plan.profiles_of(testee):
            for job in plan.jobs_of(testee, profile):
                name = f"{testee.name}[{profile}-{job.case.number}]"
                # As text, or `--lf` of pytest 9.2 does not know it again: it has a bracket.
                yield CaseItem.from_parent(
                    self, name=name, nodeid=f"{self.nodeid}::{name}", job=job
                )


class CaseItem(pytest.Item):
    """One case, one profile, one testee."""

    def __init__(self, *, job: Job, **more: Any) -> None:
        super().__init__(**more)
        self.job = job
        self.verdict: CaseVerdict | None = None
        case = job.case
        marks = [group_of(case.number).lower(), str(case.severity).lower(), f"level{case.level}"]
        for mark in [*marks, *(["alone"] if case.alone else [])]:
            self.add_marker(getattr(pytest.mark, mark))
        if self.config.pluginmanager.has_plugin("timeout"):
            self.add_marker(pytest.mark.timeout(0))  # the suite has limits of its own
        self.extra_keyword_matches.add(case.id)

    def setup(self) -> None:
        """Run the case; what says nothing of the testee is told from here."""
        self.verdict = verdict = self.config.stash[RUNS].verdict(self.job)
        if expectation(verdict, [self._claim]) is not None:
            return  # the call weighs it
        match verdict.verdict:
            case Verdict.UNSUPPORTED:
                raise pytest.skip.Exception(verdict.reason, _use_item_location=True)
            case Verdict.ERROR:
                raise Judged(verdict, f"ERROR: {verdict.reason}")
            case Verdict.INCONCLUSIVE:
                self._fail_if_it_counts(verdict)
            case _:
                pass

    def runtest(self) -> None:
        """Weigh the verdict as `mockex conform` does."""
        verdict = self.verdict
        assert verdict is not None
        expect = expectation(verdict, [self._claim])
        if expect is not None and verdict.verdict == expect.verdict:
            known = f"known {verdict.verdict}: {expect.reason}"
            raise pytest.xfail.Exception(known + (f" ({expect.issue})" if expect.issue else ""))
        if verdict.verdict is not Verdict.PASS:
            self._fail_if_it_counts(verdict)
        elif expect is not None:
            out_of_date = f"{expect.verdict} was expected ({expect.reason}), and it passed"
            raise Judged(verdict, f"{out_of_date}: take the [[expect]] out of {self.path.name}")

    def _fail_if_it_counts(self, verdict: CaseVerdict) -> None:
        """A MUST counts, a SHOULD if it is strict, a MAY never."""
        said = verdict.findings[0].message if verdict.findings else verdict.reason
        why = said if verdict.verdict is Verdict.FAIL else f"{verdict.verdict}: {said}"
        strict = self.config.stash[SETTINGS].strict
        weighed = outcome([verdict], strict=strict)
        if not weighed.failed and not weighed.unjudged:
            raise pytest.xfail.Exception(f"a {verdict.severity}, not counted: {visible(why)}")
        raise Judged(verdict, why)

    @property
    def _claim(self) -> Claim:
        return Claim.of(self.job.testee)

    # pytest asks `repr_failure` about the call only, and this about the setup as well.
    def _repr_failure_py(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> Any:
        """The finding in words."""
        error = excinfo.value
        if not isinstance(error, Judged):
            return super()._repr_failure_py(excinfo, style)
        lines = [f"{visible(line)}\n" for line in self._told(error)]
        return ReprExceptionInfo(
            reprtraceback=ReprTraceback([ReprEntryNative(lines)], None, "native"),
            reprcrash=ReprFileLocation(str(self.path), 1, error.why.partition("\n")[0]),
        )

    def _told(self, error: Judged) -> Iterator[str]:
        verdict, out = error.verdict, self.job.out
        if self._told_before(verdict):
            yield error.why
            yield "  as every case of it: it was started once before them, see the first"
            return
        if not verdict.findings:
            yield error.why
            rows = [("rule", f"{verdict.severity}: {verdict.requirement}")]
            for name, value in [*rows, *text.where(verdict, out)]:
                yield f"  {name:<8}{value}"
        for finding in verdict.findings:
            yield finding.message
            for name, value in text.facts(verdict, finding, out):
                yield f"  {name:<8}{value}"
        for note in verdict.notes:
            yield f"note: {note}"

    def _told_before(self, verdict: CaseVerdict) -> bool:
        """Whether it is the verdict of the start before all cases, and not told the first time."""
        if verdict.journal in ("", str(self.job.journal)):
            return False
        told = self.config.stash.setdefault(TOLD, set())
        before = verdict.journal in told
        told.add(verdict.journal)
        return before

    def reportinfo(self) -> tuple[Any, int, str]:
        """Where it stands, and what it is called in a report."""
        return self.path, 0, f"{self.name} {self.job.case.id}"
