"""Captures of our own exchange, made without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from mockex.market.capture import Capture, read_capture
from mockex.market.instruments import instruments
from mockex.market.replay import Replay
from mockex.market.walk import Market
from mockex.names import parse
from mockex.profile import Profile
from mockex.streams.depth import snapshot
from mockex.streams.replayed import ReplayPublisher
from mockex.streams.schedule import Publisher

EPOCH_MS = 1_800_000_000_000
SYMBOL = "ETHUSDC"


def lines_of(
    profile: Profile,
    streams: Sequence[str],
    *,
    seed: int = 1,
    begin_ms: int = 0,
    until_ms: int,
    snapshot_ms: int | None = None,
    step_ms: int = 100,
    kind: str = "walk",
) -> list[bytes]:
    """What somebody gets who subscribes at `begin_ms` and asks for a snapshot at `snapshot_ms`."""
    market = Market(
        instruments(profile, [SYMBOL]), seed=seed, profile=profile, kind=kind, step_ms=step_ms
    )
    publisher = Publisher(profile, market, EPOCH_MS)
    lines: list[bytes] = []
    for now_ms in range(step_ms, until_ms + 1, step_ms):
        if now_ms > begin_ms >= now_ms - step_ms:
            for stream in streams:
                publisher.add(stream)
        changes = market.advance(now_ms)
        t = EPOCH_MS + now_ms + 3
        lines += [
            f'{{"t":{t},"stream":"{event.stream}","data":{event.text}}}\n'.encode()
            for event in publisher.publish(now_ms, changes)
        ]
        if snapshot_ms is not None and now_ms >= snapshot_ms > now_ms - step_ms:
            i = market.instruments[SYMBOL]
            text, _ = snapshot(profile, market.truth, i, 1000, EPOCH_MS + now_ms)
            name = f"{SYMBOL.lower()}@depth"
            lines.append(f'{{"t":{t},"stream":"{name}","data":{text}}}\n'.encode())
    return lines


def capture_of(profile: Profile, lines: Sequence[bytes], *, lenient: bool = False) -> Capture:
    return read_capture(lines, "test.ndjson", profile, lenient=lenient)


class Played:
    """A replay and what it sends, moment by moment."""

    def __init__(
        self,
        profile: Profile,
        lines: Sequence[bytes],
        *,
        loop: bool = True,
        lenient: bool = False,
    ) -> None:
        capture = capture_of(profile, lines, lenient=lenient)
        self.replay = Replay(capture, profile, seed=0, loop=loop)
        self.epoch_ms = self.replay.opens_at(EPOCH_MS + 86_400_000 * 3 + 12_345)
        self.publisher = ReplayPublisher(profile, self.replay, self.epoch_ms)
        for name in self.replay.capture.streams:
            found = parse(name)
            assert found is not None
            assert self.publisher.serves(found)
            self.publisher.add(name)

    def events(self, turns: int) -> Iterator[tuple[int, str, Any]]:
        """Unix time, stream and payload of everything in so many turns."""
        end_ms = 1000 + turns * self.replay.period_ms
        while (at_ms := self.replay.next_ms()) is not None and at_ms < end_ms:
            changes = self.replay.advance(at_ms)
            for event in self.publisher.publish(at_ms, changes):
                yield self.epoch_ms + at_ms, event.stream, json.loads(event.text)
