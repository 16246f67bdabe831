"""One TCP connection at the stream port: the shell around a `Session`.

No task, queue, lock or timer of its own. Bytes in go to the handshake, then to `Incoming`; replies
are effects, because a stall must be able to withhold them. Effects are performed here; nothing is
decided here. How it ends is told in `ending`. What is written is journaled before: on a busy
machine whoever reads it runs before we do, and would seem to have waited less than it has.

    accepted ── request ──> admitted ── 101 ──> open ── close frame ──> closing ──> ended
        └────────────────── refusal ─────────────────────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from mockex.faults.model import BadUpgradeKind
from mockex.server import frames
from mockex.server.ending import Ending
from mockex.server.extensions import Deflate
from mockex.server.framing import FrameOf
from mockex.server.gate import Gate
from mockex.server.handshake import (
    BadRequest,
    Handshake,
    UpgradeRequest,
    answer,
    switching_protocols,
    unusable,
)
from mockex.server.incoming import Binary, Broken, CloseFrame, Incoming, Ping, Pong, Text
from mockex.server.injection import Injection
from mockex.server.journal import (
    Attempted,
    Pinged,
    Ponged,
    Received,
    Refused,
    Replied,
    Slowed,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex.server.timers import Timer
from mockex.session.core import Session
from mockex.session.effects import (
    Close,
    Drop,
    Effect,
    SendNotice,
    SendPing,
    SendPong,
    SendText,
    SetCombined,
    Subscribe,
    Unsubscribe,
)
from mockex.session.target import Refusal, Target, read_target
from mockex.streams.envelope import Event, Form

if TYPE_CHECKING:
    from mockex.server.exchange import Exchange

# Ours where the documents are silent (I).
REQUEST_WITHIN_S = 10.0  # a request head must be complete
SLOW_CONSUMER_S = 10.0  # a send buffer stays full; then RST
_JOURNAL_TEXT = 4096


class Connection(asyncio.Protocol):
    """See the module. Made by the listener, the first or a further one; numbered when it is
    accepted."""

    def __init__(self, exchange: Exchange, *, at_first: bool = True) -> None:
        self._exchange = exchange
        self._at_first = at_first
        self._journal = exchange.journal
        self.number = 0
        self._address = ""
        self.form = Form()
        self.served: frozenset[str] = frozenset()
        self.gate: Gate | None = None
        self.transport: asyncio.Transport
        self._handshake: Handshake | None = Handshake()
        self._incoming: Incoming | None = None
        self._session: Session | None = None
        self._order: list[str] = []  # subscriptions that are served, in order
        self._ending = Ending(self, exchange)
        self._session_timer: Timer | None = None
        self._slow_timer: Timer | None = None

    # --- the loop's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._exchange.wire.prepare(transport)
        self.number = self._exchange.adopt(self)
        self._address, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        at = 0 if self._at_first else transport.get_extra_info("sockname")[1]
        self._journal.append(Attempted(t=self._now(), conn=self.number, peer_port=port, port=at))
        self._ending.unless(REQUEST_WITHIN_S, self._request_late)
        self._exchange.admission.attempted(self)

    def data_received(self, data: bytes) -> None:
        if self._handshake is not None:
            request = self._handshake.receive(data)
            if request is not None:
                self._handshake = None
                self._ending.came()
                self._admit(request)
        elif self._incoming is not None:
            self._read_frames(self._incoming, data)

    def eof_received(self) -> bool:
        self._ending.fin_came()
        return False  # the transport closes itself once its buffer is empty

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._session_timer, self._slow_timer):
            if timer is not None:
                timer.cancel()
        self._ending.lost(exc)
        if self.gate is not None:
            self.gate.ended()

    def pause_writing(self) -> None:
        # Never wait for one client: it gets nothing until it has drained, and then has a gap.
        self._journal.append(Slowed(t=self._now(), conn=self.number, full=True))
        self._exchange.fanout.pause(self)
        self._slow_timer = self._exchange.timers.after(SLOW_CONSUMER_S, self.reset)

    def resume_writing(self) -> None:
        self._journal.append(Slowed(t=self._now(), conn=self.number, full=False))
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
        if self.live:
            self._exchange.fanout.join(self)

    # --- handshake -----------------------------------------------------------------------------

    def _admit(self, request: UpgradeRequest | BadRequest) -> None:
        exchange = self._exchange
        asked: Target | Refusal | BadRequest = (
            request
            if isinstance(request, BadRequest)
            else read_target(exchange.profile, request.target)
        )
        failed = not isinstance(asked, Target)
        asked = exchange.admission.too_many(self._address, failed=failed) or asked
        if not isinstance(asked, Target):
            self.refuse(asked.status, asked.body, request.target, asked.headers)
        elif isinstance(request, UpgradeRequest):
            exchange.admission.requested(self, request, asked)

    def upgrade(self, request: UpgradeRequest, target: Target) -> None:
        """Write the 101 and begin the session."""
        if self.transport.is_closing() or self.over:
            return
        self._ending.came()
        deflate = self._agreed(request)
        self._incoming = Incoming(deflate)
        self.form = Form(target.combined, target.micro, deflate is not None)
        self._journal.append(
            Upgraded(
                t=self._now(),
                conn=self.number,
                target=request.target,
                route=target.route,
                mode="combined" if target.combined else "raw",
                headers=request.headers,
                extensions="" if deflate is None else deflate.answer,
                micro=target.micro,
            )
        )
        self.write(self._head(request))
        self._session = self._exchange.new_session(target)
        self._perform(self._session.opened(self._exchange.now()))
        if request.rest:
            self.data_received(request.rest)

    def refuse(
        self,
        status: int,
        body: str,
        target: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answer the handshake with something other than a 101, and close."""
        self._handshake = None
        self._ending.came()
        reason = body.splitlines()[0][:200] if body else ""
        self._journal.append(
            Refused(t=self._now(), conn=self.number, target=target, status=status, reason=reason)
        )
        self.write(answer(status, body, headers))
        self._ending.finish()

    def write_head_half(self, request: UpgradeRequest) -> None:
        """Write the first half of the 101's headers, and no more."""
        head = self._head(request)
        self.write(head[: len(head) // 2])

    def answer_badly(self, request: UpgradeRequest, kind: BadUpgradeKind) -> None:
        """Write an answer that cannot be used. Whoever takes it for a 101 is not hung up on: it
        then shows that somebody does."""
        self.write(unusable(kind, request.key))
        if kind not in ("wrong-accept", "no-upgrade"):
            self._ending.finish()

    def _agreed(self, request: UpgradeRequest) -> Deflate | None:
        return request.deflate if self._exchange.profile.compression else None

    def _head(self, request: UpgradeRequest) -> bytes:
        deflate = self._agreed(request)
        return switching_protocols(request.key, "" if deflate is None else deflate.answer)

    def _request_late(self) -> None:
        self._exchange.admission.too_many(self._address, failed=True)
        self.refuse(408, "the request head did not come in time")

    # --- frames in -----------------------------------------------------------------------------

    def _read_frames(self, incoming: Incoming, data: bytes) -> None:
        for message in incoming.receive(data):
            if self._session is None or self._ending.by == "server":
                return
            if isinstance(message, CloseFrame):
                self._received_close(message, self._session)
            elif not self._ending.closing:  # else: sent before they read our close frame
                self._received(message, self._session)

    def _received(self, message: Text | Binary | Ping | Pong | Broken, session: Session) -> None:
        now = self._exchange.now()
        match message:
            case Text(text, size):
                self._log_received("text", size, text)
                subscribing = self._exchange.subscribing
                self._perform(subscribing.receive(self.number, session, text, now))
            case Binary(size):
                self._log_received("binary", size)
                self._perform(session.receive_binary(now))
            case Ping(payload):
                self._log_received("ping", len(payload), payload.hex())
                self._perform(session.receive_ping(payload, now))
            case Pong(payload):
                self._journal.append(Ponged(t=self._now(), conn=self.number, payload=payload.hex()))
                self._perform(session.receive_pong(payload, now))
            case Broken(code, why, size):
                self._log_received("invalid", size, why)
                self.close(code)

    def _received_close(self, frame: CloseFrame, session: Session) -> None:
        self._ending.close_came(frame)
        if not self._ending.closing:
            now = self._exchange.now()
            self._perform(session.receive_close(frame.code, frame.reason, now))

    def _log_received(
        self, opcode: Literal["text", "binary", "ping", "invalid"], size: int, text: str = ""
    ) -> None:
        self._journal.append(
            Received(
                t=self._now(),
                conn=self.number,
                opcode=opcode,
                size=size,
                text=text[:_JOURNAL_TEXT],
            )
        )

    # --- effects out ---------------------------------------------------------------------------

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendText(text):
                    self._control(partial(self._write_reply, text))
                case SendNotice(text):
                    self._control(partial(self._write_text, text))
                case SendPing(payload):
                    self._control(partial(self.ping, payload), keep=False)
                case SendPong(payload):
                    data = frames.frame(frames.Opcode.PONG, payload)
                    self._control(partial(self.write, data))
                case Close(code, reason):
                    self.close(code, reason)
                case Drop():
                    self._ending.drop()
                case Subscribe():
                    self._subscribe(effect)
                case Unsubscribe(streams):
                    self._journal.append(
                        Unsubscribed(t=self._now(), conn=self.number, streams=list(streams))
                    )
                    self._serve([name for name in self._order if name not in streams])
                case SetCombined(in_combined):
                    self.form = self.form._replace(combined=in_combined)
                    self._join()
        self._arm()

    def _control(self, send: Callable[[], None], *, keep: bool = True) -> None:
        """Send now, or leave it to the gate; what is not kept is gone when the gate opens."""
        if self.gate is None or not self.gate.hold_control(send if keep else lambda: None):
            send()

    def _write_reply(self, text: str) -> None:
        self._journal.append(Replied(t=self._now(), conn=self.number, text=text[:_JOURNAL_TEXT]))
        self._write_text(text)

    def ping(self, payload: bytes) -> None:
        """Write a ping frame."""
        self.pinged(payload)
        self.write(frames.frame(frames.Opcode.PING, payload))

    def _subscribe(self, effect: Subscribe) -> None:
        fresh = [n for n in effect.streams if n not in effect.silent and n not in self.served]
        silenced = self._exchange.subscribing.silenced(self.number, fresh)
        self._journal.append(
            Subscribed(
                t=self._now(),
                conn=self.number,
                streams=list(effect.streams),
                via=effect.via,
                silent=[*effect.silent, *silenced],
                again=list(effect.again),
            )
        )
        new = [name for name in fresh if name not in silenced]
        if new:
            self._serve([*self._order, *new])

    def _serve(self, streams: list[str]) -> None:
        if streams != self._order:
            self._order = streams
            self.served = frozenset(streams)
            self._join()

    def _write_text(self, text: str) -> None:
        self.write(frames.data_frame(text, deflated=self.form.deflated))

    def write(self, data: bytes) -> None:
        """Bytes to the client; nothing once the connection is ending."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def _arm(self) -> None:
        """One timer for whatever the session waits for next."""
        if self._session_timer is not None:
            self._session_timer.cancel()
            self._session_timer = None
        deadline = None if self._session is None else self._session.next_deadline()
        if deadline is not None and self.live:
            due = partial(self._session_due, deadline)
            self._session_timer = self._exchange.at(deadline, due)

    def _session_due(self, deadline: float) -> None:
        self._session_timer = None
        if self._session is not None and self.live:
            # Never before it, whatever the two conversions between the clocks have rounded.
            self._perform(self._session.advance(max(self._exchange.now(), deadline)))

    def lags(self, until_s: float) -> bool:
        """Whether it has not taken all that was written, or owes a pong that is due until then, by
        the exchange's clock: asked before time is moved on."""
        if self.transport.is_closing():
            return False
        if self.transport.get_write_buffer_size():
            return True
        due_s = self._session.pong_due_s() if self._session is not None and self.live else None
        return due_s is not None and due_s <= until_s

    # --- ending --------------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        """Upgraded, no close frame sent or received, no FIN or RST."""
        return (
            self._session is not None
            and not self._ending.closing
            and not self._ending.close_received
            and not self.over
        )

    @property
    def over(self) -> bool:
        """A FIN or a RST of either side: nothing comes after it."""
        return self._ending.by is not None

    def close(self, code: int | None, reason: str = "") -> None:
        """Write a close frame and end the connection: once the client has answered, or late."""
        if self._ending.begin():
            self._control(partial(self._ending.close, code, reason))

    def fin(self) -> bool:
        """FIN without a close frame; we read on until the client ends it. False if it has ended it
        already.

        Raises:
            FaultError: through TLS, while something waits to be sent.
        """
        return self._ending.fin()

    def reset(self) -> None:
        """RST: what was not sent is gone."""
        self._ending.reset()

    def reset_after(self, seconds: float) -> None:
        """RST after so long, and nothing of ours ends it before: no FIN, no answer that came."""
        self._ending.reset_after(seconds)

    def send_no_more(self) -> None:
        """No event from here on, for good."""
        self._exchange.fanout.leave(self)
        if self.gate is not None:
            self.gate.sends_no_more()

    def when_ended(self, told: Callable[[], None]) -> None:
        """Call `told` when the TCP connection is over."""
        self._ending.when_ended(told)

    # --- faults --------------------------------------------------------------------------------

    def gated(self) -> Gate:
        """The gate of this connection, put up if there is none."""
        if self.gate is None:
            self.gate = Gate(self)
            if self.live:
                self._join()
        return self.gate

    def announce_shutdown(self) -> None:
        """The exchange is about to shut down: a notice, if this profile has it (spot 3.3)."""
        if self._session is not None:
            self._perform(self._session.shut_down(self._exchange.now()))

    def go_away(self) -> None:
        """The shutdown is there."""
        if self._session is not None and self.live:
            self._perform(self._session.shut_down_over())

    def suspend(self) -> None:
        """Pong deadline and lifetime do not count while everything is withheld."""
        if self._session is not None:
            self._session.suspend(self._exchange.now())
            self._arm()

    def resume(self, injection: Injection, *, deliver: bool) -> None:
        """End all stalls; send the backlog or lose it, then one ping."""
        if self.gate is None:
            return
        self.gate.resume(injection, deliver=deliver)
        if self._session is not None and self.live:
            self._perform(self._session.resume(self._exchange.now()))
        self._drop_gate()

    def withdraw(self, injection: Injection) -> None:
        """Nothing more of a fault that waits for events here."""
        if self.gate is not None:
            self.gate.withdraw(injection)
            self._drop_gate()

    def end_stall(self, injection: Injection) -> None:
        """End one stall alone."""
        if self.gate is not None and self.live:
            self.gate.end_stall(injection)
            self._drop_gate()

    def deliver_gated(self, step: int, events: list[Event]) -> None:
        """Events of one step, past the gate."""
        assert self.gate is not None
        self.gate.deliver(step, events)
        self._drop_gate()

    def delivered(self, step: int, events: list[Event], frame_of: FrameOf | None = None) -> bytes:
        """The bytes of events that passed the gate; journaled."""
        return self._exchange.fanout.delivered(self, step, events, frame_of)

    def pinged(self, payload: bytes) -> None:
        """Journal a ping that is about to be written."""
        self._journal.append(Pinged(t=self._now(), conn=self.number, payload=payload.hex()))

    def _drop_gate(self) -> None:
        if self.gate is not None and self.gate.open:
            self.gate = None
            if self.live:
                self._join()

    def _join(self) -> None:
        """Go where streams, form and gate say; one whose buffer is full, once it has drained."""
        if self._slow_timer is None:
            self._exchange.fanout.join(self)

    # --- small ---------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._exchange.loop_time()
