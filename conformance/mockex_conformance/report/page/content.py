"""What stands on the page, as values: the matrix, the failures by case, the reasons by testees.

One failure of one testee in one case is told once: what it did on the other profile is a line
below, where it is the same but for the numbers. Who never went live failed every case for one
reason, and that is one failure, too: the probe's recording is that of all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import msgspec
from markupsafe import Markup

from mockex_conformance.case import all_cases, group_of, place
from mockex_conformance.explaining import GROUPS, Explanation, explain
from mockex_conformance.report.settling import column
from mockex_conformance.verdict import CaseVerdict, Finding, Severity, Verdict

SIGNS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.FLAKY: "≈",
    Verdict.ERROR: "!",
    Verdict.INCONCLUSIVE: "?",
    Verdict.UNSUPPORTED: "–",
}
START = "START"  # in the place of a case's number: what came before the first one
_ABOUT_START = Explanation(
    "The testee starts, and its streams flow, before the first case.",
    [
        "Before the cases of a testee and profile it is started once, against a healthy exchange. "
        "Who never goes live there gets that verdict for all cases at once."
    ],
    {
        "Causes": "The base URL does not come from `MOCKEX_WS_URL`, or the streams not from "
        "`MOCKEX_STREAMS`. Or the program ends, or waits for something, before it connects.",
        "Look at": "What it wrote on stderr, and whether there is any connection. `mockex try` "
        "runs it by hand against a healthy exchange, with both directions on the screen.",
    },
)
_FEW = 3  # failures are seen at a glance
_FINDINGS = 5  # of one kind are shown; the record has all
_LISTED = re.compile(r"((?:c\d+, ){5})((?:c\d+, )+)(c\d+)")  # connections, more than anybody reads
_NUMBERS = re.compile(r"\d+(\.\d+)?")

Owner = tuple[str, str, str]  # testee, profile, mode


@dataclass(frozen=True, slots=True)
class Column:
    """Whose verdicts stand below each other. `mode` is empty where all have the same."""

    testee: str
    profile: str
    mode: str
    counts: dict[Verdict, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """One verdict, and the id of the place on the page that tells why; empty if it passed."""

    verdict: Verdict
    target: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One case. A cell is None where it was not judged."""

    number: str
    case: str
    rule: str
    severity: Severity
    level: int
    cells: list[Cell | None]


@dataclass(frozen=True, slots=True)
class Group:
    """The cases of one group."""

    name: str
    about: str
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Part:
    """One verdict, and those on other profiles and in other modes that say the same but for the
    numbers. `more` counts findings that are not among `findings`."""

    verdict: CaseVerdict
    findings: list[Finding]
    more: int = 0
    alike: list[CaseVerdict] = field(default_factory=list)


@dataclass(slots=True)
class Failure:
    """One testee in one case, or in all cases at once: `cells` are those of the matrix that it
    stands for. What is told of it and what explains it are filled in by whoever knows how much
    fits; each of these lists is empty or has what fits."""

    anchor: str
    testee: str
    cells: list[tuple[Owner, str]]
    parts: list[Part]
    told: list[Markup] = field(default_factory=list)
    facts: list[Markup] = field(default_factory=list)
    figures: list[Markup] = field(default_factory=list)
    logs: list[Markup] = field(default_factory=list)

    @property
    def numbers(self) -> list[str]:
        """The numbers of its cases."""
        return list(dict.fromkeys(number for _, number in self.cells))

    @property
    def verdict(self) -> Verdict:
        """The verdict of its first part."""
        return self.parts[0].verdict.verdict


@dataclass(frozen=True, slots=True)
class Chapter:
    """A case and who did not pass it. `about` is None if the catalogue has no such case (any
    more)."""

    number: str
    case: str
    rule: str
    severity: Severity | None
    about: Explanation | None
    failures: list[Failure]
    course: list[Markup] = field(default_factory=list)  # what the case does, if it fits


@dataclass(frozen=True, slots=True)
class Kind:
    """Failures of one testee whose first finding is of one check: `said` by the first of them."""

    said: str
    failures: list[Failure]


