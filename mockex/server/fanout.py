"""Fan-out: one event, one text; one text, a few frames; one write for each tick and member.

Connections with the same subscriptions in the same mode form an *audience*. What an audience gets
in a step is joined once and written to each member; the journal holds one entry for all of them. A
faulted connection is an audience of one, behind its gate, until it heals.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from mockex.server.frames import text_frame
from mockex.server.gate import Gate
from mockex.server.journal import Batch, Delivered, Joined, Journal, Left
from mockex.streams.envelope import Event, combined


class Member(Protocol):
    """What fan-out needs of a connection."""

    number: int
    combined: bool
    served: frozenset[str]  # streams that it is sent
    gate: Gate | None

    def write(self, data: bytes) -> None: ...

    def deliver_gated(self, step: int, events: list[Event]) -> None:
        """Events for a connection that has a gate."""
        ...


class _Frames:
    """The frames of one event, each made when first asked for."""

    __slots__ = ("_combined", "_event", "_raw")

    def __init__(self, event: Event) -> None:
        self._event = event
        self._raw: bytes | None = None
        self._combined: bytes | None = None

    def get(self, in_combined: bool) -> bytes:
        if in_combined:
            if self._combined is None:
                self._combined = text_frame(combined(self._event.stream, self._event.text))
            return self._combined
        if self._raw is None:
            self._raw = text_frame(self._event.text)
        return self._raw


class _Audience:
    __slots__ = ("combined", "members", "number", "streams")

    def __init__(self, number: int, streams: frozenset[str], in_combined: bool) -> None:
        self.number = number
        self.streams = streams
        self.combined = in_combined
        self.members: dict[int, Member] = {}


class Fanout:
    """Who gets what. `wanted` and `unwanted` are told when a stream gets its first connection and
    when it loses its last."""

    def __init__(
        self,
        journal: Journal,
        now: Callable[[], float],
        wanted: Callable[[str], None],
        unwanted: Callable[[str], None],
    ) -> None:
        self._journal = journal
        self._now = now
        self._wanted = wanted
        self._unwanted = unwanted
        self._numbers = itertools.count(1)
        self._shared: dict[tuple[bool, frozenset[str]], _Audience] = {}
        self._of: dict[int, _Audience] = {}
        self._gated: dict[int, Member] = {}
        self._users: Counter[str] = Counter()

    def join(self, member: Member) -> None:
        """Put the connection where its subscriptions, mode and gate say; call it again whenever
        one of them changed."""
        self.leave(member)
        if not member.served:
            return
        for name in sorted(member.served):  # a set has another order in each process
            self._users[name] += 1
            if self._users[name] == 1:
                self._wanted(name)
        if member.gate is not None:
            audience = _Audience(next(self._numbers), member.served, member.combined)
            self._gated[member.number] = member
        else:
            key = (member.combined, member.served)
            found = self._shared.get(key)
            if found is None:
                found = _Audience(next(self._numbers), member.served, member.combined)
                self._shared[key] = found
            audience = found
        audience.members[member.number] = member
        self._of[member.number] = audience
        self._journal.append(Joined(t=self._now(), conn=member.number, audience=audience.number))

    def leave(self, member: Member) -> None:
        """Take the connection out; harmless if it is in no audience."""
        audience = self._of.pop(member.number, None)
        if audience is None:
            return
        del audience.members[member.number]
        self._gated.pop(member.number, None)
        key = (audience.combined, audience.streams)
        if not audience.members and self._shared.get(key) is audience:
            del self._shared[key]
        for name in sorted(audience.streams):
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name]
                self._unwanted(name)
        self._journal.append(Left(t=self._now(), conn=member.number, audience=audience.number))

    def publish(self, step: int, events: list[Event]) -> None:
        """Write the events of one step to everybody who asked for them."""
        if not events:
            return
        frames = [(event, _Frames(event)) for event in events]
        for audience in tuple(self._shared.values()):
            self._write(audience, step, [f for f in frames if f[0].stream in audience.streams])
        for member in tuple(self._gated.values()):
            mine = [event for event in events if event.stream in member.served]
            if mine:
                member.deliver_gated(step, mine)

    def write_now(self, member: Member, step: int, events: Iterable[Event]) -> None:
        """Write events to one gated connection that passed its gate."""
        audience = self._of.get(member.number)
        if audience is not None:
            self._write(audience, step, [(event, _Frames(event)) for event in events])

    def _write(self, audience: _Audience, step: int, frames: list[tuple[Event, _Frames]]) -> None:
        if not frames:
            return
        data = []
        batches: dict[str, Batch] = {}
        for event, forms in frames:
            frame = forms.get(audience.combined)
            data.append(frame)
            batch = batches.get(event.stream)
            if batch is None:
                batches[event.stream] = Batch(event.first_id, event.last_id, 1, len(frame))
            else:
                batches[event.stream] = Batch(
                    batch.first_id, event.last_id, batch.events + 1, batch.bytes + len(frame)
                )
        joined = b"".join(data)
        # Journaled first: a write can take its member out of the audience (its buffer is full).
        self._journal.append(
            Delivered(t=self._now(), audience=audience.number, step=step, streams=batches)
        )
        for member in tuple(audience.members.values()):
            member.write(joined)
