"""The incident as data: its record, the line through it, what was expected of each fix, and what
the verdicts say of each. Pure; `demo` measures.

Figures and expectations are those of the incident's record and of section 10 of the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mockex_conformance.verdict import CaseVerdict, Verdict

_NUMBERS = re.compile(r"\(c\d+(, c\d+)*\)|\b\d+(\.\d+)?\b")

_JUDGED = (Verdict.PASS, Verdict.FAIL, Verdict.FLAKY)

LANGUAGES = ("go", "python")
BUG = "bug"
FIXES = ("fix1-socket", "fix1-client", "fix1-context", "fix2", "fix3")
REFERENCE = "reference"
CASES = ("CONN-01", "CONN-02", "CONN-03", "CONN-06", "RECON-01", "HB-03", "CLOSE-02")


def name_of(language: str, variant: str) -> str:
    """Name of the testee that is `variant` of the incident in that language."""
    return f"incident-{language}-{variant}"


def variant_of(testee: str) -> str:
    """`fix2` of `incident-go-fix2`; any other testee is its own variant."""
    for language in LANGUAGES:
        prefix = f"incident-{language}-"
        if testee.startswith(prefix):
            return testee.removeprefix(prefix)
    return testee


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One row of the record of 2025-12-03."""

    minute: float
    goroutines: int
    inbound_kb_s: int


RECORD_ROWS = (
    RecordRow(0.5, 84, 166),
    RecordRow(1.5, 124, 308),
    RecordRow(2.5, 166, 453),
    RecordRow(3.5, 208, 582),
    RecordRow(4.5, 254, 714),
    RecordRow(5.5, 296, 828),
)


@dataclass(frozen=True, slots=True)
class Line:
    """y = slope x + intercept, by least squares; `r2` is the share of the variance that it
    explains."""

    slope: float
    intercept: float
    r2: float


def fit(points: Sequence[tuple[float, float]]) -> Line | None:
    """The least-squares line; None if the points do not lie at two different x at least."""
    n = len(points)
    if n < 2:
        return None
    mean_x = sum(x for x, _ in points) / n
    mean_y = sum(y for _, y in points) / n
    sxx = sum((x - mean_x) ** 2 for x, _ in points)
    if sxx == 0:
        return None
    sxy = sum((x - mean_x) * (y - mean_y) for x, y in points)
    slope = sxy / sxx
    # Rounded far below what is shown: a rest of 1e-16 must not be told as "-0.000".
    intercept = round(mean_y - slope * mean_x, 9) + 0.0
    rest = sum((y - slope * x - intercept) ** 2 for x, y in points)
    total = sum((y - mean_y) ** 2 for _, y in points)
    return Line(slope, intercept, 1.0 - rest / total if total else 1.0)


def record_traffic() -> Line:
    """KB/s of the record against its goroutines."""
    line = fit([(row.goroutines, row.inbound_kb_s) for row in RECORD_ROWS])
    assert line is not None
    return line


def record_growth() -> Line:
    """Goroutines of the record against minutes."""
    line = fit([(row.minute, row.goroutines) for row in RECORD_ROWS])
    assert line is not None
    return line


# --- rounds ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Round:
    """What was measured after so many resets of everything (round 0: before the first).

    `tasks` are goroutines or tasks as the testee counts them, None if it does not; `sockets` those
    its processes own, by the operating system.
    """

    number: int
    deliveries: int
    sockets: int
    tasks: int | None
    kb_s: float


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds of one testee. `skipped` says why there are none, `ended` why there are fewer
    than wanted."""

    testee: str
    profile: str
    rounds: tuple[Round, ...] = ()
    skipped: str = ""
    ended: str = ""

    @property
    def healthy_kb_s(self) -> float | None:
        """Traffic of one healthy connection: that of round 0, per delivery."""
        if not self.rounds or not self.rounds[0].deliveries:
            return None
        return self.rounds[0].kb_s / self.rounds[0].deliveries

    @property
    def line(self) -> Line | None:
        """KB/s against live deliveries; None where the number of deliveries never changed."""
        return fit([(r.deliveries, r.kb_s) for r in self.rounds])


# --- what was expected ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expected:
    """A cell of section 10. `sure` is False where it has a question mark."""

    verdict: Verdict
    sure: bool = True


_GROWS = (1, 2, 3, 4, 5, 6)
_STAYS = (1, 1, 1, 1, 1, 1)
_F, _P, _Q = Expected(Verdict.FAIL), Expected(Verdict.PASS), Expected(Verdict.PASS, sure=False)
_COLUMNS = ("CONN-01", "CONN-03", "RECON-01", "CONN-06", "HB-03", "CLOSE-02")

LIVE_EXPECTED: Mapping[str, tuple[int, ...]] = {
    "bug": _GROWS,
    "fix1-socket": _GROWS,
    "fix1-client": _STAYS,
    "fix1-context": _STAYS,
    "fix2": _GROWS,
    "fix3": _STAYS,
    REFERENCE: _STAYS,
}
EXPECTED: Mapping[str, Mapping[str, Expected]] = {
    "bug": dict(zip(_COLUMNS, (_F, _F, _F, _F, _F, _Q), strict=True)),
    "fix1-socket": dict(zip(_COLUMNS, (_F, _F, _F, _F, _F, _Q), strict=True)),
    "fix1-client": dict(zip(_COLUMNS, (_P, _P, _P, _P, _F, _Q), strict=True)),
    "fix1-context": dict(zip(_COLUMNS, (_P, _P, _Q, _P, _F, _P), strict=True)),
    "fix2": dict(zip(_COLUMNS, (_F, _F, _F, _F, _F, _Q), strict=True)),
    "fix3": dict(zip(_COLUMNS, (_P, _P, _P, _P, _F, _P), strict=True)),
    REFERENCE: dict.fromkeys(_COLUMNS, _P),
}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where a run and section 10 differ."""

    testee: str
    profile: str
    what: str  # case number, or "live deliveries"
    expected: str
    got: str
    sure: bool = True
    why: str = ""


