"""A run in at most 40 lines of GitHub Flavored Markdown: for a job summary or a comment.

The sentence, verdicts by group, what makes the run red with cause and replay, the rest folded away.
What comes from testees is escaped; in the folded part it stands in HTML, where Markdown is not
read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from mockex_conformance.case import group_of, place
from mockex_conformance.report import text
from mockex_conformance.report.later import Told
from mockex_conformance.report.outcome import expectation
from mockex_conformance.report.settling import column
from mockex_conformance.verdict import CaseVerdict, Verdict

MOST_LINES = 40
MARKS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.FLAKY: "≈",
    Verdict.ERROR: "!",
    Verdict.INCONCLUSIVE: "?",
    Verdict.UNSUPPORTED: "–",
}
_MOST_OWNERS, _MOST_FAILURES, _MOST_FOLDED, _MOST_NUMBERS = 8, 8, 40, 12
_MESSAGE_CHARS = 300
# GitHub shows ten annotations of a step (Workflow commands, limits) and drops the others.
_MOST_ANNOTATIONS = 10
_MEANS_SOMETHING = re.compile(r"([\\`*_{}\[\]<>|~&#$])")


def summary(told: Told) -> str:
    """The whole of it, ending in a newline."""
    red = _red(told)
    lines = [f"### mockex: {plain(told.conclusion)}", ""]
    if told.result.verdicts:
        lines += [*_matrix(told.result.verdicts), ""]
    together = _together(told, red)
    for some in together[:_MOST_FAILURES]:
        lines += _failure(told, some)
    if len(together) > _MOST_FAILURES:
        lines.append(f"- and {len(together) - _MOST_FAILURES} more, in report.html and junit.xml")
    if red:
        lines.append("")
    lines += _folded(told, red)
    lines.append(f"<sub>{escape(_line(text.machine(told.run)))}</sub>")
    return "\n".join(lines) + "\n"


def annotate(told: Told) -> list[str]:
    """Workflow commands that GitHub shows beside the run: what makes it red, ten of it at most."""
    said = [
        _command(f"{_who(some)} {_word(told, some[0])}", _cause(told, some[0]), some[0].replay)
        for some in _together(told, _red(told))
    ]
    if told.lacks:
        said.insert(0, _command("mockex", told.lacks, ""))
    if len(said) > _MOST_ANNOTATIONS:
        more = len(said) - _MOST_ANNOTATIONS + 1
        said[_MOST_ANNOTATIONS - 1 :] = [_command("mockex", f"and {more} more", "")]
    return said


def plain(said: str) -> str:
    """Text of somebody else as one line of Markdown that shows just that text."""
    return _MEANS_SOMETHING.sub(r"\\\1", _line(said))


def code(said: str) -> str:
    """Text of somebody else as a code span: fenced by more backticks than it has in a row."""
    said = _line(said)
    fence = "`" * (max(map(len, re.findall("`+", said)), default=0) + 1)
    pad = " " if said.startswith("`") or said.endswith("`") else ""
    return f"{fence}{pad}{said}{pad}{fence}"


def _line(said: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in said).split())


def short(said: str) -> str:
    """The beginning of what somebody said."""
    return said if len(said) <= _MESSAGE_CHARS else said[:_MESSAGE_CHARS] + "…"


# --- the parts ------------------------------------------------------------------------------------


def _red(told: Told) -> list[CaseVerdict]:
    """What the run is not green for, the worst first."""
    return [*told.result.failed, *told.result.mended, *told.result.unjudged]


def _matrix(verdicts: Sequence[CaseVerdict]) -> Iterator[str]:
    groups = list(
        dict.fromkeys(group_of(n) for n in sorted({v.number for v in verdicts}, key=place))
    )
    owners = list(dict.fromkeys(column(v) for v in verdicts))
    cells: dict[tuple[tuple[str, str], str], Counter[Verdict]] = {}
    for verdict in verdicts:
        cells.setdefault((column(verdict), group_of(verdict.number)), Counter())[
            verdict.verdict
        ] += 1
    yield "| | " + " | ".join(plain(group) for group in groups) + " |"
    yield "|---|" + "---|" * len(groups)
    for owner in owners[:_MOST_OWNERS]:
        row = (_cell(cells.get((owner, group), Counter())) for group in groups)
        yield f"| {plain(' · '.join(owner))} | " + " | ".join(row) + " |"
    if len(owners) > _MOST_OWNERS:
        yield f"| and {len(owners) - _MOST_OWNERS} more |" + " |" * len(groups)
    there = {verdict.verdict for verdict in verdicts}
    yield ""
    yield " · ".join(f"{mark} {kind}" for kind, mark in MARKS.items() if kind in there)


def _cell(counts: Counter[Verdict]) -> str:
    """`12 ✓`, or `**1 ✗**, 11 ✓`: what is not green first."""
    parts = [
        f"{counts[kind]} {mark}" if kind in (Verdict.PASS, Verdict.UNSUPPORTED) else
        f"**{counts[kind]} {mark}**"
        for kind, mark in sorted(MARKS.items(), key=lambda item: item[0] is Verdict.PASS)
        if counts[kind]
    ]  # fmt: skip
    return ", ".join(parts) or " "


def _word(told: Told, verdict: CaseVerdict) -> str:
    return "unexpected PASS" if any(verdict is v for v in told.result.mended) else verdict.verdict


def _cause(told: Told, verdict: CaseVerdict) -> str:
    if any(verdict is v for v in told.result.mended):
        expect = expectation(verdict, told.run.testees)
        assert expect is not None
        return f"{expect.verdict} was expected ({expect.reason}): take the [[expect]] out"
    return verdict.findings[0].message if verdict.findings else verdict.reason


def _together(told: Told, red: Sequence[CaseVerdict]) -> list[list[CaseVerdict]]:
    """What has one cause is one thing to read: a testee that never goes live fails every case."""
    groups: dict[tuple[str, str, str, str], list[CaseVerdict]] = {}
    for verdict in red:
        name = (verdict.testee, verdict.mode, _word(told, verdict), _cause(told, verdict))
        groups.setdefault(name, []).append(verdict)
    return list(groups.values())


def _who(some: Sequence[CaseVerdict]) -> str:
    profiles = ", ".join(dict.fromkeys(verdict.profile for verdict in some))
    numbers = list(dict.fromkeys(verdict.number for verdict in some))
    cases = " ".join(numbers[:_MOST_NUMBERS])
    if len(numbers) > _MOST_NUMBERS:
        cases += f" and {len(numbers) - _MOST_NUMBERS} more"
    elif len(numbers) == 1:
        cases += f" {some[0].case}"
    return f"{some[0].testee} · {profiles} · {cases}"


def _failure(told: Told, some: Sequence[CaseVerdict]) -> list[str]:
    first = some[0]
    more = f" (and {len(first.findings) - 1} more)" if len(first.findings) > 1 else ""
    lines = [
        f"- **{_word(told, first)}** {plain(_who(some))}: {plain(short(_cause(told, first)))}{more}"
    ]
    if first.replay:
        lines.append(f"  <br>{code(first.replay)}")
    return lines


def _folded(told: Told, red: Sequence[CaseVerdict]) -> list[str]:
    """Rule, moment and fault of what is red, then what else did not pass, by reason. One block of
    HTML: it ends at the first empty line, so there is none in it."""
    rows = [_row(verdict) for verdict in red[:_MOST_FOLDED] if verdict.findings]
    red_ids = {id(verdict) for verdict in red}
    rest = [
        verdict
        for verdict in told.result.verdicts
        if verdict.verdict is not Verdict.PASS and id(verdict) not in red_ids
    ]
    reasons = sorted(rest, key=_reason)
    others = [_others(list(group), reason) for reason, group in groupby(reasons, key=_reason)]
    if not rows and not others:
        return []
    lines = ["<details><summary>Rules, faults, and what does not count</summary>"]
    if rows:
        head = "".join(
            f"<th>{name}</th>" for name in ("case", "rule", "moment", "fault", "journal")
        )
        lines.append(f"<table><tr>{head}</tr>{''.join(rows)}</table>")
    if others:
        lines.append(f"<ul>{''.join(others[:_MOST_FOLDED])}</ul>")
    return [*lines, "</details>", ""]


def _row(verdict: CaseVerdict) -> str:
    finding = verdict.findings[0]
    cells = (
        f"{verdict.testee} {verdict.profile} {verdict.number}",
        f"{verdict.severity}: {verdict.requirement}",
        text.moment(finding),
        finding.fault or "none before it",
        verdict.journal,
    )
    return f"<tr>{''.join(f'<td>{escape(short(_line(cell)))}</td>' for cell in cells)}</tr>"


def _reason(verdict: CaseVerdict) -> tuple[str, str, str]:
    """Whose, which verdict, and why it does not count."""
    why = verdict.expected or verdict.reason
    if not why and verdict.findings:
        why = verdict.findings[0].message
    return verdict.testee, str(verdict.verdict), why


def _others(verdicts: Sequence[CaseVerdict], reason: tuple[str, str, str]) -> str:
    testee, kind, why = reason
    numbers = " ".join(dict.fromkeys(verdict.number for verdict in verdicts))
    return f"<li>{kind} {escape(_line(f'{testee} ({numbers}): {short(why)}'))}</li>"


def _command(title: str, message: str, replay: str) -> str:
    """`::error title=…::…`, with the characters escaped that end a property or the message."""
    body = f"{message}\nreplay: {replay}" if replay else message
    for char, code_ in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        title, body = title.replace(char, code_), body.replace(char, code_)
    for char, code_ in ((":", "%3A"), (",", "%2C")):
        title = title.replace(char, code_)
    return f"::error title={title}::{body}"
