"""Which cases a run is about: `--case`, `--exclude`, `--level`, `--severity`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from mockex.errors import ConfigError
from mockex_conformance.case import Case, group_of
from mockex_conformance.verdict import Severity

_WILD = frozenset("*?[")
# `--smoke`: the cases that catch most of our mutants for their time, each about something else,
# and none that waits for a long timer of the testee's.
SMOKE: dict[str, str] = {
    "CONN-05": "each stream on the route that carries it",
    "CONN-06": "one owner of the connection",
    "SUB-02": "streams are back after five kinds of loss",
    "SUB-04": "inside the message limit",
    "SUB-09": "streams that were added later are back too, at level 2",
    "HB-01": "pongs",
}


def matches(case: Case, pattern: str) -> bool:
    """Whether `pattern`, an id, a number or a glob over either, means this case. Case does not
    matter: numbers are typed by hand."""
    folded = pattern.lower()
    return fnmatchcase(case.id.lower(), folded) or fnmatchcase(case.number.lower(), folded)


def select(
    cases: Mapping[str, Case],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    level: int | None = None,
    severities: Collection[Severity] = (),
) -> list[Case]:
    """The cases that are meant, in the order of the catalogue; none if nothing matches.

    `level` is the highest level wanted, because a higher one includes the lower ones.

    Raises:
        ConfigError: a pattern without a wildcard that is no case; names the nearest one.
    """
    for option, patterns in (("--case", include), ("--exclude", exclude)):
        for pattern in patterns:
            _must_be_one(option, pattern, cases.values())
    return [
        case
        for case in cases.values()
        if (not include or any(matches(case, pattern) for pattern in include))
        and not any(matches(case, pattern) for pattern in exclude)
        and (level is None or case.level <= level)
        and (not severities or case.severity in severities)
    ]


def unmatched(patterns: Iterable[str], cases: Iterable[Case]) -> list[str]:
    """What to say of each glob that means no case: the nearest group, by number or by id. One
    without a wildcard is refused by `select`."""
    cases = list(cases)
    groups = {
        **{group_of(case.number): f"{group_of(case.number)}-*" for case in cases},
        **{case.id.partition("/")[0]: f"{case.id.partition('/')[0]}/*" for case in cases},
    }
    said = []
    for pattern in patterns:
        if not _WILD & set(pattern) or any(matches(case, pattern) for case in cases):
            continue
        begin = re.split(r"[-/*?\[]", pattern, maxsplit=1)[0]
        near = difflib.get_close_matches(begin.upper(), groups, n=1) or difflib.get_close_matches(
            begin.lower(), groups, n=1
        )
        hint = f"did you mean {groups[near[0]]!r}?" if near else "see 'mockex cases'"
        said.append(f"{pattern!r} matches no case; {hint}")
    return said


def _must_be_one(option: str, pattern: str, cases: Iterable[Case]) -> None:
    cases = list(cases)
    if _WILD & set(pattern) or any(matches(case, pattern) for case in cases):
        return
    names = {name.lower(): name for case in cases for name in (case.id, case.number)}
    near = difflib.get_close_matches(pattern.lower(), names, n=1)
    hint = f"nearest is {names[near[0]]!r}" if near else "see 'mockex cases'"
    raise ConfigError(option, pattern, f"the id or number of a case, or a glob ({hint})")
