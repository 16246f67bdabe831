"""What is said about a verdict, in words: the same in the terminal, in JUnit and in HTML."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from mockex_conformance.description import MAX_STREAMS, Limits
from mockex_conformance.report.lines import Claim, RunLine
from mockex_conformance.verdict import CaseVerdict, Finding, Verdict


def title(verdict: CaseVerdict) -> str:
    """Whose verdict on what."""
    return f"{verdict.testee} · {verdict.profile} · {verdict.number} {verdict.case}"


def moment(finding: Finding) -> str:
    """When it was found."""
    return f"{finding.at_s:.3f} s into the case"


def facts(verdict: CaseVerdict, finding: Finding, folder: Path = Path()) -> list[tuple[str, str]]:
    """What stands below the sentence of a finding: rule, moment, fault, seed, the command that
    replays it and its recording, in the run's `folder`. Facts that are not known are left out."""
    rows = [
        ("rule", f"{verdict.severity}: {verdict.requirement}"),
        ("moment", moment(finding)),
        ("fault", finding.fault or "none before it"),
        ("seed", str(verdict.seed)),
    ]
    return rows + where(verdict, folder)


def where(verdict: CaseVerdict, folder: Path = Path()) -> list[tuple[str, str]]:
    """The link that a case was run over, how it is run again, and its recording."""
    rows = [
        ("link", verdict.link),
        ("replay", verdict.replay),
        ("journal", verdict.journal and str(folder / verdict.journal)),
    ]
    return [(name, value) for name, value in rows if value]


def block(verdict: CaseVerdict) -> str:
    """All findings of a verdict as plain lines, and its reason and notes."""
    lines: list[str] = []
    for finding in verdict.findings:
        lines.append(finding.message)
        lines += [f"  {name:<8}{value}" for name, value in facts(verdict, finding)]
    if verdict.reason:
        lines.append(verdict.reason)
    lines += [f"note: {note}" for note in verdict.notes]
    return "\n".join(lines)


def left_out(verdicts: Iterable[CaseVerdict]) -> list[tuple[str, str, str]]:
    """Testee, numbers, and what of cases that passed was not run, and why; one row for each."""
    groups: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        for note in verdict.notes if verdict.verdict is Verdict.PASS else ():
            if note.startswith("not run: "):
                groups.setdefault((verdict.testee, note), []).append(verdict.number)
    return [(t, " ".join(dict.fromkeys(ns)), note) for (t, note), ns in groups.items()]


def counted(counts: Mapping[str, int]) -> str:
    """`14 PASS, 2 FAIL`."""
    return ", ".join(f"{n} {kind}" for kind, n in counts.items()) or "nothing judged"


def lines(verdicts: Iterable[CaseVerdict]) -> str:
    """The line that was under every case: `latency=80ms`; empty if there was none."""
    # A link that a case has for itself is named by who makes it, and has no terms.
    return " and ".join(sorted({v.link.split()[-1] for v in verdicts if "=" in v.link}))


def circumstances(verdicts: Collection[CaseVerdict]) -> str:
    """What stands before the counts of a run that was not on the real ground, or over a line."""
    grounds = sorted({v.ground for v in verdicts})
    parts = [f"on the {' and '.join(grounds)} ground"] if set(grounds) - {"real"} else []
    if line := lines(verdicts):
        parts.append(f"over {line}")
    told = ", ".join(parts)
    return f"{told[0].upper()}{told[1:]}: " if told else ""


def machine(run: RunLine) -> str:
    """Versions and machine of a run in one line."""
    versions = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    on = run.machine
    return (
        f"{versions}; {on.get('system', '?')} {on.get('machine', '')}, "
        f"{on.get('cores', '?')} cores; seed {run.seed}"
    )


def abilities(claim: Claim) -> list[str]:
    """What a testee says of itself beyond its limits: `level 2`, and what is not the usual."""
    parts = [f"level {claim.level}"]
    if claim.deliveries_per_stream != 1:
        parts.append(f"{claim.deliveries_per_stream} deliveries per stream")
    if claim.scales_time:
        parts.append("scales time")
    if claim.renews:
        parts.append("renews")
    if claim.keeps_books:
        parts.append("keeps books")
    if claim.streams:
        parts.append(f"streams are fixed ({len(claim.streams)})")
    elif claim.max_streams != MAX_STREAMS:
        parts.append(f"at most {claim.max_streams} streams")
    return parts


def limits(claim: Claim) -> list[str]:
    """The limits that a testee declares and that are not the usual ones: `close_ms = 500`."""
    usual = Limits()
    return [
        f"{name} = {value:g}"
        for name in usual.__struct_fields__
        if (value := getattr(claim.limits, name)) != getattr(usual, name)
    ]


def known(claim: Claim) -> list[str]:
    """The failures that a testee declares."""
    return [
        f"{e.verdict} of {e.case}"
        + (f" on {e.profile}" if e.profile else "")
        + f" ({e.reason}{', ' + e.issue if e.issue else ''})"
        for e in claim.expect
    ]
