"""Both grounds side by side: the same testees and cases, judged on the machine and in virtual time.

    mockex conform TESTEE… --ground real --out out/real
    mockex conform TESTEE… --ground virtual --out out/virtual
    python -m mockex_conformance.report.grounds out/real out/virtual > docs/grounds.md

Where the verdicts differ, the reason is the testee's own: `[also_fails]` or `[may_fail]` of its
testee.toml. A difference without a reason is said to be one, and the command ends with 1.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mockex.errors import ConfigError
from mockex_conformance.harness.load import find
from mockex_conformance.report import text
from mockex_conformance.report.lines import RunLine
from mockex_conformance.report.record import NoRecord, read_record
from mockex_conformance.report.settling import column, settled
from mockex_conformance.verdict import CaseVerdict, Verdict

_MARKS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.FLAKY: "≈",
    Verdict.ERROR: "!",
    Verdict.INCONCLUSIVE: "?",
    Verdict.UNSUPPORTED: "–",
}
_INTRO = """
A testee is a process on the **real** ground: sockets, time and signals are the machine's, and
strangers are judged there. On the **virtual** ground its `entry` runs in the suite's own process,
in virtual time, on a network in memory. Cases, exchange, faults and checks are the same files, so
the verdicts must be the same. This page is made from one run on each:
"""
_KEY = """
One sign where both profiles and both grounds agree: ✓ PASS, ✗ FAIL, ? INCONCLUSIVE, ! ERROR. Bold
is a case that this testee is made to fail. A sign in brackets is the real ground's alone: the
virtual one does not support the case. `✓→✗` is a difference: the real ground's verdict, then the
virtual one's.
"""
_DIFFERENT = """
Where a wrong testee fails more than it is made to fail, chance and the scale of time may decide: a
testee that scales time runs at a tenth of its times on the real ground and at its own times on the
virtual one, while the exchange's clock is the same on both. On rows that count (what is right, the
incident, and each wrong testee's own row) a difference is a defect of the suite, and a test holds
that there is none.
"""
_NOT_THERE = """
Threads, file descriptors, memory, processor time, SIGSTOP and TLS are a machine's: cases that look
at them are UNSUPPORTED there by name, and so are testees without an `entry`. The incident in Go and
the published clients have none, and are left out of the table. A testee that asks for such a thing
all the same gets ERROR, with the place in its code.
"""


@dataclass(frozen=True, slots=True)
class Side:
    """One run: its first line and its settled verdicts."""

    run: RunLine
    verdicts: Sequence[CaseVerdict]

    def of(self, testee: str, number: str) -> dict[str, Verdict]:
        """Profile to verdict."""
        return {
            v.profile: v.verdict
            for v in self.verdicts
            if (v.testee, v.number) == (testee, number)
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """A testee and case on which the grounds differ, on these profiles."""

    testee: str
    number: str
    real: Verdict
    virtual: Verdict
    profiles: tuple[str, ...]
    reason: str = ""

    def line(self) -> str:
        """As the page lists it."""
        where = " and ".join(self.profiles)
        reason = self.reason or "**not explained**"
        return f"- `{self.testee}` {self.number} ({where}): {self.real} → {self.virtual}: {reason}"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the testees: cases that each is made to fail, and reasons for what else it
    fails, by testee and case number."""

    rows: Mapping[str, Collection[str]] = field(default_factory=dict)
    reasons: Mapping[tuple[str, str], str] = field(default_factory=dict)


def differences(real: Side, virtual: Side, known: Known | None = None) -> list[Difference]:
    """Every verdict that both grounds gave and that is not the same, in the order of the runs."""
    known = known or Known()
    found: dict[tuple[str, str, Verdict, Verdict], list[str]] = {}
    there = {(*column(v), v.number): v.verdict for v in virtual.verdicts}
    for here in real.verdicts:
        other = there.get((*column(here), here.number))
        if other is None or Verdict.UNSUPPORTED in (here.verdict, other) or other is here.verdict:
            continue
        key = here.testee, here.number, here.verdict, other
        found.setdefault(key, []).append(here.profile)
    return [
        Difference(
            testee, number, one, other, tuple(profiles), known.reasons.get((testee, number), "")
        )
        for (testee, number, one, other), profiles in found.items()
    ]


