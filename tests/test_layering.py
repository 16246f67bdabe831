"""Who may import whom: the table of docs/architecture.md, held against the imports themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FIRST = {
    "errors", "clock", "names", "profile", "profiles", "faults.model", "faults.trigger",
    "faults.link",
}  # fmt: skip
# module or package of `mockex` to what of `mockex` it may import, besides itself
ALLOWED: dict[str, set[str]] = {
    **dict.fromkeys(FIRST, FIRST),
    "faults": {"faults.model", "faults.trigger", "faults.link"},
    "market": FIRST,
    "streams": FIRST | {"market"},
    "session": FIRST | {"streams.envelope"},
    "rest": FIRST | {"market", "streams"},
    "faults.toxiproxy": FIRST | {"faults.proxy_server"},
    "faults.proxy_server": FIRST | {"faults", "server.wire"},
    "faults._guard": set(),
    "faults.provisioning": set(),
    "faults.catalogue": FIRST | {"faults"},
    "faults.positions": set(),
    "faults.script": FIRST | {"faults.catalogue"},
    "faults.script_reading": FIRST | {"faults.catalogue", "faults.positions", "faults.script"},
    "faults.schema": FIRST | {"faults.catalogue", "faults.script"},
    "sim": FIRST,
    "server": FIRST | {"faults", "market", "streams", "session", "rest", "sim"},
    "recording": FIRST,
    "config": FIRST | {"faults"},
    "cli": FIRST | {"config"},
    "__main__": {"cli"},
    "cli.serve": FIRST | {"cli", "faults", "server"},
    "cli.live": FIRST | {"cli", "server"},
    "cli.record": FIRST | {"cli", "recording"},
    "cli.faults": FIRST | {"cli", "faults", "admin_client"},
    "cli.faults_shown": FIRST | {"cli", "faults"},
    "cli.script_checked": FIRST | {"faults"},
    "admin_client": FIRST,
    "cli.doctor": FIRST | {"cli", "config", "doctor", "faults.provisioning"},
    "doctor": FIRST | {"faults.provisioning"},
    "remote": FIRST | {"admin_client", "faults", "server"},
    "pytest_plugin": FIRST | {"server", "faults", "remote", "sim"},
    "": {"errors", "faults", "profile", "server", "sim"},
}
FORBIDDEN_PURE = {"asyncio", "socket", "time", "selectors", "threading", "subprocess"}
PURE = (
    "market", "streams", "session", "rest", "names", "profile", "faults.model", "faults.trigger",
    "faults.link", "faults.catalogue", "faults.positions", "faults.script",
    "faults.script_reading", "faults.schema", "cli.live.model",
    "cli.live.drawing", "server.doubled", "server.words",
)  # fmt: skip


def imports(file: Path) -> set[str]:
    """Absolute names of everything that a file imports, type checking apart."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            module = node.module or ""
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def rule_for(name: str) -> str:
    """The row of the table for a module of `mockex`: the longest that fits."""
    while name and name not in ALLOWED:
        name = name.rpartition(".")[0]
    return name


def broken(name: str, imported: set[str]) -> list[str]:
    """Imports of `mockex.<name>` that its row does not allow."""
    row = rule_for(name)
    wrong = []
    for target in sorted(imported):
        if not target.startswith("mockex."):
            if target.partition(".")[0] in ("mockex_adapter", "mockex_conformance"):
                wrong.append(target)
            continue
        inner = target.removeprefix("mockex.")
        fits = {row, *ALLOWED[row]}
        if not any(inner == ok or inner.startswith(ok + ".") or ok == "" for ok in fits if ok) and (
            row != "" or inner.partition(".")[0] not in ALLOWED[""]
        ):
            wrong.append(target)
    return wrong


MODULES = sorted((ROOT / "mockex").rglob("*.py"))


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_module_imports_only_what_its_row_allows(file: Path) -> None:
    name = ".".join(file.relative_to(ROOT / "mockex").with_suffix("").parts)
    name = name.removesuffix("__init__").rstrip(".")
    assert broken(name, imports(file)) == []


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(ROOT)))
def test_the_pure_core_imports_nothing_that_does_io(file: Path) -> None:
    name = ".".join(file.relative_to(ROOT / "mockex").with_suffix("").parts)
    if name.startswith(PURE):
        assert not imports(file) & FORBIDDEN_PURE


def test_the_adapter_imports_nothing_of_ours() -> None:
    for file in (ROOT / "adapter").rglob("*.py"):
        ours = {i for i in imports(file) if i.split(".")[0] in ("mockex", "mockex_conformance")}
        assert not ours, file


def test_the_suite_never_imports_the_adapter() -> None:
    for file in (ROOT / "conformance" / "mockex_conformance").rglob("*.py"):
        assert not {i for i in imports(file) if i.startswith("mockex_adapter")}, file


def test_a_planted_violation_is_found() -> None:
    assert broken("market.walk", {"mockex.server.exchange"}) == ["mockex.server.exchange"]
    assert broken("session.core", {"mockex.market.walk"}) == ["mockex.market.walk"]
    assert broken("streams.depth", {"mockex_adapter"}) == ["mockex_adapter"]
    assert broken("rest.book", {"mockex.market.walk", "mockex.streams.depth"}) == []
