"""One direction of a connection: bytes on their way, and what a link does to them.

Chunks arrive in order, each at least 0.2 ms after it was sent. A link in between can make them
late, thin, small, hold them, or end the connection after so many; an end (FIN, RST) travels behind
the bytes that were sent before it, and is held with them.

Bytes that the receiver has no room for stay in the sender's buffer, where a RST finds and drops
them, and where they keep a FIN from being seen.

A link that was made to end connections in one way is a proxy: two connections of which each end has
one. What ends there are both directions, each behind the bytes that the proxy has for it, and in
the way of the link whichever end began it; it is late by no delay of its own, and who still writes
is answered with a RST. `docs/links.md` is held against a real one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from mockex.faults.link import Ends

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
    bytes_per_s: float | None = None
    slice_bytes: int | None = None
    slice_gap_s: float = 0.0
    slow_close_s: float = 0.0
    limit: tuple[int, Ends] | None = None  # of each connection
    held: bool = False
    swallows: bool = False  # nothing arrives any more, not even an end
    clear: bool = True  # nothing is done to the bytes

    def reset(self) -> None:
        """Do nothing to the bytes."""
        self.bytes_per_s = self.slice_bytes = self.limit = None
        self.delay_s = self.slice_gap_s = self.slow_close_s = 0.0
        self.held = self.swallows = False
        self.clear = True


class Pipe:
    """From `source` to `target`; `allowed` bytes may still pass, if a limit is on."""

    def __init__(
        self,
        network: Network,
        source: SimSocket,
        target: SimSocket,
        conditions: Conditions,
        ends: Ends | None = None,
    ) -> None:
        """`ends`: of a proxy."""
        self._network = network
        self._source = source
        self.target = target
        self._conditions = conditions
        self._flight: deque[tuple[float, bytearray | Literal["fin", "rst"]]] = deque()
        self._flight_bytes = 0
        self._sent_at = -1.0
        self._last_at = 0.0
        self._behind_s = 0.0  # slices behind what the thin line has let pass
        self._armed = False
        self._blocked = False  # the target has no room
        self._cut = False
        self._ends = ends
        self._ended = False  # an end was sent, and there is a proxy
        self._deaf = False  # the proxy has closed its end to `source`
        self.allowed = conditions.limit

    @property
    def empty(self) -> bool:
        """All that was sent has arrived."""
        return not self._flight

    def room(self) -> int:
        """Bytes that may be sent now."""
        return self._source.send_buffer - self._flight_bytes

    # --- sending ---

    def send(self, data: bytes) -> None:
        """Bytes set out."""
        if self._deaf:
            self._answer_with_rst()
            return
        if self._conditions.swallows:
            return
        now = self._network.now()
        self._flight_bytes += len(data)
        if self._conditions.clear:
            before = self._flight[-1][1] if self._flight else None
            if self._sent_at == now and isinstance(before, bytearray):
                before += data  # one segment, as the kernel would
                return
            self._put(now + self._network.hop_s(), bytearray(data))
        else:
            for piece, at in self._pieces(data, now):
                self._put(at, piece)
        self._sent_at = now

    def send_fin(self) -> None:
        """The end, behind everything that was sent."""
        if self._ends is not None:
            self._send_end_to_proxy()
        elif not self._conditions.swallows:
            late_s = self._delay_s() + self._conditions.slow_close_s
            self._put(self._network.now() + late_s, _FIN)

    def send_rst(self) -> None:
        """The hard end, behind what is on its way."""
        if self._ends is not None:
            self._send_end_to_proxy()
            return
        if self._conditions.swallows:
            return
        self._put(self._network.now() + self._delay_s(), _RST)
        if self._blocked:
            self._drop_unsent()

    def _send_end_to_proxy(self) -> None:
        if self._ended or self._conditions.swallows:
            return
        self._ended = True
        at = max(self._network.now() + self._network.hop_s(), self._last_at)
        self._put(at + self._conditions.slow_close_s, _FIN if self._ends == "fin" else _RST)

    def _proxy_ended(self) -> None:
        """The end has come through: the proxy closes its end to the target, and with that the other
        direction."""
        back = self.target.out
        assert back is not None
        back._deaf = True
        back._send_end_to_proxy()

    def _drop_unsent(self) -> None:
        """A RST does not wait for room."""
        rst = self._flight[-1]
        self._forget_all()
        self._flight.append(rst)
        self._arm()

    def _forget_all(self) -> None:
        self._flight.clear()
        self._flight_bytes = 0
        self._blocked = False

    def _delay_s(self) -> float:
        return self._network.hop_s() + self._conditions.delay_s

    def _pieces(self, data: bytes, now: float) -> list[tuple[bytearray, float]]:
        """How a link cuts a chunk, and when each piece arrives."""
        conditions = self._conditions
        size = conditions.slice_bytes or len(data)
        rate = conditions.bytes_per_s
        if rate is not None:
            size = min(size, max(1, int(rate / _SLICES_PER_S)))
        # A thin line and slices are two stages: while one piece waits for its gap, the next comes.
        before = self._last_at
        thin_at = max(now + self._delay_s(), before - self._behind_s)
        pieces = []
        for start in range(0, len(data), size):
            piece = bytearray(data[start : start + size])
            if rate is not None:
                thin_at += len(piece) / rate
            before = max(thin_at, before + conditions.slice_gap_s)
            pieces.append((piece, before))
        self._behind_s = before - thin_at
        return pieces

    def _put(self, at: float, what: bytearray | Literal["fin", "rst"]) -> None:
        at = self._last_at = max(at, self._last_at)
        self._flight.append((at, what))
        self._arm()

    def _arm(self) -> None:
        if self._flight and not (self._armed or self._blocked or self._conditions.held):
            self._armed = True
            self._network.at(max(self._flight[0][0], self._network.now()), self._arrive)

    # --- arriving ---

    def _arrive(self) -> None:
        self._armed = False
        now = self._network.now()
        while self._flight and self._flight[0][0] <= now and not self._conditions.held:
            at, what = self._flight.popleft()
            if isinstance(what, bytearray):
                room = len(what) if self._cut else self.target.room()
                if len(what) > room:
                    self._flight.appendleft((at, what[room:]))
                    del what[room:]
                    self._blocked = True
                self._flight_bytes -= len(what)
                self._deliver(bytes(what))
                if self._blocked:
                    break
            elif not self._cut:
                (self.target.fin_arrived if what == _FIN else self.target.rst_arrived)()
                if self._ends is not None:
                    self._proxy_ended()
        if self._blocked and self._ends is None and self._flight[-1][1] == _RST:
            self._drop_unsent()
        self._source.update()
        self._arm()

    def target_has_room(self) -> None:
        """Bytes were read there: what waits for room sets out, a moment later."""
        if self._blocked:
            self._blocked = False
            self._armed = True
            self._network.at(self._network.now() + self._network.hop_s(), self._arrive)

    def _deliver(self, data: bytes) -> None:
        ends: Ends | None = None
        if self.allowed is not None and not self._cut:
            left, how = self.allowed
            if len(data) >= left:
                data, ends = data[:left], how
            self.allowed = (left - len(data), how)
        if self._cut:
            self._answer_with_rst()
        elif data and not self.target.arrived(data):
            assert self.target.out is not None
            self.target.out.send_rst()
        elif ends is not None:
            self._network.end(self._source, self.target, ends)

    def _answer_with_rst(self) -> None:
        self._network.at(self._network.now() + self._network.hop_s(), self._source.rst_arrived)

    def cut(self) -> None:
        """The link has ended the connection: whatever still comes is answered with a RST."""
        self._cut = True

    # --- held ---

    def released(self, *, lose: bool) -> bool:
        """A hold is over. What was on its way goes on, or is lost; True if bytes were lost."""
        if lose and self._flight_bytes:
            self._forget_all()
            return True
        at = self._network.now() + self._network.hop_s()
        for _ in range(len(self._flight)):
            was_due, what = self._flight.popleft()
            at = max(at, was_due)
            self._flight.append((at, what))
        self._last_at = at
        self._arm()
        return False
