"""The pages' programs run, and print what the pages say.

A fence ` ```python program NAME ` is a complete program, ` ```python test NAME ` a module of tests,
` ```python module NAME ` or ` ```toml file NAME ` a file beside them, ` ```text output NAME ` what
is seen of it; where that begins with a line `$ pytest …`, of these arguments. Paths are shortened
and tasks have no numbers there.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

# Before pytest runs inside of pytest: what is first imported in there is forgotten behind it, and
# would be there twice.
import mockex.server.serving
import mockex.sim  # noqa: F401

pytest_plugins = "pytester"

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = ("virtual-time.md", "pytest.md")


def fences(page: str, *kinds: str) -> dict[str, str]:
    """The fences of these kinds on a page, by name."""
    found = re.findall(
        rf"^```\w+ (?:{'|'.join(kinds)}) (\S+)\n(.*?)^```$",
        (DOCS / page).read_text(encoding="utf-8"),
        re.M | re.S,
    )
    return dict(found)


def of_pages(kind: str) -> list[tuple[str, str]]:
    """Page and name of all fences of a kind."""
    return [(page, name) for page in PAGES for name in fences(page, kind)]


def plain(text: str) -> list[str]:
    """Lines to compare: how many tasks a process has made before is no matter of the page."""
    return re.sub(r"\bTask-\d+", "Task-N", text).splitlines()


def run_pytest(pytester: pytest.Pytester, page: str, *args: str) -> pytest.RunResult:
    """Run pytest in a folder with all files of a page."""
    for file, text in fences(page, "program", "test", "module", "file").items():
        (pytester.path / file).write_text(text, encoding="utf-8")
    pytester.syspathinsert()
    return pytester.runpytest_inprocess(
        *args,
        "-pno:hypothesispytest",
        "-oasyncio_default_fixture_loop_scope=function",
    )


@pytest.mark.parametrize("page", PAGES)
def test_each_output_is_of_something_that_is_run(page: str) -> None:
    programs, outputs = set(fences(page, "program")), set(fences(page, "output"))
    assert outputs
    assert programs <= outputs <= programs | set(fences(page, "test", "file"))


@pytest.mark.parametrize(("page", "name"), of_pages("program"))
def test_a_program_prints_what_the_page_says(
    page: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program = fences(page, "program")[name]
    exec(compile(program, name, "exec"), {"__name__": "__main__"})
    assert plain(capsys.readouterr().out) == plain(fences(page, "output")[name])


@pytest.mark.parametrize(("page", "name"), of_pages("test"))
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_a_test_ends_as_the_page_says(
    pytester: pytest.Pytester, page: str, name: str, mode: str
) -> None:
    result = run_pytest(pytester, page, name, f"--asyncio-mode={mode}")
    if name not in fences(page, "output"):
        result.assert_outcomes(passed=1)
        return
    result.assert_outcomes(failed=1)
    _, wanted = output_of(page, name)
    assert wanted_in(pytester, result, wanted)


@pytest.mark.parametrize(("page", "name"), [("pytest.md", "testee.toml")])
def test_a_testee_is_judged_as_the_page_says(
    pytester: pytest.Pytester, page: str, name: str
) -> None:
    arguments, wanted = output_of(page, name)
    result = run_pytest(pytester, page, *arguments)
    assert wanted_in(pytester, result, wanted)


def output_of(page: str, name: str) -> tuple[list[str], list[str]]:
    """The arguments of pytest, and the lines that it prints."""
    lines = plain(fences(page, "output")[name])
    if not lines[0].startswith("$ pytest"):
        return [name], lines
    return shlex.split(lines[0])[2:], lines[1:]


def wanted_in(pytester: pytest.Pytester, result: pytest.RunResult, wanted: list[str]) -> bool:
    """Whether these lines stand in the output, without a gap."""
    seen = plain(str(result.stdout).replace(f"{pytester.path}/", ""))
    assert wanted
    start = seen.index(wanted[0])
    assert seen[start : start + len(wanted)] == wanted
    return True
