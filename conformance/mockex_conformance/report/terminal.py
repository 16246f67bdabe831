"""A run on the terminal: progress on stderr while it lasts, the result on stdout.

No threads: workers are forked from the process that draws, and a fork copies the locks of a
drawing thread but not the thread. So the live view is drawn when something happens, never by time.
Colour and the live view need a terminal; `NO_COLOR` and `CI` switch them off. A verdict is always
a word, never a colour alone.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from mockex.cli import ExitCode, hush, visible
from mockex_conformance.report import text
from mockex_conformance.report.lines import Claim
from mockex_conformance.report.matrix import matrix, word
from mockex_conformance.report.outcome import Outcome, expectation
from mockex_conformance.verdict import CaseVerdict, Verdict

_FILE_WIDTH = 180  # where nobody looks at columns: lines are cut by who reads them


class QuietConsole(Console):
    """A console whose reader may go away: the rest is then printed nowhere. What it prints is text
    and never an order to the terminal."""

    def on_broken_pipe(self) -> None:
        """Called by rich instead of raising."""
        hush(self.file)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What rich has to write, with no order to the terminal that is not rich's own."""
        for written, style, control in super().render(renderable, options):
            yield Segment(written if control else visible(written), style, control)


def console(stream: IO[str]) -> QuietConsole:
    """The console for stdout or stderr."""
    on_terminal = stream.isatty()
    return QuietConsole(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not on_terminal,
        width=None if on_terminal else _FILE_WIDTH,
        no_color=True if os.environ.get("NO_COLOR") or os.environ.get("CI") else None,
    )


# --- while it runs --------------------------------------------------------------------------------


