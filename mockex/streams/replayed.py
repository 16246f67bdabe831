"""The streams of a replay: what the capture holds, as it stands there, with the numbers of now.

To the exchange it is what `schedule.Publisher` is for a market that moves by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mockex.market.replay import Bridge, Replay
from mockex.market.walk import Change
from mockex.names import StreamName
from mockex.profile import Profile
from mockex.streams.depth import Speller, in_order, spot_diff, usdm_depth
from mockex.streams.envelope import Event


class ReplayPublisher:
    """Turns what a replay plays into events. Whoever counts subscribers says `add` and `remove`."""

    def __init__(self, profile: Profile, replay: Replay, epoch_ms: int) -> None:
        self._profile = profile
        self._replay = replay
        self._epoch_ms = epoch_ms
        self._streams = replay.capture.streams
        self._wanted: dict[str, None] = {}

    def serves(self, name: StreamName) -> bool:
        """Whether the capture holds `name`; others are acknowledged and silent."""
        return name.text in self._streams

    def add(self, stream: str) -> None:
        """Somebody wants `stream`, which `serves` has accepted."""
        if stream not in self._streams:
            raise ValueError(f"{stream!r} is not served")
        self._wanted[stream] = None

    def remove(self, stream: str) -> None:
        """Nobody wants `stream` any more."""
        self._wanted.pop(stream, None)

    @property
    def symbols(self) -> Collection[str]:
        """Symbols whose changes somebody wants: a replay tells of none."""
        return ()

    @property
    def real_time(self) -> int:
        """How many streams are sent at each change: none, the capture says when."""
        return 0

    def next_by_clock_ms(self, after_ms: int) -> int | None:
        """The first step after `after_ms` at which something is sent though the market stands
        still: none is, the capture says when."""
        return None

    def publish(self, now_ms: int, changes: Sequence[Change]) -> list[Event]:
        """The events of the streams that somebody wants, of the moment `now_ms` since the
        opening."""
        at_ms = self._epoch_ms + now_ms
        events = []
        for played in self._replay.played(self._wanted):
            if isinstance(played, Bridge):
                events.append(self._bridged(played, at_ms))
            else:
                ids = (played.first_id, played.last_id) if played.last_id else (at_ms, at_ms)
                events.append(Event(played.name.text, played.text, *ids))
        return events

    def _bridged(self, bridge: Bridge, at_ms: int) -> Event:
        speller, i = Speller(bridge.instrument), bridge.instrument
        ordered = in_order(self._profile, bridge.bids, bridge.asks)
        bids, asks = map(speller.levels, ordered)
        first, final = bridge.before + 1, bridge.final_id
        if self._profile.name == "usdm":
            text = usdm_depth(i, at_ms, at_ms, (first, final, bridge.before), bids, asks)
        else:
            text = spot_diff(i.symbol, at_ms, first, final, bids, asks)
        return Event(bridge.name.text, text, first, final)
