"""What is published about a case: its docstring in parts, as text and as `docs/cases.md`.

The first paragraph is the rule; what follows says what is done and what fails it; the last
paragraph has three labels, each at the beginning of a line: `Evidence:` (public issues, or the page
of the exchange), `Causes:` (what in an adapter typically does this), `Look at:` (where it shows).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from mockex_conformance.case import Case, group_of

LABELS = ("Evidence", "Causes", "Look at")
_LABEL = re.compile(rf"^({'|'.join(LABELS)}):\s*", re.MULTILINE)
_ISSUE = re.compile(r"\b([\w.-]+/[\w.-]+)#(\d+)")
GROUPS = {
    "CONN": "who owns the connection",
    "SUB": "subscriptions",
    "RECON": "coming back, politely",
    "HB": "heartbeat and half-open connections",
    "ROLL": "the 24 hours and the announced end",
    "DATA": "what reaches the consumer",
    "FUZZ": "input nobody expected",
    "RES": "resources after many reconnects",
    "SLOW": "consumers and networks that cannot keep up",
    "CLOSE": "ending on purpose",
    "CTRL": "calls that come at the wrong moment",
    "SEC": "peers that mean harm",
}
_PREFACE = """\
# The cases

What each case requires, what it does, and what fails it; made by `mockex cases markdown > docs/cases.md`, and a test fails when it is out of date. `mockex cases explain CONN-01` shows one.

A case is named by its id (the path of its file) or its number; neither is ever reused. **MUST** makes a run fail, **SHOULD** only with `--strict`, **MAY** never. **L0** needs nothing but a base URL that can be set, **L1** an adapter that says what it believes, **L2** one that takes commands ([point-your-adapter.md](point-your-adapter.md)). Limits in `code` are those of `[limits]` in `testee.toml`. The issues are examples of the failure.
"""  # noqa: E501 - Markdown is one line a paragraph


@dataclass(frozen=True, slots=True)
class Explanation:
    """One case in words: paragraphs without line breaks of their own."""

    rule: str
    stimulus: list[str]
    labelled: dict[str, str]  # label to text, in the order of LABELS; none that is missing


def explain(case: Case) -> Explanation:
    """Take the docstring of a case apart."""
    doc = inspect.cleandoc(case.body.__doc__ or "")
    first = _LABEL.search(doc)
    told, labels = (doc[: first.start()], doc[first.start() :]) if first else (doc, "")
    rule, *stimulus = [_joined(part) for part in told.split("\n\n")]
    found = _LABEL.split(labels)[1:]
    said = {label: _joined(text) for label, text in zip(found[::2], found[1::2], strict=True)}
    return Explanation(
        rule,
        [part for part in stimulus if part],
        {label: said[label] for label in LABELS if label in said},
    )


def _joined(text: str) -> str:
    return " ".join(text.split())


def terms(case: Case) -> list[str]:
    """On what terms a case runs, in words."""
    words = [str(case.severity), f"level {int(case.level)}", " and ".join(case.profiles)]
    if case.alone:
        words.append("runs alone")
    if case.least_scale:
        words.append(f"scale {case.least_scale:g} or more")
    if case.real_only:
        words.append(f"real ground only ({case.real_only})")
    return words


# --- docs/cases.md --------------------------------------------------------------------------------


def page(cases: Iterable[Case]) -> str:
    """`docs/cases.md`: the whole catalogue, in its order."""
    parts = [_PREFACE]
    for group, some in groupby(cases, lambda case: group_of(case.number)):
        about = GROUPS.get(group, "")
        parts.append(f"## {group}: {about}\n" if about else f"## {group}\n")
        parts += [_section(case) for case in some]
    return "\n".join(parts)


def _section(case: Case) -> str:
    told = explain(case)
    lines = [
        f"### {case.number} `{case.id}`",
        "",
        f"**{told.rule}** {', '.join(terms(case))}.",
        "",
    ]
    for paragraph in told.stimulus:
        lines += [paragraph, ""]
    lines += [f"- **{label}**: {_linked(text)}" for label, text in told.labelled.items()]
    return "\n".join([*lines, ""])


def _linked(text: str) -> str:
    return _ISSUE.sub(r"[\1#\2](https://github.com/\1/issues/\2)", text)
