"""The testee as a process: alive, flat, and gone when it is told to go."""

from __future__ import annotations

from statistics import median
from typing import Literal

from mockex.server.journal import (
    Answered,
    Asked,
    Exited,
    Launched,
    Noted,
    Said,
    Sampled,
    Signalled,
)
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding

_CLOSE_WAIT_S = 2.0


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


class Flat(Check, frozen=True, tag="flat"):
    """The maximum of a metric after the landmark `baseline-taken` is above the median of the
    samples in the landmarks `baseline` + max(5, n / 10); or, for sockets, one was in CLOSE_WAIT
    for more than 2 s."""

    metric: Literal["sockets", "threads", "descriptors"]
    n: int

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most, and one for CLOSE_WAIT."""
        baselines: list[int] = []
        latest: Sampled | None = None
        worst: Sampled | None = None
        stuck: Sampled | None = None
        taken = False
        for entry in recording.entries:
            if isinstance(entry, Sampled):
                latest = entry
                if taken and (worst is None or self._value(entry) > self._value(worst)):
                    worst = entry
                if entry.close_wait_s > _CLOSE_WAIT_S and stuck is None:
                    stuck = entry
            elif isinstance(entry, Noted) and entry.name == "baseline" and latest is not None:
                baselines.append(self._value(latest))
            elif isinstance(entry, Noted) and entry.name == "baseline-taken":
                taken = True
        findings = []
        if baselines and worst is not None:
            base = median(baselines)
            slack = max(5.0, self.n / 10)
            if self._value(worst) > base + slack:
                message = (
                    f"{self._value(worst)} {self.metric} after {self.n} reconnects, {base:g} "
                    f"before; at most {base + slack:g} are flat"
                )
                findings.append(finding(self, recording, message, worst.t, baseline=base))
        if self.metric == "sockets" and stuck is not None:
            message = (
                f"a socket has been in CLOSE_WAIT for {stuck.close_wait_s:.1f} s: the peer has "
                "closed it and the testee has not"
            )
            findings.append(finding(self, recording, message, stuck.t, states=stuck.sockets))
        return findings

    def _value(self, sample: Sampled) -> int:
        if self.metric == "sockets":
            return sum(sample.own_sockets.values())
        return sample.threads if self.metric == "threads" else sample.descriptors


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
        late = took_s > limit_s + recording.stood_still_s(told.t, entry.t)
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
