"""docs/links.md from the table of situations: `python -m tests.links.page` prints it, from the
simulated network and the rules of where a real Toxiproxy differs."""

from __future__ import annotations

import sys
from dataclasses import asdict

from mockex import sim
from tests.links.differences import RULES, rules_of
from tests.links.grounds import Simulated
from tests.links.program import Saw, happen
from tests.links.situation import GROUPS, TABLE, Situation, group_of

_HEAD = """\
# What a link does

The faults of a link ([faults](faults.md)) are done by a real Toxiproxy on the machine and by the
simulated network in virtual time. This table is what both ends of a connection saw in each of
{count} situations; `tests/links/test_differential.py` lets each of them happen on both, with the
same program, and demands the same. A link of the simulation that was made with terms (`link=`,
`--link`) is such a proxy; without terms it is a wire, on which a RST is a RST, a half-close one,
and an end is as late as the bytes ([sockets](sockets.md)).

Each end writes: twenty messages of 80 bytes in 0.3 s when it streams, one word of 1000 bytes when
it is idle, first the end that the fault is not about, both with the fault in place and after it was
taken away. Then one of them closes, and a further connection says a word each way. *At once* is
below 0.3 s after the bytes were sent, or after what stands beside it; *late* is more, and a number
of bytes is the first so many. A dash: the connection had ended. What arrived was in all situations,
on both, a beginning of what was sent, in order and without a hole. An empty cell has no meaning
there. Written by `python -m tests.links.page > docs/links.md`.

Where a Toxiproxy differs or chance decides, a number says why:

{notes}

`NeverAccept` is for virtual time: Toxiproxy accepts by itself.

## Under clients that come and go

`python -m tests.links.churn --seconds 60`: eight clients stream through one link and go after 50 ms
to 1 s with a FIN or a RST, while the link is changed every 0.1 s. What replaces the proxy or ends
its connections (`Bandwidth`, `Slice`, `ClearLink` after these, `ResetLink` or `FinLink`, `Refused`)
hung in none of 484 and 485 changes (a link with FIN, one with RST): medians from 6 to 16 ms, the
worst 337 ms on a busy machine, and every client got on. What is updated under connections may
hang: with `--changes latency` (two directions in a third of the changes) it did in the 1,141st of
one run and in none of 383 of another. The server is given up then; a case with such a link is an
ERROR.
"""

_COLUMNS = {
    "client": "client saw", "server": "server saw", "down": "downstream", "up": "upstream",
    "down_after": "downstream, taken away", "up_after": "upstream, taken away",
    "meanwhile": "a connection meanwhile", "next": "a connection after", "also": "also",
}  # fmt: skip


def _notes() -> dict[str, int]:
    """Reasons by number."""
    return {why: n for n, why in enumerate(dict.fromkeys(rule.why for rule in RULES), start=1)}


def _cell(situation: Situation, field: str, saw: str) -> str:
    rules = rules_of(situation, field)
    if not rules or not saw:
        return saw
    numbers = ", ".join(str(n) for n in sorted({_notes()[rule.why] for rule in rules}))
    always = [rule.real[field] for rule in rules if not rule.by_chance]
    differs = f"; Toxiproxy: {always[0].replace('(FIN|RST)', 'FIN')}" if always else ""
    return f"{saw}{differs} ({numbers})"


def section(group: str, saw: dict[Situation, Saw]) -> str:
    """The table of one kind of fault, with the columns that say something."""
    seen = {one: asdict(saw[one]) for one in TABLE if group_of(one) == group}
    fields = [name for name in _COLUMNS if any(each[name] for each in seen.values())]
    lines = [
        f"## {group}\n",
        "| situation | " + " | ".join(_COLUMNS[name] for name in fields) + " |",
        "|---" * (len(fields) + 1) + "|",
    ]
    for one, each in seen.items():
        cells = (_cell(one, name, each[name]) for name in fields)
        lines.append(f"| {one.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def document(saw: dict[Situation, Saw]) -> str:
    """The page; `saw` is what was seen in the simulated network."""
    notes = "\n".join(f"{number}. {why[0].upper()}{why[1:]}." for why, number in _notes().items())
    head = _HEAD.format(count=len(TABLE), notes=notes)
    return "\n".join([head, *("\n" + section(g, saw) + "\n" for g in GROUPS)]).rstrip("\n") + "\n"


def simulated(situation: Situation, seed: int = 0) -> Saw:
    """What is seen in the simulated network."""
    return sim.run(happen(situation, Simulated()), seed=seed)


if __name__ == "__main__":
    sys.stdout.write(document({one: simulated(one) for one in TABLE}))
