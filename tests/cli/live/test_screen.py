"""The lower part of a terminal, on a real one (a pty) that pyte reads."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mockex.cli.live.screen import Screen
from tests.cli.live.terminal import Terminal


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    it = Terminal()
    yield it
    it.close()


def test_what_is_below_is_written_anew_and_lines_scroll_above(terminal: Terminal) -> None:
    screen = Screen(terminal.far, "utf-8")
    screen.show(["first"], ["state 1", "more 1"])
    screen.show(["second"], ["state 2"])
    screen.show([], ["state 3", "more 3"])
    assert terminal.text() == ["first", "second", "state 3", "more 3"]


def test_it_stands_below_what_was_there(terminal: Terminal) -> None:
    os.write(terminal.far, b"mockex ready\r\n")
    screen = Screen(terminal.far, "utf-8", ["mockex ready"])
    screen.show(["line"], ["state"])
    assert terminal.text() == ["mockex ready", "line", "state"]


def test_more_lines_than_the_terminal_has_scroll_away(terminal: Terminal) -> None:
    screen = Screen(terminal.far, "utf-8")
    for n in range(30):
        screen.show([f"line {n}"], ["state", f"of {n}"])
    assert terminal.text() == [*(f"line {n}" for n in range(22, 30)), "state", "of 29"]


@pytest.mark.parametrize("size", [(20, 6), (60, 20)])
def test_a_terminal_that_was_resized_is_written_anew(
    terminal: Terminal, size: tuple[int, int]
) -> None:
    screen = Screen(terminal.far, "utf-8", ["ready"])
    os.write(terminal.far, b"ready\r\n")
    screen.show([f"line {n}" for n in range(3)], ["state that is rather long"])
    terminal.text()
    terminal.resize(*size)
    screen.show(["last"], ["state"])
    assert terminal.text() == [
        *(["ready"] if size[1] > 6 else []), "line 0", "line 1", "line 2", "last", "state",
    ]  # fmt: skip


def test_who_comes_back_from_the_shell_finds_all_of_it(terminal: Terminal) -> None:
    screen = Screen(terminal.far, "utf-8", ["ready"])
    screen.show(["line"], ["state"])
    os.write(terminal.far, b"\r\n[1]+ Stopped\r\n$ fg\r\n")
    screen.disturbed()
    screen.show([], ["state"])
    assert terminal.text() == ["ready", "line", "state"]


def test_a_terminal_that_takes_nothing_is_not_waited_for(terminal: Terminal) -> None:
    screen = Screen(terminal.far, "utf-8")
    shown = 0
    while screen.ready() and shown < 10_000:
        screen.show([f"{shown} {'x' * 30}"], ["state"])
        shown += 1
    assert 0 < shown < 10_000
    terminal.text()  # somebody reads again
    assert screen.ready()
    screen.show(["the end"], ["state"])
    assert terminal.text()[-2:] == ["the end", "state"]


def test_signs_that_the_terminal_does_not_know_are_replaced(terminal: Terminal) -> None:
    Screen(terminal.far, "ascii").show(["ein Häuschen…"], [])
    assert terminal.text() == ["ein H?uschen?"]


def test_a_terminal_that_has_gone_is_no_error() -> None:
    gone = Terminal()
    screen = Screen(gone.far, "utf-8")
    gone.close()
    screen.show(["line"], ["state"])
    assert screen.ready()
    screen.close()


def test_closing_begins_a_new_line(terminal: Terminal) -> None:
    screen = Screen(terminal.far, "utf-8")
    screen.show([], ["state"])
    screen.close()
    os.write(terminal.far, b"$ ")
    assert terminal.text() == ["state", "$"]
