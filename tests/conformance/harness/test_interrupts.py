"""Signals are noted, and raised where somebody asks."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from mockex_conformance.harness.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_raised_when_asked_for_and_not_before(number: signal.Signals) -> None:
    with Interrupts() as interrupts:
        interrupts.check()
        os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()


def test_the_handlers_of_before_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interrupts():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_in_the_hooks_of_a_fork_is_not_lost() -> None:
    def signalled() -> None:
        if armed:
            armed.clear()
            os.kill(os.getpid(), signal.SIGTERM)

    armed: list[bool] = [True]
    os.register_at_fork(after_in_parent=signalled)
    with Interrupts() as interrupts:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()


def test_what_waits_for_a_program_is_interrupted_at_once() -> None:
    began = time.monotonic()
    with Interrupts() as interrupts:
        program = subprocess.Popen(["sh", "-c", f"kill -TERM {os.getpid()}; exec sleep 60"])
        with pytest.raises(KeyboardInterrupt), interrupts.at_once():
            program.wait()
    program.kill()
    program.wait()
    assert time.monotonic() - began < 30


def test_a_signal_that_came_before_is_raised_at_the_door() -> None:
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), interrupts.at_once():
            pytest.fail("it went in")
