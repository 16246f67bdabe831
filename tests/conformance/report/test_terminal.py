"""What a person sees: words, never colour alone; no thread."""

from __future__ import annotations

import io
import os
import pty
import threading
from pathlib import Path

import pytest
from rich.console import Console

from mockex_conformance.description import Expect
from mockex_conformance.report import terminal
from mockex_conformance.report.lines import Claim
from mockex_conformance.report.matrix import word
from mockex_conformance.report.outcome import outcome
from mockex_conformance.verdict import CaseVerdict

from .conftest import SENTENCE, MakeVerdict


def shown(
    verdicts: list[CaseVerdict], claims: list[Claim] | None = None, *, only_failed: bool = False
) -> str:
    stream = io.StringIO()
    terminal.show_result(
        terminal.console(stream),
        outcome(verdicts, claims or []),
        claims or [],
        only_failed=only_failed,
    )
    return stream.getvalue()


def test_a_finding_gives_sentence_rule_moment_fault_seed_and_command(
    make_verdict: MakeVerdict,
) -> None:
    lines = [line.strip() for line in shown([make_verdict("FAIL")]).splitlines()]
    start = lines.index("FAIL  orderly · usdm · CONN-01 connection/one-delivery-after-reset")
    assert lines[start + 1 : start + 7] == [
        SENTENCE,
        "rule    MUST: A connection that the peer resets is replaced by one new connection.",
        "moment  3.250 s into the case",
        "fault   Reset on c4",
        "seed    7",
        "replay  mockex conform orderly --case CONN-01 --profile usdm --seed 7",
    ]


def test_a_run_that_was_not_on_the_real_ground_says_so(make_verdict: MakeVerdict) -> None:
    assert "\n1 PASS. Every required case passes." in shown([make_verdict()])
    virtual = make_verdict(ground="virtual")
    assert "\nOn the virtual ground: 1 PASS. Every required case passes." in shown([virtual])
    both = [make_verdict(), make_verdict(testee="other", ground="virtual")]
    assert "\nOn the real and virtual ground: 2 PASS." in shown(both)


def test_output_to_a_file_has_no_escape_sequences_and_no_wrapped_sentences(
    make_verdict: MakeVerdict,
) -> None:
    output = shown([make_verdict("FAIL"), make_verdict(testee="other")])
    assert "\x1b" not in output
    assert SENTENCE in output


def test_only_failed_shows_what_did_not_pass_and_still_counts_all(
    make_verdict: MakeVerdict,
) -> None:
    output = shown([make_verdict(testee="good"), make_verdict("FAIL")], only_failed=True)
    assert "good" not in output
    assert "1 PASS, 1 FAIL" in output


def test_only_failed_still_says_what_to_declare(make_verdict: MakeVerdict) -> None:
    output = shown([make_verdict("UNSUPPORTED", reason="declare `level = 2`")], only_failed=True)
    assert "declare `level = 2`" in output


def test_a_testee_is_shown_with_what_it_declares(make_verdict: MakeVerdict) -> None:
    claims = [
        Claim(name="plain"),
        Claim(name="able", level=2, renews=True, keeps_books=True, max_streams=12,
              deliveries_per_stream=2, scales_time=True),
        Claim(name="fixed", streams=["ethusdc@trade"]),
    ]  # fmt: skip
    output = shown([make_verdict()], claims)
    assert "plain declares: level 0\n" in output
    assert (
        "able declares: level 2, 2 deliveries per stream, scales time, renews, keeps books, "
        "at most 12 streams\n" in output
    )
    assert "fixed declares: level 0, streams are fixed (1)\n" in output


def test_what_could_not_be_judged_can_be_run_again(make_verdict: MakeVerdict) -> None:
    lines = shown([make_verdict("INCONCLUSIVE", reason="Stall was not seen")]).splitlines()
    line = "    replay  mockex conform orderly --case CONN-01 --profile usdm --seed 7"
    assert lines[lines.index("  Stall was not seen") + 1] == line


def test_a_recording_is_named_by_a_path_that_can_be_pasted(make_verdict: MakeVerdict) -> None:
    stream = io.StringIO()
    result = outcome([make_verdict("FAIL", journal="journal/x.jsonl")])
    terminal.show_result(terminal.console(stream), result, folder=Path("out/today"))
    assert "    journal out/today/journal/x.jsonl\n" in stream.getvalue()


