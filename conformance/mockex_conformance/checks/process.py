"""The testee as a process: alive, and gone when it is told to go."""

from __future__ import annotations

from mockex.server.journal import (
    Answered,
    Asked,
    Exited,
    Launched,
    Noted,
    Said,
    Signalled,
)
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding


class Alive(Check, frozen=True, tag="alive"):
    """The testee exited although nobody had asked it to, or was never started."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        for entry in recording.of(Exited):
            if not entry.expected:
                how = f"exit code {entry.code}" if entry.code >= 0 else f"signal {-entry.code}"
                message = f"the testee's process ended by itself with {how}"
                if entry.last_words:
                    message += f"; its last words: {entry.last_words}"
                return [finding(self, recording, message, entry.t, code=entry.code)]
        return []


class Terminates(Check, frozen=True, tag="terminates"):
    """SIGTERM did not end the process within `close_ms`, with an allowed code, with all it had."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each start that did not end as it should."""
        terms = recording.terms
        limit_s = terms.limits["close_ms"] / 1000 * terms.scale * terms.deadline_factor + 1.0
        told: dict[int, Signalled] = {}
        killed: set[int] = set()
        situation: dict[int, str] = {}
        run = 0
        findings: list[Finding] = []
        for entry in recording.entries:
            match entry:
                case Launched(run=run):
                    pass
                case Noted(name="situation"):
                    situation[run] = entry.detail["what"]
                case Signalled(run=number, signal="SIGTERM"):
                    told.setdefault(number, entry)
                case Signalled(run=number, signal="SIGKILL"):
                    killed.add(number)
                case Exited(run=number) if number in told:
                    findings += self._exited(
                        recording, entry, told[number], number in killed, limit_s,
                        situation.get(number, "running"),
                    )  # fmt: skip
                case _:
                    pass
        return findings

    def _exited(
        self,
        recording: Recording,
        entry: Exited,
        told: Signalled,
        killed: bool,
        limit_s: float,
        what: str,
    ) -> list[Finding]:
        took_s = entry.t - told.t
        late = Standstills(recording.entries).overdue(told.t, told.t + limit_s, entry.t)
        # What it left behind was waited for until the limit: that alone is not its own lateness.
        if killed or (late and not entry.left):
            message = f"still there {limit_s:.1f} s after SIGTERM while {what}"
        elif entry.code not in (0, 143, -15):
            message = f"SIGTERM while {what} ended it with {entry.code}; 0, 143 or SIGTERM is right"
        elif entry.left:
            message = f"SIGTERM while {what} left processes behind: {', '.join(entry.left)}"
        else:
            return []
        return [finding(self, recording, message, entry.t, took_s=round(took_s, 3))]


class NothingLeft(Check, frozen=True, tag="nothing_left"):
    """The testee had to be killed, ended with another code than 0, or held something to the end."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first end that was not clean."""
        killed: set[int] = set()
        for entry in recording.entries:
            if isinstance(entry, Signalled) and entry.signal == "SIGKILL":
                killed.add(entry.run)
            if not isinstance(entry, Exited) or not entry.expected:
                continue
            if entry.run in killed:
                return [finding(self, recording, "it had to be killed", entry.t)]
            if entry.code != 0:
                message = f"told to quit it ended with {entry.code}"
                return [finding(self, recording, message, entry.t)]
            if entry.leaked:
                message = f"at its end it still held {'; '.join(entry.leaked[:5])}"
                return [finding(self, recording, message, entry.t, leaked=entry.leaked)]
        return []


class SilentAfterClose(Check, frozen=True, tag="silent_after_close"):
    """`close` was not answered, or an event was presented after its answer."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        asked: Asked | None = None
        answered: float | None = None
        for entry in recording.entries:
            match entry:
                case Asked(method="close"):
                    asked = entry
                case Answered(id=number) if asked is not None and number == asked.id:
                    answered = entry.t
                    if entry.error is not None:
                        message = f"`close` was refused: {entry.error}"
                        return [finding(self, recording, message, entry.t)]
                case Said(method="event") if answered is not None:
                    name = entry.params.get("stream")
                    message = f"an event of {name} was presented after `close` was answered"
                    return [finding(self, recording, message, entry.t)]
                case _:
                    pass
        if asked is not None and answered is None:
            return [finding(self, recording, "`close` was never answered", asked.t)]
        return []
