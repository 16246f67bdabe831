"""The rules of the specification, which tests hold them, and the page that says so.

    python -m tests.rules > docs/fidelity.md

`rules.toml` is the catalogue. Tests name rules with `@pytest.mark.rule("spot-3.1.4")`, which is
read from their source, without running anything. A table of a test may give ids as data: in a file
where `mark.rule` is called with what is no literal, every literal that looks like an id counts.
Profiles name the rules that their values come from; a rule of ours (I) is a setting because one
does. `rules.md` is what stands above the tables.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

from mockex.profile import CURRENT, FOLDER, Profile
from mockex.profiles.reading import Parsed, describe, parse

ROOT = Path(__file__).resolve().parents[1]
CATALOGUE = ROOT / "tests" / "rules.toml"
PREFACE = ROOT / "tests" / "rules.md"
PAGE = ROOT / "docs" / "fidelity.md"
PAGES = {
    "spot": "Spot: streams and connections",
    "usdm": "USDⓈ-M futures: streams and connections",
    "rest": "REST",
    "wire": "Seen on the wire",
}
CHOSEN = (
    "Each is a setting of the profile, with its value here; or it says where else it is set, or "
    "why it is not."
)
SETTINGS = (
    "What a profile says, in the form of its file; where a cell is empty, the value is a list, a "
    "table or a long text, and stands there. [profiles.md](profiles.md) tells how to change one."
)
ID = re.compile(r"(spot|usdm|rest|wire)-[A-D]?\d+(\.\d+)*[a-z]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `reason`: why no test holds it. Of one of ours, `setting`: where it is set if in no
    profile; `fixed`: why it is nowhere."""

    id: str
    label: str
    rule: str
    reason: str = ""
    setting: str = ""
    fixed: str = ""

    @property
    def page(self) -> str:
        return self.id.partition("-")[0]


def catalogue() -> dict[str, Rule]:
    """All rules by id, in the order of the pages."""
    written = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    return {name: Rule(id=name, **members) for name, members in written.items()}


def sections() -> dict[str, list[str]]:
    """Titles of the sections, which are comments of the catalogue, with the ids of their rules."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in CATALOGUE.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"# --- (.+) ---", line):
            title = heading[1]
        elif line.startswith('"'):
            found.setdefault(title, []).append(line.split('"', 2)[1])
    return found


def _named(tree: ast.AST) -> Iterator[str]:
    """Ids of rules that a module of tests names."""
    strings = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="mark"), attr="rule")):
                for argument in node.args:
                    if isinstance(argument, ast.Constant):
                        yield str(argument.value)
                    else:
                        yield from (text for text in strings if ID.fullmatch(text))


def held(root: Path = ROOT / "tests") -> dict[str, list[str]]:
    """Each id that a test names, with the files that do, as paths from `root`."""
    found: dict[str, set[str]] = {}
    for path in sorted(root.rglob("test_*.py")):
        for rule in _named(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(rule, set()).add(path.relative_to(root).as_posix())
    return {rule: sorted(files) for rule, files in found.items()}


def settings() -> dict[str, dict[str, dict[str, object]]]:
    """Each rule that a profile names, with its settings and their value in each product."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for product, dated in CURRENT.items():
        parsed = parse(FOLDER / f"{dated}.toml")
        for key, origin in parsed.origins.items():
            value = parsed.values
            for part in key:
                value = value[str(part)]
            name = ".".join(map(str, key))
            for rule in origin.rules:
                found.setdefault(rule, {}).setdefault(name, {})[product] = value
    return found


def unsettled(rules: Mapping[str, Rule]) -> list[str]:
    """Rules of ours that nobody can set otherwise and that say no reason."""
    named = settings()
    return [
        rule.id
        for rule in rules.values()
        if rule.label == "I" and rule.id not in named
        if not (rule.reason or rule.setting or rule.fixed)
    ]


def _text(value: object) -> str:
    """A value of a setting as a file of a profile has it; nothing if it is long."""
    match value:
        case None:
            return "off"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case str() if len(value) < 20:
            return value
        case _:
            return ""


