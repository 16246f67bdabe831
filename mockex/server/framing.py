"""Legal, and unlike what is usual: how the next events of one connection go into frames and writes.

A framing stands at a connection's gate. It is handed the events that pass, step by step, writes
them, and says when it is done with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Protocol

from mockex.faults.model import Enlarge, Fragment, Gather
from mockex.server.frames import Opcode, fragments, frame
from mockex.server.injection import Injection
from mockex.streams.envelope import Event, Form, spell

FrameOf = Callable[[Event, Form], bytes]


class Receiver(Protocol):
    """What a framing needs of a connection."""

    number: int

    def delivered(self, step: int, events: list[Event], frame_of: FrameOf | None = None) -> bytes:
        """The bytes of these events, which are journaled as delivered."""
        ...

    def write(self, data: bytes) -> None: ...

    def pinged(self, payload: bytes) -> None:
        """Journal a ping with this payload, which is about to be written."""
        ...


class Framing:
    """See the module. `injection` is the fault that it belongs to."""

    injection: Injection

    def write(self, to: Receiver, step: int, events: list[Event]) -> bool:
        """Write the events of one step, now or later; whether that was the last of it."""
        raise NotImplementedError

    def give_up(self) -> list[tuple[int, list[Event]]]:
        """It ends before its time: what waits, by step. Nothing does, unless said otherwise."""
        return []


def framing_of(fault: Fragment | Gather | Enlarge, injection: Injection) -> Framing:
    """What does `fault`."""
    match fault:
        case Fragment(bytes=size, events=events, pings=pings):
            return Fragmenting(size, events, pings, injection)
        case Gather(events=events):
            return Gathering(events, injection)
        case Enlarge(bytes=size, stream=stream):
            return Enlarging(stream or "", size, injection)


class Fragmenting(Framing):
    """Events in many frames, with pings between them. The bytes of the pings are counted with
    those of the event."""

    def __init__(self, size: int, events: int, pings: int, injection: Injection) -> None:
        self._size = size
        self._left = events
        self._pings = pings
        self.injection = injection
        self._numbers = count(1)
        self._seen = False

    def write(self, to: Receiver, step: int, events: list[Event]) -> bool:
        """Write each event by itself, those that are cut no more as usual."""
        for event in events[: self._left]:
            pings: list[bytes] = []
            data = to.delivered(step, [event], lambda e, form: self._cut(e, form, pings))  # noqa: B023 - called at once
            for payload in pings:
                to.pinged(payload)
            to.write(data)
            if not self._seen:
                self._seen = True
                self.injection.happened([to.number])
        whole, self._left = events[self._left :], max(0, self._left - len(events))
        if whole:
            to.write(to.delivered(step, whole))
        return not self._left

    def _cut(self, event: Event, form: Form, pings: list[bytes]) -> bytes:
        parts = fragments(spell(event, form), self._size, deflated=form.deflated)
        wanted = min(self._pings, len(parts) - 1)
        behind = {nth * len(parts) // (wanted + 1) for nth in range(1, wanted + 1)}
        written = []
        for number, part in enumerate(parts, 1):
            written.append(part)
            if number in behind:
                pings.append(f"fragment {next(self._numbers)}".encode())
                written.append(frame(Opcode.PING, pings[-1]))
        return b"".join(written)


class Gathering(Framing):
    """Events that wait for each other."""

    def __init__(self, events: int, injection: Injection) -> None:
        self._missing = events
        self.injection = injection
        self._waiting: list[tuple[int, list[Event]]] = []

    def write(self, to: Receiver, step: int, events: list[Event]) -> bool:
        """Write all at once, if these are enough."""
        self._waiting.append((step, events))
        self._missing -= len(events)
        if self._missing > 0:
            return False
        to.write(b"".join(to.delivered(step, events) for step, events in self.give_up()))
        self.injection.happened([to.number])
        return True

    def give_up(self) -> list[tuple[int, list[Event]]]:
        """What waits, in order."""
        waiting, self._waiting = self._waiting, []
        return waiting


class Enlarging(Framing):
    """An event that is an array, many times as long as it was."""

    def __init__(self, stream: str, size: int, injection: Injection) -> None:
        self._stream = stream
        self._size = size
        self.injection = injection

    def write(self, to: Receiver, step: int, events: list[Event]) -> bool:
        """Write the events, the first of the stream enlarged."""
        at = next((n for n, event in enumerate(events) if event.stream == self._stream), None)
        why = ""
        if at is not None:
            text = enlarged(events[at].text, self._size)
            if text is None:
                why = f"Enlarge: an event of {self._stream} is no array with rows"
            else:
                events = [*events[:at], replace(events[at], text=text), *events[at + 1 :]]
        to.write(to.delivered(step, events))
        if why:
            self.injection.failed(why)
        elif at is not None:
            self.injection.happened([to.number])
        return at is not None


def enlarged(text: str, size: int) -> str | None:
    """The rows of an array as often as fits into `size` bytes, at least once; None if `text` has
    none."""
    rows = text[1:-1]
    if not (text.startswith("[") and rows):
        return None
    times = max(1, (size - 1) // (len(rows.encode()) + 1))
    return f"[{','.join([rows] * times)}]"