def page(real: Side, virtual: Side, known: Known | None = None) -> str:
    """The page, as Markdown."""
    known = known or Known()
    found = differences(real, virtual, known)
    parts = [
        "# Both grounds, side by side",
        _paragraph(_INTRO),
        _made_by(real),
        _made_by(virtual),
        "## Verdicts",
        _paragraph(_KEY),
        _table(real, virtual, known),
        "## Differences",
        _paragraph(_DIFFERENT),
        "\n".join(one.line() for one in found) or "None in these runs.",
        "## What is not judged on the virtual ground",
        _paragraph(_NOT_THERE),
        "\n".join(_unsupported(virtual)),
    ]
    return "\n\n".join(parts).rstrip() + "\n"


def _paragraph(lines: str) -> str:
    return " ".join(lines.split())


def _made_by(side: Side) -> str:
    return f"```\n{' '.join(side.run.command)}\n```\n\n{text.machine(side.run)}."


def _table(real: Side, virtual: Side, known: Known) -> str:
    testees = list(dict.fromkeys(v.testee for side in (real, virtual) for v in side.verdicts))
    present = {v.number for side in (real, virtual) for v in side.verdicts}
    order = dict.fromkeys([*real.run.cases, *virtual.run.cases, *sorted(present)])
    numbers = [number for number in order if number in present]
    lines = ["| testee | " + " | ".join(numbers) + " |", "|---" * (len(numbers) + 1) + "|"]
    for testee in testees:
        row = known.rows.get(testee, ())
        cells = []
        for number in numbers:
            cell = _cell(real.of(testee, number), virtual.of(testee, number))
            cells.append(f"**{cell}**" if number in row else cell)
        lines.append(f"| {testee} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(real: Mapping[str, Verdict], virtual: Mapping[str, Verdict]) -> str:
    signs = {
        profile: _sign(real.get(profile), virtual.get(profile))
        for profile in dict.fromkeys([*real, *virtual])
    }
    if len(set(signs.values())) == 1:
        return next(iter(signs.values()))
    return " ".join(f"{profile} {sign}" for profile, sign in signs.items())


def _sign(real: Verdict | None, virtual: Verdict | None) -> str:
    if virtual is None or virtual is Verdict.UNSUPPORTED:
        return f"({_MARKS[real]})" if real is not None else "–"
    if real is None or real is virtual:
        return _MARKS[virtual]
    return f"{_MARKS[real]}→{_MARKS[virtual]}"


def _unsupported(side: Side) -> Iterable[str]:
    testees: dict[str, dict[str, None]] = {}
    cases: dict[str, dict[str, None]] = {}
    for v in side.verdicts:
        if v.verdict is Verdict.UNSUPPORTED:
            testees.setdefault(v.reason, {})[v.testee] = None
            cases.setdefault(v.reason, {})[v.number] = None
    everybody = {v.testee for v in side.verdicts}
    everything = {v.number for v in side.verdicts}
    for reason, names in testees.items():
        numbers = cases[reason]
        what = "everything" if set(numbers) == everything else ", ".join(numbers)
        most = len(names) > len(everybody) / 2
        yield f"- {what}, of {'every testee' if most else ', '.join(map(_code, names))}: {reason}."


def _code(name: str) -> str:
    return f"`{name}`"


# --- the command ----------------------------------------------------------------------------------


def _side(path: Path) -> Side:
    record = read_record(path)
    return Side(record.run, settled(record.verdicts, record.run))


def _known(testees: Iterable[str]) -> Known:
    rows: dict[str, Collection[str]] = {}
    reasons: dict[tuple[str, str], str] = {}
    for name in testees:
        try:
            ours = find(name)
        except ConfigError:  # a stranger's, of which no more is known than its verdicts
            continue
        for testee in ours:
            rows[testee.name] = testee.must_fail
            for number, reason in {**testee.also_fails, **testee.may_fail}.items():
                reasons[testee.name, number] = reason
    return Known(rows, reasons)


def main(arguments: Sequence[str]) -> int:
    """Write the page to stdout; 1 if a difference is not explained."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m mockex_conformance.report.grounds REAL VIRTUAL\n")
        return 4
    try:
        real, virtual = (_side(Path(argument)) for argument in arguments)
    except NoRecord as error:
        sys.stderr.write(f"{error}\n")
        return 4
    known = _known({claim.name for side in (real, virtual) for claim in side.run.testees})
    sys.stdout.write(page(real, virtual, known))
    found = differences(real, virtual, known)
    for one in found:
        if not one.reason:
            sys.stderr.write(f"not explained: {one.line()}\n")
    return int(any(not one.reason for one in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