@dataclass(frozen=True, slots=True)
class Summary:
    """The failures of one testee by kind, the commonest first."""

    testee: str
    kinds: list[Kind]
    shown: list[Markup] = field(default_factory=list)  # empty if it does not fit


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some testees did not run some cases."""

    anchor: str
    why: str
    testees: list[str]
    numbers: list[str]


@dataclass(frozen=True, slots=True)
class Content:
    """All of it."""

    columns: list[Column]
    groups: list[Group]
    chapters: list[Chapter]
    summaries: list[Summary]
    reasons: list[Reason]

    @property
    def failures(self) -> list[Failure]:
        """The failures of all chapters, in the order of the page."""
        return [failure for chapter in self.chapters for failure in chapter.failures]

    @property
    def levels(self) -> list[int]:
        """The levels of the cases."""
        return sorted({row.level for group in self.groups for row in group.rows})

    @property
    def severities(self) -> list[Severity]:
        """The severities of the cases."""
        there = {row.severity for group in self.groups for row in group.rows}
        return [severity for severity in Severity if severity in there]

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts that there are."""
        there = {kind for one in self.columns for kind in one.counts}
        return [kind for kind in Verdict if kind in there]


def content_of(verdicts: Sequence[CaseVerdict]) -> Content:
    """Arrange settled verdicts."""
    owners = list(dict.fromkeys(_owner(v) for v in verdicts))
    modes = {mode for _, _, mode in owners}
    judged = {(_owner(v), v.case): v for v in verdicts}
    columns = [
        Column(*owner[:2], owner[2] if len(modes) > 1 else "", _counts(verdicts, owner))
        for owner in owners
    ]
    reasons = _reasons(verdicts)
    why = {(t, n, r.why): r.anchor for r in reasons for t in r.testees for n in r.numbers}
    chapters = _chapters(verdicts)
    where = {
        cell: failure.anchor
        for chapter in chapters
        for failure in chapter.failures
        for cell in failure.cells
    }

    def cell_of(verdict: CaseVerdict | None) -> Cell | None:
        if verdict is None:
            return None
        if verdict.verdict is Verdict.UNSUPPORTED:
            return Cell(verdict.verdict, why[verdict.testee, verdict.number, verdict.reason])
        if verdict.verdict is Verdict.PASS:
            return Cell(verdict.verdict)
        return Cell(verdict.verdict, where[_owner(verdict), verdict.number])

    rows = [
        Row(
            v.number, v.case, v.requirement, v.severity, int(v.level),
            [cell_of(judged.get((owner, v.case))) for owner in owners],
        )
        for v in _one_of_each_case(verdicts)
    ]  # fmt: skip
    groups = [
        Group(name, GROUPS.get(name, ""), list(some))
        for name, some in groupby(rows, lambda row: group_of(row.number))
    ]
    return Content(columns, groups, chapters, _summaries(chapters), reasons)


def _owner(verdict: CaseVerdict) -> Owner:
    return (*column(verdict), verdict.mode)


def _counts(verdicts: Iterable[CaseVerdict], owner: Owner) -> dict[Verdict, int]:
    tally = Counter(v.verdict for v in verdicts if _owner(v) == owner)
    return {kind: tally[kind] for kind in Verdict if tally[kind]}


def _one_of_each_case(verdicts: Iterable[CaseVerdict]) -> list[CaseVerdict]:
    first: dict[str, CaseVerdict] = {}
    for verdict in verdicts:
        first.setdefault(verdict.case, verdict)
    return sorted(first.values(), key=lambda v: place(v.number))


def _chapters(verdicts: Sequence[CaseVerdict]) -> list[Chapter]:
    passed = (Verdict.PASS, Verdict.UNSUPPORTED)
    red = [v for v in verdicts if v.verdict not in passed]
    cases: dict[str, set[str]] = {}
    for v in red:
        cases.setdefault(v.journal, set()).add(v.case)
    of_all = {journal for journal, some in cases.items() if journal and len(some) > 1}
    chapters = []
    before = _failures([v for v in red if v.journal in of_all], START)
    if before:
        rule = _ABOUT_START.rule
        chapters.append(Chapter(START, "", rule, None, _ABOUT_START, before))
    catalogue = all_cases()
    for one in _one_of_each_case(v for v in red if v.journal not in of_all):
        case = catalogue.get(one.case)
        some = [v for v in red if v.case == one.case and v.journal not in of_all]
        failures = _failures(some, one.number)
        told = explain(case) if case is not None else None
        chapters.append(
            Chapter(one.number, one.case, one.requirement, one.severity, told, failures)
        )
    return chapters


