"""Cases against testees, as a terminal shows them.

Few testees stand beside each other, many below each other. A verdict is a word; where words would
make more than one table of it, it is a sign, with the legend below. It is never a colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from mockex_conformance.case import group_of, place
from mockex_conformance.report.settling import column
from mockex_conformance.verdict import CaseVerdict, Verdict

STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.FLAKY: "bold magenta",
    Verdict.ERROR: "bold yellow",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.UNSUPPORTED: "dim",
}
SHORT = {Verdict.INCONCLUSIVE: "INCONCL", Verdict.UNSUPPORTED: "UNSUPP"}
SIGNS = {
    Verdict.PASS: ".",
    Verdict.FAIL: "F",
    Verdict.FLAKY: "~",
    Verdict.ERROR: "E",
    Verdict.INCONCLUSIVE: "?",
    Verdict.UNSUPPORTED: "-",
}
_SIDE_BY_SIDE = 4  # as many testees fit beside each other on a usual terminal
_WORD = 10  # columns of a word and the space beside it
_LEAST_ID = 16  # columns for an id that is cut
_LEAST = 12  # columns for signs beside a long name

Owner = tuple[tuple[str, str], str]  # testee and profile, mode
Cells = dict[tuple[tuple[str, str], str, str], Verdict]


def word(verdict: Verdict, *, short: bool = False) -> Text:
    """A verdict as a word with its colour."""
    said = SHORT.get(verdict, verdict.value) if short else verdict.value
    return Text(said, style=STYLES[verdict])


def matrix(verdicts: Sequence[CaseVerdict], width: int) -> list[Table | Text]:
    """The whole of it, in parts that stand below each other and are no wider than `width`."""
    cells = {(column(v), v.mode, v.case): v.verdict for v in verdicts}
    cases = sorted({(v.number, v.case) for v in verdicts}, key=lambda case: place(case[0]))
    owners = list(dict.fromkeys((column(v), v.mode) for v in verdicts))
    if len(owners) <= _SIDE_BY_SIDE:
        return [_beside(cells, cases, _names(owners, "\n"), width)]
    names = _names(owners, " ")
    first = max(map(len, names.values())) + 2
    if first + _WORD * len(cases) <= width:
        return [_below(cells, cases, names)]
    return [*_signs(cells, cases, names, max(width, first + _LEAST)), _legend(cells.values())]


def _names(owners: Sequence[Owner], separator: str) -> dict[Owner, str]:
    several = len({mode for _, mode in owners}) > 1
    return {
        (who, mode): separator.join(who) + (f" {mode}" if several else "") for who, mode in owners
    }


def _cell(cells: Cells, owner: Owner, case: str, *, short: bool = False) -> Text:
    verdict = cells.get((*owner, case))
    return Text("-") if verdict is None else word(verdict, short=short)


def _beside(
    cells: Cells, cases: Sequence[tuple[str, str]], names: dict[Owner, str], width: int
) -> Table:
    """Numbers and verdicts are whole; what is too long are ids, which go where they would say
    nothing."""
    rows = [(n, case, [_cell(cells, owner, case) for owner in names]) for n, case in cases]
    wide = [max([len(n) for n, _ in cases], default=0)]
    for at, name in enumerate(names.values()):
        heads = max(map(len, name.split("\n")))
        wide.append(max([len(words[at]) for _, _, words in rows] + [heads]))
    room = width - sum(wide) - 2 * len(wide)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("case", no_wrap=True)
    if room >= _LEAST_ID:
        table.add_column("", no_wrap=True, max_width=room)
    for name in names.values():
        table.add_column(name, no_wrap=True)
    for number, case, words in rows:
        table.add_row(number, *([case] if room >= _LEAST_ID else []), *words)
    return table


def _below(cells: Cells, cases: Sequence[tuple[str, str]], names: dict[Owner, str]) -> Table:
    table = _table("testee", *(number for number, _ in cases))
    for owner, name in names.items():
        row = (_cell(cells, owner, case, short=True) for _, case in cases)
        table.add_row(name, *row)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns:
        table.add_column(heading, no_wrap=True)
    return table


# --- signs ----------------------------------------------------------------------------------------


class _Block:
    """Lines that grow to the right: two of headings, one for each testee."""

    def __init__(self, names: dict[Owner, str], first: int) -> None:
        self.groups = Text(" " * first, style="bold")
        self.numbers = Text("testee".ljust(first), style="bold")
        self.rows = {owner: Text(name.ljust(first)) for owner, name in names.items()}

    @property
    def width(self) -> int:
        return len(self.numbers)

    def add(self, group: str, cases: Sequence[tuple[str, str]], cells: Cells) -> None:
        """Some cases of one group, and a gap behind them."""
        wide = max(len(_index(number)) for number, _ in cases) + 1
        gap = max(1, len(group) + 1 - wide * len(cases))
        self.groups.append(group.ljust(wide * len(cases) + gap))
        for number, _ in cases:
            self.numbers.append(_index(number).ljust(wide))
        self.numbers.append(" " * gap)
        for owner, row in self.rows.items():
            for _, case in cases:
                verdict = cells.get((*owner, case))
                sign = " " if verdict is None else SIGNS[verdict]
                row.append(sign.ljust(wide), style="" if verdict is None else STYLES[verdict])
            row.append(" " * gap)

    def text(self) -> Text:
        lines = [self.groups, self.numbers, *self.rows.values()]
        for line in lines:
            line.rstrip()
        return Text("\n").join(lines)


def _signs(
    cells: Cells, cases: Sequence[tuple[str, str]], names: dict[Owner, str], width: int
) -> list[Text]:
    first = max(map(len, names.values())) + 2
    blocks = [_Block(names, first)]
    for group, of_it in groupby(cases, lambda case: group_of(case[0])):
        some = list(of_it)
        wide = max(len(_index(number)) for number, _ in some) + 1
        while some:
            room = (width - blocks[-1].width) // wide
            fits = room >= len(some) and width - blocks[-1].width >= len(group)
            if not fits and blocks[-1].width > first:  # a group stays together if it can
                blocks.append(_Block(names, first))
                continue
            part, some = some[: max(1, room)], some[max(1, room) :]
            blocks[-1].add(group, part, cells)
    return [block.text() for block in blocks]


def _index(number: str) -> str:
    """`3` of `CONN-03`."""
    return number.partition("-")[2].lstrip("0") or number


def _legend(verdicts: Iterable[Verdict]) -> Text:
    there = set(verdicts)
    legend = Text()
    for verdict, sign in SIGNS.items():
        if verdict in there:
            legend.append(f"{sign} ", style=STYLES[verdict])
            legend.append(f"{verdict}  ")
    legend.rstrip()
    return legend
