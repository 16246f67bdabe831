"""One client connection as the exchange sees it: no socket, no clock, no task.

`now` is always exchange seconds. Each call returns effects for the shell to perform in order;
`next_deadline` says when to call `advance` again if nothing arrives before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from mockex.clock import Clock
from mockex.names import parse
from mockex.profile import Profile
from mockex.session.effects import (
    Close,
    CloseCode,
    Effect,
    SendPing,
    SendPong,
    SendText,
    SetCombined,
    Subscribe,
    Unsubscribe,
)
from mockex.session.limits import Window
from mockex.session.requests import (
    Method,
    Rejection,
    Request,
    error,
    read_request,
    result,
)
from mockex.session.target import Target

_INVALID = Close(CloseCode.POLICY_VIOLATION, "Invalid request")
_TOO_MANY = Close(CloseCode.POLICY_VIOLATION, "Too many requests")
_NO_PONG = Close(CloseCode.POLICY_VIOLATION, "Pong timeout")
_LIFETIME = Close(CloseCode.GOING_AWAY)
# "The phase is not aligned to the connection's age" (spot 3.1.1): pings stand on a grid of the
# exchange, a part of the interval away from its full minutes (I).
_PING_PHASE = 0.37


class State(Enum):
    """Of a session that was upgraded."""

    OPEN = auto()
    CLOSING = auto()  # our close frame is on its way, or theirs was answered


class Input(Enum):
    """What can happen to a session."""

    MESSAGE = auto()  # a text or binary frame
    PING = auto()
    PONG = auto()
    CLOSE = auto()
    TIME = auto()


# Every legal pair of state and input; the others have no effect at all. RFC 6455, 5.5.1: after a
# close frame nothing more is sent.
LEGAL: frozenset[tuple[State, Input]] = frozenset({(State.OPEN, given) for given in Input})


class Session:
    """See the module. `serves` says whether the exchange ever sends a stream of that name."""

    def __init__(
        self,
        profile: Profile,
        target: Target,
        serves: Callable[[str], bool],
        clock: Clock,
        now: float,
    ) -> None:
        self._profile = profile
        self._target = target
        self._serves = serves
        self._clock = clock
        self._carries = next(r.carries for r in profile.routes if r.prefix == target.route)
        self.state = State.OPEN
        self.combined = target.combined
        self._subscribed: dict[str, None] = {}
        limit = profile.incoming_per_s
        self._incoming = Window(None if limit is None else limit + profile.incoming_grace)
        self._unanswered: deque[tuple[bytes, float]] = deque()
        self._next_ping_s = self._ping_after(now)
        self._ends_s = None if profile.lifetime_s is None else now + profile.lifetime_s
        self._suspended_s: float | None = None

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Names in the order of their subscription, silent ones included."""
        return tuple(self._subscribed)

    def opened(self, now: float) -> list[Effect]:
        """The upgrade is done: what the URL asked for."""
        if self._target.malformed:
            # spot 4.4 (I): upgrade, error without `id`, close
            text = error(2, self._profile.texts.invalid_stream)
            return [SendText(text), self._close(_INVALID)]
        if len(self._target.streams) > self._profile.max_streams:
            return self._too_many_streams()
        return [self._subscribe(self._target.streams, "url")] if self._target.streams else []

    # --- frames in ---

    def receive_text(self, text: str, now: float) -> list[Effect]:
        """A text frame arrived."""
        if (self.state, Input.MESSAGE) not in LEGAL:
            return []
        # "A connection that goes beyond the limit will be disconnected" (spot, WebSocket Limits).
        if self._incoming.count(now):
            return [self._close(_TOO_MANY)]
        request = read_request(self._profile, text)
        if isinstance(request, Request):
            return self._carry_out(request)
        return self._reject(request)

    def receive_binary(self, now: float) -> list[Effect]:
        """A binary frame arrived: "a binary frame with the same JSON closes 1008" (spot 3.5)."""
        if (self.state, Input.MESSAGE) not in LEGAL:
            return []
        return [self._close(_TOO_MANY if self._incoming.count(now) else _INVALID)]

    def receive_ping(self, payload: bytes, now: float) -> list[Effect]:
        """A ping frame arrived; it counts as a message (spot 3.1.8)."""
        if (self.state, Input.PING) not in LEGAL:
            return []
        if self._incoming.count(now):
            return [self._close(_TOO_MANY)]
        return [SendPong(payload)]

    def receive_pong(self, payload: bytes, now: float) -> list[Effect]:
        """A pong frame arrived. One that copies a ping settles it and every ping before it
        (spot 3.1.4); an unsolicited one settles nothing on spot and all on usdm (usdm 3.1.3)."""
        if (self.state, Input.PONG) not in LEGAL:
            return []
        answers = any(payload == sent for sent, _ in self._unanswered)
        if (not answers or self._profile.count_pongs) and self._incoming.count(now):
            return [self._close(_TOO_MANY)]
        if answers:
            while self._unanswered.popleft()[0] != payload:
                pass
        elif self._profile.unsolicited_pong_keeps_alive:
            self._unanswered.clear()
        return []

    def receive_close(self, code: int | None, reason: str, now: float) -> list[Effect]:
        """A close frame arrived: answered with the same code (RFC 6455, 5.5.1)."""
        if (self.state, Input.CLOSE) not in LEGAL:
            return []
        return [self._close(Close(code))]

    # --- time ---

    def next_deadline(self) -> float | None:
        """When `advance` has something to do; None if never."""
        if self.state is not State.OPEN:
            return None
        times = [self._next_ping_s]
        if self._suspended_s is None:
            times += [self.pong_due_s(), self._ends_s]
        return min((t for t in times if t is not None), default=None)

    def pong_due_s(self) -> float | None:
        """When it is closed if it answers no ping; None if it owes nothing."""
        deadline_s = self._profile.pong_deadline_s
        if deadline_s is None or not self._unanswered or self._suspended_s is not None:
            return None
        return self._unanswered[0][1] + deadline_s

    def advance(self, now: float) -> list[Effect]:
        """Time has passed."""
        if (self.state, Input.TIME) not in LEGAL:
            return []
        if self._suspended_s is None:
            pong_due_s = self.pong_due_s()
            if pong_due_s is not None and now >= pong_due_s:
                return [self._close(_NO_PONG)]
            if self._ends_s is not None and now >= self._ends_s:
                return [self._close(_LIFETIME)]
        if self._next_ping_s is not None and now >= self._next_ping_s:
            self._next_ping_s = self._ping_after(now)
            return [self._ping(now)]
        return []

    def suspend(self, now: float) -> None:
        """Everything is withheld from now on: pong deadline and lifetime do not count."""
        if self._suspended_s is None:
            self._suspended_s = now

    def resume(self, now: float) -> list[Effect]:
        """Deadlines start anew, with one ping."""
        if self.state is not State.OPEN:
            return []
        if self._suspended_s is not None and self._ends_s is not None:
            self._ends_s += now - self._suspended_s
        self._suspended_s = None
        self._unanswered.clear()
        return [self._ping(now)]

    # --- inside ---

    def _ping_after(self, now: float) -> float | None:
        interval_s = self._profile.ping_interval_s
        if interval_s is None:
            return None
        turn = (now - _PING_PHASE * interval_s) // interval_s + 1
        next_s = (turn + _PING_PHASE) * interval_s
        # Rounding may give the very moment that it was called for.
        return next_s if next_s > now + 1e-6 else next_s + interval_s

    def _ping(self, now: float) -> SendPing:
        # "ping payload: ASCII decimal server time in ms" (spot 1, wire C)
        payload = str(self._clock.unix_ms(now)).encode()
        if self._suspended_s is None:
            self._unanswered.append((payload, now))
        return SendPing(payload)

    def _close(self, close: Close) -> Close:
        self.state = State.CLOSING
        return close

    def _reject(self, rejection: Rejection) -> list[Effect]:
        effects: list[Effect] = [] if rejection.text is None else [SendText(rejection.text)]
        if rejection.closes:
            effects.append(self._close(_INVALID))
        return effects

    def _too_many_streams(self) -> list[Effect]:
        text = error(4, self._profile.texts.too_many_streams)
        return [SendText(text), self._close(_INVALID)]

    def _carry_out(self, request: Request) -> list[Effect]:
        match request.method:
            case Method.SUBSCRIBE:
                if len({*self._subscribed, *request.streams}) > self._profile.max_streams:
                    return self._too_many_streams()
                # The response goes before the first event of the new streams (spot 4.2, I).
                return [
                    SendText(result(request.id)),
                    self._subscribe(request.streams, "request"),
                ]
            case Method.UNSUBSCRIBE:
                gone = tuple(n for n in dict.fromkeys(request.streams) if n in self._subscribed)
                for name in gone:
                    del self._subscribed[name]
                reply = SendText(result(request.id))
                return [reply, Unsubscribe(gone)] if gone else [reply]
            case Method.LIST_SUBSCRIPTIONS:
                return [SendText(result(request.id, list(self._subscribed)))]
            case Method.GET_PROPERTY:
                return [SendText(result(request.id, self.combined))]
            case Method.SET_PROPERTY:
                self.combined = request.combined
                # "A change affects events sent after the response" (spot 4.2, I)
                return [SendText(result(request.id)), SetCombined(request.combined)]

    def _subscribe(self, names: tuple[str, ...], via: str) -> Subscribe:
        streams = tuple(dict.fromkeys(names))
        again = tuple(n for n in streams if n in self._subscribed)
        self._subscribed.update(dict.fromkeys(streams))
        silent = tuple(n for n in streams if not self._delivers(n))
        return Subscribe(streams, "url" if via == "url" else "request", silent, again)

    def _delivers(self, name: str) -> bool:
        """Whether this connection is ever sent `name`: it exists, and its route carries it."""
        parsed = parse(name)
        return parsed is not None and parsed.kind in self._carries and self._serves(name)
