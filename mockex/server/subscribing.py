"""Subscribing: what becomes of SUBSCRIBE requests, and of what they name, while a fault is on.

Faults stand in the order of their injection; the first that fits a request and still has something
to do decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from mockex.faults.model import AckError, Fault, WithholdAck
from mockex.profile import Profile
from mockex.server.admission import Rule
from mockex.server.injection import Injection
from mockex.session.core import Session
from mockex.session.effects import Effect, SendText
from mockex.session.requests import Method, Request, error, read_request


class Subscribing:
    """Decides about each text frame, and about each stream that is subscribed."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._rules: list[Rule] = []
        self._silent: dict[str, Injection] = {}

    def add(self, fault: Fault, injection: Injection, requests: int) -> None:
        """Apply `fault` to the next `requests` requests that it fits."""
        self._rules.append(Rule(fault, injection, requests))

    def silence(self, stream: str, injection: Injection) -> None:
        """Never send `stream` to those who subscribe it from now on."""
        replaced = self._silent.get(stream)
        self._silent[stream] = injection
        if replaced is not None:
            replaced.let_go("another one took its place")

    def waits(self, injection: Injection) -> bool:
        """Whether a fault is on for requests to come."""
        return injection in self._silent.values() or any(
            r.injection is injection and r.left != 0 for r in self._rules
        )

    def withdraw(self, injection: Injection) -> None:
        """Nothing more of a fault."""
        waited = self.waits(injection)
        self._rules = [rule for rule in self._rules if rule.injection is not injection]
        self._silent = {s: i for s, i in self._silent.items() if i is not injection}
        if waited:
            injection.let_go()

    def clear(self) -> None:
        """Every request is carried out, every stream is sent from now on."""
        waited = [rule.injection for rule in self._rules if rule.left != 0]
        waited += self._silent.values()
        self._rules.clear()
        self._silent.clear()
        for injection in waited:
            injection.let_go()

    def receive(self, conn: int, session: Session, text: str, now: float) -> list[Effect]:
        """What a text frame leads to: what the session says, unless a fault has it."""
        request = read_request(self._profile, text) if self._rules else None
        if not isinstance(request, Request) or request.method is not Method.SUBSCRIBE:
            return session.receive_text(text, now)
        rule = next(
            (r for r in self._rules if self._fits(r.fault, conn, request) and r.take()), None
        )
        if rule is None:
            return session.receive_text(text, now)
        rule.injection.happened([conn])
        rule.taken()
        match rule.fault:
            case WithholdAck(served=True):
                effects = session.receive_text(text, now)
                return [effect for effect in effects if not isinstance(effect, SendText)]
            case AckError(code=code, msg=msg, envelope=envelope):
                profile = self._profile.with_(error_envelope=envelope)
                return session.receive_unheard(now, error(profile, code, msg, request.identified))
            case _:
                return session.receive_unheard(now)

    @staticmethod
    def _fits(fault: Fault, conn: int, request: Request) -> bool:
        return (fault.connection is None or fault.connection == conn) and (
            fault.stream is None or fault.stream in request.streams
        )

    def silenced(self, conn: int, streams: Sequence[str]) -> tuple[str, ...]:
        """Those of `streams`, newly subscribed by `conn`, that it will not be sent."""
        found = tuple(name for name in streams if name in self._silent)
        for name in found:
            self._silent[name].happened([conn], name)
        return found