def disagreements(
    verdicts: Iterable[CaseVerdict], rounds: Iterable[Rounds] = ()
) -> list[Disagreement]:
    """Every PASS, FAIL or FLAKY that is not the expected one, and every row of live deliveries
    that is another. What was not judged disagrees with nothing."""
    found = []
    for verdict in verdicts:
        expected = EXPECTED.get(variant_of(verdict.testee), {}).get(verdict.number)
        if (
            expected is None
            or verdict.verdict not in (Verdict.PASS, Verdict.FAIL, Verdict.FLAKY)
            or verdict.verdict is expected.verdict
        ):
            continue
        why = verdict.findings[0].message if verdict.findings else verdict.reason
        found.append(
            Disagreement(
                verdict.testee,
                verdict.profile,
                verdict.number,
                expected.verdict,
                verdict.verdict,
                expected.sure,
                why,
            )
        )
    for measured in rounds:
        live = tuple(r.deliveries for r in measured.rounds)
        wanted = LIVE_EXPECTED.get(variant_of(measured.testee), ())[: len(live)]
        if live[: len(wanted)] != wanted:
            found.append(
                Disagreement(
                    measured.testee,
                    measured.profile,
                    "live deliveries",
                    " ".join(map(str, wanted)),
                    " ".join(map(str, live)),
                )
            )
    return found


# --- what each fix mends --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """A fix against the bug in the same language: case by case, from verdicts alone."""

    testee: str
    bug: str
    mends: tuple[CaseVerdict, ...]  # the bug fails it, the fix passes
    leaves: tuple[CaseVerdict, ...]  # both fail
    breaks: tuple[CaseVerdict, ...]  # only the fix fails
    keeps: tuple[CaseVerdict, ...]  # both pass
    flaky: tuple[CaseVerdict, ...]  # one of the two came out both ways
    unknown: tuple[CaseVerdict, ...]  # one of the two was not judged
    before: Mapping[str, Verdict]  # of the bug, by number

    def group_of(self, number: str) -> str:
        """In which of the groups a case is; empty if it says nothing."""
        for name in ("mends", "leaves", "breaks", "keeps"):
            if any(v.number == number for v in getattr(self, name)):
                return name
        return ""


def compare(verdicts: Sequence[CaseVerdict], testee: str, bug: str) -> Comparison:
    """What `testee` mends of `bug`."""
    before = {(v.profile, v.mode, v.case): v for v in verdicts if v.testee == bug}
    names = ("mends", "leaves", "breaks", "keeps", "flaky", "unknown")
    groups: dict[str, list[CaseVerdict]] = {name: [] for name in names}
    for verdict in verdicts:
        if verdict.testee == testee:
            was = before.get((verdict.profile, verdict.mode, verdict.case))
            groups[_group(was.verdict if was else None, verdict.verdict)].append(verdict)
    return Comparison(
        testee,
        bug,
        **{name: tuple(group) for name, group in groups.items()},
        before={v.number: v.verdict for v in before.values()},
    )


def _group(was: Verdict | None, now: Verdict) -> str:
    match was, now:
        case Verdict.FLAKY, _ if now in _JUDGED:
            return "flaky"
        case _, Verdict.FLAKY if was in _JUDGED:
            return "flaky"
        case Verdict.FAIL, Verdict.PASS:
            return "mends"
        case Verdict.FAIL, Verdict.FAIL:
            return "leaves"
        case Verdict.PASS, Verdict.FAIL:
            return "breaks"
        case Verdict.PASS, Verdict.PASS:
            return "keeps"
        case _:
            return "unknown"


def paragraphs(
    comparisons: Sequence[Comparison], rounds: Mapping[str, Rounds] | None = None
) -> list[tuple[str, str]]:
    """A heading and a paragraph for each fix; languages of which the same is to be said share
    one.

    Both languages hold the same program. A case on which they differ, or that came out both ways,
    is not credited to the fix: one lucky run would look like a mend.
    """
    by_variant: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_variant.setdefault(variant_of(comparison.testee), []).append(comparison)
    told = []
    for same in by_variant.values():
        doubts = _doubts(same)
        groups: dict[tuple[object, ...], list[Comparison]] = {}
        for comparison in same:
            certain = _without(comparison, doubts)
            said = tuple(
                tuple(v.number for v in group)
                for group in (certain.mends, certain.leaves, certain.breaks, certain.unknown)
            )
            live = _live_sentence(comparison, rounds or {})
            groups.setdefault((said, live), []).append(certain)
        for group in groups.values():
            body = " ".join([paragraph(group[0], rounds), *doubts.values()])
            told.append((", ".join(c.testee for c in group), body))
    return told


