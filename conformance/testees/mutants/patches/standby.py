"""A hot standby: each stream on two live connections, and each event to the consumer once.

Lines come in pairs of the same streams. Each of the two is an owner of its own, with its own
back-off; neither touches the other. What one has delivered is old when the other delivers it, by
its id, or by its text where a stream numbers nothing. The consumer hears of a break only when
nothing is left that carries the stream.

The two take turns when they leave a connection that still works, so that no stream is ever on more
than three.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

import msgspec

from mockex_adapter import testee
from mockex_adapter.exchange import Stream
from mockex_adapter.feed import Feed
from mockex_adapter.lifecycle import Event, State
from mockex_adapter.link import Link
from mockex_adapter.supervisor import Supervisor
from patches import mutant

_RESTARTED = 20  # events in a row that are old: a numbering that started over, if both lines see it
_REMEMBERED = 1000  # texts of each stream without ids
_MOVING = (State.LEAVING, State.HANDOVER, State.OVERLAP)


class Twin(Supervisor):
    """One of two lines that carry the same streams."""

    twin: Twin

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.old_in_a_row: Counter[str] = Counter()

    def _step(self, tasks: Any, event: Event, link: Link | None) -> None:
        if event is Event.NOTICE and link is self._current and self.twin.state in _MOVING:
            self._renew_at = self._loop.time()  # asks again with the next tick
            return
        super()._step(tasks, event, link)

    def _forget(self) -> None:
        if self.twin.live:
            self._current = None
        else:
            super()._forget()

    def _present(self, link: Link, name: str, payload: Any, *, held: bool = False) -> None:
        stream = self.wanted.get(name)
        if stream is None:
            return
        before = self._consumer.position(stream)
        both = (self, self.twin) if self.twin.live else (self,)
        restarted = all(line.old_in_a_row[name] >= _RESTARTED for line in both)
        super()._present(link, name, payload, held=held or not restarted)
        moved = self._consumer.position(stream) != before
        self.old_in_a_row[name] = 0 if moved else self.old_in_a_row[name] + 1


class StandbyFeed(Feed):
    """A feed whose lines come in pairs."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._texts: dict[str, OrderedDict[bytes, None]] = {}

    def _line_for(self, stream: Stream) -> Supervisor:
        first, second = self._pair_for(stream)
        second.wanted[stream.name] = stream
        return first  # gets it from the caller

    def _pair_for(self, stream: Stream) -> tuple[Twin, Twin]:
        for line in self._lines:
            if line.room_for(stream):
                return line, line.twin
        first, second = (Twin(self._settings, stream.route, self._attempts, self) for _ in "12")
        first.twin, second.twin = second, first
        for line in (first, second):
            self._lines.append(line)
            self._own(line.run())
        return first, second

    def arrived(self, stream: Stream, payload: Any, *, held: bool = False) -> None:
        if stream.id_key is None and self._presented(stream.name, payload):
            return
        super().arrived(stream, payload, held=held)

    def _presented(self, name: str, payload: Any) -> bool:
        """Whether the other line has delivered the same event; notes it if not."""
        texts = self._texts.setdefault(name, OrderedDict())
        text = msgspec.json.encode(payload)
        if text in texts:
            return True
        texts[text] = None
        if len(texts) > _REMEMBERED:
            texts.popitem(last=False)
        return False

    def unsubscribe(self, *names: str) -> None:
        super().unsubscribe(*names)
        for name in names:
            self._texts.pop(name, None)


@mutant
def two_deliveries() -> None:
    """Right, but unusual: a hot standby."""
    testee.Feed = StandbyFeed
