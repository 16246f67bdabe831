"""Fan-out: one event, one text; one text, a few frames; one write for each tick and member.

Connections with the same subscriptions in the same form (`Form`: raw or combined, milli- or
microseconds, plain or deflated) are an *audience*. What an audience gets in a step is joined once
and written to each member; the journal holds one entry for all of them. A faulted connection is an
audience of one, behind its gate, until it heals.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from mockex.server.frames import data_frame, text_frame
from mockex.server.journal import Batch, Delivered, Joined, Journal, Left
from mockex.streams.envelope import Event, Form, combined, spell

if TYPE_CHECKING:
    from mockex.server.gate import Gate

T = TypeVar("T")


class Member(Protocol):
    """What fan-out needs of a connection."""

    number: int
    form: Form
    served: frozenset[str]  # streams that it is sent
    gate: Gate | None

    def write(self, data: bytes) -> None: ...

    def deliver_gated(self, step: int, events: list[Event]) -> None:
        """Events for a connection that has a gate."""
        ...


class _Frames:
    """The frames of one event, each made when first asked for.

    The two forms that nearly everybody has are methods of their own, so that the others cost them
    nothing: not a look-up, and not a place to keep them.
    """

    __slots__ = ("_combined", "_event", "_others", "_raw")

    _others: dict[Form, bytes]  # there once somebody has asked

    def __init__(self, event: Event) -> None:
        self._event = event
        self._raw: bytes | None = None
        self._combined: bytes | None = None

    def raw(self) -> bytes:
        if self._raw is None:
            self._raw = text_frame(self._event.text)
        return self._raw

    def combined(self) -> bytes:
        if self._combined is None:
            self._combined = text_frame(combined(self._event.stream, self._event.text))
        return self._combined

    def other(self, form: Form) -> bytes:
        try:
            others = self._others
        except AttributeError:
            others = self._others = {}
        made = others.get(form)
        if made is None:
            made = others[form] = event_frame(self._event, form)
        return made


def event_frame(event: Event, form: Form) -> bytes:
    """The frame of `event` for a connection of this form."""
    return data_frame(spell(event, form), deflated=form.deflated)


class _Audience:
    __slots__ = ("form", "frame", "members", "number", "streams")

    def __init__(self, number: int, streams: frozenset[str], form: Form) -> None:
        self.number = number
        self.streams = streams
        self.form = form
        self.frame = _frame_in(form)
        self.members: dict[int, Member] = {}


def _frame_in(form: Form) -> Callable[[_Frames], bytes]:
    """What asks an event for its frame in this form."""
    if form == Form(combined=True):
        return _Frames.combined
    if form == Form():
        return _Frames.raw
    return lambda frames: frames.other(form)


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
        self._shared: dict[tuple[Form, frozenset[str]], _Audience] = {}
        self._of: dict[int, _Audience] = {}
        self._paused: dict[int, frozenset[str]] = {}
        self._gated: dict[int, Member] = {}
        self._users: Counter[str] = Counter()

    def join(self, member: Member) -> None:
        """Put the connection where its subscriptions, form and gate say; call it again whenever
        one of them changed."""
        # Before it leaves: a stream that goes on would be made anew, and what its source has
        # collected and not yet sent (`aggTrade` on usdm) would be gone.
        for name in sorted(member.served):  # a set has another order in each process
            self._users[name] += 1
            if self._users[name] == 1:
                self._wanted(name)
        self.leave(member)
        if not member.served:
            return
        if member.gate is not None:
            audience = _Audience(next(self._numbers), member.served, member.form)
            self._gated[member.number] = member
        else:
            key = (member.form, member.served)
            found = self._shared.get(key)
            if found is None:
                found = _Audience(next(self._numbers), member.served, member.form)
                self._shared[key] = found
            audience = found
        audience.members[member.number] = member
        self._of[member.number] = audience
        self._journal.append(Joined(t=self._now(), conn=member.number, audience=audience.number))

    def leave(self, member: Member) -> None:
        """Take the connection out; harmless if it is in no audience."""
        self.pause(member)
        for name in sorted(self._paused.pop(member.number, ())):
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name]
                self._unwanted(name)

    def pause(self, member: Member) -> None:
        """Take the connection out until it joins again. Its streams go on: to make up for all that
        they have missed, in one go, would take long after a long pause."""
        audience = self._of.pop(member.number, None)
        if audience is None:
            return
        del audience.members[member.number]
        self._gated.pop(member.number, None)
        key = (audience.form, audience.streams)
        if not audience.members and self._shared.get(key) is audience:
            del self._shared[key]
        self._paused[member.number] = audience.streams
        self._journal.append(Left(t=self._now(), conn=member.number, audience=audience.number))

    def publish(self, step: int, events: list[Event]) -> None:
        """Write the events of one step to everybody who asked for them."""
        if not events:
            return
        frames = [(event, _Frames(event)) for event in events]
        for audience in tuple(self._shared.values()):
            streams = audience.streams
            self._write(audience, step, [f for f in frames if f[0].stream in streams])
        for member in tuple(self._gated.values()):
            mine = [event for event in events if event.stream in member.served]
            if mine:
                member.deliver_gated(step, mine)

    def delivered(
        self,
        member: Member,
        step: int,
        events: list[Event],
        frame_of: Callable[[Event, Form], bytes] | None = None,
    ) -> bytes:
        """The bytes of events that have passed the gate of one connection, for it to write; they
        are journaled as delivered. `frame_of`: what makes them, if they are not as usual."""
        audience = self._of.get(member.number)
        if audience is None or not events:
            return b""
        made = frame_of or event_frame
        pairs = [(event, event) for event in events]
        return self._joined(audience, step, pairs, lambda event: made(event, member.form))

    def _write(self, audience: _Audience, step: int, frames: list[tuple[Event, _Frames]]) -> None:
        if not frames:
            return
        joined = self._joined(audience, step, frames, audience.frame)
        for member in tuple(audience.members.values()):
            member.write(joined)

    def _joined(
        self,
        audience: _Audience,
        step: int,
        frames: list[tuple[Event, T]],
        frame_of: Callable[[T], bytes],
    ) -> bytes:
        """The bytes of one flush, which is journaled."""
        data = []
        batches: dict[str, Batch] = {}
        for event, forms in frames:
            frame = frame_of(forms)
            data.append(frame)
            stream = event.stream
            batch = batches.get(stream)
            if batch is None:
                batches[stream] = Batch(event.first_id, event.last_id, 1, len(frame))
            else:
                batches[stream] = Batch(
                    batch.first_id, event.last_id, batch.events + 1, batch.bytes + len(frame)
                )
        # Journaled first: a write can take its member out of the audience (its buffer is full).
        self._journal.append(
            Delivered(t=self._now(), audience=audience.number, step=step, streams=batches)
        )
        return b"".join(data)