def _doubts(same: Sequence[Comparison]) -> dict[str, str]:
    """A sentence for each case that the languages, or repetitions, disagree on."""
    numbers = dict.fromkeys(
        v.number for c in same for v in (*c.mends, *c.leaves, *c.breaks, *c.keeps, *c.flaky)
    )
    doubts = {}
    for number in numbers:
        kinds = {kind for c in same if (kind := c.group_of(number))}
        flaky = any(v.number == number for c in same for v in c.flaky)
        if len(kinds) < 2 and not flaky:
            continue
        facts = ", ".join(
            f"{name} {verdict}"
            for c in same
            for name, verdict in ((c.bug, c.before.get(number)), (c.testee, _of(c, number)))
            if verdict is not None
        )
        doubts[number] = (
            f"{number} tells nothing of the fix, it came out both ways ({facts}): "
            f"`mockex conform {same[0].bug} --case {number} --repeat 10` shows how often."
        )
    return doubts


def _of(comparison: Comparison, number: str) -> Verdict | None:
    c = comparison
    groups = (*c.mends, *c.leaves, *c.breaks, *c.keeps, *c.flaky, *c.unknown)
    return next((v.verdict for v in groups if v.number == number), None)


def _without(comparison: Comparison, numbers: Collection[str]) -> Comparison:
    def certain(group: tuple[CaseVerdict, ...]) -> tuple[CaseVerdict, ...]:
        return tuple(v for v in group if v.number not in numbers)

    return replace(
        comparison,
        mends=certain(comparison.mends),
        leaves=certain(comparison.leaves),
        breaks=certain(comparison.breaks),
        keeps=certain(comparison.keeps),
    )


def paragraph(comparison: Comparison, rounds: Mapping[str, Rounds] | None = None) -> str:
    """What the fix does and does not mend, in sentences made of verdicts and findings."""
    judged = comparison.mends + comparison.leaves + comparison.breaks + comparison.keeps
    if not judged and comparison.unknown:
        reasons = dict.fromkeys(v.reason for v in comparison.unknown if v.reason)
        return "It was not judged. " + " ".join(reasons)
    parts = [_live_sentence(comparison, rounds or {})]
    if comparison.mends:
        rules = "; ".join(f"{v.number} ({_clause(v.requirement)})" for v in comparison.mends)
        parts.append(f"It mends {_count(comparison.mends)}: {rules}.")
    else:
        parts.append("It mends no case that the bug fails.")
    if comparison.leaves:
        parts.append(f"It leaves {_count(comparison.leaves)} failing: {_words(comparison.leaves)}.")
    elif comparison.mends:
        parts.append("It leaves nothing failing that the bug fails.")
    if comparison.breaks:
        parts.append(
            f"It breaks {_count(comparison.breaks)} that the bug passes: "
            f"{_words(comparison.breaks)}."
        )
    if comparison.unknown:
        numbers = ", ".join(v.number for v in comparison.unknown)
        parts.append(f"Not judged for both: {numbers}.")
    return " ".join(part for part in parts if part)


def _words(verdicts: Sequence[CaseVerdict]) -> str:
    """The findings' words; cases whose findings differ in numbers only share one."""
    groups: dict[str, list[CaseVerdict]] = {}
    for verdict in verdicts:
        groups.setdefault(_NUMBERS.sub("#", _first(verdict)), []).append(verdict)
    return "; ".join(
        f"{', '.join(v.number for v in group)} ({_first(group[0])})" for group in groups.values()
    )


def _live_sentence(comparison: Comparison, rounds: Mapping[str, Rounds]) -> str:
    fix, bug = rounds.get(comparison.testee), rounds.get(comparison.bug)
    if fix is None or bug is None or not fix.rounds or not bug.rounds:
        return ""
    n = min(len(fix.rounds), len(bug.rounds)) - 1
    if n < 1:
        return ""
    has, had = fix.rounds[n].deliveries, bug.rounds[n].deliveries
    return (
        f"After {n} resets of every connection the stream is delivered {_times(has)} "
        f"({_times(had)} with the bug)."
    )


def _times(n: int) -> str:
    return {0: "not at all", 1: "once"}.get(n, f"{n} times")


def _count(verdicts: Sequence[CaseVerdict]) -> str:
    return "1 case" if len(verdicts) == 1 else f"{len(verdicts)} cases"


def _first(verdict: CaseVerdict) -> str:
    """The finding's words."""
    return verdict.findings[0].message.rstrip(".") if verdict.findings else verdict.reason


def _clause(requirement: str) -> str:
    """A requirement as a part of a sentence."""
    text = requirement.rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
