"""The pages' programs run, and print what the pages say.

A fence ` ```python program NAME ` is a complete program, ` ```python test NAME ` a module of tests,
` ```text output NAME ` what is seen of it. Paths are shortened and tasks have no numbers there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = "pytester"

PAGE = Path(__file__).resolve().parents[1] / "docs" / "virtual-time.md"


def fences(kind: str) -> dict[str, str]:
    """The fences of one kind, by name."""
    found = re.findall(
        rf"^```\w+ {kind} (\S+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S
    )
    return dict(found)


PROGRAMS, TESTS, OUTPUTS = fences("program"), fences("test"), fences("output")


def plain(text: str) -> list[str]:
    """Lines to compare: how many tasks a process has made before is no matter of the page."""
    return re.sub(r"\bTask-\d+", "Task-N", text).splitlines()


def test_each_output_is_of_something_that_is_run() -> None:
    assert PROGRAMS
    assert set(PROGRAMS) <= set(OUTPUTS) <= set(PROGRAMS) | set(TESTS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_the_page_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(PROGRAMS[name], name, "exec"), {"__name__": "__main__"})
    assert plain(capsys.readouterr().out) == plain(OUTPUTS[name])


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_a_test_ends_as_the_page_says(pytester: pytest.Pytester, name: str, mode: str) -> None:
    for file, text in (PROGRAMS | TESTS).items():
        (pytester.path / file).write_text(text, encoding="utf-8")
    result = pytester.runpytest_inprocess(
        name,
        "-pno:hypothesispytest",
        f"--asyncio-mode={mode}",
        "-oasyncio_default_fixture_loop_scope=function",
    )
    if name not in OUTPUTS:
        result.assert_outcomes(passed=1)
        return
    result.assert_outcomes(failed=1)
    seen = plain(str(result.stdout).replace(f"{pytester.path}/", ""))
    wanted = plain(OUTPUTS[name])
    start = seen.index(wanted[0])
    assert seen[start : start + len(wanted)] == wanted
