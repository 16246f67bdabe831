"""Two runs compared, case by case: what got worse, better, new, gone, and what is FLAKY.

Worse is what passed and does not any more, and what fails now and did not; better is what passes
now. FAIL into "could not be judged" is neither: nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from mockex.cli import ExitCode
from mockex_conformance.report import markdown
from mockex_conformance.report.later import Told
from mockex_conformance.report.lines import unlike
from mockex_conformance.verdict import CaseVerdict, Severity, Verdict

_MOST_ROWS = 30
_FAILS = (Verdict.FAIL, Verdict.FLAKY)
_NOTHING_TO_REPLAY = (Verdict.PASS, Verdict.UNSUPPORTED)


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One case of a testee on a profile, then and now. `then` or `now` is empty where a run has
    no verdict; `cause` is the first finding or the reason now, `known` that of a matching
    [[expect]]."""

    testee: str
    profile: str
    mode: str
    case: str
    number: str
    severity: Severity
    then: str = ""
    now: str = ""
    cause: str = ""
    known: str = ""
    replay: str = ""


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between two runs. `conditions` says in what the runs themselves differ, or
    what they lack; `flaky` are those that are FLAKY now and not worse for it; `changed` what is
    another verdict and neither worse nor better."""

    old: str
    new: str
    worse: list[Change]
    better: list[Change]
    new_cases: list[Change]
    gone: list[Change]
    flaky: list[Change]
    changed: list[Change]
    same: int
    conditions: list[str]
    exit_code: ExitCode


_PARTS = {
    "worse": "Worse",
    "flaky": "FLAKY",
    "changed": "Changed",
    "new_cases": "New",
    "gone": "Gone",
    "better": "Better",
}


def diff(old: Told, new: Told) -> Diff:
    """Compare `new` with `old`. The exit code is 1 if something is worse, else 7 if `new` is no
    whole run, because what it lacks may be worse."""
    then = {_key(verdict): verdict for verdict in old.result.verdicts}
    now = {_key(verdict): verdict for verdict in new.result.verdicts}
    found: dict[str, list[Change]] = {name: [] for name in _PARTS}
    same = 0
    known = {id(verdict) for verdict in new.result.known}
    for name in dict.fromkeys((*now, *then)):
        before, after = then.get(name), now.get(name)
        part = _part(before, after, known=id(after) in known)
        if part:
            found[part].append(_change(before, after))
        else:
            same += 1
    code = ExitCode.UNJUDGED if new.lacks else ExitCode.OK
    if found["worse"]:
        code = ExitCode.FAILED
    lacking = [f"{told.folder}: {told.lacks}" for told in (old, new) if told.lacks]
    return Diff(
        old=str(old.folder), new=str(new.folder), same=same, exit_code=code,
        conditions=[*unlike(old.run, new.run), *lacking], **found,
    )  # fmt: skip


def _key(verdict: CaseVerdict) -> tuple[str, str, str, str]:
    return verdict.testee, verdict.profile, verdict.mode, verdict.case


def _part(before: CaseVerdict | None, after: CaseVerdict | None, *, known: bool) -> str:
    """Which list it belongs to; none if it is as it was."""
    if before is None:
        return "new_cases"
    if after is None:
        return "gone"
    then, now = before.verdict, after.verdict
    part = ""
    if then is now:
        part = "flaky" if now is Verdict.FLAKY else ""
    elif now is Verdict.PASS:
        part = "better"
    elif known:  # declared in testee.toml, so it is meant
        part = "changed"
    elif then is Verdict.PASS or now is Verdict.FAIL or (now in _FAILS and then not in _FAILS):
        part = "worse"
    else:
        part = "flaky" if now is Verdict.FLAKY else "changed"
    return part


def _change(before: CaseVerdict | None, after: CaseVerdict | None) -> Change:
    either = after or before
    assert either is not None
    cause = ""
    if after is not None and after.verdict is not Verdict.PASS:
        cause = after.findings[0].message if after.findings else after.reason
    return Change(
        testee=either.testee,
        profile=either.profile,
        mode=either.mode,
        case=either.case,
        number=either.number,
        severity=either.severity,
        then=before.verdict.value if before else "",
        now=after.verdict.value if after else "",
        cause=cause,
        known=after.expected if after else "",
        replay=after.replay if after and after.verdict not in _NOTHING_TO_REPLAY else "",
    )


# --- in words -------------------------------------------------------------------------------------


def sentence(made: Diff) -> str:
    """`2 worse, 1 better, 94 the same.`"""
    counts = [(len(getattr(made, part)), title.lower()) for part, title in _PARTS.items()]
    said = [f"{n} {'FLAKY' if title == 'flaky' else title}" for n, title in counts if n]
    return ", ".join([*said, f"{made.same} the same"]) + "."


def as_text(made: Diff) -> str:
    """For a terminal and for a log: a line for each change, below it the cause and the replay."""
    lines = [f"{made.old} → {made.new}: {sentence(made)}"]
    if made.conditions:
        lines += ["", "The runs themselves differ:", *(f"  {said}" for said in made.conditions)]
    for part, title in _PARTS.items():
        changes: list[Change] = getattr(made, part)
        if changes:
            lines += ["", f"{title} ({len(changes)})"]
        for some in _together(changes):
            lines.append(f"  {_verdicts(some[0]):<20}{_who(some)}")
            facts = (some[0].cause, some[0].known and f"known: {some[0].known}", some[0].replay)
            lines += [f"{'':22}{fact}" for fact in facts if fact]
    return "\n".join(lines) + "\n"


def as_markdown(made: Diff) -> str:
    """For a job summary or a comment: at most 40 lines."""
    lines = [f"### mockex: {markdown.plain(sentence(made))}", ""]
    if made.conditions:
        said = "; ".join(made.conditions)
        lines += [f"The runs themselves differ: {markdown.plain(said)}", ""]
    rows = [
        _row(title, part, some)
        for part, title in _PARTS.items()
        for some in _together(getattr(made, part))
    ]
    if rows:
        lines += ["| | then → now | case | cause |", "|---|---|---|---|", *rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        lines += ["", f"and {len(rows) - _MOST_ROWS} more"]
    return "\n".join(lines) + "\n"


def _row(title: str, part: str, some: Sequence[Change]) -> str:
    word = f"**{title}**" if part == "worse" else title
    cells = (_verdicts(some[0]), _who(some), markdown.short(some[0].cause))
    return f"| {word} | " + " | ".join(markdown.plain(cell) for cell in cells) + " |"


def _together(changes: Iterable[Change]) -> list[list[Change]]:
    """What has one cause, or none, stands in one line for each testee and profile."""
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change in changes:
        name = (change.testee, change.profile, change.mode, change.then, change.now, change.cause)
        groups.setdefault(name, []).append(change)
    return list(groups.values())


def _verdicts(change: Change) -> str:
    return f"{change.then or 'none'} → {change.now or 'none'}"


def _who(some: Sequence[Change]) -> str:
    """Testee, profile and case; of several cases their numbers."""
    first = some[0]
    mode = "" if first.mode == "combined" else f" {first.mode}"
    cases = " ".join(change.number for change in some)
    if len(some) == 1:
        cases += f" {first.case}"
        if first.severity is not Severity.MUST:
            cases += f" ({first.severity})"
    return f"{first.testee} · {first.profile}{mode} · {cases}"