def _failures(verdicts: Sequence[CaseVerdict], number: str) -> list[Failure]:
    failures = []
    for index, testee in enumerate(dict.fromkeys(v.testee for v in verdicts), 1):
        mine = [v for v in verdicts if v.testee == testee]
        cells = [(_owner(v), v.number) for v in mine]
        if number == START:  # one recording for all cases: its first verdict tells it
            mine = list({v.journal: v for v in reversed(mine)}.values())[::-1]
        failures.append(Failure(f"{number}.{index}", testee, cells, _parts(mine)))
    return failures


def _summaries(chapters: Iterable[Chapter]) -> list[Summary]:
    """Of each testee that has several failures: which are one thing, seen in several cases."""
    of_testees: dict[str, dict[str, list[Failure]]] = {}
    for chapter in chapters:
        for failure in chapter.failures:
            kinds = of_testees.setdefault(failure.testee, {})
            kinds.setdefault(_kind(failure.parts[0]), []).append(failure)
    return [
        Summary(
            testee,
            [
                Kind(_said(some[0].parts[0]), some)
                for some in sorted(kinds.values(), key=len, reverse=True)
            ],
        )
        for testee, kinds in of_testees.items()
        if sum(map(len, kinds.values())) > _FEW
    ]


def _kind(part: Part) -> str:
    return part.findings[0].check if part.findings else _NUMBERS.sub("0", part.verdict.reason)


def _said(part: Part) -> str:
    return part.findings[0].message if part.findings else part.verdict.reason


def _parts(verdicts: Iterable[CaseVerdict]) -> list[Part]:
    parts: dict[tuple[str, ...], Part] = {}
    for verdict in verdicts:
        shape = _shape(verdict)
        if shape in parts:
            parts[shape].alike.append(verdict)
        else:
            shown = _shown(verdict.findings)
            parts[shape] = Part(verdict, shown, len(verdict.findings) - len(shown))
    return list(parts.values())


def _shape(verdict: CaseVerdict) -> tuple[str, ...]:
    """What it says, without its numbers."""
    said = (f.message for f in _shown(verdict.findings))
    return (verdict.verdict, *(_NUMBERS.sub("0", text) for text in (*said, verdict.reason)))


def _shown(findings: Sequence[Finding]) -> list[Finding]:
    """The first findings, their numbers being those of the figures; long lists are cut."""
    return [
        msgspec.structs.replace(finding, message=_LISTED.sub(_cut, finding.message))
        for finding in findings[:_FINDINGS]
    ]


def _cut(listed: re.Match[str]) -> str:
    return f"{listed[1]}and {listed[2].count(',') + 1} more"


def _reasons(verdicts: Iterable[CaseVerdict]) -> list[Reason]:
    """Why testees are UNSUPPORTED, each reason once for those that lack the same cases for it."""
    lacking: dict[tuple[str, str], dict[str, None]] = {}
    for v in verdicts:
        if v.verdict is Verdict.UNSUPPORTED:
            lacking.setdefault((v.testee, v.reason), {})[v.number] = None
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (testee, why), numbers in lacking.items():
        alike.setdefault((why, tuple(numbers)), []).append(testee)
    return [
        Reason(f"unsupported-{index}", why, testees, list(numbers))
        for index, ((why, numbers), testees) in enumerate(alike.items(), 1)
    ]


def by_importance(failures: Collection[Failure]) -> list[Failure]:
    """Whose evidence comes first: what is not known before what is, MUST before SHOULD before MAY,
    and of equals the first failure of each testee before the second of any."""
    turn: Counter[str] = Counter()
    keys: dict[str, tuple[bool, int, int]] = {}
    severities = list(Severity)
    for failure in sorted(failures, key=lambda f: severities.index(_gravest(f))):
        turn[failure.testee] += 1
        known = all(part.verdict.expected for part in failure.parts)
        keys[failure.anchor] = (known, severities.index(_gravest(failure)), turn[failure.testee])
    return sorted(failures, key=lambda f: keys[f.anchor])


def _gravest(failure: Failure) -> Severity:
    there = {part.verdict.severity for part in failure.parts}
    return next(severity for severity in Severity if severity in there)
