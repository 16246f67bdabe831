"""Ten testees in one call, most of them bad in another way: each costs its own cells and no other.

A sleep in a program is what that testee does: it never ends by itself.
"""

from __future__ import annotations

import io
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from mockex_conformance.case import all_cases
from mockex_conformance.description import Description, Limits
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.scheduler import run
from mockex_conformance.report.matrix import matrix
from mockex_conformance.verdict import CaseVerdict, Verdict

from .test_bad_testees import CLIENT

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

LIVE = "asyncio.run(feed())\n"
FLOOD = """\
import threading
def flood(fd):
    for _ in range(200):
        os.write(fd, b"y" * (1 << 20))
threading.Thread(target=flood, args=(%d,), daemon=True).start()
"""
PROGRAMS = {
    "good": CLIENT + LIVE,
    "also-good": CLIENT + LIVE,
    "hangs": "import time\nwhile True: time.sleep(60)\n",
    "spins": "while True: pass\n",
    "deaf-to-signals": CLIENT
    + "for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(n, signal.SIG_IGN)\n"
    + LIVE,
    "floods-stdout": CLIENT + FLOOD % 1 + LIVE,
    "floods-stderr": CLIENT + FLOOD % 2 + LIVE,
    "forks": CLIENT
    + "for _ in range(3):\n"
    + "    if os.fork() == 0:\n        os.setsid()\n        time.sleep(300)\n"
    + LIVE,
    "closes-stdout": CLIENT + "os.close(1)\nos.close(0)\n" + LIVE,
    "crashes": "raise SystemExit(9)\n",
}
PASSES = {
    "good", "also-good", "deaf-to-signals", "floods-stdout", "floods-stderr", "forks",
    "closes-stdout",
}  # fmt: skip
LIMITS = Limits(reconnect_first_ms=1000, reconnect_cap_ms=1000, stable_ms=500, close_ms=500)


def test_each_costs_its_own_cells_and_no_other(tmp_path: Path) -> None:
    testees = []
    for name, script in PROGRAMS.items():
        program = tmp_path / f"{name}.py"
        program.write_text(script)
        testees.append(
            Description(name=name, command=["{python}", str(program)], cwd=tmp_path, limits=LIMITS)
        )
    cases = [case for case in all_cases().values() if case.number in ("HB-01", "CONN-01")]
    out = tmp_path / "out"
    plan = Plan(testees=testees, cases=cases, out=out, profiles=["usdm"])
    verdicts = run(plan, lambda _: None)
    assert not _left(tmp_path), "nothing of any is left"
    assert {(v.testee, v.verdict) for v in verdicts} == {
        (name, Verdict.PASS if name in PASSES else Verdict.FAIL) for name in PROGRAMS
    }, [v for v in verdicts if v.verdict is Verdict.ERROR]
    why = {v.testee: v.findings[0].message for v in verdicts if v.findings}
    assert why["hangs"].startswith("never went live: ")
    assert why["spins"].startswith("never went live: ")
    assert "exit code 9" in why["crashes"]
    kept = [file.stat().st_size for file in (out / "stderr").iterdir()]
    assert (16 << 20) < max(kept) < (17 << 20), "of 200 MiB the beginning and the end"
    _is_readable(verdicts)


def _left(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(line)
    return found


def _is_readable(verdicts: list[CaseVerdict]) -> None:
    """One matrix, whose lines fit into 80 columns and say all there is."""
    screen = io.StringIO()
    parts = matrix(verdicts, 80)
    for part in parts:
        Console(file=screen, width=80).print(part)
    lines = screen.getvalue().splitlines()
    assert len(parts) == 1
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line.split()[2:] for line in lines[1:]}
    assert rows["good"] == ["PASS", "PASS"]
    assert rows["spins"] == ["FAIL", "FAIL"]
    assert set(rows) == set(PROGRAMS)
