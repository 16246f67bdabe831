"""Wrong about coming back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from websockets.exceptions import InvalidStatus

from mockex_adapter.backoff import Backoff
from mockex_adapter.exchange import Timers
from mockex_adapter.lifecycle import Event, State
from mockex_adapter.link import Link
from mockex_adapter.supervisor import Supervisor
from patches import count_dials, mutant


def wait_by(drawn: Callable[[Backoff, int], float]) -> None:
    """Let the wait after so many attempts be drawn otherwise, in seconds at scale 1. What the
    exchange dictates stays a floor."""

    def next_delay_s(self: Backoff) -> float:
        floor_s, self._floor_s = self._floor_s, 0.0
        attempts, self._attempts = self._attempts, self._attempts + 1
        scale = self._cap_s / Timers().backoff_cap_s
        return max(floor_s, scale * drawn(self, attempts))

    Backoff.next_delay_s = next_delay_s


@mutant
def clean_close_is_final() -> None:
    """Does not reconnect after close code 1000."""
    step = Supervisor._step

    def final(self: Supervisor, tasks: Any, event: Event, link: Link | None) -> None:
        if event is Event.FAILED and link is self._current and "close 1000" in self.reason:
            self._current, self.state = None, State.CLOSED
            return
        step(self, tasks, event, link)

    Supervisor._step = final


@mutant
def restart_churns() -> None:
    """Closes what it has before each start; the close itself asks for a start. One loss sets it
    off."""
    count_dials()
    adopt = Supervisor._adopt

    def churn(self: Supervisor) -> None:
        adopt(self)
        if self.dials > 1:
            self._loop.call_later(0.3, self._end, self._current)

    Supervisor._adopt = churn


@mutant
def no_backoff() -> None:
    """Tries again at once."""
    Supervisor._delay = lambda self: 0.0


@mutant
def backoff_resets_on_open() -> None:
    """A completed handshake sets the delay back."""
    step = Supervisor._step

    def trusting(self: Supervisor, tasks: Any, event: Event, link: Link | None) -> None:
        if event is Event.OPENED:
            self._backoff.forget()
        step(self, tasks, event, link)

    Supervisor._step = trusting


@mutant
def backoff_resets_on_message() -> None:
    """The first message sets the delay back."""
    on_message = Supervisor.on_message

    def trusting(self: Supervisor, link: Link, message: Any) -> None:
        self._backoff.forget()
        on_message(self, link, message)

    Supervisor.on_message = trusting


@mutant
def fixed_delay() -> None:
    """One second between attempts, always."""
    wait_by(lambda backoff, attempts: 1.0)


@mutant
def no_jitter() -> None:
    """Doubles exactly, from 1 s on and behind an immediate first retry; no random part."""
    wait_by(lambda backoff, attempts: min(10.0, 2.0 ** (attempts - 1)) if attempts else 0.0)


@mutant
def backoff_never_resets() -> None:
    """One counter for the whole life of the process. Its longest delay is one that some have, so
    that it shows: a random one of up to 10 s is mostly short enough for a first loss."""

    def drawn(backoff: Backoff, attempts: int) -> float:
        longest_s = min(27.0, 2.0 ** (attempts - 1)) if attempts else 0.0
        return longest_s * backoff._random.uniform(0.8, 1.0)

    wait_by(drawn)
    Backoff.forget = lambda self: None


@mutant
def ignores_retry_after() -> None:
    """Uses its own delay whatever the server says."""
    Backoff.told_to_wait = lambda self, seconds: None


@mutant
def no_handshake_timeout() -> None:
    """Waits for the 101 for ever."""
    scaled = Timers.scaled
    Timers.scaled = lambda self, factor: scaled(Timers(handshake_s=1e9), factor)


@mutant
def dies_on_bad_handshake() -> None:
    """Catches errors of the connection, and not a status that it did not expect."""
    on_loss = Supervisor._on_loss

    def caught(self: Supervisor, link: Link, error: BaseException) -> None:
        inner = error
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        if isinstance(inner, InvalidStatus):
            raise inner
        on_loss(self, link, error)

    Supervisor._on_loss = caught


@mutant
def gives_up_quietly() -> None:
    """Stops after five attempts that failed, stays alive, says nothing."""
    count_dials()
    wait, adopt = Supervisor._wait, Supervisor._adopt

    def wait_or_not(self: Supervisor) -> None:
        if self.dials < 5:
            wait(self)

    def begin_anew(self: Supervisor) -> None:
        self.dials = 0
        adopt(self)

    Supervisor._wait, Supervisor._adopt = wait_or_not, begin_anew
