"""How a connection ends: close frames, FIN, RST, and what happens if nothing comes.

open ── close frame ──> closing ── the answer, or late ──> FIN ── drained, or late ──> over
  └───────────────────── FIN or RST of either side ─────────────────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from mockex.errors import FaultError
from mockex.server import frames
from mockex.server.incoming import CloseFrame
from mockex.server.journal import Closed, Ended, HalfClosed
from mockex.server.timers import Timer

if TYPE_CHECKING:
    from mockex.server.connection import Connection
    from mockex.server.exchange import Exchange

# Ours where the documents are silent (I).
CLOSE_ANSWER_WITHIN_S = 2.0  # then the TCP connection is closed without the answer
LINGER_S = 60.0  # after our FIN, or while what is left drains; then RST


class Ending:
    """The end of one connection. `by`: whose FIN or RST was the first, None before there is one."""

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._of = connection
        self._exchange = exchange
        self.by: Literal["client", "server"] | None = None
        self._how: Literal["fin", "rst"] = "fin"
        self.closing = False  # a close frame of ours is written or withheld
        self.close_received = False
        self._resets = False  # a RST is due, and is to be its end
        self._deadline: Timer | None = None
        self._when_ended: list[Callable[[], None]] = []

    # --- what must come ------------------------------------------------------------------------

    def unless(self, seconds: float, late: Callable[[], None]) -> None:
        """Call `late` after so long, unless what is waited for `came`. One thing at a time."""
        self.came()
        self._deadline = self._exchange.timers.after(seconds, late)

    def came(self) -> None:
        """What was waited for."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # --- the client's side ---------------------------------------------------------------------

    def close_came(self, frame: CloseFrame) -> None:
        """A close frame; if it answers ours, the rest is a FIN."""
        self.close_received = True
        self._exchange.journal.append(
            Closed(
                t=self._now(),
                conn=self._of.number,
                by="client",
                code=frame.code,
                reason=frame.reason,
            )
        )
        self._of.send_no_more()
        if self.closing:
            self.finish()

    def fin_came(self) -> None:
        """What is written may still have to drain: a client that never reads must not keep us."""
        if self.by is None:
            self.by = "client"
            self._half_closed("client")
            self._of.send_no_more()
        self.unless(LINGER_S, self.reset)

    def lost(self, error: Exception | None) -> None:
        """The TCP connection has ended, with an error or without."""
        if self.by is None:
            self.by = "client"
        if isinstance(error, ConnectionResetError) and self.by == "client":
            self._how = "rst"
        self.came()
        self._of.send_no_more()
        self._exchange.journal.append(
            Ended(t=self._now(), conn=self._of.number, by=self.by, how=self._how)
        )
        self._exchange.forget(self._of)
        for told in self._when_ended:
            told()

    def when_ended(self, told: Callable[[], None]) -> None:
        """Call `told` when the TCP connection has ended."""
        self._when_ended.append(told)

    # --- ours ----------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Whether a close frame may be written still; it then is to be, though maybe later."""
        if self.closing or self.by is not None:
            return False
        self.closing = True
        return True

    def close(self, code: int | None, reason: str) -> None:
        """Write the close frame; a FIN follows the answer, or its absence."""
        self._of.send_no_more()
        self._exchange.journal.append(
            Closed(t=self._now(), conn=self._of.number, by="server", code=code, reason=reason)
        )
        self._of.write(frames.close_frame(code, reason))
        if self.close_received:
            self.finish()
        else:
            self.unless(CLOSE_ANSWER_WITHIN_S, self.finish)

    def finish(self) -> None:
        """FIN once everything is written, and a RST if it never drains."""
        if self._resets:
            return
        if self.by is None:
            self.by = "server"
        self._of.transport.close()
        self.unless(LINGER_S, self.reset)

    def fin(self) -> bool:
        """See `Connection.fin`."""
        if self.by is not None:
            return False
        try:
            self._exchange.wire.half_close(self._of.transport)
        except OSError:  # the client has reset it, which the next read would have told us
            self.by = "client"
            self.reset()
            return False
        self.by = "server"
        self._of.send_no_more()
        self._half_closed("server")
        self.unless(LINGER_S, self.reset)
        return True

    def drop(self) -> None:
        """The TCP connection ends without a word: by FIN, or by RST where that cannot be done."""
        try:
            self.fin()
        except FaultError:
            self.reset()

    def reset(self) -> None:
        """See `Connection.reset`."""
        if self.by is None:
            self.by = "server"
        self._how = "rst"
        self._of.send_no_more()
        self._exchange.wire.reset(self._of.transport)

    def reset_after(self, seconds: float) -> None:
        """See `Connection.reset_after`."""
        self._resets = True
        self.unless(seconds, self.reset)

    def _half_closed(self, by: Literal["client", "server"]) -> None:
        self._exchange.journal.append(HalfClosed(t=self._now(), conn=self._of.number, by=by))

    def _now(self) -> float:
        return self._exchange.loop_time()
