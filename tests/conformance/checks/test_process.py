"""The testee's process: its end, and what it says after `close`."""

from __future__ import annotations

from mockex.server.journal import Answered, AnyEntry, Asked, Exited, Launched, Said, Signalled
from mockex_conformance.checks import Alive, SilentAfterClose, Terminates
from tests.conformance.checks.tape import S, Tape


def test_an_exit_that_nobody_asked_for_is_found_with_its_last_words() -> None:
    asked = Tape().add(Exited(t=5, run=1, code=1, expected=True))
    assert asked.found(Alive()) == []
    died = Tape().add(Exited(t=5, run=1, code=3, expected=False, last_words="KeyError: 'e'"))
    assert died.says(Alive()).endswith("with exit code 3; its last words: KeyError: 'e'")
    killed = Tape().add(Exited(t=5, run=1, code=-11, expected=False))
    assert killed.says(Alive()).endswith("with signal 11")


def ended(took_s: float, code: int, *, left: list[str] | None = None, kill: bool = False) -> Tape:
    tape = Tape().add(Launched(t=0, run=1, pid=1, command=[], streams=[], mode="raw"))
    tape.note(1, "situation", what="live").add(Signalled(t=1, run=1, signal="SIGTERM"))
    if kill:
        tape.add(Signalled(t=1 + took_s, run=1, signal="SIGKILL"))
    return tape.add(Exited(t=1 + took_s, run=1, code=code, expected=True, left=left or []))


def test_sigterm_ends_it_in_time_with_all_it_had() -> None:
    for code in (0, 143, -15):
        assert ended(0.5, code).found(Terminates()) == []
    assert ended(0.5, 1).says(Terminates()).startswith("SIGTERM while live ended it with 1")
    assert "still there 3.5 s after SIGTERM" in ended(4.0, 0).says(Terminates())
    assert "still there" in ended(3.6, -9, kill=True).says(Terminates())
    assert "left processes behind: 77" in ended(0.5, 0, left=["77"]).says(Terminates())
    unasked = Tape().add(Exited(t=1, run=1, code=1, expected=False))
    assert unasked.found(Terminates()) == []


def closing(*more: AnyEntry) -> Tape:
    return Tape().add(Asked(t=1, run=1, id=4, method="close"), *more)


def test_close_is_answered_and_nothing_is_presented_after_it() -> None:
    check = SilentAfterClose()
    event = Said(t=3, run=1, method="event", params={"stream": S})
    answer = Answered(t=2, run=1, id=4, result={})
    assert closing(Said(t=1.5, run=1, method="event"), answer).found(check) == []
    assert f"an event of {S} was presented after" in closing(answer, event).says(check)
    assert closing().says(check) == "`close` was never answered"
    refused = Answered(t=2, run=1, id=4, error={"code": -32000})
    assert "`close` was refused" in closing(refused).says(check)
    assert Tape().found(check) == []
