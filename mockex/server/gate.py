"""The gate: what stands between the exchange and one faulted connection.

A connection without faults has none, so the fast path has no `if` for faults. A gate withholds,
cuts or counts what the connection would send, and sends the rest; it is taken away when nothing of
that is left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from mockex.errors import FaultError
from mockex.server.fanout import event_frame
from mockex.server.framing import Framing, Receiver
from mockex.server.injection import Injection
from mockex.session.effects import CloseCode
from mockex.streams.envelope import Event, Form


class Gated(Receiver, Protocol):
    """What a gate needs of its connection."""

    form: Form

    @property
    def over(self) -> bool:
        """Nothing can be written any more: there was a FIN or a RST."""
        ...

    def close(self, code: int) -> None:
        """Write a close frame and end the connection."""
        ...

    def fin(self) -> bool:
        """FIN without a close frame; False if the client has ended it already. Raises FaultError:
        it cannot be done."""
        ...

    def reset(self) -> None:
        """RST."""
        ...

    def when_ended(self, told: Callable[[], None]) -> None:
        """Call `told` when the TCP connection is over."""
        ...


@dataclass(slots=True)
class Held:
    """Events of one step, or bytes of one control frame, that were due and not written."""

    step: int = 0
    events: list[Event] = field(default_factory=list)
    send: Callable[[], None] | None = None


class Gate:
    """The faults that are on for one connection, and what they withhold."""

    def __init__(self, connection: Gated) -> None:
        self._to = connection
        self._stalls: dict[str, Injection] = {}  # scope, or stream name after a colon
        self._unseen: set[str] = set()
        self._cut: tuple[Literal["fin", "reset"], Injection] | None = None
        self._quota: tuple[int, Injection] | None = None
        self._resumed: Injection | None = None
        self.framing: Framing | None = None  # of the events that pass
        self._backlog: list[Held] = []

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

    # --- ending ---

    def resume(self, injection: Injection, *, deliver: bool) -> None:
        """End all stalls; send the backlog or lose it."""
        gathered = list[Held]()
        if (framing := self.framing) is not None:
            gathered = self._withdrawn(framing.injection)
            framing.injection.let_go()
        backlog = self._take_backlog()
        replaced, self._resumed = self._resumed, injection
        self._end_stalls("")
        self._let_go([replaced], "another resume took its place")
        if deliver:
            for held in (*gathered, *backlog):
                self._send(held)

    def end_stall(self, injection: Injection) -> None:
        """End the stall of `injection` alone: what no other withholds is sent."""
        for scope in [s for s, i in self._stalls.items() if i is injection]:
            del self._stalls[scope]
            self._unseen.discard(scope)
        self._offer([])

    def withdraw(self, injection: Injection) -> None:
        """Nothing more of a fault that waits for events; those that wait with it are sent.
        Stalls go on."""
        self._offer(self._withdrawn(injection))
        injection.let_go()

    def _withdrawn(self, injection: Injection) -> list[Held]:
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

    # --- passing ---

    def hold_control(self, send: Callable[[], None]) -> bool:
        """Whether this control frame is withheld; it is then in the backlog."""
        if not self.total:
            return False
        self._backlog.append(Held(send=send))
        self._withheld("total")
        return True

    def deliver(self, step: int, events: list[Event]) -> None:
        """Send events of one step, as far as they pass."""
        passed = self._split(step, events)
        if not passed:
            return
        if self._cut is not None:
            (then, injection), self._cut = self._cut, None
            self._write_half(passed[0], then, injection)
            return
        allowed, last = self._take_quota(len(passed))
        if allowed:
            self._write(step, passed[:allowed])
            self._written()
        if last is not None:
            self._to.close(CloseCode.GOING_AWAY)
            last.happened([self._to.number])
            last.let_go()

    def _split(self, step: int, events: list[Event]) -> list[Event]:
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
            self._backlog.append(Held(step=step, events=held))
        return passed

    def _take_quota(self, offered: int) -> tuple[int, Injection | None]:
        """How many of `offered` events may pass, and the injection if those are the last ones."""
        if self._quota is None:
            return offered, None
        left, injection = self._quota
        if offered < left:
            self._quota = (left - offered, injection)
            return offered, None
        self._quota = None
        return left, injection

    def _write(self, step: int, events: list[Event]) -> None:
        if self.framing is None:
            self._to.write(self._to.delivered(step, events))
        elif self.framing.write(self._to, step, events):
            self.framing = None

    def _write_half(
        self, event: Event, then: Literal["fin", "reset"], injection: Injection
    ) -> None:
        """Half of its frame, and the end of the connection."""
        to, data = self._to, event_frame(event, self._to.form)
        to.write(data[: len(data) // 2])
        if then == "fin":
            try:
                if to.fin():
                    injection.happened([to.number])
            except FaultError as error:
                injection.failed(str(error))
                to.reset()
        else:
            # The half must leave our buffer before the RST drops it: it is small and the socket
            # was writable, so the transport has handed it to the kernel already.
            to.when_ended(lambda: injection.happened([to.number]))
            to.reset()

    def _written(self) -> None:
        """An event went out: a resume is seen with it."""
        if self._resumed is not None:
            injection, self._resumed = self._resumed, None
            injection.happened([self._to.number])

    def _offer(self, first: list[Held]) -> None:
        """Send `first` and the backlog, but for what is withheld."""
        for held in (*first, *self._take_backlog()):
            if held.send is not None:
                if not self.hold_control(held.send):
                    held.send()
            elif passed := self._split(held.step, held.events):
                self._send(Held(step=held.step, events=passed))

    def _take_backlog(self) -> list[Held]:
        """What was withheld, in order."""
        held, self._backlog = self._backlog, []
        return held

    def _send(self, held: Held) -> None:
        if self._to.over:
            return
        if held.send is not None:
            held.send()
        else:
            self._to.write(self._to.delivered(held.step, held.events))
            self._written()

    @property
    def _gone(self) -> str:
        return f"its connection, c{self._to.number}, ended first"

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
            self._stalls[scope].happened([self._to.number])