def test_unsupported_is_said_once_for_each_reason(make_verdict: MakeVerdict) -> None:
    output = shown(
        [
            make_verdict("UNSUPPORTED", number=number, case=number, reason="install Go 1.22")
            for number in ("CONN-01", "CONN-02")
        ]
    )
    assert output.count("install Go 1.22") == 1
    assert "orderly (CONN-01 CONN-02): install Go 1.22" in output


def test_a_known_failure_that_passes_is_explained(make_verdict: MakeVerdict) -> None:
    claim = Claim(
        name="orderly", expect=[Expect(case="CONN-01", verdict="FAIL", reason="no time yet")]
    )
    output = shown([make_verdict()], [claim])
    assert "FAIL was expected (no time yet) and it passed" in output
    assert "expects FAIL of CONN-01 (no time yet)" in output


def test_square_brackets_are_text_and_no_markup(make_verdict: MakeVerdict) -> None:
    assert "[red]x[/red]" in shown([make_verdict("ERROR", reason="[red]x[/red]")])


def test_what_a_testee_wrote_is_no_order_to_the_terminal(make_verdict: MakeVerdict) -> None:
    words = "its last words: \x1b]0;mine\x9b31m\u202e"
    assert "its last words: ?]0;mine?31m?" in shown([make_verdict("ERROR", reason=words)])


def test_progress_into_a_file_is_plain_lines(make_verdict: MakeVerdict) -> None:
    stream = io.StringIO()
    with terminal.Progress(2, stream) as progress:
        progress.started("CONN-01 orderly usdm")
        progress.ended("CONN-01 orderly usdm", make_verdict())
        progress.started("CONN-01 other usdm")
        progress.ended("CONN-01 other usdm", make_verdict("FAIL", testee="other"))
    assert stream.getvalue().splitlines() == [
        "[1/2] PASS orderly · usdm · CONN-01 connection/one-delivery-after-reset 1.5 s",
        "[2/2] FAIL other · usdm · CONN-01 connection/one-delivery-after-reset 1.5 s: " + SENTENCE,
    ]


def test_a_case_that_is_put_back_is_said_and_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    tty = Terminal()
    with terminal.Progress(2, tty.stream) as progress:
        progress.started("CONN-01 orderly usdm")
        progress.put_back("CONN-01 orderly usdm")
        progress.started("CONN-02 orderly usdm")
    output = tty.read()
    assert "CONN-01 orderly usdm: the machine was too busy; once more, at the end" in output
    assert "running: CONN-02 orderly usdm" in output
    assert "CONN-01 orderly usdm, CONN-02" not in output


class Terminal:
    """A pseudo-terminal as a text stream."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        self.stream = os.fdopen(slave, "w", encoding="utf-8")

    def read(self) -> str:
        self.stream.close()
        read = b""
        try:
            while chunk := os.read(self.master, 4096):
                read += chunk
        except OSError:  # EIO: the other side is closed and all is read
            pass
        os.close(self.master)
        return read.decode()


def test_the_live_view_starts_no_thread(
    make_verdict: MakeVerdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    tty = Terminal()
    before = threading.active_count()
    with terminal.Progress(2, tty.stream) as progress:
        progress.started("CONN-01 orderly")
        assert threading.active_count() == before
        progress.ended("CONN-01 orderly", make_verdict("FAIL"))
    output = tty.read()
    assert "running: CONN-01 orderly" in output
    assert "\x1b[1;31mFAIL" in output


@pytest.mark.parametrize("variable", ["CI", "NO_COLOR"])
def test_no_color_and_ci_switch_colour_off(
    make_verdict: MakeVerdict, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    tty = Terminal()
    console = terminal.console(tty.stream)
    console.print(word(make_verdict("FAIL").verdict))
    assert "31m" not in tty.read()


def test_ci_on_a_terminal_gets_plain_progress(
    make_verdict: MakeVerdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    tty = Terminal()
    with terminal.Progress(1, tty.stream) as progress:
        progress.started("x")
        progress.ended("x", make_verdict())
    output = tty.read()
    assert "running" not in output
    assert "[1/1] PASS orderly" in output


def test_a_reader_that_goes_away_is_no_error(make_verdict: MakeVerdict) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        console: Console = terminal.console(stream)
        for _ in range(3):
            terminal.show_findings(console, [make_verdict("FAIL")])
