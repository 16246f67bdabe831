"""The kill table: our own testees by case, a letter a cell.

    mockex conform reference mutants incident/python --ground virtual --out out/virtual
    mockex conform mutants --ground real --out out/real
    python -m mockex_conformance.report.kills out/virtual out/real > docs/kill-table.md

Each verdict tells its ground, so the records may be any number of runs, in any order. The command
ends with 1 if a cell is not as the testees' descriptions say. The suite's own tests make the page
from their runs and compare.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mockex.errors import ConfigError
from mockex_conformance.case import all_cases, group_of
from mockex_conformance.description import Description
from mockex_conformance.harness.load import find
from mockex_conformance.report.record import NoRecord, read_record
from mockex_conformance.verdict import CaseVerdict, Verdict

_INTRO = """
The suite judges itself with deliberately wrong testees, *mutants*: each is the reference adapter
with one thing broken. A case that no mutant fails proves nothing, and a mutant that fails cases it
has nothing to do with shows a case that judges too much. This table is made from runs of every
testee against every case in virtual time, and of each mutant's own row on real sockets too; the
suite's tests hold that it is what they see.
"""
_KEY = """
| letter | meaning |
|---|---|
| `K` | killed: a case of the mutant's own row. It must fail it, with a finding that names the cause, on both grounds |
| `R` | the same on real sockets alone: the case looks at what only a machine has, or the testee runs there only |
| `x` | fails too, for a reason that is listed below |
| `~` | may fail: a race, or a matter of time scale; the reason is listed below |
| `o` | INCONCLUSIVE: the condition of the case is never met (no mutant may have this) |
| `.` | passes |
| `-` | not judged: about the other profile, about what only a machine has, or about what the testee does not declare |
"""  # noqa: E501 - a row of a table is a line
_WRONG = {"!": "survives a case of its own row", "?": "fails what is not listed"}
_ANNOUNCED = "`!` survives a case of its own row, `?` fails what is not listed: there must be none."
_NOT_THERE = """
Threads, file descriptors, memory, processor time, SIGSTOP and TLS are a machine's: cases that look
at them are UNSUPPORTED in virtual time by name, and so are testees without an `entry`. The incident
in Go and the published clients have none, and are left out. Where a case is judged on both grounds,
the verdicts on what is right, on the dead, on the incident and on each mutant's own row are the
same; a test holds it.
"""


@dataclass(frozen=True, slots=True)
class KillTable:
    """What our testees are made to fail, and what was seen of it on each ground."""

    testees: Sequence[Description]
    numbers: Sequence[str]
    verdicts: Sequence[CaseVerdict]

    def cells(self) -> dict[tuple[str, str], str]:
        """Testee and case number to a letter."""
        seen: dict[tuple[str, str], dict[str, set[Verdict]]] = {}
        for v in self.verdicts:
            if v.verdict is not Verdict.UNSUPPORTED:
                seen.setdefault((v.testee, v.number), {}).setdefault(v.ground, set()).add(v.verdict)
        return {
            (testee.name, number): _letter(testee, number, seen.get((testee.name, number), {}))
            for testee in self.testees
            for number in self.numbers
        }

    def wrong(self) -> list[str]:
        """Cells that are not as the descriptions say, in words."""
        return [
            f"{name} {number}: {_WRONG[letter]}"
            for (name, number), letter in self.cells().items()
            if letter in _WRONG
        ]

    def page(self) -> str:
        """The page, as Markdown."""
        cells = self.cells()
        mutants = sorted((t for t in self.testees if t.must_fail), key=lambda t: t.name)
        others = sorted(
            (t for t in self.testees if not t.must_fail),
            key=lambda t: (any(cells[t.name, n] in "xo" for n in self.numbers), t.name),
        )
        parts = [
            "# The kill table",
            _paragraph(_INTRO),
            _KEY.strip(),
            _ANNOUNCED,
            "## Mutants",
            self._table(mutants, cells),
            "## What is right, what is dead, and the incident",
            self._table(others, cells),
            "## What a mutant fails besides its row",
            _reasons((testee, testee.also_fails) for testee in mutants),
            "## What a mutant may fail",
            _reasons((testee, testee.may_fail) for testee in mutants),
            "## Both grounds",
            _paragraph(_NOT_THERE),
        ]
        return "\n\n".join(part for part in parts if part).rstrip() + "\n"

    def _table(self, testees: Sequence[Description], cells: Mapping[tuple[str, str], str]) -> str:
        width = max((len(testee.name) for testee in self.testees), default=0)
        groups = [(name, list(of)) for name, of in groupby(self.numbers, group_of)]
        head = "  ".join(f"{name:<{len(of)}}" for name, of in groups)
        digits = "  ".join(
            f"{''.join(number[-1] for number in of):<{len(name)}}" for name, of in groups
        )
        lines = [f"{'':<{width}}  {line}".rstrip() for line in (head, digits)]
        for testee in testees:
            letters = "  ".join(
                f"{''.join(cells[testee.name, number] for number in of):<{len(name)}}"
                for name, of in groups
            )
            lines.append(f"{testee.name:<{width}}  {letters}".rstrip())
        return "\n".join(["```text", *lines, "```"])


def _letter(testee: Description, number: str, seen: Mapping[str, Collection[Verdict]]) -> str:
    found = {verdict for verdicts in seen.values() for verdict in verdicts}
    if not found:
        return "-"
    if number in testee.must_fail:
        if found != {Verdict.FAIL}:
            return "!"
        return "K" if "virtual" in seen else "R"
    if number in testee.may_fail:
        return "~"
    if number in testee.also_fails:
        return "x"
    if found == {Verdict.PASS}:
        return "."
    if testee.must_fail:
        return "?"
    return "x" if Verdict.FAIL in found else "o"


def _paragraph(lines: str) -> str:
    return " ".join(lines.split())


def _reasons(known: Iterable[tuple[Description, Mapping[str, str]]]) -> str:
    lines = []
    for testee, reasons in known:
        by_reason: dict[str, list[str]] = {}
        for number, reason in reasons.items():
            by_reason.setdefault(reason, []).append(number)
        for reason, numbers in by_reason.items():
            lines.append(f"- `{testee.name}` {', '.join(numbers)}: {reason}")
    return "\n".join(lines)


def ours() -> list[Description]:
    """The testees of the table."""
    return [*find("reference"), *find("mutants"), *find("incident/python")]


def main(arguments: Sequence[str]) -> int:
    """Write the page to stdout; 1 if a cell is not as it should be."""
    if not arguments:
        sys.stderr.write("usage: python -m mockex_conformance.report.kills RUNDIR...\n")
        return 4
    try:
        records = [read_record(Path(argument)) for argument in arguments]
    except (NoRecord, ConfigError) as error:
        sys.stderr.write(f"{error}\n")
        return 4
    numbers = [case.number for case in all_cases().values()]
    verdicts = [verdict for record in records for verdict in record.verdicts]
    table = KillTable(ours(), numbers, verdicts)
    sys.stdout.write(table.page())
    wrong = table.wrong()
    for line in wrong:
        sys.stderr.write(f"not as described: {line}\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
