"""The gate: what stands between the exchange and one faulted connection.

A connection without faults has none, so the fast path has no `if` for faults. A gate withholds,
cuts or counts; it is taken away when nothing of that is left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mockex.streams.envelope import Event

if TYPE_CHECKING:
    from mockex.server.framing import Framing


class Injection:
    """A fault on its way: what the gate and the connections report to."""

    def happened(self, conns: Sequence[int], detail: str = "") -> None:
        """The fault happened, to these connections."""
        raise NotImplementedError

    def failed(self, why: str) -> None:
        """The fault could not be done when its time had come."""
        raise NotImplementedError

    def let_go(self, why: str = "") -> None:
        """Whoever held something of the fault does so no more: because it was told to, or else
        `why`, which is the reason if the fault never happened."""
        raise NotImplementedError


class Unwatched(Injection):
    """What is part of something else: nobody waits to see it."""

    def happened(self, conns: Sequence[int], detail: str = "") -> None:
        """Nobody is told."""

    def failed(self, why: str) -> None:
        """Nobody is told."""

    def let_go(self, why: str = "") -> None:
        """Nobody is told."""


@dataclass(slots=True)
class Held:
    """Events of one step, or bytes of one control frame, that were due and not written."""

    step: int = 0
    events: list[Event] = field(default_factory=list)
    send: Callable[[], None] | None = None


class Gate:
    """The faults that are on for one connection, and what they withhold."""

    def __init__(self, conn: int) -> None:
        self._conn = conn
        self._stalls: dict[str, Injection] = {}  # scope, or stream name after a colon
        self._unseen: set[str] = set()
        self._cut: tuple[Literal["fin", "reset"], Injection] | None = None
        self._quota: tuple[int, Injection] | None = None
        self._resumed: Injection | None = None
        self.framing: Framing | None = None  # of the events that pass
        self.backlog: list[Held] = []

    # --- setting ---

    def stall(self, scope: str, injection: Injection) -> None:
        """Withhold what `scope` says: `total`, `data`, or the name of a stream."""
        replaced = self._stalls.get(scope)
        self._stalls[scope] = injection
        self._unseen.add(scope)
        self._let_go([replaced], "another stall took its place")

    def cut_next(self, then: Literal["fin", "reset"], injection: Injection) -> None:
        """Write half of the next event and end the connection."""
        replaced, self._cut = self._cut, (then, injection)
        if replaced is not None:
            self._let_go([replaced[1]], "another cut took its place")

    def allow(self, events: int, injection: Injection) -> None:
        """Let `events` events pass and then close."""
        self._quota = (events, injection)

    def resume(self, injection: Injection) -> list[Held]:
        """End all stalls; returns the backlog, in order."""
        held = self.take_backlog()
        replaced, self._resumed = self._resumed, injection
        self._end_stalls("")
        self._let_go([replaced], "another resume took its place")
        return held

    def end_stall(self, injection: Injection) -> None:
        """End the stall of `injection` alone. What is in the backlog stays there."""
        for scope in [s for s, i in self._stalls.items() if i is injection]:
            del self._stalls[scope]
            self._unseen.discard(scope)

    def take_backlog(self) -> list[Held]:
        """What was withheld, in order; it is the caller's now."""
        held, self.backlog = self.backlog, []
        return held

    def withdraw(self, injection: Injection) -> list[Held]:
        """Nothing more of a fault that waits for events; those that wait with it."""
        framing = self.framing
        if self._cut is not None and self._cut[1] is injection:
            self._cut = None
        if self._quota is not None and self._quota[1] is injection:
            self._quota = None
        if self._resumed is injection:
            self._resumed = None
        if framing is None or framing.injection is not injection:
            return []
        self.framing = None
        return [Held(step=step, events=events) for step, events in framing.give_up()]

    def sends_no_more(self) -> None:
        """No event will pass any more: whoever waits for one does so in vain."""
        waiting = self.waiting()
        self._cut = self._quota = self._resumed = self.framing = None
        self._let_go(waiting, self._gone)

    def ended(self) -> None:
        """The connection is over, and with it what it withheld."""
        self.sends_no_more()
        self._end_stalls(self._gone)

    # --- asking ---

    @property
    def open(self) -> bool:
        """Nothing is left to do: the gate can go."""
        return not (
            self._stalls or self._cut or self._quota or self._resumed or self.framing is not None
        )

    @property
    def total(self) -> bool:
        """Everything is withheld."""
        return "total" in self._stalls

    def withholds_for(self, injection: Injection) -> bool:
        """Whether this fault stalls the connection."""
        return injection in self._stalls.values()

    def waiting(self) -> list[Injection]:
        """Those that wait for events of the connection."""
        found = [pair[1] for pair in (self._cut, self._quota) if pair is not None]
        if self.framing is not None:
            found.append(self.framing.injection)
        if self._resumed is not None:
            found.append(self._resumed)
        return found

    def hold_control(self, send: Callable[[], None]) -> bool:
        """Whether this control frame is withheld; it is then in the backlog."""
        if not self.total:
            return False
        self.backlog.append(Held(send=send))
        self._withheld("total")
        return True

    def split(self, step: int, events: list[Event]) -> list[Event]:
        """Those of `events` that pass; the others are in the backlog."""
        passed: list[Event] = []
        held: list[Event] = []
        for event in events:
            scope = next((s for s in ("total", "data", event.stream) if s in self._stalls), None)
            if scope is None:
                passed.append(event)
            else:
                held.append(event)
                self._withheld(scope)
        if held:
            self.backlog.append(Held(step=step, events=held))
        return passed

    def take_cut(self) -> tuple[Literal["fin", "reset"], Injection] | None:
        """The cut that the next event meets; only once."""
        cut, self._cut = self._cut, None
        return cut

    def take_quota(self, offered: int) -> tuple[int, Injection | None]:
        """How many of `offered` events may pass, and the injection if those are the last ones."""
        if self._quota is None:
            return offered, None
        left, injection = self._quota
        if offered < left:
            self._quota = (left - offered, injection)
            return offered, None
        self._quota = None
        return left, injection

    def written(self) -> None:
        """An event went out: a resume is seen with it."""
        if self._resumed is not None:
            injection, self._resumed = self._resumed, None
            injection.happened([self._conn])

    @property
    def _gone(self) -> str:
        return f"its connection, c{self._conn}, ended first"

    def _end_stalls(self, why: str) -> None:
        stalls = list(dict.fromkeys(self._stalls.values()))
        self._stalls.clear()
        self._unseen.clear()
        self._let_go(stalls, why)

    @staticmethod
    def _let_go(injections: Iterable[Injection | None], why: str) -> None:
        for injection in injections:
            if injection is not None:
                injection.let_go(why)

    def _withheld(self, scope: str) -> None:
        if scope in self._unseen:
            self._unseen.discard(scope)
            self._stalls[scope].happened([self._conn])
