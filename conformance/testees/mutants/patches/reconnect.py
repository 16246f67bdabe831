"""Wrong about coming back."""

from __future__ import annotations

from typing import Any

from mockex_adapter.lifecycle import Event, State
from mockex_adapter.link import Link
from mockex_adapter.supervisor import Supervisor
from patches import count_dials, mutant


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
