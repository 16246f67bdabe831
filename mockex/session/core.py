"""One client connection as the exchange sees it: no socket, no clock, no task.

`now` is always exchange seconds. Each call returns effects for the shell to perform in order;
`next_deadline` says when to call `advance` again if nothing arrives before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum, auto

from mockex.clock import Clock
from mockex.names import parse
from mockex.profile import Profile
from mockex.session.decisions import Case, Reply, Settles, answer, ending, settles
from mockex.session.effects import (
    Close,
    Effect,
    SendNotice,
    SendPing,
    SendPong,
    SendText,
    SetCombined,
    Subscribe,
    Unsubscribe,
)
from mockex.session.limits import Window
from mockex.session.requests import Id, Method, Request, error, read_request, result
from mockex.session.target import Target
from mockex.streams.envelope import Form, shutdown_notice

# "The phase is not aligned to the connection's age" (spot 3.1.1): pings stand on a grid of the
# exchange, a part of the interval away from its full minutes (I).
_PING_PHASE = 0.37
# "pongs sent more often than every 15 minutes keep the connection alive" (usdm 3.1.3)
KEEP_ALIVE_S = 900.0
# Pings without an answer that are known; where no deadline ends it, more of them are no news.
MOST_PINGS = 64
_NO_ID: Mapping[str, Id] = {}


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
        self._subscribed: dict[str, int] = {}  # and how often
        limit = profile.incoming_per_s
        most = None if limit is None else limit + profile.incoming_grace
        self._incoming = Window(most, profile.incoming_window_s)
        self._unanswered: deque[tuple[bytes, float]] = deque()
        self._next_ping_s = self._ping_after(now)
        self._ends_s = None if profile.lifetime_s is None else now + profile.lifetime_s
        self._suspended_s: float | None = None
        self._held_off_until_s = 0.0  # the pong deadline, by unsolicited pongs

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Names in the order of their subscription, silent ones included."""
        return tuple(self._subscribed)

    def opened(self, now: float) -> list[Effect]:
        """The upgrade is done: what the URL asked for."""
        if self._target.malformed:
            # spot 4.4 (I): upgrade, error without `id`, close
            return self._decide(Case.MALFORMED_STREAM)
        if len(self._target.streams) > self._profile.max_streams:
            return self._decide(Case.TOO_MANY_STREAMS)
        return [self._subscribe(self._target.streams, "url")] if self._target.streams else []

    # --- frames in ---

    def receive_text(self, text: str, now: float) -> list[Effect]:
        """A text frame arrived."""
        if (self.state, Input.MESSAGE) not in LEGAL:
            return []
        # "A connection that goes beyond the limit will be disconnected" (spot, WebSocket Limits).
        if self._incoming.count(now):
            return self._decide(Case.TOO_MANY_MESSAGES)
        request = read_request(self._profile, text)
        if isinstance(request, Request):
            return self._carry_out(request)
        return self._decide(request.case, request.identified, details=request.details)

    def receive_unheard(self, now: float, reply: str = "") -> list[Effect]:
        """A text frame arrived that a fault keeps from being carried out: it counts as a message,
        and `reply` is all that comes of it."""
        if (self.state, Input.MESSAGE) not in LEGAL:
            return []
        if self._incoming.count(now):
            return self._decide(Case.TOO_MANY_MESSAGES)
        return [SendText(reply)] if reply else []

    def receive_binary(self, now: float) -> list[Effect]:
        """A binary frame arrived: "a binary frame with the same JSON closes 1008" (spot 3.5)."""
        if (self.state, Input.MESSAGE) not in LEGAL:
            return []
        return self._decide(Case.TOO_MANY_MESSAGES if self._incoming.count(now) else Case.BINARY)

    def receive_ping(self, payload: bytes, now: float) -> list[Effect]:
        """A ping frame arrived; it counts as a message (spot 3.1.8)."""
        if (self.state, Input.PING) not in LEGAL:
            return []
        if self._incoming.count(now):
            return self._decide(Case.TOO_MANY_MESSAGES)
        return self._decide(Case.PING, payload=payload)

    def receive_pong(self, payload: bytes, now: float) -> list[Effect]:
        """A pong frame arrived. `decisions.PONGS` says what it settles."""
        if (self.state, Input.PONG) not in LEGAL:
            return []
        copies = any(payload == sent for sent, _ in self._unanswered)
        if (not copies or self._profile.count_pongs) and self._incoming.count(now):
            return self._decide(Case.TOO_MANY_MESSAGES)
        match settles(self._profile, copies=copies):
            case Settles.UP_TO_IT:
                while self._unanswered.popleft()[0] != payload:
                    pass
            case Settles.IT:
                self._unanswered.remove(next(p for p in self._unanswered if p[0] == payload))
            case Settles.ALL:
                self._unanswered.clear()
            case Settles.HOLDS_OFF:
                self._held_off_until_s = now + KEEP_ALIVE_S
            case Settles.NOTHING:
                pass
        return []

    def receive_close(self, code: int | None, reason: str, now: float) -> list[Effect]:
        """A close frame arrived: answered with the same code (RFC 6455, 5.5.1)."""
        if (self.state, Input.CLOSE) not in LEGAL:
            return []
        return [self._ends(Close(code))]

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
        return max(self._unanswered[0][1] + deadline_s, self._held_off_until_s)

    def advance(self, now: float) -> list[Effect]:
        """Time has passed."""
        if (self.state, Input.TIME) not in LEGAL:
            return []
        if self._suspended_s is None:
            pong_due_s = self.pong_due_s()
            if pong_due_s is not None and now >= pong_due_s:
                return self._decide(Case.NO_PONG)
            if self._ends_s is not None and now >= self._ends_s:
                return self._decide(Case.LIFETIME)
        if self._next_ping_s is not None and now >= self._next_ping_s:
            self._next_ping_s = self._ping_after(now)
            return [self._ping(now)]
        return []

    def shut_down(self, now: float) -> list[Effect]:
        """The exchange will shut down: the notice, "always sent, never listed" (spot 3.3, I). Data
        keeps flowing; `shut_down_over` ends it."""
        if self.state is not State.OPEN:
            return []
        return self._decide(Case.SHUTDOWN, now=now)

    def shut_down_over(self) -> list[Effect]:
        """The exchange goes away."""
        return self._decide(Case.SHUTDOWN_OVER) if self.state is State.OPEN else []

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
            if len(self._unanswered) == MOST_PINGS:
                del self._unanswered[1]  # the oldest has the deadline
            self._unanswered.append((payload, now))
        return SendPing(payload)

    def _ends(self, end: Effect) -> Effect:
        self.state = State.CLOSING
        return end

    def _decide(
        self,
        case: Case,
        identified: Mapping[str, Id] = _NO_ID,
        *,
        value: object = None,
        details: Mapping[str, object] | None = None,
        payload: bytes = b"",
        now: float = 0.0,
    ) -> list[Effect]:
        """Do what the table says: the reply, then the end of the connection if there is one."""
        row = answer(self._profile, case)
        effects: list[Effect] = []
        match row.reply:
            case Reply.RESULT:
                effects.append(SendText(result(identified, value)))
            case Reply.ERROR:
                msg = getattr(self._profile.texts, row.text).format(**(details or {}))
                named = identified if row.with_id else _NO_ID
                effects.append(SendText(error(self._profile, row.code, msg, named)))
            case Reply.PONG:
                effects.append(SendPong(payload))
            case Reply.NOTICE:
                form = Form(self.combined, self._target.micro)
                effects.append(SendNotice(shutdown_notice(self._clock.unix_ms(now), form)))
            case Reply.NONE:
                pass
        end = ending(self._profile, row.then)
        return effects if end is None else [*effects, self._ends(end)]

    def _succeed(self, request: Request, value: object = None) -> list[Effect]:
        return self._decide(Case.VALID, request.identified, value=value)

    def _carry_out(self, request: Request) -> list[Effect]:
        match request.method:
            case Method.SUBSCRIBE:
                if len({*self._subscribed, *request.streams}) > self._profile.max_streams:
                    return self._decide(Case.TOO_MANY_STREAMS, request.identified)
                # The response goes before the first event of the new streams (spot 4.2, I).
                return [*self._succeed(request), self._subscribe(request.streams, "request")]
            case Method.UNSUBSCRIBE:
                gone = tuple(n for n in dict.fromkeys(request.streams) if self._give_up(n))
                effects = self._succeed(request)
                return [*effects, Unsubscribe(gone)] if gone else effects
            case Method.LIST_SUBSCRIPTIONS:
                return self._succeed(request, self._listed())
            case Method.GET_PROPERTY:
                return self._succeed(request, self.combined)
            case Method.SET_PROPERTY:
                self.combined = request.combined
                # "A change affects events sent after the response" (spot 4.2, I)
                return [*self._succeed(request), SetCombined(request.combined)]

    def _listed(self) -> list[str]:
        if self._profile.list_url_streams:
            return list(self._subscribed)
        return [name for name in self._subscribed if name not in self._target.streams]

    def _give_up(self, name: str) -> bool:
        """Unsubscribe once; True if `name` is not subscribed any more, and was."""
        times = self._subscribed.get(name, 0)
        if times > 1 and self._profile.subscribing_twice == "counted":
            self._subscribed[name] = times - 1
            return False
        return self._subscribed.pop(name, 0) > 0

    def _subscribe(self, names: tuple[str, ...], via: str) -> Subscribe:
        streams = tuple(dict.fromkeys(names))
        again = tuple(n for n in streams if n in self._subscribed)
        for name in streams:
            self._subscribed[name] = self._subscribed.get(name, 0) + 1
        silent = tuple(n for n in streams if not self._delivers(n))
        return Subscribe(streams, "url" if via == "url" else "request", silent, again)

    def _delivers(self, name: str) -> bool:
        """Whether this connection is ever sent `name`: it exists, and its route carries it."""
        parsed = parse(name)
        return parsed is not None and parsed.kind in self._carries and self._serves(name)