class Progress:
    """Shows what runs and what came out: a live line on a terminal, plain lines elsewhere."""

    def __init__(self, total: int, stream: IO[str] | None = None) -> None:
        stream = stream if stream is not None else sys.stderr
        self._console = console(stream)
        self._total = total
        self._running: dict[str, None] = {}
        self._counts: Counter[Verdict] = Counter()
        self._live: Live | None = None
        if stream.isatty() and not os.environ.get("CI"):
            self._live = Live(
                self._line(),
                console=self._console,
                auto_refresh=False,  # no thread
                redirect_stdout=False,
                redirect_stderr=False,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def started(self, what: str) -> None:
        """A case began."""
        self._running[what] = None
        self._draw()

    def ended(self, what: str, verdict: CaseVerdict) -> None:
        """A case was judged."""
        self._running.pop(what, None)
        self._counts[verdict.verdict] += 1
        if self._live is None or verdict.verdict is not Verdict.PASS:
            done = self._counts.total()
            line = Text(f"[{done}/{self._total}] ")
            line.append_text(word(verdict.verdict))
            line.append(f" {text.title(verdict)} {verdict.duration_s:.1f} s")
            if verdict.findings:
                line.append(f": {verdict.findings[0].message}")
            elif verdict.reason:
                line.append(f": {verdict.reason}")
            self._console.print(line)
        self._draw()

    def put_back(self, what: str) -> None:
        """A case could not be judged, and is to be run once more."""
        self._running.pop(what, None)
        self.say(f"{what}: the machine was too busy; once more, at the end")

    def say(self, message: str) -> None:
        """Print a line among the progress."""
        self._console.print(Text(message))
        self._draw()

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(self._line(), refresh=True)

    def _line(self) -> Text:
        line = Text(f"{self._counts.total()}/{self._total}", style="bold", overflow="ellipsis")
        for kind, n in self._counts.items():
            line.append(f"  {n} ", style="not bold")
            line.append_text(word(kind))
        if self._running:
            line.append("  running: " + ", ".join(self._running), style="not bold dim")
        line.no_wrap = True
        return line


# --- the result -----------------------------------------------------------------------------------


def show_findings(out: Console, verdicts: Iterable[CaseVerdict], folder: Path = Path()) -> None:
    """The findings of each verdict that is not a PASS: sentence, rule, moment, fault, seed,
    command to replay; or the reason why there is none. `folder` is that of the run."""
    for verdict in verdicts:
        if verdict.verdict is Verdict.PASS:
            continue
        line = word(verdict.verdict)
        out.print()
        out.print(line.append("  " + text.title(verdict), style="bold"))
        for finding in verdict.findings:
            out.print(Text("  " + finding.message))
            _show_facts(out, text.facts(verdict, finding, folder))
        if verdict.reason:
            out.print(Text("  " + verdict.reason))
        if not verdict.findings:
            _show_facts(out, text.where(verdict, folder))
        if verdict.expected:
            out.print(Text("  known: " + verdict.expected))
        for note in verdict.notes:
            out.print(Text("  note: " + note))


def _show_facts(out: Console, facts: Iterable[tuple[str, str]]) -> None:
    for name, value in facts:
        out.print(Text(f"    {name:<8}", style="dim").append(value, style="not dim"))


def show_result(
    out: Console,
    result: Outcome,
    claims: Sequence[Claim] = (),
    *,
    only_failed: bool = False,
    folder: Path = Path(),
    where: str = "",
    took: str = "",
) -> None:
    """The table, the findings and the sentence at the end. `folder` is that of the run."""
    shown = [v for v in result.verdicts if not only_failed or v.verdict is not Verdict.PASS]
    for table in matrix(shown, out.width):
        out.print(table)
        out.print()
    _show_claims(out, claims)
    unsupported = [v for v in shown if v.verdict is Verdict.UNSUPPORTED]
    show_findings(out, [v for v in shown if v.verdict is not Verdict.UNSUPPORTED], folder)
    _show_unsupported(out, unsupported)
    _show_left_out(out, result.verdicts)
    for verdict in result.mended:
        expect = expectation(verdict, claims)
        assert expect is not None
        out.print()
        out.print(
            Text(
                f"{text.title(verdict)}: {expect.verdict} was expected ({expect.reason}) and it "
                "passed: take the [[expect]] out of testee.toml"
            )
        )
    out.print()
    out.print(Text(sentence(result), style="bold"))
    for line in filter(None, (took, where)):
        out.print(Text(line))


def _show_claims(out: Console, claims: Sequence[Claim]) -> None:
    """What each testee declares that differs from the defaults: it is part of the claim."""
    for claim in claims:
        parts = [*text.abilities(claim), *text.limits(claim)]
        parts += [f"expects {failure}" for failure in text.known(claim)]
        version = f" {claim.version}" if claim.version else ""
        out.print(Text(f"{claim.name}{version} declares: {', '.join(parts)}", style="dim"))


def _show_unsupported(out: Console, verdicts: Sequence[CaseVerdict]) -> None:
    """One line for each reason, however many cases it holds for."""
    groups: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        groups.setdefault((verdict.testee, verdict.reason), []).append(verdict.number)
    if groups:
        out.print()
    for (testee, reason), numbers in groups.items():
        some = " ".join(dict.fromkeys(numbers))
        out.print(word(Verdict.UNSUPPORTED).append(f"  {testee} ({some}): {reason}"))


def _show_left_out(out: Console, verdicts: Sequence[CaseVerdict]) -> None:
    """One line for each part that a case passed without, however much else is hidden."""
    rows = text.left_out(verdicts)
    if rows:
        out.print()
    for testee, numbers, note in rows:
        out.print(word(Verdict.PASS).append(f"  {testee} ({numbers}): {note}"))


def sentence(result: Outcome) -> str:
    """The end of the story in one line."""
    counts = text.circumstances(result.verdicts) + text.counted(result.counts)
    match result.exit_code:
        case ExitCode.OK:
            known = f" {len(result.known)} known." if result.known else ""
            return f"{counts}. Every required case passes.{known}"
        case ExitCode.FAILED:
            parts = []
            if result.failed:
                parts.append(f"{len(result.failed)} required failed")
            if result.mended:
                parts.append(f"{len(result.mended)} expected to fail passed")
            if result.unjudged:
                parts.append(f"{len(result.unjudged)} could not be judged")
            return f"{counts}. {', '.join(parts).capitalize()}."
        case ExitCode.UNJUDGED:
            return f"{counts}. {len(result.unjudged)} could not be judged."
        case ExitCode.INTERRUPTED:
            return f"{counts}. Interrupted: that is not all."
        case _:
            return "Nothing was selected."