def _setting(name: str, values: Mapping[str, object]) -> str:
    texts = {product: _text(value) for product, value in values.items()}
    if not any(texts.values()):
        return f"`{name}`"
    if len(set(texts.values())) == 1 and len(texts) == len(CURRENT):
        return f"`{name}` {next(iter(texts.values()))}"
    return f"`{name}` " + ", ".join(f"{text} ({product})" for product, text in texts.items())


def _cell(text: str) -> str:
    """Text within a row of a table."""
    return text.replace("|", "\\|")


def _table(head: str, rows: Iterable[Iterable[str]]) -> Iterator[str]:
    columns = head.split("|")
    yield f"|{head}|"
    yield "|" + "|".join("---" for _ in columns) + "|"
    for row in rows:
        yield "| " + " | ".join(_cell(cell) for cell in row) + " |"


def _counts(rules: Mapping[str, Rule], tests: Mapping[str, object]) -> Iterator[str]:
    def row(title: str, chosen: list[Rule]) -> list[str]:
        labels = Counter(rule.label for rule in chosen)
        tested = sum(rule.id in tests for rule in chosen)
        reasons = sum(bool(rule.reason) for rule in chosen)
        counts = (len(chosen), tested, reasons, labels["D"], labels["O"], labels["I"])
        return [title, *map(str, counts)]

    rows = [
        row(title, [r for r in rules.values() if r.page == page]) for page, title in PAGES.items()
    ]
    rows.append(row("together", list(rules.values())))
    yield from _table(" page | rules | held by tests | left out, with a reason | D | O | I ", rows)


def page() -> str:
    """`docs/fidelity.md`."""
    rules, tests, named = catalogue(), held(), settings()
    lines = [PREFACE.read_text(encoding="utf-8"), "## How many", ""]
    lines += _counts(rules, tests)
    lines += ["", "## Left out", ""]
    lines += _table(
        " rule | | says | why ",
        ([r.id, r.label, r.rule, r.reason] for r in rules.values() if r.reason),
    )
    lines += [
        "",
        "## Chosen by us (I)",
        "",
        CHOSEN,
        "",
    ]
    lines += _table(
        " rule | says | setting ",
        (
            [
                rule.id,
                rule.rule,
                "; ".join(_setting(*item) for item in named.get(rule.id, {}).items())
                or rule.setting
                or f"– ({rule.fixed})",
            ]
            for rule in rules.values()
            if rule.label == "I" and not rule.reason
        ),
    )
    for prefix, title in PAGES.items():
        lines += ["", f"## {title}"]
        for section, ids in sections().items():
            if rules[ids[0]].page != prefix:
                continue
            lines += ["", f"### {section.partition(', ')[2]}", ""]
            chosen = [rules[rule] for rule in ids]
            lines += _table(
                " rule | | says | held by ",
                ([r.id, r.label, r.rule, _holders(r, tests.get(r.id, []))] for r in chosen),
            )
    lines += ["", "## Settings", "", SETTINGS, ""]
    lines += _settings_table()
    return "\n".join(lines) + "\n"


def _settings_table() -> Iterator[str]:
    """Each setting with what it may be, its value in each product, and its rules."""
    files = [parse(FOLDER / f"{dated}.toml") for dated in CURRENT.values()]
    hints = get_type_hints(Profile, include_extras=True)
    yield from _table(
        " setting | may be | " + " | ".join(CURRENT) + " | rules ",
        (
            [f"`{name}`", _kind(hint), *(_text(parsed.values[name]) for parsed in files),
             ", ".join(_rules_of(files, name))]
            for name, hint in hints.items()
            if name not in ("name", "dated")
        ),
    )  # fmt: skip


def _kind(hint: object) -> str:
    text = describe(hint)
    return "a table" if text.startswith("a table") else text


def _rules_of(files: Iterable[Parsed], name: str) -> list[str]:
    """Rules that a setting names, in each product; none for a table, whose entries name theirs."""
    return list(
        dict.fromkeys(
            rule
            for parsed in files
            if (name,) in parsed.origins
            for rule in parsed.origins[name,].rules
        )
    )


def _holders(rule: Rule, files: list[str]) -> str:
    if rule.reason:
        return f"– ({rule.reason})"
    return ", ".join(
        f"[{file.removesuffix('.py').replace('test_', '')}](../tests/{file})" for file in files
    )


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - the page is what this program is for
