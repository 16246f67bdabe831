"""One direction of a connection: bytes on their way, and what a link does to them.

Chunks arrive in order, each at least 0.2 ms after it was sent. A link in between can make them
late, thin, small, hold them, or end the connection after so many; an end (FIN, RST) travels behind
the bytes that were sent before it, and is held with them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from mockex.sim.network import Network
    from mockex.sim.sockets import SimSocket

_FIN: Final = "fin"
_RST: Final = "rst"
_SLICES_PER_S = 10  # of a thin line: bytes come in at least so many pieces a second


@dataclass(slots=True)
class Conditions:
    """What a link does to one direction now. Shared by all its connections."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    slice_bytes: int | None = None
    slice_gap_s: float = 0.0
    held: bool = False
    clear: bool = True  # nothing is done to the bytes

    def reset(self) -> None:
        """Do nothing to the bytes."""
        self.delay_s = self.jitter_s = self.slice_gap_s = 0.0
        self.bytes_per_s = self.slice_bytes = None
        self.held, self.clear = False, True


class Pipe:
    """From `source` to `target`; `allowed` bytes may still pass, if a limit is on."""

    def __init__(
        self, network: Network, source: SimSocket, target: SimSocket, conditions: Conditions
    ) -> None:
        self._network = network
        self._source = source
        self.target = target
        self._conditions = conditions
        self._flight: deque[tuple[float, bytes | Literal["fin", "rst"]]] = deque()
        self._flight_bytes = 0
        self._sent_at = -1.0
        self._last_at = 0.0
        self._armed = False
        self._cut = False
        self.allowed: tuple[int, Literal["fin", "reset"]] | None = None

    def capacity(self) -> int:
        """Bytes that the kernels of both ends keep."""
        return self._source.send_buffer + self.target.receive_buffer

    def room(self) -> int:
        """Bytes that may be sent now."""
        return self.capacity() - self._flight_bytes - self.target.unread_bytes

    # --- sending ---

    def send(self, data: bytes) -> None:
        """Bytes set out."""
        now = self._network.now()
        self._flight_bytes += len(data)
        conditions = self._conditions
        if conditions.clear:
            at, before = self._flight[-1] if self._flight else (0.0, _FIN)
            if self._sent_at == now and isinstance(before, bytes):
                self._flight[-1] = (at, before + data)  # one segment, as the kernel would
                return
            self._put(now + self._network.hop_s(), data)
        else:
            for piece, at in self._pieces(data, now):
                self._put(at, piece)
        self._sent_at = now

    def send_fin(self) -> None:
        """The end, behind everything that was sent."""
        self._put(self._network.now() + self._delay_s(), _FIN)

    def send_rst(self) -> None:
        """The hard end, behind what is on its way."""
        self._put(self._network.now() + self._delay_s(), _RST)

    def _delay_s(self) -> float:
        conditions = self._conditions
        late_s = conditions.delay_s
        if conditions.jitter_s:
            late_s += self._network.random.uniform(-conditions.jitter_s, conditions.jitter_s)
        return self._network.hop_s() + max(0.0, late_s)

    def _pieces(self, data: bytes, now: float) -> list[tuple[bytes, float]]:
        """How a link cuts a chunk, and when each piece arrives."""
        conditions = self._conditions
        size = conditions.slice_bytes or len(data)
        rate = conditions.bytes_per_s
        if rate is not None:
            size = min(size, max(1, int(rate / _SLICES_PER_S)))
        at = now + self._delay_s()
        pieces = []
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            if start:
                at += conditions.slice_gap_s
            if rate is not None:
                at = max(at, self._last_at) + len(piece) / rate
                self._last_at = at
            pieces.append((piece, at))
        return pieces

    def _put(self, at: float, what: bytes | Literal["fin", "rst"]) -> None:
        at = self._last_at = max(at, self._last_at)
        self._flight.append((at, what))
        self._arm()

    def _arm(self) -> None:
        if not self._armed and self._flight and not self._conditions.held:
            self._armed = True
            self._network.at(max(self._flight[0][0], self._network.now()), self._arrive)

    # --- arriving ---

    def _arrive(self) -> None:
        self._armed = False
        now = self._network.now()
        while self._flight and self._flight[0][0] <= now and not self._conditions.held:
            what = self._flight.popleft()[1]
            if what == _FIN:
                if not self._cut:
                    self.target.fin_arrived()
            elif what == _RST:
                self._flight.clear()
                self.target.rst_arrived()
            else:
                assert isinstance(what, bytes)
                self._deliver(what)
        self._arm()

    def _deliver(self, data: bytes) -> None:
        self._flight_bytes -= len(data)
        ends = None
        if self.allowed is not None and not self._cut:
            left, how = self.allowed
            if len(data) >= left:
                data, ends = data[:left], how
            self.allowed = (left - len(data), how)
        if self._cut or (data and not self.target.arrived(data)):
            self._network.at(self._network.now() + self._network.hop_s(), self._source.rst_arrived)
        elif ends is not None:
            self._network.end(self._source, self.target, ends)

    def cut(self) -> None:
        """The link has ended the connection: whatever still comes is answered with a RST."""
        self._cut = True

    # --- held ---

    def released(self, *, lose: bool) -> bool:
        """A hold is over. What was on its way goes on, or is lost; True if bytes were lost."""
        lost = lose and self._flight_bytes > 0
        now = self._network.now()
        kept = [] if lose else list(self._flight)
        self._flight.clear()
        self._flight_bytes = sum(len(what) for _, what in kept if isinstance(what, bytes))
        for at, what in kept:
            self._flight.append((max(at, now + self._network.hop_s()), what))
        self._last_at = self._flight[-1][0] if self._flight else now
        self._arm()
        return lost
