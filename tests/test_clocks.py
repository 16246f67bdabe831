"""One clock: all time and all connections come from the running event loop."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CLOCKS = {
    ("time", name)
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep")
} | {("datetime", "now"), ("datetime", "utcnow"), ("socket", "socket")}
# Who may, and why.
MAY = {
    # the Unix time that an exchange opens with; limits of a process that has no loop
    "mockex/clock.py": {("time", "time_ns"), ("time", "monotonic")},
    # asks the kernel for its table of sockets (netlink), of no peer
    "conformance/mockex_conformance/observers/linux.py": {("socket", "socket")},
    # looks at the machine, and at nothing that runs
    "mockex/doctor/asking.py": {("time", "monotonic")},
    "mockex/doctor/network.py": {("socket", "socket"), ("time", "perf_counter")},
    "mockex/doctor/timing.py": {
        ("time", name) for name in ("time", "monotonic", "perf_counter", "sleep")
    },
    # waits for another process's build; never in a run
    "mockex/faults/provisioning/building.py": {("time", "sleep")},
    "mockex/server/wire.py": {("socket", "socket")},  # RST, FIN and a port that refuses
    "mockex/sim/watch.py": {("time", "perf_counter")},  # names callbacks that take long
}
FILES = sorted(
    file
    for folder in ("mockex", "adapter", "conformance/mockex_conformance")
    for file in (ROOT / folder).rglob("*.py")
    if file.name != "_guard.py"  # a process of its own, which has no loop
)


def looks(text: str) -> set[tuple[str, str]]:
    """Clocks and sockets that a file names, however imported."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add((node.value.id, node.attr))
        elif isinstance(node, ast.ImportFrom):
            found.update((node.module or "", alias.name) for alias in node.names)
    return found & CLOCKS


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_clock_and_no_socket_but_the_loops(file: Path) -> None:
    may = MAY.get(str(file.relative_to(ROOT)), set())
    assert looks(file.read_text(encoding="utf-8")) <= may


def test_a_planted_clock_is_found() -> None:
    assert looks("import time\ntime.sleep(1)") == {("time", "sleep")}
    assert looks("from time import monotonic") == {("time", "monotonic")}
